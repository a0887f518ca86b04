"""Categories as places in a table of fixed length, by a hash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.core.errors import HandsonError, whole
from handson.core.registry import register
from handson.layers.preprocessing.encoding import MODES, Encoder, chosen
from handson.layers.preprocessing.given import given, is_textual, texts
from handson.layers.preprocessing.hashes import crossed, fingerprint, siphash
from handson.layers.preprocessing.index_lookup import salted
from handson.layers.shapes import Shape, Shapes, is_shape


def _array(values: Any) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


@register
class Hashing(Encoder):
    """Texts or whole numbers as one of `num_bins` numbers, by a hash: no vocabulary is needed, and some collide.

    Parameters
    ----------
    num_bins : int
        The number of bins, that of the mask included.
    mask_value : str or int, optional
        A value that gets the bin 0, which no other one gets then.
    salt : int or two int, optional
        The hash is SipHash with these numbers, in place of FarmHash.
    output_mode : {'int', 'one_hot', 'multi_hot', 'count'}
        Bins; a vector for each value; or one for the last axis, which says which bins are in it, or how often.
    sparse : bool
        Only False.
    **kwargs
        The arguments of every layer; `dtype` is that of the outputs.

    Notes
    -----
    The bins are those of Keras, which needs TensorFlow for this layer. Numbers are hashed as they are written, without
    their fractions. In a net, texts are hashed before the net runs.

    Examples
    --------
    >>> Hashing(3)([["A"], ["B"], ["C"], ["D"], ["E"]]).flatten().tolist()
    [1, 0, 1, 1, 2]
    >>> Hashing(3, salt=(133, 137))(["A", "B", "C", "D", "E"]).tolist()
    [1, 2, 1, 0, 2]
    """

    takes_texts = True

    def __init__(
        self,
        num_bins: int,
        mask_value: Any = None,
        salt: Any = None,
        output_mode: str = "int",
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(sparse, **kwargs)
        self.num_bins = whole("num_bins", num_bins, 1)
        self.mask_value, self.salt = mask_value, salted(salt)
        self.output_mode = chosen(type(self).__name__, "output_mode", output_mode, MODES)

    def depth(self) -> int:
        return self.num_bins

    def call(self, inputs: Any) -> Tensor:
        found = self._bins(_array(inputs))
        device = inputs.device if isinstance(inputs, Tensor) else None
        return self.encoded(torch.from_numpy(found).to(device))

    def _bins(self, values: np.ndarray) -> np.ndarray:
        written = texts("Hashing", values) if is_textual(values) else _written(values)
        masked = self.mask_value is not None and self.num_bins > 1
        count = self.num_bins - 1 if masked else self.num_bins
        words = fingerprint(written) if self.salt is None else siphash(written, self.salt)
        found = (words % np.uint64(count)).astype(np.int64)
        if masked:
            found = np.where([text == str(self.mask_value) for text in written], 0, found + 1)
        return found.reshape(values.shape)


def _written(numbers: np.ndarray) -> list[str]:
    return [str(number) for number in numbers.astype(np.int64).ravel().tolist()]


@register
class HashedCrossing(Encoder):
    """Several categorical features as one of `num_bins` numbers: a hash of what they are together.

    Parameters
    ----------
    num_bins : int
        The number of bins.
    output_mode : {'int', 'one_hot'}
        Bins, or a vector for each row.
    sparse : bool
        Only False.
    name : str, optional
        The layer's name.
    dtype : str, optional
        The type of the outputs.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    The features, two or more, are texts or whole numbers, each of shape (n,) or (n, 1). The bins are those of Keras,
    which needs TensorFlow for this layer.

    Examples
    --------
    >>> layer = HashedCrossing(5)
    >>> layer((["A", "B", "A", "B", "A"], [101, 101, 101, 102, 102])).tolist()
    [1, 4, 1, 1, 3]
    """

    takes_texts = True

    def __init__(
        self, num_bins: int, output_mode: str = "int", sparse: bool = False, name: str | None = None, dtype: Any = None,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(sparse, dtype, name=name, **kwargs)
        self.num_bins = whole("num_bins", num_bins, 1)
        self.output_mode = chosen(type(self).__name__, "output_mode", output_mode, ("int", "one_hot"))

    def depth(self) -> int:
        return self.num_bins

    def _given(self, values: Any) -> Any:
        if not isinstance(values, (list, tuple)) or len(values) < 2:
            raise HandsonError("HashedCrossing takes a list of two or more features, layer((first, second)).")
        return [given("HashedCrossing", value) for value in values]

    def call(self, inputs: Sequence[Any]) -> Tensor:
        columns = [_array(values) for values in inputs]
        shapes = {column.shape for column in columns}
        shape = columns[0].shape
        if len(shapes) > 1 or len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
            raise HandsonError(f"HashedCrossing takes features of one shape, (n,) or (n, 1); got {sorted(shapes)}.")
        bins = crossed([_words(column.ravel()) for column in columns]) % np.uint64(self.num_bins)
        device = next((values.device for values in inputs if isinstance(values, Tensor)), None)
        return self.encoded(torch.from_numpy(bins.astype(np.int64).reshape(shape)).to(device))

    def compute_output_shape(self, input_shape: Shapes) -> Shape:
        if is_shape(input_shape):
            raise HandsonError(f"HashedCrossing takes a list of two or more features; got one of shape {input_shape}.")
        return super().compute_output_shape(input_shape[0])


def _words(values: np.ndarray) -> np.ndarray:
    if is_textual(values):
        return fingerprint(texts("HashedCrossing", values))
    if values.dtype.kind not in "biu":
        raise HandsonError(f"HashedCrossing takes texts or whole numbers; got {values.dtype}: use Discretization.")
    return values.astype(np.int64).astype(np.uint64)

"""Numbers as categories: bins of their values, and encoded indices."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.core.errors import HandsonError, whole
from handson.core.masked import unmasked
from handson.core.registry import register
from handson.layers.preprocessing.encoding import MODES, Encoder, chosen, encode
from handson.layers.preprocessing.given import batches
from handson.layers.preprocessing.quantiles import Quantiles
from handson.layers.shapes import Shape


@register
class Discretization(Encoder):
    """The bin that each number falls into: bins are [a, b), the first and the last go on without end.

    Parameters
    ----------
    bin_boundaries : sequence of float, optional
        The boundaries in ascending order, one fewer than bins.
    num_bins : int, optional
        How many bins `adapt` finds, each with about as many numbers of its data. One of the two is given.
    epsilon : float
        How far the share of a bin may be off in `adapt`.
    output_mode : {'int', 'one_hot', 'multi_hot', 'count'}
        The number of the bin; or a vector for each number; or one for the last axis, which says which bins are
        in it, or how often.
    sparse : bool
        Only False.
    dtype : str, optional
        The type of the outputs: 'int32' for bins, 'float32' for vectors.
    name : str, optional
        The layer's name.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> Discretization([0.0, 1.0, 2.0])([[-1.5, 1.0, 3.4, 0.5]]).tolist()
    [[0, 2, 3, 1]]
    >>> layer = Discretization(num_bins=4)
    >>> layer.adapt(np.arange(100.0))
    >>> [round(boundary) for boundary in layer.bin_boundaries]
    [24, 49, 74]
    """

    takes_integers, floats_only = False, True
    index_type = torch.int32

    def __init__(
        self,
        bin_boundaries: Any = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        dtype: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(sparse, dtype, name=name, **kwargs)
        if (bin_boundaries is None) == (num_bins is None):
            raise HandsonError(
                f"Discretization takes bin_boundaries, or num_bins and adapt(data); got bin_boundaries="
                f"{bin_boundaries!r} and num_bins={num_bins!r}."
            )
        self.num_bins = None if num_bins is None else whole("num_bins", num_bins, 1)
        if not 0 < epsilon < 1:
            raise HandsonError(f"Discretization: epsilon lies between 0 and 1; got {epsilon!r}.")
        self.epsilon = epsilon
        self.output_mode = chosen(type(self).__name__, "output_mode", output_mode, MODES)
        self._boundaries = None if bin_boundaries is None else _ascending(bin_boundaries)
        self._quantiles = Quantiles(epsilon)

    @property
    def bin_boundaries(self) -> list[float] | None:
        """The boundaries of the bins, None before `adapt`."""
        return self._boundaries

    @bin_boundaries.setter
    def bin_boundaries(self, boundaries: Any) -> None:
        self._boundaries = _ascending(boundaries)

    def depth(self) -> int | None:
        return self.num_bins if self._boundaries is None else len(self._boundaries) + 1

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Find boundaries between which there are about as many numbers each.

        Parameters
        ----------
        data : array, list, table or iterable of batches
            Numbers.
        steps : int, optional
            How many batches of an iterable are used.
        """
        self.reset_state()
        for batch in batches("Discretization", data, steps):
            self.update_state(batch)
        self.finalize_state()

    def reset_state(self) -> None:
        """Forget what `update_state` has seen."""
        if self.num_bins is None:
            raise HandsonError("this Discretization has bin_boundaries and does not adapt; make it with num_bins=...")
        self._quantiles = Quantiles(self.epsilon)

    def update_state(self, data: Any) -> None:
        """Take in a batch of numbers."""
        self._quantiles.add(unmasked(data, dtype=np.float32))

    def finalize_state(self) -> None:
        """Set the boundaries for all numbers that were taken in."""
        if self.num_bins is not None:
            self._boundaries = self._quantiles.boundaries(self.num_bins)

    def call(self, inputs: Tensor) -> Tensor:
        if self._boundaries is None:
            raise HandsonError(f"{self.name!r} has no boundaries yet: call adapt(data), or give bin_boundaries.")
        edges = torch.as_tensor(self._boundaries, dtype=inputs.dtype, device=inputs.device)
        return self.encoded(torch.bucketize(inputs.contiguous(), edges, right=True))

    def get_config(self, compact: bool = False) -> dict[str, Any]:
        config = super().get_config(compact)
        return config if self._boundaries is None else config | {"bin_boundaries": self._boundaries}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Discretization:
        if config.get("num_bins") is None or config.get("bin_boundaries") is None:
            return cls(**config)
        layer = cls(**config | {"bin_boundaries": None})
        layer.bin_boundaries = config["bin_boundaries"]
        return layer


def _ascending(boundaries: Any) -> list[float]:
    found = [float(value) for value in np.asarray(boundaries, dtype=float).ravel()]
    if any(not a <= b for a, b in itertools.pairwise(found)):
        raise HandsonError(f"bin_boundaries are in ascending order; got {boundaries}.")
    return found


@register
class CategoryEncoding(Encoder):
    """Whole numbers from 0 to ``num_tokens - 1`` as vectors.

    Parameters
    ----------
    num_tokens : int
        The number of categories.
    output_mode : {'multi_hot', 'one_hot', 'count'}
        One vector for the last axis, which says which categories are in it, or how often; or one for each number.
    sparse : bool
        Only False.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> CategoryEncoding(4, "one_hot")([3, 0]).tolist()
    [[0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0]]
    >>> CategoryEncoding(3, "count")([[0, 0, 2]], count_weights=[[0.5, 0.5, 2.0]]).tolist()
    [[1.0, 0.0, 2.0]]
    """

    def __init__(
        self, num_tokens: int | None = None, output_mode: str = "multi_hot", sparse: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(sparse, **kwargs)
        if num_tokens is None:
            raise HandsonError(
                "CategoryEncoding needs num_tokens, the number of categories. If that is not known, "
                "IntegerLookup finds it."
            )
        self.num_tokens = whole("num_tokens", num_tokens, 1)
        self.output_mode = chosen(type(self).__name__, "output_mode", output_mode, ("multi_hot", "one_hot", "count"))

    def depth(self) -> int:
        return self.num_tokens

    def call(self, inputs: Tensor, count_weights: Any = None) -> Tensor:
        indices = inputs.long()
        if count_weights is not None:
            if self.output_mode != "count":
                raise HandsonError(f"count_weights is for output_mode='count'; this one has {self.output_mode!r}.")
            count_weights = torch.as_tensor(np.asarray(count_weights), device=indices.device)
        self._check_range(indices)
        return encode(indices, self.output_mode, self.num_tokens, count_weights).to(self.code_type)

    def _check_range(self, indices: Tensor) -> None:
        # On a GPU, where a look at values would wait for it, the kernel itself checks them.
        if indices.device.type != "cpu" or not indices.numel():
            return
        low, high = (int(value) for value in indices.aminmax())
        if low < 0 or high >= self.num_tokens:
            raise HandsonError(
                f"CategoryEncoding {self.name!r} takes whole numbers from 0 to {self.num_tokens - 1}; got values from "
                f"{low} to {high}."
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return super().compute_output_shape(input_shape) if input_shape else (self.num_tokens,)

"""Tokens, texts or whole numbers, as their places in a vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.core.masked import masked_as_missing
from handson.core.registry import register
from handson.graph import Node
from handson.layers.preprocessing.encoding import UNKNOWN, chosen
from handson.layers.preprocessing.given import check_symbols, texts
from handson.layers.preprocessing.index_lookup import IndexLookup


@register
class StringLookup(IndexLookup):
    """Texts as their places in a vocabulary.

    Parameters
    ----------
    max_tokens : int, optional
        The most indices there are, special ones included.
    num_oov_indices : int
        How many indices stand for tokens that are not in the vocabulary; among several a hash decides, and with 0 they
        are refused.
    mask_token : str, optional
        A token that gets the index 0; encoded as a vector it leaves no trace.
    oov_token : str
        What inverted layers give for what is not in the vocabulary.
    vocabulary : sequence of str, or path of a text file, optional
        The tokens; else `adapt` finds them.
    idf_weights : sequence of float, optional
        A weight for each token, for 'tf_idf'.
    invert : bool
        Whether indices come in and texts, in an array of NumPy, go out.
    output_mode : {'int', 'one_hot', 'multi_hot', 'count', 'tf_idf'}
        Indices; a vector for each token; or one for the last axis, which says which tokens are in it, how often, or
        how often times their weight.
    pad_to_max_tokens : bool
        Whether vectors have the length `max_tokens` whatever the vocabulary is.
    sparse : bool
        Only False.
    encoding : str
        How bytes are read.
    name : str, optional
        The layer's name.
    salt : int or two int, optional
        Makes the hash of unknown tokens another one.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    PyTorch has no tensors of texts: the layer takes arrays and lists of them, and gives a tensor of int64 (vectors are
    float32). In a net it is the first layer, or stands behind ``Input((1,), dtype="string")``, and reads the texts
    before the net runs. Keras needs TensorFlow for this layer; indices are the same.

    Examples
    --------
    >>> layer = StringLookup()
    >>> layer.adapt(["b", "a", "b"])
    >>> layer.get_vocabulary(), layer(["a", "b", "c"]).tolist()
    (['[UNK]', 'b', 'a'], [2, 1, 0])
    >>> StringLookup(vocabulary=["b", "a"], invert=True)([2, 1, 0]).tolist()
    ['a', 'b', '[UNK]']
    """

    takes_texts = True

    @property
    def reads_texts(self) -> bool:
        """Whether it takes nothing but texts."""
        return not self.invert

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str | None = "[UNK]",
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        salt: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            max_tokens, num_oov_indices, mask_token, oov_token, invert, output_mode, pad_to_max_tokens, salt,
            sparse=sparse, name=name, **kwargs,
        )  # fmt: skip
        self.encoding = encoding
        self._table: dict[str, int] = {}
        self._start(vocabulary, idf_weights)

    def _token(self, token: Any) -> str:
        if not isinstance(token, (str, bytes)):
            raise HandsonError(f"the tokens of a StringLookup are texts; got {token!r}. Of numbers: IntegerLookup.")
        return token.decode(self.encoding) if isinstance(token, bytes) else str(token)

    def _settle(self, tokens: list[Any]) -> None:
        super()._settle(tokens)
        first = len(self.special_tokens)
        self._table = {token: place for place, token in enumerate(tokens, first)}
        if self.mask_token is not None:
            self._table[self.mask_token] = self.masked_index

    def _all_tokens(self, data: Any) -> list[str]:
        return texts("StringLookup", data, self.encoding)

    def _infer(self, node: Node) -> Any:
        check_symbols(self, node)
        return super()._infer(node)

    def call(self, inputs: Any) -> Any:
        self.ready_to_look_up()
        if self.invert:
            return self._inverted(inputs)
        tokens = self._all_tokens(inputs)
        return self.encoded(torch.from_numpy(self.indices(tokens).reshape(inputs.shape)))

    def indices(self, tokens: Sequence[str]) -> np.ndarray:
        """The indices of tokens, as int64 of shape (n,)."""
        default = self.first_unknown if self.num_oov_indices == 1 else UNKNOWN
        table = self._table
        found = np.fromiter((table.get(token, default) for token in tokens), np.int64, len(tokens))
        unknown = np.flatnonzero(found == UNKNOWN).tolist()
        if unknown:
            named = [tokens[place] for place in unknown]
            if not self.num_oov_indices:
                self._refuse_unknown(named)
            found[unknown] = self._buckets(named) + self.first_unknown
        return found


@register
class IntegerLookup(IndexLookup):
    """Whole numbers, such as ids, as their places in a vocabulary.

    Parameters
    ----------
    max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert, output_mode
        As in `StringLookup`, with whole numbers for tokens.
    vocabulary_dtype : str
        Only 'int64'.
    sparse : bool
        Only False.
    pad_to_max_tokens : bool
        Whether vectors have the length `max_tokens` whatever the vocabulary is.
    oov_method : {'floormod', 'farmhash'}
        Which of several indices a number gets that is not known: its remainder, or a hash.
    salt : int or two int, optional
        Makes the hash another one.
    name : str, optional
        The layer's name.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> layer = IntegerLookup(vocabulary=[12, 36, 1138, 42])
    >>> layer([[12, 1138, 42], [42, 1000, 36]]).tolist()
    [[1, 3, 4], [4, 0, 2]]
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int | None = -1,
        vocabulary: Any = None,
        vocabulary_dtype: str = "int64",
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        oov_method: str = "floormod",
        salt: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            max_tokens, num_oov_indices, mask_token, oov_token, invert, output_mode, pad_to_max_tokens, salt,
            sparse=sparse, name=name, **kwargs,
        )  # fmt: skip
        chosen("IntegerLookup", "vocabulary_dtype", vocabulary_dtype, ("int64",))
        self.oov_method = chosen("IntegerLookup", "oov_method", oov_method, ("floormod", "farmhash"))
        if salt is not None and oov_method == "floormod":
            raise HandsonError("IntegerLookup: salt is for oov_method='farmhash'.")
        self._start(vocabulary, idf_weights)

    def _token(self, token: Any) -> int:
        if isinstance(token, str):  # a line of a file
            token = int(token) if token.lstrip("+-").isdigit() else token
        if isinstance(token, (str, bytes, bool)) or int(token) != token:
            raise HandsonError(f"the tokens of an IntegerLookup are whole numbers; got {token!r}.")
        return int(token)

    def _settle(self, tokens: list[Any]) -> None:
        super()._settle(tokens)
        keys = torch.tensor(tokens, dtype=torch.int64)
        order = torch.argsort(keys)
        self.register_buffer("_keys", keys[order], persistent=False)
        self.register_buffer("_places", order + len(self.special_tokens), persistent=False)

    _keys: Tensor
    _places: Tensor

    def _all_tokens(self, data: Any) -> list[int]:
        return np.asarray(self._whole(data)).ravel().tolist()

    def _whole(self, data: Any) -> Any:
        data = masked_as_missing(data)
        found = torch.as_tensor(data) if not isinstance(data, np.ndarray) or data.dtype.kind in "biuf" else None
        if found is None or (found.is_floating_point() and not bool((found == found.round()).all())):
            raise HandsonError(f"IntegerLookup {self.name!r} takes whole numbers; got {getattr(data, 'dtype', data)}.")
        return found.long()

    def call(self, inputs: Any) -> Any:
        self.ready_to_look_up()
        if self.invert:
            return self._inverted_numbers(inputs)
        numbers = self._whole(inputs)
        near = torch.searchsorted(self._keys, numbers.contiguous()).clamp(max=len(self._keys) - 1)
        known = self._keys[near] == numbers
        found = torch.where(known, self._places[near], self._unknown(numbers, known))
        if self.mask_token is not None:
            found = torch.where(numbers == self.mask_token, self.masked_index, found)
        return self.encoded(found)

    def _unknown(self, numbers: Tensor, known: Tensor) -> Any:
        """Where each number goes if it is not known."""
        if self.num_oov_indices == 1:
            return self.first_unknown
        if self.num_oov_indices == 0:
            named = numbers[~known & (numbers != self.mask_token if self.mask_token is not None else True)].tolist()
            return self._refuse_unknown(named) if named else 0
        if self.oov_method == "floormod":
            return numbers % self.num_oov_indices + self.first_unknown
        buckets = self._buckets([str(number) for number in numbers.flatten().tolist()])
        return torch.from_numpy(buckets).to(numbers.device).reshape(numbers.shape) + self.first_unknown

    def _inverted_numbers(self, indices: Tensor) -> Tensor:
        missing = -1 if self.oov_token is None else self.oov_token
        table = [missing if token is None else token for token in [*self.get_vocabulary(), missing]]
        places = indices.long()
        places = torch.where((places < 0) | (places >= len(table)), len(table) - 1, places)
        return torch.tensor(table, device=places.device)[places]

"""Whole numbers that stand for categories, as indices or encoded as vectors; and what layers that give them share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from handson.core.errors import HandsonError, listing, nearest
from handson.graph.conversion import torch_type
from handson.layers.base import Layer
from handson.layers.preprocessing.given import given
from handson.layers.shapes import Shape, Shapes

# What layers of categories give.
MODES = ("int", "one_hot", "multi_hot", "count")
# Older spellings that Keras still takes.
OLDER = {"binary": "multi_hot", "tf-idf": "tf_idf"}
# Types of indices.
CODES = ("int32", "int64", torch.int32, torch.int64)
# The place of a value that stands for nothing, and of one that is not known.
DROPPED, UNKNOWN = -1, -2


def chosen(layer: str, argument: str, value: Any, known: Sequence[str]) -> str:
    """The value, or an error that names the layer, its argument and the nearest of the known values."""
    value = OLDER.get(value, value) if isinstance(value, str) and argument == "output_mode" else value
    if value not in known:
        raise HandsonError(
            f"{layer}: {argument} is one of {listing(known)}; got {value!r}.{nearest(str(value), known)}"
        )
    return str(value)


def encode(indices: Tensor, mode: str, depth: int, weights: Tensor | None = None) -> Tensor:
    """Indices as vectors of floats of length `depth`; the index -1 leaves no trace.

    'one_hot' encodes each index (a last axis of size 1 gives way to the vector); 'multi_hot' and 'count' encode the
    last axis as one vector: which indices are there, or how often (or with which sum of weights).

    Examples
    --------
    >>> encode(torch.tensor([[0, 2, 2]]), "count", 4).tolist()
    [[1.0, 0.0, 2.0, 0.0]]
    """
    if mode == "one_hot" and not (indices.dim() > 1 and indices.shape[-1] == 1):
        indices = indices[..., None]
    indices = indices.reshape(1) if indices.dim() == 0 else indices
    places = torch.where(indices == DROPPED, depth, indices)
    amounts = torch.ones_like(places, dtype=torch.float32) if weights is None else weights.float().reshape(places.shape)
    vectors = torch.zeros((*places.shape[:-1], depth + 1), device=places.device)
    vectors = vectors.scatter_add(-1, places, amounts)[..., :depth]
    return vectors.clamp(max=1.0) if mode != "count" else vectors


def encoded_shape(shape: Shape, mode: str, depth: int | None) -> Shape:
    """The shape of what `encode` gives."""
    if mode == "one_hot" and not (len(shape) > 1 and shape[-1] == 1):
        return (*shape, depth)
    return (*shape[:-1], depth)


class Encoder(Layer):
    """The base of layers that turn values into indices of categories, or into vectors that encode them."""

    takes_integers = True
    output_mode: str
    # The type of indices, where none was asked for.
    index_type = torch.int64

    def __init__(self, sparse: bool = False, dtype: Any = None, **kwargs: Any) -> None:
        if sparse:
            raise HandsonError(
                f"{type(self).__name__}: no layer gives sparse tensors, as in Keras on PyTorch; leave out sparse=True."
            )
        # Whole numbers are the type of the outputs alone; fractions are also what is computed in.
        asked = torch_type(dtype) if isinstance(dtype, (str, torch.dtype)) and dtype in CODES else None
        super().__init__(dtype=None if asked is not None or dtype == "string" else dtype, **kwargs)
        self.asked_type = asked

    @property
    def code_type(self) -> torch.dtype:
        """The type of the outputs."""
        return self.asked_type or (self.index_type if self.output_mode == "int" else self.output_type)

    def depth(self) -> int | None:
        """The length of the vectors."""
        raise NotImplementedError

    def encoded(self, indices: Tensor, weights: Tensor | None = None) -> Tensor:
        """Indices as this layer gives them."""
        if self.output_mode != "int":
            indices = encode(indices, self.output_mode, self.depth() or 0, weights)
        return indices.to(self.code_type)

    def compute_output_shape(self, input_shape: Shapes) -> Shapes:
        if self.output_mode == "int":
            return tuple(input_shape)
        return encoded_shape(tuple(input_shape), self.output_mode, self.depth())

    def _type_after(self, kind: torch.dtype) -> torch.dtype:
        return self.code_type

    def _called(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return super()._called((self._given(args[0]), *args[1:]) if args else args, kwargs)

    def _given(self, values: Any) -> Any:
        """What a user gives, lists and tables too, as one array or tensor."""
        return given(type(self).__name__, values)

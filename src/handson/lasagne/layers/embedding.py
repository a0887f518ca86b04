"""Embeddings of whole numbers."""

from __future__ import annotations

from typing import Any

from handson import layers as own
from handson.lasagne import init
from handson.lasagne.layers.base import Layer, Shape, same


class EmbeddingLayer(Layer):
    """A learned vector for each whole number.

    Parameters
    ----------
    incoming : Layer or tuple
        The layer before, an input of whole numbers.
    input_size : int
        How many numbers there are.
    output_size : int
        The size of a vector.
    W : Initializer, array or shared variable
        What the vectors start from, (input_size, output_size).
    name : str, optional
        A name.

    Examples
    --------
    >>> EmbeddingLayer((None, 7), 20, 3).output_shape
    (None, 7, 3)
    """

    def __init__(
        self, incoming: Any, input_size: int, output_size: int, W: Any = init.Normal(), name: str | None = None  # noqa: B008
    ) -> None:  # fmt: skip
        super().__init__(incoming, name)
        self.input_size, self.output_size = int(input_size), int(output_size)
        self.W = self.add_param(W, (self.input_size, self.output_size), name="W")
        embedding = own.Embedding(self.input_size, self.output_size)
        embedding.ensure_built(self.input_shape)
        self.parts = [embedding]
        self.adopt(self.W, embedding, "embeddings")

    def get_output_shape_for(self, input_shape: Any) -> Shape:
        return (*input_shape, self.output_size)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        (embedding,) = self.parts or []
        return self.apply_parts(input, True, [(embedding, "embeddings", same)])

"""What attention with several heads shares: projections, masks, and attention over the chosen axes."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.graph import Node
from handson.graph.symbol import Spec
from handson.layers.attending import attend, both, causal, shares, within
from handson.layers.base import Layer, Shape, fraction, positive
from handson.layers.calling import named_arguments
from handson.layers.dropout import dropout_mask
from handson.layers.einsum import EinsumDense
from handson.randomness.keys import check_seed


class Heads(Layer):
    """Several heads of dot-product attention, each between projections of its own."""

    floats_only = supports_masking = True
    # Attributes that have other names in Keras, by which files know their weights.
    keras_parts: ClassVar = {"gate_dense": "_gate_dense"}

    # A class says how many heads there are, and how long they are, before it calls `set_up`.
    heads: int
    shared_heads: int
    key_size: int
    value_size: int
    attention_axes: tuple[int, ...] | None = None
    outputs: tuple[int, ...] | None = None

    def set_up(self, arguments: dict[str, Any]) -> None:
        """Check and keep the arguments that both classes have."""
        owner = type(self).__name__
        self.dropout = fraction(owner, "dropout", arguments["dropout"])
        self.use_bias, self.use_gate = arguments["use_bias"], arguments["use_gate"]
        window = arguments["sliding_window"]
        self.sliding_window = None if window is None else positive(owner, "sliding_window", window)
        self.flash_attention = arguments["flash_attention"]
        self.seed = None if arguments["seed"] is None else check_seed(arguments["seed"])
        self.path = self.name
        kept = (
            f"{part}_{what}" for what in ("initializer", "regularizer", "constraint") for part in ("kernel", "bias")
        )
        self._projections = {name: arguments[name] for name in kept}
        if arguments["activity_regularizer"] is not None:
            self._projections["activity_regularizer"] = arguments["activity_regularizer"]
        if self.flash_attention and self.dropout:
            raise HandsonError(f"{owner}: flash_attention=True takes no dropout; got dropout={self.dropout}.")

    # Shapes.

    def _checked(self, query: Shape, value: Shape, key: Shape | None) -> tuple[Shape, Shape, Shape]:
        """The shapes of query, value and key, if they fit; and the axes of attention."""
        query, value, key = tuple(query), tuple(value), tuple(value if key is None else key)
        title, rank = f"{type(self).__name__} {self.name!r}", len(query)
        same = [pair for pair in zip(value[:-1], key[:-1], strict=False) if None not in pair and pair[0] != pair[1]]
        if rank < 3 or len(value) != rank or len(key) != rank or same:
            raise HandsonError(
                f"{title} takes a query (n, places, features), a value (n, steps, features) and a key like the value, "
                f"or all with more axes; got the shapes {query}, {value}, {key}."
            )
        if None in (query[-1], value[-1], key[-1]):
            raise HandsonError(f"{title} needs known numbers of features; got the shapes {query}, {value}, {key}.")
        axes = self._axes(rank)
        rest = [axis for axis in range(1, rank - 1) if axis not in axes]
        if any(None not in (query[axis], value[axis]) and query[axis] != value[axis] for axis in rest):
            raise HandsonError(
                f"{title}: axes that are not attended over have the same sizes in query and value; got the shapes "
                f"{query}, {value} with attention_axes={axes}."
            )
        return query, value, key

    def _axes(self, rank: int) -> tuple[int, ...]:
        """The axes that are attended over, counted from the front."""
        if self.attention_axes is None:
            return tuple(range(1, rank - 1))
        axes = tuple(axis % rank for axis in self.attention_axes if -rank <= axis < rank)
        if len(set(axes)) < len(self.attention_axes) or not all(0 < axis < rank - 1 for axis in axes):
            raise HandsonError(
                f"{type(self).__name__} {self.name!r}: attention_axes={self.attention_axes} are axes between the rows "
                f"and the features of inputs with {rank} axes."
            )
        return axes

    def compute_output_shape(  # type: ignore[override]
        self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None
    ) -> Shape:
        query, *_ = self._checked(query_shape, value_shape, key_shape)
        return (*query[:-1], *(self.outputs or query[-1:]))

    def _infer(self, node: Node) -> Any:
        found = super()._infer(node)
        if not named_arguments(type(self).call, *node.arguments).get("return_attention_scores"):
            return found
        query, value, _ = self._checked(*_three(self._shapes_in(*node.arguments)))
        axes = self._axes(len(query))
        rest = [size for axis, size in enumerate(query[:-1]) if axis not in axes]
        places, steps = ([shape[axis] for axis in axes] for shape in (query, value))
        return found, Spec((*rest, self.heads, *places, *steps), found.dtype)

    def _takes(self, shape: Any) -> bool:
        given = self._checked(*_three(shape))
        denses = self.query_dense, self.value_dense, self.key_dense
        return all(dense._takes(one) for dense, one in zip(denses, given, strict=True))

    # Weights.

    def build(  # type: ignore[override]
        self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None
    ) -> None:
        query, value, key = self._checked(query_shape, value_shape, key_shape)
        free = len(query) - 1
        self.query_dense = self._dense("query", free, 1, (self.heads, self.key_size))
        self.key_dense = self._dense("key", free, 1, (self.shared_heads, self.key_size))
        if self.use_gate:
            self.gate_dense = self._dense("gate", free, 1, (self.heads, self.value_size), activation="sigmoid")
        self.value_dense = self._dense("value", free, 1, (self.shared_heads, self.value_size))
        self.output_dense = self._dense("attention_output", free, 2, self.outputs or query[-1:])
        self.track()
        shapes = {"query_dense": query, "key_dense": key, "gate_dense": query, "value_dense": value}
        shapes["output_dense"] = (*query[:-1], self.heads, self.value_size)
        for name, part in self.named_children():
            part.ensure_built(shapes[name])  # type: ignore[operator]

    def _dense(self, name: str, free: int, bound: int, sizes: Sequence[Any], **more: Any) -> EinsumDense:
        """A projection of the last axes, `bound` of them, that keeps the `free` axes before."""
        letters = iter(string.ascii_lowercase)
        kept, taken, given = ("".join(next(letters) for _ in range(count)) for count in (free, bound, len(sizes)))
        return EinsumDense(
            f"{kept}{taken},{taken}{given}->{kept}{given}",
            (*(None,) * (free - 1), *sizes),
            bias_axes=given if self.use_bias else None,
            name=name,
            dtype=self._arguments["dtype"],
            **self._projections | more,
        )

    # Computing.

    def call(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        query_mask: Tensor | None = None,
        value_mask: Tensor | None = None,
        key_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        if self.flash_attention and return_attention_scores:
            raise HandsonError(
                f"{type(self).__name__} {self.name!r}: flash_attention=True gives no attention scores; leave one of "
                f"the two out."
            )
        key = value if key is None else key
        places = _Places(query.dim(), self._axes(query.dim()), tuple(query.shape), tuple(value.shape))
        visible = places.visible(query_mask, value_mask, key_mask, attention_mask)
        if self.sliding_window is not None:
            visible = both(visible, within(self.sliding_window, *places.counts, query.device))
        heads = self.query_dense(query), self.key_dense(key), self.value_dense(value)
        flat = [places.flat(head) for head in heads]
        outputs, scores = self._attend(flat, visible, use_causal_mask, return_attention_scores)
        outputs = places.back(outputs)
        outputs = self.output_dense(outputs * self.gate_dense(query) if self.use_gate else outputs)
        return (outputs, places.spread(scores)) if return_attention_scores else outputs

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None if mask is None else mask.to(torch.bool)

    def _attend(
        self, heads: list[Tensor], visible: Tensor | None, is_causal: bool, with_scores: bool
    ) -> tuple[Tensor, Any]:
        """What the heads give, and how much each query looks at each step, if that is asked for."""
        query, key, value = heads
        scale = 1.0 / math.sqrt(self.key_size)
        drops = self.training and self.dropout > 0
        if not (drops or with_scores):
            return attend(query, key, value, visible, scale, is_causal, self.flash_attention), None
        if is_causal:
            visible = both(visible, causal(query.shape[-2], key.shape[-2], query.device))
        if self.heads != self.shared_heads:
            key, value = (x.repeat_interleave(self.heads // self.shared_heads, dim=-3) for x in (key, value))
        scores = shares(torch.matmul(query * scale, key.mT), visible)
        kept = scores
        if drops:
            kept = scores * dropout_mask(self, tuple(scores.shape), scores, share=self.dropout)
        return torch.matmul(kept, value), scores


class _Places:
    """The axes of inputs (rows, ..., features): those that are attended over are one axis while attention computes."""

    def __init__(self, rank: int, axes: tuple[int, ...], query: Shape, value: Shape) -> None:
        self.axes, self.rest = axes, [axis for axis in range(rank - 1) if axis not in axes]
        self.query, self.steps = ([shape[axis] for axis in axes] for shape in (query, value))
        self.counts = math.prod(self.query), math.prod(self.steps)  # type: ignore[arg-type]
        # (rows, ..., head, feature) to (rows, rest, head, attended, feature)
        self.order = (*self.rest, rank - 1, *axes, rank)

    def flat(self, x: Tensor) -> Tensor:
        """Projected inputs as (..., head, place, feature)."""
        x = x.permute(self.order)
        return x if len(self.axes) == 1 else x.flatten(-1 - len(self.axes), -2)

    def back(self, x: Tensor) -> Tensor:
        """The outputs of the heads with the axes of the query."""
        x = x if len(self.axes) == 1 else x.unflatten(-2, self.query)
        return x.permute(*map(self.order.index, range(len(self.order))))

    def spread(self, scores: Tensor) -> Tensor:
        """Scores with the axes of the query and of the steps."""
        if len(self.axes) == 1:
            return scores
        return scores.unflatten(-1, self.steps).unflatten(-1 - len(self.axes), self.query)

    def visible(self, query: Any, value: Any, key: Any, attention: Any) -> Tensor | None:
        """Where queries may look, as far as masks say it: (..., head, place, step)."""
        places = None if query is None else self._row(query).unsqueeze(-1)
        steps = [None if mask is None else self._row(mask).unsqueeze(-2) for mask in (value, key)]
        found = both(places, both(*steps))
        return both(found, None if attention is None else self._square(attention))

    def _row(self, mask: Tensor) -> Tensor:
        """A mask of inputs, over all their axes or over rows and attended ones, as (..., head, place)."""
        mask, count = mask.to(torch.bool), len(self.axes)
        if mask.dim() == len(self.rest) + count:
            return mask.permute(*self.rest, *self.axes).flatten(-count).unsqueeze(-2)
        if mask.dim() != 1 + count:
            raise HandsonError(
                f"a mask has an axis for the rows and for each of the {count} axes that are attended over; got the "
                f"shape {tuple(mask.shape)}."
            )
        return mask.flatten(1).view(len(mask), *(1,) * len(self.rest), -1)

    def _square(self, mask: Tensor) -> Tensor:
        """An attention mask (..., places, steps), without heads unless it has all axes, as (..., head, place, step)."""
        mask, count = mask.to(torch.bool), 2 * len(self.axes)
        whole = len(self.rest) + 1 + count
        if not count <= mask.dim() <= whole:
            raise HandsonError(
                f"attention_mask has the shape (n, places, steps), or with heads (n, heads, places, steps); got "
                f"{tuple(mask.shape)}."
            )
        before = mask.shape[: mask.dim() - count]
        missing = (1,) * (whole - mask.dim())
        return mask.expand(*before, *self.query, *self.steps).reshape(*before, *missing, *self.counts)


def _three(shapes: dict[str, Shape]) -> tuple[Shape, Shape, Shape | None]:
    return shapes["query_shape"], shapes["value_shape"], shapes.get("key_shape")

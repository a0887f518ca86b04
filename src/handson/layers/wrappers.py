"""Layers around a layer, and `TimeDistributed`, which applies one to each step of sequences."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from handson.core import tree
from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.graph import logits
from handson.layers.base import Layer, Shape
from handson.layers.calling import MASK
from handson.layers.nested import as_layer
from handson.layers.normalization import BatchNormalization
from handson.layers.rnn import Recurrent
from handson.layers.shapes import Shapes, map_shapes
from handson.randomness import stream


class Wrapper(Layer):
    """The base of layers around a layer, which is their attribute `layer`; it has all the weights.

    Parameters
    ----------
    layer : Layer
        The layer inside.
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.layer = as_layer(layer, type(self).__name__)

    def build(self, input_shape: Shapes) -> None:
        self.track()
        self.layer.ensure_built(input_shape)


@register
class TimeDistributed(Wrapper):
    """Applies a layer, or a whole net, to each step of sequences (n, steps, ...).

    Parameters
    ----------
    layer : Layer
        The layer; it sees inputs of shape (n, ...).

    Notes
    -----
    All steps are computed at once, as a batch of n * steps rows. Only where rows depend on each other, in a batch
    normalization that trains, and in stateful layers, the steps are computed one after the other, as Keras does always.

    The mask of a sequence, (n, steps), holds for the outputs. A mask with more axes is one for the layer inside, such
    as that of the words of sentences in texts; a step is there if anything in it is. Keras 3 loses a mask that the
    layer inside makes.

    Examples
    --------
    >>> from handson.layers import Dense
    >>> TimeDistributed(Dense(4))(torch.zeros(2, 7, 3)).shape
    torch.Size([2, 7, 4])
    """

    supports_masking = True

    def build(self, input_shape: Shapes) -> None:
        super().build(self._step_shapes(input_shape))

    def _step_shapes(self, input_shape: Shapes) -> Shapes:
        def step(shape: Shape) -> Shape:
            if len(shape) < 2:
                raise HandsonError(
                    f"TimeDistributed {self.name!r} takes inputs of shape (batch, steps, ...); got {shape}."
                )
            return (shape[0], *shape[2:])

        return map_shapes(step, input_shape)

    def compute_output_shape(self, input_shape: Shapes) -> Shapes:
        """The shapes of the outputs for the shapes of the sequences."""
        shapes: list[Shape] = []
        map_shapes(shapes.append, input_shape)
        steps, found = shapes[0][1], self.layer.shape_after(self._step_shapes(input_shape))
        return map_shapes(lambda shape: (shape[0], steps, *shape[1:]), found)

    def call(self, inputs: Any, mask: Any = None) -> Any:
        rows, steps = tree.leaves(inputs)[0].shape[:2]
        self._check(mask, rows, steps)
        inner = mask if mask is not None and mask.dim() > 2 else None
        if any(map(_mixes_rows, self.layer.modules())):
            return self._step_by_step(inputs, inner, rows, steps)
        folded = tree.map_leaves(lambda leaf: leaf.flatten(0, 1), inputs)
        more = {} if inner is None else {"mask": inner.flatten(0, 1)}
        with stream.in_steps(0, steps, steps):
            outputs = self.layer(folded, **more)
        return tree.map_leaves(lambda leaf: _unfolded(leaf, rows, steps), outputs)

    def _step_by_step(self, inputs: Any, mask: Tensor | None, rows: int, steps: int) -> Any:
        found = []
        for step in range(steps):
            more = {} if mask is None else {"mask": mask[:, step]}
            with stream.in_steps(step, step + 1, steps):
                found.append(self.layer(tree.map_leaves(lambda leaf: leaf[:, step], inputs), **more))  # noqa: B023
        leaves = [torch.stack(parts, 1) for parts in zip(*map(tree.leaves, found), strict=True)]
        return tree.rebuild(tree.spec(found[0]), leaves)

    def _check(self, mask: Any, rows: int, steps: int) -> None:
        if mask is not None and (not isinstance(mask, Tensor) or mask.shape[:2] != (rows, steps)):
            got = tuple(mask.shape) if isinstance(mask, Tensor) else mask
            raise HandsonError(
                f"TimeDistributed {self.name!r}: the mask of sequences has a shape that begins with {(rows, steps)}; "
                f"got {got}."
            )

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the steps."""
        return mask if mask is None or mask.dim() == 2 else mask.flatten(2).any(2)

    def _masked(self, output: Any, args: tuple[Any, ...], mask: Any) -> Any:
        made = any(hasattr(leaf, MASK) for leaf in tree.leaves(output))  # by the layer inside
        return output if made or mask is None else super()._masked(output, args, mask)


def _unfolded(leaf: Tensor, rows: int, steps: int) -> Tensor:
    """What was computed for rows and steps at once, with its mask."""
    output = logits.like(leaf, lambda each: each.unflatten(0, (rows, steps)))
    mask = getattr(leaf, MASK, None)
    if mask is not None:
        setattr(output, MASK, mask.unflatten(0, (rows, steps)))
    return output


def _mixes_rows(part: nn.Module) -> bool:
    """Whether what a layer computes of a row depends on others, or on the order in which it sees them."""
    if isinstance(part, (BatchNormalization, _NormBase)):
        return part.training
    return isinstance(part, Recurrent) and part.stateful

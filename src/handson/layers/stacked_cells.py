"""Cells of any kind: what is asked of them, and `StackedRNNCells`, which makes one of several."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from handson.core import tree
from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.layers.base import Layer, Shape, positive
from handson.layers.nested import as_layer


@register
class StackedRNNCells(Layer):
    """Cells on top of each other, as one cell: the output of each is what goes into the next.

    Parameters
    ----------
    cells : list
        Cells; their states are in a list, a list of its own for a cell with several.

    Examples
    --------
    >>> from handson.layers import GRUCell, LSTMCell
    >>> stack = StackedRNNCells([GRUCell(4), LSTMCell(5)])
    >>> stack.state_size, stack.output_size
    ([4, [5, 5]], 5)
    """

    floats_only = True

    def __init__(self, cells: Sequence[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(cells, (list, tuple)) or not cells:
            raise HandsonError(f"StackedRNNCells takes a list of cells; got {cells!r}.")
        self.cells = [as_cell(cell, type(self).__name__) for cell in cells]
        self.track()

    @property
    def state_size(self) -> list[Any]:
        """The sizes of the states of each cell."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> int:
        """The size of the output of the last cell."""
        return output_size(self.cells[-1])

    def build(self, input_shape: Shape) -> None:
        self.track()
        for cell in self.cells:
            build_cell(cell, input_shape)
            input_shape = (input_shape[0], output_size(cell))

    def call(self, inputs: Tensor, states: Sequence[Any]) -> tuple[Tensor, list[Any]]:
        following: list[Any] = []
        for cell, state in zip(self.cells, states, strict=True):
            nested = isinstance(state, (list, tuple))
            inputs, state = call_cell(cell, inputs, state if nested else [state], self.training)
            following.append(state if nested or len(state) > 1 else state[0])
        return inputs, following

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """The initial states of each cell, for a number of rows."""
        like = next(self.parameters(), torch.zeros(())).detach()
        return [initial_states(cell, like.new_zeros(batch_size, 1)) for cell in self.cells]


def as_cell(cell: Any, owner: str) -> Any:
    """A cell, also from its configuration or from a list of cells.

    Raises
    ------
    HandsonError
        When it has no `state_size`, or cannot be called.
    """
    if isinstance(cell, (dict, str)):
        cell = as_layer(cell, owner)
    if isinstance(cell, (list, tuple)):
        return StackedRNNCells(cell)
    if isinstance(cell, type) or not (callable(cell) or hasattr(cell, "call")):
        raise HandsonError(f"{owner} takes a cell, such as LSTMCell(4), with call(inputs, states); got {cell!r}.")
    if getattr(cell, "state_size", None) is None:
        raise HandsonError(
            f"{owner}: the cell {type(cell).__name__} needs the attribute state_size, the size of its state, or a list "
            f"of the sizes of several."
        )
    return cell


def output_size(cell: Any) -> int:
    """The size of the output of a cell: if it does not say so, that of its first state."""
    size = getattr(cell, "output_size", None)
    size = tree.leaves(cell.state_size)[0] if size is None else size
    return positive(type(cell).__name__, "output_size", size)


def build_cell(cell: Any, shape: Shape) -> None:
    """Make the weights of a cell for the shape of one step."""
    if isinstance(cell, Layer):
        cell.ensure_built(shape)
    elif hasattr(cell, "build") and not getattr(cell, "built", False):
        cell.build(shape)


def call_cell(cell: Any, inputs: Tensor, states: list[Any], training: bool) -> tuple[Tensor, list[Any]]:
    """The output and the next states, as a list, of a cell of any kind."""
    if isinstance(cell, nn.Module):
        output, following = cell(inputs, states)
    else:
        function = cell if callable(cell) else cell.call
        wanted = inspect.signature(function).parameters
        more = {"training": training} if "training" in wanted else {}
        output, following = function(inputs, states, **more)
    return output, list(following) if isinstance(following, (list, tuple)) else [following]


def initial_states(cell: Any, like: Tensor) -> Any:
    """The states of a cell before the first step, for a batch: what the cell says, else zeros."""
    given = getattr(cell, "get_initial_state", None)
    if given is not None:
        states = given(batch_size=len(like))
    else:
        states = tree.map_leaves(lambda size: like.new_zeros(len(like), size), cell.state_size)
    return tree.map_leaves(lambda state: torch.as_tensor(state).to(like.device, like.dtype), states)

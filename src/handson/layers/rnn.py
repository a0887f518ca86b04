"""`RNN`, which goes over sequences with any cell, and what all recurrent layers share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from handson.core import tree
from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.layers import stacked_cells as cells
from handson.layers.base import Layer, Shape
from handson.layers.calling import is_on_zeros
from handson.layers.recurrent_weights import Weighted
from handson.layers.shapes import Shapes
from handson.layers.steps import States, scan, steps_mask
from handson.randomness.stream import in_one_call

FLAGS = ("return_sequences", "return_state", "go_backwards", "stateful", "unroll", "zero_output_for_mask")


class Recurrent(Layer):
    """The base of layers over sequences (n, steps, ...), with states that go from step to step.

    Subclasses define `over`, which gives the outputs of the steps, and `zero_states`.
    """

    floats_only, supports_masking = True, True

    def __init__(
        self,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards, self.stateful, self.unroll = go_backwards, stateful, unroll
        self.zero_output_for_mask = zero_output_for_mask
        for flag in FLAGS:
            if not isinstance(getattr(self, flag), bool):
                raise HandsonError(f"{type(self).__name__}: {flag} is True or False; got {getattr(self, flag)!r}.")
        self._batch: int | None = None
        self._form: Any = None

    def over(self, x: Tensor, states: list[Any], mask: Tensor | None) -> tuple[Tensor, list[Any]]:
        """The outputs of all steps, or of the last alone, in a tensor (n, steps, ...), and the states after them."""
        raise NotImplementedError(type(self).__name__)

    def zero_states(self, like: Tensor) -> list[Any]:
        """The states before the first step, for sequences."""
        raise NotImplementedError(type(self).__name__)

    def call(self, sequences: Tensor, initial_state: Any = None, mask: Any = None) -> Any:
        if sequences.shape[1] == 0:
            raise HandsonError(f"{type(self).__name__} {self.name!r}: the sequences have no steps.")
        present = None if mask is None else steps_mask(mask, sequences, self)
        present = present.flip(1) if self.go_backwards and present is not None else present
        outputs, states = self.over(self._entering(sequences), self._starting(sequences, initial_state), present)
        if present is not None and self.zero_output_for_mask:
            gone = ~present[:, -outputs.shape[1] :]
            outputs = outputs.masked_fill(gone.reshape(*gone.shape, *(1,) * (outputs.dim() - 2)), 0.0)
        if self.stateful:
            self._keep(states)
        output = outputs if self.return_sequences else outputs[:, -1]
        return (output, *states) if self.return_state else output

    def _entering(self, x: Tensor) -> Tensor:
        """The inputs in the order in which they are read."""
        return x.flip(1) if self.go_backwards else x

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the outputs: of sequences that of the inputs, in the order of the outputs; of states none.

        Keras does not turn the mask around with `go_backwards`.
        """
        found = tree.leaves(mask)[0] if self.return_sequences else None
        found = found.flip(1) if found is not None and self.go_backwards else found
        return [found] if self.return_state else found

    # The shapes.

    def step_shapes(self, step_shape: Shape) -> tuple[Shape, list[Any]]:
        """The shapes of the output and of the states of a step, for the shape of what comes in."""
        raise NotImplementedError(type(self).__name__)

    def compute_output_shape(self, input_shape: Shape) -> Shapes:
        """The shape of the output, or of output and states, for the shape of the sequences."""
        batch, steps, *rest = input_shape
        output, states = self.step_shapes((batch, *rest))
        if self.return_sequences:
            output = (batch, steps, *output[1:])
        return [output, *states] if self.return_state else output

    # The states.

    def _starting(self, x: Tensor, given: Any) -> list[Any]:
        """The states before the first step."""
        if self.stateful and self._batch is not None and self._batch != len(x) and not is_on_zeros():
            raise HandsonError(
                f"{type(self).__name__} {self.name!r} is stateful and has the states of {self._batch} sequences; got "
                f"{len(x)}. Take a batch_size that divides the number of rows, and reset_state() before other ones."
            )
        if given is not None:
            return self._given(x, given)
        kept = self.states if self.stateful and not is_on_zeros() else None
        if kept is None:
            return self.zero_states(x)
        # A copy: they are written to before the backward pass reads them.
        return tree.map_leaves(torch.clone, kept)

    def _given(self, x: Tensor, given: Any) -> list[Any]:
        """Initial states as they were passed, checked."""
        given = list(given) if isinstance(given, (list, tuple)) else [given]
        expected = self.zero_states(x)
        flat, zeros = tree.leaves(given), tree.leaves(expected)
        shapes = [tuple(state.shape) for state in zeros]
        if [tuple(getattr(state, "shape", ())) for state in flat] != shapes:
            got = [tuple(getattr(state, "shape", ())) for state in flat]
            raise HandsonError(
                f"{type(self).__name__} {self.name!r}: initial_state is a list of states of the shapes {shapes}; got "
                f"{got}."
            )
        moved = [state.to(zero.device, zero.dtype) for state, zero in zip(flat, zeros, strict=True)]
        return tree.rebuild(tree.spec(expected), moved)

    @property
    def states(self) -> list[Any] | None:
        """The states that a stateful layer keeps for the next batch; None before the first."""
        if self._form is None:
            return None
        count = len(tree.leaves(self._form))
        return tree.rebuild(self._form, [getattr(self, f"state_{place}") for place in range(count)])

    @torch.no_grad()
    def _keep(self, states: list[Any]) -> None:
        """Keep states for the next batch, in buffers that no file holds."""
        if is_on_zeros():
            return
        if self._form is None:
            self._make_buffers(states)
        for place, state in enumerate(tree.leaves(states)):
            getattr(self, f"state_{place}").copy_(state.detach())

    def _make_buffers(self, states: list[Any]) -> None:
        self._form, flat = tree.spec(states), tree.leaves(states)
        self._batch = len(flat[0])
        for place, state in enumerate(flat):
            self.register_buffer(f"state_{place}", torch.zeros_like(state), persistent=False)

    def fix_batch(self, shape: Shape) -> None:
        """Make the states of a stateful layer for sequences of a shape, which says how many there are.

        Raises
        ------
        HandsonError
            When the number of sequences is not known.
        """
        if not self.stateful or self._form is not None:
            return
        if shape[0] is None:
            raise HandsonError(
                f"{type(self).__name__} {self.name!r} is stateful, so the number of sequences in a batch has to be "
                f"known: Input(shape, batch_size=...)."
            )
        if None not in shape[2:]:
            device = next((weight.device for weight in self.parameters()), torch.device("cpu"))
            self._make_buffers(self.zero_states(torch.zeros(shape[0], 1, *shape[2:], device=device)))  # type: ignore[arg-type]

    def _build_for(self, shapes: Shapes) -> None:
        super()._build_for(shapes)
        self.fix_batch(shapes)

    @torch.no_grad()
    def reset_state(self) -> None:
        """Set the states that a stateful layer keeps to zeros."""
        for state in tree.leaves(self.states or []):
            state.zero_()

    reset_states = reset_state

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """The states before the first step, for a number of sequences."""
        shape = self.built_shape or (None, None, 1)
        like = next(self.parameters(), torch.zeros(())).detach()
        return self.zero_states(like.new_zeros(batch_size, *(1 if size is None else size for size in shape[1:])))


@register
class RNN(Recurrent):
    """Goes over sequences (n, steps, ...) with a cell.

    Parameters
    ----------
    cell : layer or object, or list of them
        What is computed at a step: `call(inputs, states)` gives the output and the next states; `state_size` is the
        size of its state, or a list of the sizes of several; `output_size` and `get_initial_state(batch_size)` are for
        cells where they differ. Several cells are stacked.
    return_sequences : bool
        Give the output of every step, and not only of the last.
    return_state : bool
        Give the states after the last step too: output, state, ...
    go_backwards : bool
        Read the sequence from its end; the outputs are in the order in which it is read.
    stateful : bool
        Start each batch from the states after the batch before. The number of sequences in a batch stays the same.
    unroll : bool
        There for code of Keras that names it; it makes no difference for the numbers, and none here.
    zero_output_for_mask : bool
        Whether the output of a masked step is zeros, and not that of the step before.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    Called as ``layer(x, initial_state=[...], mask=...)``. A masked step leaves the states as they are.

    A dropout inside a cell drops the same values at every step of a sequence.

    Examples
    --------
    >>> from handson.layers import GRUCell
    >>> layer = RNN([GRUCell(4), GRUCell(5)], return_sequences=True)
    >>> layer(torch.zeros(2, 7, 3)).shape
    torch.Size([2, 7, 5])
    """

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask, **kwargs)
        self.cell = cells.as_cell(cell, type(self).__name__)

    @property
    def state_size(self) -> list[Any]:
        """The sizes of the states."""
        size = self.cell.state_size
        return list(size) if isinstance(size, (list, tuple)) else [size]

    def build(self, input_shape: Shape) -> None:
        if len(input_shape) < 3:
            raise HandsonError(
                f"{type(self).__name__} {self.name!r} takes inputs of shape (batch, steps, ...); got {input_shape}."
            )
        self.track()
        cells.build_cell(self.cell, (input_shape[0], *input_shape[2:]))

    def step_shapes(self, step_shape: Shape) -> tuple[Shape, list[Any]]:
        batch = step_shape[0]
        states = tree.map_leaves(lambda size: (batch, size), self.state_size)
        return (batch, cells.output_size(self.cell)), states

    def zero_states(self, like: Tensor) -> list[Any]:
        found = cells.initial_states(self.cell, like)
        return list(found) if isinstance(found, (list, tuple)) else [found]

    def over(self, x: Tensor, states: list[Any], mask: Tensor | None) -> tuple[Tensor, list[Any]]:
        def step(entering: Tensor, before: States) -> tuple[Tensor, States]:
            again()
            return cells.call_cell(self.cell, entering, before, self.training)

        with_dropout = [part for part in self.modules() if isinstance(part, Weighted)]
        for part in with_dropout:
            part.hold_masks(True)
        try:
            with in_one_call() as again:
                return scan(step, x, states, mask, last=not self.return_sequences)
        finally:
            for part in with_dropout:
                part.hold_masks(False)

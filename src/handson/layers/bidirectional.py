"""`Bidirectional`: a recurrent layer that reads sequences from the front, and one that reads them from the back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from handson.core import tree
from handson.core.described import jsonable
from handson.core.errors import HandsonError, nearest
from handson.core.registry import register
from handson.layers.base import Layer, Shape
from handson.layers.nested import another, as_layer
from handson.layers.shapes import Shapes

MERGES = ("concat", "sum", "mul", "ave")
# What both directions must have in common.
COMMON = ("return_sequences", "return_state", "stateful")


@register
class Bidirectional(Layer):
    """A recurrent layer that reads sequences from the front, and another that reads them from the back.

    Parameters
    ----------
    layer : recurrent layer
        What is made twice, with weights of their own: the attributes `forward_layer` and `backward_layer`.
    merge_mode : {'concat', 'sum', 'mul', 'ave', None}
        How the outputs of both become one; None gives both.
    weights : list of arrays, optional
        What the weights start from, those of the forward layer first.
    backward_layer : recurrent layer, optional
        Another one for the backward direction, with `go_backwards=True`.

    Notes
    -----
    With `return_state` the states of both follow the outputs; `initial_state` has those of the forward layer first.

    Examples
    --------
    >>> from handson.layers import LSTM
    >>> Bidirectional(LSTM(4, return_sequences=True))(torch.zeros(2, 7, 3)).shape
    torch.Size([2, 7, 8])
    """

    floats_only, supports_masking = True, True

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Sequence[Any] | None = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if merge_mode is not None and merge_mode not in MERGES:
            raise HandsonError(
                f"Bidirectional: merge_mode is None or one of {', '.join(MERGES)}; got {merge_mode!r}."
                f"{nearest(str(merge_mode), MERGES)}"
            )
        self.merge_mode = merge_mode
        layer = _recurrent(layer)
        if self.given_input_shape is None:
            self.given_input_shape = layer.given_input_shape
        self.forward_layer = another(layer, name=f"forward_{layer.name.removeprefix('forward_')}")
        if backward_layer is None:
            name = f"backward_{layer.name.removeprefix('backward_').removeprefix('forward_')}"
            self.backward_layer = another(layer, name=name, go_backwards=True)
        else:
            self.backward_layer = _recurrent(backward_layer)
        self._check_directions()
        for one in self.directions:
            one.zero_output_for_mask = one.return_sequences
        self._initial = None if weights is None else list(weights)

    @staticmethod
    def kept_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
        """What the layer remembers of its arguments: the weights that it starts from are in its weights."""
        return arguments | {"weights": None}

    @property
    def directions(self) -> tuple[Any, Any]:
        """The layers for both directions."""
        return self.forward_layer, self.backward_layer

    def _check_directions(self) -> None:
        forward, backward = self.directions
        if forward.go_backwards == backward.go_backwards:
            raise HandsonError(
                f"Bidirectional: one of the layers has go_backwards=True; got go_backwards={forward.go_backwards} for "
                f"both."
            )
        for name in COMMON:
            values = getattr(forward, name), getattr(backward, name)
            if values[0] != values[1]:
                raise HandsonError(
                    f"Bidirectional: both layers have the same {name}; got {values[0]} for the forward layer and "
                    f"{values[1]} for the backward layer."
                )

    @property
    def return_sequences(self) -> bool:
        """Whether the outputs of every step are given."""
        return self.forward_layer.return_sequences

    @property
    def return_state(self) -> bool:
        """Whether the states are given too."""
        return self.forward_layer.return_state

    @property
    def stateful(self) -> bool:
        """Whether both layers keep their states for the next batch."""
        return self.forward_layer.stateful

    def build(self, input_shape: Shape) -> None:
        self.track()
        for one in self.directions:
            one.ensure_built(input_shape)
        if self._initial is not None:
            self.set_weights(self._initial)

    def _build_for(self, shapes: Shapes) -> None:
        super()._build_for(shapes)
        for one in self.directions:
            if self.stateful and hasattr(one, "fix_batch"):
                one.fix_batch(shapes)

    def compute_output_shape(self, input_shape: Shape) -> Shapes:
        """The shape of the output, or of outputs and states, for the shape of the sequences."""
        found, back = (one.shape_after(input_shape) for one in self.directions)
        states = [*found[1:], *back[1:]] if self.return_state else []
        output = found[0] if self.return_state else found
        if self.merge_mode is None:
            return [output, back[0] if self.return_state else back, *states]
        if self.merge_mode == "concat":
            output = (*output[:-1], output[-1] + (back[0] if self.return_state else back)[-1])
        return [output, *states] if self.return_state else output

    def call(self, sequences: Tensor, initial_state: Any = None, mask: Any = None) -> Any:
        starts = self._halves(initial_state)
        more = {} if mask is None else {"mask": mask}
        found = [
            one(sequences, **more) if start is None else one(sequences, initial_state=start, **more)
            for one, start in zip(self.directions, starts, strict=True)
        ]
        states = [state for one in found for state in one[1:]] if self.return_state else []
        outputs = [one[0] for one in found] if self.return_state else found
        if self.return_sequences:  # of the layer that reads from the back, in the order of the sequence
            outputs = [y.flip(1) if one.go_backwards else y for one, y in zip(self.directions, outputs, strict=True)]
        merged = self._merged(*outputs)
        whole = merged if self.merge_mode is None else (merged,)
        return (*whole, *states) if self.return_state else merged

    def _halves(self, initial_state: Any) -> tuple[Any, Any]:
        if initial_state is None:
            return None, None
        if not isinstance(initial_state, (list, tuple)) or len(initial_state) % 2:
            raise HandsonError(
                f"Bidirectional {self.name!r}: initial_state is a list with the states of the forward layer, and then "
                f"as many of the backward layer; got {_count(initial_state)}."
            )
        half = len(initial_state) // 2
        return list(initial_state[:half]), list(initial_state[half:])

    def _merged(self, forward: Tensor, backward: Tensor) -> Any:
        if self.merge_mode is None:
            return forward, backward
        if self.merge_mode == "concat":
            return torch.cat([forward, backward], -1)
        if self.merge_mode == "mul":
            return forward * backward
        added = forward + backward
        return added / 2 if self.merge_mode == "ave" else added

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the outputs: of sequences that of the inputs."""
        found = tree.leaves(mask)[0] if self.return_sequences else None
        return [found, found] if self.merge_mode is None else [found]

    @property
    def states(self) -> list[Any] | None:
        """The states that stateful layers keep for the next batch, those of the forward layer first."""
        kept = [one.states for one in self.directions]
        return None if None in kept else [state for states in kept for state in states]

    def reset_state(self) -> None:
        """Set the states that stateful layers keep to zeros."""
        for one in self.directions:
            one.reset_state()

    reset_states = reset_state

    def get_config(self, compact: bool = False) -> dict[str, Any]:
        """The arguments that make this layer again, as JSON."""
        return super().get_config(compact) | {
            "layer": jsonable(self.forward_layer, compact, "Bidirectional(layer=...)"),
            "backward_layer": jsonable(self.backward_layer, compact, "Bidirectional(backward_layer=...)"),
        }


def _count(states: Any) -> str:
    return f"{len(states)} states" if isinstance(states, (list, tuple)) else type(states).__name__


def _recurrent(layer: Any) -> Any:
    """A layer that can read sequences from the back."""
    found = as_layer(layer, "Bidirectional")
    missing = [name for name in ("go_backwards", *COMMON) if not hasattr(found, name)]
    if missing:
        raise HandsonError(
            f"Bidirectional takes a recurrent layer, such as Bidirectional(LSTM(8)); {type(found).__name__} has no "
            f"{missing[0]}."
        )
    return found

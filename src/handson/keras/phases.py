"""What Keras 2 asks of the phase, training or not, and of gradients and steps between symbols."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from handson import ops
from handson.core.errors import HandsonError
from handson.graph import Graph, Node, Spec, Symbol, apply
from handson.randomness import stream


class LearningPhase:
    """1 in a training step, 0 elsewhere; as an input of `function`, what says which of them it is to be.

    Examples
    --------
    >>> int(learning_phase()), bool(learning_phase())
    (0, False)
    """

    def __bool__(self) -> bool:
        return stream.current() is not None

    def __int__(self) -> int:
        return int(bool(self))

    def __eq__(self, other: object) -> bool:
        return int(self) == other if isinstance(other, (int, float)) else self is other

    __hash__ = object.__hash__


PHASE = LearningPhase()


def learning_phase() -> LearningPhase:
    """Whether a net trains."""
    return PHASE


def in_train_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """The first of two tensors, or functions that give them, while a net trains, and else the second.

    Examples
    --------
    >>> in_train_phase(1, lambda: 2), in_train_phase(1, 2, training=True)
    (2, 1)
    """
    chosen = x if bool(PHASE if training is None else training) else alt
    return chosen() if callable(chosen) and not isinstance(chosen, (Tensor, Symbol)) else chosen


def in_test_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """As `in_train_phase`, the other way round."""
    return in_train_phase(alt, x, training)


def gradients(loss: Any, variables: Any) -> list[Any]:
    """The gradients of a symbol, summed, by other symbols or by weights, as symbols.

    Parameters
    ----------
    loss : Symbol
        What follows from the inputs of a net.
    variables : Symbol or weight, or a list of them
        Inputs, outputs of layers, or weights.

    Examples
    --------
    >>> from handson.keras.backend import function, sum
    >>> x = Symbol((None, 2))
    >>> function([x], gradients(sum(x**3), x))([[[1.0, 2.0]]])[0].tolist()
    [[3.0, 12.0]]
    """
    if not isinstance(loss, Symbol):
        raise HandsonError(
            f"gradients are of a symbol; got {type(loss).__name__}. Of tensors: torch.autograd.grad(loss, variables)."
        )
    wanted = list(variables) if isinstance(variables, (list, tuple)) else [variables]
    between = [one for one in wanted if isinstance(one, Symbol)]
    entries = _starts([loss, *between])
    graph = Graph(entries, [loss, *between])

    def gradient(*values: Tensor) -> list[Tensor]:
        with torch.enable_grad():
            leaves = [one.detach().requires_grad_() if one.is_floating_point() else one for one in values]
            total, *found = graph.run(leaves)
            held = iter(found)
            by = [next(held) if isinstance(one, Symbol) else one for one in wanted]
            slopes = torch.autograd.grad(total.sum(), by, allow_unused=True)
        return [torch.zeros_like(one) if slope is None else slope for slope, one in zip(slopes, by, strict=True)]

    specs = [Spec(one.shape, one.dtype) for one in wanted]
    return list(apply(gradient, tuple(entries), {}, lambda node: specs))


def _starts(symbols: Sequence[Symbol]) -> list[Symbol]:
    """The inputs that some symbols follow from."""
    found: dict[int, Symbol] = {}
    seen: set[int] = set()
    rest = list(symbols)
    while rest:
        symbol = rest.pop()
        node: Node | None = symbol.node
        if node is None or not node.inputs:
            found[id(symbol)] = symbol
        elif node.number not in seen:
            seen.add(node.number)
            rest += node.inputs
    return list(found.values())


def rnn(
    step_function: Callable[..., Any],
    inputs: Any,
    initial_states: Sequence[Any],
    go_backwards: bool = False,
    mask: Any = None,
    constants: Sequence[Any] | None = None,
    unroll: bool = False,
    input_length: int | None = None,
) -> tuple[Any, Any, list[Any]]:
    """A step, applied along the first axis after the rows.

    Parameters
    ----------
    step_function : function
        Of the inputs of a step, shape (n, ...), and of a list of states and constants; gives outputs and new states.
    inputs : tensor, shape (n, steps, ...)
        Sequences.
    initial_states : list of tensor
        Of the first step.
    go_backwards : bool
        Whether the last step comes first.
    mask : tensor of bool, shape (n, steps), optional
        Steps that are left out: outputs and states stay as they were, outputs zero before the first.
    constants : list of tensor, optional
        Put behind the states in every step.
    unroll, input_length
        There for code that names them; they change nothing.

    Returns
    -------
    (tensor, tensor, list of tensor)
        The last outputs, those of all steps, (n, steps, ...), and the last states.

    Examples
    --------
    >>> last, all, _ = rnn(lambda x, states: (x + states[0], [x + states[0]]), ops.ones((2, 3, 1)), [ops.zeros((2, 1))])
    >>> last.flatten().tolist(), all.shape
    ([3.0, 3.0], torch.Size([2, 3, 1]))
    """
    states, more, found = list(initial_states), list(constants or ()), []
    order = range(inputs.shape[1])
    output = None
    for step in reversed(order) if go_backwards else order:
        now, new = step_function(inputs[:, step], [*states, *more])
        if mask is not None:
            kept = ops.cast(mask[:, step], "bool")
            now = _where(kept, now, ops.zeros_like(now) if output is None else output)
            new = [_where(kept, one, before) for one, before in zip(new, states, strict=True)]
        output, states = now, list(new)
        found.append(now)
    return output, ops.stack(found, axis=1), states


def _where(kept: Any, new: Any, old: Any) -> Any:
    """New values in the rows that are kept, old ones in the others."""
    return ops.where(ops.reshape(kept, (-1,) + (1,) * (len(new.shape) - 1)), new, old)


def given_phase(inputs: Any, values: Any) -> tuple[Any, Any, bool | None]:
    """Inputs and values of a function without the learning phase, and what was given for it; None if it is no input."""
    if not isinstance(inputs, (list, tuple)) or not any(one is PHASE for one in inputs):
        return inputs, values, None
    kept = [place for place, one in enumerate(inputs) if one is not PHASE]
    phase = None if values is None else bool(next(v for one, v in zip(inputs, values, strict=True) if one is PHASE))
    return [inputs[place] for place in kept], None if values is None else [values[place] for place in kept], phase

"""`theano.scan`: a loop over steps, whose body is an expression."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.theano.plan import Plan, clone, leaves_of
from handson.theano.sharing import SharedVariable
from handson.theano.variable import Variable, apply_several, constant, rank, type_of


class until:
    """Ends a scan after the first step at which a condition holds: the body returns ``values, until(condition)``.

    Parameters
    ----------
    condition : Variable
        A scalar.
    """

    def __init__(self, condition: Variable) -> None:
        self.condition = condition


@dataclass
class _Taps:
    """A sequence, or an output that the body gets back: which places it wants, relative to the step."""

    source: Any
    taps: list[int]
    symbols: list[Variable] = field(default_factory=list)


def scan(
    fn: Any,
    sequences: Any = None,
    outputs_info: Any = None,
    non_sequences: Any = None,
    n_steps: Any = None,
    truncate_gradient: int = -1,
    go_backwards: bool = False,
    mode: Any = None,
    name: str | None = None,
    profile: bool = False,
    allow_gc: Any = None,
    strict: bool = False,
    return_list: bool = False,
) -> tuple[Any, dict[SharedVariable, Variable]]:
    """Run a body step after step.

    Parameters
    ----------
    fn : function
        The body: called with an entry of each sequence, the outputs of the step before, and the non-sequences, all as
        variables. It returns the outputs of a step, and, if it likes, updates of shared variables and `until`.
    sequences : Variable, or a list of them or of dict(input=..., taps=[...]), optional
        What the steps go along, over the first axis.
    outputs_info : list, optional
        For each output what the body gets at the first step, or dict(initial=..., taps=[-2, -1]); None for an output
        that the body does not get back.
    non_sequences : list, optional
        What the body gets at every step.
    n_steps : int or Variable, optional
        How many steps; by default as many as the sequences have.
    truncate_gradient : int
        Only -1: the gradient flows through all steps.
    go_backwards : bool
        Whether sequences are read from their ends.
    strict, mode, name, profile, allow_gc
        For programs that name them; what the body uses, it may use.
    return_list : bool
        Whether one output is returned as a list too.

    Returns
    -------
    outputs : Variable or list of Variable
        The outputs of all steps, stacked.
    updates : dict
        New values of shared variables, for `function(updates=...)`.

    Examples
    --------
    >>> from handson.theano import function, tensor as T
    >>> x = T.vector("x")
    >>> total, updates = scan(lambda x, before: before + x, sequences=x, outputs_info=T.constant(0.0))
    >>> function([x], total, updates=updates)([1, 2, 3]).tolist()
    [1.0, 3.0, 6.0]
    """
    if truncate_gradient != -1:
        raise HandsonError(
            f"scan: truncate_gradient={truncate_gradient!r} is not there; the gradient flows through all steps, -1. "
            f"Put theano.gradient.disconnected_grad around what it must not flow through."
        )
    given = [_sequence(one) for one in _listed(sequences)]
    states = [_state(one) for one in _listed(outputs_info)]
    others = [one if isinstance(one, Variable) else constant(one) for one in _listed(non_sequences)]
    body = _Body(fn, given, states, others)
    if not given and n_steps is None:
        raise HandsonError("scan needs sequences, or n_steps.")
    sources = [one.source for one in given], [one.source for one in body.states], n_steps, body.outer
    runner = _Runner(body, go_backwards)
    found = apply_several(runner, sources, body.kinds())
    outputs, held = found[: len(body.outputs)], found[len(body.outputs) :]
    updates = dict(zip(body.updates, held, strict=True))
    return (outputs if return_list or len(outputs) != 1 else outputs[0]), updates


def map(fn: Any, sequences: Any, non_sequences: Any = None, **kwargs: Any) -> tuple[Any, dict[Any, Any]]:
    """Apply a function to each entry of sequences: see `scan`.

    Examples
    --------
    >>> from handson.theano import tensor as T
    >>> squares, _ = map(lambda x: x ** 2, T.arange(4))
    >>> squares.eval().tolist()
    [0, 1, 4, 9]
    """
    return scan(fn, sequences, None, non_sequences, **kwargs)


def reduce(
    fn: Any, sequences: Any, outputs_info: Any, non_sequences: Any = None, **kwargs: Any
) -> tuple[Any, dict[Any, Any]]:
    """What a scan gives at its last step.

    Examples
    --------
    >>> from handson.theano import tensor as T
    >>> total, _ = reduce(lambda x, total: total + x, T.arange(5), T.constant(0))
    >>> int(total.eval())
    10
    """
    found, updates = scan(fn, sequences, outputs_info, non_sequences, **kwargs)
    return ([one[-1] for one in found] if isinstance(found, list) else found[-1]), updates


foldl = reduce


def foldr(
    fn: Any, sequences: Any, outputs_info: Any, non_sequences: Any = None, **kwargs: Any
) -> tuple[Any, dict[Any, Any]]:
    """`reduce` from the end of the sequences to their beginning."""
    return reduce(fn, sequences, outputs_info, non_sequences, go_backwards=True, **kwargs)


def _listed(given: Any) -> list[Any]:
    return [] if given is None else list(given) if isinstance(given, (list, tuple)) else [given]


def _sequence(one: Any) -> _Taps:
    described = one if isinstance(one, dict) else {"input": one}
    source, taps = described["input"], described.get("taps", [0])
    source = source if isinstance(source, Variable) else constant(source)
    found = _Taps(source, [taps] if isinstance(taps, int) else list(taps))
    found.symbols = [Variable(rank(source) - 1, type_of(source) or "float32") for _ in found.taps]
    return found


def _state(one: Any) -> _Taps:
    described = one if isinstance(one, dict) else {"initial": one}
    source = described.get("initial")
    if source is None:
        return _Taps(None, [])
    source = source if isinstance(source, Variable) else constant(source)
    taps = list(described.get("taps") or [-1])
    if any(tap >= 0 for tap in taps):
        raise HandsonError(f"scan: the taps of an output are steps before, such as [-2, -1]; got {taps}.")
    axes = rank(source) - (1 if taps != [-1] else 0)
    found = _Taps(source, taps)
    found.symbols = [Variable(axes, type_of(source) or "float32") for _ in taps]
    return found


class _Body:
    """The expression of one step."""

    def __init__(self, fn: Any, sequences: list[_Taps], states: list[_Taps], others: list[Any]) -> None:
        self.sequences = sequences
        symbols = [symbol for one in (*sequences, *states) for symbol in one.symbols]
        self.outputs, updates, self.until = _returned(fn(*symbols, *others))
        if states and len(states) != len(self.outputs):
            raise HandsonError(
                f"scan: the body returns {len(self.outputs)} outputs, and outputs_info speaks of {len(states)}. Give "
                f"None for an output that the body does not get back."
            )
        self.states = states or [_Taps(None, []) for _ in self.outputs]
        self._take_updates(updates, symbols)
        ends = [*self.outputs, *self.updates.values(), *([] if self.until is None else [self.until])]
        inside = {id(symbol) for symbol in (*symbols, *self.held)}
        self.outer = [leaf for leaf in leaves_of(ends) if id(leaf) not in inside]
        self.plan = Plan([*symbols, *self.held, *self.outer], ends)

    def _take_updates(self, updates: dict[SharedVariable, Any], symbols: list[Variable]) -> None:
        """Shared variables that the body updates are states too."""
        self.held = [Variable(one.ndim, one.dtype, name=one.name) for one in updates]
        replaced: dict[Variable, Any] = dict(zip(updates, self.held, strict=True))
        self.outputs = [clone(one, replaced) for one in self.outputs]
        self.updates = {one: clone(new, replaced) for one, new in updates.items()}
        self.states = [*self.states, *(_Taps(one, [-1]) for one in updates)]

    def kinds(self) -> list[tuple[int, str]]:
        """What the scan gives: all outputs, and the last values of what is updated."""
        stacked = [(one.ndim + 1, one.dtype) for one in self.outputs]
        return [*stacked, *((one.ndim, one.dtype) for one in self.updates)]


def _returned(found: Any) -> tuple[list[Variable], dict[SharedVariable, Any], Variable | None]:
    """What a body returned: outputs, updates, and the condition that ends it."""
    parts = list(found) if isinstance(found, (list, tuple)) else [found]
    condition = parts.pop().condition if parts and isinstance(parts[-1], until) else None
    updates: dict[SharedVariable, Any] = {}
    if parts and isinstance(parts[-1], dict):
        updates = parts.pop()
    elif parts and isinstance(parts[-1], list) and all(isinstance(one, tuple) for one in parts[-1]):
        updates = dict(parts.pop())
    elif isinstance(found, dict):
        updates, parts = found, []
    if len(parts) == 1 and isinstance(parts[0], (list, tuple)):
        parts = list(parts[0])
    outputs = [one if isinstance(one, Variable) else _shared_constant(one) for one in parts]
    return outputs, updates, condition


def _shared_constant(value: Any) -> Variable:
    from handson.theano.sharing import shared

    return shared(value)


class _Runner:
    """Runs the steps of a scan."""

    __name__ = "scan"

    def __init__(self, body: _Body, backwards: bool) -> None:
        self.body, self.backwards = body, backwards

    def __call__(self, sequences: list[Tensor], states: list[Any], n_steps: Any, outer: list[Tensor]) -> list[Tensor]:
        body = self.body
        sequences = [one.flip(0) if self.backwards else one for one in sequences]
        offsets = [max(0, -min(one.taps)) for one in body.sequences]
        steps = self._steps(sequences, n_steps)
        past = [_past(state, first) for state, first in zip(body.states, states, strict=True)]
        gathered: list[list[Tensor]] = [[] for _ in body.outputs]
        for step in range(steps):
            entries = [
                sequence[step + offset + tap]
                for sequence, offset, one in zip(sequences, offsets, body.sequences, strict=True)
                for tap in one.taps
            ]
            back = [before[tap] for before, state in zip(past, body.states, strict=True) for tap in state.taps]
            found = self._step([*entries, *back, *outer])
            count = len(body.outputs) + len(body.updates)
            for number, value in enumerate(found[:count]):
                past[number].append(value)
                if number < len(gathered):
                    gathered[number].append(value)
                del past[number][: -max([1, *(-tap for tap in body.states[number].taps)])]
            if body.until is not None and bool(found[count]):
                break
        return [*(_stacked(each) for each in gathered), *(before[-1] for before in past[len(gathered) :])]

    def _step(self, given: list[Tensor]) -> list[Tensor]:
        """What one step gives; gradients that the body takes are there where none are taken outside."""
        if torch.is_grad_enabled() or not self.body.plan.differentiates:
            return self.body.plan.run(given)
        with torch.enable_grad():
            return [value.detach() for value in self.body.plan.run(given)]

    def _steps(self, sequences: list[Tensor], n_steps: Any) -> int:
        spans = [max(one.taps) - min(0, *one.taps) for one in self.body.sequences]
        longest = [len(one) - span for one, span in zip(sequences, spans, strict=True)]
        if n_steps is None:
            return min(longest)
        wanted = int(n_steps)
        if longest and wanted > min(longest):
            raise HandsonError(f"scan: {wanted} steps are wanted, and the sequences have only {min(longest)}.")
        return wanted


def _past(state: _Taps, first: Any) -> list[Any]:
    """The values before the first step that the body wants back."""
    if state.source is None:
        return []
    first = first if isinstance(first, Tensor) else torch.as_tensor(first)
    return [first] if state.taps == [-1] else list(first.unbind())


def _stacked(values: list[Tensor]) -> Tensor:
    if not values:
        raise HandsonError("scan: no step was taken, so there are no outputs.")
    return torch.stack(values)

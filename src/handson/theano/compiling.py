"""`theano.function`: expressions as a function of NumPy arrays, with updates of shared variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.core import console, tree
from handson.core.errors import HandsonError, listing, nearest
from handson.graph.conversion import convert
from handson.graph.variable import as_array
from handson.models.device import default_device
from handson.theano.compiled import Compiled
from handson.theano.plan import Plan, clone, leaves_of, ordered
from handson.theano.randomness import draws
from handson.theano.sharing import SharedVariable
from handson.theano.variable import Variable, constant

# Keywords of Theano on which no number depends.
WITHOUT_MEANING = ("mode", "name", "profile", "rebuild_strict", "accept_inplace", "strict")


class In:
    """An input of a function with a name or a value of its own.

    Parameters
    ----------
    variable : Variable
        The input.
    name : str, optional
        The name by which it can be given; by default the variable's.
    value : array or number, optional
        What it is where nothing is given.
    **kwargs
        `borrow`, `mutable`, `strict`, `allow_downcast`: for programs that name them.
    """

    def __init__(self, variable: Variable, name: str | None = None, value: Any = None, **kwargs: Any) -> None:
        if set(kwargs) - {"borrow", "mutable", "strict", "allow_downcast", "implicit", "autoname"}:
            raise HandsonError(f"In takes a variable, a name and a value; got {', '.join(kwargs)}.")
        self.variable, self.name, self.value = variable, name or variable.name, value


Param = In


class Out(In):
    """An output of a function; for programs that write `Out(expression, borrow=True)`."""


class Mode:
    """How Theano was to compile, for programs that name it: PyTorch computes, and no number depends on it."""

    def __init__(self, linker: Any = None, optimizer: Any = None) -> None:
        self.linker, self.optimizer = linker, optimizer


class Function:
    """What `function` returns: called with arrays it gives arrays, and updates shared variables."""

    def __init__(
        self, inputs: list[In], outputs: Any, updates: Sequence[tuple[SharedVariable, Variable]], downcast: bool,
        repeats: bool = False,
    ) -> None:  # fmt: skip
        self._inputs, self._updates, self._downcast, self._outputs = inputs, updates, downcast, outputs
        self._kinds = [getattr(torch, one.variable.dtype) for one in inputs]
        self._spec, self._device = tree.spec([] if outputs is None else outputs), default_device()
        exits = [] if outputs is None else [_out(leaf) for leaf in tree.leaves(outputs)]
        plan = Plan([one.variable for one in inputs], [*exits, *(new for _, new in updates)], final=True)
        self._plan = Compiled(plan)
        self._repeated = draws(plan.nodes) if repeats else []
        self._count = len(exits)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = [self._tensor(at, value) for at, value in enumerate(self._given(args, kwargs))]
        for draw in self._repeated:
            draw.runs = 0
        found = self._plan.run(given)
        with torch.no_grad():
            for (held, _), value in zip(self._updates, found[self._count :], strict=True):
                _update(held, value)
        return tree.rebuild(self._spec, [as_array(value) for value in found[: self._count]])

    def copy(
        self, share_memory: bool = False, swap: Mapping[Any, Any] | None = None, delete_updates: bool = False,
        name: str | None = None, profile: Any = None,
    ) -> Function:  # fmt: skip
        """The function with other shared variables.

        Parameters
        ----------
        swap : dict of shared variable to shared variable, optional
            What takes the place of which.
        delete_updates : bool
            Whether the new function leaves shared variables as they are.
        share_memory, name, profile
            For programs that name them; no number depends on them.

        Examples
        --------
        >>> from handson.theano import shared, tensor as T
        >>> x, total, other = T.scalar("x"), shared(0.0), shared(10.0)
        >>> add = function([x], total, updates=[(total, total + x)])
        >>> float(add.copy(swap={total: other})(5)), float(other.get_value()), float(total.get_value())
        (10.0, 15.0, 0.0)
        """
        replaced = dict(swap or {})
        for old, new in replaced.items():
            _held(old), _held(new)
        outputs = None if self._outputs is None else clone(self._outputs, replaced)
        updates = [(replaced.get(held, held), clone(new, replaced)) for held, new in self._updates]
        return Function(self._inputs, outputs, [] if delete_updates else updates, self._downcast, bool(self._repeated))

    def _given(self, args: Sequence[Any], kwargs: dict[str, Any]) -> list[Any]:
        if len(args) > len(self._inputs):
            raise HandsonError(f"this function takes {len(self._inputs)} inputs; got {len(args)}.")
        names = [one.name for one in self._inputs]
        for name in kwargs:
            if name not in names:
                raise HandsonError(f"this function has no input {name!r}.{nearest(name, [n for n in names if n])}")
        found = [*args, *(kwargs.get(one.name or "", one.value) for one in self._inputs[len(args) :])]
        missing = [one.variable for one, value in zip(self._inputs, found, strict=True) if value is None]
        if missing:
            raise HandsonError(f"this function needs a value for {', '.join(map(repr, missing))}.")
        return found

    def _tensor(self, at: int, value: Any) -> Tensor:
        """A value as the input's type: whole numbers become fractions, but fractions no whole numbers."""
        wanted, kind = self._inputs[at].variable, self._kinds[at]
        found = value if isinstance(value, Tensor) else convert(np.asarray(value))
        if found.dim() != wanted.ndim:
            raise HandsonError(
                f"the input {wanted!r} has {wanted.ndim} axes; got a value of shape {tuple(found.shape)}."
            )
        if found.is_floating_point() and not kind.is_floating_point and not self._downcast:
            raise HandsonError(
                f"the input {wanted!r} takes whole numbers; got {str(found.dtype).removeprefix('torch.')}. Pass "
                f"x.astype({wanted.dtype!r}), or function(..., allow_input_downcast=True)."
            )
        return found.to(self._device, kind)


def _out(leaf: Any) -> Variable:
    variable = leaf.variable if isinstance(leaf, In) else leaf
    if not isinstance(variable, Variable):
        raise HandsonError(f"the outputs of a function are variables; got {leaf!r}.")
    return variable


def _update(held: SharedVariable, value: Tensor) -> None:
    if value.dim() != held.ndim:
        raise HandsonError(
            f"the update of {held!r} has {value.dim()} axes, shape {tuple(value.shape)}; it must have {held.ndim}."
        )
    held.cell.write(value.to(held.kind))


def function(
    inputs: Sequence[Any] = (),
    outputs: Any = None,
    updates: Any = None,
    givens: Any = None,
    on_unused_input: str = "raise",
    allow_input_downcast: bool | None = None,
    no_default_updates: bool = False,
    **kwargs: Any,
) -> Function:
    """Make a function of arrays from expressions.

    Parameters
    ----------
    inputs : list of Variable or In
        What it is called with.
    outputs : Variable, or a list or dictionary of them, optional
        What it returns, as NumPy arrays.
    updates : dict or list of pairs, optional
        New values of shared variables, all computed before the first is assigned.
    givens : dict or list of pairs, optional
        What to put in place of variables.
    on_unused_input : {'raise', 'ignore', 'warn'}
        What to do about an input that nothing depends on.
    allow_input_downcast : bool, optional
        True lets fractions be given where whole numbers are wanted. float64 is always accepted for float32.
    no_default_updates : bool
        Whether random variables have the same values in each call.
    **kwargs
        `mode`, `name`, `profile` and their like: for programs that name them; no number depends on them.

    Examples
    --------
    >>> from handson.theano import shared, tensor as T
    >>> x, total = T.scalar("x"), shared(0.0)
    >>> add = function([x], total + x, updates=[(total, total + x)])
    >>> float(add(2)), float(add(3)), float(total.get_value())
    (2.0, 5.0, 5.0)
    """
    unknown = [name for name in kwargs if name not in WITHOUT_MEANING]
    if unknown:
        raise HandsonError(f"function: unknown keyword {unknown[0]!r}.{nearest(unknown[0], _KEYWORDS)}")
    if not isinstance(inputs, (list, tuple)):
        raise HandsonError(f"the inputs of a function are a list of variables; got {inputs!r}.")
    entries = [one if isinstance(one, In) else In(_symbol(one)) for one in inputs]
    replaced = {old: _as_variable(new, old) for old, new in _pairs(givens)}
    outputs = clone(_outs(outputs), replaced) if outputs is not None else None
    changes = [(_held(old), clone(_as_variable(new, old), replaced)) for old, new in _pairs(updates)]
    _check_updates([held for held, _ in changes])
    if not isinstance(no_default_updates, bool):
        raise HandsonError(f"function: no_default_updates is True or False; got {no_default_updates!r}.")
    found = Function(entries, outputs, changes, bool(allow_input_downcast), no_default_updates)
    ends = [] if outputs is None else tree.leaves(outputs)
    _check_used(entries, [*ends, *(new for _, new in changes)], on_unused_input)
    return found


_KEYWORDS = (
    "inputs", "outputs", "updates", "givens", "on_unused_input", "allow_input_downcast", "no_default_updates",
)  # fmt: skip


def _outs(outputs: Any) -> Any:
    return tree.map_leaves(_out, outputs)


def _symbol(one: Any) -> Variable:
    if not isinstance(one, Variable) or isinstance(one, SharedVariable):
        raise HandsonError(
            f"an input of a function is a variable, such as T.matrix(); got {one!r}. Shared variables are read by "
            f"themselves; to put something in their place use givens."
        )
    return one


def _pairs(given: Any) -> list[tuple[Any, Any]]:
    if given is None:
        return []
    return list(given.items()) if isinstance(given, Mapping) else [tuple(pair) for pair in given]


def _held(variable: Any) -> SharedVariable:
    if not isinstance(variable, SharedVariable):
        raise HandsonError(f"updates give new values to shared variables; got {variable!r}.")
    return variable


def _check_updates(held: list[SharedVariable]) -> None:
    if len({id(one) for one in held}) < len(held):
        raise HandsonError("updates name a shared variable twice; one of the two values would be lost.")


def _as_variable(value: Any, like: Any) -> Variable:
    if isinstance(value, Variable):
        return value
    held = constant(value)
    return SharedVariable(_Constant(held if isinstance(held, Tensor) else torch.as_tensor(held)))


class _Constant:
    """A value that does not change, kept as that of a shared variable is."""

    def __init__(self, value: Tensor) -> None:
        self.value = value.to(default_device())

    def read(self) -> Tensor:
        """The value."""
        return self.value


def _check_used(entries: list[In], outputs: list[Variable], what: str) -> None:
    if what not in ("raise", "ignore", "warn"):
        raise HandsonError(f"on_unused_input is 'raise', 'ignore' or 'warn'; got {what!r}.")
    used = {id(one) for one in leaves_of(outputs)} | {id(one) for one in outputs}
    used |= {id(one) for node in ordered(outputs) for one in tree.leaves(node.outputs)}
    unused = [one.variable for one in entries if id(one.variable) not in used]
    if unused and what != "ignore":
        said = f"nothing depends on the inputs {listing(unused)}. Leave them out, or pass on_unused_input='ignore'."
        if what == "raise":
            raise HandsonError(said)
        console.warn(said)


def _eval(self: Variable, inputs: dict[Variable, Any] | None = None) -> Any:
    given = inputs or {}
    return function(list(given), self, on_unused_input="ignore")(*given.values())


_eval.__doc__ = Variable.eval.__doc__
Variable.eval = _eval  # type: ignore[method-assign]

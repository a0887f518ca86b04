"""Lasagne's update rules as optimizers of handson, so that one loop trains.

Rules that handson has run in its own kernels; any other function of (gradients, parameters, ...) is run as the
expressions that it gives.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from handson import optimizers
from handson.core.errors import HandsonError, nearest
from handson.lasagne import updates
from handson.optimizers.base import Numbers, Tensors
from handson.theano.compiling import _update
from handson.theano.plan import Plan
from handson.theano.sharing import SharedVariable
from handson.theano.variable import Variable

BETAS = {"beta1": "beta_1", "beta2": "beta_2"}
# For each rule of Lasagne that handson has: its class, what is fixed, and the names of its arguments there.
KNOWN: dict[Any, tuple[Any, dict[str, Any], dict[str, str]]] = {
    updates.sgd: (optimizers.SGD, {}, {}),
    updates.momentum: (optimizers.SGD, {"momentum": 0.9}, {"momentum": "momentum"}),
    updates.nesterov_momentum: (optimizers.SGD, {"momentum": 0.9, "nesterov": True}, {"momentum": "momentum"}),
    updates.adam: (
        optimizers.Adam, {"learning_rate": 0.001, "epsilon": 1e-8}, BETAS,
    ),
    updates.adamax: (
        optimizers.Adamax, {"learning_rate": 0.002, "epsilon": 1e-8}, BETAS,
    ),
}  # fmt: skip


def number(value: Any) -> Any:
    """A setting as a number: of a shared variable its value now."""
    return float(value.get_value()) if isinstance(value, SharedVariable) else float(value)


def as_optimizer(update: Any, settings: dict[str, Any], params: list[SharedVariable]) -> Any:
    """An update rule as an optimizer.

    Parameters
    ----------
    update : function
        One of `lasagne.updates`, or of its form.
    settings : dict
        Its arguments; shared variables are read at every epoch.
    params : list of SharedVariable
        The parameters, kept as weights of handson's layers.

    Raises
    ------
    HandsonError
        For an argument that the rule has not.
    """
    _check(update, settings)
    known = KNOWN.get(update)
    if known is None or not all(_is_number(value) for value in settings.values()):
        return Rule(update, settings, params)
    kind, fixed, names = known
    given = {names.get(name, name): number(value) for name, value in settings.items()}
    return kind(**(fixed | given))


def _is_number(value: Any) -> bool:
    return (isinstance(value, SharedVariable) and value.ndim == 0) or not isinstance(value, Variable)


def _check(update: Any, settings: dict[str, Any]) -> None:
    parameters = inspect.signature(update).parameters
    takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    for name in settings:
        if name not in parameters and not takes_any:
            raise HandsonError(f"update_{name}: {update.__name__} has no argument {name!r}.{nearest(name, parameters)}")
    for name, one in list(parameters.items())[2:]:
        if one.default is one.empty and name not in settings and one.kind is one.POSITIONAL_OR_KEYWORD:
            raise HandsonError(f"{update.__name__} needs {name}: give update_{name}=...")


def refresh(optimizer: Any, update: Any, settings: dict[str, Any]) -> None:
    """Give an optimizer the values that shared variables have now."""
    if isinstance(optimizer, Rule):
        return
    names = KNOWN[update][2]
    for name, value in settings.items():
        if isinstance(value, SharedVariable):
            setattr(optimizer, names.get(name, name), number(value))


class Rule(optimizers.Optimizer):
    """An update rule that is run as the expressions it gives.

    Parameters
    ----------
    rule : function
        Of a list of gradients, the parameters, and the settings.
    settings : dict
        Its further arguments.
    params : list of SharedVariable
        The parameters.
    """

    def __init__(self, rule: Callable[..., Any], settings: dict[str, Any], params: list[SharedVariable]) -> None:
        super().__init__(1.0)
        self._params = params
        self._symbols = [Variable(one.ndim, one.dtype, name=f"gradient of {one.name}") for one in params]
        changes = rule(list(self._symbols), params, **settings)
        self._changes = list(changes.items() if isinstance(changes, Mapping) else changes)
        self._plan = Plan(self._symbols, [_expression(new) for _, new in self._changes])

    def slot_values(self) -> Mapping[str, float]:
        return {}

    def update(self, weights: Tensors, gradients: Tensors, slots: list[Tensors], rate: Any, numbers: Numbers) -> None:
        held = {id(weight): gradient for weight, gradient in zip(weights, gradients, strict=True)}
        given = [_in_layout(one, held) for one in self._params]
        found = self._plan.run(given)
        for (variable, _), value in zip(self._changes, found, strict=True):
            _update(variable, value.detach())


def _expression(new: Any) -> Variable:
    if not isinstance(new, Variable):
        raise HandsonError(f"an update rule gives expressions; got {new!r}.")
    return new


def _in_layout(param: Any, held: dict[int, Tensor]) -> Tensor:
    """The gradient of a parameter in Lasagne's layout."""
    cell = param.cell
    weight = getattr(cell.part, cell.weight)
    gradient = held.get(id(weight))
    return cell.to(gradient) if gradient is not None else param.cell.read() * 0

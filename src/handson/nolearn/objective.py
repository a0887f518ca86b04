"""What a NeuralNet minimizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from handson import losses
from handson.lasagne import objectives, regularization
from handson.lasagne.layers import InputLayer, get_all_params, get_output
from handson.lasagne.layers.base import WeightCell
from handson.models import Model
from handson.theano.plan import Plan, clone
from handson.theano.sharing import SharedVariable
from handson.theano.variable import Variable


def objective(
    layers: Any,
    loss_function: Callable[..., Any],
    target: Any,
    aggregate: Callable[..., Any] = objectives.aggregate,
    deterministic: bool = False,
    l1: float = 0,
    l2: float = 0,
    get_output_kw: dict[str, Any] | None = None,
) -> Any:
    """The loss of a batch, as an expression: `NeuralNet(objective=...)` takes another function of this form.

    Parameters
    ----------
    layers : dict of Layer
        The net's layers by name; the last is its output.
    loss_function : function
        Of (predictions, targets), value by value or row by row.
    target : Variable
        The targets.
    aggregate : function
        What makes one number of the losses.
    deterministic : bool
        Whether dropout and its like are off.
    l1, l2 : float
        The weights of penalties on all parameters that are regularizable.
    get_output_kw : dict, optional
        More arguments for `get_output`.
    """
    output = list(layers.values())[-1]
    prediction = get_output(output, deterministic=deterministic, **(get_output_kw or {}))
    loss = aggregate(loss_function(prediction, target))
    if l1:
        loss = loss + regularization.regularize_network_params(output, regularization.l1) * l1
    if l2:
        loss = loss + regularization.regularize_network_params(output, regularization.l2) * l2
    return loss


def _squared_error(targets: Any) -> Any:
    return losses.MeanSquaredError()


def _categorical(targets: Any) -> Any:
    return losses.SparseCategoricalCrossentropy() if targets == "labels" else losses.CategoricalCrossentropy()


def _binary(targets: Any) -> Any:
    return losses.BinaryCrossentropy()


# Lasagne's losses that handson has; others are run as expressions.
KNOWN: dict[Any, Callable[[Any], Any]] = {
    objectives.squared_error: _squared_error,
    objectives.categorical_crossentropy: _categorical,
    objectives.binary_crossentropy: _binary,
}


def as_loss(function: Any, targets: str) -> Any:
    """A loss of Lasagne as one of handson."""
    known = KNOWN.get(function)
    return losses.FunctionLoss(_Expression(function)) if known is None else known(targets)


class _Expression:
    """A loss of variables as a function of tensors."""

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        self.function, self.__name__ = function, getattr(function, "__name__", "loss")
        self._plans: dict[Any, Plan] = {}

    def __call__(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        kinds = tuple((one.dim(), str(one.dtype).removeprefix("torch.")) for one in (y_pred, y_true))
        if kinds not in self._plans:
            pair = [Variable(*kind) for kind in kinds]
            self._plans[kinds] = Plan(pair, [self.function(*pair)])
        return self._plans[kinds].run([y_pred, y_true])[0]


class Objective(Model):
    """A net whose loss is an expression of inputs and targets: for an `objective` of one's own."""

    expression: Callable[..., Any]
    layers_by_name: Any

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Tensor:
        target = y if isinstance(y, Tensor) else torch.as_tensor(y)
        inputs = [x] if isinstance(x, Tensor) else list(x.values() if isinstance(x, dict) else x)
        plan, held = self._plan(bool(training), target)
        return plan.run([*inputs, target, *(_value(param) for param in held)])[0]

    def _plan(self, training: bool, target: Tensor) -> tuple[Plan, list[SharedVariable]]:
        kind = (target.dim(), str(target.dtype).removeprefix("torch."))
        plans = vars(self).setdefault("_expressions", {})
        if (training, kind) not in plans:
            layers = self.layers_by_name[0]
            symbol = Variable(*kind, name="target")
            held = get_all_params(list(layers.values())[-1])
            weights = [Variable(param.ndim, param.dtype, name=param.name) for param in held]
            loss = self.expression(layers, target=symbol, deterministic=not training)
            inputs = [one.input_var for one in layers.values() if isinstance(one, InputLayer)]
            replaced = clone(loss, dict(zip(held, weights, strict=True)))
            plans[training, kind] = Plan([*inputs, symbol, *weights], [replaced]), held
        return plans[training, kind]


def _value(param: Any) -> Tensor:
    cell: WeightCell = param.cell
    return cell.to(getattr(cell.part, cell.weight))

"""The contract between net, loss and data, checked before the first step.

Libraries stay silent about most of these and train something else than the user meant; here each is an error that
says what came, what was expected, and what to type.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from typing import Any

import torch
from torch import Tensor

from handson import activations
from handson.averages import Average, Function, align
from handson.core import console
from handson.core.errors import HandsonError
from handson.data.rows.arrays import as_ids, as_labels, as_rows
from handson.data.rows.stored import Data, pieces
from handson.distributions import Distribution
from handson.graph.logits import logits_of
from handson.layers.activation_layers import Activation
from handson.losses import BinaryCrossentropy, DistributionLoss, Loss
from handson.losses.base import EPSILON
from handson.metrics import Metric
from handson.state.state import ModuleLike
from handson.training.preparation.compiled import Term

# Layers that leave probabilities alone in evaluation only.
CHANGING = {"Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise"}
# Rounding may push a probability this far outside of [0, 1], or the sum of several from 1.
TOLERANCE = 1e-3


def prepare_targets(
    y: Any, loss: Average, outputs: Tensor, columns: Sequence[str] | None = None, double: bool = False
) -> tuple[Data, bool]:
    """Targets in the shape and type that a loss wants, and whether some are missing.

    Parameters
    ----------
    y : array
        What the user gave.
    loss : Loss or Metric
        It says what a target is.
    outputs : Tensor, shape (some rows, ...)
        Outputs of the net for a few rows, for their shape.
    columns : sequence of str, optional
        Names of the target columns, for messages.
    double : bool
        Whether all digits are kept, as float64.

    Raises
    ------
    HandsonError
        For targets that do not belong to the outputs, are infinite, or out of range.
    """
    shaped = outputs[:1].expand(len(y), *outputs.shape[1:]) if outputs.dim() > 1 else outputs[:1].expand(len(y))
    if loss.targets == "labels":
        labels = align(as_labels(y, "labels", loss.ignore_class), shaped, loss)
        return labels, _check_labels(labels, loss.classes(outputs.shape[-1]), loss)
    if isinstance(loss, Function) and not _fits(y, shaped):
        return _as_given(y), False
    values = as_rows(y, "targets", double)
    values = values if values.dtype == torch.float64 else values.to(torch.float32)
    targets = align(values, shaped, loss)
    return targets, _check_values(targets, loss)


def _check_labels(labels: Data, classes: int, loss: Average) -> bool:
    """Whether some labels are missing; raises when there is no output for one."""
    highest, place, missing = -1, 0, False
    for first, piece in pieces(labels):
        top = int(piece.max())
        if highest < classes <= top:
            place = first + _first_row(piece >= classes)
        highest, missing = max(highest, top), missing or bool((piece < 0).any())
    if highest >= classes:
        raise HandsonError(
            f"{loss.name}: labels run from 0 to {classes - 1} for {classes} outputs; row {place} has label "
            f"{int(labels[place].max())}. Number the classes from 0, or give the last layer {highest + 1} units."
        )
    return missing


def _first_row(wrong: Tensor) -> int:
    return int(wrong.reshape(len(wrong), -1).any(1).nonzero()[0])


def _check_values(targets: Data, loss: Average) -> bool:
    """Whether some targets are missing; raises when the loss cannot be computed from the others."""
    low, high, missing = math.inf, -math.inf, False
    for first, piece in pieces(targets):
        if bool(torch.isinf(piece).any()):
            row = first + _first_row(torch.isinf(piece))
            raise HandsonError(f"targets hold an infinite value in row {row}; a missing target is written NaN.")
        gone = torch.isnan(piece)
        any_gone = bool(gone.any())
        present, missing = piece[~gone] if any_gone else piece, missing or any_gone
        if present.numel():
            low, high = min(low, present.min().item()), max(high, present.max().item())
    if low > high:
        return True
    if isinstance(loss, DistributionLoss):
        loss.family().check_targets(low, high)
    _check_probabilities(targets, loss, low, high)
    return missing


def _check_probabilities(targets: Data, loss: Average, low: float, high: float) -> None:
    if not loss.probabilities and not isinstance(loss, BinaryCrossentropy) and loss.targets != "distribution":
        return
    if low < 0 or high > 1:
        raise HandsonError(
            f"{loss.name} compares probabilities, so targets lie in [0, 1]; these run from {low:g} to {high:g}. "
            f"Number the two classes 0 and 1, or use another loss, such as 'mse' for regression."
        )
    if loss.targets == "distribution":
        for first, piece in pieces(targets):
            sums = piece.sum(-1)
            wrong = (sums - 1).abs() > TOLERANCE
            if bool(wrong.any()):
                row = _first_row(wrong)
                furthest = sums[row].flatten()[(sums[row] - 1).abs().argmax()].item()
                console.warn(
                    f"{loss.name} compares distributions, and the targets of row {first + row} add up to {furthest:g}, "
                    f"not to 1. For several classes at once use a sigmoid and loss='binary_crossentropy'."
                )
                return


def check_outputs(outputs: Sequence[Tensor], module: ModuleLike, terms: Sequence[Term]) -> None:
    """Raise when the outputs of the net are not what the losses want: logits into a loss of probabilities, say."""
    if len(outputs) != len(terms):
        raise HandsonError(f"the net gives {len(outputs)} outputs, and was built with {len(terms)}.")
    for number, (output, term) in enumerate(zip(outputs, terms, strict=True)):
        if not bool(torch.isfinite(output).all()):
            raise HandsonError(
                "the untrained net gives NaN or infinite outputs for the first rows: scale the inputs (for example "
                "compile(..., scale_inputs='standard')), or check the initial weights."
            )
        if term.loss is not None:
            _check_output(output, final_activation(module, number), term.loss)


def _check_output(outputs: Tensor, last: Any, loss: Loss) -> None:
    if last is activations.softmax and outputs.shape[-1] == 1:
        raise HandsonError("a softmax over one output is always 1: use activation='sigmoid' for a single output.")
    if isinstance(loss, DistributionLoss):
        loss.family().check(outputs)
    from_logits = getattr(loss, "from_logits", None)
    if from_logits and last in (activations.softmax, activations.sigmoid):
        raise HandsonError(
            f"{loss.name}(from_logits=True) applies a {last.__name__} itself, and the net's last layer applies one "
            f"too. Leave out one of them."
        )
    if loss.probabilities:
        low, high = outputs.min().item(), outputs.max().item()
        if low < -TOLERANCE or high > 1 + TOLERANCE or last is activations.linear:
            advice = loss.activation or "softmax"
            raise HandsonError(
                f"{loss.name} wants probabilities, and the net gives logits: outputs without a final activation, from "
                f"{low:.3g} to {high:.3g} for the first rows. Give the last layer activation={advice!r}, or compile "
                f"with loss={type(loss).__name__}(from_logits=True)."
            )


def clipped(loss: Average, outputs: Tensor, last: Any) -> list[str]:
    """What to tell the user of probabilities whose logits are not known to a loss that would take them.

    Parameters
    ----------
    loss : Loss
        The loss.
    outputs : Tensor
        Outputs of the net for a few rows, in evaluation.
    last : Layer or function
        The last layer.
    """
    activation = getattr(loss, "activation", None)
    if activation is None or not loss.probabilities:
        return []
    if logits_of(outputs, activation) is not None and type(last).__name__ not in CHANGING:
        return []
    logits = f", or compile with {type(loss).__name__}(from_logits=True)" if hasattr(loss, "from_logits") else ""
    return [
        f"{loss.name}: the outputs do not come straight from a {activation}, so probabilities are kept {EPSILON:g} "
        f"from 0 and 1, as in Keras, and a row that is badly wrong has no gradient. End the net with "
        f"Activation({activation!r}){logits}."
    ]


def final_activation(module: ModuleLike, number: int = 0) -> Any:
    """The activation that one of the net's outputs comes from, or None when that is not known."""
    return getattr(final_layer(module, number, {"Flatten", "Reshape", "Dropout"}), "activation", None)


def final_layer(module: ModuleLike, number: int = 0, passed: Set[str] = frozenset()) -> Any:
    """The layer that one of the net's outputs comes from, or None when that is not known.

    Parameters
    ----------
    module : ModuleLike
        The net.
    number : int
        The output.
    passed : set of str
        Classes of layers that are looked through.
    """
    graph = getattr(module, "graph", None)
    if graph is None:
        return None
    symbol = graph.exits[number]
    while symbol.node is not None and len(symbol.node.inputs) == 1:
        function = symbol.node.function
        inner = getattr(function, "graph", None)
        if inner is not None and len(inner.exits) == 1:
            return final_layer(function, 0, passed)
        nothing = isinstance(function, Activation) and function.activation is activations.linear
        if type(function).__name__ not in passed and not nothing:
            return function
        symbol = symbol.node.inputs[0]
    return None


def head_of(module: ModuleLike, number: int = 0) -> Distribution | None:
    """What the last layer of an output says that it gives the parameters of."""
    last = final_layer(module, number)
    return getattr(getattr(last, "layer", last), "distribution", None)  # in a TimeDistributed, its layer


def _for_rows(outputs: Tensor, targets: Any) -> Tensor:
    """The outputs of a few rows as if there were as many as targets."""
    return outputs[:1].expand(len(targets), *outputs.shape[1:])


def _fits(y: Any, outputs: Tensor) -> bool:
    """Whether targets have the shape of the outputs, but for a last axis of one entry."""
    shape, expected = tuple(y.shape), tuple(outputs.shape)
    return shape in (expected, (*expected, 1)) or (*shape, 1) == expected


def _as_given(y: Any) -> Data:
    """Targets of another shape than the outputs, which a function of the user takes as they are; integers stay so."""
    ids = as_ids(y, "targets")
    return as_rows(y, "targets").to(torch.float32) if ids is None else ids


def check_metrics(metrics: Sequence[Metric], loss: Average, targets: Data, outputs: Tensor) -> None:
    """Raise when a metric cannot be computed from these targets, or means nothing for them."""
    for metric in metrics:
        if metric.keeps_state or metric.targets == "free":
            continue  # it is given the targets as they are
        if isinstance(loss, Function) and not _fits(targets, _for_rows(outputs, targets)):
            continue  # it broadcasts them, as in Keras: see `broadcast_metrics`
        if (metric.targets == "labels") != (loss.targets == "labels"):
            kinds = {
                "labels": "integer labels",
                "distribution": "one-hot targets",
                "values": "values",
                "free": "sequences",
            }
            raise HandsonError(
                f"the metric {metric.name!r} wants {kinds[metric.targets]}, but the loss {loss.name!r} wants "
                f"{kinds[loss.targets]}. 'accuracy' picks the metric that belongs to the loss."
            )
        shape = targets.shape[1:]
        expected = outputs.shape[1:-1] if metric.targets == "labels" else outputs.shape[1:]
        if shape != expected:
            raise HandsonError(
                f"the metric {metric.name!r} wants targets of shape {tuple(expected)} a sample; the loss {loss.name!r} "
                f"has {tuple(shape)}."
            )
        if metric.yes_or_no:
            _check_yes_or_no(metric, targets)


def broadcast_metrics(metrics: Sequence[Metric], loss: Average, targets: Data, outputs: Tensor) -> list[str]:
    """What to tell the user of metrics that compare outputs with targets of another shape."""
    names = [metric.name for metric in metrics if not metric.keeps_state and metric.targets != "free"]
    if not names or not isinstance(loss, Function) or _fits(targets, _for_rows(outputs, targets)):
        return []
    return [
        f"{', '.join(names)}: compares outputs of shape {tuple(outputs.shape[1:])} a sample with targets of shape "
        f"{tuple(targets.shape[1:])}, one broadcast to the other, as Keras does. If that is not meant, "
        f"give a metric of your own: a function of (y_true, y_pred)."
    ]


def _check_yes_or_no(metric: Metric, targets: Data) -> None:
    for _, piece in pieces(targets):
        others = piece[(piece != 0) & (piece != 1) & ~torch.isnan(piece)]
        if len(others) and not (metric.takes_shares and bool(((others >= 0) & (others <= 1)).all())):
            raise HandsonError(
                f"the metric {metric.name!r} compares classes 0 and 1; the targets hold other values, such as "
                f"{others[0].item():g}. For regression use metrics=['mae'] or ['rmse']."
            )


def shared_metrics(metrics: Sequence[Metric], targets: Data) -> list[str]:
    """What to tell the user of metrics that compare classes 0 and 1 with targets that lie between them."""
    names = [metric.name for metric in metrics if metric.takes_shares]
    between = (piece[(piece > 0) & (piece < 1)] for _, piece in (pieces(targets) if names else ()))
    found = next((values[0].item() for values in between if len(values)), None)
    if found is None:
        return []
    return [
        f"{', '.join(names)}: compares classes 0 and 1, and some targets lie between them, such as {found:g}. Those "
        f"count as wrong whatever the net says, as in Keras; metrics=['mae'] says how far off it is."
    ]

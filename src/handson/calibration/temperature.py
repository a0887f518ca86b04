"""Temperature scaling: one number that makes a classifier as sure as it is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from handson import activations
from handson.core.errors import HandsonError
from handson.data.rows.feed import arriving
from handson.data.rows.stored import Data, pieces
from handson.graph.logits import logits_of
from handson.layers import Dense
from handson.losses import BinaryCrossentropy, BinaryFocalCrossentropy
from handson.models import Model
from handson.training.engines.eager import Eager
from handson.training.measuring import evaluation_batch, predictor
from handson.training.preparation.contract import final_layer
from handson.training.preparation.prepare import prepare_rows

# Temperatures are looked for between these, and found by so many halvings.
COLDEST, HOTTEST, HALVINGS = 1e-2, 1e2, 60
# What may come after the last Dense layer, and its activations.
PASSED = frozenset({"Activation", "Dropout", "Flatten", "Reshape", "Softmax"})
ACTIVATIONS = (activations.linear, activations.softmax, activations.sigmoid)
# Probabilities are kept so far from 0 and 1 where their logits are not known.
LEAST = 1e-12
# Losses of one probability for each output; the others are of classes that exclude each other.
BINARY = (BinaryCrossentropy, BinaryFocalCrossentropy)


def calibrate(net: Model, x: Any, y: Any) -> float:
    """Divide the logits of a trained classifier by the temperature with the least crossentropy on some rows.

    The weights of the last Dense layer are divided by it, so that the net stays what it is: it saves, loads, evaluates
    and predicts as before, and its predicted classes are the same. Temperatures above 1 make a net less sure. See Guo
    et al., "On calibration of modern neural networks", ICML 2017.

    Parameters
    ----------
    net : Model
        A compiled and trained classifier with one output, whose last layer is Dense: with a softmax, a sigmoid, or
        none, for a loss from logits.
    x, y
        Rows that it was not trained on, such as those it was validated on.

    Returns
    -------
    float
        The temperature.

    Raises
    ------
    HandsonError
        When the net is no classifier, or does not end with a Dense layer; it is left as it was.

    Examples
    --------
    >>> from handson import Sequential
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 2)).astype("float32")
    >>> y = (x[:, 0] + rng.normal(size=200) > 0).astype(int)
    >>> net = Sequential([Dense(2, activation="softmax", input_dim=2)], seed=0)
    >>> net.compile("adam", "sparse_categorical_crossentropy")
    >>> before = net.evaluate(x, y)
    >>> calibrate(net, x, y) > 0 and net.evaluate(x, y) <= before
    True
    """
    if not isinstance(net, Model):
        raise HandsonError(f"calibrate takes one trained net, of an ensemble each of its members; got {net!r}.")
    net.need_compiled("calibrate")
    last = _last_dense(net)
    loss, rows = net.loss, prepare_rows(net, x, y)
    binary = isinstance(loss, BINARY)
    logits = _logits(net, rows.inputs)
    targets = torch.cat([piece.cpu() for _, piece in pieces(rows.targets[0])])
    temperature = 1.0 / _sharpness(logits, targets, binary)
    kept = [weight.detach().clone() for weight in last.parameters(recurse=False)]
    _divide(last, temperature)
    found = _logits(net, rows.inputs)
    if not np.allclose(_probabilities(found, binary), _probabilities(logits / temperature, binary), atol=1e-4):
        with torch.no_grad():
            for weight, value in zip(last.parameters(recurse=False), kept, strict=True):
                weight.copy_(value)
        raise HandsonError(f"calibrate: what comes after {last.name!r} is no softmax or sigmoid of its outputs.")
    return temperature


def _last_dense(net: Any) -> Dense:
    if len(net.terms) > 1 or not hasattr(net.loss, "from_logits"):
        raise HandsonError(
            f"calibrate is for classifiers with one output; this net has the loss {getattr(net.loss, 'name', None)!r}. "
            f"For values see handson.calibration.Conformal."
        )
    last = final_layer(net, 0, PASSED)
    if not isinstance(last, Dense) or last.activation not in ACTIVATIONS:
        raise HandsonError(
            f"calibrate divides the weights of the last Dense layer; this net ends with "
            f"{getattr(last, 'name', type(net).__name__)!r}."
        )
    return last


@torch.no_grad()
def _divide(layer: Dense, temperature: float) -> None:
    for weight in layer.parameters(recurse=False):
        weight.div_(temperature)


@torch.no_grad()
def _logits(net: Any, inputs: Sequence[Data]) -> Tensor:
    """The logits of all rows, which probabilities of float32 have lost where they are near 0 or 1."""
    engine, found = Eager(predictor(net, len(inputs)).job), []
    net.eval()
    for batch in zip(*(pieces(leaf, evaluation_batch(inputs)) for leaf in inputs), strict=True):
        (output,) = engine.outputs([arriving(leaf.to(net.device)) for _, leaf in batch])
        found.append(_logits_of(output, net.loss).cpu().double())
    return torch.cat(found)


def _logits_of(outputs: Tensor, loss: Any) -> Tensor:
    if loss.from_logits:
        return outputs
    if isinstance(loss, BINARY):
        known = logits_of(outputs, "sigmoid")
        return torch.logit(outputs.double(), eps=LEAST) if known is None else known
    known = logits_of(outputs, "softmax")
    return outputs.clamp(min=LEAST).log() if known is None else known


def _probabilities(logits: Tensor, binary: bool) -> Tensor:
    return logits.sigmoid() if binary else logits.softmax(-1)


def _sharpness(logits: Tensor, targets: Tensor, binary: bool) -> float:
    """1 / temperature: the crossentropy is convex in it, so that its slope is zero in one place."""
    if targets.dtype == torch.int64:
        shares, present = F.one_hot(targets.clamp(min=0), logits.shape[-1]).double(), (targets >= 0)[..., None]
    else:
        shares, present = torch.nan_to_num(targets.double()), ~torch.isnan(targets)
    low, high = 1 / HOTTEST, 1 / COLDEST
    for _ in range(HALVINGS):
        middle = (low * high) ** 0.5
        slope = (present * (_probabilities(middle * logits, binary) - shares) * logits).sum()
        low, high = (low, middle) if slope > 0 else (middle, high)
    return (low * high) ** 0.5

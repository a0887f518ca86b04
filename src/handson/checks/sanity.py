"""Three checks: can the net learn a few rows by heart, is its first loss that of a guess, do penalties count."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.checks.copies import (
    Check,
    fresh_copy,
    is_classification,
    labels_of,
    penalties_of,
    same_copy,
    some_rows,
    without_noise,
)  # fmt: skip
from handson.core import tree
from handson.core.errors import HandsonError, whole
from handson.layers.base import Layer
from handson.losses import BinaryCrossentropy, DistributionLoss
from handson.models import Model

# A net that has learned rows by heart is right about so many of them, or explains so much of their variance.
BY_HEART, EXPLAINED = 0.95, 0.99
# Rows of which a loss is taken.
ROWS = 1024
# The first loss, in parts of that of a guess: of classes and of values.
OF_GUESS, OF_MEAN = (0.5, 2.0), 4.0


def overfit_tiny(net: Any, x: Any, y: Any, rows: int = 16, steps: int = 1000, seed: int = 0) -> Check:
    """Whether the net can learn a few rows by heart: one that cannot is broken, or its learning rate is.

    A copy with fresh weights, without dropout, noise and penalties, is trained on a few rows until it is right about
    them.

    Parameters
    ----------
    net : Model or function
        A compiled net, or a function that builds and compiles one.
    x, y : arrays
        Rows, as for `fit`.
    rows : int
        How many of them are learned.
    steps : int
        The most steps, with all of these rows in each.
    seed : int
        Of the choice of rows, and the weights.

    Returns
    -------
    Check
        `numbers`: 'score' (the share of rows whose class is right, or of the variance that is explained), 'steps'.

    Examples
    --------
    >>> from handson import Sequential
    >>> from handson.layers import Dense
    >>> net = Sequential([Dense(32, activation="relu"), Dense(1)])
    >>> net.compile("adam", "mse")
    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> overfit_tiny(net, x, x.sum(1)).passed
    True
    """
    rows, steps = whole("overfit_tiny: rows", rows, 2), whole("overfit_tiny: steps", steps, 1)
    few_x, few_y = some_rows(x, y, rows, seed)
    rows = len(tree.leaves(few_y)[0])
    copy = without_noise(fresh_copy(net, seed))
    done, score, part = 0, -math.inf, max(1, steps // 20)
    while done < steps:
        count = min(part, steps - done)
        history = copy.fit(few_x, few_y, batch_size=rows, epochs=count, verbose=0, terminate_on_nan=False)
        done, score = done + count, _score(copy, few_x, few_y)
        if score >= _wanted(copy) or not math.isfinite(history.history["loss"][-1]):
            break
    passed = score >= _wanted(copy)
    what = f"{score:.0%} of {rows} rows are right" if is_classification(copy) else f"R² {score:.3f} on {rows} rows"
    text = f"{what} after {done} steps."
    if not passed:
        text += (
            " A net that cannot learn so few rows by heart is broken, or learns at a wrong rate: see lr_range. Look at "
            "the loss and the last activation, at frozen layers, at the scaling of inputs and targets."
        )
    return Check("learn a few rows by heart", passed, text, {"score": score, "steps": float(done)})


def _wanted(net: Model) -> float:
    return BY_HEART if is_classification(net) else EXPLAINED


def _score(net: Model, x: Any, y: Any) -> float:
    """The share of classes that are right, or of the variance that is explained."""
    predicted = net.predict(x)
    if isinstance(predicted, (list, dict)) or net.loss is None:
        raise HandsonError("overfit_tiny is for nets with one output and a loss that compile was given.")
    if isinstance(net.loss, BinaryCrossentropy) and predicted.ndim > 1 and predicted.shape[-1] > 1:
        return _of_several(np.asarray(y, float).reshape(predicted.shape), predicted, net.loss.from_logits)
    if is_classification(net):
        truth = _classes(y, net)
        present = truth >= 0
        right = labels_of(predicted, getattr(net.loss, "from_logits", False)) == truth
        return float(right[present].mean()) if present.any() else 0.0
    truth = np.asarray(y, float).reshape(predicted.shape)
    present = np.isfinite(truth)
    centre = np.nanmean(np.where(present, truth, np.nan), 0)
    total = float(np.square(truth - centre)[present].sum())
    errors = float(np.square(predicted - truth)[present].sum())
    return 1.0 - errors / total if total else float(errors < 1e-6)


def _of_several(truth: np.ndarray, predicted: np.ndarray, from_logits: bool) -> float:
    """The share of rows of which all answers are right, where each has several, yes or no each."""
    right = (predicted > (0.0 if from_logits else 0.5)) == (truth > 0.5)
    return float((right | ~np.isfinite(truth)).reshape(len(truth), -1).all(1).mean())


def _classes(y: Any, net: Model) -> np.ndarray:
    """True classes as numbers."""
    values = np.asarray(y)
    if getattr(net.loss, "targets", "") == "labels":
        return np.nan_to_num(np.asarray(values, float), nan=-1).astype(int).reshape(-1)
    return labels_of(values)


def initial_loss_check(net: Any, x: Any, y: Any, seed: int = 0) -> Check:
    """Whether the loss of fresh weights is that of a guess: of equal probabilities, or of the mean of the targets.

    A first loss that is much higher comes from inputs or targets that are not scaled, or initial weights that are too
    large; one that is much lower says that the answer is in the inputs.

    Parameters
    ----------
    net, x, y, seed
        See `overfit_tiny`; a thousand rows are looked at.

    Returns
    -------
    Check
        `numbers`: 'loss' without penalties, and 'expected'. `passed` is None where the loss of a guess is no measure:
        it is not positive, or not known, as of outputs that are parameters of distributions.
    """
    few_x, few_y = some_rows(x, y, ROWS, seed)
    copy = fresh_copy(net, seed)
    copy.fit(few_x, few_y, epochs=0, verbose=0)  # measures the scalings
    loss = float(copy.evaluate(few_x, few_y, return_dict=True)["loss"]) - penalties_of(copy)
    if isinstance(copy.loss, DistributionLoss):
        text = f"{loss:.4g}; that of a guess is not known for {copy.loss.name}."
        return Check("initial loss", None, text, {"loss": loss})
    expected, guess = _expected(copy, few_y)
    if expected <= 0:
        text = f"{loss:.4g}; {guess} has {expected:.4g}, which is no measure."
        return Check("initial loss", None, text, {"loss": loss, "expected": expected})
    share = loss / expected
    low, high = OF_GUESS if is_classification(copy) else (0.0, OF_MEAN)
    text = f"{loss:.4g}; {guess} has {expected:.4g}."
    if not share < high:
        text += (
            " Scale the inputs (compile(..., scale_inputs='standard')) and, of a regression, the targets "
            "(scale_targets='standard'), or start from smaller weights."
        )
    elif share <= low:
        text += " A net that has not learned anything should not know that much: is the target among the inputs?"
    return Check("initial loss", bool(low < share < high), text, {"loss": loss, "expected": expected})


def _expected(net: Model, y: Any) -> tuple[float, str]:
    """The loss of a guess, and what is guessed."""
    if net.loss is None:
        raise HandsonError("initial_loss_check is for nets with one output and a loss that compile was given.")
    if isinstance(net.loss, BinaryCrossentropy):
        return math.log(2), "a guess of one half"
    if is_classification(net):
        classes = net.output_shape[-1]
        return math.log(classes), f"a guess among {classes} classes"
    targets = np.asarray(y, float)
    targets = targets.reshape(len(targets), -1)
    guess = np.broadcast_to(np.nanmean(targets, 0), targets.shape)
    scaling = net.target_scaling
    truth, mean = (torch.tensor(np.asarray(part, np.float32)) for part in (targets, guess))
    if scaling is not None:
        truth, mean = scaling.apply(truth), scaling.apply(mean)
    total, count = net.loss.sums(truth, mean, None, True)
    return float(total) / max(float(count), 1.0), "the mean of the targets"


def regularization_check(
    net: Any, x: Any, y: Any, factors: Sequence[float] = (1.0, 10.0, 100.0), seed: int = 0
) -> Check:
    """Whether more regularization means more loss, for the same weights: else penalties do not reach it.

    Parameters
    ----------
    net, x, y, seed
        See `overfit_tiny`; the weights are those that the net has now.
    factors : sequence of float
        By which the penalties are multiplied; the loss without any is measured too.

    Returns
    -------
    Check
        `numbers`: the loss for each factor. `passed` is None for a net without regularizers of weights.
    """
    few_x, few_y = some_rows(x, y, ROWS, seed)
    copy = same_copy(net, seed)
    copy.fit(few_x, few_y, epochs=0, verbose=0)
    held = [
        (part, name, regularizer)
        for part in copy.modules()
        if isinstance(part, Layer)
        for name, regularizer in part.weight_regularizers.items()
    ]
    name = "more regularization, more loss"
    if not held:
        return Check(name, None, "no layer has a regularizer of its weights.")
    losses = {}
    for factor in (0.0, *sorted(factors)):
        for part, weight, regularizer in held:
            part.weight_regularizers[weight] = _Times(regularizer, factor)
        losses[factor] = float(copy.evaluate(few_x, few_y, return_dict=True)["loss"])
    values = list(losses.values())
    passed = all(first < second for first, second in pairwise(values))
    shown = ", ".join(f"× {factor:g}: {loss:.4g}" for factor, loss in losses.items())
    text = f"loss {shown}." + ("" if passed else " The penalties do not reach the loss: look at the regularizers.")
    return Check(name, passed, text, {f"{factor:g}": loss for factor, loss in losses.items()})


class _Times:
    """A regularizer, multiplied."""

    def __init__(self, regularizer: Any, factor: float) -> None:
        self.regularizer, self.factor = regularizer, factor

    def __call__(self, weight: Tensor) -> Tensor:
        return self.factor * self.regularizer(weight)

"""What all checks share: copies of nets and rows, and what a check says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from handson.core import tree
from handson.core.errors import HandsonError
from handson.data.rows.openings import is_batches
from handson.ensembles.building import build_net
from handson.layers.base import Layer
from handson.losses import BinaryCrossentropy
from handson.models import Model

# What layers call the share that they drop, or the spread of the noise that they add.
NOISES = ("rate", "stddev", "dropout", "recurrent_dropout", "p")
NOISY = ("Dropout", "Noise")


@dataclass
class Check:
    """What a check found.

    Attributes
    ----------
    name : str
        The check.
    passed : bool or None
        Whether all is well; None where that is not for the check to say, or there is nothing to check.
    text : str
        What was found, and what to do about it.
    numbers : dict of str to float
        What was measured.

    Examples
    --------
    >>> print(Check("initial loss", True, "2.31, as of a guess."))
    ok: initial loss: 2.31, as of a guess.
    """

    name: str
    passed: bool | None
    text: str
    numbers: dict[str, float] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.passed is not False

    def __str__(self) -> str:
        word = {True: "ok", False: "NOT OK", None: "note"}[self.passed]
        return f"{word}: {self.name}: {self.text}"


def fresh_copy(net: Any, seed: int) -> Model:
    """A copy with weights that are drawn anew, or what a function builds: see `handson.ensembles.building`."""
    made = build_net(net, seed)
    if isinstance(net, Model):  # scalings that were measured stay
        made.input_scalings, made.target_scalings = net.input_scalings, net.target_scalings
        made.target_names, made.input_columns = net.target_names, net.input_columns
    return made


def same_copy(net: Any, seed: int) -> Model:
    """A copy with the weights that the net has now, if it has any; its optimizer is as `compile` made it."""
    made = fresh_copy(net, seed)
    if isinstance(net, Model) and net.input_shape is not None:
        with torch.no_grad():
            weights = made.state_dict(keep_vars=True)
            for name, weight in net.state_dict(keep_vars=True).items():
                weights[name].copy_(weight)
    return made


def some_rows(x: Any, y: Any, count: int, seed: int) -> tuple[Any, Any]:
    """Some rows of arrays, drawn without repetition, in an order of their own.

    Raises
    ------
    HandsonError
        For data that come in batches, which a check would take away from the training.
    """
    if is_batches(x) or y is None:
        raise HandsonError(
            "checks take arrays, x and y: reading batches would move the position of the data. Take some batches "
            "together: x = np.concatenate([x for x, _ in first_batches])."
        )
    length = len(tree.leaves(x)[0])
    rows = np.random.default_rng(seed).permutation(length)[:count]

    def taken(leaf: Any) -> Any:
        return None if leaf is None else leaf.iloc[rows] if hasattr(leaf, "iloc") else np.asarray(leaf)[rows]

    return tree.map_leaves(taken, x), tree.map_leaves(taken, y)


def without_noise(net: Model) -> Model:
    """A copy for a check, without what keeps a net from learning by heart: dropout, noise, penalties."""
    for part in net.modules():
        if isinstance(part, Layer):
            part.weight_regularizers.clear()
            part.activity_regularizer = None
        noisy = any(word in type(part).__name__ for word in NOISY) or hasattr(part, "recurrent_dropout")
        for name in NOISES if noisy else ():
            if isinstance(getattr(part, name, None), float):
                setattr(part, name, 0.0)
    return net


def is_classification(net: Model) -> bool:
    """Whether the only loss compares classes."""
    return net.loss is not None and (
        net.loss.targets in ("labels", "distribution") or isinstance(net.loss, BinaryCrossentropy)
    )


def labels_of(values: Any, from_logits: bool = False) -> np.ndarray:
    """The classes of targets or predictions in any form, -1 where they are missing."""
    values = np.asarray(values, float)
    if values.ndim > 1 and values.shape[-1] > 1:
        return np.where(np.isfinite(values).all(-1), np.nan_to_num(values).argmax(-1), -1)
    return (
        np.where(np.isfinite(values), values > (0.0 if from_logits else 0.5), -1)
        .astype(int)
        .reshape(len(values), -1)[:, 0]
    )


def penalties_of(net: nn.Module) -> float:
    """What the regularizers of weights add to the loss now."""
    with torch.no_grad():
        parts = [part for part in net.modules() if isinstance(part, Layer)]
        return float(sum(float(penalty) for part in parts for penalty in part.penalties()))

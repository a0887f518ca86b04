"""A weight for each class, as a weight for each row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.core.errors import HandsonError, listing
from handson.data.rows.stored import Data, pieces
from handson.losses import BinaryCrossentropy, Loss

EXAMPLE = "class_weight maps a class number to a weight, such as {0: 1.0, 1: 5.0}"


def class_weights(targets: Data, class_weight: Any, loss: Loss, outputs: int) -> Tensor:
    """A weight for each row from a weight for each class; classes that are not named weigh 1.

    Parameters
    ----------
    targets : Tensor or StoredRows
        As the loss wants them.
    class_weight : dict, Series, or sequence
        The weight of each class; a sequence has one for each, from class 0 on.
    loss : Loss
        It says what a class is.
    outputs : int
        The outputs of the net for a row.

    Raises
    ------
    HandsonError
        For a class that there is not, a weight that is not a number, and targets that are no classes.
    """
    classes = [_classes(piece, loss) for _, piece in pieces(targets)]
    known = range(outputs) if loss.targets in ("labels", "distribution") else _known(classes, loss)
    given = _as_dict(class_weight, len(known))
    labels, weights = torch.cat(classes), torch.ones(len(targets))
    for label, weight in given.items():
        if label not in known:
            raise HandsonError(f"class_weight: there is no class {label!r}. Known: {listing(known)}.")
        weights[labels.cpu() == label] = weight
    return weights


def _as_dict(given: Any, count: int) -> dict[float, float]:
    if hasattr(given, "to_dict") and getattr(given, "ndim", 0) == 1:
        given = given.to_dict()
    elif isinstance(given, (list, tuple, np.ndarray, Tensor)):
        if len(given) != count:
            raise HandsonError(f"{EXAMPLE}, or has a weight for each of the {count} classes; got {len(given)} weights.")
        given = dict(enumerate(given))
    if not isinstance(given, Mapping):
        raise HandsonError(f"{EXAMPLE}; got {given!r}.")
    return {_label(label): _weight(label, weight) for label, weight in given.items()}


def _label(label: Any) -> float:
    try:
        number = label if isinstance(label, str) else float(label)
    except (TypeError, ValueError):
        number = label
    if not isinstance(number, float):
        raise HandsonError(f"{EXAMPLE}; got the class {label!r}. Classes are numbered from 0.")
    return int(number) if number.is_integer() else number


def _weight(label: Any, weight: Any) -> float:
    try:
        number = float("nan") if isinstance(weight, str) else float(weight)
    except (TypeError, ValueError):
        number = float("nan")
    if not (math.isfinite(number) and number >= 0):
        raise HandsonError(f"{EXAMPLE}; the weight of class {label!r} is {weight!r}. Leave out a class that weighs 1.")
    return number


def _classes(targets: Tensor, loss: Loss) -> Tensor:
    """The class of each row, -1 where it is missing."""
    if loss.targets == "distribution":
        targets = torch.where(torch.isnan(targets).any(-1), -1, torch.nan_to_num(targets).argmax(-1))
    elif loss.targets == "values":
        if targets.dim() > 1 and targets.shape[1:].numel() > 1:
            raise HandsonError("class_weight needs one class for each row; these targets have several columns.")
        targets = torch.nan_to_num(targets.reshape(len(targets)), nan=-1.0)
    if targets.dim() > 1:
        raise HandsonError(
            f"class_weight needs one class for each row; these targets have the shape {tuple(targets.shape)}. Use "
            f"sample_weight instead."
        )
    return targets


def _known(classes: list[Tensor], loss: Loss) -> list[float]:
    """The classes of a loss on values: 0 and 1, or what the targets hold."""
    values = sorted({value for piece in classes for value in torch.unique(piece).tolist()})
    if not isinstance(loss, BinaryCrossentropy):
        fraction = next((value for value in values if not float(value).is_integer()), None)
        if fraction is not None:
            raise HandsonError(
                f"class_weight needs classes, which are whole numbers; these targets hold {fraction:g}. Use "
                f"sample_weight instead."
            )
        return [int(value) for value in values]
    soft = [value for value in values if value not in (-1.0, 0.0, 1.0)]
    if soft:
        raise HandsonError(
            f"class_weight needs one class for each row, 0 or 1; these targets hold others, such as {soft[0]:g}. Use "
            f"sample_weight instead."
        )
    return [0, 1]

"""Numbering classes: from words or numbers to 0, 1, ... with a name for each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from handson.core.errors import HandsonError, listing, nearest
from handson.data.reading.dataset import Dataset


def as_classes(data: Dataset, classes: Any = None) -> Dataset:
    """Number the classes, when the targets are classes: words always, numbers when `classes` says so.

    Parameters
    ----------
    data : Dataset
        Its targets become float32, or int64 if they are classes.
    classes : list of str or 'auto', optional
        The names of the classes 0, 1, ...; words are looked up in it, and whole numbers count in it. 'auto' numbers
        whatever values there are, in rising order.

    Examples
    --------
    >>> data = Dataset(np.zeros((2, 1)), np.array(["star", "galaxy"]))
    >>> as_classes(data).targets, as_classes(data, ["star", "galaxy", "quasar"]).targets
    (array([1, 0]), array([0, 1]))
    """
    if isinstance(classes, str) and classes != "auto":
        raise HandsonError(f"{data.source}: classes is a list of names or 'auto'; got {classes!r}.")
    if classes is not None and not isinstance(classes, str):
        classes = [str(name) for name in classes]
    if data.targets is None or (data.classes is not None and classes in (None, "auto")):
        return data
    values = data.targets if data.classes is None else np.array(data.classes)[data.targets]
    if values.dtype.kind not in "biufUO":
        raise HandsonError(f"{data.source}: targets must be numbers or words; got {values.dtype}.")
    words = values.dtype.kind in "UO"
    if classes is None and not words:
        return replace(data, targets=values.astype(np.float32).reshape(len(values), -1))
    flat = values.reshape(-1)
    if len(flat) != len(data):
        raise HandsonError(f"{data.source}: classes are one column; the targets have {values.shape[1]}.")
    present = ~pd.isna(flat)
    known = flat[present].astype(str) if words else flat[present]
    if classes is None or classes == "auto":
        codes, names = _number(known)
    else:
        names = classes
        codes = (_look_up if words else _count)(known, names, data.source)
    targets = np.full(len(flat), -1, np.int64)
    targets[present] = codes
    return replace(data, targets=targets, classes=names)


def _number(known: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Values numbered in rising order."""
    labels, codes = np.unique(known, return_inverse=True)
    return codes, [f"{label:g}" if isinstance(label, np.floating) else str(label) for label in labels]


def _look_up(known: np.ndarray, names: list[str], source: str) -> np.ndarray:
    """Words as their places among the names of the classes."""
    labels, codes = np.unique(known, return_inverse=True)
    stranger = next((str(label) for label in labels if label not in names), None)
    if stranger is not None:
        raise HandsonError(
            f"{source}: the targets hold {stranger!r}, which is no class.{nearest(stranger, names)} "
            f"Classes: {listing(names)}."
        )
    return np.array([names.index(label) for label in labels], np.int64)[codes]


def _count(known: np.ndarray, names: list[str], source: str) -> np.ndarray:
    """Whole numbers that count in the names of the classes; -1 is a missing one."""
    whole = known == np.round(known)
    if not whole.all():
        raise HandsonError(f"{source}: classes are the whole numbers 0, 1, ...; the targets hold {known[~whole][0]}.")
    if len(known) and known.min() < -1:
        raise HandsonError(f"{source}: classes are the whole numbers 0, 1, ...; the targets hold {known.min():g}.")
    if len(known) and known.max() >= len(names):
        raise HandsonError(f"{source}: class {known.max():g} has no name; {len(names)} classes are named.")
    return known.astype(np.int64)

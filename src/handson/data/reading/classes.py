"""Numbering classes: from words or numbers to 0, 1, ... with a name for each."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from handson.core.errors import HandsonError, listing, nearest, shortened
from handson.data.reading.csv_layout import MISSING
from handson.data.reading.dataset import Dataset
from handson.data.rows.digits import losses_of_columns, narrowed

# Numbers; and those that are written without leading zeros, which would make a code of them.
NUMBER_OR_CODE = re.compile(r"-?\d{1,15}(\.\d{1,15})?")
NUMBER = re.compile(r"-?(0|[1-9]\d{0,30})(\.\d{1,30})?")


def as_classes(data: Dataset, classes: Any = None) -> Dataset:
    """Number the classes, when the targets are classes: words always, numbers when `classes` says so.

    Parameters
    ----------
    data : Dataset
        Its targets become float32, float64 if their digits need that, or int64 if they are classes.
    classes : list of str or 'auto', optional
        The names of the classes 0, 1, ...; values are looked up in it, and whole numbers that are not in it count in
        it. 'auto' numbers whatever values there are, in rising order.

    Examples
    --------
    >>> data = Dataset(np.zeros((2, 1)), np.array(["star", "galaxy"]))
    >>> as_classes(data).targets, as_classes(data, ["star", "galaxy", "quasar"]).targets
    (array([1, 0]), array([0, 1]))
    """
    if isinstance(classes, str) and classes != "auto":
        raise HandsonError(f"{data.source}: classes is a list of names or 'auto'; got {classes!r}.")
    given = None if classes is None or isinstance(classes, str) else [str(name) for name in classes]
    if data.targets is None or (data.classes is not None and given is None):
        return replace(data, notes=data.notes + alike_names(data.classes or [], data.source))
    values = data.targets if data.classes is None else np.array([*data.classes, None], object)[data.targets]
    if values.dtype.kind not in "biufUO":
        advice = " Make numbers of dates, such as days." if values.dtype.kind in "mM" else ""
        raise HandsonError(f"{data.source}: targets must be numbers or words; got {values.dtype}.{advice}")
    if classes is None and values.dtype.kind not in "UO":
        kept = narrowed(values)
        notes = losses_of_columns(values, kept.dtype, data.target_names or ["the target"])
        return replace(data, targets=kept.reshape(len(values), -1), notes=data.notes + notes)
    if values.size != len(data):
        raise HandsonError(f"{data.source}: classes are one column; the targets have {values.shape[1]}.")
    codes, found = pd.factorize(values.reshape(-1))
    labels = [class_name(value) for value in found]
    names = sorted_names(labels) if given is None else given
    places = _places(labels, names, data.source)
    targets = np.array([*places, -1], np.int64)[codes]
    suspects = [name for name in names if name in MISSING] if given is None else []
    notes = (
        [f"read as names of classes: {listing(suspects)}. Where a class is missing, leave the field empty."]
        if suspects
        else []
    )
    alike = alike_names(names, data.source) if given is None else []
    return replace(data, targets=targets, classes=names, notes=data.notes + notes + alike)


def alike_names(names: list[str], source: str) -> list[str]:
    """What is to be told of classes that are written differently and may be one.

    Raises
    ------
    HandsonError
        For names that differ only in spaces, or in how Unicode writes one letter: nobody sees that.
    """
    seen: dict[str, str] = {}
    near: dict[Any, str] = {}
    notes = []
    for name in names:
        plain = " ".join(unicodedata.normalize("NFC", name).split())
        if seen.setdefault(plain, name) != name:
            raise HandsonError(
                f"{source}: the classes {seen[plain]!a} and {name!a} look the same: they differ in spaces, or in how a "
                f"letter is written. Write them alike."
            )
        key = float(plain) if NUMBER_OR_CODE.fullmatch(plain) else plain.casefold()
        if near.setdefault(key, name) != name:
            notes.append(f"the classes {shortened(near[key], 60)!r} and {shortened(name, 60)!r} count as two.")
    return notes


def class_name(value: Any) -> str:
    """The name of a class: texts as they are, numbers with all of their digits.

    Examples
    --------
    >>> class_name("007"), class_name(16777217.0), class_name(np.float32(0.1))
    ('007', '16777217', '0.1')
    """
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def sorted_names(labels: list[str]) -> list[str]:
    """Names in rising order: as numbers if all of them are, and different ones."""
    names = sorted(set(labels))
    if all(NUMBER.fullmatch(name) for name in names):
        numbers = {name: Fraction(name) for name in names}
        if len(set(numbers.values())) == len(names):
            return sorted(names, key=lambda name: numbers[name])
    return names


def _places(labels: list[str], names: list[str], source: str) -> list[int]:
    """The places of classes among the names; whole numbers that are none of the names count in them, -1 is missing."""
    known = {name: place for place, name in enumerate(names)}
    stranger = next((label for label in labels if label not in known), None)
    if stranger is None:
        return [known[label] for label in labels]
    if not all(NUMBER.fullmatch(label) for label in labels):
        raise HandsonError(
            f"{source}: the targets hold {shortened(stranger, 100)!r}, which is no class.{nearest(stranger, names)} "
            f"Classes: {shortened(listing(names))}."
        )
    return [_count(label, len(names), source) for label in labels]


def _count(label: str, classes: int, source: str) -> int:
    """A whole number that counts in the names of the classes."""
    number = Fraction(label)
    if number.denominator != 1 or number < -1:
        raise HandsonError(
            f"{source}: classes are the whole numbers 0, 1, ...; the targets hold {shortened(label, 40)}."
        )
    if number >= classes:
        raise HandsonError(f"{source}: class {shortened(label, 40)} has no name; {classes} classes are named.")
    return int(number)

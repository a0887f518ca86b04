"""Explore a data set before anything is trained: what is there, what is missing, and what looks odd."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from handson.data.reading.dataset import Dataset

# Patterns of missing values beyond this many are summed up in one line.
MOST_PATTERNS = 8
# So many values are looked at of inputs that are too large for the memory.
SAMPLED_VALUES = 1 << 24


class Column(NamedTuple):
    """What is known of one column.

    Attributes
    ----------
    name, role, type : str
        Its name; 'input' or 'target'; 'number', 'integer', 'yes/no' or 'constant'.
    present, distinct : int
        How many values are there (of a sequence, one for each step), and how many different ones.
    low, mean, high, deviation : float
        Over the present values.
    """

    name: str
    role: str
    type: str
    present: int
    distinct: int
    low: float
    mean: float
    high: float
    deviation: float


class Pattern(NamedTuple):
    """Rows that miss the same columns.

    Attributes
    ----------
    rows : int
        How many rows.
    present, missing : tuple of str
        The target columns that are there and not there.
    """

    rows: int
    present: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass
class Exploration:
    """What `explore` found.

    Attributes
    ----------
    data : Dataset
        The data.
    columns : list of Column
        Inputs and targets of tables, targets of images.
    patterns : list of Pattern
        Rows grouped by the targets that they miss, the largest group first.
    classes : dict of str to int
        Rows of each class.
    images : dict of str to number or text
        Size, type, range, mean and contrast of images.
    duplicates : list of (int, int)
        Pairs of rows with equal inputs: a row and the first one that it repeats.
    remarks : list of str
        Sentences on what deserves attention.
    """

    data: Dataset
    columns: list[Column] = field(default_factory=list)
    patterns: list[Pattern] = field(default_factory=list)
    classes: dict[str, int] = field(default_factory=dict)
    images: dict[str, Any] = field(default_factory=dict)
    duplicates: list[tuple[int, int]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def explore(data: Dataset) -> Exploration:
    """Describe a data set.

    Parameters
    ----------
    data : Dataset
        From `handson.data.read`.

    Examples
    --------
    >>> targets = np.array([[1.0, np.nan], [2.0, 3.0]], np.float32)
    >>> found = explore(Dataset(np.zeros((2, 1), np.float32), targets, ["a"], ["u", "v"]))
    >>> [(pattern.rows, pattern.missing) for pattern in found.patterns]
    [(1, ()), (1, ('v',))]
    """
    data, remark = _sample(data)
    inputs, found = np.asarray(data.inputs), Exploration(data)
    if data.kind == "images":
        found.images = _describe_images(inputs)
    else:
        found.columns += _describe_columns(inputs, data.input_names, "input")
    if data.task == "regression" and data.targets is not None:
        found.columns += _describe_columns(data.targets, data.target_names, "target")
        found.patterns = missing_patterns(data.targets, data.target_names)
    elif data.targets is not None:
        found.classes = _count_classes(data)
    found.duplicates = find_duplicates(inputs)
    found.remarks = remark + _remarks(found)
    return found


def _sample(data: Dataset) -> tuple[Dataset, list[str]]:
    """Of a data set that stays in its file, rows spread over it, and a remark that says so."""
    if isinstance(data.inputs, np.ndarray):
        return data, []
    rows = min(len(data), max(1, SAMPLED_VALUES * len(data) // max(1, data.inputs.numel())))
    sample = data.rows(np.unique(np.linspace(0, len(data) - 1, rows).astype(np.int64)))
    remark = f"the inputs are large and stay in their file: this is about {len(sample)} of {len(data)} rows."
    return replace(sample, inputs=np.asarray(sample.inputs)), [remark]


def _describe_columns(values: np.ndarray, names: list[str], role: str) -> list[Column]:
    columns = columns_of(values)
    names = names or [f"{role}_{position}" for position in range(len(columns))]
    return [_describe_column(column, name, role) for column, name in zip(columns, names, strict=True)]


def columns_of(values: np.ndarray) -> np.ndarray:
    """The values of each column, shape (columns, n); those of a sequence are of all its steps.

    Examples
    --------
    >>> columns_of(np.array([[1, 2], [3, 4]])).tolist(), columns_of(np.zeros((4, 3, 2))).shape
    ([[1, 3], [2, 4]], (2, 12))
    """
    return values.reshape(-1, values.shape[-1] if values.ndim > 1 else 1).T


def _describe_column(values: np.ndarray, name: str, role: str) -> Column:
    present = values[np.isfinite(values)].astype(np.float64)
    if not len(present):
        nan = float("nan")
        return Column(name, role, "empty", 0, 0, nan, nan, nan, nan)
    distinct = np.unique(present)
    whole = bool((distinct == distinct.round()).all())
    if len(distinct) == 1:
        kind = "constant"
    elif whole and set(distinct) == {0.0, 1.0}:
        kind = "yes/no"
    else:
        kind = "integer" if whole else "number"
    return Column(
        name, role, kind, len(present), len(distinct), present.min(), present.mean(), present.max(), present.std()
    )


def missing_patterns(targets: np.ndarray, names: list[str]) -> list[Pattern]:
    """Rows grouped by which targets they miss, the largest group first.

    Examples
    --------
    >>> missing_patterns(np.array([[np.nan, 1.0], [np.nan, 2.0], [1.0, 1.0]]), ["a", "b"])[0]
    Pattern(rows=2, present=('b',), missing=('a',))
    """
    missing = np.isnan(targets)
    kinds, counts = np.unique(missing, axis=0, return_counts=True)
    patterns = [
        Pattern(
            int(count),
            tuple(name for name, gone in zip(names, kind, strict=True) if not gone),
            tuple(name for name, gone in zip(names, kind, strict=True) if gone),
        )
        for kind, count in zip(kinds, counts, strict=True)
    ]
    return sorted(patterns, key=lambda pattern: (-pattern.rows, len(pattern.missing)))


def _describe_images(images: np.ndarray) -> dict[str, Any]:
    count, height, width, channels = images.shape
    flat = images.reshape(count, -1)
    means = flat.mean(1, dtype=np.float64)
    deviations = np.array([row.std(dtype=np.float64) for row in flat])
    return {
        "size": f"{height}x{width}",
        "channels": channels,
        "type": str(images.dtype),
        "low": float(flat.min()),
        "high": float(flat.max()),
        "mean": float(means.mean()),
        "mean brightness of the darkest": float(means.min()),
        "mean brightness of the brightest": float(means.max()),
        "mean contrast": float(deviations.mean()),
        "constant images": int((deviations == 0).sum()),
    }


def _count_classes(data: Dataset) -> dict[str, int]:
    labels, names = np.asarray(data.targets), data.classes or []
    counts = Counter(labels.tolist())
    return {name: counts.get(label, 0) for label, name in enumerate(names)}


def find_duplicates(inputs: np.ndarray) -> list[tuple[int, int]]:
    """Rows whose inputs equal those of an earlier row, with that row.

    Examples
    --------
    >>> find_duplicates(np.array([[1.0], [2.0], [1.0]]))
    [(2, 0)]
    """
    first: dict[bytes, int] = {}
    repeated = []
    for row in range(len(inputs)):
        digest = hashlib.blake2b(np.ascontiguousarray(inputs[row]).tobytes(), digest_size=16).digest()
        earlier = first.setdefault(digest, row)
        if earlier != row:
            repeated.append((row, earlier))
    return repeated


def _remarks(found: Exploration) -> list[str]:
    data, remarks = found.data, []
    if found.duplicates:
        row, earlier = found.duplicates[0]
        remarks.append(
            f"{len(found.duplicates)} rows repeat the inputs of an earlier row (row {row} repeats {earlier}): in a "
            f"split they may land on both sides."
        )
    for column in found.columns:
        if column.type in ("constant", "empty"):
            remarks.append(f"{column.role} {column.name!r} is {column.type}: it carries no information.")
    inputs = [column for column in found.columns if column.role == "input" and column.deviation > 0]
    scales = [column.deviation for column in inputs]
    if scales and max(scales) > 100 * min(scales):
        remarks.append(
            f"the inputs differ in scale by a factor of {max(scales) / min(scales):.0f}: compile(..., "
            f"scale_inputs='standard')."
        )
    missing = int((~np.isfinite(np.asarray(data.inputs))).any(1).sum()) if data.kind == "table" else 0
    if missing:
        remarks.append(f"{missing} rows have missing inputs: fill them in.")
    if found.images.get("constant images"):
        remarks.append(f"{found.images['constant images']} images have one value everywhere.")
    if found.classes and min(found.classes.values()) < 0.1 * max(found.classes.values()):
        rare = min(found.classes, key=lambda name: found.classes[name])
        remarks.append(
            f"the classes are not balanced: {rare!r} has {found.classes[rare]} rows of {len(data)}; accuracy alone "
            f"says little, class_weight may help."
        )
    return remarks + data.notes

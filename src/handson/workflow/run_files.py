"""The files in a run folder, apart from the net: what must be in them, and how they are read and written."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

from handson.core.errors import HandsonError
from handson.data.reading.array_files import Archive

if TYPE_CHECKING:
    from handson.state.history import History


class Report(BaseModel):
    """What report.json says of a training, as far as it is shown again."""

    seconds: float
    rmse: float | None = None
    validation: dict[str, float] = {}


class Columns(BaseModel):
    """What is in data.json: where the data came from, and the names of its columns and classes."""

    source: str
    rows: int
    inputs: list[str]
    targets: list[str]
    classes: list[str] | None


def kept_split(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the rows that train and validate; together they are all rows."""
    archive = Archive(path)
    train, held_out = archive.load("train", "the training rows"), archive.load("validation", "the validation rows")
    whole = all(part.ndim == 1 and part.dtype.kind in "iu" for part in (train, held_out))
    if whole:
        rows = np.concatenate([train, held_out])
        whole = np.array_equal(np.sort(rows), np.arange(len(rows)))
    if not whole:
        raise HandsonError(f"{path} is damaged: it does not divide the rows into two parts.")
    return train, held_out


def write_npz(place: Path, **arrays: np.ndarray) -> None:
    """Write arrays by name."""
    with place.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def write_history_table(place: Path, history: History) -> None:
    """Write a history as a table with a line for each epoch."""
    with place.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", *history.history])
        writer.writerows(zip([epoch + 1 for epoch in history.epoch], *history.history.values(), strict=True))

"""What `handson baseline` does: read, compare, show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from handson.cli.exploration import csv_format
from handson.cli.tables import show_baseline
from handson.core import console
from handson.core.errors import HandsonError
from handson.data.reading.sources import read
from handson.estimators.baseline import Baseline, compare


def run_baseline(
    path: Path, reading: dict[str, Any], csv: list[str], comparing: dict[str, Any], quiet: bool
) -> Baseline:
    """Compare the usual models with a net on some data, and print the table."""
    try:
        data = read(path, csv=csv_format(csv), **reading)
    except HandsonError as error:
        if reading["targets"] is not None or path.is_dir():
            raise
        raise HandsonError(f"{error} To say what is to be predicted: --targets NAME.") from None
    for note in () if quiet else data.notes:
        console.say(f"note: {note}")
    found = compare(data, on_model=None if quiet else _say, **comparing)
    for note in () if quiet else found.notes:
        console.say(f"note: {note}")
    show_baseline(found, f"{data.source}: {len(data):,} rows, {comparing['folds']} folds")
    return found


def _say(name: str, folds: pd.DataFrame) -> None:
    score = folds.columns[2]
    console.say(f"{name}: {score} {folds[score].mean():.3f}, {folds['seconds'].sum():.1f} s")

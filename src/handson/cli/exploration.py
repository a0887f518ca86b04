"""What `handson explore` reads: a table as it is, before anything is known of its columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from handson.core.errors import HandsonError
from handson.core.regular import check_plain
from handson.data.reading.classes import as_classes
from handson.data.reading.dataset import Dataset
from handson.data.reading.sources import TABLES, check_exists, read
from handson.data.reading.tables import Roles, check_column, listed, read_table, table_dataset, text_columns


def csv_format(options: list[str]) -> dict[str, Any] | None:
    """What 'key=value' options say of a CSV file.

    Examples
    --------
    >>> csv_format(["header=false", "separator=;"])
    {'header': False, 'separator': ';'}
    """
    known: dict[str, Any] = {"true": True, "false": False, "tab": "\t", "\\t": "\t", "space": " "}
    found: dict[str, Any] = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals:
            raise HandsonError(f"--csv takes KEY=VALUE, such as --csv separator=';'; got {option!r}.")
        found[key] = value.split(",") if key == "header" and "," in value else known.get(value, value)
    return found or None


def read_to_explore(
    path: Path, targets: Any, inputs: Any, image: str | None, classes: Any, csv: dict[str, Any] | None = None
) -> tuple[Dataset, list[str]]:
    """The data, and the columns of words, which are left out unless they are named as targets."""
    if inputs is not None or path.suffix.lower() not in TABLES:
        return read(path, targets, inputs, image=image, classes=classes, csv=csv), []
    check_exists(path)
    check_plain(path, path.stat())
    frame, images = read_table(path, image, csv=csv, texts=text_columns(Roles(targets)))
    if frame.empty and images is None:
        raise HandsonError(f"{path} has no rows.")
    named = listed(targets, [])
    for name in named:
        check_column(name, list(frame.columns), path, "a target")
    words = [name for name in frame.columns if name not in named and _is_words(frame[name])]
    data = table_dataset(frame.drop(columns=words), images, path, Roles(targets, classes=classes))
    return as_classes(data, classes), words


def _is_words(column: pd.Series) -> bool:
    """Whether most values are not numbers; a few stray words are an error, which the reader reports."""
    if pd.api.types.is_numeric_dtype(column):
        return False
    return bool(pd.to_numeric(column.dropna(), errors="coerce").isna().mean() > 0.5)

"""The competition's files: what is asked for, and the submission that answers it."""

from __future__ import annotations

import io
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from handson.core import regular
from handson.core.errors import HandsonError, nearest
from handson.data.reading.sources import check_exists
from handson.data.reading.tables import check_column
from handson.files import atomic

# The frame of the competition's images: predictions are clipped to it.
FRAME = 96.0
# A hundred times the competition's look-up table.
MOST_BYTES = 1 << 27


def read_lookup(path: str | os.PathLike[str]) -> pd.DataFrame:
    """The table of what is asked for: RowId, ImageId, FeatureName.

    Raises
    ------
    HandsonError
        When a column is missing, or all rows.
    """
    path = Path(path)
    check_exists(path)
    try:
        table = pd.read_csv(io.BytesIO(regular.read_bytes(path, MOST_BYTES)))
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise HandsonError(f"{path} is not a table that can be read: {error}") from None
    for column in ("RowId", "ImageId", "FeatureName"):
        check_column(column, list(table.columns), path, "of the look-up table")
    if table.empty:
        raise HandsonError(f"{path} has no rows: nothing is asked for.")
    return table


def submission(predicted: np.ndarray, columns: list[str], ids: np.ndarray, lookup: pd.DataFrame) -> pd.DataFrame:
    """The submission: a location for each row of the look-up table, clipped to the frame.

    Parameters
    ----------
    predicted : ndarray, shape (n, columns)
        Pixels.
    columns : list of str
        The names of the columns.
    ids : ndarray, shape (n,)
        The ImageId of each row.
    lookup : DataFrame
        From `read_lookup`.

    Raises
    ------
    HandsonError
        When the look-up table asks for an image or a feature that was not predicted, or an image is there twice.

    Examples
    --------
    >>> lookup = pd.DataFrame({"RowId": [1], "ImageId": [7], "FeatureName": ["nose_x"]})
    >>> submission(np.array([[97.5]]), ["nose_x"], np.array([7]), lookup).values.tolist()
    [[1.0, 96.0]]
    """
    column_of = {name: position for position, name in enumerate(columns)}
    row_of = {identity: position for position, identity in enumerate(ids.tolist())}
    if len(row_of) < len(ids):
        twice = next(identity for identity, count in Counter(ids.tolist()).items() if count > 1)
        raise HandsonError(f"the test data hold the image {twice} twice; which of its predictions is meant?")
    unknown = sorted(set(lookup["FeatureName"]) - column_of.keys())
    if unknown:
        raise HandsonError(
            f"the look-up table asks for {unknown[0]!r}, which the net does not predict.{nearest(unknown[0], columns)}"
        )
    strangers = sorted(set(lookup["ImageId"]) - row_of.keys())
    if strangers:
        raise HandsonError(f"the look-up table asks for the image {strangers[0]}, which the test data do not hold.")
    rows = lookup["ImageId"].map(row_of).to_numpy()
    places = lookup["FeatureName"].map(column_of).to_numpy()
    location = np.clip(predicted[rows, places].astype(np.float64), 0.0, FRAME)
    return pd.DataFrame({"RowId": lookup["RowId"].to_numpy(), "Location": location})


def write_table(table: pd.DataFrame, path: str | os.PathLike[str], all_digits: bool = False) -> None:
    """Write a table as CSV, with all digits that a float32 has, or a float64; the file appears whole."""
    form = None if all_digits else "%.9g"
    atomic.write(path, lambda place: table.to_csv(place, index=False, float_format=form))

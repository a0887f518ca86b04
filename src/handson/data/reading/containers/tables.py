"""Tables that stay in their files: input columns block by block, the others in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from handson.core.errors import HandsonError
from handson.data.reading.categories import base_of
from handson.data.reading.columns import ROW_NUMBERS, UNNAMED, set_apart
from handson.data.reading.dataset import Dataset
from handson.data.reading.image_columns import side_lengths
from handson.data.reading.tables import Roles, check_column, check_named, listed
from handson.data.rows.blocks import Blocks
from handson.data.rows.stored import StoredRows

# Types whose values float32 holds.
NARROW = {np.dtype(kind) for kind in ("?", "i1", "u1", "i2", "u2", "f2", "f4")}


class Column(NamedTuple):
    """What a column holds: numbers of a type, or something else (None); several of them in a row of a list."""

    dtype: np.dtype | None
    width: int | None = None


def columns_of(out: np.ndarray, names: Sequence[str]) -> list[np.ndarray]:
    """Where the columns of a matrix go: one after another, or one of lists all over it."""
    return [out] if len(names) == 1 and out.shape[1] != 1 else list(out.T)


class Table(Protocol):
    """A table in blocks of rows.

    Attributes
    ----------
    path : Path
        The file or folder.
    columns : dict of str to Column
        By name, in their order.
    bounds : ndarray of int64
        The first row of each block, and the number of rows.
    """

    path: Path
    columns: dict[str, Column]
    bounds: np.ndarray

    def file(self, number: int) -> Path | None:
        """The file of a block."""

    def read(self, number: int, names: Sequence[str], out: np.ndarray) -> None:
        """Put some columns of a block, or one of lists, into an array; what is missing is NaN."""

    def frame(self, names: Sequence[str]) -> pd.DataFrame:
        """Some columns of all rows."""

    def close(self) -> None:
        """Close the files."""


class Columns:
    """Reads the input columns of a table, as a matrix.

    Parameters
    ----------
    table : Table
        The table.
    names : list of str
        Columns of numbers, or one of lists.
    """

    def __init__(self, table: Table, names: list[str]) -> None:
        self.table, self.names, self.bounds = table, names, table.bounds
        self.name = str(table.path)
        kinds = [table.columns[name].dtype for name in names]
        width = table.columns[names[0]].width
        if width is not None and kinds == [np.dtype(np.uint8)]:
            self.dtype: np.dtype = np.dtype(np.uint8)
        else:
            self.dtype = np.dtype(np.float32 if all(kind in NARROW for kind in kinds) else np.float64)
        self.shape: tuple[int, ...] = (int(self.bounds[-1]), len(names) if width is None else width)

    def file(self, number: int) -> Path | None:
        return self.table.file(number)

    def read(self, number: int, out: np.ndarray) -> None:
        self.table.read(number, self.names, out)

    def close(self) -> None:
        self.table.close()


def stored_table(
    table: Table,
    roles: Roles,
    image: str | None = None,
    image_shape: Sequence[int] | None = None,
    window: int | None = None,
) -> Dataset:
    """A data set whose input columns stay in their file; all arguments as in `handson.data.read`.

    The rules are those of `handson.data.reading.tables.table_dataset`: the named target columns, all others as inputs,
    a column of lists as images, a first column that only numbers the rows as their ids.
    """
    path, columns, inputs, aside = table.path, table.columns, roles.inputs, roles.aside
    if not int(table.bounds[-1]):
        raise HandsonError(f"{path} has no rows.")
    targets = listed(roles.targets, [])
    if roles.categories or any(base_of(name, columns) for name in listed(inputs, [])):
        raise HandsonError(f"{path}: categories are for tables that are read at once, in_memory=True.")
    check_named(listed(inputs, []), targets, path)
    for name in [*roles.named, *listed(image, [])]:
        check_column(name, list(columns), path, "in a question to it")
    image = image or (image_column(table, [*aside, *targets]) if inputs is None else None)
    leading = _leading(list(columns), roles.named)
    names = _targets(table, roles.targets, [*aside, *leading, *listed(image, [])], image is not None)
    rest = set_apart(table.frame([*leading, *dict.fromkeys([*names, *aside])]), path, names, False)
    if image is not None:
        rows, input_names = _images(table, image, inputs, image_shape, window), []
    else:
        left = {*names, *aside, *(name for name in leading if name not in rest.frame)}
        input_names = listed(inputs, [name for name in columns if name not in left])
        rows = _numbers(table, input_names, image_shape, window)
    return roles.dataset(rows, input_names, names, rest, path)


def image_column(table: Table, others: Sequence[str]) -> str | None:
    """The first column of lists that is none of the others."""
    lists = (name for name, column in table.columns.items() if column.width is not None)
    return next((name for name in lists if name not in others), None)


def _leading(columns: list[str], named: list[str]) -> list[str]:
    """First columns that may only number the rows."""
    count = 0
    while count < len(columns) and columns[count] not in named and (
        UNNAMED.fullmatch(columns[count]) or columns[count] in ROW_NUMBERS
    ):  # fmt: skip
        count += 1
    return columns[:count]


def _targets(table: Table, targets: Any, others: list[str], images: bool) -> list[str]:
    if targets is None and images:
        return [name for name, column in table.columns.items() if name not in others and column.dtype is not None]
    return listed(targets, [])


def _numbers(table: Table, names: list[str], image_shape: Any, window: int | None) -> StoredRows:
    if image_shape is not None:
        raise HandsonError(
            f"{table.path} has no column of images, of which image_shape={tuple(image_shape)} would be the shape. "
            f"Leave it out."
        )
    if not names:
        raise HandsonError(f"{table.path} has no input columns.")
    wrong = next((name for name in names if table.columns[name].dtype is None), None)
    if wrong is not None:
        raise HandsonError(
            f"{table.path}, column {wrong!r} holds no numbers, or no lists of one length. Leave it out with "
            f"inputs=[...], say what it is (targets, groups, ids), or write it as numbers."
        )
    lists = next((name for name in names if table.columns[name].width is not None), None)
    if lists is not None:
        raise HandsonError(f"{table.path}, column {lists!r} holds lists: it is an input alone, image={lists!r}.")
    return StoredRows(Blocks(Columns(table, names), window))


def _images(table: Table, image: str, inputs: Any, image_shape: Any, window: int | None) -> StoredRows:
    """Images in a column of lists."""
    if inputs is not None:
        raise HandsonError(f"{table.path}: its inputs are images, so no columns are: leave inputs={inputs!r} out.")
    width = table.columns[image].width
    if width is None:
        raise HandsonError(f"{table.path}, column {image!r} holds no lists of numbers, all of one length.")
    rows = StoredRows(Blocks(Columns(table, [image]), window))
    return rows.shaped((*side_lengths(width, image_shape, f"{table.path}, row 0: the image"), 1))

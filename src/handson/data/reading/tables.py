"""Tables: CSV and Parquet files, with or without a column of images written as numbers."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from handson.core.errors import HandsonError, listing, nearest
from handson.data.reading.damage import reading
from handson.data.reading.dataset import Dataset
from handson.data.reading.image_columns import find_image_column, parse_images, read_images, side_lengths
from handson.data.reading.unpacked import check_unpacked

# Smaller files than this are read by pandas and NumPy in less time than the kernels take to compile.
WORTH_COMPILING = 1 << 25
TABLE = "a table that can be read"


def read_table(
    path: Path, image: str | None = None, image_shape: Sequence[int] | None = None
) -> tuple[pd.DataFrame, np.ndarray | None]:
    """A table, and apart from it the images that one of its columns holds.

    Parameters
    ----------
    path : Path
        A '.csv' (also compressed) or '.parquet' file.
    image : str, optional
        The column with images; by default the one whose first entry holds many numbers.
    image_shape : (int, int), optional
        Height and width; by default square.

    Returns
    -------
    frame : DataFrame
        The other columns.
    images : ndarray, shape (n, height, width, 1), or None
        As uint8; as float32 if their values are no whole numbers from 0 to 255.

    Raises
    ------
    HandsonError
        For an empty file, and for an image of the wrong size or with something that is not a number, naming the row.
    """
    if path.stat().st_size == 0:
        raise HandsonError(f"{path} is empty.")
    check_unpacked(path)
    if path.suffix.lower() == ".parquet":
        return _split_images(_read_parquet(path), image, image_shape, path)
    if path.suffix.lower() == ".csv" and path.stat().st_size > WORTH_COMPILING:
        found = _read_pieces(path, image, image_shape)
        if found is not None:
            return found
    return _split_images(_read_csv(path, path), image, image_shape, path)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        with reading(path, "a Parquet file, or is damaged"):
            return pd.read_parquet(path).rename(columns=str)
    except ImportError:
        raise HandsonError("Parquet files need pyarrow: pip install 'handson[parquet]'.") from None


def _read_csv(source: Any, path: Path) -> pd.DataFrame:
    """A table from the file itself or from a part of it; its first column never becomes the rows' names."""
    with reading(path, TABLE), warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(source, index_col=False)
        except pd.errors.EmptyDataError:
            raise HandsonError(f"{path} is empty: it has no columns.") from None
        except pd.errors.ParserWarning:
            columns = len(pd.read_csv(path, nrows=0).columns)
            raise HandsonError(
                f"{path}: the rows have more fields than the {columns} columns of the header, from row 0 on, which "
                f"has {columns + pd.read_csv(path, nrows=1).index.nlevels}. Give every column a name."
            ) from None


def _read_pieces(
    path: Path, image: str | None, image_shape: Sequence[int] | None
) -> tuple[pd.DataFrame, np.ndarray] | None:
    """The fast way: pixels straight from the bytes of the file; None where something in it is not as simple as that."""
    csv.field_size_limit(1 << 26)
    with reading(path, TABLE), path.open(newline="", encoding="utf-8-sig") as file:
        lines = _without_blank(csv.reader(file))
        header, first = next(lines, []), next(lines, [])
    name = image or find_image_column(header, first)
    if name not in header or header.index(name) >= len(first):
        return None
    found = read_images(path, header.index(name), len(first[header.index(name)].split()))
    if found is None:
        return None
    rest, images = found
    frame = _read_csv(rest, path).drop(columns=name)
    if len(frame) != len(images):
        return None
    return frame, images.reshape(-1, *side_lengths(images.shape[1], image_shape, f"{path}, row 0: the image"), 1)


def _without_blank(lines: Iterator[list[str]]) -> Iterator[list[str]]:
    return (line for line in lines if len(line) > 1 or any(map(str.strip, line)))


def check_column(name: str, columns: Sequence[str], path: Path, what: str) -> None:
    """Raise unless a column is there; the message names the nearest."""
    if name not in columns:
        raise HandsonError(
            f"{path} has no column {name!r} ({what}).{nearest(name, columns)} Columns: {listing(columns)}."
        )


def _split_images(
    frame: pd.DataFrame, image: str | None, image_shape: Sequence[int] | None, path: Path
) -> tuple[pd.DataFrame, np.ndarray | None]:
    """The plain way: a column of text, or of lists of numbers, becomes images with NumPy."""
    if not len(frame):
        raise HandsonError(f"{path} has no rows.")
    if image is not None:
        check_column(image, list(frame.columns), path, "the image column")
    else:
        texts = frame.select_dtypes(exclude="number")
        image = find_image_column(list(texts.columns), [_first_present(texts[name]) for name in texts.columns])
    if image is None:
        return frame, None
    return frame.drop(columns=image), parse_images(list(frame[image]), image_shape, str(path))


def _first_present(column: pd.Series) -> str:
    return str(column.iloc[int(column.notna().to_numpy().argmax())])


def table_dataset(
    frame: pd.DataFrame,
    images: np.ndarray | None,
    path: Path,
    targets: Any = None,
    inputs: Any = None,
    groups: Any = None,
    ids: str | None = None,
    classes: Any = None,
) -> Dataset:
    """A data set from a table: the named target columns, the others (or the images) as inputs.

    Parameters
    ----------
    frame, images : DataFrame, ndarray
        From `read_table`.
    path : Path
        For messages.
    targets : str or list of str, optional
        The target columns. With images, by default all columns of numbers.
    inputs : str or list of str, optional
        The input columns, by default all others; with images there are none.
    groups, ids : str, optional
        Columns that are neither.
    classes : list of str or 'auto', optional
        Given, the target column may hold any words; see `handson.data.reading.classes`.
    """
    columns: Any = frame.columns
    aside = [name for name in (groups if isinstance(groups, str) else None, ids) if name]
    for name in aside:
        check_column(name, columns, path, "groups or ids")
    names = _target_columns(frame, targets, aside, images is not None)
    for name in names:
        check_column(name, columns, path, "a target")
    if images is not None:
        input_names, array = [], images
    else:
        others = {*names, *aside}
        input_names = _listed(inputs, [name for name in columns if name not in others])
        for name in input_names:
            check_column(name, columns, path, "an input")
        if not input_names:
            raise HandsonError(f"{path} has no input columns.")
        array = _numbers(frame, input_names, path, "leave the column out with inputs=[...]")
    return Dataset(
        array,
        _targets(frame, names, path, classes),
        input_names,
        names,
        None,
        frame[groups].to_numpy() if isinstance(groups, str) else groups,
        frame[ids].to_numpy() if ids else None,
        str(path),
    )


def _listed(names: Any, default: list[str]) -> list[str]:
    """One name or several as a list."""
    if names is None:
        return default
    return [names] if isinstance(names, str) else [str(name) for name in names]


def _target_columns(frame: pd.DataFrame, targets: Any, aside: list[str], images: bool) -> list[str]:
    if targets is None and images:
        return [name for name in frame.columns if name not in aside and pd.api.types.is_numeric_dtype(frame[name])]
    return _listed(targets, [])


def _targets(frame: pd.DataFrame, names: list[str], path: Path, classes: Any) -> np.ndarray | None:
    """Targets as numbers; one column of words as these words, if they are not mostly numbers."""
    if not names:
        return None
    if len(names) == 1 and not pd.api.types.is_numeric_dtype(frame[names[0]]):
        present = frame[names[0]].dropna()
        if classes is not None or pd.to_numeric(present, errors="coerce").notna().mean() < 0.5:
            return frame[names[0]].to_numpy(object)
    return _numbers(frame, names, path, "say classes='auto' if these are classes")


def _numbers(frame: pd.DataFrame, names: list[str], path: Path, cure: str) -> np.ndarray:
    """Columns of numbers as float32, NaN where they are missing."""
    chosen = frame[names]
    with np.errstate(over="ignore"):
        return _as_floats(chosen, path, cure)


def _as_floats(chosen: pd.DataFrame, path: Path, cure: str) -> np.ndarray:
    if all(isinstance(kind, np.dtype) and kind.kind in "biuf" for kind in chosen.dtypes):
        return chosen.to_numpy(np.float32)
    return np.stack([_column(column, path, cure) for _, column in chosen.items()], 1)


def _column(column: pd.Series, path: Path, cure: str) -> np.ndarray:
    numeric = pd.api.types.is_numeric_dtype(column)
    numbers = column if numeric else pd.to_numeric(column.astype(object), errors="coerce")
    words = np.flatnonzero(numbers.isna() & column.notna())
    if len(words):
        raise HandsonError(
            f"{path}, row {words[0]}, column {column.name!r}: {str(column.iloc[words[0]])[:60]!r} is not a number. "
            f"Code it as numbers, or {cure}."
        )
    return numbers.to_numpy(np.float32, na_value=np.nan)

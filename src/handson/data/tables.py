"""Tables: CSV and Parquet files, with or without a column of images written as numbers."""

from __future__ import annotations

import csv
import io
import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from handson.data.dataset import Dataset
from handson.errors import HandsonError, listing, nearest

# A text of at least this many numbers in the first row makes a column an image.
LEAST_PIXELS = 16
# Smaller files than this are read by pandas and NumPy in less time than the kernels take to compile.
WORTH_COMPILING = 1 << 25


def read_table(path: Path, image: str | None = None, image_shape: Sequence[int] | None = None) -> pd.DataFrame:
    """A table as a DataFrame; a column of images becomes `attrs['images']`, an array (n, height, width, 1).

    Parameters
    ----------
    path : Path
        A '.csv' (also compressed) or '.parquet' file.
    image : str, optional
        The column with images; by default the one that holds many numbers in its first row.
    image_shape : (int, int), optional
        Height and width; by default square.

    Raises
    ------
    HandsonError
        For an empty file, and for an image of the wrong size or with something that is not a number, naming the row.
    """
    if path.stat().st_size == 0:
        raise HandsonError(f"{path} is empty.")
    if path.suffix == ".parquet":
        return _split_images(_read_parquet(path), image, image_shape, path)
    if path.suffix == ".csv":
        header, first = _first_lines(path)
        name = image or find_image_column(header, first)
        if name is not None:
            check_column(name, header, path, "the image column")
            if path.stat().st_size > WORTH_COMPILING and first:
                return _read_images(path, header, first, name, image_shape)
    return _split_images(_read_csv(path), image, image_shape, path)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except ImportError:
        raise HandsonError("Parquet files need pyarrow: pip install 'handson[parquet]'.") from None
    except (OSError, ValueError) as error:
        raise HandsonError(f"{path} is not a Parquet file, or is damaged: {str(error).splitlines()[0]}") from None


def _read_csv(path: Path, content: Any = None) -> pd.DataFrame:
    try:
        return pd.read_csv(path if content is None else content)
    except pd.errors.EmptyDataError:
        raise HandsonError(f"{path} is empty: it has no columns.") from None
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise HandsonError(f"{path} is not a table that can be read: {str(error).splitlines()[0]}") from None


def _first_lines(path: Path) -> tuple[list[str], list[str]]:
    csv.field_size_limit(1 << 26)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file)
            return next(lines, []), next(lines, [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise HandsonError(f"{path} is not a table that can be read: {error}") from None


def find_image_column(header: Sequence[str], first: Sequence[str]) -> str | None:
    """The column whose first entry holds many numbers, or None.

    Examples
    --------
    >>> find_image_column(["id", "Image"], ["1", " ".join(["0"] * 16)])
    'Image'
    """
    for name, entry in zip(header, first, strict=False):
        parts = str(entry).split(maxsplit=LEAST_PIXELS)
        if len(parts) >= LEAST_PIXELS and all(part.isdigit() for part in parts[: LEAST_PIXELS - 1]):
            return name
    return None


def check_column(name: str, columns: Sequence[str], path: Path, what: str) -> None:
    """Raise unless a column is there; the message names the nearest."""
    if name not in columns:
        raise HandsonError(
            f"{path} has no column {name!r} ({what}).{nearest(name, columns)} Columns: {listing(columns)}."
        )


def side_lengths(pixels: int, image_shape: Sequence[int] | None, where: str) -> tuple[int, int]:
    """Height and width of an image of so many pixels."""
    if image_shape is not None:
        height, width = (int(side) for side in list(image_shape)[:2])
        if height * width != pixels:
            raise HandsonError(f"{where} has {pixels} pixels; the shape {height}x{width} needs {height * width}.")
        return height, width
    side = round(pixels**0.5)
    if side * side != pixels:
        raise HandsonError(f"{where} has {pixels} pixels, which is no square; say image_shape=(height, width).")
    return side, side


def _read_images(
    path: Path, header: list[str], first: list[str], name: str, image_shape: Sequence[int] | None
) -> pd.DataFrame:
    """The fast way: pixels straight from the mapped file, the other columns through pandas."""
    from handson.kernels import image_text as kernel

    pixels = len(first[header.index(name)].split())
    height, width = side_lengths(pixels, image_shape, f"{path}, row 0: the image")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        buffer = np.frombuffer(mapped, np.uint8)
        lines = kernel.find_lines(buffer)
        images = np.empty((len(lines) - 1, pixels), np.uint8)
        fields = np.empty((len(lines) - 1, 2), np.int64)
        report = kernel.parse_rows(buffer, lines[1:], header.index(name), ord(","), images, fields)
        rest = _without_fields(mapped, lines, fields)
        del buffer
    bad = np.flatnonzero(report[:, 0])
    if len(bad):
        row = int(bad[0])
        if report[row, 0] == kernel.TOO_LARGE:
            return _split_images(_read_csv(path), name, image_shape, path)
        _raise_bad_image(path, row, int(report[row, 0]), int(report[row, 1]), pixels)
    frame = _read_csv(path, io.BytesIO(rest)).drop(columns=name)
    frame.attrs["images"] = images.reshape(-1, height, width, 1)
    return frame


def _without_fields(mapped: mmap.mmap, lines: np.ndarray, fields: np.ndarray) -> bytes:
    """The text of the table with the images left out."""
    parts = [mapped[lines[0, 0] : lines[0, 1]]]
    for (start, end), (first, last) in zip(lines[1:].tolist(), fields.tolist(), strict=True):
        parts.append(mapped[start:end] if first < 0 else mapped[start:first] + mapped[last:end])
    return b"\n".join(parts)


def _raise_bad_image(path: Path, row: int, code: int, count: int, pixels: int) -> None:
    from handson.kernels import image_text as kernel

    reason = {
        kernel.NOT_A_NUMBER: f"value {count + 1} of the image is not a whole number",
        kernel.WRONG_COUNT: f"the image has {count} pixels; the first row has {pixels}",
        kernel.NO_FIELD: "the row ends before the image column",
    }[code]
    raise HandsonError(f"{path}, row {row}: {reason}.")


def _split_images(
    frame: pd.DataFrame, image: str | None, image_shape: Sequence[int] | None, path: Path
) -> pd.DataFrame:
    """The plain way: a column of text, or of lists of numbers, becomes images with NumPy."""
    if image is not None:
        check_column(image, list(frame.columns), path, "the image column")
    elif len(frame):
        image = find_image_column(list(frame.columns), [str(value) for value in frame.iloc[0]])
    if image is None:
        return frame
    images = parse_images(list(frame[image]), image_shape, str(path))
    frame = frame.drop(columns=image)
    frame.attrs["images"] = images
    return frame


def parse_images(entries: Sequence[Any], image_shape: Sequence[int] | None, where: str) -> np.ndarray:
    """Images written as text or lists of numbers, as an array (n, height, width, 1).

    Examples
    --------
    >>> parse_images(["0 1 2 3", "4 5 6 7"], None, "table").shape
    (2, 2, 2, 1)
    """
    rows: list[np.ndarray] = []
    for number, entry in enumerate(entries):
        try:
            row = np.array(entry.split() if isinstance(entry, str) else entry, dtype=np.float64)
        except (ValueError, TypeError):
            raise HandsonError(f"{where}, row {number}: the image holds something that is not a number.") from None
        if row.ndim != 1 or (rows and len(row) != len(rows[0])):
            raise HandsonError(
                f"{where}, row {number}: the image has {row.size} pixels; the first row has {len(rows[0])}."
            )
        rows.append(row)
    images = np.stack(rows)
    height, width = side_lengths(images.shape[1], image_shape, f"{where}, row 0: the image")
    whole = (images == images.round()).all() and images.min() >= 0 and images.max() <= 255
    return images.astype(np.uint8 if whole else np.float32).reshape(-1, height, width, 1)


def table_dataset(
    frame: pd.DataFrame, path: Path, targets: Any = None, inputs: Any = None, groups: Any = None, ids: str | None = None
) -> Dataset:
    """A data set from a table: the named target columns, the others (or the images) as inputs.

    Parameters
    ----------
    frame : DataFrame
        From `read_table`.
    path : Path
        For messages.
    targets : str or list of str, optional
        The target columns. With images, by default all columns of numbers.
    inputs : list of str, optional
        The input columns, by default all others; with images there are none.
    groups, ids : str, optional
        Columns that are neither.
    """
    columns = [str(column) for column in frame.columns]
    images = frame.attrs.get("images")
    aside = [name for name in (groups if isinstance(groups, str) else None, ids) if name]
    for name in aside:
        check_column(name, columns, path, "groups or ids")
    names = _target_columns(frame, targets, aside, images is not None)
    for name in names:
        check_column(name, columns, path, "a target")
    values, classes = _targets(frame, names, path)
    if images is not None:
        input_names, array = [], images
    else:
        input_names = list(inputs) if inputs is not None else [c for c in columns if c not in (*names, *aside)]
        for name in input_names:
            check_column(name, columns, path, "an input")
        array = _features(frame, input_names, path)
    return Dataset(
        array,
        values,
        input_names,
        names,
        classes,
        frame[groups].to_numpy() if isinstance(groups, str) else groups,
        frame[ids].to_numpy() if ids else None,
        str(path),
    )


def _target_columns(frame: pd.DataFrame, targets: Any, aside: list[str], images: bool) -> list[str]:
    if targets is not None:
        return [targets] if isinstance(targets, str) else [str(name) for name in targets]
    if not images:
        return []
    return [str(c) for c in frame.columns if c not in aside and pd.api.types.is_numeric_dtype(frame[c])]


def _targets(frame: pd.DataFrame, names: list[str], path: Path) -> tuple[np.ndarray | None, list[str] | None]:
    if not names:
        return None, None
    numeric = all(pd.api.types.is_numeric_dtype(frame[name]) for name in names)
    if len(names) == 1 and not numeric:
        codes, classes = pd.factorize(frame[names[0]], sort=True)
        return codes.astype(np.int64), [str(value) for value in classes]
    if not numeric:
        bad = next(name for name in names if not pd.api.types.is_numeric_dtype(frame[name]))
        _raise_text(frame, bad, path)
    return frame[names].to_numpy(np.float32), None


def _features(frame: pd.DataFrame, names: list[str], path: Path) -> np.ndarray:
    for name in names:
        if not (pd.api.types.is_numeric_dtype(frame[name]) or pd.api.types.is_bool_dtype(frame[name])):
            _raise_text(frame, name, path)
    if not names:
        raise HandsonError(f"{path} has no input columns.")
    return frame[names].to_numpy(np.float32)


def _raise_text(frame: pd.DataFrame, name: str, path: Path) -> None:
    numbers = pd.to_numeric(frame[name], errors="coerce")
    row = int(np.flatnonzero(numbers.isna() & frame[name].notna())[0])
    raise HandsonError(
        f"{path}, row {row}, column {name!r}: {frame[name].iloc[row]!r} is not a number. Code it as numbers, or "
        f"leave the column out with inputs=[...]."
    )

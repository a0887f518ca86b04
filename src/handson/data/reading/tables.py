"""Tables: CSV and Parquet files, with or without a column of images written as numbers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from csv import reader
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from handson.core.errors import HandsonError, listing, nearest, shortened
from handson.data.reading.categories import base_of, coded
from handson.data.reading.columns import Apart, as_labels, as_numbers, as_targets, set_apart, with_points
from handson.data.reading.csv_layout import (
    MISSING,
    TABLE,
    CsvFormat,
    Layout,
    check_names,
    check_whole,
    look,
    not_decoded,
    without_blank,
)
from handson.data.reading.damage import reading
from handson.data.reading.dataset import Dataset
from handson.data.reading.image_columns import find_image_column, parse_images, read_images, side_lengths
from handson.data.reading.unpacked import check_unpacked
from handson.kernels.library import missing

if TYPE_CHECKING:
    from handson.data.rows.stored import StoredRows

# In smaller files pandas and NumPy find images as fast as the kernels, which look for the column first.
WORTH_A_KERNEL = 1 << 15


def read_table(
    path: Path,
    image: str | None = None,
    image_shape: Sequence[int] | None = None,
    csv: Any = None,
    texts: Sequence[str] = (),
) -> tuple[pd.DataFrame, np.ndarray | None]:
    """A table, and apart from it the images that one of its columns holds.

    Parameters
    ----------
    path : Path
        A '.csv' or '.tsv' file (also compressed), or a '.parquet' file.
    image : str, optional
        The column with images; by default the one whose first entry holds many numbers.
    image_shape : (int, int), optional
        Height and width; by default square.
    csv : CsvFormat or dict, optional
        How the file is written, where it does not show.
    texts : list of str
        Columns that are kept as they are written: '007' and 'None' are texts there.

    Returns
    -------
    frame : DataFrame
        The other columns.
    images : ndarray, shape (n, height, width, 1), or None
        As uint8; as float32 if their values are no whole numbers from 0 to 255.

    Raises
    ------
    HandsonError
        For an empty file, a header that cannot be one, and for an image of the wrong size or with something that is
        not a number, naming the row.
    """
    given = CsvFormat.of(csv)
    if path.stat().st_size == 0:
        raise HandsonError(f"{path} is empty.")
    check_unpacked(path)
    if path.suffix.lower() == ".parquet":
        if csv is not None and given != CsvFormat():
            raise HandsonError(
                f"{path} is a Parquet file, for which csv={given.to_dict()} has no meaning. Leave it out."
            )
        return split_images(_read_parquet(path), image, image_shape, path)
    layout = look(path, given)
    if path.suffix.lower() == ".csv" and path.stat().st_size > WORTH_A_KERNEL and layout.is_plain and not missing():
        found = _read_pieces(path, layout, texts, image, image_shape)
        if found is not None:
            return found
    frame = _read_csv(path, layout, texts, path)
    last = frame.iloc[:, -1]
    if (last.isna() | (last == "")).any():
        check_whole(path, layout)
    frame.attrs["codes"] = layout.codes
    return split_images(frame, image, image_shape, path)


def _read_parquet(path: Path) -> pd.DataFrame:
    """Whole numbers stay so where some are missing: as floats those above 2**53 would merge."""
    try:
        from pyarrow.parquet import read_schema

        with reading(path, "a Parquet file, or is damaged"):
            check_names(read_schema(path).names, str(path))
            return pd.read_parquet(path, dtype_backend="numpy_nullable").rename(columns=str)
    except ImportError:
        raise HandsonError("Parquet files need pyarrow: pip install 'handson[parquet]'.") from None


def _read_csv(source: Any, layout: Layout, texts: Sequence[str], path: Path) -> pd.DataFrame:
    """A table from the file itself or from a part of it; spaces around the names of its columns are none of them."""
    texts = [name for name in layout.names if name.strip() in texts]
    arguments = layout.arguments() | (_as_written(texts, layout) if texts else {})
    with reading(path, TABLE), warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            frame = pd.read_csv(source, **arguments).rename(columns=str)
        except UnicodeError as error:
            raise not_decoded(path, error) from None
        except pd.errors.EmptyDataError:
            raise HandsonError(f"{path} is empty: it has no columns.") from None
        except pd.errors.ParserWarning:
            first = pd.read_csv(path, nrows=1, **(arguments | {"index_col": None}))
            fields = len(first.columns) + (0 if isinstance(first.index, pd.RangeIndex) else first.index.nlevels)
            raise HandsonError(
                f"{path}: the rows have more fields than the {len(layout.names)} columns of the header, from row 0 on, "
                f"which has {fields}. Give every column a name."
            ) from None
    for name in texts:
        frame[name] = with_points(frame[name], layout.decimal, layout.thousands)
    names = [name.strip() for name in frame.columns]
    several = names.count("") > 1
    frame.columns = pd.Index([name or f"Unnamed: {place}" if several else name for place, name in enumerate(names)])
    return frame


def _as_written(texts: Sequence[str], layout: Layout) -> dict[str, Any]:
    """The arguments by which pandas leaves some columns as they are written, words such as 'NA' included."""
    others = [name or f"Unnamed: {place}" for place, name in enumerate(layout.names)]
    missing = sorted(MISSING)
    return {
        "dtype": dict.fromkeys(texts, str),
        "keep_default_na": False,
        "na_values": {name: missing for name in others if name not in texts},
    }


def _read_pieces(
    path: Path, layout: Layout, texts: Sequence[str], image: str | None, image_shape: Sequence[int] | None
) -> tuple[pd.DataFrame, np.ndarray] | None:
    """The fast way: pixels straight from the bytes of the file; None where something in it is not as simple as that."""
    with reading(path, TABLE), path.open(newline="", encoding="utf-8-sig") as file:
        lines = without_blank(reader(file))
        header, first = [name.strip() for name in next(lines, [])], next(lines, [])
    name = image or find_image_column(header, first)
    if name not in header or header.index(name) >= len(first):
        return None
    found = read_images(path, header.index(name), len(first[header.index(name)].split()))
    if found is None:
        return None
    rest, images = found
    frame = _read_csv(rest, layout, texts, path).drop(columns=name)
    if len(frame) != len(images):
        return None
    return frame, images.reshape(-1, *side_lengths(images.shape[1], image_shape, f"{path}, row 0: the image"), 1)


def check_column(name: str, columns: Sequence[str], path: Path, what: str) -> None:
    """Raise unless a column is there; the message names the nearest."""
    if name not in columns:
        raise HandsonError(
            f"{path} has no column {name!r} ({what}).{nearest(name, columns)} Columns: {shortened(listing(columns))}."
        )


def split_images(
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
        if image_shape is not None:
            raise HandsonError(
                f"{path} has no column of images, of which image_shape={tuple(image_shape)} would be the shape. Say "
                f"which column holds them, image=NAME, or leave it out."
            )
        return frame, None
    return frame.drop(columns=image), parse_images(list(frame[image]), image_shape, str(path))


def _first_present(column: pd.Series) -> str:
    return str(column.iloc[int(column.notna().to_numpy().argmax())])


class Roles(NamedTuple):
    """What the columns of a table are, as `handson.data.read` was told."""

    targets: Any = None
    inputs: Any = None
    groups: Any = None
    ids: str | None = None
    classes: Any = None
    categories: Any = None

    @property
    def aside(self) -> list[str]:
        """The columns that are neither inputs nor targets."""
        return [name for name in (self.groups if isinstance(self.groups, str) else None, self.ids) if name]

    @property
    def named(self) -> list[str]:
        """All columns that were named."""
        return [*listed(self.inputs, []), *listed(self.targets, []), *self.aside]

    def dataset(
        self, rows: np.ndarray | StoredRows, input_names: list[str], target_names: list[str], rest: Apart, path: Path
    ) -> Dataset:
        """The data set of these inputs; targets, groups and ids are in the rest of the table."""
        frame, numbers, notes = rest
        numbers = frame[self.ids] if self.ids else numbers
        return Dataset(
            rows,
            as_targets(frame, target_names, path, self.classes, notes),
            input_names,
            target_names,
            None,
            as_labels(frame[self.groups]) if isinstance(self.groups, str) else self.groups,
            None if numbers is None else as_labels(numbers),
            str(path),
            notes,
        )


def table_dataset(frame: pd.DataFrame, images: np.ndarray | None, path: Path, roles: Roles) -> Dataset:
    """A data set from a table: the named target columns, the others (or the images) as inputs.

    A first column that only numbers the rows, as pandas saves it, is no input: it names the rows.

    Parameters
    ----------
    frame, images : DataFrame, ndarray
        From `read_table`.
    path : Path
        For messages.
    roles : Roles
        What the columns are. With images, by default all columns of numbers are targets; without, all others inputs.
    """
    targets, inputs, aside = roles.targets, roles.inputs, roles.aside
    rest = set_apart(frame, path, roles.named, strict=inputs is None and images is None)
    frame, _, notes = rest
    columns: Any = frame.columns
    check_named(listed(inputs, []), listed(targets, []), path)
    for name in aside:
        check_column(name, columns, path, "groups or ids")
    names = _target_columns(frame, targets, aside, images is not None)
    for name in names:
        check_column(name, columns, path, "a target")
    if images is not None:
        said = {"inputs": inputs, "categories": roles.categories}
        for name, value in said.items():
            if value is not None:
                raise HandsonError(f"{path}: its inputs are images, so no columns are: leave {name}={value!r} out.")
        input_names, array = [], images
    else:
        others = {*names, *aside}
        input_names = listed(inputs, [name for name in columns if name not in others])
        known = set(columns)
        for name in input_names:
            check_column(base_of(name, known) or name, columns, path, "an input")
        if not input_names:
            raise HandsonError(f"{path} has no input columns.")
        table, input_names, told = coded(frame, input_names, roles.categories, path)
        cure = "name it in categories=[...], or leave the column out with inputs=[...]"
        array = as_numbers(table, input_names, path, cure, notes)
        notes += [*told, *_zeros_lost(frame.attrs.get("codes", {}), input_names)]
    return roles.dataset(array, input_names, names, rest, path)


def _zeros_lost(codes: dict[str, str], names: list[str]) -> list[str]:
    """What is to be told of columns of codes that are read as numbers."""
    return [
        f"column {name!r}: {codes[name]!r} is read as the number {int(codes[name])}. If these are codes, name "
        f"the column in categories=[...], or leave it out with inputs=[...]."
        for name in names
        if name in codes
    ]


def check_named(inputs: list[str], targets: list[str], path: Path) -> None:
    """Raise where a column is named twice, or is both an input and a target, which the net would copy."""
    for role, names in (("inputs", inputs), ("targets", targets)):
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise HandsonError(f"{path}: the column {twice!r} is among the {role} twice.")
    both = next((name for name in targets if name in inputs), None)
    if both is not None:
        raise HandsonError(f"{path}: the column {both!r} is an input and a target. Leave it out of one of them.")


def text_columns(roles: Roles) -> list[str]:
    """The columns that are kept as they are written: one target, which may hold classes, groups, ids, categories."""
    names = listed(roles.targets, [])
    coded = [] if roles.categories == "auto" else listed(roles.categories, [])
    coded += [name[:end] for name in listed(roles.inputs, []) if (end := name.find("=")) > 0]
    aside = [name for name in (roles.groups, roles.ids) if isinstance(name, str)]
    return [*(names if len(names) == 1 else []), *aside, *coded]


def listed(names: Any, default: list[str]) -> list[str]:
    """One name or several as a list."""
    if names is None:
        return default
    return [str(name) for name in names] if isinstance(names, (list, tuple)) else [str(names)]


def _target_columns(frame: pd.DataFrame, targets: Any, aside: list[str], images: bool) -> list[str]:
    if targets is None and images:
        return [name for name in frame.columns if name not in aside and pd.api.types.is_numeric_dtype(frame[name])]
    return listed(targets, [])

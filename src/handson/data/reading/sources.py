"""Sources: from a path to a data set, whatever kind of file or folder it is."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from handson.core.errors import HandsonError, nearest
from handson.core.regular import check_plain
from handson.data.reading.array_files import load_groups, read_npy, read_npz
from handson.data.reading.classes import as_classes
from handson.data.reading.dataset import Dataset
from handson.data.reading.image_folders import read_folder

TABLES = (".csv", ".tsv", ".gz", ".bz2", ".xz", ".zip", ".parquet")
# Arguments that have no meaning for a kind of data.
MEANINGLESS = {
    "a folder of images": ("targets", "inputs", "ids", "image", "input_names", "csv"),
    "an '.npz' file": ("ids", "image", "image_shape", "csv"),
    "an '.npy' file": ("inputs", "ids", "image", "image_shape", "input_names", "csv"),
    "a table": ("input_names", "target_names"),
}


def read(
    path: str | os.PathLike[str],
    targets: Any = None,
    inputs: Any = None,
    groups: Any = None,
    ids: str | None = None,
    image: str | None = None,
    image_shape: Sequence[int] | None = None,
    input_names: Any = None,
    target_names: Any = None,
    classes: Any = None,
    csv: Any = None,
) -> Dataset:
    """Read a data set.

    Inputs in an '.npy' file, or in an '.npz' file that is not packed, are memory-mapped when they are larger than a
    quarter of the free memory: rows are read when they are trained on.

    Parameters
    ----------
    path : str or path
        A table ('.csv', '.tsv', '.parquet'; a column may hold images as space-separated numbers), arrays ('.npz',
        '.npy'), or a folder of images (the classes are its subfolders, if it has some).
    targets : str or list of str, optional
        Target columns of a table; the name of an array in an '.npz' file; for an '.npy' file, another one.
    inputs : str or list of str, optional
        Input columns of a table, by default all others; the name of an array in an '.npz' file.
    groups : str, array or path, optional
        A column or array with the group of each row, a '.npy' file with them, or a '.npz' file with an array 'groups'.
    ids : str, optional
        A column that names the rows.
    image : str, optional
        The column of a table that holds images; found by itself.
    image_shape : (int, int), optional
        Height and width of images; by default square, or for files their own size.
    input_names, target_names : list of str or str, optional
        Names of the columns of arrays, or the name of the array in an '.npz' file that holds them.
    classes : list of str or str, optional
        Names of the classes 0, 1, ..., or the name of the array that holds them: words are looked up in them, and
        whole numbers that are none of them count in them. 'auto' numbers whatever values there are; words are always
        classes, and so are codes such as '007'. Classes of tables are read as they are written, so that one may be
        called 'NA' or 'None'; an empty field is a missing one.
    csv : dict or CsvFormat, optional
        How a CSV file is written where its first lines do not show it: 'separator', 'decimal', 'thousands', 'encoding',
        and 'header', False for a file without one or a list with the names of the columns.

    Raises
    ------
    FileNotFoundError
        When the path is not there; the nearest name is given.
    HandsonError
        When it cannot be read as a data set, with the row and column at fault.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.csv")
    ...     _ = path.write_text("x,y\\n1,2\\n3,4\\n")
    ...     read(path, targets="y").inputs.tolist()
    [[1.0], [3.0]]
    """
    path = Path(path)
    check_exists(path)
    if not path.is_dir():
        check_plain(path, path.stat())
    groups = _groups_file(groups)
    suffix = path.suffix.lower()
    _check_said(
        path,
        {"targets": targets, "inputs": inputs, "ids": ids, "image": image, "image_shape": image_shape,
         "input_names": input_names, "target_names": target_names, "csv": csv},
    )  # fmt: skip
    if path.is_dir():
        data = read_folder(path, image_shape)
        data.target_names = list(target_names or data.target_names)
    elif suffix == ".npz":
        data, classes = read_npz(path, inputs, targets, groups, input_names, target_names, classes)
    elif suffix == ".npy":
        if isinstance(targets, str) and targets.lower().endswith(".npy"):
            check_exists(Path(targets))
            check_plain(Path(targets), Path(targets).stat())
        data = read_npy(path, targets, target_names)
    elif suffix in TABLES:
        from handson.data.reading.tables import read_table, table_dataset, text_columns

        frame, images = read_table(path, image, image_shape, csv, text_columns(targets, groups, ids))
        data = table_dataset(frame, images, path, targets, inputs, groups, ids, classes)
    else:
        raise HandsonError(
            f"{path}: files of the kind {path.suffix or 'without an ending'!r} are not read. Tables: .csv, .tsv, "
            f".parquet; arrays: .npz, .npy; images: a folder of them."
        )
    if len(data) == 0:
        raise HandsonError(f"{path} has no rows.")
    return as_classes(_grouped(data, groups), classes)


def check_exists(path: Path) -> None:
    """Raise unless a file or folder is there; the message names the nearest name beside it."""
    if not path.exists():
        if re.match(r"[a-z][a-z0-9+.-]+:/", str(path)):
            raise FileNotFoundError(f"{path} is an address; files are read from a disk. Fetch it first.")
        siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        raise FileNotFoundError(f"there is no file or folder {path}.{nearest(path.name, siblings)}")


def _check_said(path: Path, given: dict[str, Any]) -> None:
    """Raise for an argument that has no meaning for data of this kind: it would be ignored."""
    suffix = path.suffix.lower()
    kind = {".npz": "an '.npz' file", ".npy": "an '.npy' file"}.get(suffix, "a table" if suffix in TABLES else "")
    kind = "a folder of images" if path.is_dir() else kind
    for name in MEANINGLESS.get(kind, ()):
        if given[name] is not None and given[name] != []:
            raise HandsonError(f"{path} is {kind}, for which {name}={given[name]!r} has no meaning. Leave it out.")


def _groups_file(groups: Any) -> Any:
    if isinstance(groups, (str, Path)) and str(groups).lower().endswith((".npy", ".npz")):
        check_exists(Path(groups))
        check_plain(Path(groups), Path(groups).stat())
        return load_groups(Path(groups))
    return groups


def _grouped(data: Dataset, groups: Any) -> Dataset:
    """The data with the groups of its rows, if they are not in it already."""
    if groups is None or data.groups is not None:
        return data
    if isinstance(groups, (str, Path)):
        raise HandsonError(
            f"{data.source} has no columns, and groups={str(groups)!r} names one. Give an array, or a '.npy' file."
        )
    return replace(data, groups=np.asarray(groups))

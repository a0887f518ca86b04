"""Sources: from a path to a data set, whatever kind of file or folder it is."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from handson.core.errors import HandsonError, nearest
from handson.core.regular import check_plain
from handson.data.reading.array_files import Archive, load_groups, read_arrays, read_npy
from handson.data.reading.classes import as_classes
from handson.data.reading.containers.arrays import Arrays
from handson.data.reading.containers.endings import ARROW, PARQUET, is_zarr
from handson.data.reading.dataset import Dataset
from handson.data.reading.image_files import FITS, IMAGES
from handson.data.reading.keeping import Keeping, kept
from handson.data.rows.free_memory import free_memory

if TYPE_CHECKING:
    from handson.data.reading.tables import Roles

# Tables that may be read at once.
TABLES = (".csv", ".tsv", ".gz", ".bz2", ".xz", ".zip", *PARQUET)
HDF5 = (".h5", ".hdf5", ".hdf", ".he5")
# Arguments that have no meaning for a kind of data.
MEANINGLESS = {
    "a folder of images": ("targets", "inputs", "ids", "image", "input_names", "csv", "window", "categories"),
    "tar files": ("targets", "inputs", "ids", "image", "input_names", "csv", "categories"),
    "an '.npz' file": ("ids", "image", "image_shape", "csv", "skip_broken", "categories"),
    "an HDF5 file": ("ids", "image", "image_shape", "csv", "categories"),
    "a Zarr folder": ("ids", "image", "image_shape", "csv", "categories"),
    "an '.npy' file": ("inputs", "ids", "image", "image_shape", "input_names", "csv", "skip_broken", "categories"),
    "a text table": ("input_names", "target_names", "window", "skip_broken"),
    "a Parquet or Arrow table": ("input_names", "target_names", "csv"),
    "a FITS table": ("input_names", "target_names", "csv"),
    "a FITS image": ("ids", "image", "image_shape", "csv", "categories"),
}
COLUMNS = ("a text table", "a Parquet or Arrow table", "a FITS table")
ARRAYS = ("an '.npz' file", "an HDF5 file", "a Zarr folder", "a FITS image")
ENDINGS = {
    ".npz": "an '.npz' file",
    ".npy": "an '.npy' file",
    ".tar": "tar files",
    **dict.fromkeys(HDF5, "an HDF5 file"),
    **dict.fromkeys(TABLES, "a text table"),
    **dict.fromkeys((*PARQUET, *ARROW), "a Parquet or Arrow table"),
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
    in_memory: bool | None = None,
    window: int | None = None,
    skip_broken: bool = False,
    categories: Any = None,
) -> Dataset:
    """Read a data set.

    Inputs in an HDF5 file, a Zarr folder, the images of a FITS file, tar files, and a folder of Parquet or Arrow files
    stay there: rows are read when they are trained on, block by block. Those in an '.npy' file, an '.npz' file that is
    not packed, a Parquet, Arrow or FITS table, or a folder of images do when they are larger than a quarter of the free
    memory. Targets, groups and ids are always in memory.

    Parameters
    ----------
    path : str or path
        A table ('.csv', '.tsv', '.parquet', '.arrow', '.fits'; a column may hold images as space-separated numbers),
        arrays ('.npz', '.npy', HDF5: '.h5', a Zarr folder, the images of a '.fits' file), a folder of Parquet or Arrow
        files, a folder of images (the classes are its subfolders, if it has some), or '.tar' files of images.
    targets : str or list of str, optional
        Target columns of a table; the name of an array in a file of several; for an '.npy' file, another one.
    inputs : str or list of str, optional
        Input columns of a table, by default all others; the name of an array in a file of several.
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
    in_memory : bool, optional
        True: all rows are read at once. False: they stay in their file, however small it is; text tables cannot.
    window : int, optional
        Rows that stay in their file, as all do if this is given, are shuffled so many at a time: blocks of the file in
        any order, and the rows of those blocks that make a window. By default those of 64 MiB; of '.npy' files all.
    skip_broken : bool
        Whether rows that cannot be read are left out. All rows are read once to find them; a note counts them, and
        names the first. By default such a row is an error when it is come to.
    categories : str, list of str or 'auto', optional
        Input columns of a table that hold categories, 'auto' all that hold words: in the place of each stands an input
        for each of its values, such as 'town=Lyon', 1 where the column holds it and 0 elsewhere. Such names may also
        stand in `inputs`.

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
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise HandsonError(f"read takes the path of a file or folder; got {path!r}.")
    path = Path(path)
    check_exists(path)
    kind = kind_of(path)
    ask = Ask(path, targets, inputs, groups, ids, image, image_shape, input_names, target_names, classes, csv,
              Keeping(in_memory, window, skip_broken), categories)  # fmt: skip
    _check_said(path, kind, vars(ask) | vars(ask.keeping))
    data = _READERS[kind](replace(ask, groups=_groups_file(groups)))
    if len(data) == 0:
        raise HandsonError(f"{path} has no rows.")
    return data


def is_table(path: Path) -> bool:
    """Whether a path is that of a table, whose columns are named; one that is not there is none.

    Examples
    --------
    >>> is_table(Path("no/such/file.csv"))
    False
    """
    return path.exists() and kind_of(path) in COLUMNS


def holds_arrays(path: Path) -> bool:
    """Whether a path is that of arrays with names."""
    return path.exists() and kind_of(path) in ARRAYS


@dataclass(frozen=True)
class Ask:
    """What `read` was asked for."""

    path: Path
    targets: Any
    inputs: Any
    groups: Any
    ids: str | None
    image: str | None
    image_shape: Sequence[int] | None
    input_names: Any
    target_names: Any
    classes: Any
    csv: Any
    keeping: Keeping
    categories: Any = None

    @property
    def roles(self) -> Roles:
        """What the columns of a table are."""
        from handson.data.reading.tables import Roles

        return Roles(self.targets, self.inputs, self.groups, self.ids, self.classes, self.categories)

    def finished(self, data: Dataset, classes: Any = None) -> Dataset:
        """The data with their groups and classes, kept where they are wanted."""
        return kept(as_classes(_grouped(data, self.groups), self.classes if classes is None else classes), self.keeping)


def kind_of(path: Path) -> str:
    """What a path holds, by its ending, or by what is in the folder.

    Raises
    ------
    HandsonError
        For an ending that is not known.
    """
    if path.is_dir():
        return _kind_of_folder(path)
    check_plain(path, path.stat())
    if path.suffix.lower() in FITS:
        from handson.data.reading.containers.fits import holds_table

        return "a FITS table" if holds_table(path) else "a FITS image"
    if any(path.name.lower().endswith(f"{ending}.gz") for ending in FITS):
        raise HandsonError(f"{path}: FITS files are read where they lie, and not packed ones: gunzip {path.name}.")
    kind = ENDINGS.get(path.suffix.lower())
    if kind is None:
        raise HandsonError(
            f"{path}: files of the kind {path.suffix or 'without an ending'!r} are not read. Tables: .csv, .tsv, "
            f".parquet, .arrow, .fits; arrays: .npz, .npy, .h5, .zarr, .fits; images: a folder of them, "
            f"or .tar."
        )
    return kind


def _kind_of_folder(path: Path) -> str:
    """By what marks it, or the first file of a kind that is read from folders."""
    if is_zarr(path):
        return "a Zarr folder"
    for _, folders, files in os.walk(path):
        folders.sort()
        for suffix in (Path(name).suffix.lower() for name in sorted(files)):
            if suffix in (*PARQUET, *ARROW):
                return "a Parquet or Arrow table"
            if suffix == ".tar":
                return "tar files"
            if suffix in (*IMAGES, *FITS):
                return "a folder of images"
    return "a folder of images"


def _read_images(ask: Ask) -> Dataset:
    from handson.data.reading.image_folders import read_folder

    data = read_folder(ask.path, ask.image_shape, ask.keeping)
    data.target_names = list(ask.target_names or data.target_names)
    return as_classes(_grouped(data, ask.groups), ask.classes)


def _read_tars(ask: Ask) -> Dataset:
    from handson.data.reading.containers.tars import read_tars

    data = read_tars(ask.path, ask.image_shape, ask.keeping.window)
    data.target_names = list(ask.target_names or data.target_names)
    return ask.finished(data)


def _read_npy(ask: Ask) -> Dataset:
    targets = ask.targets
    if isinstance(targets, str) and targets.lower().endswith(".npy"):
        check_exists(Path(targets))
        check_plain(Path(targets), Path(targets).stat())
    return ask.finished(read_npy(ask.path, targets, ask.target_names, ask.keeping))


def _read_arrays(archive: Arrays, ask: Ask) -> Dataset:
    named = ask.inputs, ask.targets, ask.groups, ask.input_names, ask.target_names, ask.classes
    data, classes = read_arrays(archive, *named)
    return ask.finished(data, classes)


def _known(table: Any, named: list[str], ask: Ask) -> list[str]:
    """The columns that were named, in their order; what is not there is looked for later."""
    from handson.data.reading.categories import base_of

    columns = table.columns
    asked = {*named, ask.ids, ask.image, ask.groups if isinstance(ask.groups, str) else None}
    asked |= {base_of(name, columns) for name in named}
    return [name for name in columns if name in asked]


def _read_fits_images(ask: Ask) -> Dataset:
    """Images of a FITS file; of several the first are the inputs."""
    from handson.data.reading.containers.fits import FitsImages

    archive = FitsImages(ask.path, ask.keeping)
    return _read_arrays(archive, replace(ask, inputs=ask.inputs or archive.names[0]))


def _read_text(ask: Ask) -> Dataset:
    from handson.data.reading.tables import read_table, table_dataset, text_columns

    frame, images = read_table(ask.path, ask.image, ask.image_shape, ask.csv, text_columns(ask.roles))
    return ask.finished(table_dataset(frame, images, ask.path, ask.roles))


def _read_columns(ask: Ask) -> Dataset:
    """Parquet, Arrow and FITS: one file that is small is read like any table."""
    from handson.data.reading.containers.fits import FitsTable
    from handson.data.reading.containers.parquet import Files, find_files
    from handson.data.reading.containers.tables import image_column, stored_table
    from handson.data.reading.tables import listed, split_images, table_dataset

    path, keeping = ask.path, ask.keeping
    if path.suffix.lower() in FITS:
        table: Any = FitsTable(path)
    else:
        table = Files(path, find_files(path) if path.is_dir() else [path])
    in_file = keeping.in_memory is not True if path.is_dir() else keeping.stays(table.size, free_memory())
    if in_file or keeping.skip_broken:
        return ask.finished(stored_table(table, ask.roles, ask.image, ask.image_shape, keeping.window))
    wanted = None if ask.inputs is None else [*listed(ask.inputs, []), *listed(ask.targets, [])]
    frame = table.frame(list(table.columns) if wanted is None else _known(table, wanted, ask))
    image = ask.image or (image_column(table, listed(ask.targets, [])) if ask.inputs is None else None)
    frame, images = split_images(frame, image, ask.image_shape, path)
    return ask.finished(table_dataset(frame, images, path, ask.roles))


def _read_hdf5(ask: Ask) -> Dataset:
    from handson.data.reading.containers.hdf5 import Hdf5File

    return _read_arrays(Hdf5File(ask.path, ask.keeping), ask)


def _read_zarr(ask: Ask) -> Dataset:
    from handson.data.reading.containers.zarrs import ZarrFolder

    return _read_arrays(ZarrFolder(ask.path, ask.keeping), ask)


_READERS: dict[str, Callable[[Ask], Dataset]] = {
    "a folder of images": _read_images,
    "tar files": _read_tars,
    "an '.npz' file": lambda ask: _read_arrays(Archive(ask.path, ask.keeping), ask),
    "an HDF5 file": _read_hdf5,
    "a Zarr folder": _read_zarr,
    "an '.npy' file": _read_npy,
    "a text table": _read_text,
    "a Parquet or Arrow table": _read_columns,
    "a FITS table": _read_columns,
    "a FITS image": _read_fits_images,
}


def check_exists(path: Path) -> None:
    """Raise unless a file or folder is there; the message names the nearest name beside it."""
    if not path.exists():
        if re.match(r"[a-z][a-z0-9+.-]+:/", str(path)):
            raise FileNotFoundError(f"{path} is an address; files are read from a disk. Fetch it first.")
        siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        raise FileNotFoundError(f"there is no file or folder {path}.{nearest(path.name, siblings)}")


def _check_said(path: Path, kind: str, given: dict[str, Any]) -> None:
    """Raise for an argument that has no meaning for data of this kind: it would be ignored."""
    if kind == "a text table" and given["in_memory"] is False:
        raise HandsonError(
            f"{path} is {kind}, which is read at once: leave in_memory=False out, or write it as Parquet."
        )
    for name in MEANINGLESS[kind]:
        if (
            given[name] is not None
            and given[name] is not False
            and not (isinstance(given[name], list) and not given[name])
        ):
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

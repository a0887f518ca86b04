"""Sources: from a path to a data set, whatever kind of file or folder it is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handson.data.dataset import Dataset
from handson.errors import HandsonError, listing, nearest

TABLES = (".csv", ".gz", ".bz2", ".xz", ".zip", ".parquet")
IMAGES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP", ".gif": "GIF", ".tif": "TIFF", ".tiff": "TIFF",
          ".webp": "WEBP"}  # fmt: skip
# The names under which the inputs are looked for in an '.npz' file when nothing is said.
INPUT_ARRAYS = ("inputs", "images", "features", "x", "X")
# Larger images than this are refused before they are decoded.
MOST_PIXELS = 50_000_000


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
) -> Dataset:
    """Read a data set.

    Parameters
    ----------
    path : str or path
        A table ('.csv', '.parquet'; a column may hold images as space-separated numbers), arrays ('.npz', '.npy'), or
        a folder of images (the classes are its subfolders, if it has some).
    targets : str or list of str, optional
        Target columns of a table; the name of an array in an '.npz' file.
    inputs : str or list of str, optional
        Input columns of a table, by default all others; the name of an array in an '.npz' file.
    groups : str, array or path, optional
        A column or array with the group of each row, or a '.npy' file with them.
    ids : str, optional
        A column that names the rows.
    image : str, optional
        The column of a table that holds images; found by itself.
    image_shape : (int, int), optional
        Height and width of images; by default square, or for files their own size.
    input_names, target_names : list of str or str, optional
        Names of the columns of arrays, or the name of the array in an '.npz' file that holds them.
    classes : list of str or str, optional
        Names of the classes 0, 1, ... of integer targets, or the name of the array that holds them; given, integer
        targets are classes. 'auto' numbers whatever values there are.

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
    groups = _groups_file(groups)
    if path.is_dir():
        data = read_folder(path, image_shape)
    elif path.suffix == ".npz":
        data, classes = _read_npz(path, inputs, targets, groups, input_names, target_names, classes)
    elif path.suffix == ".npy":
        data = Dataset(_images_or_features(load_array(path), path), source=str(path))
    elif path.suffix in TABLES:
        from handson.data.tables import read_table, table_dataset

        data = table_dataset(read_table(path, image, image_shape), path, targets, inputs, groups, ids)
    else:
        raise HandsonError(
            f"{path}: files of the kind {path.suffix or 'without an ending'!r} are not read. Tables: .csv, .parquet; "
            f"arrays: .npz, .npy; images: a folder of them."
        )
    if len(data) == 0:
        raise HandsonError(f"{path} has no rows.")
    if groups is not None and data.groups is None:
        data.groups = np.asarray(groups)
        data.__post_init__()
    return as_classes(data, classes)


def check_exists(path: Path) -> None:
    """Raise unless a file or folder is there; the message names the nearest name beside it."""
    if not path.exists():
        siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        raise FileNotFoundError(f"there is no file or folder {path}.{nearest(path.name, siblings)}")


def _groups_file(groups: Any) -> Any:
    if isinstance(groups, (str, Path)) and str(groups).endswith((".npy", ".npz")):
        check_exists(Path(groups))
        array = load_array(Path(groups))
        return array["groups"] if isinstance(array, dict) else array
    return groups


def load_array(path: Path) -> Any:
    """The array of an '.npy' file; no pickles."""
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise HandsonError(f"{path} is not a file of NumPy numbers: {error}") from None


def _read_npz(
    path: Path, inputs: Any, targets: Any, groups: Any, input_names: Any, target_names: Any, classes: Any
) -> tuple[Dataset, Any]:
    archive = load_array(path)
    if isinstance(archive, np.ndarray):
        raise HandsonError(f"{path} holds one array; rename it to '.npy'.")
    with archive:
        names = list(archive.files)

        def member(name: str, what: str) -> np.ndarray:
            if name not in names:
                raise HandsonError(
                    f"{path} has no array {name!r} ({what}).{nearest(name, names)} Arrays: {listing(names)}."
                )
            try:
                return archive[name]
            except (ValueError, OSError) as error:
                raise HandsonError(f"{path}: the array {name!r} cannot be read: {error}") from None

        def texts(given: Any, what: str) -> Any:
            return [str(text) for text in member(given, what)] if isinstance(given, str) else given

        inputs = inputs or next((name for name in INPUT_ARRAYS if name in names), None)
        if inputs is None:
            raise HandsonError(f"{path}: say which array holds the inputs, inputs=NAME. Arrays: {listing(names)}.")
        array = _images_or_features(member(inputs, "inputs"), path)
        values = None if targets is None else member(targets, "targets")
        grouped = member(groups, "groups") if isinstance(groups, str) else groups
        target_names, input_names = texts(target_names, "target_names"), texts(input_names, "input_names")
        classes = classes if classes == "auto" else texts(classes, "classes")
    named = [] if values is None else _column_names(values, target_names, str(targets), path)
    input_names = [] if array.ndim == 4 else _column_names(array, input_names, str(inputs), path)
    if values is not None and values.dtype.kind == "f":
        values = values.astype(np.float32).reshape(len(values), -1)
    return Dataset(array, values, input_names, named, None, grouped, None, str(path)), classes


def _column_names(values: np.ndarray, given: Any, key: str, path: Path) -> list[str]:
    columns = 1 if values.ndim == 1 else values.shape[1]
    if given is None:
        return [key] if columns == 1 else [f"{key}_{number}" for number in range(columns)]
    if len(given) != columns:
        raise HandsonError(f"{path}: {len(given)} names for the {columns} columns of {key!r}.")
    return list(given)


def _images_or_features(array: np.ndarray, path: Path) -> np.ndarray:
    """Images as (n, height, width, channels), everything else as float32."""
    if array.dtype.kind not in "biuf":
        raise HandsonError(f"{path}: inputs must be numbers; got {array.dtype}.")
    if array.ndim == 3 and array.dtype == np.uint8:
        array = array[..., None]
    return array if array.dtype == np.uint8 else array.astype(np.float32)


def as_classes(data: Dataset, classes: Any) -> Dataset:
    """Number the classes, when the targets are classes: text always, numbers when `classes` says so."""
    values = data.targets
    if values is None or data.classes is not None:
        return data
    if values.dtype.kind in "USO":
        classes = classes or "auto"
    if classes is None:
        data.targets = values.astype(np.float32).reshape(len(values), -1)
        return data
    flat = values.reshape(-1)
    if len(flat) != len(data):
        raise HandsonError(f"{data.source}: classes are one column; the targets have {values.shape[1]}.")
    if classes == "auto":
        named = flat[flat == flat] if flat.dtype.kind == "f" else flat
        labels, codes = np.unique(named, return_inverse=True)
        data.targets = np.full(len(flat), -1, np.int64)
        data.targets[flat == flat] = codes
        data.classes = [f"{label:g}" if isinstance(label, np.floating) else str(label) for label in labels]
        return data
    data.targets = np.where(flat == flat, flat, -1).astype(np.int64)
    data.classes = [str(name) for name in classes]
    if data.targets.max() >= len(data.classes):
        raise HandsonError(
            f"{data.source}: class {data.targets.max()} has no name; {len(data.classes)} classes are named."
        )
    return data


def read_folder(path: Path, image_shape: Sequence[int] | None = None) -> Dataset:
    """Images in a folder; its subfolders, if it has some, are the classes.

    Raises
    ------
    HandsonError
        For a folder without images, images of different sizes (say image_shape), and files that are no images.
    """
    folders = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    found = [(file, label) for label, folder in enumerate(folders) for file in _image_files(folder)]
    found = found or [(file, -1) for file in _image_files(path)]
    if not found:
        raise HandsonError(f"{path} holds no images ({', '.join(sorted(IMAGES))}), nor do its subfolders.")
    images = [_read_image(file, image_shape) for file, _ in found]
    channels = max(image.shape[2] for image in images)
    images = [np.repeat(image, channels, 2) if image.shape[2] < channels else image for image in images]
    for (file, _), image in zip(found, images, strict=True):
        if image.shape != images[0].shape:
            raise HandsonError(
                f"{file} is {image.shape[0]}x{image.shape[1]}, and {found[0][0].name} {images[0].shape[0]}x"
                f"{images[0].shape[1]}. Say image_shape=(height, width) to bring all to one size."
            )
    labels = np.array([label for _, label in found], np.int64)
    names = np.array([str(file.relative_to(path)) for file, _ in found])
    known = [folder.name for folder in folders] if labels.max() >= 0 else None
    return Dataset(
        np.stack(images), labels if known else None, [], ["class"] if known else [], known, None, names, str(path)
    )


def _image_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in IMAGES and file.is_file())


def _read_image(file: Path, image_shape: Sequence[int] | None) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file, formats=sorted(set(IMAGES.values()))) as image:
            if image.width * image.height > MOST_PIXELS:
                raise HandsonError(
                    f"{file} has {image.width}x{image.height} pixels; more than {MOST_PIXELS:,} are refused."
                )
            grey = image.mode in ("1", "L", "I", "I;16", "F")
            picture = image.convert("L" if grey else "RGB")
            if image_shape is not None:
                picture = picture.resize((int(image_shape[1]), int(image_shape[0])), Image.Resampling.BILINEAR)
            array = np.asarray(picture, np.uint8)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, HandsonError):
            raise
        raise HandsonError(f"{file} is not an image that can be read: {error}") from None
    return array[..., None] if array.ndim == 2 else array

"""Files of images with their classes: those in the folders of a folder, and those that a table names."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from handson.core import console
from handson.core.errors import HandsonError, listing
from handson.data.reading.image_files import IMAGES
from handson.data.reading.image_tree import FOREIGN
from handson.layers.preprocessing.encoding import chosen
from handson.utils.pictures import CHANNELS, FORMATS, img_to_array, load_img

ENDINGS = tuple(IMAGES)
READERS = min(8, os.cpu_count() or 1)
# Targets that name no classes.
PLAIN = ("input", "raw", "multi_output", None)


@dataclass(frozen=True)
class Pictures:
    """How image files are read.

    Attributes
    ----------
    size : (int, int)
        Height and width.
    color_mode, interpolation, keep_aspect_ratio
        As in `handson.utils.load_img`.
    data_format : {'channels_last', 'channels_first'}
        Where the channels go.
    """

    size: tuple[int, int] = (256, 256)
    color_mode: str = "rgb"
    interpolation: str = "nearest"
    keep_aspect_ratio: bool = False
    data_format: str = FORMATS[0]

    def __post_init__(self) -> None:
        chosen("ImageDataGenerator", "color_mode", self.color_mode, tuple(CHANNELS))
        if len(self.size) != 2:
            raise HandsonError(f"target_size is (height, width); got {self.size!r}.")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of an image."""
        size, channels = tuple(self.size), CHANNELS[self.color_mode]
        return (*size, channels) if self.data_format == FORMATS[0] else (channels, *size)

    def read(self, path: str) -> np.ndarray:
        """An image as float32."""
        image = load_img(path, self.color_mode, self.size, self.interpolation, self.keep_aspect_ratio)
        return img_to_array(image, self.data_format)


def in_threads(function: Callable[..., Any], *rows: Iterable[Any]) -> list[Any]:
    """What a function gives for each row: reading files and moving pixels leave Python's lock to others."""
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(function, *rows))


@dataclass
class Labelled:
    """Files in an order, with the numbers of their classes, other targets, and weights.

    Attributes
    ----------
    names : list of str
        File names, in their folder.
    classes : list
        For each file the number of its class, or a list of them.
    indices : dict of str to int
        The number of each class.
    values : array or list of arrays, optional
        Targets that are no classes.
    weights : array, optional
        A weight for each file.
    """

    names: list[str] = field(default_factory=list)
    classes: list[Any] = field(default_factory=list)
    indices: dict[str, int] = field(default_factory=dict)
    values: Any = None
    weights: np.ndarray | None = None

    def targets(self, rows: np.ndarray, mode: str | None, images: np.ndarray) -> Any:
        """The targets of some files, as `class_mode` says."""
        if mode == "input":
            return images.copy()
        if mode == "multi_output":
            return [column[rows] for column in self.values]
        if mode == "raw":
            return self.values[rows]
        if mode != "categorical":
            return np.array([self.classes[row] for row in rows], dtype=images.dtype)
        vectors = np.zeros((len(rows), len(self.indices)), dtype=images.dtype)
        for vector, row in zip(vectors, rows, strict=True):
            vector[self.classes[row]] = 1
        return vectors


def part_of(count: int, share: float, subset: str | None) -> slice:
    """The rows of a subset: 'validation' has the first ones."""
    if subset is None:
        return slice(None)
    chosen("ImageDataGenerator", "subset", subset, ("training", "validation"))
    if not share:
        raise HandsonError(f"subset={subset!r} needs its size: ImageDataGenerator(validation_split=0.2).")
    border = int(share * count)
    return slice(border) if subset == "validation" else slice(border, None)


def in_folders(
    directory: Any, classes: Sequence[str] | None, share: float, subset: str | None, follow_links: bool
) -> Labelled:
    """The images in the folders of a folder, each a class."""
    root = Path(directory)
    if not root.is_dir():
        raise HandsonError(f"{directory} is no folder.")
    there = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not _is_hidden(entry.name))
    names = list(classes) if classes else there
    if unknown := [name for name in names if name not in there]:
        raise HandsonError(f"classes: {root} has no folder {listing(unknown)}; it has {listing(there)}.")
    found = Labelled(indices={name: number for number, name in enumerate(names)})
    left: Counter[str] = Counter()
    for name, number in found.indices.items():
        files = _images(root / name, follow_links, left)
        files = files[part_of(len(files), share, subset)]
        found.names += [os.path.relpath(file, root) for file in files]
        found.classes += [number] * len(files)
    others = "; left out: " + listing(left, 6) if left else ""
    console.say(f"Found {len(found.names)} images belonging to {len(names)} classes{others}.")
    return found


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in FOREIGN


def _images(folder: Path, follow_links: bool, left: Counter[str]) -> list[str]:
    """The images in a folder and in those inside it, sorted; others are counted by their names."""
    walk = sorted(os.walk(folder, followlinks=follow_links), key=lambda entry: entry[0])
    files = [os.path.join(place, name) for place, _, names in walk for name in sorted(names) if not _is_hidden(name)]
    images = [file for file in files if file.lower().endswith(ENDINGS)]
    left.update(os.path.basename(file) for file in files if not file.lower().endswith(ENDINGS))
    return images


def in_table(
    table: Any, columns: tuple[str, Any, str | None], classes: Sequence[str] | None, mode: str | None
) -> tuple[Any, dict[str, int]]:
    """The rows of a table whose classes are known, and the numbers of the classes.

    Parameters
    ----------
    table : pandas.DataFrame
        The table.
    columns : (str, str or list of str, str or None)
        Those of file names, targets and weights.
    classes : sequence of str, optional
        The classes; by default all in the table, sorted.
    mode : str, optional
        The `class_mode`.
    """
    _check(table, columns, mode)
    if mode in PLAIN:
        return table, {}
    labels = table[columns[1]].map(lambda value: list(value) if isinstance(value, (list, tuple)) else [value])
    wrong = next((value for row in labels for value in row if not isinstance(value, str)), None)
    if wrong is not None:
        raise HandsonError(
            f"class_mode={mode!r} takes classes as text; column {columns[1]!r} has {wrong!r}. Write "
            f"table[{columns[1]!r}].astype(str), or class_mode='raw' for numbers."
        )
    names = list(dict.fromkeys(classes)) if classes else sorted({value for row in labels for value in row})
    if mode == "binary" and len(names) != 2:
        raise HandsonError(f"class_mode='binary' takes two classes; there are {len(names)}: {listing(names)}.")
    known = labels.map(lambda row: any(value in names for value in row))
    return table[known], {name: number for number, name in enumerate(names)}


def _check(table: Any, columns: tuple[str, Any, str | None], mode: str | None) -> None:
    name, targets, weight = columns
    asked = [name, *([weight] if weight else [])]
    asked += [] if mode in ("input", None) else list(targets) if isinstance(targets, (list, tuple)) else [targets]
    if unknown := [column for column in asked if column not in table.columns]:
        raise HandsonError(f"the table has no column {listing(unknown)}; it has {listing(table.columns)}.")
    if mode == "multi_output" and not isinstance(targets, (list, tuple)):
        raise HandsonError(f"class_mode='multi_output' takes a list of columns as y_col; got {targets!r}.")
    if not all(isinstance(value, str) for value in table[name]):
        raise HandsonError(f"column {name!r} has file names, as text.")
    if weight and table[weight].dtype.kind not in "iufb":
        raise HandsonError(f"column {weight!r} has weights, which are numbers.")


def with_files(table: Any, directory: str, column: str) -> Any:
    """The rows of a table whose files are images that are there; others are told."""
    paths = [os.path.join(directory, name) for name in table[column]]
    there = [path.lower().endswith(ENDINGS) and os.path.isfile(path) for path in paths]
    if not all(there):
        missing = [name for name, found in zip(table[column], there, strict=True) if not found]
        console.say(f"{len(missing)} files of column {column!r} are no images, or not there: {listing(missing, 3)}.")
    return table[there]

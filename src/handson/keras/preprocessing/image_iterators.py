"""Batches of images that an `ImageDataGenerator` changes: of arrays, of files in folders, of files in a table."""

from __future__ import annotations

import os
from collections.abc import Iterator as PythonIterator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from handson.core import console
from handson.core.errors import HandsonError
from handson.keras.preprocessing.image_sources import (
    Labelled,
    Pictures,
    in_folders,
    in_table,
    in_threads,
    part_of,
    with_files,
)
from handson.keras.preprocessing.keyed_batches import KeyedBatches
from handson.layers.preprocessing.encoding import chosen
from handson.randomness.keys import derive
from handson.utils.pictures import FORMATS, save_img

MODES = ("categorical", "binary", "sparse", "input")


class Changing(Protocol):
    """What an iterator needs of an `ImageDataGenerator`."""

    @property
    def validation_split(self) -> float: ...
    def changed(self, x: Any, seed: int) -> np.ndarray: ...


@dataclass(frozen=True)
class Saving:
    """Where the images of a batch are written to, for those who want to look at them; nowhere without a folder."""

    folder: Any = None
    prefix: str = ""
    format: str = "png"
    data_format: str = FORMATS[0]

    def save(self, images: np.ndarray, rows: np.ndarray, key: int) -> None:
        """Write a batch of images, each under its number and that of the epoch."""
        if self.folder is None:
            return
        for image, row in zip(images, rows, strict=True):
            name = f"{self.prefix}_{row}_{key % 10**7}.{self.format}"
            save_img(os.path.join(self.folder, name), image, self.data_format)


class Iterator(KeyedBatches):
    """Batches without an end: `next` gives one after the other, `fit` as many as an epoch has.

    A subclass defines `image(row)`, which gives the image of a sample, and `with_targets(rows, images)`, which gives
    the batch of some samples from their images.

    Parameters
    ----------
    n : int
        How many samples there are.
    batch_size : int
        Samples in a batch; the last of an epoch may be smaller.
    shuffle : bool
        Whether each epoch has an order of its own.
    seed : int, optional
        The seed of orders and changes; by default a fresh one, which `handson.set_random_seed` fixes.
    """

    generator: Changing
    saving = Saving()

    def __init__(self, n: int, batch_size: int, shuffle: bool, seed: int | None) -> None:
        super().__init__(n, batch_size, shuffle, seed)
        self._ahead: PythonIterator[Any] | None = None
        self.batch_index = self.total_batches_seen = 0

    @property
    def samples(self) -> int:
        """How many images there are."""
        return self.n

    def __iter__(self) -> Iterator:
        return self

    def __next__(self) -> Any:
        if self._ahead is None:
            self._ahead = self.open(0, 0)
        found = next(self._ahead)
        self.total_batches_seen += 1
        self.batch_index = self.total_batches_seen % len(self)
        return found

    def next(self) -> Any:
        """The next batch."""
        return next(self)

    def reset(self) -> None:
        """Begin again with the first batch."""
        self._ahead, self.batch_index, self.total_batches_seen = None, 0, 0

    def batch(self, rows: np.ndarray, key: int) -> Any:
        """The images of some samples, changed, and what belongs to them."""
        seeds = [derive(key, "image", int(row)) & 0xFFFFFFFF for row in rows]
        images = np.stack(in_threads(self._changed, rows, seeds))
        self.saving.save(images, rows, key)
        return self.with_targets(rows, images)

    def _changed(self, row: int, seed: int) -> np.ndarray:
        return self.generator.changed(self.image(int(row)), seed)

    def image(self, row: int) -> Any:
        """The image of a sample."""
        raise NotImplementedError(f"{type(self).__name__} must define image(row), which gives the image of a sample.")

    def with_targets(self, rows: np.ndarray, images: np.ndarray) -> Any:
        """The batch: images, and what belongs to them."""
        raise NotImplementedError(f"{type(self).__name__} must define with_targets(rows, images), which gives a batch.")


class NumpyArrayIterator(Iterator):
    """Batches of an array of images; see `ImageDataGenerator.flow`."""

    def __init__(
        self, x: Any, y: Any, image_data_generator: Changing, batch_size: int = 32, shuffle: bool = False,
        sample_weight: Any = None, seed: int | None = None, *, saving: Saving = Saving(), subset: str | None = None,
        ignore_class_split: bool = False,
    ) -> None:  # fmt: skip
        images, others = (x[0], x[1]) if isinstance(x, (tuple, list)) else (x, [])
        others = others if isinstance(others, list) else [others]
        images = np.asarray(images)
        if images.ndim != 4:
            raise HandsonError(f"flow takes images of shape (n, height, width, channels); got {images.shape}.")
        if y is None and sample_weight is not None:
            raise HandsonError("flow(sample_weight=...) weighs targets: give y too.")
        beside = {"y": y, "sample_weight": sample_weight} | {f"x[1][{n}]": other for n, other in enumerate(others)}
        held = {name: np.asarray(array) for name, array in beside.items() if array is not None}
        for name, array in held.items():
            if len(array) != len(images):
                raise HandsonError(f"there are {len(images)} images, and {len(array)} rows of {name}.")
        part = part_of(len(images), image_data_generator.validation_split, subset)
        if subset is not None and y is not None and not ignore_class_split:
            _same_classes(held["y"], int(len(images) * image_data_generator.validation_split))
        held = {name: array[part] for name, array in held.items()}
        self.x, self.y, self.sample_weight = images[part], held.pop("y", None), held.pop("sample_weight", None)
        self.x_misc = list(held.values())
        self.generator, self.saving = image_data_generator, saving
        super().__init__(len(self.x), batch_size, shuffle, seed)

    def image(self, row: int) -> Any:
        """The image of a sample."""
        return self.x[row]

    def with_targets(self, rows: np.ndarray, images: np.ndarray) -> Any:
        """Images, or a list of them and of what goes along; with targets and weights, if there are any."""
        x = [images, *(other[rows] for other in self.x_misc)] if self.x_misc else images
        found = [each[rows] for each in (self.y, self.sample_weight) if each is not None]
        return (x, *found) if self.y is not None else x


def _same_classes(y: np.ndarray, border: int) -> None:
    if not np.array_equal(np.unique(y[:border]), np.unique(y[border:])):
        raise HandsonError(
            f"the first {border} targets, which are the subset 'validation', have other values than the rest. Shuffle "
            f"rows that are sorted by class; for targets that are no classes, ignore_class_split=True."
        )


class FileIterator(Iterator):
    """Batches of image files; `filenames`, `filepaths`, `class_indices` and `classes` say of which."""

    def __init__(
        self, files: Labelled, directory: Any, generator: Changing, pictures: Pictures,
        class_mode: str | None, batch_size: int, shuffle: bool, seed: int | None, saving: Saving,
    ) -> None:  # fmt: skip
        self.files, self.directory, self.pictures, self.class_mode = files, directory, pictures, class_mode
        self.generator, self.saving = generator, saving
        self.filenames, self.class_indices = files.names, files.indices
        self.filepaths = [os.path.join(directory, name) for name in files.names]
        several = any(isinstance(entry, list) for entry in files.classes)
        self.classes = files.classes if several else np.array(files.classes, dtype=np.int32)
        self.target_size, self.image_shape = tuple(pictures.size), pictures.shape
        self.color_mode = pictures.color_mode
        super().__init__(len(files.names), batch_size, shuffle, seed)

    @property
    def labels(self) -> Any:
        """The classes, or the targets that are no classes."""
        return self.classes if self.files.values is None else self.files.values

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_indices)

    def image(self, row: int) -> Any:
        """The image of a file."""
        return self.pictures.read(self.filepaths[row])

    def with_targets(self, rows: np.ndarray, images: np.ndarray) -> Any:
        """Images; with targets and weights, if there are any."""
        if self.class_mode is None:
            return images
        weights = () if self.files.weights is None else (self.files.weights[rows],)
        return (images, self.files.targets(rows, self.class_mode, images), *weights)


class DirectoryIterator(FileIterator):
    """Batches of the images in a folder; see `ImageDataGenerator.flow_from_directory`."""

    def __init__(
        self, directory: Any, image_data_generator: Changing, pictures: Pictures,
        classes: Sequence[str] | None = None, class_mode: str | None = "categorical", batch_size: int = 32,
        shuffle: bool = True, seed: int | None = None, *, saving: Saving = Saving(), subset: str | None = None,
        follow_links: bool = False,
    ) -> None:  # fmt: skip
        if class_mode is not None:
            chosen("flow_from_directory", "class_mode", class_mode, MODES)
        files = in_folders(directory, classes, image_data_generator.validation_split, subset, follow_links)
        super().__init__(
            files, directory, image_data_generator, pictures, class_mode, batch_size, shuffle, seed, saving
        )


class DataFrameIterator(FileIterator):
    """Batches of the images that a table names; see `ImageDataGenerator.flow_from_dataframe`."""

    def __init__(
        self, dataframe: Any, directory: Any, image_data_generator: Changing, pictures: Pictures,
        columns: tuple[str, Any, str | None], classes: Sequence[str] | None, class_mode: str | None, batch_size: int,
        shuffle: bool, seed: int | None, *, saving: Saving = Saving(), subset: str | None = None,
        validate_filenames: bool = True,
    ) -> None:  # fmt: skip
        if class_mode is not None:
            chosen("flow_from_dataframe", "class_mode", class_mode, (*MODES, "raw", "multi_output"))
        folder = str(directory or "")
        table, indices = in_table(dataframe, columns, classes, class_mode)
        table = with_files(table, folder, columns[0]) if validate_filenames else table
        table = table.iloc[part_of(len(table), image_data_generator.validation_split, subset)]
        files = _labelled(table, indices, columns, class_mode)
        of = f" belonging to {len(indices)} classes" if indices else ""
        console.say(f"Found {len(files.names)} image files{of}.")
        super().__init__(files, folder, image_data_generator, pictures, class_mode, batch_size, shuffle, seed, saving)


def _labelled(table: Any, indices: dict[str, int], columns: tuple[str, Any, str | None], mode: str | None) -> Labelled:
    """The files of a table with what belongs to them."""
    name, targets, weight = columns
    found = Labelled(list(table[name]), indices=indices, weights=None if weight is None else table[weight].to_numpy())
    if mode == "multi_output":
        found.values = [np.array(table[column].tolist()) for column in targets]
    elif mode == "raw":
        found.values = table[targets].to_numpy()
    elif indices:
        found.classes = [
            [indices[one] for one in value if one in indices] if isinstance(value, (list, tuple)) else indices[value]
            for value in table[targets]
        ]
    return found

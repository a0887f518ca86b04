"""Data sets of the files in folders, one folder for each class."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import filterfalse
from pathlib import Path
from typing import Any

import numpy as np

from handson.core.errors import HandsonError, listing, whole
from handson.data.dataflow import Dataflow, stacked
from handson.data.reading.image_tree import FOREIGN
from handson.layers.preprocessing.encoding import chosen
from handson.ops.image import INTERPOLATIONS, resize
from handson.randomness.keys import derive, fresh_seed, permutation
from handson.utils.arrays import to_categorical
from handson.utils.pictures import FORMATS, MODES, img_to_array, load_img

IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
SUBSETS = ("training", "validation", "both")
READERS = min(8, os.cpu_count() or 1)


@dataclass
class _Files:
    """Files with their classes, in an order; and what was left out, how often."""

    paths: list[str]
    labels: np.ndarray | None
    classes: list[str] | None
    left: Counter[str] = field(default_factory=Counter)

    def part(self, rows: slice) -> _Files:
        return _Files(self.paths[rows], None if self.labels is None else self.labels[rows], self.classes)


def _find(
    directory: Any, labels: Any, endings: tuple[str, ...], class_names: Sequence[str] | None, follow_links: bool
) -> _Files:  # fmt: skip
    """All files with some endings, sorted, folder by folder."""
    root = Path(directory)
    if not root.is_dir():
        raise HandsonError(f"{directory} is no folder.")
    if class_names is not None and labels != "inferred":
        raise HandsonError("class_names orders the folders: it goes with labels='inferred'.")
    folders = [root]
    names: list[str] | None = None
    if isinstance(labels, str) and labels == "inferred":
        names = _classes(root, class_names)
        folders = [root / name for name in names]
    left: Counter[str] = Counter()
    found = [sorted(_walk(folder, endings, follow_links, left)) for folder in folders]
    paths = [path for each in found for path in each]
    if names is not None:
        numbers = np.repeat(np.arange(len(names), dtype=np.int32), [len(each) for each in found])
        return _Files(paths, numbers, names, left)
    if labels is None:
        return _Files(paths, None, None, left)
    if len(labels) != len(paths):
        raise HandsonError(f"labels has one for each file: {directory} has {len(paths)}; got {len(labels)}.")
    return _Files(paths, np.asarray(labels), [str(label) for label in sorted(set(labels))], left)


def _classes(root: Path, class_names: Sequence[str] | None) -> list[str]:
    names = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not _is_hidden(entry.name))
    if class_names is None:
        if not names:
            raise HandsonError(
                f"{root} has no folders, one for each class; labels=None takes all files without a class."
            )
        return names
    unknown = [name for name in class_names if name not in names]
    if unknown:
        raise HandsonError(f"class_names: {root} has no folder {listing(unknown)}; it has {listing(names)}.")
    return list(class_names)


def _is_hidden(name: str) -> bool:
    """Whether a name is one of those that systems leave in folders and archives."""
    return name.startswith(".") or name in FOREIGN


def _walk(folder: Path, endings: tuple[str, ...], follow_links: bool, left: Counter[str]) -> Iterator[str]:
    """The files with some endings; what else there is, but for hidden files, is counted."""
    for place, folders, files in os.walk(folder, followlinks=follow_links):
        folders[:] = [name for name in folders if not _is_hidden(name)]
        if not folders and not files:
            left["empty folder"] += 1
        for name in filterfalse(_is_hidden, files):
            if name.lower().endswith(endings):
                yield os.path.join(place, name)
            else:
                left[f"file ending in {Path(name).suffix}" if Path(name).suffix else "file without an ending"] += 1


def _chosen_part(
    files: _Files, share: float | None, subset: str | None, seed: int | None, shuffle: bool
) -> list[_Files]:
    """The files of one part, or of both."""
    if (share is None) != (subset is None):
        raise HandsonError("validation_split and subset go together: which part, of which size.")
    if shuffle:
        if share is not None and seed is None:
            raise HandsonError("validation_split with shuffle=True needs a seed, so that both parts share no file.")
        # As in Keras: the same seed gives the same parts.
        order = np.arange(len(files.paths))
        np.random.RandomState(fresh_seed() if seed is None else seed).shuffle(order)
        labels = None if files.labels is None else files.labels[order]
        files = _Files([files.paths[row] for row in order], labels, files.classes)
    if share is None or subset is None:
        return [files]
    if not 0 < share < 1:
        raise HandsonError(f"validation_split lies between 0 and 1; got {share!r}.")
    chosen("dataset_from_directory", "subset", subset, SUBSETS)
    count = len(files.paths) - int(share * len(files.paths))
    parts = {"training": files.part(slice(count)), "validation": files.part(slice(count, None))}
    return list(parts.values()) if subset == "both" else [parts[subset]]


def _targets(files: _Files, mode: str | None) -> np.ndarray | None:
    """The labels as `fit` takes them."""
    if files.labels is None or mode is None:
        return None
    classes = files.classes or []
    if chosen("dataset_from_directory", "label_mode", mode, ("int", "categorical", "binary")) == "categorical":
        return to_categorical(files.labels, len(classes)).astype(np.float32)
    if mode == "int":
        return files.labels
    if len(classes) != 2:
        raise HandsonError(f"label_mode='binary' takes two classes; there are {len(classes)}: {listing(classes)}.")
    return files.labels.astype(np.float32)[:, None]


@dataclass
class _Way:
    """How files become a dataflow."""

    read: Callable[[str], Any]
    label_mode: str | None
    batch_size: int | None
    shuffle: bool
    seed: int

    def flow(self, files: _Files) -> Dataflow:
        if not files.paths:
            raise HandsonError("there is no such file: the folder, or this part of it, is empty.")
        targets = _targets(files, self.label_mode)
        size = 1 if self.batch_size is None else whole("batch_size", self.batch_size, 1)
        flow = Dataflow(partial(self._batches, files.paths, targets, size), -(-len(files.paths) // size))
        flow.batch_size, flow.class_names, flow.file_paths = self.batch_size, files.classes, files.paths
        return flow

    def _batches(self, paths: list[str], targets: np.ndarray | None, size: int, epoch: int) -> Iterator[Any]:
        count = len(paths)
        order = permutation(derive(self.seed, "shuffle", epoch), count) if self.shuffle else np.arange(count)
        with ThreadPoolExecutor(READERS) as pool:
            for start in range(0, count, size):
                rows = order[start : start + size]
                values = list(pool.map(self.read, [paths[row] for row in rows]))
                x = stacked(values) if self.batch_size is not None else values[0]
                y = None if targets is None else targets[rows] if self.batch_size is not None else targets[rows[0]]
                yield x if y is None else (x, y)


def _flows(parts: list[_Files], way: _Way) -> Any:
    """A dataflow, or one for each of two parts, of which the second keeps its order."""
    flows = [way.flow(parts[0])]
    for part in parts[1:]:
        flows.append(_Way(way.read, way.label_mode, way.batch_size, False, way.seed).flow(part))
    return flows[0] if len(flows) == 1 else flows


def _say(files: _Files, verbose: bool) -> None:
    if verbose:
        classes = "" if files.classes is None else f" belonging to {len(files.classes)} classes"
        left = ", ".join(f"{count} {what}" for what, count in files.left.items())
        print(f"Found {len(files.paths)} files{classes}{left and f'; left out: {left}'}.")


def image_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: Any = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Batches of the images in a folder, with their classes.

    Parameters
    ----------
    directory : str or Path
        The folder, with one folder for each class.
    labels : 'inferred', list of int, or None
        The names of folders; or one for each file in sorted order; or none.
    label_mode : {'int', 'categorical', 'binary'}, optional
        Numbers, one-hot vectors, or 0.0 and 1.0 of shape (n, 1).
    class_names : list of str, optional
        The folders in the order that numbers them.
    color_mode : {'rgb', 'rgba', 'grayscale'}
        The channels.
    batch_size : int, optional
        Images in a batch; None for single images.
    image_size : tuple of int
        Height and width.
    shuffle : bool
        Whether files are shuffled, and each epoch has an order of its own.
    seed : int, optional
        The seed of these orders.
    validation_split : float, optional
        The share of files that is set aside.
    subset : {'training', 'validation', 'both'}, optional
        Which part to give; the same files as Keras's for the same seed.
    interpolation : {'bilinear', 'nearest', 'bicubic'}
        How images are resized.
    follow_links : bool
        Whether links to folders are followed.
    crop_to_aspect_ratio, pad_to_aspect_ratio : bool
        Whether images are cropped, or padded with 0, and not distorted.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    format : {'tf', 'grain'}
        The kind of data set in Keras; here it is a `Dataflow` in any case.
    verbose : bool
        Whether the number of files is printed.

    Returns
    -------
    Dataflow, or a list of two for 'both'
        Batches of float32 from 0 to 255, with `class_names` and `file_paths`.
    """
    chosen("image_dataset_from_directory", "format", format, ("tf", "grain"))
    chosen("image_dataset_from_directory", "color_mode", color_mode, tuple(MODES))
    chosen("image_dataset_from_directory", "interpolation", interpolation.lower(), tuple(INTERPOLATIONS))
    layout = chosen("image_dataset_from_directory", "data_format", data_format or FORMATS[0], FORMATS)
    size = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
    if len(size) != 2 or (crop_to_aspect_ratio and pad_to_aspect_ratio):
        raise HandsonError("image_size is a height and a width; images are cropped or padded, not both.")
    ways: dict[str, Any] = {"crop_to_aspect_ratio": crop_to_aspect_ratio, "pad_to_aspect_ratio": pad_to_aspect_ratio}

    def read(path: str) -> np.ndarray:
        image: Any = img_to_array(load_img(path, color_mode))
        found = resize(image, size, interpolation.lower(), **ways).numpy()
        return found if layout == FORMATS[0] else found.transpose(2, 0, 1)

    files = _find(directory, labels, IMAGES, class_names, follow_links)
    _say(files, verbose)
    parts = _chosen_part(files, validation_split, subset, seed, shuffle)
    return _flows(parts, _Way(read, label_mode, batch_size, shuffle, fresh_seed() if seed is None else seed))


def text_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int | None = 32,
    max_length: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Batches of the texts in a folder, each a file '.txt', with their classes.

    Parameters
    ----------
    max_length : int, optional
        After how many bytes a text is cut.
    directory, labels, label_mode, class_names, batch_size, shuffle, seed, validation_split, subset, follow_links
        As in `image_dataset_from_directory`.
    format, verbose
        As there.

    Returns
    -------
    Dataflow, or a list of two for 'both'
        Batches are arrays of texts; with a `TextVectorization`: ``flow.map(lambda x, y: (layer(x), y))``.
    """
    chosen("text_dataset_from_directory", "format", format, ("tf", "grain"))

    def read(path: str) -> str:
        content = Path(path).read_bytes()
        return content[:max_length].decode("utf-8", errors="replace" if max_length is None else "ignore")

    files = _find(directory, labels, (".txt",), class_names, follow_links)
    _say(files, verbose)
    parts = _chosen_part(files, validation_split, subset, seed, shuffle)
    return _flows(parts, _Way(read, label_mode, batch_size, shuffle, fresh_seed() if seed is None else seed))


def audio_dataset_from_directory(*args: Any, **kwargs: Any) -> Any:
    """Not here: read sounds as arrays, and give them to `Dataflow.from_tensor_slices`."""
    raise HandsonError(
        "handson reads no sound files. Read them as arrays, with scipy.io.wavfile.read for example, and give these to "
        "fit, or to handson.data.Dataflow.from_tensor_slices((x, y)).batch(32)."
    )

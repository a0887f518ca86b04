"""Shards: '.tar' files of images and their classes, as WebDataset writes them, without unpacking them.

The members of one sample share a name up to the first dot: ``0001.jpg`` and ``0001.cls``, a text with the number of
its class. Without such texts the folders in the tar are the classes.
"""

from __future__ import annotations

import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

import numpy as np

from handson.core.errors import HandsonError
from handson.data.reading.containers.images import fitting
from handson.data.reading.damage import reading
from handson.data.reading.dataset import Dataset
from handson.data.reading.image_files import IMAGES, Header, checked_sides, read_header, read_pixels
from handson.data.rows.blocks import Blocks, BrokenRowsError, even_bounds
from handson.data.rows.stored import StoredRows

FILE = "a tar file that can be read"
# The longest text that holds the number of a class, and the most classes.
LONGEST, MOST_CLASSES = 32, 1_000_000


class Member(NamedTuple):
    """An image in a shard: its name, and where it lies."""

    name: str
    place: int
    size: int


@dataclass
class Shard:
    """What a tar file holds.

    Attributes
    ----------
    path : Path
        The file.
    images : list of Member
        In the order in which they lie there.
    labels : list of int or None
        The class of each, where it is written down.
    left : Counter
        What was left out, and how often.
    """

    path: Path
    images: list[Member] = field(default_factory=list)
    labels: list[int | None] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)


def read_tars(path: Path, image_shape: Sequence[int] | None = None, window: int | None = None) -> Dataset:
    """Images in a tar file, or in those of a folder.

    Parameters
    ----------
    path : Path
        The file or folder.
    image_shape : (int, int), optional
        Height and width; by default those of the first image, which all must have.
    window : int, optional
        Rows in a window; see `handson.data.rows.blocks.Blocks`.

    Raises
    ------
    HandsonError
        For packed tars, and for images without classes among others with some.
    """
    files = sorted(file for file in path.rglob("*.tar")) if path.is_dir() else [path]
    shards = [shard for shard in map(_index, files) if shard.images]
    if not shards:
        raise HandsonError(f"{path} holds no images ({', '.join(sorted(IMAGES))}).")
    rows = StoredRows(Blocks(_Images(shards, image_shape), window))
    labels, classes = _classes(shards)
    names = np.array([image.name for shard in shards for image in shard.images])
    left = sum((shard.left for shard in shards), Counter())
    note = f"found {len(names):,} images in {len(shards):,} tar files"
    if left:
        note += "; left out: " + ", ".join(f"{count:,} {what}" for what, count in left.items()) + "."
    return Dataset(rows, labels, [], [] if labels is None else ["class"], classes, None, names, str(path), [note])


def _index(path: Path) -> Shard:
    """What a tar file holds, from its headers."""
    shard = Shard(path)
    texts: dict[str, int] = {}
    with reading(path, FILE), tarfile.open(path, "r:") as tar:
        for member in tar:
            name = PurePosixPath(member.name)
            suffix = name.suffix.lower()
            if member.isdir():
                continue
            if not member.isreg() or member.issparse():
                shard.left["entry that is no plain file"] += 1
            elif suffix in IMAGES and not name.name.startswith("."):
                shard.images.append(Member(member.name, member.offset_data, member.size))
            elif suffix == ".cls" and member.size <= LONGEST:
                texts[_key(member.name)] = _number(path, member.name, tar.extractfile(member))
            else:
                shard.left[f"file ending in {suffix}" if suffix else "file without an ending"] += 1
    shard.labels = [texts.get(_key(image.name)) for image in shard.images] if texts else []
    return shard


def _number(path: Path, name: str, content: IO[bytes] | None) -> int:
    """The class in a text."""
    text = b"" if content is None else content.read()
    if not re.fullmatch(rb"\s*-?\d+\s*", text):
        raise HandsonError(f"{path}: {name} holds {text!r}; expected the number of a class.")
    return int(text)


def _key(name: str) -> str:
    """What the members of one sample share.

    Examples
    --------
    >>> _key("train/0001.left.jpg")
    'train/0001'
    """
    path = PurePosixPath(name)
    return str(path.parent / path.name.partition(".")[0])


def _classes(shards: list[Shard]) -> tuple[np.ndarray | None, list[str] | None]:
    """The class of each image, and the names of the classes."""
    if any(shard.labels for shard in shards):
        return _numbered(shards)
    folders = [[PurePosixPath(image.name).parent.name for image in shard.images] for shard in shards]
    names = sorted({name for shard in folders for name in shard})
    if names == [""] or len(names) < 2:
        return None, None
    place = {name: number for number, name in enumerate(names)}
    return np.array([place[name] for shard in folders for name in shard], np.int64), names


def _numbered(shards: list[Shard]) -> tuple[np.ndarray, list[str]]:
    for shard in shards:
        given = shard.labels or [None]
        if None in given:
            name = shard.images[given.index(None)].name
            raise HandsonError(f"{shard.path}: {name} has no '.cls' beside it, and others have.")
    labels = np.array([label for shard in shards for label in shard.labels], np.int64)
    if labels.min() < 0 or labels.max() >= MOST_CLASSES:
        raise HandsonError(f"classes are numbered from 0; the '.cls' texts run from {labels.min()} to {labels.max()}.")
    return labels, [str(number) for number in range(int(labels.max()) + 1)]


class _Images:
    """Reads the images of shards, those that lie together at once."""

    def __init__(self, shards: list[Shard], image_shape: Sequence[int] | None) -> None:
        self._shards, self.name = shards, str(shards[0].path.parent if len(shards) > 1 else shards[0].path)
        header = _first_header(shards)
        self._asked = None if image_shape is None else checked_sides(image_shape)
        size = self._asked or (header.height, header.width)
        counts = [len(shard.images) for shard in shards]
        self.shape: tuple[int, ...] = (sum(counts), *size, header.channels)
        self.dtype = np.dtype(np.float32 if header.deep else np.uint8)
        width = int(np.prod(self.shape[1:])) * self.dtype.itemsize
        # Blocks end with their shard.
        self._starts = np.cumsum([0, *counts])
        parts = [start + even_bounds(count, 1, width)[:-1] for start, count in zip(self._starts, counts, strict=False)]
        self.bounds = np.append(np.concatenate(parts), self.shape[0]).astype(np.int64)

    def _place(self, number: int) -> tuple[Shard, int, int]:
        """The shard of a block, and which of its images are in it."""
        first, last = (int(bound) for bound in self.bounds[number : number + 2])
        shard = int(np.searchsorted(self._starts, first, "right")) - 1
        start = int(self._starts[shard])
        return self._shards[shard], first - start, last - start

    def file(self, number: int) -> Path:
        return self._place(number)[0].path

    def read(self, number: int, out: np.ndarray) -> None:
        shard, first, last = self._place(number)
        broken = {}
        for row, content in enumerate(_contents(shard, first, last)):
            try:
                out[row] = self._pixels(shard.path / shard.images[first + row].name, content)
            except HandsonError as error:
                broken[int(self.bounds[number]) + row] = str(error)
        if broken:
            raise BrokenRowsError(broken)

    def _pixels(self, where: Path, content: bytes) -> np.ndarray:
        return fitting(read_pixels(where, self._asked, content), self.shape[1:], self.dtype, str(where))

    def close(self) -> None:
        """Nothing: a block is read at once."""


def _first_header(shards: list[Shard]) -> Header:
    """What the first image that can be read says of itself; where none can, why the first one cannot."""
    reason: HandsonError | None = None
    for shard in shards:
        for image, content in zip(shard.images, _contents(shard, 0, len(shard.images)), strict=True):
            try:
                return read_header(shard.path / image.name, content)
            except HandsonError as error:
                reason = reason or error
    assert reason is not None  # noqa: S101
    raise reason


def _contents(shard: Shard, first: int, last: int) -> Iterator[bytes]:
    """The bytes of some images of a shard."""
    with shard.path.open("rb") as file:
        for image in shard.images[first:last]:
            file.seek(image.place)
            yield file.read(image.size)

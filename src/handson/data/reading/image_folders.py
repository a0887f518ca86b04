"""Folders of images: every file is read, left out and counted, or refused; sizes are known before decoding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from handson.core.errors import HandsonError
from handson.data.reading.containers.images import of_headers
from handson.data.reading.dataset import Dataset
from handson.data.reading.image_files import IMAGES, MOST_PIXELS, Header, checked_sides, read_header
from handson.data.reading.image_tree import Found, as_text, find_images
from handson.data.reading.keeping import Keeping, kept
from handson.data.rows.free_memory import free_memory
from handson.data.rows.stored import StoredRows

# All images of a folder together are kept in memory; more than this fits into few.
MOST_BYTES = 1 << 34
# Images that take more than this, and so many times as much as their files, were made to fill the memory.
MOST_UNASKED, MOST_TIMES = 1 << 27, 100
KEEPING = Keeping()


def read_folder(path: Path, image_shape: Sequence[int] | None = None, keeping: Keeping = KEEPING) -> Dataset:
    """Images in a folder; its subfolders, if images are in them, are the classes.

    Parameters
    ----------
    path : Path
        The folder.
    image_shape : (int, int), optional
        Height and width; by default the images' own, which must be the same.
    keeping : Keeping
        Whether images that are large beside the free memory stay in their files; whether broken files are left out.

    Returns
    -------
    Dataset
        Images as uint8; as float32 where they are of 16 or more bits, such as those of telescopes. The notes say how
        many were read, what was done to them, and what was left out.

    Raises
    ------
    HandsonError
        For a folder without images, images of different sizes (say image_shape), files that are no images, links that
        lead out of the folder, and images that would fill the memory.

    Notes
    -----
    Photographs are turned as their EXIF says, and transparency is put on white. Of several frames the first is read.
    """
    found = find_images(path)
    if not found.files:
        raise HandsonError(
            f"{path} holds no images ({', '.join(sorted(IMAGES))}), nor do its subfolders."
            f"{_left_out(found, ' Left out')}"
        )
    headers = _headers(found, keeping.skip_broken)
    shape = _checked_shape(path, image_shape, headers)
    _check_alike(found.files, headers, asked=image_shape is not None)
    stays = _check_total(path, found.files, headers, shape, image_shape is not None, keeping)
    images = StoredRows(of_headers(found.files, headers, shape))
    labels = None if found.labels is None else np.array(found.labels, np.int64)
    names = np.array([as_text(file.relative_to(path).as_posix()) for file in found.files])
    target_names = [] if labels is None else ["class"]
    summary = _summary(found, headers)
    data = Dataset(images, labels, [], target_names, found.classes, None, names, str(path), [summary])
    return kept(data, replace(keeping, in_memory=not stays))


def _headers(found: Found, skip_broken: bool) -> list[Header]:
    """The headers of all files; those that cannot be read are left out if that was asked for."""
    files, labels, found.files, found.labels = found.files, found.labels, [], None if found.labels is None else []
    headers, first = [], None
    for place, file in enumerate(files):
        try:
            headers.append(read_header(file))
        except HandsonError as error:
            if not skip_broken:
                raise
            first = first or str(error)
            continue
        found.files.append(file)
        if labels is not None and found.labels is not None:
            found.labels.append(labels[place])
    if first is not None:
        found.left[f"that cannot be read, the first: {first}"] = len(files) - len(headers)
    if not headers:
        raise HandsonError(f"no image can be read.{_left_out(found, ' Left out')}")
    return headers


def _checked_shape(path: Path, image_shape: Any, headers: list[Header]) -> tuple[int, int]:
    """The height and width that the images get."""
    if image_shape is None:
        return headers[0].height, headers[0].width
    sides = checked_sides(image_shape, " " + _sizes(path, headers))
    if sides[0] * sides[1] > MOST_PIXELS:
        raise HandsonError(
            f"image_shape={tuple(sides)} is more than {MOST_PIXELS:,} pixels for each image. {_sizes(path, headers)}"
        )
    return int(sides[0]), int(sides[1])


def _counted_sizes(headers: list[Header], most: int = 4) -> str:
    """The sizes of images, the most frequent first."""
    sizes = Counter((header.height, header.width) for header in headers).most_common()
    shown = ", ".join(f"{height}x{width} ({count})" for (height, width), count in sizes[:most])
    return shown if len(sizes) <= most else f"{shown} and {len(sizes) - most} sizes more"


def _sizes(path: Path, headers: list[Header]) -> str:
    height, width = Counter((header.height, header.width) for header in headers).most_common(1)[0][0]
    return f"The images in {path} are {_counted_sizes(headers)}: leave it out, or say image_shape=({height}, {width})."


def _check_total(
    path: Path, files: list[Path], headers: list[Header], shape: tuple[int, int], asked: bool, keeping: Keeping
) -> bool:
    """Whether images stay in their files; raises, before any is decoded, for more than there may be, and for bombs."""
    channels, width = max(header.channels for header in headers), 4 if headers[0].deep else 1
    size = len(files) * shape[0] * shape[1] * channels * width
    free = free_memory()
    most = MOST_BYTES if free is None else min(MOST_BYTES, free)
    stays = keeping.stays(size, free)
    if size > most and not stays:
        raise HandsonError(
            f"{path} holds {len(files):,} images of {_counted_sizes(headers)}; at {shape[0]}x{shape[1]} they take "
            f"{size:,} bytes, more than the {most:,} there may be. Say image_shape=(height, width), a smaller one, or "
            f"leave them in their files: in_memory=False."
        )
    stored = sum(file.stat().st_size for file in files)
    if not asked and size > max(MOST_UNASKED, MOST_TIMES * stored):
        raise HandsonError(
            f"{path} holds {len(files):,} images in {stored:,} bytes, which are unpacked to {size:,}: "
            f"{_counted_sizes(headers)}. Say image_shape=(256, 256), or another size, if they are what you want."
        )
    return stays


def _check_alike(files: list[Path], headers: list[Header], asked: bool) -> None:
    """Raise unless all images have one size, or are brought to one, and one range of values."""
    first = headers[0]
    for file, header in zip(files, headers, strict=True):
        if not asked and (header.height, header.width) != (first.height, first.width):
            raise HandsonError(
                f"{file} is {header.height}x{header.width}, and {files[0].name} {first.height}x{first.width}. Say "
                f"image_shape=(height, width) to bring all to one size. Found: {_counted_sizes(headers)}."
            )
        if header.deep != first.deep:
            raise HandsonError(
                f"{file} and {files[0].name} have different ranges of values: one has 8 bits in a pixel, the other "
                f"more. Bring all to one kind."
            )


def _summary(found: Found, headers: list[Header]) -> str:
    """One line: what was read, what was done to it, and what was left out."""
    classes = "" if found.classes is None else f" of {_plural(len(found.classes), 'class', 'classes')}"
    line = f"read {_plural(len(headers), 'image', 'images')}{classes}"
    done = Counter(remark for header in headers for remark in header.remarks)
    remarks = "".join(f", {count} {remark}" for remark, count in done.items())
    return line + remarks + _left_out(found, "; left out")


def _plural(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _left_out(found: Found, start: str) -> str:
    if not found.left:
        return ""
    return f"{start}: " + ", ".join(f"{count:,} {what}" for what, count in found.left.items()) + "."

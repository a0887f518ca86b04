"""Tensors as the pieces of a safetensors file, for a writer that takes pieces instead of one copy of them all.

The library's own writers copy all tensors into one block of memory, or write past `handson.files.atomic`.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from handson.core.errors import HandsonError

# The names that the format has for types.
TYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip

# What one thread takes at a time of a checksum.
BLOCK = 1 << 23


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A safetensors file, whatever its path: the library opens paths that are text in UTF-8 only.

    Parameters
    ----------
    path : Path
        The file.
    """
    with ExitStack() as stack:
        place = str(path)
        if any("\ud800" <= letter <= "\udfff" for letter in place):
            place = f"/dev/fd/{stack.enter_context(path.open('rb')).fileno()}"
        yield stack.enter_context(safe_open(place, framework="pt"))


def pieces(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> list[bytes | memoryview]:
    """The header of a safetensors file, and the bytes of its tensors.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        On any device; those that lie in order on the CPU are not copied.
    metadata : mapping of str to str
        What else the header holds.

    Raises
    ------
    HandsonError
        For a type that the format does not have.

    Examples
    --------
    >>> from safetensors.torch import load
    >>> load(b"".join(pieces({"a": torch.arange(3)}, {})))
    {'a': tensor([0, 1, 2])}
    """
    entries: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    contents: list[bytes | memoryview] = []
    end = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0])):
        if tensor.dtype not in TYPES:
            raise HandsonError(f"{name} is of type {tensor.dtype}, which no file of weights can hold.")
        content = _bytes_of(tensor)
        start, end = end, end + len(content)
        entries[name] = {"dtype": TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
        contents.append(content)
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return [len(header).to_bytes(8, "little"), header, *contents]


def checksum(tensors: Mapping[str, Tensor], text: str = "") -> str:
    """A CRC-32 over those of a text and of the blocks of all tensors, by name: it notices damage, not intent."""
    contents = [_bytes_of(tensors[name]) for name in sorted(tensors)]
    blocks = [content[place : place + BLOCK] for content in contents for place in range(0, len(content), BLOCK)]
    if sum(map(len, blocks)) > BLOCK:
        with ThreadPoolExecutor() as pool:  # without Python's lock
            sums = list(pool.map(zlib.crc32, blocks))
    else:
        sums = list(map(zlib.crc32, blocks))
    return f"{zlib.crc32(b''.join(each.to_bytes(4, 'little') for each in sums), zlib.crc32(text.encode())):08x}"


def check(tensors: Mapping[str, Tensor], text: str, stored: str | None, path: Path) -> None:
    """Raise unless a text and the tensors of a file have the checksum that is stored in it."""
    found = checksum(tensors, text)
    if found != stored:
        raise HandsonError(f"{path} is damaged: the checksum of its content is {found}; it should be {stored}.")


def _bytes_of(tensor: Tensor) -> memoryview:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data

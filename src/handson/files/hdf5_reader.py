"""Reads the HDF5 file on its standard input, and writes its weights to its standard output as safetensors.

It runs in a process of its own, with limits on memory and time, and cannot open any file: a file that is made to break
the reader of HDF5 finds nothing there.
"""

from __future__ import annotations

import json
import math
import signal
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import h5py
import numpy as np
from safetensors.numpy import save as dump_arrays

# The exit status for a file that is refused with a message.
REFUSED = 3
# Memory beyond that of the process: a part that does not depend on the file, and a multiple of its size.
SPARE_BYTES, COPIES = 192 << 20, 4
# Processor time for a file of no size, and for the bytes of the others: several times what many small arrays take.
SECONDS, BYTES_PER_SECOND = 0.5, 3e5
DEEPEST = 24
# Groups and arrays; nets of a thousand layers have fewer.
MOST_ENTRIES = 10_000


class RefusedError(Exception):
    """The file is refused; the message follows its name."""


class Layer(NamedTuple):
    """The name of a layer, its place in the file, and its weights by number."""

    name: str
    group: str
    values: dict[str, np.ndarray]


class Allowance:
    """What a file may ask for: the bytes of an array, and how many groups and arrays there are left to be looked at."""

    def __init__(self, size: int) -> None:
        self.size, self.left = size, MOST_ENTRIES
        self.seen: set[int] = set()

    def take(self, group: Any) -> None:
        """Look at all entries of a group, which happens once."""
        address = h5py.h5o.get_info(group.id).addr
        if address in self.seen:
            raise RefusedError(f": the group {group.name} is in several places.")
        self.seen.add(address)
        self.left -= len(group)
        if self.left < 0:
            raise RefusedError(f" has more than {MOST_ENTRIES:,} groups and arrays.")


def main() -> None:
    """Read standard input, write standard output; exit with `REFUSED` and a message where the file is not fit."""
    size = int(sys.argv[1])
    _confine(size)
    try:
        content = pack(read(sys.stdin.buffer, size))
    except RefusedError as error:
        sys.stderr.write(str(error))
        sys.exit(REFUSED)
    sys.stdout.buffer.write(content)


def _confine(size: int) -> None:
    """Give up the right to open files, to write any, and to take more memory or time than the file can need."""
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    if sys.platform == "linux":
        with open("/proc/self/statm") as file:
            limit = int(file.read().split()[0]) * resource.getpagesize() + SPARE_BYTES + COPIES * size
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    limit_time(size)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def limit_time(size: int) -> None:
    """End this process with SIGPROF when it takes more processor time than a file of this size can need."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS + size / BYTES_PER_SECOND)


def read(stream: Any, size: int) -> list[Layer]:
    """The layers in an open file."""
    try:
        file = h5py.File(stream, "r")
    except (OSError, ValueError, RuntimeError) as error:
        raise RefusedError(f" is not an HDF5 file, or is damaged: {error}") from None
    with file:
        try:
            if "layers" not in file:
                raise RefusedError(
                    " has no group 'layers', so it is not a weight file of Keras 3. Save it with Keras 3's "
                    "model.save_weights('name.weights.h5')."
                )
            return list(_layers(_group(file, "layers"), "", Allowance(size), ""))
        except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
            raise RefusedError(f" is damaged: {error}") from None


def _group(parent: Any, name: str) -> Any:
    """A group that lies in this file itself."""
    entry = _own(parent, name)
    if not isinstance(entry, h5py.Group):
        raise RefusedError(f": {parent.name.rstrip('/')}/{name} is no group.")
    return entry


def _own(parent: Any, name: str) -> Any:
    if not isinstance(parent.get(name, getlink=True), h5py.HardLink):
        place = f"{parent.name.rstrip('/')}/{name}"
        raise RefusedError(f": {place} is a link to somewhere else, which is not followed.")
    return parent[name]


def _layers(group: Any, place: str, allowed: Allowance, owner: str, in_layer: bool = False) -> Iterator[Layer]:
    """Walk through the groups; every one named 'vars' with content is a layer's, or its cell's.

    `owner` is the name of what the group lies in: of a net, whose layers are named after it with a dot, or of a layer.
    """
    if place.count("/") > DEEPEST:
        raise RefusedError(f": groups are nested too deeply at {group.name}.")
    allowed.take(group)
    if "vars" in group:
        variables = _group(group, "vars")
        if not in_layer:
            owner += str(variables.attrs.get("name", place.rstrip("/")))
            in_layer = True
        allowed.take(variables)
        if len(variables):
            numbers = sorted(variables, key=lambda name: int(name) if name.isdecimal() else -1)
            values = {number: _values(variables, number, allowed.size) for number in numbers}
            yield Layer(owner, place.rstrip("/"), values)
    for name in group:
        # The first versions of Keras 3 kept the seed of a Dropout there.
        if name in ("vars", "seed_generator") or not isinstance(_own(group, name), h5py.Group):
            continue
        if name == "layers" and in_layer:
            yield from _layers(group[name], f"{place}{name}/", allowed, f"{owner}.")
        else:
            yield from _layers(group[name], f"{place}{name}/", allowed, owner, in_layer)


def _values(group: Any, name: str, size: int) -> np.ndarray:
    dataset, place = _own(group, name), f"{group.name}/{name}"
    if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
        raise RefusedError(f": {place} is not a plain array of numbers in this file.")
    # Keras does not compress, so a file holds what it declares.
    if dataset.dtype.kind not in "fiu" or math.prod(dataset.shape) * dataset.dtype.itemsize > size:
        raise RefusedError(f": {place} declares shape {dataset.shape} of {dataset.dtype}, which the file cannot hold.")
    return np.asarray(dataset[()], order="C").astype(dataset.dtype.newbyteorder("="))


def pack(layers: list[Layer]) -> bytes:
    """The layers as safetensors, names and places in the metadata."""
    arrays = {
        f"{position}/{name}": value for position, layer in enumerate(layers) for name, value in layer.values.items()
    }
    description = [(layer.name, layer.group, list(layer.values)) for layer in layers]
    return dump_arrays(arrays, metadata={"layers": json.dumps(description)})


if __name__ == "__main__":
    main()

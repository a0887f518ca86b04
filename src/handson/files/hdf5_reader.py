"""Reads the HDF5 file on its standard input, and writes its weights to its standard output as safetensors.

It runs in a process of its own, with limits on memory and time, and cannot open any file: a file that is made to break
the reader of HDF5 finds nothing there.
"""

from __future__ import annotations

import codecs
import io
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
SPARE_BYTES, COPIES = 192 << 20, 5
# Processor time for a file of no size, and for the bytes of the others: several times what many small arrays take.
SECONDS, BYTES_PER_SECOND = 0.5, 3e5
DEEPEST = 24
# Groups and arrays; nets of a thousand layers have fewer.
MOST_ENTRIES = 10_000


class RefusedError(Exception):
    """The file is refused; the message follows its name."""


# The most characters of a description of a net, and of the names of what is in a group.
MOST_CHARACTERS = 1 << 24
# Where the variables of the optimizer are: in files of Keras, and in ours.
OPTIMIZERS = ("optimizer_weights", "optimizer_state")
# What Keras writes of texts that do not fit into one attribute of HDF5.
PIECES = 100


class Layer(NamedTuple):
    """The name of a layer, its place in the file, and its weights by their places below that."""

    name: str
    group: str
    values: dict[str, np.ndarray]


class Content(NamedTuple):
    """The layers in a file; in those of Keras 2 the texts too that describe the net and how it is trained."""

    layers: list[Layer]
    texts: dict[str, str] | None


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
    for encoding in ("ascii", "utf-8"):  # which later could not be opened
        codecs.lookup(encoding)
    _confine(size)
    try:
        stream: Any = sys.stdin.buffer
        content = pack(read(stream if stream.seekable() else io.BytesIO(stream.read(size)), size))
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


def read(stream: Any, size: int) -> Content:
    """What is in an open file."""
    try:
        file = h5py.File(stream, "r")
    except (OSError, ValueError, RuntimeError) as error:
        raise RefusedError(f" is not an HDF5 file, or is damaged: {error}") from None
    with file:
        try:
            if "model_weights" in file or "layer_names" in file.attrs:
                return _older(file, Allowance(size))
            if not any(name in file for name in ("layers", "_layer_checkpoint_dependencies", "vars", "optimizer")):
                raise RefusedError(
                    " has no group 'layers', so it is not a weight file of Keras. Save it with Keras's "
                    "model.save_weights('name.weights.h5'), or the whole model with model.save('name.keras')."
                )
            return Content(list(_in_root(file, Allowance(size))), None)
        except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
            raise RefusedError(f" is damaged: {error}") from None


# Files of Keras 2: layers by name, with the names of their weights, in the order of the net.


def _older(file: Any, allowed: Allowance) -> Content:
    top = _group(file, "model_weights") if "model_weights" in file else file
    layers = [_older_layer(top, name, allowed) for name in _names(top, "layer_names")]
    for name in OPTIMIZERS:
        if name in file:
            layers.append(_older_layer(file, name, allowed)._replace(group="optimizer"))
    texts = {key: _text(file, key) for key in ("model_config", "training_config") if key in file.attrs}
    return Content([layer for layer in layers if layer.values], texts)


def _older_layer(top: Any, name: str, allowed: Allowance) -> Layer:
    group, values = _inside(top, name), {}
    for number, weight in enumerate(_names(group, "weight_names")):
        allowed.left -= 1
        if allowed.left < 0:
            raise RefusedError(f" has more than {MOST_ENTRIES:,} groups and arrays.")
        before, _, last = weight.rpartition("/")
        values[f"vars/{number}"] = _values(_inside(group, before) if before else group, last, allowed.size)
    return Layer(name, f"layers/{name}", values)


def _inside(group: Any, path: str) -> Any:
    """The group at the end of a path, every step of which lies in this file itself."""
    for part in path.split("/"):
        group = _group(group, part)
    return group


def _names(group: Any, attribute: str) -> list[str]:
    """The texts in an attribute, which Keras takes apart where they are many."""
    found = [attribute] if attribute in group.attrs else []
    found += [f"{attribute}{piece}" for piece in range(PIECES) if f"{attribute}{piece}" in group.attrs]
    return [_decoded(name) for each in found for name in np.ravel(group.attrs[each])]


def _text(group: Any, attribute: str) -> str:
    text = _decoded(group.attrs[attribute])
    if len(text) > MOST_CHARACTERS:
        raise RefusedError(f": {attribute} has {len(text):,} characters; {MOST_CHARACTERS:,} are read.")
    return text


def _decoded(text: Any) -> str:
    return text.decode("utf-8") if isinstance(text, bytes) else str(text)


# Files of Keras 3.


def _in_root(file: Any, allowed: Allowance) -> Iterator[Layer]:
    """The layers in a file: those of a stack or graph lie in 'layers', those of a subclass under its attributes."""
    allowed.take(file)
    found: dict[str, Layer] = {}
    if "vars" in file:
        variables = _group(file, "vars")
        _add(found, str(variables.attrs.get("name", "")), "", "vars", _arrays(variables, allowed))
    for name in file:
        if name == "vars" or not isinstance(_own(file, name), h5py.Group):
            continue
        place = "layers" if name == "_layer_checkpoint_dependencies" else name
        for owner, base, rest, values in _layers(file[name], f"{place}/", allowed, ("", "")):
            _add(found, owner, base, rest, values)
    return iter(found.values())


def _add(found: dict[str, Layer], name: str, base: str, rest: str, values: dict[str, np.ndarray]) -> None:
    if values:
        held = found.setdefault(base, Layer(name, base, {})).values
        held.update({f"{rest}/{number}": value for number, value in values.items()})


def _arrays(variables: Any, allowed: Allowance) -> dict[str, np.ndarray]:
    allowed.take(variables)
    numbers = sorted(variables, key=lambda name: int(name) if name.isdecimal() else -1)
    return {number: _values(variables, number, allowed.size) for number in numbers}


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


Part = tuple[str, str, str, dict[str, np.ndarray]]


def _layers(
    group: Any, place: str, allowed: Allowance, owner: tuple[str, str], in_layer: bool = False
) -> Iterator[Part]:
    """Walk through the groups; every one named 'vars' with content is a layer's, or that of a part of a layer.

    `owner` is the name and the place of what the group lies in: of a net, whose layers are named after it with a dot,
    or of a layer.
    """
    if place.count("/") > DEEPEST:
        raise RefusedError(f": groups are nested too deeply at {group.name}.")
    allowed.take(group)
    if "vars" in group:
        variables = _group(group, "vars")
        if not in_layer:
            base = place.rstrip("/")
            owner, in_layer = (owner[0] + str(variables.attrs.get("name", base.removeprefix("layers/"))), base), True
        name, base = owner
        yield name, base, f"{place}vars".removeprefix(f"{base}/"), _arrays(variables, allowed)
    for name in group:
        # The first versions of Keras 3 kept the seed of a Dropout there.
        if name in ("vars", "seed_generator") or not isinstance(_own(group, name), h5py.Group):
            continue
        if name == "layers" and in_layer:
            yield from _layers(group[name], f"{place}{name}/", allowed, (f"{owner[0]}.", ""))
        else:
            yield from _layers(group[name], f"{place}{name}/", allowed, owner, in_layer)


def _values(group: Any, name: str, size: int) -> np.ndarray:
    dataset, place = _own(group, name), f"{group.name}/{name}"
    if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
        raise RefusedError(f": {place} is not a plain array of numbers in this file.")
    # Keras does not compress, so a file holds what it declares.
    half = dataset.dtype.kind == "V" and dataset.dtype.itemsize == 2 and dataset.attrs.get("dtype") == "bfloat16"
    if (dataset.dtype.kind not in "fiu" and not half) or math.prod(dataset.shape) * dataset.dtype.itemsize > size:
        raise RefusedError(f": {place} declares shape {dataset.shape} of {dataset.dtype}, which the file cannot hold.")
    if half:  # the upper half of a float32
        return (np.asarray(dataset[()], order="C").view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    return np.asarray(dataset[()], order="C").astype(dataset.dtype.newbyteorder("="))


def pack(content: Content) -> bytes:
    """The layers as safetensors, names and places in the metadata, beside the texts."""
    layers = content.layers
    arrays = {
        f"{position}/{name}": value for position, layer in enumerate(layers) for name, value in layer.values.items()
    }
    description = [(layer.name, layer.group, list(layer.values)) for layer in layers]
    return dump_arrays(arrays, metadata={"layers": json.dumps(description), "texts": json.dumps(content.texts)})


if __name__ == "__main__":
    main()

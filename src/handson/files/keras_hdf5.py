"""Weights in HDF5, in the layout of Keras 3's weight files, so that Keras reads ours and we read theirs.

The weights of a layer lie in 'layers/<class>/vars/0', '1' and so on, where the class is in snake case, numbered from
the second layer of the class on (see `handson.files.keras_places`). An attribute holds the layer's own name. Files of
Keras 2, which have layers by name, are read too.

HDF5 is a large format with a long record of holes in its reader, so files are read in a process of their own (see
`handson.files.hdf5_reader`), which can open nothing else and hands back safetensors.
"""

from __future__ import annotations

import importlib
import io
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays

from handson.core.errors import HandsonError
from handson.files.layer_weights import LayerWeights

READER = Path(__file__).with_name("hdf5_reader.py")
# Seconds for a file, and the bytes of it that are read in a second at least.
SECONDS, BYTES_PER_SECOND = 20.0, 20e6
# Groups of what is no layer.
STATE = ("optimizer", "compile_metrics", "loss_tracker", "metrics", "_compile_metrics", "_loss_tracker", "_metrics")
# The exit status of the reader for a file that it refuses with a message; the same number is there.
REFUSED = 3


def h5py() -> Any:
    """The library that reads and writes HDF5."""
    try:
        return importlib.import_module("h5py")
    except ImportError:
        raise HandsonError("HDF5 files need h5py: pip install 'handson[hdf5]'.") from None


class Stored(NamedTuple):
    """What a file holds.

    Attributes
    ----------
    layers : list of LayerWeights
        The layers with their weights.
    texts : dict of str to str or None
        Of files of Keras 2, whose layers are in the order of the net: what they say of net and training.
    """

    layers: list[LayerWeights]
    texts: dict[str, str] | None

    def weights(self) -> list[LayerWeights]:
        """The layers of the net, without what belongs to the optimizer and the metrics."""
        return [layer for layer in self.layers if layer.group.partition("/")[0] not in STATE]

    def optimizer(self) -> list[Any]:
        """The variables of the optimizer, in Keras's order."""
        return next((list(layer.values.values()) for layer in self.layers if layer.group == "optimizer"), [])


def to_bytes(layers: list[LayerWeights], name: str = "") -> memoryview:
    """The content of a file with the weights of layers, and the name of their net."""
    content = io.BytesIO()
    with h5py().File(content, "w") as file:
        file.create_group("vars").attrs["name"] = name
        for layer in layers:
            group = file.require_group(f"{layer.group}/vars")
            group.attrs["name"] = layer.name.rpartition(".")[2]
            _name_nets(file, layer)
            places = {**dict(zip(layer.places, layer.values, strict=True)), **layer.repeated}
            for place, name in places.items():
                file.create_dataset(f"{layer.group}/{place}", data=as_numpy(layer.stored(name)))
    return content.getbuffer()


def as_numpy(value: Any) -> Any:
    """A weight as an array; NumPy has no bfloat16."""
    if not isinstance(value, torch.Tensor):
        return value
    value = value.detach().cpu()
    return (value.float() if value.dtype is torch.bfloat16 else value).numpy()


def _name_nets(file: Any, layer: LayerWeights) -> None:
    """Write down the names of the nets that a layer lies in."""
    groups = layer.group.split("/layers/")
    for depth, name in enumerate(layer.name.split(".")[: len(groups) - 1], 1):
        inner = "/layers/".join(groups[:depth])
        file.require_group(f"{inner}/vars").attrs["name"] = name


def read(path: Path) -> Stored:
    """What is in a file.

    Raises
    ------
    HandsonError
        When the file is not HDF5, not in a layout of Keras, refers to other files, or takes more memory or time than a
        file of its size needs.
    """
    with path.open("rb") as file:
        return read_stream({"stdin": file}, path.stat().st_size, str(path))


def read_stream(given: dict[str, Any], size: int, path: str) -> Stored:
    """What is in a file of a size, given as `stdin` or `input` of `subprocess.run`; `path` names it in messages."""
    h5py()
    command = [sys.executable, "-I", str(READER), str(size)]
    try:
        done = subprocess.run(
            command, **given, capture_output=True, timeout=SECONDS + size / BYTES_PER_SECOND, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise HandsonError(f"{path} is damaged: reading it took more than {error.timeout:.0f} seconds.") from None
    if done.returncode == REFUSED:
        raise HandsonError(f"{path}{done.stderr.decode(errors='replace').rstrip()}")
    if done.returncode == -getattr(signal, "SIGPROF", 0):
        raise HandsonError(f"{path} is damaged: reading it takes more time than {size:,} bytes can need.")
    if done.returncode:
        raise HandsonError(
            f"{path} is damaged: reading it ended the process that reads such files (status {done.returncode}), as "
            f"when it takes more memory than {size:,} bytes can need."
        )
    try:
        return _unpack(done.stdout)
    except (SafetensorError, ValueError, LookupError, TypeError) as error:
        raise HandsonError(f"{path} is damaged: reading it gave nothing that makes sense ({error}).") from None


def _unpack(content: bytes) -> Stored:
    arrays = load_arrays(content)
    length = int.from_bytes(content[:8], "little")
    said = json.loads(content[8 : 8 + length])["__metadata__"]
    layers = [
        LayerWeights(name, group, {place: arrays[f"{position}/{place}"] for place in places}, tuple(places))
        for position, (name, group, places) in enumerate(json.loads(said["layers"]))
    ]
    return Stored(layers, json.loads(said["texts"]))

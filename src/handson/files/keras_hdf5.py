"""Weights in HDF5, in the layout of Keras 3's weight files, so that Keras reads ours and we read theirs.

The weights of a layer lie in 'layers/<group>/vars/0', '1' and so on, where the group is the layer's class in snake
case, numbered from the second layer of the class on. An attribute holds the layer's own name. Files of Keras 2, which
have layers by name and in the order of the net, are read too.

HDF5 is a large format with a long record of holes in its reader, so files are read in a process of their own (see
`handson.files.hdf5_reader`), which can open nothing else and hands back safetensors.
"""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays

from handson.core.errors import HandsonError
from handson.files.layer_weights import LayerWeights

READER = Path(__file__).with_name("hdf5_reader.py")
# Seconds for a file, and the bytes of it that are read in a second at least.
SECONDS, BYTES_PER_SECOND = 20.0, 20e6
# What places of layers in files of Keras 2 begin with, as in the reader.
OLDER = "older/"
# The exit status of the reader for a file that it refuses with a message; the same number is there.
REFUSED = 3


def _h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise HandsonError("HDF5 files need h5py: pip install 'handson[hdf5]'.") from None
    return h5py


def to_bytes(layers: list[LayerWeights]) -> memoryview:
    """The content of a file with the weights of layers."""
    content = io.BytesIO()
    with _h5py().File(content, "w") as file:
        for layer in layers:
            group = file.create_group(f"layers/{layer.group}/vars")
            group.attrs["name"] = layer.name.rpartition(".")[2] if "/layers/" in layer.group else layer.name
            _name_nets(file, layer)
            for number, value in enumerate(layer.values.values()):
                group.create_dataset(str(number), data=value.detach().cpu().numpy())
    return content.getbuffer()


def _name_nets(file: Any, layer: LayerWeights) -> None:
    """Write down the names of the nets that a layer lies in."""
    groups = layer.group.split("/layers/")
    for depth, name in enumerate(layer.name.split(".")[: len(groups) - 1], 1):
        inner = "/layers/".join(groups[:depth])
        file.require_group(f"layers/{inner}/vars").attrs["name"] = name


def read(path: Path) -> list[LayerWeights]:
    """The weights of all layers in a file.

    Raises
    ------
    HandsonError
        When the file is not HDF5, not in this layout, refers to other files, or takes more memory or time than a file
        of its size needs.
    """
    _h5py()
    size = path.stat().st_size
    command = [sys.executable, "-I", str(READER), str(size)]
    try:
        with path.open("rb") as file:
            done = subprocess.run(
                command, stdin=file, capture_output=True, timeout=SECONDS + size / BYTES_PER_SECOND, check=False
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


def _unpack(content: bytes) -> list[LayerWeights]:
    arrays = load_arrays(content)
    length = int.from_bytes(content[:8], "little")
    layers = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["layers"])
    return [
        LayerWeights(name, group, {weight: arrays[f"{position}/{weight}"] for weight in weights})
        for position, (name, group, weights) in enumerate(layers)
    ]

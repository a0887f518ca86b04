"""Weights in HDF5, in the layout of Keras 3's weight files, so that Keras reads ours and we read theirs.

The weights of a layer lie in 'layers/<group>/vars/0', '1' and so on, where the group is the layer's class in snake
case, numbered from the second layer of the class on. An attribute holds the layer's own name.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from handson.errors import HandsonError
from handson.files.layer_weights import LayerWeights

# A file never declares more values than it has bytes, but for compressed ones; Keras does not compress.
VALUES_PER_BYTE = 1


def _h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise HandsonError("HDF5 files need h5py: pip install 'handson[hdf5]'.") from None
    return h5py


def write(path: Path, layers: list[LayerWeights]) -> None:
    """Write the weights of layers to a file."""
    with _h5py().File(path, "w") as file:
        for layer in layers:
            group = file.create_group(f"layers/{layer.group}/vars")
            group.attrs["name"] = layer.name
            for number, value in enumerate(layer.values.values()):
                group.create_dataset(str(number), data=value.detach().cpu().numpy())


def read(path: Path) -> list[LayerWeights]:
    """The weights of all layers in a file.

    Raises
    ------
    HandsonError
        When the file is not HDF5, not in this layout, or refers to other files.
    """
    h5py = _h5py()
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise HandsonError(f"{path} is not an HDF5 file, or is damaged: {error}") from None
    with file:
        layers: list[LayerWeights] = []
        if "layers" not in file:
            raise HandsonError(
                f"{path} has no group 'layers', so it is not a weight file of Keras 3. Save it with Keras 3's "
                f"model.save_weights('name.weights.h5')."
            )
        limit = path.stat().st_size * VALUES_PER_BYTE
        _collect(h5py, file["layers"], "", layers, limit, str(path))
        return layers


def _collect(h5py: Any, group: Any, place: str, layers: list[LayerWeights], limit: int, path: str) -> None:
    """Walk through the groups; every one named 'vars' with content is a layer's."""
    if place.count("/") > 8:
        raise HandsonError(f"{path}: groups are nested too deeply at 'layers/{place}'.")
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise HandsonError(f"{path}: 'layers/{place}{name}' is a link to somewhere else, which is not followed.")
        entry = group[name]
        if not isinstance(entry, h5py.Group):
            continue
        if name != "vars":
            _collect(h5py, entry, f"{place}{name}/", layers, limit, path)
        elif len(entry):
            own = str(entry.attrs.get("name", place.rstrip("/")))
            values = {number: _weight(h5py, entry, number, limit, path) for number in sorted(entry, key=_number)}
            layers.append(LayerWeights(own, place.rstrip("/"), values))


def _number(name: str) -> int:
    return int(name) if name.isdigit() else -1


def _weight(h5py: Any, group: Any, name: str, limit: int, path: str) -> np.ndarray:
    place = f"{path}: {group.name}/{name}"
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise HandsonError(f"{place} is a link to somewhere else, which is not followed.")
    dataset = group[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
        raise HandsonError(f"{place} is not a plain array of numbers in this file.")
    if dataset.dtype.kind not in "fiu" or math.prod(dataset.shape) > limit:
        raise HandsonError(f"{place} declares shape {dataset.shape} of {dataset.dtype}, which the file cannot hold.")
    return np.asarray(dataset[()])

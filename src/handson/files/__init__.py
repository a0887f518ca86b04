"""Files: models and weights. They hold no code; every file appears whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from handson.core.errors import HandsonError

__all__ = ["check_suffix", "load_model", "load_weights", "save_model", "save_weights"]

MODEL, HDF5, SAFETENSORS = ".handson", (".h5", ".hdf5"), ".safetensors"
# Nets of 500 layers have fewer, the slots of their optimizers included.
MOST_READ = 10_000


def check_suffix(path: str | os.PathLike[str]) -> str:
    """The suffix of a file that can be written, or an error that says which there are."""
    suffix = Path(path).suffix
    if suffix in (MODEL, SAFETENSORS, *HDF5):
        return suffix
    if suffix in (".pt", ".pth", ".pkl", ".pickle", ".joblib"):
        reason = "such files can run code when they are opened, and handson does not write or read them"
    elif suffix == ".keras":
        reason = "that is Keras's own format"
    else:
        reason = "its ending says no format"
    raise HandsonError(
        f"{path}: {reason}. Use '.handson' for a whole model, '.h5' (Keras reads it too) or '.safetensors' for weights."
    )


def _existing(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    if not path.is_file():
        from handson.core.errors import nearest

        siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        raise FileNotFoundError(f"there is no file {path}.{nearest(path.name, siblings)}")
    return path


def save_model(model: Any, path: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Save a net: see `Model.save`."""
    from handson.files import atomic, model_file

    if check_suffix(path) != MODEL:
        raise HandsonError(
            f"{path}: a whole model is saved as '{Path(path).stem}.handson'; weights with save_weights()."
        )
    atomic.write_bytes(path, model_file.pieces(model), overwrite)


def load_model(path: str | os.PathLike[str]) -> Any:
    """The net saved in a '.handson' file, with its weights, scalings and optimizer.

    Raises
    ------
    FileNotFoundError
        When the file is not there.
    HandsonError
        When it is not such a file, is damaged, or names something that is not registered.
    """
    from handson.files import model_file

    if Path(path).suffix in (*HDF5, SAFETENSORS):
        raise HandsonError(f"{path} holds weights only. Build the net, then net.load_weights({str(path)!r}).")
    check_suffix(path)
    return model_file.read(_existing(path))


def save_weights(model: Any, path: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Save weights: see `Model.save_weights`."""
    from handson.files import atomic, keras_hdf5, layer_weights, tensor_file

    suffix = check_suffix(path)
    if suffix == MODEL:
        raise HandsonError(f"{path}: a '.handson' file holds a whole model: net.save({str(path)!r}).")
    layers = layer_weights.of_model(model)
    if suffix in HDF5:
        atomic.write_bytes(path, [keras_hdf5.to_bytes(layers)], overwrite)
        return
    flat = {f"{layer.name}.{name}": value for layer in layers for name, value in layer.values.items()}
    said = {"format": "handson-weights", "crc32": tensor_file.checksum(flat)}
    atomic.write_bytes(path, tensor_file.pieces(flat, said), overwrite)


def load_weights(model: Any, path: str | os.PathLike[str], by_name: bool, skip_mismatch: bool) -> dict[str, str]:
    """Load weights: see `Model.load_weights`."""
    from handson.files import keras_hdf5, layer_weights

    suffix = check_suffix(path)
    path = _existing(path)
    names = [layer.name for layer in layer_weights.of_model(model)]
    stored = keras_hdf5.read(path) if suffix in HDF5 else _read_safetensors(path, names)
    if all(layer.group.startswith(keras_hdf5.OLDER) for layer in stored):
        stored = layer_weights.in_order(model, stored)
    key = "group" if suffix in HDF5 and not by_name else "name"
    return layer_weights.put_back(model, stored, str(path), key, by_name or skip_mismatch)


def _read_safetensors(path: Path, names: list[str]) -> list[Any]:
    """The weights in a file of weights or of a whole model, by layer; `names` are those of the net's layers."""
    from safetensors import SafetensorError, safe_open

    from handson.files import tensor_file
    from handson.files.layer_weights import LayerWeights

    values: dict[str, dict[str, Any]] = {}
    try:
        with safe_open(path, framework="pt") as file:
            said = file.metadata() or {}
            if len(file.keys()) > MOST_READ:
                raise HandsonError(f"{path} has {len(file.keys()):,} tensors; {MOST_READ:,} are read.")
            tensors = {place: file.get_tensor(place) for place in file.keys()}  # noqa: SIM118
            if "crc32" in said:
                tensor_file.check(tensors, said.get("model", ""), said["crc32"], path)
            for place, tensor in tensors.items():
                if place.startswith("optimizer/"):
                    continue
                name = place.removeprefix("weights/")
                inside = [layer for layer in names if name.startswith(f"{layer}.")]
                layer = max(inside, key=len) if inside else name.rpartition(".")[0]
                values.setdefault(layer, {})[name.removeprefix(f"{layer}.")] = tensor
    except SafetensorError as error:
        raise HandsonError(f"{path} is not a safetensors file, or is damaged: {error}") from None
    return [LayerWeights(name, name, weights) for name, weights in values.items()]

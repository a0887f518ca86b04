"""Files: models and weights. They hold no code; every file appears whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from handson.core.errors import HandsonError

__all__ = ["check_suffix", "load_model", "load_weights", "save_model", "save_weights"]

MODEL, KERAS, HDF5, SAFETENSORS = ".handson", ".keras", (".h5", ".hdf5"), ".safetensors"
# HDF5 of this name holds weights, of other names a whole model.
WEIGHTS = tuple(f".weights{suffix}" for suffix in HDF5)
# Nets of 500 layers have fewer, the slots of their optimizers included.
MOST_READ = 10_000


def check_suffix(path: str | os.PathLike[str]) -> str:
    """The suffix of a file that can be written, or an error that says which there are."""
    suffix = Path(path).suffix
    if suffix in (MODEL, KERAS, SAFETENSORS, *HDF5):
        return suffix
    if suffix in (".pt", ".pth", ".pkl", ".pickle", ".joblib"):
        reason = "such files can run code when they are opened, and handson does not write or read them"
    else:
        reason = "its ending says no format"
    raise HandsonError(
        f"{path}: {reason}. Use '.handson' for a whole model, or Keras's '.keras' and '.h5'; '.weights.h5' or "
        f"'.safetensors' for weights."
    )


def check_format(path: str | os.PathLike[str], named: str) -> None:
    """Raise unless Keras 2's name of a format, 'h5' or 'keras', says what the ending of a path says."""
    if named == "tf":
        raise HandsonError(
            f"{path}: save_format='tf' is TensorFlow's SavedModel, whose graph only TensorFlow runs. Use "
            f"net.save('net.keras'), or net.export('net.onnx') for other programs."
        )
    if named not in ("h5", "keras") or Path(path).suffix not in (HDF5 if named == "h5" else (KERAS,)):
        raise HandsonError(
            f"{path}: the ending of the path says the format, and save_format={named!r} is another. Name the file "
            f"with '.h5' or '.keras', and leave save_format out."
        )


def holds_weights(path: str | os.PathLike[str]) -> bool:
    """Whether a file of this name holds weights and no whole model.

    Examples
    --------
    >>> [holds_weights(name) for name in ("a.h5", "a.weights.h5", "a.safetensors", "a.keras")]
    [False, True, True, False]
    """
    return Path(path).name.endswith((SAFETENSORS, *WEIGHTS))


def _existing(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; expected a file.")
    if not path.is_file():
        from handson.core.errors import nearest

        siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        raise FileNotFoundError(f"there is no file {path}.{nearest(path.name, siblings)}")
    return path


def save_model(
    model: Any,
    filepath: str | os.PathLike[str],
    overwrite: bool = True,
    zipped: Any = None,
    include_optimizer: bool = True,
) -> None:
    """Save a net: see `Model.save`."""
    from handson.files import atomic

    path = filepath
    suffix = check_suffix(path)
    if holds_weights(path):
        raise HandsonError(f"{path}: that is a name of weights. net.save_weights({str(path)!r}), or another name.")
    if zipped is False or (zipped and suffix != KERAS):
        raise HandsonError(f"{path}: a whole model is one file, and '.keras' is the only zip; leave zipped out.")
    if suffix == MODEL:
        from handson.files import model_file

        if not include_optimizer:
            raise HandsonError(f"{path}: a '.handson' file holds the optimizer; leave include_optimizer out.")
        atomic.write_bytes(path, model_file.pieces(model), overwrite)
        return
    from handson.files import keras_archive, keras_whole_hdf5

    writer = keras_archive if suffix == KERAS else keras_whole_hdf5
    atomic.write_bytes(path, [writer.to_bytes(model, include_optimizer)], overwrite)


def load_model(
    filepath: str | os.PathLike[str],
    custom_objects: dict[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Any:
    """The net saved in a file, with its weights, scalings and optimizer.

    Parameters
    ----------
    filepath : str or path
        A '.handson' file; or one of Keras, '.keras' or '.h5' with a whole model.
    custom_objects : dict of str to class or function, optional
        What names in the file mean, beside those that are registered.
    compile : bool
        Of a file of Keras: False leaves the net uncompiled.
    safe_mode : bool
        Only True: code in a file is never run.

    Raises
    ------
    FileNotFoundError
        When the file is not there.
    HandsonError
        When it is not such a file, is damaged, holds code, or names something that is not registered.
    """
    path = filepath
    suffix = check_suffix(path)
    if not safe_mode:
        raise HandsonError("load_model runs no code from files: leave safe_mode out, and register what the file names.")
    if suffix == SAFETENSORS:
        raise HandsonError(f"{path} holds weights only. Build the net, then net.load_weights({str(path)!r}).")
    if suffix == MODEL:
        from handson.core import registry
        from handson.files import model_file

        if not compile:
            raise HandsonError(f"{path}: a '.handson' file gives the net as it was; leave compile out.")
        with registry.scoped(custom_objects or {}):
            return model_file.read(_existing(path))
    from handson.files import keras_archive, keras_whole_hdf5

    reader = keras_archive if suffix == KERAS else keras_whole_hdf5
    return reader.read(_existing(path), custom_objects, compile)


def save_weights(model: Any, path: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Save weights: see `Model.save_weights`."""
    from handson.files import atomic, keras_hdf5, layer_weights, tensor_file

    suffix = check_suffix(path)
    if suffix in (MODEL, KERAS):
        raise HandsonError(f"{path}: a {suffix!r} file holds a whole model: net.save({str(path)!r}).")
    if suffix in HDF5:
        atomic.write_bytes(path, [keras_hdf5.to_bytes(layer_weights.as_in_keras(model), model.name)], overwrite)
        return
    layers = layer_weights.of_model(model)
    flat = {f"{layer.name}.{name}": value for layer in layers for name, value in layer.values.items()}
    said = {"format": "handson-weights", "crc32": tensor_file.checksum(flat)}
    atomic.write_bytes(path, tensor_file.pieces(flat, said), overwrite)


def load_weights(model: Any, path: str | os.PathLike[str], by_name: bool, skip_mismatch: bool) -> dict[str, str]:
    """Load weights: see `Model.load_weights`."""
    from handson.files import keras_archive, keras_hdf5, keras_whole_hdf5, layer_weights

    suffix = check_suffix(path)
    of_keras, partly = suffix == KERAS or suffix in HDF5, by_name or skip_mismatch
    path, layers = _existing(path), layer_weights.as_in_keras(model) if of_keras else layer_weights.of_model(model)
    if suffix == KERAS:
        key = "name" if by_name else "group"
        return layer_weights.put_back(layers, keras_archive.weights(path), str(path), key, partly)
    if suffix not in HDF5:
        stored = _read_safetensors(path, [layer.name for layer in layers])
        return layer_weights.put_back(layers, stored, str(path), "name", partly)
    content = keras_hdf5.read(path)
    stored, key = content.weights(), "name" if by_name else "group"
    if content.texts is not None:  # in the layout of Keras 2
        key = "name"
        layers, stored = (
            (keras_whole_hdf5.of_top(model), stored) if by_name else keras_whole_hdf5.matched(model, stored, path)
        )
        layers = [layer for layer in layers if layer.values]
    return layer_weights.put_back(layers, stored, str(path), key, partly)


def _read_safetensors(path: Path, names: list[str]) -> list[Any]:
    """The weights in a file of weights or of a whole model, by layer; `names` are those of the net's layers."""
    from safetensors import SafetensorError

    from handson.files import tensor_file
    from handson.files.layer_weights import LayerWeights

    values: dict[str, dict[str, Any]] = {}
    try:
        with tensor_file.opened(path) as file:
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

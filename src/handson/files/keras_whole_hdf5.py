"""Whole models in one file of HDF5, as Keras 2 wrote them and Keras 3 still does: texts in attributes, and the weights
of each layer under its name, in the order of the net.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handson.core import registry
from handson.core.errors import HandsonError, NotBuiltError
from handson.files import keras_archive, keras_hdf5, keras_slots
from handson.files.layer_weights import LayerWeights
from handson.layers.core import Dense, InputLayer
from handson.layers.embedding import Embedding
from handson.layers.low_rank import adapted_layers

# The most bytes that an attribute of HDF5 takes.
MOST_BYTES = 64_000
# Keras would read 'optimizer_weights', and then could not train the net: it builds the optimizer for no weights.
OPTIMIZER = "optimizer_state"


def of_top(model: Any) -> list[LayerWeights]:
    """The layers of a net, each with all weights in it: those that train first."""
    found = []
    for number, layer in enumerate(model.layers):
        if not hasattr(layer, "non_trainable_weights"):
            raise HandsonError(f"{type(layer).__name__} is a module of PyTorch, which such a file does not hold.")
        weights = [*layer.trainable_weights, *layer.non_trainable_weights]
        name = next((name for name, part in model.named_children() if part is layer), f"layer_{number}")
        values = {str(place): weight for place, weight in enumerate(weights)}
        found.append(LayerWeights(name, f"layers/{name}", values, tuple(f"vars/{place}" for place in values)))
    return found


# Written.


@registry.scoped({}, own=True)
def to_bytes(model: Any, include_optimizer: bool = True) -> memoryview:
    """The content of the file of a net."""
    if not model.built:
        raise NotBuiltError("the net is not built yet, so it has no weights to save.")
    from handson.files.keras_writing import KERAS_VERSION, described_compiled, described_net

    _check_alphas(model)
    described = described_net(model, compiled=False)
    keras_archive.check_that_it_comes_back(model, described)
    content = io.BytesIO()
    with keras_hdf5.h5py().File(content, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = KERAS_VERSION, "torch"
        _write_text(file, "model_config", {key: described[key] for key in ("class_name", "config")})
        if include_optimizer and model.compiled:
            compiled = described_compiled(model)
            training = {key: compiled[key] for key in ("loss", "loss_weights", "metrics", "weighted_metrics")}
            _write_text(file, "training_config", training | {"optimizer_config": compiled["optimizer"]})
            _write_group(file, OPTIMIZER, keras_slots.variables(model))
        weights = file.create_group("model_weights")
        layers = [layer for layer in of_top(model) if not isinstance(model.get_layer(layer.name), InputLayer)]
        _write_names(weights, "layer_names", [layer.name for layer in layers])
        weights.attrs["backend"], weights.attrs["keras_version"] = b"torch", KERAS_VERSION.encode()
        for layer in layers:
            _write_group(weights, layer.name, [keras_hdf5.as_numpy(value) for value in layer.values.values()])
        _write_group(weights, "top_level_model_weights", [])
    return content.getbuffer()


def _check_alphas(model: Any) -> None:
    """Raise if Keras would read other weights: it builds some layers with an `lora_alpha` of `lora_rank`."""
    for layer in adapted_layers(model):
        if isinstance(layer, (Dense, Embedding)) and layer.lora_alpha != layer.lora_rank:
            raise HandsonError(
                f"layer {layer.name!r} has lora_alpha={layer.lora_alpha}, which Keras forgets in a '.h5' file: "
                f"save the net as '.keras', where kernels are stored with the low-rank product, or as '.handson'."
            )


def _write_text(file: Any, name: str, value: Any) -> None:
    file.attrs.create(name, json.dumps(value, allow_nan=False).encode(), dtype=keras_hdf5.h5py().string_dtype())


def _write_group(parent: Any, name: str, values: Sequence[Any]) -> None:
    group = parent.create_group(name)
    names = [f"{name}/{number}" for number in range(len(values))]
    _write_names(group, "weight_names", names)
    for place, value in zip(names, values, strict=True):
        group.create_dataset(place, data=value)


def _write_names(group: Any, attribute: str, names: list[str]) -> None:
    """Names as an attribute, or as several where they are too long for one."""
    encoded = np.asarray([name.encode() for name in names])
    pieces = np.array_split(encoded, max(1, -(-encoded.nbytes // MOST_BYTES)))
    if len(pieces) == 1:
        group.attrs[attribute] = encoded if names else np.asarray([], dtype="S1")
    else:
        for number, piece in enumerate(pieces):
            group.attrs[f"{attribute}{number}"] = piece


# Read.


def read(path: Path, custom_objects: dict[str, Any] | None = None, compiled: bool = True) -> Any:
    """The net in a file.

    Raises
    ------
    HandsonError
        When it holds weights only, is damaged, holds code, or names what is not registered.
    """
    stored = keras_hdf5.read(path)
    if stored.texts is None or "model_config" not in stored.texts:
        raise HandsonError(f"{path} holds weights only. Build the net, then net.load_weights({str(path)!r}).")
    with registry.scoped(custom_objects or {}):
        values = sum(math.prod(shape) for layer in stored.weights() for shape in layer.shapes())
        model = keras_archive.rebuilt(keras_archive.parsed(stored.texts["model_config"], path), values, path)
        if model.built_shape is None:
            raise HandsonError(
                f"{path} does not say the shape of the inputs, so the net cannot be built. Build the net here, then "
                f"net.load_weights({str(path)!r})."
            )
        layers, weights = matched(model, stored.weights(), path)
        keras_archive.fill(model, layers, weights, path, "name")
        if compiled and "training_config" in stored.texts:
            training = dict(keras_archive.parsed(stored.texts["training_config"], path))
            training["optimizer"] = training.pop("optimizer_config", None)
            training = {key: value for key, value in training.items() if key not in ("sample_weight_mode", "hyper")}
            keras_archive.compile_and_restore(model, training, stored.optimizer(), path)
    return model


def matched(model: Any, stored: list[LayerWeights], path: Path | str) -> tuple[list[LayerWeights], list[LayerWeights]]:
    """The layers of a net, and those of a file under their names: they are matched by their order.

    Raises
    ------
    HandsonError
        When there are others.
    """
    layers = [layer for layer in of_top(model) if layer.values]
    if len(layers) != len(stored):
        raise HandsonError(
            f"{path} has {len(stored)} layers with weights, and the net has {len(layers)}. Load what fits with "
            f"by_name=True."
        )
    return layers, [source._replace(name=layer.name) for layer, source in zip(layers, stored, strict=True)]

"""Keras's '.keras' files: a zip of a description of the net (config.json), of its weights and its optimizer
(model.weights.h5), and of what wrote it (metadata.json).

No code is in it that would be run: names resolve in the closed registry. The weights are read by a process of their
own, and the net is built with no more values than the file holds.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

from handson.core import console, registry
from handson.core.errors import HandsonError, NotBuiltError, listing, shortened
from handson.files import keras_hdf5, keras_slots, layer_weights, strict_json
from handson.files.keras_places import parts_by_place
from handson.files.keras_reading import revived, sharing
from handson.files.layer_weights import LayerWeights
from handson.layers.blank import blank_weights
from handson.layers.preprocessing.lookup import IntegerLookup

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
VOCABULARY = re.compile(r"assets/(?P<place>[\w/-]+)/vocabulary\.txt")
# Keras packs nothing, so a file holds what it declares; one that was packed again may hold so many times its size.
SPARE_BYTES, EXPANSION = 1 << 24, 20
MOST_MEMBERS, MOST_CONFIG = 1000, 1 << 24


# Written.


@registry.scoped({}, own=True)
def to_bytes(model: Any, include_optimizer: bool = True) -> bytes:
    """The content of the file of a net."""
    if not model.built:
        raise NotBuiltError("the net is not built yet, so it has no weights to save.")
    from handson.files.keras_writing import described_net, metadata

    described = described_net(model, include_optimizer)
    check_that_it_comes_back(model, described)
    layers = layer_weights.as_in_keras(model)
    if include_optimizer and model.compiled:
        held = {f"vars/{number}": value for number, value in enumerate(keras_slots.variables(model))}
        layers.append(LayerWeights(type(model.optimizer).__name__.lower(), "optimizer", held, tuple(held)))
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(METADATA, json.dumps(metadata()))
        archive.writestr(CONFIG, json.dumps(described, allow_nan=False))
        archive.writestr(WEIGHTS, bytes(keras_hdf5.to_bytes(layers, model.name)))
    return content.getvalue()


def check_that_it_comes_back(model: Any, described: dict[str, Any]) -> None:
    """Raise unless the net that a description gives has the same weights, in the same places.

    Raises
    ------
    HandsonError
        With the way out.
    """
    layers = layer_weights.as_in_keras(model)
    try:
        twin = net_of(described, model.count_params())
        again = {layer.group: layer.shapes() for layer in layer_weights.as_in_keras(twin)}
        for layer in layers:
            if again.get(layer.group) != layer.shapes():
                raise HandsonError(f"{layer.name} would have the weights {again.get(layer.group)}.")
        frozen = [[weight.requires_grad for weight in each.weights] for each in (model, twin)]
        if frozen[0] != frozen[1]:
            raise HandsonError("weights were frozen one by one, and Keras freezes layers: set layer.trainable = False.")
    except Exception as error:  # whatever a class raises for arguments that it described itself
        raise HandsonError(
            f"this net cannot be saved in Keras's format, because its file would not give it back: "
            f"{shortened(error, 400)} Save it as '.handson', or its weights with save_weights()."
        ) from error


# Read.


def read(path: Path, custom_objects: dict[str, Any] | None = None, compiled: bool = True) -> Any:
    """The net in a file.

    Raises
    ------
    HandsonError
        When it is not such a file, is damaged, holds code, or names what is not registered.
    """
    members = _members(path)
    with registry.scoped(custom_objects or {}):
        described = parsed(members[CONFIG], path)
        model = rebuilt(described, len(members[WEIGHTS]), path)
        _give_vocabularies(members, model, path)
        stored = _stored(members, path)
        fill(model, layer_weights.as_in_keras(model), stored.weights(), path, "group")
        if compiled and described.get("compile_config"):
            compile_and_restore(model, described["compile_config"], stored.optimizer(), path)
    return model


def weights(path: Path) -> list[LayerWeights]:
    """The weights in a file, by layer."""
    return _stored(_members(path), path).weights()


def _members(path: Path) -> dict[str, bytes]:
    """What is in the archive at a path, if it has the members of a file of Keras, of sizes that they can have."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check(archive, path)
            return {name: archive.read(name) for name in archive.namelist()}
    except FileNotFoundError:
        raise
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, RuntimeError) as error:
        raise HandsonError(f"{path} is not a file of Keras, or is damaged: {shortened(error, 200)}.") from None


def _check(archive: zipfile.ZipFile, path: Path) -> None:
    members, size = archive.infolist(), path.stat().st_size
    names = [member.filename for member in members]
    if len(names) > MOST_MEMBERS:
        raise HandsonError(f"{path} has {len(names):,} members; {MOST_MEMBERS:,} are read.")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise HandsonError(f"{path} is damaged: it has {shortened(twice, 60)!r} twice.")
    strange = next((name for name in names if not _is_known(name)), None)
    if strange is not None:
        known = listing([CONFIG, METADATA, WEIGHTS])
        raise HandsonError(f"{path} holds {shortened(strange, 60)!r}; a file of Keras holds {known} and vocabularies.")
    if sum(member.file_size for member in members) > SPARE_BYTES + EXPANSION * size:
        raise HandsonError(f"{path} is damaged: its members declare more than a file of {size:,} bytes can hold.")
    for needed in (CONFIG, WEIGHTS):
        if needed not in names:
            other = " Weights in NumPy's format are not read." if needed == WEIGHTS else ""
            raise HandsonError(f"{path} is not a file of Keras: it has no {needed}.{other}")


def _is_known(name: str) -> bool:
    folder = re.fullmatch(r"assets/([\w-]+/)*", name) is not None
    return name in (CONFIG, METADATA, WEIGHTS) or folder or VOCABULARY.fullmatch(name) is not None


def parsed(text: str | bytes, path: Path | str) -> dict[str, Any]:
    """A description as JSON."""
    if len(text) > MOST_CONFIG:
        raise HandsonError(f"{path}: its description has {len(text):,} bytes; {MOST_CONFIG:,} are read.")
    try:
        value = strict_json.loads(text)
    except HandsonError as error:
        raise HandsonError(f"{path}: its description of the net is damaged: {error}") from None
    if not isinstance(value, dict):
        raise HandsonError(f"{path}: its description of the net is damaged: it is no object of JSON.")
    return value


def _stored(members: dict[str, bytes], path: Path) -> keras_hdf5.Stored:
    content = members[WEIGHTS]
    return keras_hdf5.read_stream({"input": content}, len(content), f"{path}/{WEIGHTS}")


def rebuilt(described: dict[str, Any], values: int, path: Path | str) -> Any:
    """The net that the description in a file gives, with at most so many values, since the file holds no more."""
    try:
        return net_of(described, values)
    except Exception as error:  # whatever a class raises for arguments that it did not write itself
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else shortened(error)
        raise HandsonError(f"{path}: its description of the net is damaged or cannot be read here: {reason}") from error


def net_of(described: dict[str, Any], values: int) -> Any:
    """The net that a description gives, its weights zero, and at most so many of them."""
    with blank_weights(values), sharing():
        model = revived(described, "model")
        if getattr(model, "kind", None) != "model":
            raise HandsonError(f"it describes no net, but {shortened(described.get('class_name'), 60)}.")
        built = described.get("build_config")
        shape = built.get("input_shape", built.get("shapes_dict")) if isinstance(built, dict) else None
        if model.built_shape is None and shape is not None:
            model.build_from_config({"input_shape": shape})
        elif model.built_shape is not None:
            model.ready_for(model.built_shape)
    return model


def fill(model: Any, layers: list[LayerWeights], stored: list[LayerWeights], path: Path | str, key: str) -> None:
    """Put the weights of a file into a net that was made for them."""
    model.place()
    if layers or stored:
        layer_weights.put_back(layers, stored, str(path), key, False)


def compile_and_restore(model: Any, config: dict[str, Any], optimizer: list[Any], path: Path | str) -> None:
    """Compile a net as its file says, and let its optimizer go on; what does not fit of that is said."""
    try:
        with sharing():
            model.compile_from_config(dict(config))
    except Exception as error:  # whatever a class raises for arguments that it did not write itself
        raise HandsonError(
            f"{path}: its description of the training cannot be read here: {shortened(error)} To have the net without "
            f"it: load_model(..., compile=False)."
        ) from error
    reason = keras_slots.restore(model, optimizer) if optimizer else None
    if reason is not None:
        console.say(f"{path}: the optimizer starts anew: {reason}.")


def _give_vocabularies(members: dict[str, bytes], model: Any, path: Path) -> None:
    """Give layers that look up tokens the vocabularies that lie beside the description."""
    found = [(match["place"], name) for name in members if (match := VOCABULARY.fullmatch(name))]
    layers = parts_by_place(model) if found else {}
    for place, name in found:
        layer: Any = layers.get(place.removesuffix("/_lookup_layer"))
        if not hasattr(layer, "set_vocabulary"):
            raise HandsonError(f"{path}: no layer of the net is at {shortened(place, 60)!r}, where a vocabulary lies.")
        try:
            tokens = members[name].decode("utf-8").rstrip("\n").split("\n")
            layer.set_vocabulary([int(token) for token in tokens] if isinstance(layer, IntegerLookup) else tokens)
        except ValueError as error:
            raise HandsonError(f"{path}: the vocabulary {name} is damaged: {shortened(error, 200)}.") from None

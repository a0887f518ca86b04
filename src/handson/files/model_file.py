"""The model file: one safetensors file whose header also holds, as JSON, what the net is made of.

No code is in it and none is run: names resolve in the closed registry, and tensors are read only after the net they
belong to has been built and every shape compared. A checksum over description and tensors notices damage.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from handson.core import registry
from handson.core.errors import HandsonError, NotBuiltError, shortened
from handson.files import tensor_file
from handson.files.description import SCHEMA, SCHEMAS, Description, describe, parse, rebuild
from handson.layers.base import SETTINGS
from handson.state.state import TrainingState, named_weights

FORMAT = "handson-model"
# Nets of a thousand layers have fewer, the slots of their optimizers included.
MOST_TENSORS = 25_000
Shapes = Mapping[str, tuple[int, ...]]


def pieces(model: Any) -> list[bytes | memoryview]:
    """The content of the file of a net, its weights, scalings and optimizer, in pieces that copy no tensor."""
    if not model.built:
        raise NotBuiltError("the net is not built yet, so it has no weights to save.")
    if model.compiled:
        model.optimizer.keep_slots_of(dict(model.named_parameters()))
    state = TrainingState.of(model, model.optimizer) if model.compiled else None
    tensors = state.tensors if state else {f"weights/{name}": value for name, value in named_weights(model).items()}
    flat = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with registry.closed():
        text = describe(model, state)
    _check_that_it_comes_back(model, text, flat)
    said = {"format": FORMAT, "schema": str(SCHEMA), "model": text, "crc32": tensor_file.checksum(flat, text)}
    return tensor_file.pieces(flat, said)


def _check_that_it_comes_back(model: Any, text: str, tensors: Mapping[str, Tensor]) -> None:
    """Raise unless the net that `read` would build holds these tensors: what is refused then is lost.

    Raises
    ------
    HandsonError
        With the way out: `save_weights`.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    try:
        description = parse(text)
        with torch.random.fork_rng(devices=[]):  # modules of torch in it draw weights
            twin = rebuild(description, sum(map(math.prod, shapes.values())))
        _check_weights(twin, shapes)
        _check_slots(twin, description, shapes)
        _check_types(twin, tensors)
        _check_sharing(model, twin)
        _check_settings(model, twin)
    except Exception as error:  # whatever a class raises for arguments that it described itself
        raise HandsonError(
            f"this net cannot be saved, because its file would not give it back: {shortened(error, 300)} Its weights "
            f"can be saved with save_weights()."
        ) from error


def _check_sharing(model: Any, twin: Any) -> None:
    """Raise if a weight that is in the net under two names would be two of them."""
    ours, theirs = _first_names(model), _first_names(twin)
    for name, other in ours.items():
        if theirs.get(name, name) != other:
            raise HandsonError(f"{name} and {other} are one weight, and would become two.")


def _first_names(model: Any) -> dict[str, str]:
    """For each name of a weight the first name that it has."""
    first: dict[int, str] = {}
    return {name: first.setdefault(id(weight), name) for name, weight in named_weights(model).items()}


def _check_settings(model: Any, twin: Any) -> None:
    """Raise if a layer was given a setting after it was made that does not come from its arguments."""
    twins = dict(twin.named_modules())
    for path, layer in model.named_modules():
        taken = {"name", "trainable", *(("seed",) if hasattr(layer, "seed_given") else ())}
        for name in getattr(layer, "_arguments", {}).keys() - taken:
            now, then = vars(layer).get(name), vars(twins.get(path, layer)).get(name)
            if isinstance(now, SETTINGS) and isinstance(then, SETTINGS) and now != then:
                raise HandsonError(f"{path}.{name} is {_said(now)}, and would come back as {_said(then)}.")


def _said(setting: Any) -> str:
    return repr(getattr(setting, "__name__", setting))


def read(path: Path) -> Any:
    """The net in a model file.

    It is built from its description before any tensor is read, with zeros in place of random numbers and no more values
    than the file holds.

    Raises
    ------
    HandsonError
        When the file is not a model file, is damaged, or does not hold the tensors that its net needs.
    """
    try:
        with tensor_file.opened(path) as file:
            if len(file.keys()) > MOST_TENSORS:
                raise HandsonError(f"{path} has {len(file.keys()):,} tensors; {MOST_TENSORS:,} are read.")
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            said = file.metadata() or {}
            model, description = _rebuild(said, shapes, path)
            with _naming(path):
                _check_weights(model, shapes)
                _check_slots(model, description, shapes)
            tensors = {name: file.get_tensor(name) for name in shapes}
            with _naming(path):
                _check_types(model, tensors)
            tensor_file.check(tensors, said["model"], said.get("crc32"), path)
    except SafetensorError as error:
        raise HandsonError(f"{path} is not a model file of handson, or is damaged: {error}") from None
    model.place()
    state = TrainingState(tensors, description.state.model_dump() if description.state else {})
    state.restore(model, model.optimizer if description.compiled else None)
    return model


def _rebuild(metadata: dict[str, str], shapes: Shapes, path: Path) -> tuple[Any, Description]:
    if metadata.get("format") != FORMAT:
        raise HandsonError(f"{path} is not a model file of handson: it holds tensors and no description of a net.")
    if metadata.get("schema") not in [str(schema) for schema in SCHEMAS]:
        raise HandsonError(
            f"{path} has schema {metadata.get('schema')!r}; this version of handson reads {SCHEMAS[0]} to {SCHEMA}. "
            f"Update handson."
        )
    try:
        description = parse(metadata.get("model", ""))
        return rebuild(description, sum(math.prod(shape) for shape in shapes.values())), description
    except Exception as error:  # whatever a class raises for arguments that it did not write itself
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else shortened(error)
        raise HandsonError(f"{path}: its description of the net is damaged: {reason}") from error


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let an error say which file it is about."""
    try:
        yield
    except HandsonError as error:
        raise HandsonError(f"{path}: {error}") from None


def _check_weights(model: Any, shapes: Shapes) -> None:
    weights = {f"weights/{name}": tuple(value.shape) for name, value in named_weights(model).items()}
    missing = sorted(weights.keys() - shapes.keys())
    unknown = sorted(name for name in shapes.keys() - weights.keys() if not name.startswith("optimizer/"))
    if missing or unknown:
        raise HandsonError(f"tensors missing: {_names(missing)}; not known: {_names(unknown)}.")
    for name, needed in weights.items():
        _check_shape(name, shapes[name], needed)


def _check_slots(model: Any, description: Description, shapes: Shapes) -> None:
    """Raise unless what the optimizer remembers fits its weights: all of its slots of a weight, or none of them.

    Weights that were frozen, or are new, have none: their slots start with the next step that changes them.
    """
    optimizer = model.optimizer if description.compiled else None
    slots = [] if optimizer is None else optimizer.slot_names()
    known = {
        name: {f"optimizer/{slot}/{name}": optimizer.held_shape(slot, name, weight) for slot in slots}  # type: ignore[union-attr]
        for name, weight in model.named_parameters()
    }
    needed = {path: shape for of_weight in known.values() for path, shape in of_weight.items()}
    for path in sorted(path for path in shapes if path.startswith("optimizer/")):
        if path not in needed:
            raise HandsonError(f"nothing needs the tensor {shortened(path)}.")
        _check_shape(path, shapes[path], needed[path])
    for of_weight in known.values():
        missing = sorted(of_weight.keys() - shapes.keys())
        if 0 < len(missing) < len(slots):
            raise HandsonError(f"tensors missing: {_names(missing)}.")


def _check_types(model: Any, tensors: Mapping[str, Tensor]) -> None:
    needed = {name: value.dtype for name, value in named_weights(model).items()}
    for place, tensor in tensors.items():
        name = place.removeprefix("weights/") if place.startswith("weights/") else place.split("/", 2)[2]
        if tensor.dtype != needed[name]:
            raise HandsonError(f"{place} is of type {tensor.dtype}; the net needs {needed[name]}.")


def _names(names: list[str]) -> str:
    return shortened(names or "none")


def _check_shape(name: str, shape: tuple[int, ...], needed: tuple[int, ...]) -> None:
    if shape != needed:
        raise HandsonError(f"{name} has shape {shape}; the net it describes needs {needed}.")

"""The model file: one safetensors file whose header also holds, as JSON, what the net is made of.

No code is in it and none is run: names resolve in the closed registry, and tensors are read only after the net they
belong to has been built and every shape compared. A checksum over description and tensors notices damage.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from handson.core.errors import HandsonError, NotBuiltError, shortened
from handson.files import tensor_file
from handson.files.description import SCHEMA, Description, describe, parse, rebuild
from handson.state.state import TrainingState, named_weights, trainable_weights

FORMAT = "handson-model"
# Nets of a thousand layers have fewer, the slots of their optimizers included.
MOST_TENSORS = 25_000
Shapes = Mapping[str, tuple[int, ...]]


def pieces(model: Any) -> list[bytes | memoryview]:
    """The content of the file of a net, its weights, scalings and optimizer, in pieces that copy no tensor."""
    if not model.built:
        raise NotBuiltError("the net is not built yet, so it has no weights to save.")
    state = TrainingState.of(model, model.optimizer) if model.compiled else None
    tensors = state.tensors if state else {f"weights/{name}": value for name, value in named_weights(model).items()}
    flat = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = describe(model, state)
    said = {"format": FORMAT, "schema": str(SCHEMA), "model": text, "crc32": tensor_file.checksum(flat, text)}
    return tensor_file.pieces(flat, said)


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
        with safe_open(path, framework="pt") as file:
            if len(file.keys()) > MOST_TENSORS:
                raise HandsonError(f"{path} has {len(file.keys()):,} tensors; {MOST_TENSORS:,} are read.")
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            said = file.metadata() or {}
            model, description = _rebuild(said, shapes, path)
            _check_weights(model, shapes, path)
            _check_slots(model, description, shapes, path)
            tensors = {name: file.get_tensor(name) for name in shapes}
            _check_types(model, tensors, path)
            tensor_file.check(tensors, said["model"], said.get("crc32"), path)
    except SafetensorError as error:
        raise HandsonError(f"{path} is not a model file of handson, or is damaged: {error}") from None
    state = TrainingState(tensors, description.state.model_dump() if description.state else {})
    state.restore(model, model.optimizer if description.compiled else None)
    model.mark_touched()
    return model


def _rebuild(metadata: dict[str, str], shapes: Shapes, path: Path) -> tuple[Any, Description]:
    if metadata.get("format") != FORMAT:
        raise HandsonError(f"{path} is not a model file of handson: it holds tensors and no description of a net.")
    if metadata.get("schema") != str(SCHEMA):
        raise HandsonError(
            f"{path} has schema {metadata.get('schema')!r}; this version of handson reads {SCHEMA}. Update handson."
        )
    try:
        description = parse(metadata.get("model", ""))
        return rebuild(description, sum(math.prod(shape) for shape in shapes.values())), description
    except Exception as error:  # whatever a class raises for arguments that it did not write itself
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else shortened(error)
        raise HandsonError(f"{path}: its description of the net is damaged: {reason}") from error


def _check_weights(model: Any, shapes: Shapes, path: Path) -> None:
    weights = {f"weights/{name}": tuple(value.shape) for name, value in named_weights(model).items()}
    missing = sorted(weights.keys() - shapes.keys())
    unknown = sorted(name for name in shapes.keys() - weights.keys() if not name.startswith("optimizer/"))
    if missing or unknown:
        raise HandsonError(f"{path}: tensors missing: {_names(missing)}; not known: {_names(unknown)}.")
    for name, needed in weights.items():
        _check_shape(name, shapes[name], needed, path)


def _check_slots(model: Any, description: Description, shapes: Shapes, path: Path) -> None:
    """Raise unless what the optimizer remembers fits its weights, or there is nothing of it before the first step."""
    stored = {name for name in shapes if name.startswith("optimizer/")}
    weights, optimizer = dict(model.named_parameters()), model.optimizer if description.compiled else None
    slots = [] if optimizer is None else [*optimizer.slot_values(), *(["average"] if optimizer.use_ema else [])]
    known = {f"optimizer/{slot}/{name}": tuple(value.shape) for slot in slots for name, value in weights.items()}
    needed = {f"optimizer/{slot}/{name}" for slot in slots for name in trainable_weights(model)}
    for name in sorted(stored):
        if name not in known:
            raise HandsonError(f"{path}: nothing needs the tensor {shortened(name)}.")
        _check_shape(name, shapes[name], known[name], path)
    stepped = description.state is not None and description.state.optimizer.iterations > 0
    if (stepped or stored) and needed - stored:
        raise HandsonError(f"{path}: tensors missing: {_names(sorted(needed - stored))}.")


def _check_types(model: Any, tensors: Mapping[str, Tensor], path: Path) -> None:
    needed = {name: value.dtype for name, value in named_weights(model).items()}
    for place, tensor in tensors.items():
        name = place.removeprefix("weights/") if place.startswith("weights/") else place.split("/", 2)[2]
        if tensor.dtype != needed[name]:
            raise HandsonError(f"{path}: {place} is of type {tensor.dtype}; the net needs {needed[name]}.")


def _names(names: list[str]) -> str:
    return shortened(names or "none")


def _check_shape(name: str, shape: tuple[int, ...], needed: tuple[int, ...], path: Path) -> None:
    if shape != needed:
        raise HandsonError(f"{path}: {name} has shape {shape}; the net it describes needs {needed}.")

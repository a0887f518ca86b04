"""The model file: one safetensors file whose header also holds, as JSON, what the net is made of.

No code is in it and none is run: names resolve in the closed registry, and tensors are read only after the net they
belong to has been built and every shape compared.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

import handson
from handson import registry
from handson.data.scaling import Scaling
from handson.described import jsonable
from handson.errors import HandsonError, NotBuiltError
from handson.training.state import TrainingState

FORMAT, SCHEMA = "handson-model", 1


def write(path: Path, model: Any) -> None:
    """Write a net with its weights, scalings and optimizer."""
    if not model.built:
        raise NotBuiltError("the net is not built yet, so it has no weights to save.")
    state = TrainingState.of(model, model.optimizer) if model.compiled else None
    tensors = state.tensors if state else {f"weights/{name}": value for name, value in _weights(model).items()}
    flat = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    description = json.dumps(describe(model, state), allow_nan=False)
    save_file(flat, path, metadata={"format": FORMAT, "schema": str(SCHEMA), "model": description})


def _weights(model: Any) -> dict[str, Tensor]:
    from handson.training.state import named_weights

    return named_weights(model)


def describe(model: Any, state: TrainingState | None) -> dict[str, Any]:
    """What a model file says of a net, as JSON."""
    return {
        "schema": SCHEMA,
        "handson": handson.__version__,
        "net": registry.to_config("model", model),
        "input_shape": list(model.input_shape),
        "seed": model.seed,
        "age": model.age,
        "target_names": model.target_names,
        "scaling": {
            "inputs": model.input_scaling and model.input_scaling.get_config(),
            "targets": model.target_scaling and model.target_scaling.get_config(),
        },
        "compiled": describe_compiled(model),
        "state": state.values if state else None,
    }


def describe_compiled(model: Any) -> dict[str, Any] | None:
    """The arguments of `compile`, as JSON."""
    if not model.compiled:
        return None
    return {
        "optimizer": registry.to_config("optimizer", model.optimizer),
        "loss": _to_config("loss", model.loss),
        "metrics": [
            entry if isinstance(entry, str) else _to_config("metric", metric)
            for entry, metric in zip(model.metric_identifiers, model.metrics, strict=True)
        ],
        "scale_inputs": _method(model.scale_inputs),
        "scale_targets": _method(model.scale_targets),
    }


def _to_config(kind: str, noun: Any) -> Any:
    function = getattr(noun, "function", None)
    return registry.name_of(kind, function) if function else registry.to_config(kind, noun)


def _method(method: Any) -> Any:
    return method.get_config() if isinstance(method, Scaling) else jsonable(method, where="scaling")


def read(path: Path) -> Any:
    """The net in a model file.

    Raises
    ------
    HandsonError
        When the file is not a model file, is damaged, or does not hold the tensors that its net needs.
    """
    try:
        with safe_open(path, framework="pt") as file:
            model, description = _rebuild(file.metadata() or {}, path)
            _fill(model, description, file, path)
    except SafetensorError as error:
        raise HandsonError(f"{path} is not a model file of handson, or is damaged: {error}") from None
    return model


def _rebuild(metadata: dict[str, str], path: Path) -> tuple[Any, dict[str, Any]]:
    if metadata.get("format") != FORMAT:
        raise HandsonError(f"{path} is not a model file of handson: it holds tensors and no description of a net.")
    if metadata.get("schema") != str(SCHEMA):
        raise HandsonError(
            f"{path} has schema {metadata.get('schema')!r}; this version of handson reads {SCHEMA}. Update handson."
        )
    try:
        description = json.loads(metadata["model"])
        model = registry.from_config("model", description["net"])
        model.seed, model.age, model.target_names = description["seed"], description["age"], description["target_names"]
        model.build(description["input_shape"])
        for which, config in description["scaling"].items():
            setattr(model, f"{which[:-1]}_scaling", Scaling(**config) if config else None)
    except (KeyError, TypeError, json.JSONDecodeError, RecursionError) as error:
        raise HandsonError(f"{path}: its description of the net is damaged: {error}") from error
    return model, description


def _fill(model: Any, description: dict[str, Any], file: Any, path: Path) -> None:
    weights = {f"weights/{name}": value for name, value in _weights(model).items()}
    stored = set(file.keys())
    missing = weights.keys() - stored
    unknown = {name for name in stored - weights.keys() if not name.startswith("optimizer/")}
    if missing or unknown:
        raise HandsonError(
            f"{path}: tensors missing: {sorted(missing) or 'none'}; not known: {sorted(unknown) or 'none'}."
        )
    for name, weight in weights.items():
        shape = tuple(file.get_slice(name).get_shape())
        if shape != tuple(weight.shape):
            raise HandsonError(f"{path}: {name} has shape {shape}; the net it describes needs {tuple(weight.shape)}.")
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(file.get_tensor(name))
    compiled = description["compiled"]
    if compiled:
        scalings = model.input_scaling, model.target_scaling
        model.compile(**compiled)
        model.input_scaling, model.target_scaling = scalings
        slots = {name: file.get_tensor(name) for name in sorted(stored) if name.startswith("optimizer/")}
        TrainingState(slots, description["state"]).restore(model, model.optimizer)
    model.mark_touched()

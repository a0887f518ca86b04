"""What a model file says of its net, as JSON: enough to build it again, and nothing that runs."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError

from handson.core import registry
from handson.core.described import jsonable
from handson.core.errors import HandsonError, shortened
from handson.core.version import __version__
from handson.data.rows.scaling import Scaling
from handson.files import strict_json
from handson.layers.blank import blank_weights
from handson.state.state import TrainingState

SCHEMA = 1
# Nets of thousands of layers are described in less.
MOST_CHARACTERS = 1 << 20


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Scalings(_Part):
    inputs: dict[str, Any] | None
    targets: dict[str, Any] | None


class _Compiled(_Part):
    optimizer: dict[str, Any]
    loss: Any
    metrics: list[Any]
    scale_inputs: Any
    scale_targets: Any
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"


class _OptimizerState(_Part):
    iterations: NonNegativeInt
    learning_rate: float | None


class _State(_Part):
    optimizer: _OptimizerState


class Description(_Part):
    """The description of a net in a model file.

    Attributes
    ----------
    net : dict
        The class of the net and its configuration.
    input_shape : list of int or None
        What it was built for.
    seed : int or None
        What its random numbers come from.
    age : int
        How often it was fitted.
    input_names, target_names : list of str or None
        The columns that it was fitted on, and those that it predicts.
    scaling, compiled, state : dict
        The scalings as measured, the arguments of `compile`, and where the optimizer stands.
    frozen : list of str, optional
        The weights that do not train, whatever froze them: the layer or its parameter.
    """

    schema_: int = Field(alias="schema")
    handson: str
    net: dict[str, Any]
    input_shape: list[PositiveInt | None] = Field(min_length=2)
    seed: NonNegativeInt | None
    age: NonNegativeInt
    input_names: list[str] | None = None
    target_names: list[str] | None
    scaling: _Scalings
    compiled: _Compiled | None
    state: _State | None
    frozen: list[str] | None = None


def describe(model: Any, state: TrainingState | None) -> str:
    """The description of a net as JSON text."""
    description = {
        "schema": SCHEMA,
        "handson": __version__,
        "net": registry.to_config("model", model),
        "input_shape": list(model.input_shape),
        "seed": model.seed,
        "age": model.age,
        "input_names": model.input_names,
        "target_names": model.target_names,
        "scaling": {
            "inputs": model.input_scaling and model.input_scaling.get_config(),
            "targets": model.target_scaling and model.target_scaling.get_config(),
        },
        "compiled": describe_compiled(model),
        "state": state.values if state else None,
        "frozen": [name for name, weight in model.named_parameters() if not weight.requires_grad],
    }
    return json.dumps(description, allow_nan=False)


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
        "precision": model.precision,
    }


def _to_config(kind: str, noun: Any) -> Any:
    function = getattr(noun, "function", None)
    return registry.name_of(kind, function) if function else registry.to_config(kind, noun)


def _method(method: Any) -> Any:
    return method.get_config() if isinstance(method, Scaling) else jsonable(method, where="scaling")


def parse(text: str) -> Description:
    """The description in a JSON text, every value of the type that it must have."""
    if len(text) > MOST_CHARACTERS:
        raise HandsonError(f"it has {len(text):,} characters; {MOST_CHARACTERS:,} are read.")
    value = strict_json.loads(text)
    if not isinstance(value, dict):
        raise HandsonError(f"it is an object of JSON; got {type(value).__name__}.")
    try:
        description = Description(**value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise HandsonError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}.") from None
    names = description.input_names
    if names is not None and (len(names) != description.input_shape[-1] or len(set(names)) < len(names)):
        raise HandsonError(f"input_names: expected {description.input_shape[-1]} different names; got {len(names)}.")
    if (description.compiled is None) != (description.state is None):
        raise HandsonError("compiled and state: a net has both or none of them.")
    return description


def rebuild(description: Description, values: int) -> Any:
    """The net that a description is of, with at most so many values in its weights, all zero."""
    with blank_weights(values):
        model = registry.from_config("model", description.net)
        model.seed, model.age, model.target_names = description.seed, description.age, description.target_names
        model.input_names = description.input_names
        model.build(description.input_shape)
    _freeze(model, description.frozen)
    if description.compiled is not None:
        model.compile(**description.compiled.model_dump())
    for which in ("input", "target"):
        config = getattr(description.scaling, f"{which}s")
        columns = (model.input_shape if which == "input" else model.output_shape)[-1]
        setattr(model, f"{which}_scaling", _scaling(config, columns, which) if config else None)
    return model


def _freeze(model: Any, frozen: list[str] | None) -> None:
    """Freeze the named weights and no others; older files leave it to the layers."""
    weights = dict(model.named_parameters())
    if frozen is None:
        return
    unknown = sorted(set(frozen) - weights.keys())
    if unknown:
        raise HandsonError(f"frozen: there is no weight {shortened(unknown[0])}.")
    for name in weights.keys() - set(frozen):
        weights[name].requires_grad_(True)
    for name in frozen:
        weights[name].requires_grad_(False)


def _scaling(config: dict[str, Any], columns: int | None, which: str) -> Scaling:
    """A scaling of so many columns."""
    scaling = Scaling(**config)
    for numbers in (scaling.shift, scaling.scale):
        if numbers.numel() not in (1, columns):
            raise HandsonError(f"the scaling of the {which}s has {numbers.numel()} numbers for {columns} columns.")
    return scaling

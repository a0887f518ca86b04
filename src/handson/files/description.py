"""What a model file says of its net, as JSON: enough to build it again, and nothing that runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError, field_validator

from handson.core import registry, tree
from handson.core.described import jsonable
from handson.core.errors import HandsonError, shortened
from handson.core.version import __version__
from handson.data.rows.scaling import Scaling
from handson.files import strict_json
from handson.layers.blank import blank_weights
from handson.layers.shapes import flat_shapes, is_shape, map_shapes
from handson.losses import FunctionLoss
from handson.metrics import FunctionMetric
from handson.state.state import TrainingState

# Files of these schemas are read; the last one is written.
SCHEMAS = (1, 2)
SCHEMA = SCHEMAS[-1]
# Nets of thousands of layers are described in less.
MOST_CHARACTERS = 1 << 20


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Scalings(_Part):
    inputs: list[dict[str, Any] | None] | None
    targets: list[dict[str, Any] | None] | None


class _Compiled(_Part):
    optimizer: dict[str, Any]
    loss: Any
    loss_weights: Any = None
    metrics: Any = None
    weighted_metrics: Any = None
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
    input_shape : list of int or None, or a list or dictionary of such lists
        What it was built for: the shape of each input.
    seed : int or None
        What its random numbers come from.
    age : int
        How often it was fitted.
    input_columns, target_names : list of str or None
        The columns that it was fitted on, and those that it predicts; of several inputs or outputs a list for each.
    scaling, compiled, state : dict
        The scalings as measured, the arguments of `compile`, and where the optimizer stands.
    frozen : list of str, optional
        The weights that do not train, whatever froze them: the layer or its parameter.
    """

    schema_: int = Field(alias="schema")
    handson: str
    net: dict[str, Any]
    input_shape: Any
    seed: NonNegativeInt | None
    age: NonNegativeInt
    input_columns: list[str] | list[list[str] | None] | None = None
    target_names: list[str] | list[list[str] | None] | None
    scaling: _Scalings
    compiled: _Compiled | None
    state: _State | None
    frozen: list[str] | None = None

    @field_validator("input_shape")
    @classmethod
    def _shapes(cls, value: Any) -> Any:
        return _checked_shapes(value)


def _checked_shapes(value: Any) -> Any:
    """A shape, or a tree of shapes, each of at least two sizes."""
    branches = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if branches and all(isinstance(branch, (list, dict)) for branch in branches):
        for branch in branches:
            _checked_shapes(branch)
    elif not isinstance(value, list) or len(value) < 2 or not all(_is_size(size) for size in value):
        raise ValueError("a shape is a list of at least two sizes, each a positive whole number or null")
    return value


def _is_size(size: Any) -> bool:
    return size is None or (type(size) is int and size > 0)


def describe(model: Any, state: TrainingState | None) -> str:
    """The description of a net as JSON text."""
    description = {
        "schema": SCHEMA,
        "handson": __version__,
        "net": registry.to_config("model", model),
        "input_shape": map_shapes(list, model.built_shape),
        "seed": model.seed,
        "age": model.age,
        "input_columns": model.input_columns,
        "target_names": model.target_names,
        "scaling": {
            "inputs": _configs(model.input_scalings),
            "targets": _configs(model.target_scalings),
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
    given = model.need_compiled("describing it")
    return {
        "optimizer": registry.to_config("optimizer", given.optimizer),
        "loss": map_nouns(lambda loss: _to_config("loss", loss), given.loss),
        "loss_weights": given.loss_weights,
        "metrics": map_nouns(_metric, given.metrics),
        "weighted_metrics": map_nouns(_metric, given.weighted_metrics),
        "scale_inputs": _method(given.scale_inputs),
        "scale_targets": _method(given.scale_targets),
        "precision": given.precision,
    }


def map_nouns(function: Callable[[Any], Any], given: Any) -> Any:
    """A list or dictionary of nouns, each described; a noun that is a dictionary is a description already."""
    if given is None:
        return None
    if isinstance(given, dict) and not registry.is_configuration(given):
        return {name: map_nouns(function, entry) for name, entry in given.items()}
    if isinstance(given, (list, tuple)):
        return [map_nouns(function, entry) for entry in given]
    return function(given)


def _metric(entry: Any) -> Any:
    return entry if isinstance(entry, (str, dict)) else _to_config("metric", entry)


def _to_config(kind: str, noun: Any) -> Any:
    if isinstance(noun, (FunctionLoss, FunctionMetric)):
        return registry.name_of(kind, noun.function)
    return registry.to_config(kind, noun)


def _configs(scalings: Any) -> list[dict[str, Any] | None] | None:
    return scalings and [scaling and scaling.get_config() for scaling in scalings]


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
        description = Description(**_as_last_schema(value))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise HandsonError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}.") from None
    _check_columns(description)
    if (description.compiled is None) != (description.state is None):
        raise HandsonError("compiled and state: a net has both or none of them.")
    return description


def _check_columns(description: Description) -> None:
    """Raise unless each input has as many columns as names, all different."""
    given, shape = description.input_columns, description.input_shape
    if given is None:
        return
    sizes = tree.leaves(map_shapes(lambda one: one[-1], shape))
    names: list[Any] = [given] if is_shape(shape) else given
    if len(names) != len(sizes) or any(isinstance(each, str) for each in names):
        raise HandsonError(f"input_columns: expected lists of names for {len(sizes)} inputs; got {len(names)}.")
    for columns, size in zip(names, sizes, strict=True):
        if columns is not None and (len(columns) != size or len(set(columns)) < len(columns)):
            raise HandsonError(f"input_columns: expected {size} different names; got {len(columns)}.")


def _as_last_schema(value: dict[str, Any]) -> dict[str, Any]:
    """A description in the words of the last schema: the first had one input and one output."""
    if value.get("schema") != 1:
        return value
    value = dict(value)
    if "input_names" in value:
        value["input_columns"] = value.pop("input_names")
    scaling = value.get("scaling")
    if isinstance(scaling, dict):
        value["scaling"] = {which: config and [config] for which, config in scaling.items()}
    if not is_shape(value.get("input_shape")):
        raise HandsonError("input_shape: a file of schema 1 has one input, and so one shape.")
    return value


def rebuild(description: Description, values: int) -> Any:
    """The net that a description is of, with at most so many values in its weights, all zero."""
    with blank_weights(values):
        model = registry.from_config("model", description.net)
        model.seed, model.age, model.target_names = description.seed, description.age, description.target_names
        model.input_columns = description.input_columns
        model.ready_for(map_shapes(tuple, description.input_shape))
    _freeze(model, description.frozen)
    if description.compiled is not None:
        model.compile(**description.compiled.model_dump())
    for which, shapes in (("input", model.built_shape), ("target", _target_shapes(model))):
        configs = getattr(description.scaling, f"{which}s")
        setattr(model, f"{which}_scalings", configs and _scalings(configs, shapes, which))
    return model


def _target_shapes(model: Any) -> list[Any]:
    """The shapes that scalings of the targets have: those of the outputs, or what distributions they describe."""
    shapes = flat_shapes(model.output_shape)
    terms = model.terms if model.compiled else [None] * len(shapes)
    return [
        term.loss.expected(shape) if term is not None and term.distribution is not None else shape
        for term, shape in zip(terms, shapes, strict=True)
    ]


def _scalings(configs: list[dict[str, Any] | None], shapes: Any, which: str) -> list[Scaling | None]:
    columns = tree.leaves(map_shapes(lambda shape: shape[-1], shapes))
    if len(configs) != len(columns):
        raise HandsonError(f"there are {len(configs)} scalings for {len(columns)} {which}s.")
    return [
        None if config is None else _scaling(config, size, which) for config, size in zip(configs, columns, strict=True)
    ]


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

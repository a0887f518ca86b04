"""Keras's descriptions of objects, and of nets: what Keras 3 writes into its files, as JSON."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.core import registry
from handson.core.described import parameters_of
from handson.core.errors import HandsonError, shortened
from handson.core.version import __version__
from handson.files.keras_names import AT_DEFAULT, MODULES, NEVER, NEVER_TRAINED, OF_APPLICATIONS, OWN, own_name
from handson.graph.conversion import type_name
from handson.layers.policies import DTypePolicy
from handson.layers.shapes import map_shapes

# The version of Keras whose files are written.
KERAS_VERSION = "3.15.1"
# Larger constants are weights, and belong into a layer.
MOST_CONSTANTS = 10_000


@contextmanager
def in_keras_form() -> Iterator[None]:
    """Within, configurations are written in Keras's form."""
    with registry.written_by(written):
        yield


def written(kind: str, target: Any) -> Any:
    """The description of an object in Keras's form.

    Examples
    --------
    >>> from handson.regularizers import L2
    >>> written("regularizer", L2(0.5))["config"]
    {'l2': 0.5}
    """
    if not hasattr(target, "get_config"):
        return _with_module(target) if _shadows(kind, target) else registry.name_of(kind, target)
    name = registry.name_of(kind, type(target))
    from handson.files import keras_graphs

    with in_keras_form():
        config = keras_graphs.describe(target, keras_graphs.Writing(written, plain)) if kind == "model" else None
        if config is None:
            config = _arguments(target, target.get_config())
    described = identity(kind, type(target), name, target) | {"config": plain(config)}
    shape = target.input_shape if kind == "model" else getattr(target, "built_shape", None)
    if shape is not None and name != "InputLayer":
        described["build_config"] = _built(shape)
    return described


def _shadows(kind: str, target: Any) -> bool:
    """Whether a metric that is not registered has the name of another: the name alone would mean that one."""
    name, known = getattr(target, "__name__", ""), any(each == kind for each, _ in registry.names_of(target))
    others = {*registry.names("metric"), *registry.names("loss"), "acc", "accuracy"}  # as `compile` reads names
    return kind == "metric" and not known and name in others


def _with_module(function: Any) -> dict[str, Any]:
    name = function.__name__
    return {"module": function.__module__, "class_name": "function", "config": name, "registered_name": name}


def identity(kind: str, target: Any, name: str, instance: Any = None) -> dict[str, Any]:
    """Where Keras finds the class of an object."""
    if not target.__module__.startswith("handson."):
        full = own_name(kind, target, name)
        return {"module": target.__module__, "class_name": target.__name__, "registered_name": full}
    if name in OF_APPLICATIONS:
        short = name.partition(">")[2]
        return {"module": OF_APPLICATIONS[name], "class_name": short, "registered_name": short}
    if name in OWN:
        return {"module": "handson", "class_name": name, "registered_name": f"handson>{name}"}
    if name == "Model" and getattr(instance, "graph", None) is not None:
        module, name = "keras.src.models.functional", "Functional"
        return {"module": module, "class_name": name, "registered_name": name}
    return {"module": MODULES[kind], "class_name": name, "registered_name": None}


def _built(shape: Any) -> dict[str, Any]:
    key = "shapes_dict" if isinstance(shape, dict) else "input_shape"
    return {key: map_shapes(list, shape)}


def _arguments(target: Any, config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of an object as Keras's class takes them."""
    if not type(target).__module__.startswith("handson."):
        return config
    kind: Any = type(target)
    defaults = {key: parameter.default for key, parameter in parameters_of(kind).items()}
    config = dict(config)
    if type(target).__name__ == "InputLayer":
        shape = [target.batch_size, *target.given_input_shape[1:]]
        return {"name": config["name"], "batch_shape": shape, "dtype": target.dtype}
    if target.kind == "layer":
        config["dtype"] = target.dtype_policy
    for key in list(config):
        said = key in NEVER and not (key == "input_dim" and defaults[key] is inspect.Parameter.empty)
        if said or (key in AT_DEFAULT and config[key] is defaults.get(key)):
            del config[key]
    if target.kind == "layer" and type(target).__name__ == "Lambda":
        config |= {key: _function(config[key]) for key in ("function", "output_shape", "mask") if config.get(key)}
    if type(target).__name__ in NEVER_TRAINED:
        config.pop("trainable", None)
    unsaid = () if target.kind == "layer" else ("dtype", "name")
    return {key: value for key, value in config.items() if value is not None or key not in unsaid}


def _function(name: Any) -> Any:
    """A function by its name in the registry, as the layer Lambda of Keras reads it."""
    if not isinstance(name, str):
        return name
    kind, _, short = name.rpartition(".")
    kinds = (kind,) if kind else ("function", "op", "activation")
    kind = next(one for one in kinds if registry.is_known(one, short))
    function = registry.find(kind, short)
    own = not function.__module__.startswith("handson.")
    full = own_name(kind, function, short) if own else short
    module = function.__module__ if own else MODULES[kind]
    return {"module": module, "class_name": "function", "config": short if own else full, "registered_name": full}


def plain(value: Any, where: str = "the net") -> Any:
    """A value as Keras writes it in JSON."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise HandsonError(f"{where} holds the number {value}, which JSON has not.")
        return value
    if isinstance(value, (list, tuple)):
        return [plain(entry, where) for entry in value]
    if isinstance(value, dict):
        return {str(key): plain(entry, str(key)) for key, entry in value.items()}
    if isinstance(value, np.generic):
        return plain(value.item(), where)
    if isinstance(value, torch.dtype):
        return type_name(value)
    return _special(value, where)


def _special(value: Any, where: str) -> Any:
    """Values that JSON has not, each as a dictionary that names its kind."""
    if isinstance(value, DTypePolicy):
        found = {"module": "keras", "class_name": "DTypePolicy", "config": value.get_config()}
        return found | {"registered_name": None}
    if value is ...:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(value, slice):
        sides = {name: plain(getattr(value, name), where) for name in ("start", "stop", "step")}
        return {"class_name": "__slice__", "config": sides}
    if isinstance(value, (Tensor, np.ndarray)) and math.prod(value.shape) <= MOST_CONSTANTS:
        name = "__tensor__" if isinstance(value, Tensor) else "__numpy__"
        return {"class_name": name, "config": {"value": value.tolist(), "dtype": type_name(value.dtype)}}
    kind = getattr(value, "kind", None)
    if kind in MODULES and hasattr(value, "get_config"):
        return written(kind, value)
    raise HandsonError(f"{where} is given {shortened(repr(value), 60)}, which a file cannot describe.")


def described_net(model: Any, compiled: bool = True) -> dict[str, Any]:
    """The description of a net, with the arguments of `compile`."""
    described: dict[str, Any] = written("model", model)
    if compiled and model.compiled:
        described["compile_config"] = plain(model.get_compile_config())
    return described


def described_compiled(model: Any) -> dict[str, Any]:
    """The arguments of `compile` in Keras's form.

    Raises
    ------
    HandsonError
        For an argument that Keras has not: its net would be another one.
    """
    from handson.files.description import describe_compiled

    given = model.need_compiled("describing it")
    check_alike(model)
    with in_keras_form():
        config = describe_compiled(model) or {}
    config = {key: config[key] for key in ("optimizer", "loss", "loss_weights", "metrics", "weighted_metrics")}
    settings = {"run_eagerly": given.run_eagerly, "steps_per_execution": 1, "jit_compile": False}
    described: dict[str, Any] = plain(config) | settings
    return described


def check_alike(model: Any) -> None:
    """Raise if the net does something that a net of Keras does not do."""
    own = f"Save it as '.handson', or leave that out; the weights alone: net.save_weights({model.name + '.h5'!r})."
    given = model.need_compiled("describing it") if model.compiled else None
    for name in ("scale_inputs", "scale_targets"):
        if getattr(model, name) is not None:
            raise HandsonError(f"the net {model.name!r} has {name}, which a file of Keras cannot say. {own}")
    if given is not None and given.precision != "float32":
        raise HandsonError(f"the net is compiled with precision={given.precision!r}, which Keras has not. {own}")
    if given is not None and given.optimizer.rate_multipliers:
        raise HandsonError(f"the optimizer of {model.name!r} has rate_multipliers, which Keras has not. {own}")


def metadata() -> dict[str, str]:
    """What a file says of what wrote it."""
    from datetime import datetime

    written_at = datetime.now().strftime("%Y-%m-%d@%H:%M:%S")
    return {"keras_version": KERAS_VERSION, "date_saved": written_at, "written_by": f"handson {__version__}"}

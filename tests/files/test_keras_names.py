"""Keras's names of modules, classes, operations and places of weights, taken from Keras itself."""

import importlib
import importlib.util
import inspect
import json
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from keras_files import Ours, alike, assert_same_outputs, theirs

import handson
from handson.core import registry
from handson.core.described import parameters_of
from handson.files import keras_places
from handson.files.keras_names import (
    CALLED_WITH,
    OF_APPLICATIONS,
    OP_CLASSES,
    OP_FILES,
    OWN,
    called_with,
    op_class,
    op_module,
    op_name,
)
from handson.files.keras_reading import revived
from handson.files.keras_writing import written

# Made without an argument that varies, so that nothing of them goes into a graph; or not in Keras as classes.
NO_CLASS = {
    "_as_given", "bartlett", "blackman", "empty", "eye", "hamming", "hanning", "hard_swish", "identity", "kaiser",
    "ones", "swish", "tri", "zeros",
}  # fmt: skip


def operations():
    return sorted({name for name in registry.names("op") if not name.startswith("activation")} - NO_CLASS)


def own_of(function):
    return [name for name in registry.names("op") if registry.find("op", name) is function]


def test_each_operation_has_a_class_in_keras_with_the_same_arguments(keras):
    for name in operations():
        function = registry.find("op", name)
        if not function.__module__.startswith("handson."):
            continue  # of another test
        kind = getattr(importlib.import_module(op_module(name)), op_class(name))
        made, called = (set(inspect.signature(each).parameters) for each in (kind.__init__, kind.call))
        ours = set(inspect.signature(function).parameters)
        assert set(called_with(name, function)) & called == called & ours, name
        # What it is not called with it is made with.
        assert ours - set(called_with(name, function)) - made <= {"optimize", "num_tokens"}, name
        assert op_name(op_class(name)) in own_of(function)


def test_the_lists_of_operations_name_operations():
    listed = {name for names in OP_FILES.values() for name in names.split()} | set(OP_CLASSES) | set(CALLED_WITH)
    assert listed <= set(registry.names("op"))


KINDS = {
    "layer": "layers", "loss": "losses", "metric": "metrics", "optimizer": "optimizers", "initializer": "initializers",
    "regularizer": "regularizers", "constraint": "constraints", "schedule": "optimizers.schedules",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_classes_are_in_keras_or_known_to_be_own(keras, kind):
    module = keras
    for part in KINDS[kind].split("."):
        module = getattr(module, part)
    own = [name for name in registry.known(kind) if registry.find(kind, name).__module__.startswith("handson.")]
    lacking = {name for name in own if not hasattr(module, name)} - set(OF_APPLICATIONS)
    assert lacking == {name for name in own if name in OWN}


NOUNS = {
    "optimizer": {"Adam": {"learning_rate": 0.5, "amsgrad": True}, "SGD": {"momentum": 0.5, "nesterov": True},
                  "Muon": {}, "Ftrl": {}, "Lamb": {}, "Adafactor": {}},
    "schedule": {"ExponentialDecay": {"initial_learning_rate": 0.1, "decay_steps": 3, "decay_rate": 0.5},
                 "PiecewiseConstantDecay": {"boundaries": [1], "values": [0.1, 0.2]},
                 "CosineDecay": {"initial_learning_rate": 0.1, "decay_steps": 3, "warmup_steps": 2}},
    "initializer": {"HeNormal": {"seed": 3}, "Constant": {"value": 2.0}, "Orthogonal": {"gain": 0.5},
                    "VarianceScaling": {"scale": 2.0, "mode": "fan_out"}},
    "regularizer": {"L1L2": {"l1": 0.1, "l2": 0.2}, "OrthogonalRegularizer": {"factor": 0.1}},
    "constraint": {"MaxNorm": {"max_value": 3}, "UnitNorm": {"axis": 1}},
    "loss": {"BinaryCrossentropy": {"from_logits": True, "label_smoothing": 0.1}, "MeanSquaredError": {},
             "BinaryFocalCrossentropy": {"gamma": 3.0}, "Tversky": {"alpha": 0.3}},
    "metric": {"AUC": {"num_thresholds": 50}, "TopKCategoricalAccuracy": {"k": 3}, "MeanIoU": {"num_classes": 3},
               "F1Score": {"average": "macro"}},
}  # fmt: skip


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in NOUNS.items() for name in names])
def test_nouns_go_both_ways(keras, kind, name):
    module = keras
    for part in KINDS[kind].split("."):
        module = getattr(module, part)
    arguments = NOUNS[kind][name]
    ours, keras_noun = registry.find(kind, name)(**arguments), getattr(module, name)(**arguments)
    in_keras = keras.saving.deserialize_keras_object(json.loads(json.dumps(written(kind, ours))))
    here = revived(json.loads(json.dumps(keras.saving.serialize_keras_object(keras_noun))))
    for key, value in arguments.items():
        assert in_keras.get_config()[key] == pytest.approx(value), key
        assert here.get_config()[key] == pytest.approx(value), key


# Layers: those of the harness.


def harness():
    place = Path(__file__).resolve().parents[1] / "layers" / "test_harness.py"
    spec = importlib.util.spec_from_file_location("harness_of_layers", place)
    module = sys.modules["harness_of_layers"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    skipped = ("InputLayer",)
    return [case for case in module.CASES if case.peer is not None and case.name not in skipped]


def net_of(of, case):
    dtype = "float32" if case.ids is None else "int32"
    several = bool(case.shape) and not isinstance(case.shape[0], int)
    inputs = [of.Input(shape, dtype=dtype) for shape in (case.shape if several else [case.shape])]
    inside = {name: make(of.layers) for name, make in case.inside.items()}
    name = case.peer or case.name
    layer = getattr(of.layers, name)(**(case.arguments | inside if case.peer == "" else {}))
    attends = name in ("MultiHeadAttention", "GroupQueryAttention")
    outputs = layer(*inputs) if attends or not several else layer(inputs)
    return of.Model(inputs, outputs[0] if isinstance(outputs, (list, tuple)) else outputs, name="net")


@pytest.mark.parametrize("case", harness(), ids=str)
def test_every_layer_goes_both_ways(keras, case, tmp_path):
    ours, keras_net = net_of(Ours, case), net_of(theirs(keras), case)
    x = case.inputs()
    x = [leaf.numpy() for leaf in x] if isinstance(x, (list, tuple)) else x.numpy()
    again = revived(json.loads(json.dumps(keras.saving.serialize_keras_object(keras_net))))
    in_keras = keras.saving.deserialize_keras_object(json.loads(json.dumps(written("model", ours))))
    alike(ours, keras_net)
    for each in (again, in_keras):
        each.set_weights(ours.get_weights())
    if not case.random or ours.weights:  # what is random in Keras is so in predictions too
        for each in (again, in_keras):
            assert_same_outputs(each, keras_net, x)
    keras_net.save_weights(tmp_path / "net.weights.h5")
    with h5py.File(tmp_path / "net.weights.h5") as file:
        found = {}
        file.visititems(lambda name, one: found.update({name: one[()]}) if isinstance(one, h5py.Dataset) else None)
    held = {
        f"{group}/{place}": weight.detach().numpy()
        for _, group, weights in keras_places.layers(ours)
        for _, weight, place in weights
    }
    assert held.keys() == found.keys()
    assert all(np.array_equal(held[place], found[place]) for place in held)


def test_no_argument_of_a_layer_is_lost(keras):
    """What a description leaves out is at its default."""
    from handson.files.keras_names import NEVER

    for case in harness():
        layer = case.built()
        said = written("layer", layer)["config"]
        defaults = {key: parameter.default for key, parameter in parameters_of(type(layer)).items()}
        for key, value in layer.get_config().items():
            if key not in said and key not in NEVER | {"trainable"}:
                assert value is defaults[key] or isinstance(value, torch.dtype), (case, key)
    assert written("layer", handson.layers.LeakyReLU(alpha=0.3))["config"]["negative_slope"] == 0.3

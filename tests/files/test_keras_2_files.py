"""Whole models as Keras 2 wrote them, which no installed Keras writes any more: made by hand after its files."""

import json

import numpy as np
import pytest
import torch

import handson
from handson import HandsonError

h5py = pytest.importorskip("h5py")
KERNELS = [np.arange(6, dtype="f4").reshape(3, 2), np.ones((2, 2), "f4"), np.full((4, 1), 0.5, "f4")]


def dense(name, units, nodes=None, **more):
    config = {
        "name": name, "trainable": True, "dtype": "float32", "units": units, "activation": "linear", "use_bias": False,
        "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}},
        "bias_initializer": {"class_name": "Zeros", "config": {}}, "kernel_regularizer": None, **more,
    }  # fmt: skip
    described = {"class_name": "Dense", "config": config}
    return described if nodes is None else described | {"name": name, "inbound_nodes": nodes}


def entry(name, size):
    config = {"batch_input_shape": [None, size], "dtype": "float32", "sparse": False, "ragged": False, "name": name}
    return {"class_name": "InputLayer", "config": config, "name": name, "inbound_nodes": []}


def written(path, described, weights, training=None):
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(described)
        file.attrs["keras_version"] = "2.4.0"
        if training is not None:
            file.attrs["training_config"] = json.dumps(training)
        top = file.create_group("model_weights")
        top.attrs["layer_names"] = [name.encode() for name in weights]
        for name, values in weights.items():
            group = top.create_group(name)
            group.attrs["weight_names"] = [f"{name}/{number}:0".encode() for number in range(len(values))] or np.array(
                [], "S1"
            )
            for number, value in enumerate(values):
                group[f"{name}/{number}:0"] = value
    return path


TRAINING = {
    "loss": "mse", "metrics": ["mae"], "weighted_metrics": None, "loss_weights": None, "sample_weight_mode": None,
    "optimizer_config": {
        "class_name": "Adam",
        "config": {"name": "Adam", "learning_rate": 0.25, "decay": 0.0, "beta_1": 0.9, "beta_2": 0.999,
                   "epsilon": 1e-07, "amsgrad": False},
    },
}  # fmt: skip


def test_a_stack(tmp_path):
    norm = {
        "class_name": "BatchNormalization",
        "config": {"name": "norm", "axis": [1], "momentum": 0.9, "epsilon": 0.001, "center": True, "scale": True},
    }
    layers = [dense("a", 2, batch_input_shape=[None, 3]), norm]
    described = {"class_name": "Sequential", "config": {"name": "net", "layers": layers}}
    statistics = [np.array([1.0, 2.0]), np.zeros(2), np.zeros(2), np.ones(2)]
    path = written(tmp_path / "net.h5", described, {"a": KERNELS[:1], "norm": statistics}, TRAINING)
    net = handson.load(path)
    x = np.eye(3, dtype="f4")
    np.testing.assert_allclose(net.predict(x), KERNELS[0] / np.sqrt(1.001) * [1.0, 2.0], rtol=1e-5)
    assert (net.optimizer.learning_rate, type(net.loss).__name__) == (0.25, "MeanSquaredError")
    assert net.metrics[0].name == "mae"
    net.fit(x, x[:, :2], verbose=0)


def test_a_graph_with_a_net_in_it_that_is_applied_twice(tmp_path):
    """Keras 2 counts the applications of nets from 1: the first is their own making."""
    inner = {
        "name": "inner", "layers": [entry("i", 2), dense("low", 2, [[["i", 0, 0, {}]]])],
        "input_layers": [["i", 0, 0]], "output_layers": [["low", 0, 0]],
    }  # fmt: skip
    joined = {
        "class_name": "Concatenate", "name": "joined", "config": {"name": "joined", "axis": -1},
        "inbound_nodes": [[["inner", 1, 0, {}], ["inner", 2, 0, {}]]],
    }  # fmt: skip
    layers = [
        entry("x", 3), dense("first", 2, [[["x", 0, 0, {}]]]),
        {"class_name": "Functional", "config": inner, "name": "inner",
         "inbound_nodes": [[["first", 0, 0, {}]], [["inner", 1, 0, {}]]]},
        joined, dense("last", 1, [[["joined", 0, 0, {}]]]),
    ]  # fmt: skip
    config = {"name": "net", "layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [["last", 0, 0]]}
    weights = {"x": [], "first": KERNELS[:1], "inner": KERNELS[1:2], "joined": [], "last": KERNELS[2:]}
    path = written(tmp_path / "net.h5", {"class_name": "Functional", "config": config}, weights)
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("f4")
    once = x @ KERNELS[0] @ KERNELS[1]
    expected = np.concatenate([once, once @ KERNELS[1]], -1) @ KERNELS[2]
    net = handson.load(path)
    np.testing.assert_allclose(torch.as_tensor(np.squeeze(net.predict(x))), expected[:, 0], rtol=1e-5)
    assert not net.compiled


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"class_name": "Lambda", "config": {"function": ["4wEAAAAA", None, None], "function_type": "lambda"}}, "code"),
        ({"class_name": "TFOpLambda", "config": {"function": "math.add"}}, "unknown layer 'TFOpLambda'"),
        (dense("a", 2, quantizer="x"), "Dense has no argument 'quantizer' here"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, layer, message):
    described = {"class_name": "Sequential", "config": {"name": "net", "layers": [layer]}}
    path = written(tmp_path / "net.h5", described, {"a": KERNELS[:1]})
    with pytest.raises(HandsonError, match=f"net.h5: .*{message}"):
        handson.load(path)


def test_descriptions_that_are_damaged_are_refused(tmp_path):
    for described in ([], {"class_name": "Sequential"}, {"class_name": "Sequential", "config": []}, "x"):
        path = written(tmp_path / "net.h5", described, {"a": KERNELS[:1]})
        with pytest.raises(HandsonError, match="net.h5: its description of the net"):
            handson.load(path)

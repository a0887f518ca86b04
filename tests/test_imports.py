"""What is loaded when, told by modules and not by seconds: each step in one new process."""

import subprocess
import sys

import pytest

HEAVY = (
    "pydantic scipy pandas matplotlib sklearn h5py PIL sympy torch._dynamo torch._inductor yaml rich typer onnx keras"
)
STEPS = {
    "the import": "import torch, handson",
    "the names": "from handson import keras, callbacks, layers, losses, metrics, ops, optimizers",
    "a stack": """
from handson import Sequential
from handson.layers import Dense
net = Sequential([Dense(3, activation="relu"), Dense(1)])
net.compile("adam", "mse", metrics=["mae"])
""",
    "symbols": """
from handson import Model
from handson.layers import Input
x = Input((3,))
y = (1 - ops.exp(x)) / ops.sum(abs(x), axis=-1, keepdims=True)
graph = Model(x, keras.layers.Dense(1)(ops.concatenate([x, y], axis=-1)))
graph.compile("sgd", "mse")
""",
    "training": """
import numpy as np
for each in (net, graph):
    each.fit(np.ones((8, 3)), np.ones((8, 1)), verbose=0)
    each.predict(np.ones((8, 3)))
""",
    "files": """
import tempfile, pathlib, handson
path = pathlib.Path(tempfile.mkdtemp(), "net.handson")
net.save(path)
handson.load(path)
""",
}


@pytest.fixture(scope="module")
def loaded():
    """The heavy modules that are there after each step, and the rooms of ours."""
    look = "print([name for name in heavy if name in sys.modules], [name for name in sys.modules if 'handson' in name])"
    code = "\n".join(["import sys", f"heavy = {HEAVY.split()}", *(f"{step}\n{look}" for step in STEPS.values())])
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    lines = [line for line in said.splitlines() if line.startswith("[")]
    return dict(zip(STEPS, lines, strict=True))


@pytest.mark.parametrize("step", STEPS)
def test_nothing_heavy_is_loaded(loaded, step):
    needed = ["pydantic"] if step == "files" else []
    assert loaded[step].startswith(f"{needed} "), loaded[step]


def test_the_package_is_a_few_files_until_it_is_used(loaded):
    assert loaded["the import"].count("handson") < 15


def test_layers_are_loaded_one_by_one(loaded):
    assert "handson.layers.core" in loaded["a stack"]
    for room in ("layers.convolution", "layers.recurrent", "layers.preprocessing"):
        assert f"handson.{room}" not in loaded["symbols"], room
    for room in ("ensembles", "estimators", "plots", "applications", "workflow"):
        assert f"handson.{room}" not in loaded["files"], room

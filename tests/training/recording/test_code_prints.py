"""What the user's own code computes is noticed when a run goes on; how it is written is not."""

import os
import re
import subprocess
import sys
import textwrap
import types

import pytest
import torch
from interrupted import Interrupt, data, dense, train

from handson import Model, Sequential, layers
from handson.callbacks import LambdaCallback
from handson.core.errors import HandsonError
from handson.training.recording import code_prints
from handson.training.recording.interruption import Stopped


def module(text):
    """A module of the user's, as if its file had been edited."""
    made = types.ModuleType("of_the_user")
    exec(compile(textwrap.dedent(text), "of_the_user.py", "exec"), made.__dict__)
    return made


LOSS = """
def make():
    return lambda y, p: (y - p).square() * 2
"""
HELPER = """
SCALE = 2.0
def scaled(x):
    return x * SCALE
def loss(y, p):
    return sum(scaled(part) for part in [(y - p).square()])
def make():
    return loss
"""
CLOSURE = """
def made(power, table):
    def loss(y, p):
        return (y - p).abs() ** power + table[0]
    return loss
def make():
    return made(2, [0.5])
"""
DEFAULT = """
def loss(y, p, power=2):
    return (y - p).abs() ** power
def make():
    return loss
"""
PARTIAL = """
import functools
def loss(power, y, p):
    return (y - p).abs() ** power
def make():
    return functools.partial(loss, 2)
"""
ARRAY = """
import numpy, torch
WEIGHTS = torch.tensor([1.0, 2.0])
def make():
    return lambda y, p: (y - p).square() * WEIGHTS[1]
"""
OBJECT = """
class Loss:
    def __init__(self, power):
        self.power = power
    def __call__(self, y, p):
        return (y - p).abs() ** self.power
def make():
    return Loss(2)
"""
METHOD = """
class Losses:
    power = 2
    def loss(self, y, p):
        return (y - p).abs() ** self.power
def make():
    return Losses().loss
"""
LOSSES = {
    "a lambda": (LOSS, "* 2", "* 3"),
    "another operation": (LOSS, "y - p", "y + p"),
    "a function that it calls": (HELPER, "x * SCALE", "x + SCALE"),
    "a global number": (HELPER, "SCALE = 2.0", "SCALE = 3.0"),
    "a closure": (CLOSURE, "made(2", "made(3"),
    "a list in a closure": (CLOSURE, "[0.5]", "[0.6]"),
    "a default": (DEFAULT, "power=2", "power=3"),
    "a partial": (PARTIAL, "loss, 2", "loss, 3"),
    "a tensor": (ARRAY, "2.0]", "3.0]"),
    "an object's value": (OBJECT, "Loss(2)", "Loss(3)"),
    "an object's method": (OBJECT, "abs()", "square()"),
    "a bound method's class": (METHOD, "power = 2", "power = 3"),
}


def stopped_and_resumed(folder, before, after, key="loss"):
    """Stop a training with one noun, and go on with another."""
    given = {"compile": {key: [before] if key == "metrics" else before}} if key != "augment" else {key: before}
    with pytest.raises(Stopped):
        run(folder, [(1, 2)], **given)
    given = {"compile": {key: [after] if key == "metrics" else after}} if key != "augment" else {key: after}
    return run(folder, **given)


def run(folder, plan=(), make=dense, compile=None, **arguments):
    if compile and "loss" in compile:
        return train_with(folder, compile["loss"], plan, make)
    return train(folder, plan, make, compile=compile, **arguments)


def train_with(folder, loss, plan, make):
    net, (x, y) = make(), data()
    net.compile("adam", loss)
    return net.fit(x, y, callbacks=[Interrupt(plan)], run=folder, epochs=3, batch_size=8, seed=3, verbose=0)


@pytest.mark.parametrize(("text", "old", "new"), LOSSES.values(), ids=LOSSES)
def test_a_changed_loss_is_noticed(tmp_path, text, old, new):
    assert old in text
    with pytest.raises(HandsonError, match=r"was begun with something else:\n  code\."):
        stopped_and_resumed(tmp_path, module(text).make(), module(text.replace(old, new, 1)).make())


@pytest.mark.parametrize(("text", "old", "new"), LOSSES.values(), ids=LOSSES)
def test_the_same_loss_written_otherwise_is_the_same(tmp_path, text, old, new):
    other = '"""A docstring of the file."""\n\n\n' + text.replace("):\n", "):\n        # a comment\n\n")
    stopped_and_resumed(tmp_path, module(text).make(), module(other).make())


AUGMENT = """
import torch
def augment(inputs, targets):
    return inputs + 0.1 * torch.randn_like(inputs), targets
"""
METRIC = """
def metric(y, p):
    return (y - p).abs() * 2
"""


@pytest.mark.parametrize(("key", "text", "old", "new"), [
    ("augment", AUGMENT, "0.1", "0.2"),
    ("metrics", METRIC, "* 2", "* 3"),
])  # fmt: skip
def test_other_functions_are_noticed_too(tmp_path, key, text, old, new):
    name = {"metrics": "metric"}.get(key, key)
    before, after = (getattr(module(each), name) for each in (text, text.replace(old, new)))
    with pytest.raises(HandsonError, match=rf"code\.{name}: "):
        stopped_and_resumed(tmp_path / "a", before, after, key)
    stopped_and_resumed(tmp_path / "b", before, getattr(module(text), name), key)


NET = """
import torch
from torch import nn
from handson.layers import Layer
class Block(nn.Module):
    def __init__(self, slope=0.1):
        super().__init__()
        self.linear, self.slope, self.calls = nn.Linear(3, 1), slope, 0
    def forward(self, x):
        self.calls += 1
        return self.helped(self.linear(x)) * 1.5
    def helped(self, x):
        return nn.functional.leaky_relu(x, self.slope)
class Scaled(Layer):
    def forward(self, x):
        return x * 2
    def output_shape(self, input_shape):
        return input_shape
"""


@pytest.mark.parametrize(
    ("old", "new"), [("1.5", "1.6"), ("leaky_relu(x, self.slope)", "silu(x)"), ("slope=0.1", "slope=0.2")]
)
@pytest.mark.parametrize("wrap", [Model, lambda block: Sequential([block])], ids=["a net", "a layer"])
def test_a_changed_forward_of_a_module_is_noticed(tmp_path, old, new, wrap):
    def make(text):
        torch.manual_seed(0)
        return wrap(module(text).Block())

    with torch.random.fork_rng():
        with pytest.raises(Stopped):
            train(tmp_path, [(1, 2)], make=lambda: make(NET))
        with pytest.raises(HandsonError, match=r"code\.Block: "):
            train(tmp_path, make=lambda: make(NET.replace(old, new)))
        train(tmp_path, make=lambda: make(NET))


def test_a_changed_call_of_a_layer_is_noticed(tmp_path):
    def make(text):
        return Sequential([module(text).Scaled(), layers.Dense(1)])

    with pytest.raises(Stopped):
        train(tmp_path, [(1, 2)], make=lambda: make(NET))
    with pytest.raises(HandsonError, match=r"code\.Scaled: "):
        train(tmp_path, make=lambda: make(NET.replace("x * 2", "x * 3")))


def test_a_net_that_counts_and_a_callback_that_notes_go_on_in_the_same_process(tmp_path):
    """States are not what a run was begun with."""
    with torch.random.fork_rng():
        net, (x, y), seen = Model(module(NET).Block()), data(), []
    net.compile("adam", "mse")
    made = [LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch)), Interrupt([(1, 2)])]
    given = {"epochs": 3, "batch_size": 8, "seed": 3, "verbose": 0, "run": tmp_path, "callbacks": made}
    with pytest.raises(Stopped):
        net.fit(x, y, **given)
    net.fit(x, y, **given)
    assert seen == [0, 1, 2]


def test_hashes_are_the_same_in_every_process():
    """Sets of words have another order in each."""
    code = """
from handson import Sequential, layers
from handson.training.recording.code_prints import of_code
net = Sequential([layers.Dense(1)])
net.compile("adam", lambda y, p: (y - p) if "a" in {"a", "b", "c", "d"} else p)
print(of_code(net, None, []))
"""
    found = {
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed},
                       capture_output=True, text=True, check=True).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(found) == 1
    assert re.search(r"'<lambda>': '[0-9a-f]{16}'", found.pop())


def test_of_another_version_of_python_hashes_are_not_compared():
    before, now = ({"code": {"f": each}, "compiled_by": [3, each], "fit": 1} for each in (1, 2))
    assert code_prints.comparable(before, now) == ({"fit": 1}, {"fit": 1})
    assert code_prints.comparable(before, {"fit": 1})[0] == {"code": {"f": 1}, "fit": 1}


def test_a_net_of_handsons_parts_has_none():
    net = Sequential([layers.Dense(1)])
    net.compile("adam", "mse")
    assert code_prints.of_code(net, None, [LambdaCallback()]) == {}

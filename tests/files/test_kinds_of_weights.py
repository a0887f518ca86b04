"""Weights of another kind than the net's, and values that are not finite, are refused by name; then nothing changes."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from handson import Model, Sequential
from handson.core.errors import HandsonError
from handson.layers import Dense


def net():
    return Sequential([Dense(2, input_dim=2, name="d")], seed=0)


def stored(path, **changed):
    values = {"d.kernel": torch.ones(2, 2), "d.bias": torch.zeros(2)}
    save_file(values | {f"d.{name}": value for name, value in changed.items()}, path)
    return path


KERNELS = {
    "bool": (torch.ones(2, 2, dtype=torch.bool), r"d\.kernel is of type bool; the net's is float32"),
    "8 bits": (torch.ones(2, 2).to(torch.float8_e4m3fn), r"d\.kernel is of type float8_e4m3fn"),
    "other 8 bits": (torch.ones(2, 2).to(torch.float8_e5m2), r"d\.kernel is of type float8_e5m2"),
    "integers": (torch.ones(2, 2, dtype=torch.int8), r"d\.kernel is of type int8"),
    "complex": (torch.ones(2, 2, dtype=torch.complex64), r"d\.kernel is of type complex64"),
    "NaN": (torch.full((2, 2), torch.nan), r"d\.kernel holds NaN or infinity.*set_weights"),
    "one infinity": (torch.tensor([[1.0, -torch.inf], [1, 1]]), r"d\.kernel holds NaN or infinity"),
    "too large": (torch.full((2, 2), 1e300, dtype=torch.float64), r"d\.kernel is too large for float32"),
}


@pytest.mark.parametrize(("value", "message"), KERNELS.values(), ids=KERNELS)
def test_they_are_refused_by_name(tmp_path, value, message):
    made = net()
    before = [weight.copy() for weight in made.get_weights()]
    with pytest.raises(HandsonError, match=message):
        made.load_weights(stored(tmp_path / "w.safetensors", kernel=value, bias=torch.ones(2)))
    assert all(map(np.array_equal, before, made.get_weights()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_floats_of_any_width_are_taken(tmp_path, dtype):
    made = net()
    made.load_weights(stored(tmp_path / "w.safetensors", kernel=torch.full((2, 2), 0.5, dtype=dtype)))
    assert made.get_weights()[0].tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_hdf5_is_checked_alike(tmp_path):
    made, broken = net(), net()
    broken.set_weights([np.full((2, 2), np.nan), np.zeros(2)])
    broken.save_weights(tmp_path / "w.h5")
    with pytest.raises(HandsonError, match=r"d\.kernel holds NaN or infinity"):
        made.load_weights(tmp_path / "w.h5")


class Masked(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
        self.register_buffer("on", torch.tensor([True, False]))
        self.linear, self.norm = torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)

    def forward(self, x):
        return self.norm(self.linear(x)) + self.mask


def test_values_that_the_net_has_itself_are_taken(tmp_path):
    first, second = Model(Masked()), Model(Masked())
    first.save_weights(tmp_path / "w.safetensors")
    second.load_weights(tmp_path / "w.safetensors")
    assert all(map(np.array_equal, first.get_weights(), second.get_weights()))

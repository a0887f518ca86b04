"""Scaling against scikit-learn's scalers."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from handson.core.errors import HandsonError
from handson.data.rows import stored
from handson.data.rows.scaling import Scaling, fit_scaling

PEERS = {"standard": StandardScaler, "minmax": MinMaxScaler}
methods = pytest.mark.parametrize("method", PEERS)


def numbers(rows, columns, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(rows, columns)) * rng.uniform(0.1, 50, columns) + rng.uniform(-90, 90, columns)).astype(
        "f4"
    )


@methods
@settings(max_examples=25, deadline=None)
@given(rows=st.integers(2, 30), columns=st.integers(1, 4), seed=st.integers(0, 1000))
def test_scaled_values_are_those_of_scikit_learn(method, rows, columns, seed):
    x = numbers(rows, columns, seed)
    scaling = fit_scaling(method, torch.tensor(x), "inputs")
    np.testing.assert_allclose(scaling.apply(torch.tensor(x)), PEERS[method]().fit_transform(x), rtol=1e-3, atol=1e-4)


@methods
def test_missing_values_are_left_out(method):
    x = numbers(20, 3)
    x[np.random.default_rng(1).random(x.shape) < 0.3] = np.nan
    scaling = fit_scaling(method, torch.tensor(x), "targets")
    np.testing.assert_allclose(scaling.apply(torch.tensor(x)), PEERS[method]().fit_transform(x), rtol=1e-3, atol=1e-4)


@methods
def test_images_are_scaled_channel_by_channel(method):
    x = numbers(24, 3).reshape(2, 3, 4, 3)
    scaling = fit_scaling(method, torch.tensor(x), "inputs")
    expected = PEERS[method]().fit_transform(x.reshape(-1, 3)).reshape(x.shape)
    np.testing.assert_allclose(scaling.apply(torch.tensor(x)), expected, rtol=1e-3, atol=1e-4)


@methods
@pytest.mark.parametrize("value", [0.0, 7.0, 1e6, 1 / 3])
def test_a_constant_column_becomes_zero(method, value):
    x = torch.full((5, 1), value)
    scaling = fit_scaling(method, x, "inputs")
    assert scaling.scale.tolist() == [1.0]
    assert scaling.apply(x).abs().max() <= 1e-6 * max(value, 1)


@methods
@pytest.mark.parametrize("size", [1e-12, 1e-3, 1e3, 1e12])
def test_columns_of_any_size_are_scaled(method, size):
    x = torch.tensor(numbers(50, 2)) * size
    y = fit_scaling(method, x, "inputs").apply(x)
    assert y.std(0).min() > 0.1
    assert y.abs().max() < 10


@methods
def test_a_spread_that_float32_can_hold_is_no_constant(method):
    days = torch.tensor([[2459000.0], [2459001.0], [2459002.0], [2459003.0]])
    scaling = fit_scaling(method, days, "inputs")
    np.testing.assert_allclose(scaling.apply(days), PEERS[method]().fit_transform(days.double()), rtol=1e-5, atol=1e-6)


@methods
def test_bytes_are_scaled(method):
    x = torch.tensor([[0, 255], [255, 0], [51, 51]], dtype=torch.uint8)
    expected = PEERS[method]().fit_transform(x.numpy().astype("f8"))
    np.testing.assert_allclose(fit_scaling(method, x, "inputs").apply(x), expected, rtol=1e-5, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    shift=st.floats(-100, 100, width=32),
    scale=st.floats(0.0625, 100, width=32),
    sign=st.sampled_from([-1, 1]),
    seed=st.integers(0, 100),
)
def test_undo_undoes_apply(shift, scale, sign, seed):
    scaling, x = Scaling(shift, sign * scale), torch.tensor(numbers(5, 3, seed))
    torch.testing.assert_close(scaling.undo(scaling.apply(x)), x, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    "method",
    [{"shift": 1.0, "scale": 2.0}, (1.0, 2.0), [1.0, 2.0], Scaling(1.0, 2.0), {"shift": [1.0], "scale": [2.0]}],
)
def test_shift_and_scale_may_be_given(method):
    scaling = fit_scaling(method, torch.zeros(3, 1), "inputs")
    assert scaling.apply(torch.tensor([[5.0]])).item() == 2.0


def test_one_number_or_one_for_each_column():
    scaling = Scaling([1.0, 2.0], 2.0)
    assert scaling.apply(torch.tensor([[3.0, 4.0]])).tolist() == [[1.0, 1.0]]
    assert fit_scaling({"scale": 4.0}, torch.zeros(1, 1), "inputs").apply(torch.tensor([8.0])).item() == 2.0


@methods
def test_a_scaling_comes_back_from_its_configuration(method):
    scaling = fit_scaling(method, torch.tensor(numbers(9, 3)), "inputs")
    again = Scaling(**json.loads(json.dumps(scaling.get_config())))
    assert torch.equal(again.shift, scaling.shift)
    assert torch.equal(again.scale, scaling.scale)


def test_a_scaling_goes_to_a_device():
    moved = Scaling([1.0], 2.0).to(torch.device("cpu"))
    assert (moved.shift.tolist(), moved.scale.tolist()) == ([1.0], 2.0)


@methods
def test_a_column_without_any_value_is_an_error_that_names_it(method):
    x = torch.tensor([[1.0, float("nan")], [2.0, float("nan")]])
    with pytest.raises(HandsonError, match=r"targets.*column 1"):
        fit_scaling(method, x, "targets")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": 0.0}, r"^scaling: scale must not be zero\.$"),
        ({"scale": [1.0, 0.0]}, r"^scaling: scale must not be zero\.$"),
        ({"shift": float("nan")}, r"^scaling: shift is a finite number, or one for each column; got nan\.$"),
        ({"scale": float("inf")}, r"^scaling: scale is a finite number, or one for each column; got inf\.$"),
        ({"shift": [[1.0]]}, r"^scaling: shift is a finite number, or one for each column; got \[\[1\.0\]\]\.$"),
        ({"shift": "a"}, r"^scaling: shift is a finite number, or one for each column; got 'a'\.$"),
    ],
)
def test_numbers_that_cannot_be_used_are_errors(arguments, message):
    with pytest.raises(HandsonError, match=message):
        Scaling(**arguments)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("standrad", r"^scaling of inputs is 'standard', 'minmax', .*; got 'standrad'\. Did you mean 'standard'\?$"),
        (3, r"^scaling of inputs is 'standard', 'minmax', or \{'shift': a, 'scale': b\}; got 3\.$"),
        ({"mean": 1}, r"^scaling of inputs: a dictionary has the keys 'shift' and 'scale'; got \['mean'\]\.$"),
        (np.ones(3), r"^scaling of inputs is 'standard', 'minmax'"),
    ],
)
def test_a_method_that_is_none_is_an_error(method, message):
    with pytest.raises(HandsonError, match=message):
        fit_scaling(method, torch.zeros(2, 2), "inputs")


@methods
@pytest.mark.parametrize("rows", [7, 40, 99])
def test_pieces_whose_means_differ_are_merged(method, rows, monkeypatch):
    """Sorted rows, so that each piece has another mean, range and number of missing values."""
    monkeypatch.setattr(stored, "PIECE", 3 * rows)
    rng = np.random.default_rng(0)
    x = np.sort(rng.normal(size=(100, 3)), axis=0) * [1.0, 30.0, 0.1] + [0.0, 100.0, -5.0]
    x[rng.random((100, 3)) < np.linspace(0.6, 0.0, 100)[:, None]] = np.nan
    assert len(list(stored.pieces(torch.tensor(x)))) > 1
    scaling, peer = fit_scaling(method, torch.tensor(x), "inputs"), PEERS[method]().fit(x)
    shift, scale = (peer.mean_, peer.scale_) if method == "standard" else (peer.data_min_, peer.data_range_)
    np.testing.assert_allclose(scaling.shift, shift, rtol=1e-6)
    np.testing.assert_allclose(scaling.scale, scale, rtol=1e-6)

"""What keras.ops has is here or said not to be, and what is wrong is refused with what to do."""

from __future__ import annotations

import inspect
import json

import keras
import numpy as np
import pytest
import torch

import handson
from handson import ops
from handson.core.described import jsonable
from handson.core.errors import HandsonError
from handson.core.registry import find, name_of
from handson.graph import Symbol
from handson.ops.missing import NOT_HERE

PLACES = {"": keras.ops, "nn.": keras.ops.nn, "image.": keras.ops.image, "linalg.": keras.ops.linalg}
NAMES = sorted(
    f"{place}{name}" for place, module in PLACES.items() for name in dir(module) if not name.startswith("_")
)  # fmt: skip
BARE = {name.rpartition(".")[2] for name in NOT_HERE}


def here(name):
    module = ops
    for part in name.split("."):
        module = getattr(module, part, None)
    return module


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_keras_is_here_or_in_the_list_with_its_reason(name):
    missing = name in NOT_HERE or name.rpartition(".")[2] in NOT_HERE
    assert (here(name) is None) == missing


def test_nothing_stands_in_the_list_that_is_here_or_that_keras_has_not():
    assert set(NOT_HERE) <= set(NAMES)
    assert all(NOT_HERE.values())


@pytest.mark.parametrize("name", [name for name in NAMES if here(name) is not None])
def test_arguments_have_keras_s_names_order_and_defaults(name):
    theirs = keras.ops
    for part in name.split("."):
        theirs = getattr(theirs, part)
    if not inspect.isfunction(theirs):
        return
    wanted = [p for p in inspect.signature(theirs).parameters.values() if p.kind is not p.VAR_KEYWORD]
    ours = list(inspect.signature(here(name)).parameters.values())[: len(wanted)]
    assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in wanted]


def test_a_misspelt_or_missing_name_says_what_there_is():
    with pytest.raises(AttributeError, match="Did you mean 'softmax'"):
        ops.sofmax  # noqa: B018
    with pytest.raises(AttributeError, match=r"torch\.autograd\.Function"):
        ops.custom_gradient  # noqa: B018
    with pytest.raises(AttributeError, match="Did you mean 'sigmoid'"):
        ops.nn.sigmoidd  # noqa: B018
    assert handson.ops is ops


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: ops.matmul(np.ones((2, 3)), np.ones((2, 3))), r"matmul\(float64 of shape \(2, 3\)"),
        (lambda: ops.sum(np.ones(3), axis=1), "no axis 1"),
        (lambda: ops.cast([1], "flaot32"), "float32"),
        (lambda: ops.split(np.ones(5), 2), "cannot be divided by 2"),
        (lambda: ops.pad([1], [(1, 1)], mode="reflectt"), "Did you mean 'reflect'"),
        (lambda: ops.conv(np.ones((1, 4, 1)), np.ones((2, 1, 1)), padding="sane"), "Did you mean 'same'"),
        (lambda: ops.one_hot([1], 2, sparse=True), "dense"),
        (lambda: ops.image.resize(np.ones((4, 4, 3)), (2, 2), interpolation="lanczos3"), "bilinear"),
        (lambda: ops.add(["a"], 1), "numbers"),
        (lambda: ops.where([True], 1), "together"),
        (lambda: ops.squeeze(np.ones((2, 3)), axis=0), "only axes of size 1"),
        (lambda: ops.nonzero(Symbol((None, 3))), "values"),
        (lambda: ops.bincount(Symbol((None,), torch.int32)), "values"),
        (lambda: Symbol((None, 3))[Symbol((None,), torch.bool)], "values"),
        (lambda: ops.cond(Symbol(()) > 0, lambda: 1, lambda: 2), r"ops\.where"),
        (lambda: ops.convert_to_numpy(Symbol((3,))), "symbol"),
        (lambda: ops.size(Symbol((None, 3))), "not known"),
        (lambda: ops.add(Symbol((None, 3)), Symbol((None, 4))), r"None, 3"),
        (lambda: ops.zeros((None, 3)), "zeros_like"),
        (lambda: ops.scan(lambda c, x: (c, x), 0), "length"),
    ],
)
def test_what_is_wrong_is_said(call, says):
    with pytest.raises(HandsonError, match=says):
        call()


def test_a_misspelt_argument_is_named():
    with pytest.raises(TypeError, match="Did you mean 'axis'"):
        ops.sum([1], axs=0)


def test_64_bits_stay_64_bits():
    x = torch.tensor([1 + 1e-12, 3.0], dtype=torch.float64)
    assert ops.mean(x).item() == x.mean().item()
    assert ops.matmul(x, x).dtype is torch.float64
    assert ops.add(x, 0.1).tolist() == (x + 0.1).tolist()
    assert ops.floor_divide(torch.tensor([2**40]), 3).item() == 2**40 // 3


def test_python_numbers_take_the_type_of_what_stands_beside_them():
    half = torch.ones(2, dtype=torch.bfloat16)
    assert ops.add(half, 1.5).dtype is ops.multiply(2, half).dtype is torch.bfloat16
    assert ops.add([1, 2], 1.5).dtype is torch.float32
    assert ops.convert_to_tensor([1, 2.5]).dtype is torch.float32
    assert ops.convert_to_tensor(2**40).dtype is torch.int64


def test_arrays_that_torch_cannot_share_are_copied():
    row = np.arange(3.0)
    row.flags.writeable = False
    assert ops.add(row[::-1], 1).tolist() == [3.0, 2.0, 1.0]


def test_arguments_are_left_as_they_are():
    transform = torch.tensor([1.0, 2, 3, 4, 5, 6, 0, 0])
    images, before = torch.ones(4, 4, 1), transform.clone()
    ops.image.affine_transform(images, transform)
    ops.slice_update(images, (0, 0, 0), torch.zeros(1, 1, 1))
    ops.scatter_update(images, [[0]], torch.zeros(1, 4, 1))
    assert torch.equal(transform, before)
    assert torch.equal(images, torch.ones(4, 4, 1))


def test_matrices_taken_apart_give_the_matrix_again():
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    q, r = ops.qr(x)
    torch.testing.assert_close(q @ r, x)
    u, s, v = ops.svd(x, full_matrices=False)
    torch.testing.assert_close(u @ torch.diag(s) @ v, x)
    values, vectors = ops.eigh(x.T @ x)
    torch.testing.assert_close(vectors @ torch.diag(values) @ vectors.T, x.T @ x)
    values, vectors = ops.eig(x.T @ x)
    torch.testing.assert_close((vectors @ torch.diag(values) @ torch.linalg.inv(vectors)).real, x.T @ x)


def test_a_spectrum_gives_the_signal_again():
    x = torch.randn(2, 64, generator=torch.Generator().manual_seed(0))
    for length, stride, fft, center in ((16, 4, 16, True), (12, 4, 16, True), (16, 8, 16, True)):
        spectrum = ops.stft(x, length, stride, fft, center=center)
        torch.testing.assert_close(ops.istft(spectrum, length, stride, fft, length=64, center=center), x)


def test_transposed_without_an_order_the_axes_are_backwards():
    x = np.arange(24).reshape(2, 3, 4)
    np.testing.assert_array_equal(ops.transpose(x), np.transpose(x))


def test_axes_that_keras_on_torch_refuses():
    x, y = np.arange(6.0).reshape(2, 3), np.arange(6.0, 12.0).reshape(3, 2)
    np.testing.assert_array_equal(ops.cross(x, y, axisb=0, axisc=0), np.cross(x, y, axisb=0, axisc=0))
    np.testing.assert_array_equal(ops.cross(x[:, :2], y.T[:, :2]), x[:, 0] * y[1] - x[:, 1] * y[0])
    np.testing.assert_allclose(ops.linspace(x, x + 1, 4, axis=1), np.linspace(x, x + 1, 4, axis=1), rtol=1e-6)
    values, step = ops.linspace(0, 1, 5, retstep=True)
    assert (values.tolist(), step.item()) == ([0, 0.25, 0.5, 0.75, 1], 0.25)


def test_repetitions_and_counts_are_those_of_numpy():
    x = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(ops.repeat(x, [1, 0, 2], axis=1), np.repeat(x, [1, 0, 2], axis=1))
    for axis in (None, 0, (0, 1)):
        np.testing.assert_array_equal(ops.count_nonzero(x, axis=axis), np.count_nonzero(x, axis=axis))


def test_sparsemax_is_the_nearest_distribution():
    # Keras's does not sum to 1.
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    found = ops.sparsemax(x, axis=0)
    torch.testing.assert_close(found.sum(0), torch.ones(4))
    # What is not 0 is moved by one amount, and what is 0 would have been moved below it.
    moved = torch.where(found > 0, x - found, torch.nan).nanmean(0)
    torch.testing.assert_close(found, (x - moved).clamp(min=0))


def test_saturation_keeps_the_sign_at_the_largest_integer():
    assert ops.saturate_cast([9e9, -9e9], "int32").tolist() == [2147483520, -2147483648]
    assert ops.saturate_cast([2**40, -1], "uint8").tolist() == [255, 0]


@pytest.mark.parametrize("how", ["add", "max", "min", "mul", None])
def test_gradients_that_keras_has_not(how):
    def updated(x, new):
        return ops.scatter_update(x, [[1], [1]] if how else [[1], [2]], new, reduction=how)

    def double(*shape):
        return torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)

    assert torch.autograd.gradcheck(updated, (double(4, 2), double(2, 2)))
    assert torch.autograd.gradcheck(lambda x: ops.vander(x, 3), (double(3),))
    assert torch.autograd.gradcheck(lambda w: ops.bincount([0, 1, 0], weights=w), (double(3),))
    turn = torch.tensor([0.871, 0.213, 0.537, -0.219, 0.883, 0.941, 0, 0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(ops.image.affine_transform, (double(4, 4, 1), turn))


def test_pads_are_those_of_numpy():
    x = np.arange(12.0).reshape(3, 4)
    for mode in ("reflect", "symmetric", "edge"):
        np.testing.assert_array_equal(ops.pad(x, ((2, 1), (1, 3)), mode=mode), np.pad(x, ((2, 1), (1, 3)), mode=mode))


def test_histograms_are_those_of_numpy():
    x = np.random.default_rng(0).normal(size=100).astype("float32")
    for bounds in (None, (-1.0, 1.0)):
        counts, edges = ops.histogram(x, bins=7, range=bounds)
        wanted, places = np.histogram(x, bins=7, range=bounds)
        np.testing.assert_array_equal(counts, wanted)
        np.testing.assert_allclose(edges, places, rtol=1e-5)


def test_unique_gives_what_is_asked_for():
    x = np.array([3, 1, 3, 2])
    wanted = np.unique(x, return_index=True, return_inverse=True, return_counts=True)
    given = ops.unique(x, return_index=True, return_inverse=True, return_counts=True)
    for mine, other in zip(given, wanted, strict=True):
        np.testing.assert_array_equal(mine, other)
    assert ops.unique(x, size=5, fill_value=9).tolist() == [1, 2, 3, 9, 9]


def test_averages_of_windows_over_the_border_are_of_values_inside():
    assert ops.average_pool(torch.ones(1, 5, 5, 1), 2, 1, padding="same").unique().tolist() == [1.0]


def test_the_gradient_of_a_safe_division_is_finite():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = torch.tensor([0.0, 4.0], requires_grad=True)
    ops.divide_no_nan(x, y).sum().backward()
    assert x.grad.tolist() == [0.0, 0.25]
    assert torch.isfinite(y.grad).all()


def test_attention_with_a_cap_and_a_causal_mask():
    q = torch.randn(1, 4, 2, 8, generator=torch.Generator().manual_seed(0))
    capped = ops.dot_product_attention(q, q, q, is_causal=True, attn_logits_soft_cap=1e6)
    torch.testing.assert_close(capped, ops.dot_product_attention(q, q, q, is_causal=True), rtol=1e-4, atol=1e-4)


def test_loops_and_branches():
    assert ops.while_loop(lambda i, n: i < n, lambda i, n: (i * 2, n), (1, 20))[0].item() == 32
    assert ops.fori_loop(0, 4, lambda i, v: v + i, 0) == 6
    assert ops.switch(7, [lambda x: x, lambda x: -x], 3) == -3
    assert ops.map(lambda row: row["a"] * 2, {"a": torch.arange(3)}).tolist() == [0, 2, 4]
    carry, rows = ops.scan(lambda c, x: (c * 2 + x, c), 0, torch.arange(3), reverse=True)
    assert (carry.item(), rows.tolist()) == (0 + 2 * (1 + 2 * 2), [5, 2, 0])
    x = torch.arange(1.0, 8.0)
    for reverse in (False, True):
        wanted = keras.ops.associative_scan(lambda a, b: a + b, x, reverse=reverse)
        assert ops.associative_scan(lambda a, b: a + b, x, reverse=reverse).tolist() == wanted.tolist()
    assert ops.vectorize(lambda a, b: a + b)(torch.ones(2, 1), torch.ones(3)).shape == (2, 3)


def test_a_node_is_json():
    x = Symbol((None, 4))
    nodes = [
        ops.get_item(x, (slice(None), slice(0, 2), None)).node,
        x[..., -1].node,
        ops.cast(x, "float16").node,
        ops.sum(x, axis=(0, 1)).node,
        ops.maximum(x, np.float32(2)).node,
        ops.pad(x, ((0, 0), (1, 1))).node,
        ops.add(x, np.ones(4)).node,
    ]
    for node in nodes:
        args, kwargs = node.arguments
        args = jsonable([arg for arg in args if arg is not x])
        again = find("op", name_of("op", node.function))(x, *json.loads(json.dumps(args)), **jsonable(kwargs))
        assert again.shape == node.outputs.shape


def test_a_net_of_operations_is_described_by_names():
    x = Symbol((None, 4))
    node = ops.clip(ops.relu(x), 0.0, 1.0).node
    assert name_of("op", node.function) == "clip"

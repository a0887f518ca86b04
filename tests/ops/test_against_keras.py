"""Each function gives what Keras's gives: values, types and gradients, on arrays; and the same on symbols."""

from __future__ import annotations

import copy
import functools
import importlib.util
from pathlib import Path

import keras
import numpy as np
import pytest
import torch

from handson import ops
from handson.core import tree
from handson.core.errors import HandsonError
from handson.core.registry import is_known
from handson.graph import Graph, Symbol, symbol

_spec = importlib.util.spec_from_file_location("ops_cases", Path(__file__).with_name("cases.py"))
cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cases)

CASES = cases.CASES
NAMES = [f"{number}-{name}" for number, (name, _, _) in enumerate(CASES)]
# Keras makes 32-bit values of 64-bit ones, or leaves torch's 64 bits where it gives 32 elsewhere.
OTHER_TYPES = {"unique", "nextafter", "top_k", "linspace"}
# Drawn by value, so a symbol, which has none, is refused; or the arguments are no tensors.
NO_SYMBOLS = {"nonzero", "unique", "bincount", "select", "array", "linspace", "geomspace", "logspace", "full"}
# Keras has none, as it changes tensors in place, or torch has none.
NO_GRADIENT = {"nextafter", "floor_divide", "heaviside", "bincount", "vander", "image.affine_transform"}


def found(module, name):
    return functools.reduce(getattr, name.split("."), module)


def is_array(leaf):
    return isinstance(leaf, np.ndarray)


def tensors(arguments, gradient=False):
    def tensor(leaf):
        if not is_array(leaf):
            return leaf
        made = torch.tensor(leaf)
        return made.requires_grad_() if gradient and made.is_floating_point() else made

    return tree.map_leaves(tensor, copy.deepcopy(arguments))


def results(value):
    return [leaf if isinstance(leaf, torch.Tensor) else torch.as_tensor(leaf) for leaf in flat(value)]


def flat(value):
    return [leaf for part in value for leaf in flat(part)] if isinstance(value, (list, tuple)) else [value]


def same(ours, theirs, **tolerance):
    for mine, other in zip(results(ours), results(theirs), strict=True):
        assert mine.shape == other.shape
        mine, other = (x.detach().double().numpy() for x in (mine, other))
        np.testing.assert_allclose(mine, other, **({"rtol": 2e-5, "atol": 2e-5} | tolerance))


def coarse(arguments):
    half = any(is_array(leaf) and leaf.dtype == np.float16 for leaf in tree.leaves(arguments))
    return {"rtol": 2e-3, "atol": 2e-3} if half else {}


@pytest.mark.parametrize(("name", "args", "kwargs"), CASES, ids=NAMES)
def test_values_and_types_are_those_of_keras(name, args, kwargs):
    theirs = found(keras.ops, name)(*tensors(args), **tensors(kwargs))
    ours = found(ops, name)(*copy.deepcopy(args), **copy.deepcopy(kwargs))
    same(ours, theirs, **coarse((args, kwargs)))
    if name not in OTHER_TYPES:
        assert [leaf.dtype for leaf in results(ours)] == [leaf.dtype for leaf in results(theirs)]


@pytest.mark.parametrize(("name", "args", "kwargs"), CASES, ids=NAMES)
def test_gradients_are_those_of_keras(name, args, kwargs):
    both = []
    for module in (ops, keras.ops):
        given = tensors((args, kwargs), gradient=True)
        outputs = [x for x in results(found(module, name)(*given[0], **given[1])) if x.requires_grad]
        wanted = [leaf for leaf in tree.leaves(given) if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
        if not outputs or name in NO_GRADIENT or "reduction" in kwargs:
            return
        total = sum((x.double() * torch.linspace(0.5, 1.5, x.numel()).reshape(x.shape)).sum() for x in outputs)
        both.append(torch.autograd.grad(total, wanted, allow_unused=True))
    for mine, other in zip(*both, strict=True):
        assert (mine is None) == (other is None)
        if mine is not None:
            np.testing.assert_allclose(mine, other, rtol=2e-3, atol=2e-3 if mine.dtype == torch.float16 else 1e-4)


@pytest.fixture(params=[True, False], ids=["", "zeros"])
def compiler(request, monkeypatch):
    """Whether torch has imported its compiler: without, symbols are told by a run on zeros."""
    monkeypatch.setattr(symbol, "META_IS_READY", {"torch"} if request.param else set())


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize(("name", "args", "kwargs"), CASES, ids=NAMES)
def test_on_symbols_shapes_are_those_of_the_result_and_a_graph_gives_it(name, args, kwargs):
    function = found(ops, name)
    arrays = [leaf for leaf in tree.leaves((args, kwargs)) if is_array(leaf)]
    if name in NO_SYMBOLS or not arrays:
        return
    symbols, given = [], tensors((args, kwargs))

    def symbolic(leaf):
        if not isinstance(leaf, torch.Tensor):
            return leaf
        symbols.append(Symbol(leaf.shape, leaf.dtype))
        return symbols[-1]

    a, k = tree.map_leaves(symbolic, given)
    direct = results(function(*given[0], **given[1]))
    outputs = tree.leaves(function(*a, **k))
    assert [(output.shape, output.dtype) for output in outputs] == [(tuple(x.shape), x.dtype) for x in direct]
    run = Graph(symbols, outputs).run([leaf for leaf in tree.leaves(given) if isinstance(leaf, torch.Tensor)])
    for mine, other in zip(run, direct, strict=True):
        torch.testing.assert_close(mine, other, equal_nan=True)
    assert is_known("op", name.rpartition(".")[2])


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (lambda x: ops.relu(x) + 1, (None, 3)),
        (lambda x: ops.sum(x, axis=-1), (None,)),
        (lambda x: ops.mean(x, axis=0), (3,)),
        (lambda x: ops.reshape(x, (-1, 3, 1)), (None, 3, 1)),
        (lambda x: ops.reshape(x, (ops.shape(x)[0], 1, 3)), (None, 1, 3)),
        (lambda x: ops.reshape(x, (-1, 2)), (None, 2)),
        (lambda x: ops.concatenate([x, x], axis=-1), (None, 6)),
        (lambda x: ops.stack([x, x]), (2, None, 3)),
        (lambda x: ops.split(x, 2)[0], (None, 3)),
        (lambda x: ops.matmul(x, np.ones((3, 5), "float32")), (None, 5)),
        (lambda x: x @ torch.ones(3, 5), (None, 5)),
        (lambda x: ops.maximum(x, [1.0, 2.0, 3.0]), (None, 3)),
        (lambda x: ops.one_hot(ops.argmax(x, axis=-1), 4), (None, 4)),
        (lambda x: ops.top_k(x, 2)[1], (None, 2)),
        (lambda x: ops.tile(x, (1, 2)), (None, 6)),
        (lambda x: ops.conv(x[..., None], np.ones((2, 1, 4), "float32")), (None, 2, 4)),
        (lambda x: torch.ones(1, 3) + x, (None, 3)),
        (lambda x: ops.scan(lambda c, row: (c + row, c * row), 2, ops.transpose(x))[1], (3, None)),
        (lambda x: ops.vectorized_map(lambda row: row * 2, x), (None, 3)),
        (lambda x: ops.zeros_like(x) + ops.arange(3), (None, 3)),
        (lambda x: ops.where(x > 0, x, 0.0), (None, 3)),
    ],
)  # fmt: skip
def test_a_batch_of_unknown_size(function, shape):
    x = Symbol((None, 3))
    output = function(x)
    assert output.shape == shape
    values = torch.randn(4, 3)
    given = Graph(x, output).run([values])[0]
    torch.testing.assert_close(given, function(values))


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize(
    "function", [lambda x: x[x > 0], ops.nonzero, lambda x: ops.repeat(x, ops.cast(x, "int32")), torch.unique]
)
def test_what_has_a_shape_that_follows_from_values_is_refused(function):
    with pytest.raises((HandsonError, NotImplementedError, RuntimeError)):
        function(Symbol((3,)))


@pytest.mark.usefixtures("compiler")
def test_symbols_leave_the_random_numbers_of_torch_as_they_are():
    before = torch.get_rng_state()
    assert torch.rand_like(Symbol((None, 3))).shape == (None, 3)
    assert torch.equal(torch.get_rng_state(), before)

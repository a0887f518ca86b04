"""Graphs of symbols against the same expression on tensors."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from handson import ops
from handson.core.errors import HandsonError
from handson.graph import Graph, Symbol, nodes_of, symbol


def applied(layer, x):
    """A layer of PyTorch, whose weights are on the CPU, on a symbol."""
    return symbol.apply(layer, (x,), {}, lambda node: symbol.run_on_shapes(node, "cpu"))


def expression(x, y):
    both = (x[:, 1:] * 2 - y) / 3 + ops.relu(-x[:, :2])
    return {"sum": ops.sum(both, axis=-1), "pair": [both**2, torch.sin(both)]}


def test_a_graph_computes_what_its_expression_does():
    x, y = Symbol((None, 3)), Symbol((None, 2))
    graph = Graph([x, y], expression(x, y))
    a, b = torch.randn(5, 3), torch.randn(5, 2)
    expected = expression(a, b)
    for found, wanted in zip(graph.run([a, b]), [expected["sum"], *expected["pair"]], strict=True):
        assert torch.equal(found, wanted)
    assert [symbol.shape for symbol in graph.exits] == [(None,), (None, 2), (None, 2)]


@pytest.mark.parametrize("again", [copy.deepcopy, lambda graph: pickle.loads(pickle.dumps(graph))])
def test_a_copy_computes_the_same_with_layers_of_its_own(again):
    x, layer = Symbol((None, 3)), nn.Linear(3, 3)
    y = x
    for _ in range(400):  # deeper than Python's stack
        y = applied(layer, y)
    graph = Graph(x, y)
    other = again(graph)
    batch = torch.randn(2, 3)
    assert torch.equal(graph.run([batch])[0], other.run([batch])[0])
    assert other.nodes[0].function is other.nodes[-1].function is not layer


def test_a_plain_stack_is_a_chain_and_nothing_else_is():
    x, first, second = Symbol((None, 3)), nn.Linear(3, 4), nn.Linear(4, 2)
    y = applied(second, applied(first, x))
    assert Graph(x, y).chain() == [first, second]
    assert Graph(x, [y]).chain() is None
    assert Graph(x, y + 1).chain() is None
    assert [node.outputs for node in nodes_of(second)] == [y]


def test_layers_come_in_the_order_of_their_distance_from_the_outputs():
    x = Symbol((None, 3))
    near, far = nn.Linear(3, 3), nn.Linear(3, 3)
    short, long = applied(near, x), ops.relu(applied(far, x))
    assert Graph(x, short + long).functions()[:2] == [far, near]


def test_outputs_that_do_not_follow_from_the_inputs_are_refused():
    x, other = Symbol((None, 3)), Symbol((None, 3), name="other")
    with pytest.raises(HandsonError, match="need <Symbol other"):
        Graph(x, x + other)
    with pytest.raises(HandsonError, match="an input is given twice"):
        Graph([x, x], x + 1)
    with pytest.raises(HandsonError, match="what Input"):
        Graph(x, torch.ones(2))


@pytest.mark.parametrize("use", [bool, len, list, lambda x: x.__array__()])
def test_what_needs_values_is_refused(use):
    with pytest.raises(HandsonError, match="before there are data|no value"):
        use(Symbol((None, 3)))


def test_a_list_that_a_function_was_called_on_may_grow_later():
    x = Symbol((None, 2))
    found = [x, x * 2]
    total = symbol.apply(sum, (found,), {}, lambda node: symbol.run_on_shapes(node, "cpu"))
    found.append(x)
    assert Graph(x, total).run([torch.ones(1, 2)])[0].tolist() == [[3.0, 3.0]]

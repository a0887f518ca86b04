"""From the graph of a net to the operations of the program."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch

from handson.core import tree
from handson.core.lowering import NoLowering, described, lowered
from handson.graph.symbol import Node, Symbol
from handson.training.engines.dense.operations import Operations, Value
from handson.training.engines.graphs import flattened, graph_of


def operations_of(net: Any) -> tuple[Operations, list[int]]:
    """The operations of a net, nets in it included, and the numbers of the values that are its outputs.

    The data that they take have the columns of all inputs, one input beside the other.

    Raises
    ------
    NoLowering
        When the net is no graph of layers, or a part of it has no operations.
    """
    graph = graph_of(net)
    if graph is None:
        raise NoLowering("a net that is no graph of layers")
    operations, known = Operations(), dict(zip(map(id, graph.entries), _inputs(graph.entries), strict=True))
    nodes, exits = flattened(graph)
    for node in nodes:
        known[id(node.outputs)] = _written(node, operations, known)
    outputs = [operations.taken(known[id(symbol)]) for symbol in exits]
    if {each.y for each in operations} - {each.x for each in operations} - {*outputs}:
        raise NoLowering("a net in which parts are computed that no output needs")
    return operations, outputs


def _inputs(entries: Sequence[Symbol]) -> list[Value]:
    """The inputs, as columns of the data."""
    for entry in entries:
        if entry.dtype != torch.float32:
            raise NoLowering(f"inputs of type {str(entry.dtype).removeprefix('torch.')}")
        if None in entry.shape[1:]:
            raise NoLowering("inputs of a shape that varies")
    widths = [math.prod(side or 0 for side in entry.shape[1:]) for entry in entries]
    columns = accumulate(widths, initial=0)
    return [
        Value(width, len(entry.shape) == 2, column=column)
        for entry, width, column in zip(entries, widths, columns, strict=False)
    ]


def _written(node: Node, operations: Operations, known: dict[int, Value]) -> Value:
    """The value that a node gives, after its operations have been added."""
    part, (args, kwargs) = node.function, node.arguments
    if not isinstance(node.outputs, Symbol) or (isinstance(part, torch.nn.Module) and (len(args) != 1 or kwargs)):
        raise NoLowering(f"{described(part)} with several arguments or outputs")

    def value(leaf: Any) -> Any:
        return known[id(leaf)] if isinstance(leaf, Symbol) else leaf

    found: Value = lowered(part, "dense", operations, *tree.map_leaves(value, args), **tree.map_leaves(value, kwargs))
    return found

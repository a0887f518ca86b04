"""The graph of a net as engines read it: nodes of nets inside of it in their place."""

from __future__ import annotations

from typing import Any

from handson.graph import Graph
from handson.graph.patterns import inlined
from handson.graph.symbol import Node, Symbol
from handson.training.preparation.job import watched


def graph_of(net: Any) -> Graph | None:
    """The graph of a net that computes nothing else."""
    plain = getattr(net, "plain_graph", None)
    return plain() if plain is not None else None


def flattened(graph: Graph) -> tuple[list[Node], list[Symbol]]:
    """The nodes of a graph, those of nets in it in their place, and the symbols that come out.

    A net inside with hooks stays a node: they are called with what goes into it and comes out.
    """
    return inlined(graph, _opened)


def _opened(node: Node) -> Graph | None:
    """The graph of a net inside of a net, where it can stand in its place."""
    net = node.function
    graph = None if _watched_net(net) else graph_of(net)
    (args, kwargs), symbols = node.arguments, node.inputs
    if graph is None or len(args) != 1 or kwargs or len(symbols) != len(graph.entries):
        return None
    same = all(one.dtype == entry.dtype for one, entry in zip(symbols, graph.entries, strict=True))
    return graph if same and not isinstance(args[0], dict) else None


def _watched_net(net: Any) -> bool:
    return hasattr(net, "_forward_hooks") and watched(net)

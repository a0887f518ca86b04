"""What engines look for in a graph: nodes that follow one another, also through nets inside of a net."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from handson.core import tree
from handson.graph.graph import Graph
from handson.graph.symbol import Node, Symbol


def lines(nodes: Sequence[Node], exits: Sequence[Symbol]) -> list[list[Node]]:
    """The nodes in lines: in each a node takes what the one before gives, and nothing else needs that.

    Examples
    --------
    >>> x = Symbol((None, 3))
    >>> y = -x
    >>> z = abs(y) + -y
    >>> [len(line) for line in lines([y.node, *(symbol.node for symbol in z.node.inputs), z.node], [z])]
    [1, 1, 1, 1]
    """
    uses = Counter(id(symbol) for node in nodes for symbol in node.inputs)
    uses.update(id(symbol) for symbol in exits)
    ends: dict[int, list[Node]] = {}
    found: list[list[Node]] = []
    for node in nodes:
        (args, kwargs), output = node.arguments, node.outputs
        plain = len(args) == 1 and isinstance(args[0], Symbol) and not kwargs
        line = ends.pop(id(args[0]), None) if plain and uses[id(args[0])] == 1 else None
        if line is None:
            found.append(line := [])
        line.append(node)
        if plain and isinstance(output, Symbol):
            ends[id(output)] = line
    return found


def inlined(
    graph: Graph, opened: Callable[[Node], Graph | None], given: Sequence[Symbol] | None = None
) -> tuple[list[Node], list[Symbol]]:
    """The nodes of a graph with those of nets in it in their place, and the symbols that come out.

    Parameters
    ----------
    graph : Graph
        The graph.
    opened : function of Node
        The graph that a node applies, if it is to stand in the place of the node; else None.
    given : list of Symbol, optional
        What goes in, in place of the entries of the graph.
    """
    known = dict(zip(map(id, graph.entries), graph.entries if given is None else given, strict=True))
    nodes: list[Node] = []

    def renamed(leaf: Any) -> Any:
        return known[id(leaf)] if isinstance(leaf, Symbol) else leaf

    for node in graph.nodes:
        inner = opened(node)
        args, kwargs = tree.map_leaves(renamed, node.arguments)
        outputs = tree.leaves(node.outputs)
        if inner is not None:
            more, exits = inlined(inner, opened, tree.leaves(args))
            nodes += more
            known.update(zip(map(id, outputs), exits, strict=True))
            continue
        made = Node(node.function, args, kwargs)
        known.update({id(one): Symbol(one.shape, one.dtype, made, one.name) for one in outputs})
        made.outputs = tree.map_leaves(renamed, node.outputs)
        nodes.append(made)
    return nodes, [known[id(symbol)] for symbol in graph.exits]


def expanded(graph: Graph) -> Graph:
    """A graph with the nodes of the nets in it, and of those in them, in their place.

    Examples
    --------
    >>> from handson import Input, Model, Sequential
    >>> from handson.layers import Dense
    >>> x = Input((3,))
    >>> net = Model(x, Dense(1)(Sequential([Dense(4), Dense(2)])(x)))
    >>> len(net.graph.nodes), len(expanded(net.graph).nodes)
    (2, 3)
    """
    _, exits = inlined(graph, lambda node: getattr(node.function, "graph", None))
    return Graph(graph.inputs, tree.rebuild(tree.spec(graph.outputs), exits))

"""`Graph`: the nodes behind some symbols, in an order in which they can be computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import nn

from handson.core import tree
from handson.core.errors import HandsonError
from handson.graph.plan import Plan
from handson.graph.symbol import Node, Symbol, remember

# More than any real net has; a file must not take minutes to build.
MOST_NODES = 5000


class Graph:
    """What is computed between the inputs and the outputs of a net.

    Parameters
    ----------
    inputs, outputs : Symbol, or a tree of them
        What goes in and what comes out.

    Attributes
    ----------
    nodes : list of Node
        Every node once, each after those that it needs; a shared layer stands in several of them.

    Raises
    ------
    HandsonError
        When an output does not follow from the inputs alone.

    Examples
    --------
    >>> import torch
    >>> x = Symbol((None, 3))
    >>> Graph(x, {"double": x * 2}).run([torch.ones(1, 3)])[0].tolist()
    [[2.0, 2.0, 2.0]]
    """

    def __init__(self, inputs: Any, outputs: Any) -> None:
        self.inputs, self.outputs = inputs, outputs
        self.entries, self.exits = _symbols(inputs, "inputs"), _symbols(outputs, "outputs")
        if len({id(entry) for entry in self.entries}) < len(self.entries):
            raise HandsonError("an input is given twice: each input of a net is a symbol of its own.")
        self.nodes = _collect(self.entries, self.exits)
        self.starts = [entry.node for entry in self.entries if entry.node is not None and not entry.node.inputs]
        self._plan = Plan(self.nodes, self.entries, self.exits)

    def run(self, leaves: Sequence[Any]) -> list[Any]:
        """The outputs, as leaves, for the leaves of the inputs."""
        return self._plan.run(leaves)

    def functions(self) -> list[Any]:
        """Every layer, net and operation once, in the order of Keras's `layers`: those far from the outputs first.

        Of those at the same distance the one comes first that is met first on the way from the outputs. A shared one is
        as far as its farthest application, and what goes into it is farther.
        """
        order, met = _traversed(self.entries, self.exits)
        depths: dict[int, int] = {}
        of_function: dict[int, int] = {id(node.function): 0 for node in self.starts}
        for node in reversed(order):
            depth = max(depths.get(node.number, 0), of_function.get(id(node.function), 0))
            depths[node.number] = of_function[id(node.function)] = depth
            for symbol in self._before(node):
                if symbol.node is not None:
                    depths[symbol.node.number] = max(depths.get(symbol.node.number, 0), depth + 1)
        functions = {id(node.function): node.function for node in (*order, *self.starts)}
        return sorted(functions.values(), key=lambda each: (-of_function[id(each)], met.get(id(each), -1)))

    def _before(self, node: Node) -> list[Symbol]:
        """What goes into a node, if that is part of the graph: what lies before an input is not."""
        ends = {id(entry) for entry in self.entries}
        outputs = tree.leaves(node.outputs)
        return [] if any(id(symbol) in ends for symbol in outputs) else node.inputs

    def chain(self) -> list[nn.Module] | None:
        """The layers, if this is a plain stack of them: one input, one output, each layer after the one before."""
        if len(self.entries) != 1 or self.outputs is not self.exits[0]:
            return None
        at = self.entries[0]
        layers: list[nn.Module] = []
        for node in self.nodes:
            (args, kwargs), output = node.arguments, node.outputs
            plain = len(args) == 1 and args[0] is at and not kwargs and isinstance(output, Symbol)
            if not plain or not isinstance(node.function, nn.Module) or any(node.function is one for one in layers):
                return None
            layers.append(node.function)
            at = output
        return layers if at is self.exits[0] else None

    # Copies and pickles hold the nodes as records: a chain of symbols is deeper than Python's stack.

    def __getstate__(self) -> dict[str, Any]:
        places = self._plan.places

        def placed(leaf: Any) -> Any:
            return _Place(places[id(leaf)]) if isinstance(leaf, Symbol) else leaf

        starts = [node.function if (node := entry.node) and not node.inputs else None for entry in self.entries]
        return {
            "entries": list(zip(map(_Described, self.entries), starts, strict=True)),
            "records": [
                (node.function, tree.map_leaves(placed, node.arguments), tree.map_leaves(_Described, node.outputs))
                for node in self.nodes
            ],
            "forms": [tree.map_leaves(placed, form) for form in (self.inputs, self.outputs)],
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        symbols: list[Symbol] = []

        def found(leaf: Any) -> Any:
            return symbols[leaf.place] if isinstance(leaf, _Place) else leaf

        for described, function in state["entries"]:
            symbols.append(described.symbol())
            if function is not None:
                _attach(Node(function, (), {}), symbols[-1])
        for function, arguments, outputs in state["records"]:
            args, kwargs = tree.map_leaves(found, arguments)
            made = tree.map_leaves(_Described.symbol, outputs)
            _attach(Node(function, args, kwargs), made)
            symbols += tree.leaves(made)
        inputs, outputs = (tree.map_leaves(found, form) for form in state["forms"])
        self.__init__(inputs, outputs)  # type: ignore[misc]

    def users(self, symbol: Symbol) -> list[Any]:
        """The functions that a symbol goes into."""
        return [node.function for node in self.nodes if any(symbol is one for one in node.inputs)]


class _Place:
    """Where a symbol stands among those of a graph; a leaf of a tree."""

    def __init__(self, place: int) -> None:
        self.place = place


class _Described:
    """What a symbol is made of; a leaf of a tree."""

    def __init__(self, symbol: Symbol) -> None:
        self.shape, self.dtype, self.name = symbol.shape, symbol.dtype, symbol.name

    def symbol(self) -> Symbol:
        """Another symbol of the kind."""
        return Symbol(self.shape, self.dtype, name=self.name)


def _attach(node: Node, outputs: Any) -> None:
    node.outputs = outputs
    for symbol in tree.leaves(outputs):
        symbol.node = node
    remember(node)


def _symbols(given: Any, what: str) -> list[Symbol]:
    found = tree.leaves(given)
    for leaf in found:
        if not isinstance(leaf, Symbol):
            raise HandsonError(
                f"the {what} of a net are what Input(...) and layers called on it return; got {leaf!r} of type "
                f"{type(leaf).__name__}."
            )
    if not found:
        raise HandsonError(f"a net needs {what}; got {given!r}.")
    return found


def _collect(entries: list[Symbol], exits: list[Symbol]) -> list[Node]:
    """The nodes between inputs and outputs, each after those it needs, else in the order in which they were made."""
    known, found = {id(entry) for entry in entries}, {}
    waiting = [exit for exit in exits if id(exit) not in known]
    while waiting:
        symbol = waiting.pop()
        node = symbol.node
        if node is None or not node.inputs:
            raise HandsonError(
                f"the outputs need {symbol!r}, which does not follow from the inputs: "
                f"{', '.join(entry.name for entry in entries)}. Name it among the inputs of the net."
            )
        if node.number not in found:
            found[node.number] = node
            waiting += [symbol for symbol in node.inputs if id(symbol) not in known]
        if len(found) > MOST_NODES:
            raise HandsonError(f"a net has at most {MOST_NODES:,} nodes.")
    # A node is made after what goes into it.
    return [found[number] for number in sorted(found)]


def _traversed(entries: list[Symbol], exits: list[Symbol]) -> tuple[list[Node], dict[int, int]]:
    """The nodes, each after what goes into it, and the place at which each function was met, depth first."""
    ends, met = {id(entry) for entry in entries}, dict[int, int]()
    order, seen = [], set[int]()
    for exit in exits:
        waiting: list[tuple[Symbol, Iterator[Symbol] | None]] = [(exit, None)]
        while waiting:
            symbol, rest = waiting.pop()
            node = symbol.node
            if node is None:
                continue
            if rest is None:
                if node.number in seen:
                    continue
                seen.add(node.number)
                met.setdefault(id(node.function), len(met))
                rest = iter(() if id(symbol) in ends else node.inputs)
            following = next(rest, None)
            if following is None:
                order.append(node)
            else:
                waiting += [(symbol, rest), (following, None)]
    return order, met

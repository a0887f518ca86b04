"""`Plan`: how values go through the nodes of a graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from handson.core import tree
from handson.graph.symbol import Node, Symbol


class Plan:
    """Nodes in an order in which they can be computed, made ready to run.

    Parameters
    ----------
    nodes : list of Node
        Each after those that it needs.
    entries, exits : list of Symbol
        What goes in and what comes out.

    Attributes
    ----------
    places : dict of int to int
        Where the value of each symbol is kept, by the identity of the symbol.

    Examples
    --------
    >>> x = Symbol((None, 3))
    >>> y = x * 2
    >>> Plan([y.node], [x], [y]).run([torch.ones(1)])
    [tensor([2.])]
    """

    def __init__(self, nodes: list[Node], entries: list[Symbol], exits: list[Symbol]) -> None:
        self.exits, self.places = exits, _places(nodes, entries)
        self._steps = list(_compiled(nodes, self.places, exits))

    def run(self, leaves: Sequence[Any]) -> list[Any]:
        """The values of the exits for those of the entries."""
        values: list[Any] = [None] * len(self.places)
        values[: len(leaves)] = leaves
        for call, store, spent in self._steps:
            store(values, call(values))
            for place in spent:
                values[place] = None
        return [values[self.places[id(symbol)]] for symbol in self.exits]


def _places(nodes: list[Node], entries: list[Symbol]) -> dict[int, int]:
    """Where the value of each symbol is kept while a graph runs."""
    symbols = [*entries, *(symbol for node in nodes for symbol in tree.leaves(node.outputs))]
    return {id(symbol): place for place, symbol in enumerate(symbols)}


Step = tuple[Callable[[list[Any]], Any], Callable[[list[Any], Any], None], list[int]]


def _compiled(nodes: list[Node], places: dict[int, int], exits: list[Symbol]) -> Iterator[Step]:
    """For each node: what computes it, what stores the result, and the values that nobody needs afterwards."""
    last = {places[id(symbol)]: number for number, node in enumerate(nodes) for symbol in node.inputs}
    kept = {places[id(symbol)] for symbol in exits}
    for number, node in enumerate(nodes):
        spent = [place for place, end in last.items() if end == number and place not in kept]
        outputs = tree.leaves(node.outputs)
        yield _call(node, places), _store([places[id(symbol)] for symbol in outputs]), spent


def _call(node: Node, places: dict[int, int]) -> Callable[[list[Any]], Any]:
    function, (args, kwargs) = node.function, node.arguments
    if len(args) == 1 and isinstance(args[0], Symbol) and not kwargs:
        place = places[id(args[0])]
        return lambda values: function(values[place])

    def call(values: list[Any]) -> Any:
        def value(leaf: Any) -> Any:
            return values[places[id(leaf)]] if isinstance(leaf, Symbol) else leaf

        return function(*tree.map_leaves(value, args), **tree.map_leaves(value, kwargs))

    return call


def _store(places: list[int]) -> Callable[[list[Any], Any], None]:
    if len(places) == 1:
        (place,) = places

        def one(values: list[Any], result: Any) -> None:
            values[place] = result if isinstance(result, torch.Tensor) else tree.leaves(result)[0]

        return one

    def several(values: list[Any], result: Any) -> None:
        for place, leaf in zip(places, tree.leaves(result), strict=True):
            values[place] = leaf

    return several

"""Nets whose inputs are texts, of which torch has no tensors: the layers that read texts come before the net.

A net between symbols is cut behind these layers. They are applied to the data, once, in preparation; the net itself
begins with the numbers that they give, and so runs like any other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from handson.core import tree
from handson.core.errors import HandsonError, listing, nearest
from handson.graph.conversion import TEXT
from handson.graph.graph import Graph
from handson.graph.symbol import Symbol


class GraphReader:
    """What reads the texts among the inputs of a net between symbols.

    Parameters
    ----------
    graph : Graph
        From the inputs of the net to what its numbers begin with.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def __call__(self, inputs: Any) -> Any:
        """What the net of numbers takes, for what the whole net takes."""
        entries = self.graph.entries
        leaves = zip(entries, self._apart(inputs), strict=True)
        found = self.graph.run([as_entry(leaf, entry) for entry, leaf in leaves])
        return found if len(found) > 1 else found[0]

    def _apart(self, inputs: Any) -> list[Any]:
        """One array, list or table for each input."""
        entries, form = self.graph.entries, self.graph.inputs
        names = [entry.name for entry in entries]
        if isinstance(inputs, dict):
            keys = list(form) if isinstance(form, dict) else names
            missing = [key for key in keys if key not in inputs]
            if missing:
                raise HandsonError(
                    f"the net takes the inputs {listing(keys)}; {listing(missing)} missing."
                    f"{nearest(missing[0], [str(key) for key in inputs])}"
                )
            return [inputs[key] for key in keys]
        if len(entries) == 1:
            alone = isinstance(inputs, (list, tuple)) and len(inputs) == 1 and hasattr(inputs[0], "shape")
            return [inputs[0] if alone else inputs]
        if not isinstance(inputs, (list, tuple)) or len(inputs) != len(entries):
            count = len(inputs) if isinstance(inputs, (list, tuple)) else 1
            raise HandsonError(f"the net takes {len(entries)} inputs ({listing(names)}); got {count}.")
        return list(inputs)


def cut(whole: Graph) -> tuple[GraphReader | None, Graph]:
    """What reads the texts among the inputs of a graph, None if there are none; and the graph of numbers behind it.

    The inputs of the second graph are the outputs of the first: the inputs that are numbers, and what texts became.
    """
    if all(entry.dtype is not TEXT for entry in whole.entries):
        return None, whole
    read = [
        symbol
        for node in whole.nodes
        if any(each.dtype is TEXT for each in node.inputs)
        for symbol in tree.leaves(node.outputs)
    ]
    numbers = [entry for entry in whole.entries if entry.dtype is not TEXT]
    found = [*numbers, *read]
    between = found[0] if len(found) == 1 else found
    return GraphReader(Graph(whole.inputs, between)), Graph(between, whole.outputs)


def holds_texts(values: Any) -> bool:
    """Whether there are texts, or symbols of texts, in a tree of what a net is called with.

    Examples
    --------
    >>> holds_texts(["a", "b"]), holds_texts({"a": np.array(["x"]), "b": np.ones(1)}), holds_texts([np.ones(2)])
    (True, True, False)
    """
    return any(map(_is_text, tree.leaves(values)))


def _is_text(leaf: Any) -> bool:
    if isinstance(leaf, Symbol):
        return leaf.dtype is TEXT
    return isinstance(leaf, (str, bytes)) or getattr(getattr(leaf, "dtype", None), "kind", "") in ("U", "S", "O", "T")


def as_entry(values: Any, entry: Symbol) -> Any:
    """Values of the rank of an input, a last axis of one entry added or taken away; texts as an array of objects.

    Examples
    --------
    >>> as_entry(["a", "b"], Symbol((None, 1), TEXT)).shape, as_entry(np.array([["a"], ["b"]]), Symbol((None,))).shape
    ((2, 1), (2,))
    """
    is_table = hasattr(values, "iloc") and entry.dtype is not TEXT  # whose columns are looked at later
    if isinstance(values, Symbol) or is_table:
        return values
    array = values.to_numpy() if hasattr(values, "to_numpy") else values
    array = array if hasattr(array, "ndim") else np.asarray(array)
    if entry.dtype is TEXT and array.dtype.kind in "UST":
        array = array.astype(object)
    rank = len(entry.shape)
    if array.ndim == rank - 1 and entry.shape[-1] == 1:
        return array[..., None]
    return array[..., 0] if array.ndim == rank + 1 and array.shape[-1] == 1 else array

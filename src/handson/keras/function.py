"""`keras.Function`: an expression of symbols as a function of tensors."""

from __future__ import annotations

from typing import Any

from handson.core import tree
from handson.core.errors import HandsonError
from handson.graph import Graph, Symbol
from handson.graph.conversion import convert


class Function:
    """What some symbols are, for values of others.

    Parameters
    ----------
    inputs, outputs : Symbol, or a tree of them
        What goes in and what comes out.
    name : str, optional
        A name.

    Examples
    --------
    >>> x = Symbol((None, 3))
    >>> Function([x], x * 2)([[[1.0, 2.0, 3.0]]]).tolist()
    [[2.0, 4.0, 6.0]]
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None) -> None:
        self.name = name or "function"
        self._graph = Graph(inputs, outputs)

    @property
    def inputs(self) -> list[Symbol]:
        """The symbols that go in."""
        return self._graph.entries

    @property
    def outputs(self) -> list[Symbol]:
        """The symbols that come out."""
        return self._graph.exits

    def __call__(self, inputs: Any) -> Any:
        """The outputs for some inputs, in the form of those it was made with; on symbols, symbols."""
        form = self._graph.inputs
        given = [inputs] if isinstance(form, Symbol) else self._listed(form, inputs)
        values = [
            leaf if isinstance(leaf, Symbol) else convert(leaf, entry.dtype)
            for leaf, entry in zip(given, self.inputs, strict=True)
        ]
        return tree.rebuild(tree.spec(self._graph.outputs), self._graph.run(values))

    def _listed(self, form: Any, inputs: Any) -> list[Any]:
        given = list(inputs.values()) if isinstance(inputs, dict) else list(inputs)
        if isinstance(form, dict) and isinstance(inputs, dict) and form.keys() == inputs.keys():
            given = [inputs[name] for name in form]
        if len(given) != len(self.inputs):
            raise HandsonError(f"the function {self.name!r} takes {len(self.inputs)} inputs; got {len(given)}.")
        return given

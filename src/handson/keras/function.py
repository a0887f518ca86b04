"""`keras.Function`: an expression of symbols as a function of tensors."""

from __future__ import annotations

from typing import Any

from handson.core import tree
from handson.core.errors import HandsonError, listing
from handson.graph import Graph, Symbol
from handson.graph.conversion import convert
from handson.layers.shapes import compatible


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
        values = [
            leaf if isinstance(leaf, Symbol) else convert(leaf, entry.dtype)
            for leaf, entry in zip(self._listed(inputs), self.inputs, strict=True)
        ]
        for value, entry in zip(values, self.inputs, strict=True):
            if not compatible(entry.shape, tuple(value.shape)):
                raise HandsonError(
                    f"the function {self.name!r} takes {entry.name} of shape {entry.shape}; got {tuple(value.shape)}."
                )
        return tree.rebuild(tree.spec(self._graph.outputs), self._graph.run(values))

    def _listed(self, inputs: Any) -> list[Any]:
        form = self._graph.inputs
        if isinstance(form, Symbol):
            return [inputs]
        if isinstance(inputs, dict):
            if not isinstance(form, dict) or form.keys() != inputs.keys():
                wanted = f"the keys {listing(form)}" if isinstance(form, dict) else "a list"
                raise HandsonError(f"the function {self.name!r} takes {wanted}; got the keys {listing(inputs)}.")
            return [inputs[name] for name in form]
        if isinstance(form, dict):
            raise HandsonError(
                f"the function {self.name!r} takes a dictionary with the keys {listing(form)}; got "
                f"{type(inputs).__name__}."
            )
        given = list(inputs)
        if len(given) != len(self.inputs):
            raise HandsonError(f"the function {self.name!r} takes {len(self.inputs)} inputs; got {len(given)}.")
        return given

"""`Plan`: the nodes behind some variables, put in order once and then run as often as there are values."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from handson.core import tree
from handson.core.errors import HandsonError
from handson.graph import Node
from handson.theano.sharing import SharedVariable
from handson.theano.variable import Variable, inputs_of

Values = list[Any]


def ordered(outputs: Sequence[Variable], ends: Sequence[Variable] = ()) -> list[Node]:
    """The nodes that some variables need, each after those that it needs; what lies before `ends` is not looked at."""
    known, found = {id(end) for end in ends}, {}
    waiting = list(outputs)
    while waiting:
        variable = waiting.pop()
        node = variable.node
        if id(variable) in known or node is None or node.number in found:
            continue
        found[node.number] = node
        waiting += inputs_of(node)
    # A node is made after what goes into it.
    return [found[number] for number in sorted(found)]


def leaves_of(outputs: Sequence[Variable]) -> list[Variable]:
    """The variables without a node that some variables need, each once, in the order in which they were made."""
    nodes = ordered(outputs)
    given = [one for node in nodes for one in inputs_of(node) if one.node is None]
    found = {id(one): one for one in [*given, *(one for one in outputs if one.node is None)]}
    return sorted(found.values(), key=lambda one: one.number)


def clone(
    outputs: Any, replace: dict[Variable, Any] | Sequence[tuple[Variable, Any]] | None = None, **kwargs: Any
) -> Any:
    """Expressions with some variables replaced by others.

    Parameters
    ----------
    outputs : Variable, or a list or dictionary of them
        The expressions.
    replace : dict of Variable to Variable
        What to put in place of what.
    **kwargs
        `strict`, `share_inputs`: for programs that name them.

    Examples
    --------
    >>> from handson.theano import tensor as T
    >>> x, y = T.scalar("x"), T.scalar("y")
    >>> float(clone(x * 2, {x: y + 1}).eval({y: 3.0}))
    8.0
    """
    if set(kwargs) - {"strict", "share_inputs", "copy_inputs"}:
        raise HandsonError(f"clone takes outputs and replace; got {', '.join(kwargs)}.")
    pairs = dict(replace or {})
    made: dict[int, Any] = {id(old): new for old, new in pairs.items()}

    def now(leaf: Any) -> Any:
        return made.get(id(leaf), leaf) if isinstance(leaf, Variable) else leaf

    for node in ordered(tree.leaves(outputs), list(pairs)):
        if any(id(one) in made for one in inputs_of(node)):
            args, kwargs = (tree.map_leaves(now, part) for part in node.arguments)
            again = Node(node.function, args, kwargs)
            again.outputs = tree.map_leaves(functools.partial(_again, again), node.outputs)
            for old, new in zip(tree.leaves(node.outputs), tree.leaves(again.outputs), strict=True):
                made.setdefault(id(old), new)
    return tree.map_leaves(now, outputs)


def _again(node: Node, old: Variable) -> Variable:
    return Variable(old.ndim, old.dtype, node, old.name)


def differentiate(
    cost: Tensor, wrt: list[Tensor], known: list[Tensor] | None = None, missing: str = "raise", create: bool = False
) -> Any:
    """The gradients of a cost; `known` are those of the costs themselves, `missing` says what is done without one."""
    costs = cost if isinstance(cost, list) else [cost]
    found: Sequence[Tensor | None] = [None] * len(wrt)
    if any(one.requires_grad for one in costs):
        found = torch.autograd.grad(costs, wrt, known, retain_graph=True, create_graph=create, allow_unused=True)
    if missing == "raise" and any(gradient is None for gradient in found):
        raise HandsonError(
            "theano.grad: the cost does not depend on one of the variables in wrt. Take it out of the list, or pass "
            "disconnected_inputs='ignore' for a gradient of zeros."
        )
    return [torch.zeros_like(x) if gradient is None else gradient for gradient, x in zip(found, wrt, strict=True)]


def differentiate_rows(rows: Tensor, wrt: list[Tensor], missing: str = "raise", create: bool = False) -> Any:
    """The gradients of each entry of a vector, stacked."""
    with torch.enable_grad():
        found = [differentiate(row, wrt, None, missing, create) for row in rows.unbind()]
    return [torch.stack(column) for column in zip(*found, strict=True)]


# What asks for gradients by its second argument.
DIFFERENTIATES = (differentiate, differentiate_rows)


class Plan:
    """What computes some variables from others.

    Parameters
    ----------
    inputs : sequence of Variable
        What values are given for.
    outputs : sequence of Variable
        What is computed.
    final : bool
        Whether no gradient is asked for from outside, through what is computed.

    Raises
    ------
    HandsonError
        When an output needs a variable that is neither given nor shared.
    """

    def __init__(self, inputs: Sequence[Variable], outputs: Sequence[Variable], final: bool = False) -> None:
        self.inputs, self.outputs, self._final = list(inputs), list(outputs), final
        nodes = ordered(self.outputs, self.inputs)
        nodes, self._first = _phases(nodes) if final else (nodes, len(nodes))
        self.nodes = nodes
        self._places: dict[int, int] = {}
        for variable in (*self.inputs, *(one for node in nodes for one in tree.leaves(node.outputs))):
            self._places.setdefault(id(variable), len(self._places))
        self.shared = self._leaves(nodes)
        for leaf in self.shared:
            self._places.setdefault(id(leaf), len(self._places))
        self._watched = _watched(nodes)
        steps = [(_call(node, self._places, not final or _is_deep(node, nodes)), self._stored(node)) for node in nodes]
        self._steps, self._exits = steps, self.places(self.outputs)
        leaves = (*self.inputs, *self.shared)
        self._marked = self.places([variable for variable in leaves if self.is_watched(variable)])

    def _leaves(self, nodes: list[Node]) -> list[SharedVariable]:
        """The shared variables that are read; anything else without a node has to be given."""
        wanted = [*self.outputs, *(one for node in nodes for one in inputs_of(node))]
        missing = [one for one in wanted if one.node is None and id(one) not in self._places]
        for one in missing:
            if not isinstance(one, SharedVariable):
                raise HandsonError(
                    f"the outputs need {one!r}, which is not among the inputs: "
                    f"{', '.join(map(repr, self.inputs)) or 'there are none'}. Add it to them, or to givens."
                )
        return [one for one in {id(one): one for one in missing}.values() if isinstance(one, SharedVariable)]

    def _stored(self, node: Node) -> list[tuple[int, bool]]:
        """Where each output of a node goes, and whether its gradient is asked for."""
        return [(self._places[id(one)], id(one) in self._watched) for one in tree.leaves(node.outputs)]

    @property
    def differentiates(self) -> bool:
        """Whether gradients are computed."""
        return bool(self._watched)

    def places(self, variables: Sequence[Variable]) -> list[int]:
        """Where the values of variables are."""
        return [self._places[id(variable)] for variable in variables]

    def is_watched(self, variable: Variable) -> bool:
        """Whether a gradient is taken by a variable."""
        return id(variable) in self._watched

    def blank(self) -> Values:
        """Room for the values of all variables."""
        return [None] * len(self._places)

    def start(self, given: Sequence[Tensor]) -> Values:
        """The values of all variables, of which only inputs and shared ones are known yet."""
        values = self.blank()
        values[: len(given)] = given
        for leaf in self.shared:
            values[self._places[id(leaf)]] = leaf.cell.read()
        return values

    def run(self, given: Sequence[Tensor]) -> list[Tensor]:
        """The outputs for values of the inputs."""
        return self.finish(self.start(given))

    def finish(self, values: Values, known: frozenset[int] = frozenset()) -> list[Tensor]:
        """The outputs, from the values of inputs, shared variables and the nodes of `known` (by position)."""
        for place in self._marked:
            # Inside a scan a gradient may be taken from outside, through what is differentiated here.
            if self._final or not values[place].requires_grad:
                values[place] = _leaf(values[place])
        count = len(self._steps)
        self.compute(values, [at for at in range(self._first) if at not in known])
        if self._first < count:
            with torch.no_grad():
                self.compute(values, [at for at in range(self._first, count) if at not in known])
        return [values[place] for place in self._exits]

    def compute(self, values: Values, positions: Sequence[int]) -> None:
        """Compute nodes, by their positions; `at` is the one that is computed."""
        for self.at in positions:
            call, stored = self._steps[self.at]
            result = call(values)
            if len(stored) == 1 and isinstance(result, Tensor):
                result = [result]
            for (place, watched), value in zip(stored, result, strict=True):
                values[place] = value if not watched or value.requires_grad else _leaf(value)


def _phases(nodes: list[Node]) -> tuple[list[Node], int]:
    """The nodes whose gradients are asked for in front, and how many they are; all where no gradient is asked for.

    What comes after the gradients, such as updates, need not be recorded for a backward pass.
    """
    asked = [node for node in nodes if node.function in DIFFERENTIATES]
    if not asked:
        return nodes, len(nodes)
    recorded = {node.number for node in ordered([cost for node in asked for cost in _costs(node)])}
    first = [node for node in nodes if node.number in recorded]
    return [*first, *(node for node in nodes if node.number not in recorded)], len(first)


def _leaf(value: Tensor) -> Tensor:
    """A value whose gradient can be asked for."""
    return value.detach().requires_grad_() if value.is_floating_point() else value


def _watched(nodes: list[Node]) -> set[int]:
    return {id(one) for node in nodes if node.function in DIFFERENTIATES for one in node.arguments[0][1]}


def _is_deep(node: Node, nodes: list[Node]) -> bool:
    """Whether a gradient is differentiated again."""
    if node.function not in DIFFERENTIATES:
        return False
    later = [other for other in nodes if other.function in DIFFERENTIATES and other.number > node.number]
    return any(node.number in {before.number for before in ordered(_costs(other))} for other in later)


def _costs(node: Node) -> list[Variable]:
    return [leaf for leaf in tree.leaves(node.arguments[0][0]) if isinstance(leaf, Variable)]


def _call(node: Node, places: dict[int, int], deep: bool) -> Callable[[Values], Any]:
    """What computes a node from the values of all variables."""
    function, (args, kwargs) = node.function, node.arguments
    kwargs = kwargs | {"create": True} if deep and function in DIFFERENTIATES else kwargs
    flat = not kwargs and not any(isinstance(one, (list, tuple, dict)) for one in args)
    if flat:
        return _flat_call(function, [places[id(one)] if isinstance(one, Variable) else None for one in args], args)

    def call(values: Values) -> Any:
        def value(leaf: Any) -> Any:
            return values[places[id(leaf)]] if isinstance(leaf, Variable) else leaf

        return function(*tree.map_leaves(value, args), **tree.map_leaves(value, kwargs))

    return call


def _flat_call(function: Callable[..., Any], found: list[int | None], args: tuple[Any, ...]) -> Callable[[Values], Any]:
    """A call whose arguments are values and constants, without lists: most are."""
    match found:
        case [int(first)]:
            return lambda values: function(values[first])
        case [int(first), int(second)]:
            return lambda values: function(values[first], values[second])
    pairs = list(zip(found, args, strict=True))
    return lambda values: function(*[held if place is None else values[place] for place, held in pairs])

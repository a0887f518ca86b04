"""`Compiled`: a plan that is recorded as one list of operations, as far as values do not decide what is computed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from handson.core import tree
from handson.graph import Node
from handson.theano.plan import Plan
from handson.theano.traced import Traced, is_traceable
from handson.theano.variable import Variable, inputs_of

# How often recording is tried; each try finds one more node that needs values.
MOST_TRIES = 8


class Compiled:
    """Runs a plan, and faster after some calls.

    Random numbers, loops and slices whose bounds are values are computed first, node by node; the rest is recorded.
    Where they need a gradient, or stand behind weights, the plan runs as it is.

    Parameters
    ----------
    plan : Plan
        What is run; a final one.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan, self._tries = plan, 0
        self._divide({at for at, node in enumerate(plan.nodes) if not is_traceable(node.function)})

    def run(self, given: Sequence[Tensor]) -> list[Tensor]:
        """The outputs for values of the inputs."""
        values = self.plan.start(given)
        if self._traced is None:
            with torch.set_grad_enabled(self.plan.differentiates):
                return self.plan.finish(values)
        if self._early:
            with torch.no_grad():
                self.plan.compute(values, self._early)
        found = self._traced([values[place] for place in self._entries])
        if self._traced.failed:
            # The node that was being computed needs values: it is computed first from now on.
            self._divide({*self._by_value, self.plan.at})
        return found

    def _divide(self, by_value: set[int]) -> None:
        """Nodes that are computed first, with what they need, and the others, which take their values."""
        nodes = self.plan.nodes
        self._by_value = frozenset(by_value)
        early = _with_sources(nodes, by_value)
        self._early = [at for at in range(len(nodes)) if at in early]
        exits = [one for at in self._early if at in by_value for one in tree.leaves(nodes[at].outputs)]
        self._entries = self.plan.places([*self.plan.inputs, *self.plan.shared, *exits])
        free = not any(map(self.plan.is_watched, [*exits, *(one for at in early for one in inputs_of(nodes[at]))]))
        self._tries += 1
        useful = free and len(early) < len(nodes) and self._tries <= MOST_TRIES
        self._traced = Traced(self._rest) if useful else None

    def _rest(self, *given: Tensor) -> list[Tensor]:
        values = self.plan.blank()
        for place, value in zip(self._entries, given, strict=True):
            values[place] = value
        with torch.set_grad_enabled(self.plan.differentiates):
            return self.plan.finish(values, self._by_value)


def _with_sources(nodes: list[Node], wanted: set[int]) -> set[int]:
    """Nodes, by position, and all that they need."""
    makers: dict[int, int] = {id(one): at for at, node in enumerate(nodes) for one in tree.leaves(node.outputs)}
    found: set[int] = set()
    waiting = list(wanted)
    while waiting:
        at = waiting.pop()
        if at not in found:
            found.add(at)
            needs: list[Variable] = inputs_of(nodes[at])
            waiting += [makers[id(one)] for one in needs if id(one) in makers]
    return found

"""The engine of nets on a CPU with parts that are one kernel: ReLU with 2x2 max-pooling, and recurrent layers.

In convolutional nets batch normalization, ReLU, max-pooling and dropout are one kernel: a large part of a step moves
data between them. The first convolution, whose images have few channels, is done by the same kernel. Of the others,
where nothing is normalized, the backward pass leaves out what the pooling makes 0, which is more than three quarters;
and windows of 3x3 take fewer multiplications, where there are many channels. An LSTM or a GRU goes through all its
steps in one kernel. What the kernels compute does not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor

from handson.graph import Graph
from handson.graph.patterns import inlined, lines
from handson.graph.plan import Plan
from handson.graph.symbol import Node
from handson.layers.added import enter_run, leave_run
from handson.training.engines.blocks import rules
from handson.training.engines.eager import Eager
from handson.training.preparation.job import Job, watched


class Blocks(Eager):
    """Runs the graph of a net with compiled kernels in place of some layers, in nets inside of it too.

    Parameters
    ----------
    job : Job
        A job for which `obstacle` finds nothing.
    """

    reason = (
        "engine='blocks': compiled kernels run parts of this net (ReLU with max-pooling and their neighbours, LSTM, "
        "GRU); engine='eager' does without."
    )

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._prepare()

    @staticmethod
    def obstacle(job: Job) -> str | None:
        """Why a job cannot run here, None if it can.

        Examples
        --------
        >>> import handson, torch
        >>> from handson.layers import Conv2D, Flatten, MaxPooling2D
        >>> layers = [Conv2D(4, 3, activation="relu", input_shape=(8, 8, 1)), MaxPooling2D(), Flatten()]
        >>> net = handson.Sequential(layers)
        >>> Blocks.obstacle(Job(net, torch.device("cpu")))
        """
        graph = _graph_of(job.module)
        if graph is None:
            return "a net that is no graph of layers"
        if job.device.type != "cpu":
            return f"the device {job.device.type}"
        if job.precision == "bfloat16":
            return "precision='bfloat16'"
        if job.of_another_type() is not None:
            return job.of_another_type()
        if watched(job.module):
            return "a net with hooks at its output"
        found = lines(*inlined(graph, _opened))
        if not any(rules.PAYS.search(rules.letters(_functions(line))) for line in found):
            return "a net without ReLU before 2x2 max-pooling and without LSTM or GRU of the usual kind"
        return None

    def _prepare(self) -> None:
        self._watched, self._settings = self.job.watched(), self.job.settings()
        graph: Any = _graph_of(self.job.module)
        nodes, exits = inlined(graph, _opened)
        replaced = [node for line in lines(nodes, exits) for node in _replaced(line)]
        self._plan = Plan(sorted(replaced, key=lambda node: node.number), graph.entries, exits)

    def forward(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        if self.job.watched() != self._watched or self.job.settings() != self._settings:
            self._prepare()
        if self.job.module in self._watched:
            return super().forward(inputs)
        module: Any = self.job.module
        run = enter_run()
        try:
            return self._plan.run(module.typed_leaves(inputs))
        finally:
            leave_run(run)


def _graph_of(net: Any) -> Graph | None:
    """The graph of a net that computes nothing else."""
    plain = getattr(net, "plain_graph", None)
    return plain() if plain is not None else None


def _opened(node: Node) -> Graph | None:
    """The graph of a net inside of a net, where it can stand in its place."""
    net = node.function
    graph = None if watched_net(net) else _graph_of(net)
    (args, kwargs), symbols = node.arguments, node.inputs
    if graph is None or len(args) != 1 or kwargs or len(symbols) != len(graph.entries):
        return None
    same = all(one.dtype == entry.dtype for one, entry in zip(symbols, graph.entries, strict=True))
    return graph if same and not isinstance(args[0], dict) else None


def watched_net(net: Any) -> bool:
    """Whether a function is a module with hooks."""
    return hasattr(net, "_forward_hooks") and watched(net)


def _functions(line: Sequence[Node]) -> list[Any]:
    return [node.function for node in line]


def _replaced(line: Sequence[Node]) -> Iterator[Node]:
    """The nodes of a line, with one in place of those that a rule replaces."""
    at = 0
    for count, step in rules.replaced(_functions(line)):
        first, last = line[at], line[at + count - 1]
        at += count
        if step is None:
            yield first
            continue
        node = Node(step, *first.arguments)
        node.outputs, node.number = last.outputs, first.number
        yield node

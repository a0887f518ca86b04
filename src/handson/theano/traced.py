"""Expressions and their gradients as one flat list of PyTorch's operations, which is run without autograd.

A step of a small net costs what Python and autograd do between the operations. So `theano.function` records them, once
for each shape, with everything that follows from shapes computed already. What cannot be recorded (random numbers,
loops, a value that decides what is computed) is run before, or keeps the whole function as it was.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Values = list[Any]
Compute = Callable[..., list[Tensor]]

# Calls with one kind of arguments before they are recorded, which takes as long as some thousand calls.
PATIENCE = 20
# Kinds of arguments that are kept; an index that is always of another shape is not worth it.
MOST_KINDS = 16
# What fills a tensor whatever its argument holds.
FILLS = {
    "aten::ones_like",
    "aten::zeros_like",
    "aten::full_like",
    "aten::new_zeros",
    "aten::new_ones",
    "aten::new_full",
}


def is_traceable(function: Any) -> bool:
    """Whether a node's function depends on its tensors alone, as far as PyTorch's dispatcher can see.

    Functions of handson and of PyTorch do; objects say so themselves by an attribute `traceable`.
    """
    if isinstance(function, (types.FunctionType, types.BuiltinFunctionType)):
        return (function.__module__ or "torch").partition(".")[0] in ("handson", "torch", "_operator")
    return bool(getattr(function, "traceable", False))


class Traced:
    """A function of tensors, recorded for each kind of arguments that it is called with often.

    Parameters
    ----------
    compute : callable
        What is recorded: takes tensors, returns a list of tensors.

    Attributes
    ----------
    failed : bool
        Whether recording has failed, as it does where a value decides what is computed.
    """

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._calls: dict[Any, int] = {}
        self._programs: dict[Any, Compute | None] = {}
        self._unproved: dict[Any, Compute] = {}
        self.failed = False

    def __call__(self, given: Sequence[Tensor]) -> list[Tensor]:
        """The results for some tensors."""
        kind = tuple([(one.shape, one.stride(), one.dtype) for one in given])
        program = self._programs.get(kind)
        if program is not None:
            with torch.no_grad():
                return program(*given)
        found = self._compute(*given)
        if kind not in self._programs:
            self._watch(kind, given, found)
        return found

    def _watch(self, kind: Any, given: Sequence[Tensor], found: list[Tensor]) -> None:
        """Record a kind after some calls, and use what was recorded if it gives the numbers of the next call too."""
        if kind in self._unproved:
            program = self._unproved.pop(kind)
            self._programs[kind] = program if _agrees(program, given, found) else None
            return
        calls = self._calls[kind] = self._calls.get(kind, 0) + 1
        if calls < PATIENCE:
            if len(self._calls) > MOST_KINDS:
                self._calls.clear()
            return
        if len(self._programs) >= MOST_KINDS:
            self._programs[kind] = None
            return
        recorded = _recorded(self._compute, given)
        self.failed = recorded is None
        if recorded is None:
            self._programs[kind] = None
        else:
            self._unproved[kind] = recorded


def _agrees(program: Compute, given: Sequence[Tensor], wanted: list[Tensor]) -> bool:
    with torch.no_grad():
        found = program(*given)
    return all(torch.allclose(one, other, equal_nan=True) for one, other in zip(found, wanted, strict=True))


def _recorded(compute: Compute, given: Sequence[Tensor]) -> Compute | None:
    """What a function does with such tensors, or None where values decide what is done."""
    from torch.fx.experimental.proxy_tensor import make_fx

    try:
        module = make_fx(compute)(*given)
    except Exception:
        # The function itself ran before: whatever this is, it is about recording, and the function does without.
        return None
    nodes = list(module.graph.nodes)
    if any(isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable for node in nodes):
        return None
    return _program(module, given)


def _program(module: Any, given: Sequence[Tensor]) -> Compute:
    """A graph of operations as a function of Python, without what only autograd needed and what shapes decide."""
    values = torch.fx.Interpreter(module, garbage_collect_values=False)
    with torch.no_grad():
        values.run(*given)
    graph = module.graph
    fixed: set[Any] = set()
    for node in graph.nodes:
        if node.op == "call_function" and node.target is torch.ops.aten.detach.default:
            node.replace_all_uses_with(node.args[0])
        elif node.op == "get_attr" or (node.op == "call_function" and _follows_from_shapes(node, fixed)):
            fixed.add(node)
    needed = _needed(graph, fixed)
    names: dict[str, Any] = {node.name: values.env[node] for node in needed & fixed}
    lines = [_line(node, names) for node in graph.nodes if node in needed - fixed and node.op == "call_function"]
    taken = ", ".join(node.name for node in graph.nodes if node.op == "placeholder")
    # A constant that is returned is copied: who gets it may change it.
    exits = [f"{one.name}.clone()" if one in fixed else one.name for one in _exits(graph)]
    source = "\n    ".join([f"def program({taken}):", *lines, f"return [{', '.join(exits)}]"])
    exec(source, names)  # names and operations of the graph, nothing that a user wrote
    found: Compute = names["program"]
    return found


def _follows_from_shapes(node: Any, fixed: set[Any]) -> bool:
    schema = getattr(node.target, "_schema", None)
    return (schema is not None and schema.name in FILLS) or all(one in fixed for one in node.all_input_nodes)


def _exits(graph: Any) -> list[Any]:
    (output,) = (node for node in graph.nodes if node.op == "output")
    return list(output.args[0])


def _needed(graph: Any, fixed: set[Any]) -> set[Any]:
    """The nodes on which the results depend; not what constants were made of."""
    needed: set[Any] = set()
    waiting = _exits(graph)
    while waiting:
        node = waiting.pop()
        if node not in needed:
            needed.add(node)
            waiting += [] if node in fixed else node.all_input_nodes
    return needed


def _line(node: Any, names: dict[str, Any]) -> str:
    """A statement that computes a node; what has no literal of its own gets a name."""

    def text(value: Any) -> str:
        if isinstance(value, torch.fx.Node):
            return value.name
        if isinstance(value, (list, tuple)):
            return f"[{', '.join(map(text, value))}]"
        names[f"held_{len(names)}"] = value
        return f"held_{len(names) - 1}"

    target = node.target
    given = [*map(text, node.args), *(f"{name}={text(value)}" for name, value in node.kwargs.items())]
    return f"{node.name} = {text(getattr(target, '_op', target))}({', '.join(given)})"

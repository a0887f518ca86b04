"""Symbols: what layers and operations return when they are called before there are data.

A symbol knows its shape, and the node that computes it: a callable with its arguments, among which are other symbols.
So a net is written as an expression, and `Graph` collects the nodes behind its outputs.
"""

from __future__ import annotations

import itertools
import math
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from handson.core import tree
from handson.core.errors import HandsonError
from handson.graph.conversion import TEXT

Shape = tuple[int | None, ...]
# Sizes that stand in for unknown dimensions, twice, to see which dimensions of a result follow from them.
TRIED_SIZES = (83, 89)

# Larger tensors than these are not made to see what shapes a layer gives.
MOST_TRIED = 1 << 28
# Up to so many values an operation runs on zeros: for tensors without values torch imports its compiler, for seconds.
MOST_COMPUTED = 1 << 20
META_IS_READY = {"torch._dynamo"}
# What says of a function of torch that a run on zeros would tell a wrong shape, or advance torch's random numbers.
FROM_VALUES = {torch.Tag.dynamic_output_shape, torch.Tag.data_dependent_output, torch.Tag.nondeterministic_seeded}

_numbers = itertools.count()
_trial: ContextVar[bool] = ContextVar("handson_trial", default=False)
_nodes_of: weakref.WeakKeyDictionary[Any, list[weakref.ref[Node]]] = weakref.WeakKeyDictionary()


class Node:
    """One application of a callable to arguments.

    Attributes
    ----------
    function : callable
        A layer, a net, an operation or a function of tensors.
    arguments : tuple of (args, kwargs)
        Trees, whose leaves may be symbols.
    outputs : tree of Symbol
        What it gives.
    number : int
        Counts nodes in the order in which they were made.
    """

    __slots__ = ("__weakref__", "arguments", "function", "number", "outputs")

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.function, self.arguments = function, (args, kwargs)
        self.outputs: Any = ()
        self.number = next(_numbers)

    @property
    def inputs(self) -> list[Symbol]:
        """The symbols among the arguments."""
        return [leaf for leaf in tree.leaves(self.arguments) if isinstance(leaf, Symbol)]


class Symbol:
    """A tensor that is still to come.

    Parameters
    ----------
    shape : tuple of int or None
        Its shape; None for the batch and for dimensions that vary.
    dtype : torch.dtype
        Its type.
    node : Node, optional
        What computes it; None for an input that no layer stands for.
    name : str, optional
        A name.

    Examples
    --------
    >>> x = Symbol((None, 3))
    >>> (x * 2 + 1).shape
    (None, 3)
    """

    def __init__(
        self, shape: Sequence[int | None], dtype: torch.dtype = torch.float32, node: Node | None = None,
        name: str | None = None,
    ) -> None:  # fmt: skip
        self.shape: Shape = tuple(shape)
        self.dtype, self.node = dtype, node
        self.name = name or f"symbol_{next(_numbers)}"

    @property
    def ndim(self) -> int:
        """The number of axes, the batch included."""
        return len(self.shape)

    def dim(self) -> int:
        """The number of axes, the batch included."""
        return len(self.shape)

    def __repr__(self) -> str:
        return f"<Symbol {self.name}, shape={self.shape}, dtype={str(self.dtype).removeprefix('torch.')}>"

    def __bool__(self) -> bool:
        raise HandsonError(
            f"{self!r} has no value yet, so nothing can be decided by it. Inside of a layer's `call` there are values; "
            f"in a graph use handson.ops.where(condition, a, b)."
        )

    def __iter__(self) -> Any:
        if not self.shape or self.shape[0] is None:
            raise HandsonError(f"{self!r} cannot be taken apart: its first size is not known before there are data.")
        pick: Any = self
        return (pick[position] for position in range(self.shape[0]))

    def __len__(self) -> int:
        if not self.shape or self.shape[0] is None:
            raise HandsonError(f"{self!r} has no length before there are data: its first size is not known.")
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise HandsonError(
            f"{self!r} has no values yet: NumPy cannot take it. Use handson.ops (or torch) in place of numpy here."
        )

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Any function of torch on a symbol gives a symbol."""
        return apply(function, args, kwargs or {})


def symbolic(*arguments: Any) -> bool:
    """Whether there is a symbol among the leaves of some trees.

    Examples
    --------
    >>> symbolic([1, Symbol((None, 2))]), symbolic([1, 2], {"a": 3})
    (True, False)
    """
    return any(isinstance(leaf, Symbol) for leaf in tree.leaves(arguments))


def apply(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    infer: Callable[[Node], Any] | None = None,
) -> Any:
    """The symbols that a function gives for arguments with symbols in them.

    Parameters
    ----------
    function : callable
        A function of tensors, or a layer.
    args, kwargs
        Its arguments.
    infer : function of Node, optional
        Gives the tree of (shape, dtype) of the outputs; by default the function is run on tensors without values.
    """
    # Lists of the caller's may change later.
    node = Node(function, *tree.map_leaves(lambda leaf: leaf, (args, kwargs)))
    if not getattr(function, "takes_texts", False):
        _refuse_texts(node)
    found = (infer or run_on_shapes)(node)
    stem = getattr(function, "name", None) or getattr(function, "__name__", "symbol")
    node.outputs = tree.map_leaves(lambda output: Symbol(output.shape, output.dtype, node, str(stem)), found)
    remember(node)
    return node.outputs


def _refuse_texts(node: Node) -> None:
    """Raise where a node applies what takes numbers to texts."""
    texts = next((symbol for symbol in node.inputs if symbol.dtype is TEXT), None)
    if texts is not None:
        name = getattr(node.function, "name", None) or getattr(node.function, "__name__", "this")
        raise HandsonError(
            f"{name} takes numbers, and {texts.name!r} is an input of texts: TextVectorization, StringLookup or "
            f"Hashing come first."
        )


def remember(node: Node) -> None:
    """Let `nodes_of` know a node that applies a layer."""
    if isinstance(node.function, torch.nn.Module):
        _nodes_of.setdefault(node.function, []).append(weakref.ref(node))


def forget(outputs: Any) -> None:
    """Let `nodes_of` no longer know the node that gives some symbols: it is not part of a net any more."""
    for symbol in tree.leaves(outputs):
        known = _nodes_of.get(symbol.node.function, [])
        known[:] = [reference for reference in known if reference() is not symbol.node]


class Spec:
    """The shape and type of a tensor; a leaf of a tree."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: Sequence[int | None], dtype: torch.dtype = torch.float32) -> None:
        self.shape, self.dtype = tuple(shape), dtype


def nodes_of(function: Any) -> list[Node]:
    """The nodes that apply a layer, in the order in which they were made, while anything still uses them."""
    return [node for reference in _nodes_of.get(function, ()) if (node := reference()) is not None]


def stand_in(shape: Sequence[int | None], dtype: torch.dtype, size: int, device: str = "meta") -> Tensor:
    """A tensor for a shape, unknown dimensions taken as `size`."""
    sizes = [size if side is None else side for side in shape]
    if device != "meta" and math.prod(sizes) > MOST_TRIED:
        raise HandsonError(f"a batch of shape {tuple(shape)} is too large to try: it has {math.prod(sizes):,} values.")
    return torch.zeros(sizes, dtype=dtype, device=device)


@contextmanager
def on_trial() -> Iterator[None]:
    """While this lasts, what runs is tried out, for shapes or types: variables keep their values."""
    token = _trial.set(True)
    try:
        with torch.no_grad():
            yield
    finally:
        _trial.reset(token)


def is_trial() -> bool:
    """Whether what runs is tried out: nothing that is kept may change."""
    return _trial.get()


def run_on_shapes(node: Node, device: str = "meta", sizes: tuple[int, int] = TRIED_SIZES) -> Any:
    """The tree of `Spec` of what a node's function gives, from two runs with other sizes for unknown dimensions.

    Parameters
    ----------
    node : Node
        The function and its arguments.
    device : str
        Where it runs: 'meta' for tensors without values.
    sizes : (int, int)
        What stands in for an unknown dimension in each run.
    """
    if device == "meta" and _is_small(node, max(sizes)) and not META_IS_READY.intersection(sys.modules):
        # What fails here fails there too, or needs no values there.
        with suppress(Exception), OnlyShapes():
            return merged(_run(node, sizes[0], "cpu"), _run(node, sizes[1], "cpu"), node.function)
    return merged(_run(node, sizes[0], device), _run(node, sizes[1], device), node.function)


def _is_small(node: Node, size: int) -> bool:
    """Whether the inputs are so small that their values may be computed."""
    return sum(math.prod(size if side is None else side for side in one.shape) for one in node.inputs) < MOST_COMPUTED


def _run(node: Node, size: int, device: str) -> Any:
    def filled(leaf: Any) -> Any:
        if isinstance(leaf, Symbol):
            return stand_in(leaf.shape, leaf.dtype, size, device)
        # Constants have to be where the rest is.
        return leaf.to(device) if isinstance(leaf, Tensor) and leaf.dim() else leaf

    args, kwargs = node.arguments
    with on_trial():
        return node.function(*tree.map_leaves(filled, args), **tree.map_leaves(filled, kwargs))


class OnlyShapes(TorchDispatchMode):
    """While this lasts, functions of torch whose results have a shape or a number that follows from values fail.

    So a run on zeros tells shapes and types as one on tensors without values does.

    Examples
    --------
    >>> with OnlyShapes():
    ...     torch.nonzero(torch.zeros(3))
    Traceback (most recent call last):
    NotImplementedError: nonzero needs values
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: torch would import its compiler to skip it."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        by_truth = func is torch.ops.aten.index.Tensor and any(
            index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1]
        )
        by_values = func is not torch.ops.aten.index.Tensor and not FROM_VALUES.isdisjoint(func.tags)
        if by_truth or by_values:
            raise NotImplementedError(f"{func.overloadpacket.__name__} needs values")
        return func(*args, **kwargs or {})


def merged(first: Any, second: Any, function: Any) -> Any:
    """The tree of `Spec` of two results: a dimension that differs is not known."""
    others = iter(tree.leaves(second))

    def spec(leaf: Any) -> Any:
        other = next(others)
        if not isinstance(leaf, Tensor):
            raise HandsonError(
                f"{getattr(function, 'name', None) or getattr(function, '__name__', function)} gives "
                f"{type(leaf).__name__}; in a graph it gives tensors, or lists or dictionaries of them."
            )
        shape = [a if a == b else None for a, b in zip(leaf.shape, other.shape, strict=True)]
        return Spec(shape, leaf.dtype)

    return tree.map_leaves(spec, first)

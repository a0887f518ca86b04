"""Variables: the symbols of Theano, of which only the number of axes and the type are known before there are values.

An expression is a variable whose node says what computes it: a function of tensors, with arguments among which are
other variables. `handson.theano.plan` runs them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.core import tree
from handson.core.errors import HandsonError
from handson.graph import Node
from handson.graph.conversion import type_name
from handson.models.device import default_device
from handson.theano.configuration import config

_numbers = itertools.count()


class TensorType:
    """The kind of a variable: its type and its number of axes. Called, it makes a variable of the kind.

    Parameters
    ----------
    dtype : str
        The type, such as 'float32'; 'floatX' is what `theano.config` says.
    broadcastable : sequence of bool
        An entry for each axis. Axes of size 1 are broadcast whatever it says, as PyTorch does.

    Examples
    --------
    >>> x = TensorType("float32", (False, False))("x")
    >>> x.ndim, x.type == x.type
    (2, True)
    """

    def __init__(self, dtype: str, broadcastable: Sequence[bool] = (), name: str | None = None) -> None:
        self.dtype = config.floatX if dtype == "floatX" else type_name(dtype)
        self.broadcastable, self.name = tuple(map(bool, broadcastable)), name

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.broadcastable)

    def __call__(self, name: str | None = None) -> Variable:
        return Variable(self.ndim, self.dtype, name=name)

    def make_variable(self, name: str | None = None) -> Variable:
        """A variable of the kind."""
        return self(name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorType) and (self.dtype, self.ndim) == (other.dtype, other.ndim)

    def __hash__(self) -> int:
        return hash((self.dtype, self.ndim))

    def __repr__(self) -> str:
        return f"TensorType({self.dtype}, {self.ndim} axes)"


# The functions of `theano.tensor` are attached later; a type checker need not know which.
_Base: Any = object


class Variable(_Base):
    """A symbol, or an expression of symbols. The functions of `theano.tensor` are methods too.

    Attributes
    ----------
    ndim : int
        The number of axes.
    dtype : str
        The type, such as 'float32'.
    name : str, optional
        A name.
    node : Node, optional
        What computes it; None for what is given.
    """

    # NumPy leaves arithmetic with variables to them.
    __array_priority__ = 1000
    __array_ufunc__ = None

    def __init__(self, ndim: int, dtype: str, node: Node | None = None, name: str | None = None) -> None:
        self.ndim, self.dtype, self.node, self.name = ndim, dtype, node, name
        self.number = next(_numbers)

    @property
    def type(self) -> TensorType:
        """The kind of the variable."""
        return TensorType(self.dtype, (False,) * self.ndim)

    @property
    def broadcastable(self) -> tuple[bool, ...]:
        """An entry for each axis; sizes are not known, so none is known to be 1."""
        return (False,) * self.ndim

    @property
    def owner(self) -> Node | None:
        """What computes it; None for what is given."""
        return self.node

    def __repr__(self) -> str:
        what = self.name or (getattr(self.node.function, "__name__", "expression") if self.node else "variable")
        return f"<{what}: {self.dtype}, {self.ndim} axes>"

    def __bool__(self) -> bool:
        raise HandsonError(
            f"{self!r} has no value yet, so nothing can be decided by it. Use T.switch(condition, a, b), or a "
            f"function's result."
        )

    def __iter__(self) -> Any:
        raise HandsonError(f"{self!r} cannot be taken apart: its size is not known. Use theano.scan, or x[0], x[1].")

    def __len__(self) -> int:
        raise HandsonError(f"{self!r} has no length before there are values; x.shape[0] is an expression.")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise HandsonError(f"{self!r} has no values yet: NumPy cannot take it. Use theano.tensor in place of numpy.")

    def eval(self, inputs: dict[Variable, Any] | None = None) -> Any:
        """The value, for values of the variables it depends on.

        Examples
        --------
        >>> from handson.theano import tensor as T
        >>> x = T.vector()
        >>> (2 * x).eval({x: [1, 2]})
        array([2., 4.], dtype=float32)
        """
        raise NotImplementedError  # `handson.theano.compiling` knows how


def inputs_of(node: Node) -> list[Variable]:
    """The variables among the arguments of a node."""
    return [leaf for leaf in tree.leaves(node.arguments) if isinstance(leaf, Variable)]


def constant(value: Any) -> Any:
    """A value in an expression: arrays become tensors, numbers stay numbers, whose type gives way to others'."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return torch.as_tensor(np.ascontiguousarray(value)).to(default_device()) if value.ndim else value.item()
    return value


def apply(
    function: Callable[..., Any], *args: Any, ndim: int, dtype: str, name: str | None = None, **kwargs: Any
) -> Any:
    """The variable that a function of tensors gives for some variables.

    Parameters
    ----------
    function : callable
        A function of tensors that gives a tensor.
    *args, **kwargs
        Its arguments: trees, in which variables stand for tensors.
    ndim, dtype
        Of the result.

    Examples
    --------
    >>> apply(torch.exp, Variable(1, "float32"), ndim=1, dtype="float32").ndim
    1
    """
    node = Node(function, tree.map_leaves(constant, args), tree.map_leaves(constant, kwargs))
    node.outputs = Variable(ndim, dtype, node, name)
    return node.outputs


def apply_several(function: Callable[..., Any], args: tuple[Any, ...], kinds: Sequence[tuple[int, str]]) -> list[Any]:
    """The variables of a function that gives several tensors, each of a number of axes and a type."""
    node = Node(function, tree.map_leaves(constant, args), {})
    node.outputs = [Variable(ndim, dtype, node) for ndim, dtype in kinds]
    return node.outputs


def rank(value: Any) -> int:
    """The number of axes of a variable, a tensor, an array or a number."""
    if isinstance(value, (Variable, Tensor)):
        return value.ndim
    return int(np.ndim(value))


def type_of(value: Any) -> str | None:
    """The type of a variable, a tensor or an array; None for Python's numbers, which follow the others."""
    if isinstance(value, Variable):
        return value.dtype
    if isinstance(value, Tensor):
        return type_name(value.dtype)
    return type_name(value.dtype) if isinstance(value, np.ndarray) and value.ndim else None


def common(*values: Any, least: str | None = None) -> str:
    """The type that holds values of several.

    Examples
    --------
    >>> common(Variable(1, "int32"), 0.5), common(Variable(0, "float32"), Variable(0, "float64"))
    ('float32', 'float64')
    """
    strong = [kind for kind in map(type_of, values) if kind is not None] + ([least] if least else [])
    weak = [value for value in values if type_of(value) is None]
    found = torch.bool
    for kind in strong:
        found = torch.promote_types(found, getattr(torch, kind))
    fractions = any(isinstance(value, (float, np.floating)) for value in map(_item, weak))
    if fractions and not found.is_floating_point:
        return config.floatX
    if weak and not strong:
        return config.floatX if fractions else "int64"
    return type_name(torch.int64 if found is torch.bool and weak and not fractions else found)


def _item(value: Any) -> Any:
    return value.item() if isinstance(value, np.ndarray) and not value.ndim else value


def floating(dtype: str) -> bool:
    """Whether a type has fractions."""
    return getattr(torch, dtype).is_floating_point


def of_fractions(dtype: str) -> str:
    """The type of what functions such as `exp` make of a type."""
    return dtype if floating(dtype) else config.floatX


def check_axes(what: str, value: Any, *known: int) -> None:
    """Raise unless a value has one of some numbers of axes."""
    if rank(value) not in known:
        raise HandsonError(f"{what} has {' or '.join(map(str, known))} axes; got {value!r}.")

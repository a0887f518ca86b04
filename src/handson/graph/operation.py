"""Operations: functions of tensors that also work on symbols, and that files know by name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from torch import Tensor

from handson.core import registry, tree
from handson.core.described import bind
from handson.core.errors import HandsonError, shortened
from handson.core.registry import register
from handson.graph.conversion import convert, device_of, operand, type_name
from handson.graph.symbol import Node, apply, run_on_shapes, symbolic

F = TypeVar("F", bound=Callable[..., Any])

# For parameters of an operation. `Tensor` makes a tensor of what comes; `Operand` too, but leaves a number on the
# processor; `Tensors` makes a list of tensors.
Operand = Tensor
Tensors = list[Tensor]

# Sizes that stand in for unknown dimensions where 83 and 89 do not do, as in a split into four.
DIVISIBLE_SIZES = (83 * 720, 89 * 720)


def operation(function: F) -> F:
    """A function of tensors as an operation.

    Called on symbols it makes a node. Parameters annotated `Tensor`, `Operand` or `Tensors` are made tensors, on one
    device. What torch says of wrong shapes or types is said with the name of the operation and what it got.

    Examples
    --------
    >>> from handson.graph.symbol import Symbol
    >>> @operation
    ... def doubled(x: Tensor):
    ...     return 2 * x
    >>> doubled([3]), doubled(Symbol((None, 2))).shape
    (tensor([6], dtype=torch.int32), (None, 2))
    """
    wanted = _wanted(function)

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        if symbolic(args, kwargs):
            return apply(called, args, kwargs, _infer)
        try:
            args, kwargs = _converted(wanted, args, kwargs)
            return function(*args, **kwargs)
        except (RuntimeError, IndexError, TypeError, ValueError) as error:
            # Those that have a class of their own say more by it, as that the memory is full.
            if type(error) not in (RuntimeError, IndexError, TypeError, ValueError):
                raise
            raise _explained(function, args, kwargs, error) from error

    called.is_operation = True  # type: ignore[attr-defined]
    register(called, kind="op")
    return called  # type: ignore[return-value]


class _Wanted(NamedTuple):
    """The parameters that are made tensors, by position and by name; and what those after them are."""

    positions: dict[int, str]
    names: dict[str, str]
    rest: tuple[int, str] | None


def _wanted(function: Callable[..., Any]) -> _Wanted:
    positions, names, rest = {}, {}, None
    for position, parameter in enumerate(inspect.signature(function).parameters.values()):
        annotation = parameter.annotation
        text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
        kind = text.removesuffix(" | None")
        if kind not in ("Tensor", "Operand", "Tensors"):
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            rest = position, kind
            continue
        names[parameter.name] = kind
        if parameter.kind is not parameter.KEYWORD_ONLY:
            positions[position] = kind
    return _Wanted(positions, names, rest)


def _converted(
    wanted: _Wanted, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    found = {position: kind for position, kind in wanted.positions.items() if position < len(args)}
    if wanted.rest is not None:
        found |= dict.fromkeys(range(wanted.rest[0], len(args)), wanted.rest[1])
    named = {name: kind for name, kind in wanted.names.items() if name in kwargs}
    values = [args[position] for position in found] + [kwargs[name] for name in named]
    device = device_of(values)

    def tensor(value: Any, kind: str) -> Any:
        if value is None:
            return None
        if kind == "Tensors":
            return [convert(entry, device=device) for entry in value]
        return operand(value, values, device) if kind == "Operand" else convert(value, device=device)

    if named:
        kwargs = kwargs | {name: tensor(kwargs[name], kind) for name, kind in named.items()}
    return tuple(tensor(v, found[i]) if i in found else v for i, v in enumerate(args)), kwargs


def _explained(function: Any, args: Any, kwargs: Any, error: Exception) -> Exception:
    """The error for what an operation cannot do, or for arguments that it has not."""
    signature = inspect.signature(function)
    try:
        signature.bind(*args, **kwargs)
    except TypeError as wrong:
        if any(one.kind is one.VAR_POSITIONAL for one in signature.parameters.values()):
            return wrong
        try:
            bind(function, args, kwargs)
        except TypeError as said:
            return said
    given = [_shown(value) for value in args] + [f"{name}={_shown(value)}" for name, value in kwargs.items()]
    reason = str(error).strip().partition("\n")[0]
    return HandsonError(f"{function.__name__}({', '.join(given)}): {reason}")


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)) and any(isinstance(leaf, Tensor) for leaf in tree.leaves(value)):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, Tensor):
        return f"{type_name(value.dtype)} of shape {tuple(value.shape)}"
    return shortened(repr(value), 60)


def _infer(node: Node) -> Any:
    """The shapes of what an operation gives.

    It is run on tensors without values; if that fails, with sizes that many numbers divide.
    """
    try:
        return run_on_shapes(node)
    except NotImplementedError as error:
        # What falls back on values, such as picking by a mask, would give the shape for zeros.
        raise HandsonError(
            f"{node.function.__name__}: the shape of the result follows from values, which a symbol has not; call it "
            f"inside of a layer's `call`, where there are values."
        ) from error
    except HandsonError:
        if not any(None in leaf.shape for leaf in node.inputs):
            raise
        return _with_divisible_sizes(node)


def _with_divisible_sizes(node: Node) -> Any:
    try:
        return run_on_shapes(node, sizes=DIVISIBLE_SIZES)
    except (HandsonError, RuntimeError) as error:
        # The sizes that were tried are not the user's.
        said = str(error).replace(str(DIVISIBLE_SIZES[0]), "None").replace(str(DIVISIBLE_SIZES[1]), "None")
        raise HandsonError(said) from error


def name_of(function: Any) -> str:
    """The name by which files know an operation.

    Raises
    ------
    HandsonError
        For a function that is none.
    """
    try:
        return registry.name_of("op", function)
    except HandsonError:
        name = getattr(function, "__name__", repr(function))
        raise HandsonError(
            f"the net applies the function {name} to symbols, which a file cannot name: files hold no code. Use the "
            f"one of handson.ops, or a layer, or register your own with @handson.register(kind='op')."
        ) from None

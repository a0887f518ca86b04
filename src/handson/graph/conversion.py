"""What operations take besides tensors: numbers, lists and arrays as tensors, and the types of results.

The rules are Keras's: Python numbers are int32, float32 or bool, arrays keep their type, and an integer beside a
fraction gives a fraction.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.core import tree
from handson.core.errors import HandsonError, nearest
from handson.core.masked import unmasked

TYPES = {
    name: getattr(torch, name)
    for name in (
        "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "bfloat16",
        "float32", "float64", "complex64", "complex128", "float8_e4m3fn", "float8_e5m2",
    )
}  # fmt: skip
DOUBLE = (torch.float64, torch.complex128)


# What `set_floatx` was told.
_chosen: list[torch.dtype] = []


def floatx() -> torch.dtype:
    """The type of a fraction that has none of its own: torch's default type, unless `set_floatx` names another."""
    return _chosen[0] if _chosen else torch.get_default_dtype()


def set_floatx(dtype: Any) -> None:
    """Name the type of fractions that have none of their own; None for torch's default type.

    Examples
    --------
    >>> set_floatx("float64")
    >>> convert(1.5).dtype
    torch.float64
    >>> set_floatx(None)
    """
    kind = None if dtype is None else torch_type(dtype)
    if kind is not None and not kind.is_floating_point:
        raise HandsonError(f"set_floatx takes a type of fractions, such as 'float64'; got {dtype!r}.")
    _chosen[:] = [] if kind is None else [kind]


class TextType:
    """The type of symbols that stand for texts, of which torch has no tensors."""

    is_floating_point = is_complex = False

    def __str__(self) -> str:
        return "string"

    __repr__ = __str__

    def __reduce__(self) -> str:
        return "TEXT"


# What `Input(dtype="string")` gives has it: a net begins behind the layers that read texts (`handson.graph.reading`).
TEXT: Any = TextType()


def torch_type(dtype: Any) -> torch.dtype:
    """The type of torch for a type by name, of NumPy or of Python.

    Examples
    --------
    >>> torch_type("float32"), torch_type(int), torch_type(np.uint8)
    (torch.float32, torch.int32, torch.uint8)
    """
    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype in (int, "int"):
        return torch.int32
    if dtype in (float, "float"):
        return floatx()
    if dtype is bool:
        return torch.bool
    name = dtype if isinstance(dtype, str) else getattr(dtype, "name", None)
    if not isinstance(name, str):
        name = np.dtype(dtype).name
    name = name.removeprefix("torch.")
    if name not in TYPES:
        raise HandsonError(f"unknown dtype {name!r}.{nearest(name, TYPES)} Known: {', '.join(TYPES)}.")
    return TYPES[name]


def type_name(dtype: Any) -> str:
    """The name of a type.

    Examples
    --------
    >>> type_name(torch.float32), type_name(bool)
    ('float32', 'bool')
    """
    return str(dtype if dtype is TEXT else torch_type(dtype)).removeprefix("torch.")


def result_type(*kinds: Any) -> torch.dtype:
    """The type that holds values of some types; of int and float, as Python's, only the kind counts.

    Unlike Keras's, 64 bits stay 64 bits: nothing is rounded in silence.

    Examples
    --------
    >>> result_type(torch.int32, float), result_type(torch.bfloat16, float), result_type(torch.bool, int)
    (torch.float32, torch.bfloat16, torch.int32)
    """
    strong = [torch_type(kind) for kind in kinds if kind not in (int, float)]
    found = functools.reduce(torch.promote_types, strong) if strong else torch.bool
    if float in kinds and not (found.is_floating_point or found.is_complex):
        return floatx()
    return torch.int32 if int in kinds and found is torch.bool else found


def as_float(x: Tensor) -> Tensor:
    """Integers and truth values as fractions; fractions as they are."""
    return x if x.is_floating_point() or x.is_complex() else x.to(floatx())


def convert(x: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor for a tensor, a number, an array or a list.

    Examples
    --------
    >>> convert([1, 2]).dtype, convert(1.5).dtype, convert(np.zeros(2)).dtype
    (torch.int32, torch.float32, torch.float64)
    """
    kind = None if dtype is None else torch_type(dtype)
    if not isinstance(x, Tensor):
        return _from_values(x, kind, device)
    if device is not None and x.device != device and x.device.type == "cpu":
        x = x.to(device)
    return x if kind is None else x.to(kind)


def _from_values(x: Any, kind: torch.dtype | None, device: Any) -> Tensor:
    if isinstance(x, (list, tuple)):
        entries = tree.leaves(x)
        if any(isinstance(entry, Tensor) for entry in entries):
            parts = [convert(entry, kind, device) for entry in x]
            common = result_type(*(part.dtype for part in parts))
            return torch.stack([part.to(common) for part in parts])
        x, kind = unmasked(x), kind or _type_of(entries)
    elif isinstance(x, (bool, int, float, complex)):
        # Filled where it is to be: a copy to a device would be waited for, and cannot be recorded.
        return torch.full((), x, dtype=kind or _type_of([x]), device=device)
    array = unmasked(x)
    if array.dtype == object or array.dtype.kind in "USMm":
        raise HandsonError(f"a tensor holds numbers; got {x!r} of type {type(x).__name__}.")
    # Arrays that may not be written to, or that run backwards, are copied: torch cannot share them.
    shared = array.flags.writeable and all(step >= 0 for step in array.strides)
    return torch.as_tensor(array if shared else array.copy(), dtype=kind, device=device)


def _type_of(entries: Iterable[Any]) -> torch.dtype | None:
    """The type of Python's numbers; None where one of them has a type of its own."""
    kinds = {type(entry) for entry in entries}
    if not kinds:
        return floatx()
    if kinds <= {bool}:
        return torch.bool
    if kinds <= {bool, int}:
        return torch.int32 if all(-(2**31) <= int(entry) < 2**31 for entry in entries) else torch.int64
    if kinds <= {bool, int, float}:
        return floatx()
    return torch.complex64 if kinds <= {bool, int, float, complex} else None


def device_of(values: Iterable[Any]) -> torch.device | None:
    """Where the tensors among some values are: on the first device that is not the processor, if any is."""
    devices = [leaf.device for leaf in tree.leaves(list(values)) if isinstance(leaf, Tensor)]
    return next((device for device in devices if device.type != "cpu"), devices[0] if devices else None)


def operand(x: Any, beside: Iterable[Any], device: Any) -> Tensor:
    """A number stays on the processor, so that nothing waits for it; beside float64 it is exact."""
    if isinstance(x, (bool, int, float)):
        double = isinstance(x, float) and any(isinstance(one, Tensor) and one.dtype in DOUBLE for one in beside)
        return convert(x, torch.float64 if double else None)
    return convert(x, device=device)

"""Short hashes of the user's own code in a training: what a run was begun with, where a name says too little.

A hash is of the compiled code, so that comments, positions and docstrings do not count; of the plain values in
defaults, closures and globals; and of the user's functions that are called by name.
"""

from __future__ import annotations

import dis
import functools
import hashlib
import inspect
import math
import sys
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import suppress
from types import CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from handson.training.preparation.net import Net

# Packages whose code their version says; the standard library's too.
LIBRARIES = {"handson", "torch", "torchvision", "numpy", "scipy", "pandas", "sklearn", "keras", "builtins"}
# Larger arrays are not looked into, and deeper nesting neither.
MOST_VALUES, MOST_DEPTH = 1 << 20, 8
PLAIN = (bool, int, float, complex, str, bytes, type(None))


def of_code(model: Net, augment: Any, callbacks: Iterable[Any]) -> dict[str, Any]:
    """The hashes of the user's code, by name; empty where everything is a library's.

    Hashes are those of one version of Python, which is beside them.
    """
    optimizer = [model.optimizer, getattr(model.optimizer, "schedule", None)]
    nouns = [*model.modules(), model.loss, *model.metrics, *optimizer, augment]
    found: dict[str, list[str]] = {}
    for noun, values in [*((noun, True) for noun in nouns), *((callback, False) for callback in callbacks)]:
        for name, value in _prints(noun, values):
            found.setdefault(name, []).append(value)
    shown = {name: " ".join(dict.fromkeys(values)) for name, values in found.items()}
    return {"code": shown, "compiled_by": [*sys.version_info[:2]]} if shown else {}


def comparable(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two descriptions of runs, without the hashes of code if another version of Python compiled it."""
    versions = [each.get("compiled_by") for each in (before, now)]
    left_out = ("code", "compiled_by") if None not in versions and versions[0] != versions[1] else ("compiled_by",)
    first, second = ({key: each[key] for key in each if key not in left_out} for each in (before, now))
    return first, second


def _prints(noun: Any, values: bool) -> Iterator[tuple[str, str]]:
    """The name and hash of a noun's own code, and of the functions that it was given."""
    for part in _parts(noun):
        digest = hashlib.blake2b(digest_size=8)
        _Walk(digest, values).add(part)
        yield _name(part), digest.hexdigest()


def _name(part: Any) -> str:
    owner = part if inspect.isclass(part) or inspect.isroutine(part) else type(part)
    return getattr(owner, "__qualname__", type(part).__qualname__)


def _parts(noun: Any, depth: int = 0) -> Iterator[Any]:
    """The user's functions, and objects of the user's classes, that a noun is made of."""
    if depth > MOST_DEPTH or isinstance(noun, (*PLAIN, Tensor, np.ndarray)):
        return
    if isinstance(noun, (list, tuple, set, frozenset)):
        for entry in noun:
            yield from _parts(entry, depth + 1)
    elif isinstance(noun, dict):
        yield from _parts(list(noun.values()), depth + 1)
    elif isinstance(noun, functools.partial) or _is_own(noun if inspect.isroutine(noun) else type(noun)):
        yield noun
        yield from _parts(getattr(noun, "_arguments", None), depth + 1)
    elif hasattr(noun, "_arguments"):
        yield from _parts(noun._arguments, depth + 1)
        yield from _parts(getattr(noun, "function", None), depth + 1)
    elif isinstance(noun, nn.Module):  # a method that was put into one object
        yield from _parts(vars(noun).get("forward"), depth + 1)


def _is_own(owner: Any) -> bool:
    """Whether code is the user's."""
    if isinstance(owner, MethodType):
        owner = owner.__func__
    if inspect.isroutine(owner) and not isinstance(owner, FunctionType):
        return False
    module = getattr(owner, "__module__", None) or ""
    top = module.partition(".")[0]
    return top == "__main__" or (top not in LIBRARIES and top not in sys.stdlib_module_names)


class _Walk:
    """Adds code and values to a hash, each object once."""

    def __init__(self, digest: Any, values: bool) -> None:
        self.digest, self.values = digest, values
        self.seen: dict[int, Any] = {}  # kept, so that no other object gets its number

    def note(self, *words: object) -> None:
        self.digest.update("\x1f".join(map(str, words)).encode("utf-8", "backslashreplace") + b"\x1e")

    def add(self, part: Any, depth: int = 0) -> None:
        """Add whatever it is."""
        if isinstance(part, PLAIN):
            self.note(type(part).__name__, repr(part))
        elif depth > MOST_DEPTH or id(part) in self.seen:
            return
        elif isinstance(part, (Tensor, np.ndarray, np.generic)):
            self._array(part)
        else:
            self.seen[id(part)] = part
            self._object(part, depth)

    def _object(self, part: Any, depth: int) -> None:
        if isinstance(part, (list, tuple)):
            for entry in (len(part), *part):
                self.add(entry, depth + 1)
        elif isinstance(part, (dict, set, frozenset)):
            keys = [repr(key) if isinstance(key, PLAIN) else type(key).__name__ for key in part]
            self.note(type(part).__name__, *sorted(keys) if isinstance(part, (set, frozenset)) else keys)
            for entry in part.values() if isinstance(part, dict) else ():
                self.add(entry, depth + 1)
        elif isinstance(part, functools.partial):
            self.add([part.func, part.args, part.keywords], depth + 1)
        elif isinstance(part, MethodType):
            self.add([part.__func__, part.__self__], depth + 1)
        elif isinstance(part, FunctionType):
            self._function(part, depth)
        elif inspect.isclass(part):
            self._class(part, depth)
        elif _is_own(type(part)):
            self._class(type(part), depth)
            self._attributes(part, depth)

    def _array(self, part: Any) -> None:
        self.note("array", part.dtype, tuple(part.shape))
        if math.prod(part.shape) > MOST_VALUES:
            return
        if isinstance(part, Tensor):
            part = part.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        self.digest.update(part.tobytes() if not part.dtype.hasobject else repr(part.tolist()).encode())

    def _function(self, function: FunctionType, depth: int) -> None:
        if not _is_own(function):
            self.note(function.__module__, function.__qualname__)
            return
        self._code(function.__code__)
        if not self.values:
            return
        self.add([function.__defaults__, function.__kwdefaults__], depth + 1)
        instructions = list(_instructions(function.__code__))
        changed = {each.argval for each in instructions if each.opname in STORES}
        known = {
            each.argval: function.__globals__.get(each.argval) for each in instructions if "_GLOBAL" in each.opname
        }
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            with suppress(ValueError):  # empty until the function around it has come there
                known[name] = cell.cell_contents
        for name, value in known.items():
            if name not in changed:
                self.note(name)
                self.add(value, depth + 1)

    def _code(self, code: CodeType) -> None:
        """Instructions, names and constants; not the positions, nor the docstring."""
        self.note(code.co_code.hex(), code.co_names, code.co_argcount, code.co_kwonlyargcount, code.co_flags)
        for place, constant in enumerate(code.co_consts):
            if isinstance(constant, CodeType):
                self._code(constant)
            elif isinstance(constant, frozenset):  # its order differs from process to process
                self.note("frozenset", *sorted(map(repr, constant)))
            elif not (place == 0 and isinstance(constant, str)):
                self.note(type(constant).__name__, repr(constant))

    def _class(self, kind: type, depth: int) -> None:
        """The methods and plain settings of a class, and of the user's classes that it is made from."""
        for base in filter(_is_own, kind.__mro__):
            for name, value in sorted(vars(base).items()):
                value = getattr(value, "__func__", value)
                functions = [value.fget, value.fset] if isinstance(value, property) else [value]
                for function in functions:
                    if isinstance(function, FunctionType):
                        self.note(name)
                        self._function(function, depth + 1)
                    elif isinstance(function, PLAIN) and self.values and not name.startswith("_"):
                        self.note(name, repr(function))

    def _attributes(self, part: Any, depth: int) -> None:
        """What an object was made with, and its functions; of what no constructor is known, its plain values.

        What its methods set again is a state, which the checkpoint has or which is not needed.
        """
        kept = getattr(part, "_arguments", None)
        if kept is not None:
            held = kept if self.values else {}
        else:
            states = _set_by_methods(cast(Hashable, type(part)))
            if hasattr(part, "fit"):  # a net, which is described by itself
                return
            held = {name: value for name, value in vars(part).items() if name not in states} if self.values else {}
        functions = {name: value for name, value in vars(part).items() if isinstance(value, FunctionType)}
        for name, value in sorted((held | functions).items()):
            known = name not in IGNORED and (not name.startswith("_") or kept is not None)
            if known and isinstance(value, (*PLAIN, FunctionType, list, tuple)):
                self.note(name)
                self.add(value, depth + 1)


def _instructions(code: CodeType) -> Iterator[dis.Instruction]:
    """The instructions of a function and of those in it."""
    yield from dis.get_instructions(code)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _instructions(constant)


STORES = ("STORE_DEREF", "STORE_GLOBAL", "DELETE_DEREF", "DELETE_GLOBAL")
# What belongs to training itself.
IGNORED = {"training", "name", "seed", "age", "verbose", "history", "built", "model", "params", "call_super_init"}


@functools.cache
def _set_by_methods(kind: type) -> frozenset[str]:
    """The attributes that methods other than the constructor set."""
    methods = [
        value for base in filter(_is_own, kind.__mro__) for name, value in vars(base).items()
        if isinstance(value, FunctionType) and name != "__init__"
    ]  # fmt: skip
    return frozenset(
        each.argval for method in methods for each in dis.get_instructions(method) if each.opname == "STORE_ATTR"
    )

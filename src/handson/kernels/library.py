"""The compiled kernels: shared libraries in C, one for each instruction set, loaded when the first is asked for.

They were built when the package was (see ``setup.py``), and are called through `ctypes`, which lets other threads of
Python run meanwhile. ``HANDSON_KERNELS`` chooses another variant than the processor would: ``v4``, ``v3``, ``plain``,
or ``none``, with which `eager` runs everything.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from handson.core.errors import HandsonError, nearest

if TYPE_CHECKING:
    from _ctypes import _PyCStructType as _Structures
else:
    _Structures = type(ctypes.Structure)

FOLDER, SOURCES = Path(__file__).parent / "lib", Path(__file__).parent / "c"
# From the fastest on: the level of x86-64 that a processor must have.
VARIANTS = {"v4": 4, "v3": 3, "plain": 1, "none": 1}
SETTING = "HANDSON_KERNELS"


class Missing(HandsonError):
    """There are no kernels for this machine."""


_KINDS: dict[str, Any] = {
    "Pointer": ctypes.c_void_p, "Int": ctypes.c_int64, "Word": ctypes.c_uint64, "Real": ctypes.c_double
}  # fmt: skip
# What a field of a `Record` holds: where an array begins, int64_t, uint64_t or double.
if TYPE_CHECKING:
    Pointer = Any
    Int = int
    Word = int
    Real = float
else:
    Pointer, Int, Word, Real = (type(name, (), {}) for name in _KINDS)


class _Fields(_Structures):
    """Makes the fields of a structure from the annotations of its class."""

    def __new__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any]) -> Any:
        named = {field: getattr(kind, "__name__", kind) for field, kind in space.get("__annotations__", {}).items()}
        if "held" in named:
            raise TypeError(f"{name}: a field cannot be called 'held'.")
        if named:
            space["_fields_"] = [(field, _KINDS[kind]) for field, kind in named.items()]
            space["names"] = frozenset(named)
        return super().__new__(cls, name, bases, space)


class Record(ctypes.Structure, metaclass=_Fields):
    """What a kernel is given: the fields of its struct in C, in their order, all of 8 bytes.

    A class names them by annotations: `Pointer` (an array, a tensor, another record, an address or
    None), `Int`, `Word` (without sign) and `Real` (double in C).

    Examples
    --------
    >>> class Scaling(Record):
    ...     values: Pointer
    ...     factor: Real
    >>> scaling = Scaling(values=np.zeros(3, np.float32), factor=0.5)
    >>> scaling.factor, ctypes.sizeof(scaling)
    (0.5, 16)
    """

    names = frozenset[str]()

    def __init__(self, **values: Any) -> None:
        if not values.keys() <= self.names:  # ctypes would take them for attributes
            raise TypeError(f"{type(self).__name__} has no fields {sorted(values.keys() - self.names)}.")
        # Memory that a field points to must last as long as the record.
        self.held = values
        super().__init__(**{name: _address(value) for name, value in values.items()})


def _address(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        # The interface is faster, except that it describes all fields of a record.
        return value.ctypes.data if value.dtype.names else value.__array_interface__["data"][0]
    if hasattr(value, "data_ptr"):  # a tensor, without importing torch where there is none
        return value.data_ptr()
    if isinstance(value, (ctypes.Structure, ctypes.Array)):
        return ctypes.addressof(value)
    return value.item() if isinstance(value, np.generic) else value


def in_a_row(records: Sequence[Record]) -> Any:
    """Records of one class, one after another in memory: what a field takes for an array of structs.

    Examples
    --------
    >>> class Scaling(Record):
    ...     factor: Real
    >>> [scaling.factor for scaling in in_a_row([Scaling(factor=1.0), Scaling(factor=2.0)])]
    [1.0, 2.0]
    """
    row: Any = (type(records[0]) * len(records))(*records)
    row.held = records
    return row


class Kernel:
    """A function of the library, found when it is first called.

    Parameters
    ----------
    name : str
        What it is called in C.
    record : type
        The class of what it is given.
    """

    def __init__(self, name: str, record: type[Record]) -> None:
        self.name, self.record = name, record
        self._function: Callable[..., int] | None = None

    def __call__(self, record: Record, first: int = 0, last: int = 0) -> None:
        """Do the rows from `first` to `last`, on the thread that calls."""
        if self.function(ctypes.byref(record), first, last):
            raise MemoryError(f"{self.name}: no memory.")

    @property
    def function(self) -> Any:
        """The function in C."""
        if self._function is None:
            self._function = self._find()
        return self._function

    def _find(self) -> Any:
        library = loaded()
        size = ctypes.c_int64.in_dll(library, f"{self.name}_bytes").value
        if size != ctypes.sizeof(self.record):
            raise Missing(f"{self.name}: {ctypes.sizeof(self.record)} bytes in Python, {size} in C. {_ADVICE}")
        function = getattr(library, self.name)
        function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64], ctypes.c_int64
        return function


_ADVICE = (
    "Build the package again: pip install --editable . in a working copy, pip install --force-reinstall elsewhere."
)


@cache
def digest(folder: Path = SOURCES) -> str:
    """A few digits for what is in the sources of the kernels; empty where there are none.

    Examples
    --------
    >>> len(digest())
    16
    """
    files = sorted(folder.glob("*.[ch]"))
    return blake2b(b"".join(file.read_bytes() for file in files), digest_size=8).hexdigest() if files else ""


def available() -> list[str]:
    """The variants that this machine can run, the fastest first."""
    level = ctypes.CDLL(str(path_of("plain"))).handson_level() if path_of("plain").exists() else 0
    return [name for name, needed in VARIANTS.items() if needed <= level and path_of(name).exists()]


def path_of(name: str) -> Path:
    """Where the library of a variant is."""
    return FOLDER / f"kernels-{name}.so"


@cache
def loaded() -> ctypes.CDLL:
    """The library for this machine.

    Raises
    ------
    Missing
        If there is none.
    """
    path = path_of(_chosen())
    library = ctypes.CDLL(str(path))
    built, sources = ctypes.c_char_p.in_dll(library, "handson_sources").value, digest()
    if sources and built != sources.encode():
        raise Missing(f"the kernels in {FOLDER} were built from other sources than those beside it. {_ADVICE}")
    return library


def _chosen() -> str:
    """The variant for this machine."""
    wanted = os.environ.get(SETTING, "")
    if wanted and wanted not in VARIANTS:
        raise HandsonError(f"{SETTING}={wanted!r}.{nearest(wanted, list(VARIANTS))} Known: {', '.join(VARIANTS)}.")
    if wanted == "none":
        raise Missing(f"{SETTING}=none.")
    names = available()
    if not names or (wanted and wanted not in names):
        known = f"{SETTING}={wanted}, but there are" if wanted else "there are"
        raise Missing(f"{known} no such kernels in {FOLDER} for this processor. {_ADVICE}")
    return wanted or names[0]


def variant() -> str:
    """The variant that is used here; 'none' where there are no kernels.

    Examples
    --------
    >>> variant() in VARIANTS
    True
    """
    return "none" if missing() else _chosen()


@cache
def missing() -> str | None:
    """Why there are no kernels here; None if there are."""
    try:
        loaded()
    except (Missing, OSError) as error:
        return str(error)
    return None


def lanes() -> int:
    """How many float32 a vector has; 4 where there are no kernels."""
    return 4 if missing() else ctypes.c_int64.in_dll(loaded(), "handson_lanes").value

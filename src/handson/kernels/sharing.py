"""Compiled kernels called on several threads of OpenMP, with nothing of Python in between.

A thread of OpenMP that calls Python waits for its lock, and numba then looks at every argument anew: together that
takes as long as a small kernel. Here one compiled function starts the threads, and each of them takes parts of the
rows, one after another, until none is left.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.compiler import Flags
from numba.extending import intrinsic

from handson.kernels.tiles import INDEX
from handson.kernels.views import view

_FOLDER = Path(__file__).parent
_BYTES = ir.IntType(8).as_pointer()
_OUTLINED = ir.FunctionType(ir.VoidType(), [_BYTES])
# GOMP_parallel(function, data, threads, flags)
_START = ir.FunctionType(ir.VoidType(), [_OUTLINED.as_pointer(), _BYTES, ir.IntType(32), ir.IntType(32)])


@intrinsic
def _share_out(
    typing_context: Any, kernel: Any, start: Any, threads: Any, parts: Any, arrays: Any, constants: Any
) -> Any:
    """Call a kernel with parts of the rows of arrays and with constants, on threads; gives how many calls failed."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, start, threads, parts, *given = arguments
        kind = ir.LiteralStructType([INDEX, INDEX, INDEX, *(value.type for value in given)])
        shared = cgutils.alloca_once(builder, kind)
        for i, value in enumerate((INDEX(0), INDEX(0), parts, *given)):
            builder.store(value, cgutils.gep_inbounds(builder, shared, 0, i))
        work = ir.Function(builder.module, _OUTLINED, builder.module.get_unique_name("work"))
        work.linkage = "internal"
        one = _inlined(context, builder, kernel.dispatcher, types.none(*arrays, *constants))
        _generate_work(context, work, kind, one, arrays)
        begin = builder.inttoptr(start, _START.as_pointer())
        count, flags = builder.trunc(threads, ir.IntType(32)), ir.IntType(32)(0)
        builder.call(begin, [work, builder.bitcast(shared, _BYTES), count, flags])
        return builder.load(cgutils.gep_inbounds(builder, shared, 0, 1))

    index = types.int64
    return index(kernel, index, index, index, arrays, constants), generate


def _inlined(context: Any, builder: Any, kernel: Any, signature: Any) -> Any:
    """The kernel, compiled here with its own options. What it is compiled to elsewhere would be optimized again."""
    flags = Flags()
    kernel.targetdescr.options.parse_as_flags(flags, kernel.targetoptions)
    return context.compile_subroutine(builder, kernel.py_func, signature, flags=flags)


def _generate_work(context: Any, work: Any, kind: Any, one: Any, arrays: Any) -> None:
    """Code of a function for each thread: as long as there are parts, it takes the next.

    What the threads share is the number of the next part, how many calls failed, how many parts there are, and what
    the kernel is given.
    """
    builder = ir.IRBuilder(work.append_basic_block("entry"))
    shared = builder.bitcast(work.args[0], kind.as_pointer())
    following, failed = (cgutils.gep_inbounds(builder, shared, 0, i) for i in range(2))
    parts, held, constants = (builder.load(cgutils.gep_inbounds(builder, shared, 0, i)) for i in range(2, 5))
    take, do, end = (builder.append_basic_block(name) for name in ("take", "do", "end"))
    builder.branch(take)
    builder.position_at_end(take)
    part = builder.atomic_rmw("add", following, INDEX(1), "seq_cst")
    builder.cbranch(builder.icmp_signed("<", part, parts), do, end)
    builder.position_at_end(do)
    pairs = zip(arrays, cgutils.unpack_tuple(builder, held), strict=True)
    given = [_rows_of(context, builder, each, value, part, parts) for each, value in pairs]
    given += cgutils.unpack_tuple(builder, constants)
    status, _ = context.call_internal_no_propagate(builder, one.fndesc, one.signature, given)
    builder.atomic_rmw("add", failed, builder.zext(status.is_error, INDEX), "seq_cst")
    builder.branch(take)
    builder.position_at_end(end)
    builder.ret_void()


def _rows_of(context: Any, builder: Any, kind: Any, value: Any, part: Any, parts: Any) -> Any:
    """Code for a part of the rows of an array: a view that does not keep it alive."""
    array = cgutils.create_struct_proxy(kind)(context, builder, value)
    shape, strides = (cgutils.unpack_tuple(builder, each) for each in (array.shape, array.strides))
    first, last = (builder.sdiv(builder.mul(shape[0], number), parts) for number in (part, builder.add(part, INDEX(1))))
    begin = builder.gep(builder.bitcast(array.data, _BYTES), [builder.mul(first, strides[0])])
    start, rows = builder.bitcast(begin, array.data.type), builder.sub(last, first)
    return view(context, builder, kind, start, [rows, *shape[1:]], strides)


def _shared(start: Any, threads: Any, parts: Any, arrays: Any, *constants: Any) -> Any:
    return _share_out(KERNEL, start, threads, parts, arrays, constants)  # noqa: F821  (see `on_threads`)


@cache
def digest(folder: Path) -> str:
    """A few digits for what is in the Python files of a folder.

    Examples
    --------
    >>> len(digest(Path(__file__).parent))
    12
    """
    files = sorted(folder.glob("*.py"))
    return blake2b(b"".join(file.read_bytes() for file in files), digest_size=6).hexdigest()


@cache
def on_threads(kernel: Any) -> Callable[..., int]:
    """A compiled function (start, threads, parts, arrays, *constants) that calls a kernel on threads.

    `start` is the address of OpenMP's ``GOMP_parallel``, `arrays` a tuple; the function gives how many calls failed.
    The kernels of this package are kept in numba's cache, each under a name of its own, which changes with their files:
    numba itself looks at this one only.
    """
    function = kernel.py_func
    name = f"{function.__module__}_{function.__qualname__}_{digest(_FOLDER)}".replace(".", "_")
    shared = FunctionType(_shared.__code__, {**globals(), "KERNEL": kernel}, name)
    shared.__qualname__, shared.__module__ = name, __name__
    ours = function.__module__.startswith(f"{__package__}.")
    compiled: Callable[..., int] = numba.njit(cache=ours, nogil=True)(shared)
    return compiled

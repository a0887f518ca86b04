"""Operations that are recorded once and run again on the same memory: what a CUDA graph does, on a CPU."""

from contextlib import nullcontext
from typing import ClassVar

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# What makes the host wait for the device or bring numbers to it: a CUDA graph cannot hold it.
FORBIDDEN = {"_local_scalar_dense", "lift_fresh", "lift_fresh_copy", "nonzero", "masked_select", "is_nonzero", "equal"}


class NotRecorded(RuntimeError):
    """What CUDA says about an operation that a graph cannot hold."""


class Tape(TorchDispatchMode):
    """Records the operations that run while it is active; `replay` runs them with the same arguments again.

    No Python but the operations themselves runs in a replay, and every result goes where it went the first time.
    """

    def __init__(self):
        super().__init__()
        self.operations, self.overwritten = [], []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name, kwargs = function.overloadpacket.__name__, kwargs or {}
        if name in FORBIDDEN:
            raise NotRecorded(f"operation not permitted when stream is capturing: {name}.")
        for position, argument in enumerate(function._schema.arguments):
            if argument.alias_info is not None and argument.alias_info.is_write:
                given = args[position] if position < len(args) else kwargs[argument.name]
                self.overwritten += [(tensor, tensor.detach().clone()) for tensor in tree_leaves(given)]
        results = function(*args, **kwargs)
        self.operations.append((function, args, kwargs, results, torch.is_grad_enabled()))
        return results

    @torch.no_grad()
    def rewind(self):
        """Undo everything, as if nothing had run."""
        for tensor, before in reversed(self.overwritten):
            tensor.copy_(before)
        self.overwritten.clear()

    def replay(self):
        for function, args, kwargs, results, with_gradients in self.operations:
            with torch.set_grad_enabled(with_gradients), torch._C._AutoDispatchBelowAutograd():
                again = function(*args, **kwargs)
                for before, now in zip(tree_leaves(results), tree_leaves(again), strict=True):
                    if isinstance(before, torch.Tensor) and before.data_ptr() != now.data_ptr():
                        before.copy_(now)


class TapeRecorder:
    """In place of `handson.training.engines.recorded.engine.CudaRecorder`."""

    tapes: ClassVar = []

    def __init__(self, device):
        self.tapes.clear()

    def aside(self):
        return nullcontext()

    def record(self, step):
        tape = Tape()
        try:
            with tape:
                step()
        finally:
            tape.rewind()
        self.tapes.append(tape)
        return tape.replay


class PlainRecorder(TapeRecorder):
    """Records nothing: the step itself runs every time."""

    def record(self, step):
        return step

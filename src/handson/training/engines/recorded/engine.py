"""The engine of GPUs: a step is recorded once as a CUDA graph and then replayed.

Small nets keep a GPU waiting for Python, which starts one kernel after another. A graph starts all kernels of a step at
once: gathering the batch from the data on the device, augmentation, forward pass, backward pass, optimizer and sums.
Nothing in it may change from step to step, so everything that does is in tensors (`step_tables`): learning rates and
momenta that follow a schedule need no new graph. The ragged last batch has a graph of its own.

On a CPU there are no graphs, and `engine="graph"` is refused. The step itself runs there all the same, operation by
operation, and so the tests compare it with the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from handson.core.errors import HandsonError
from handson.randomness.stream import DeviceStream, active
from handson.state.precision import arithmetic
from handson.state.state import trainable_weights
from handson.state.sums import Sums
from handson.training.engines.eager import Eager
from handson.training.engines.recorded import update as recorded_update
from handson.training.engines.recorded.tables import CAPACITY, Entry, Report, StepTables
from handson.training.preparation.job import SETTINGS, Job, Span
from handson.training.preparation.prepare import may_draw

Step = Callable[[], None]

# Libraries make their workspaces, and choose their kernels, in the first steps.
WARM_UP = 3


class Graph(Eager):
    """Replays recorded steps; evaluation and prediction are those of the reference.

    Parameters
    ----------
    job : Job
        A job for which `obstacle` finds nothing.
    """

    reason = "engine='graph': a step is recorded once and replayed; engine='eager' starts every operation from Python."
    stepwise = False

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._tables = StepTables(job)
        self._stream = DeviceStream(job.seed, job.device)
        self._steps: dict[int, Step] = {}
        self._entries: dict[int, list[Entry]] = {}
        self._recorded: list[Any] = []
        self._recorder: Any = None

    @staticmethod
    def obstacle(job: Job) -> str | None:
        """Why a job cannot run here, None if it can.

        Examples
        --------
        >>> import handson
        >>> Graph.obstacle(Job(handson.Sequential(), torch.device("cpu")))
        'the device cpu'
        """
        if job.device.type not in RECORDERS:
            return f"the device {job.device.type}"
        if job.several:
            return "a net with several inputs or outputs"
        if job.batches.inputs[0].device.type != job.device.type:
            return f"data on the device {job.batches.inputs[0].device}"
        if job.augment is not None and may_draw(job.augment):
            return "an augmentation that is not handson's, which may run on the host"
        if not trainable_weights(job.module):
            return "a net without weights to train"
        if job.foreign_randomness:
            return f"{_foreign(job.module)}, which is not handson's and may draw random numbers of its own"
        for metric, _ in job.terms[0].measured():
            if not metric.is_mean:
                return f"the metric {metric.name}, which is no mean"
        return recorded_update.obstacle(job.optimizer)

    def train(self, span: Span, sums: Sums) -> None:
        job = self.job
        job.module.train()
        self._prepare()
        self._tables.enter(span.epoch)
        self._stream.enter(span.epoch)
        with arithmetic(job.precision, job.device), active(self._stream):
            for part, size in self._parts(span):
                self._run(part, size, sums)

    def _parts(self, span: Span) -> Iterator[tuple[Span, int]]:
        """Parts of a span whose steps have batches of one size, and fit into the tables."""
        first = span.first
        while first < span.last:
            size, last = self._size(first), min(first + CAPACITY, span.last)
            if last - first > 1 and self._size(last - 1) != size:
                last -= 1
            yield span._replace(first=first, last=last), size
            first = last

    def _size(self, step: int) -> int:
        first, last = self.job.batches.bounds(step)
        return last - first

    def _run(self, span: Span, size: int, sums: Sums) -> None:
        optimizer, steps = self.job.optimizer, range(span.first, span.last)
        done = optimizer.iterations - span.first
        self._tables.fill(span.first, [optimizer.numbers(span.position(step, done + step)) for step in steps])
        step = self._step_of(size)
        for _ in steps:
            step()
        optimizer.iterations += len(steps)
        for name, totals, counts in self._tables.read(len(steps), self._entries[size]):
            sums.add_steps(name, totals, counts)

    def _prepare(self) -> None:
        """Make the optimizer's slots, and forget the recorded steps if something has changed that is part of them."""
        self._names, self._weights = self.job.bound()
        fixed = _fixed(self.job, self._names)
        if fixed != self._recorded:
            self._recorded = fixed
            self._steps.clear()

    def _step_of(self, size: int) -> Step:
        """What runs a step with a batch of a size: operation by operation while layers have hooks."""
        if self.job.watched():
            return lambda: self._step(size)
        if size not in self._steps:
            self._steps[size] = self._record(size)
        return self._steps[size]

    def _step(self, size: int) -> None:
        """One step; nothing in it depends on a number of the host that changes."""
        report: Any = Report()
        tables = self._tables
        self._stream.rows = tables.rows(size)
        gradients = self.gradients(self.job.batches.take(self._stream.rows), self._weights, report)
        self.job.optimizer.take(self._names, self._weights, gradients, tables.current())
        tables.write(report)
        self._entries[size] = report.entries

    def _record(self, size: int) -> Step:
        """A function that does on the device what the step does.

        Raises
        ------
        HandsonError
            When something in the step cannot be recorded; with the cause.
        """
        if self._recorder is None:
            self._recorder = RECORDERS[self.job.device.type](self.job.device)
        self._warm_up(size)
        try:
            return self._recorder.record(lambda: self._step(size))
        except RuntimeError as error:
            cause: BaseException = error
            while cause.__context__ is not None:
                cause = cause.__context__
            raise HandsonError(
                f"the engine 'graph' cannot record a step of this training: "
                f"{(str(cause) or type(cause).__name__).splitlines()[0]} A layer, loss or metric that reads a number "
                f"on the host (.item(), float(...), if ...) or moves data to the device cannot be part of a graph. "
                f"engine='eager' runs it."
            ) from error

    @torch.no_grad()
    def _warm_up(self, size: int) -> None:
        """Run a step a few times beside the training, and put everything back that it changed."""
        changed = [*_tensors(self.job), self._tables.place]
        kept = [tensor.detach().clone() for tensor in changed]
        with self._recorder.aside(), torch.enable_grad():
            for _ in range(WARM_UP):
                self._tables.place.zero_()
                self._step(size)
        for tensor, before in zip(changed, kept, strict=True):
            tensor.copy_(before)


class CudaRecorder:
    """Records steps as CUDA graphs that share their memory: only one of them runs at a time.

    Parameters
    ----------
    device : torch.device
        The GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self.device, self.pool = device, torch.cuda.graph_pool_handle()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """While this lasts, kernels run in a stream of their own, as recording does."""
        main, side = torch.cuda.current_stream(self.device), torch.cuda.Stream(self.device)
        side.wait_stream(main)
        with torch.cuda.stream(side):
            yield
        main.wait_stream(side)

    def record(self, step: Step) -> Step:
        """The graph of a step, as a function that replays it; the step does not run."""
        graph = torch.cuda.CUDAGraph()
        # Other threads, such as the one that writes checkpoints, go on using the device meanwhile.
        with torch.cuda.graph(graph, pool=self.pool, capture_error_mode="thread_local"):
            step()
        return graph.replay


# How steps are recorded on a type of device.
RECORDERS: dict[str, Callable[[torch.device], Any]] = {"cuda": CudaRecorder}


def _tensors(job: Job) -> list[Tensor]:
    """All tensors that steps may change."""
    slots = [tensor for held in job.optimizer.slots.values() for tensor in held.values()]
    return [*job.module.parameters(), *job.module.buffers(), *slots]


def _fixed(job: Job, names: list[str]) -> list[Any]:
    """Everything that a recorded step holds for good: where its tensors are, and the settings of its parts."""
    optimizer = [value for value in recorded_update.settings(job.optimizer).values() if isinstance(value, SETTINGS)]
    constraints = [getattr(weight, "constraint", None) for weight in job.module.parameters()]
    return [names, [tensor.data_ptr() for tensor in _tensors(job)], job.settings(), optimizer, constraints]


def _foreign(module: nn.Module) -> str:
    """The first module of a net that is not handson's, in words."""
    found = next(((name, part) for name, part in module.named_modules() if may_draw(part)), ("", module))
    return f"the module {found[0] or type(found[1]).__name__}"

"""Batches that are read one after another, ahead of the steps: what `Batches` is for arrays."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.data.rows.feed import Batch
from handson.data.rows.openings import Opening
from handson.randomness.keys import derive

# Batches that wait for their step, at most.
DEPTH = 4
# A training that waits for its data longer than this share of its time, and than so many seconds, is told so.
WAITED_SHARE, WAITED_SECONDS = 0.2, 1.0


class Ready(NamedTuple):
    """A batch that is ready for a step, and of which of its targets some may be missing."""

    batch: Batch
    masked: list[bool]


class Streamed:
    """The batches of an opening, in the steps of a training or an evaluation.

    Parameters
    ----------
    opening : Opening
        Where they come from.
    prepare : function
        Makes a `Ready` of what a user gives; called in another thread.
    first : Ready
        The first batch, which was read already: it says what the others look like.
    steps : int, optional
        Batches in an epoch, if it does not end with the data.
    device : torch.device
        Where the net is.
    age : int
        The age of the net at which the first epoch begins.

    Attributes
    ----------
    inputs, targets, weights : list of Tensor
        Those of the first batch.
    masked : list of bool
        Of the batch that `walk` gave last.
    steps : int or None
        Batches in an epoch, where that is known.
    """

    streams = True

    def __init__(
        self,
        opening: Opening,
        prepare: Callable[[Any], Ready],
        first: Ready,
        steps: int | None,
        device: torch.device,
        age: int,
    ) -> None:
        self.opening, self._prepare, self.device, self._age = opening, prepare, device, age
        self.inputs, self.targets = list(first.batch.inputs), list(first.batch.targets)
        self.weights = list(first.batch.weights)
        self.batch_size, self.masked = len(self.inputs[0]), first.masked
        self.steps = steps if steps is not None else opening.length
        self.permutation: Any = None
        self._begun: deque[Any] = deque()
        self._rest: Any = None
        self._reader: _Reader | None = None
        self._at: tuple[int, int] = (-1, 0)
        self._waiting: deque[Ready] = deque()
        self._taken = 0
        self.waited = 0.0

    def __len__(self) -> int:
        return (self.steps or 1) * self.batch_size

    @property
    def note(self) -> str | None:
        """A note for the user on how rows are read: none, since the user wrote what gives them."""
        return None

    @property
    def repeats(self) -> bool:
        """Whether steps can be run once more."""
        return self.opening.repeats

    def begin_with(self, read: list[Any], rest: Iterator[Any]) -> None:
        """Batches of a generator that were read to see what they look like come first."""
        self._begun, self._rest = deque(read), rest

    def reach(self, epoch: int, first: int, last: int) -> int:
        """The step that a walk from `first` to `last` comes to: less where the data end."""
        if self.steps is not None:
            return min(last, self.steps)
        self._go_to(epoch, first)
        while len(self._waiting) < last - first:
            ready = self._next(first + len(self._waiting), epoch)
            if ready is None:
                break
            self._waiting.append(ready)
        if first == 0 and not self._waiting:
            raise self._ended(0, epoch)
        return first + len(self._waiting)

    def walk(self, epoch: int | None, first: int, last: int | None) -> Iterator[tuple[Tensor, Batch]]:
        """The rows of the steps [first, last) of an epoch, numbered in it, and what they hold.

        Without an epoch the data are read from their beginning, and without a last step to their end.

        Raises
        ------
        HandsonError
            When the data end before the last step, raise an error or change their shape; with the number of the batch.
        """
        if epoch is None and self.repeats:
            self._open(0, 0)
        elif epoch is None:
            self._start(lambda: self._rest)
        else:
            self._go_to(epoch, first)
        step = first
        while last is None or step < last:
            ready = self._waiting.popleft() if self._waiting else self._next(step, epoch)
            if ready is None:
                if last is None and step > first:
                    return
                raise self._ended(step, epoch)
            self.masked = ready.masked
            rows = self._numbers(step, len(ready.batch.inputs[0]))
            self._taken += 1
            step += 1
            if epoch is not None:
                self._at = epoch, step
            yield rows, ready.batch

    def _numbers(self, step: int, count: int) -> Tensor:
        """The numbers of the rows of a batch, which random numbers come from: a function of the step.

        They are those of arrays where batches are as large as the first, or smaller. What lay before is not counted: a
        training that goes on in the middle of an epoch has not seen it.
        """
        start = step * self.batch_size if count <= self.batch_size else derive("a larger batch", step) >> 34
        return torch.arange(start, start + count, device=self.device)

    def _go_to(self, epoch: int, first: int) -> None:
        """Be at a step of an epoch."""
        if self._at == (epoch, first) and self._reader is not None:
            return
        if self.repeats:
            self._open(epoch, first)
        else:
            self._go_on_to(epoch, first)

    def _go_on_to(self, epoch: int, first: int) -> None:
        """Read a generator up to a step: it goes on from epoch to epoch."""
        self._start(lambda: self._rest)
        wanted = self._taken + first
        if self.steps is not None or epoch == self._age:
            wanted = (epoch - self._age) * (self.steps or 0) + first
        if wanted < self._taken:
            raise HandsonError("a generator cannot be read once more: pass a function that returns one.")
        for number in range(self._taken, wanted):
            if self._next(number, epoch) is None:
                raise self._ended(number, epoch)
        self._taken, self._at = wanted, (epoch, first)

    def _open(self, epoch: int, first: int) -> None:
        self._stop()
        self._start(lambda: self.opening.open(epoch, first))
        self._at = epoch, first

    def _start(self, open: Callable[[], Any]) -> None:
        if self._reader is None:
            begun = self._begun if not self.repeats else deque()
            self._reader = _Reader(open, self._prepare, begun, DEPTH)

    def _next(self, step: int, epoch: int | None) -> Ready | None:
        """The next batch; None when there is none."""
        started = time.perf_counter()
        try:
            ready = self._reader.get() if self._reader is not None else None
        except Exception as error:
            where = f"batch {step}" if epoch is None else f"batch {step} of epoch {epoch - self._age + 1}"
            reason = str(error) if isinstance(error, HandsonError) else f"{type(error).__name__}: {error}"
            raise HandsonError(f"{where} of the data: {reason}" if epoch is None else f"{where}: {reason}") from error
        finally:
            self.waited += time.perf_counter() - started
        if ready is None:
            return None
        inputs, targets, weights = ready.batch
        batch = Batch(
            [leaf.to(self.device) for leaf in inputs],
            [leaf.to(self.device) for leaf in targets],
            [None if leaf is None else leaf.to(self.device) for leaf in weights],
        )
        return Ready(batch, ready.masked)

    def _ended(self, step: int, epoch: int | None) -> HandsonError:
        if step == 0 and not self.repeats:
            which = "" if epoch is None else f" before epoch {epoch - self._age + 1}"
            return HandsonError(
                f"the generator has ended{which}: it is read once. Pass a function that returns one, which is called "
                f"for every epoch, or say how many batches an epoch has: steps_per_epoch=... (validation_steps=...)."
            )
        if step == 0:
            return HandsonError("the data have no batch.")
        expected = f"; expected {self.steps}" if self.steps else ""
        return HandsonError(
            f"the data ended after {step} batches{expected}. Give a smaller steps_per_epoch (validation_steps), or "
            f"data that go on."
        )

    def waiting(self, seconds: float) -> str | None:
        """What to tell the user of a training that lasted so many seconds, if it waited for its data."""
        return waited_note(
            self.waited,
            seconds,
            "a torch.utils.data.DataLoader with num_workers, a PyDataset with workers, or arrays in memory",
        )

    def _stop(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader = None
        self._waiting.clear()

    def close(self) -> None:
        """End the thread that reads."""
        self._stop()
        self._at = (-1, 0)


def waited_note(waited: float, seconds: float, advice: str) -> str | None:
    """What to tell the user of a training that waited a good part of its time for data; None for less.

    Examples
    --------
    >>> waited_note(2.0, 4.0, "arrays in memory")
    'the training waited 50 % of its time for data. Read them faster: arrays in memory.'
    """
    if waited < WAITED_SECONDS or waited < WAITED_SHARE * seconds:
        return None
    share = 100 * waited / max(seconds, 1e-9)
    return f"the training waited {share:.0f} % of its time for data. Read them faster: {advice}."


class _Reader:
    """A thread that reads and prepares batches ahead of who takes them."""

    def __init__(self, open: Callable[[], Any], prepare: Callable[[Any], Ready], begun: deque[Any], depth: int) -> None:
        self._open, self._prepare, self._begun = open, prepare, begun
        self._ready: queue.Queue[Any] = queue.Queue(depth)
        self._stopped, self._over = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="handson-stream", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while self._begun and not self._stopped.is_set():
                self._put(self._prepare(self._begun.popleft()))
            iterator = self._open()
            while not self._stopped.is_set() and iterator is not None:
                try:
                    raw = next(iterator)
                except StopIteration:
                    break
                self._put(self._prepare(raw))
            self._put(None)
        except BaseException as error:
            self._put(error)

    def _put(self, value: Any) -> None:
        while not self._stopped.is_set():
            try:
                self._ready.put(value, timeout=0.1)
                return
            except queue.Full:
                continue

    def get(self) -> Ready | None:
        """The next batch; None after the last."""
        if self._over:
            return None
        found = self._ready.get()
        self._over = found is None or isinstance(found, BaseException)
        if isinstance(found, BaseException):
            raise found
        return found

    def close(self) -> None:
        """Stop; a batch that is being read is not waited for long."""
        self._stopped.set()
        self._thread.join(timeout=1.0)

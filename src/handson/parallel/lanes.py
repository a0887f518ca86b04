"""Shards of one worker: side by side in threads where that pays, else one after another.

A shard that waits for the others, as in batch normalization, lets one of them go on in its place: so any number of
shards can meet, however few run at the same time. Whichever way they run, their numbers are the same.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.parallel.meeting import attending
from handson.parallel.tree import Block

Fold = Callable[[dict[Block, Tensor]], Tensor]


# A shard that takes longer is worth a thread of its own: those of smaller ones wait for Python's lock.
WORTH_A_THREAD_SECONDS = 3e-4
# So many runs find out how long a shard takes; the first ones take longer than those that follow.
TRIES = 4


class _Broken(Exception):
    """Another shard has failed."""


class Lanes:
    """Runs something once for each shard.

    Parameters
    ----------
    meets : bool
        Whether shards wait for each other in the middle of a pass: then each has a thread of its own.
    seeded : bool
        Whether shards draw from torch's own generator, of which there is one: each goes on with its own state of it,
        and they run one after another.
    width : int
        How many may run at the same time.
    """

    def __init__(self, meets: bool, seeded: bool = False, width: int = 1) -> None:
        self.meets, self.seeded = meets, seeded
        self.width = 1 if seeded else width
        self._pool: ThreadPoolExecutor | None = None
        self._threads, self._tries, self._seconds = 0, 0, float("inf")
        self._changes: list[Callable[[], None]] = []

    def run(self, function: Callable[[int], Any], shards: Sequence[int], fold: Fold) -> list[Any]:
        """The results for the shards, in order; what they want to be done later waits for `settle`.

        Parameters
        ----------
        function : function of int
            Called with the number of each shard.
        shards : sequence of int
            Those of this worker that have rows.
        fold : function
            Adds up what all shards bring to a meeting, those of other workers included.
        """
        width = min(self._width(), len(shards))
        gathering = _Gathering(shards, fold, self, width)
        begun = time.perf_counter()
        results = self._run(function, [_Seat(gathering, shard) for shard in shards], gathering, width)
        if shards and self._tries < TRIES:
            self._tries += 1
            self._seconds = min(self._seconds, (time.perf_counter() - begun) / len(shards))
        self._changes += gathering.changes
        return results

    def _width(self) -> int:
        """How many run at the same time: one, until it is known that more of them pay."""
        known = self._tries == TRIES
        return self.width if known and self._seconds > WORTH_A_THREAD_SECONDS else 1

    def _run(
        self, function: Callable[[int], Any], seats: Sequence[_Seat], gathering: _Gathering, width: int
    ) -> list[Any]:
        """Let this thread, and others beside it, take one seat after another."""
        found: list[Any] = [None] * len(seats)
        rest = iter(enumerate(seats))

        def lane() -> None:
            for place, seat in rest:
                try:
                    found[place] = gathering.attend(function, seat)
                except BaseException as error:
                    found[place] = error

        beside = (len(seats) if self.meets else width) - 1
        others = [self._threads_for(beside).submit(copy_context().run, lane) for _ in range(beside)]
        lane()
        for other in others:
            other.result()
        return _results(found)

    def settle(self) -> None:
        """Do what shards wanted to be done once for the whole batch."""
        for change in self._changes:
            change()
        self._changes.clear()

    def _threads_for(self, count: int) -> ThreadPoolExecutor:
        if self._pool is None or self._threads < count:
            self.close()
            # One operation runs in one thread: how many there are changes the last digits.
            self._pool = ThreadPoolExecutor(count, "handson shard", torch.set_num_threads, (1,))
            self._threads = count
        return self._pool

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None


def _results(found: list[Any]) -> list[Any]:
    """The results, or the error that came first and not for the sake of another."""
    errors = [one for one in found if isinstance(one, BaseException)]
    for error in sorted(errors, key=lambda one: isinstance(one, _Broken)):
        raise error
    return found


class _Gathering:
    """Where the shards of one worker wait for each other, and for those of other workers."""

    def __init__(self, shards: Sequence[int], fold: Fold, lanes: Lanes, width: int) -> None:
        self.lanes, self.changes = lanes, list[Callable[[], None]]()
        self.first = shards[0] if shards else -1
        self._fold, self._running = fold, len(shards)
        self._turns = threading.Semaphore(max(width, 1))  # so many run; the others wait for them, or for a meeting
        self._change = threading.Condition()
        self._brought: dict[Block, Tensor] = {}
        self._met, self._total = 0, torch.empty(0)
        self._error: str | None = None

    def attend(self, function: Callable[[int], Any], seat: _Seat) -> Any:
        """Run a shard, from its turn on."""
        with self._turns, attending(seat):
            try:
                result = function(seat.shard)
            except BaseException:
                self._break("another shard has failed")
                raise
            self._leave()
            return result

    def meet(self, shard: int, value: Tensor) -> Tensor:
        """The sum of what all shards bring; the last to come has it worked out."""
        with self._change:
            self._brought[Block(shard, 1)] = value
            if len(self._brought) == self._running:
                self._finish()
                return self._total
            if not self.lanes.meets:
                raise HandsonError(
                    "a layer asks for a total over the batch, and does not say so: give its class `meets = True`."
                )
            met = self._met
            self._turns.release()
            self._change.wait_for(lambda: self._met > met or self._error is not None)
            total = self._total
        self._turns.acquire()
        if self._error is not None:
            raise _Broken(self._error)
        return total

    def _finish(self) -> None:
        self._total = self._fold(self._brought)
        self._brought, self._met = {}, self._met + 1
        self._change.notify_all()

    def _leave(self) -> None:
        with self._change:
            self._running -= 1
            if self._brought:
                self._error = "the shards of a batch do not all come to the same meetings"
                self._change.notify_all()
                raise HandsonError(f"{self._error}: a layer asks for a total over the batch for some rows only.")

    def _break(self, reason: str) -> None:
        with self._change:
            self._error = self._error or reason
            self._change.notify_all()


class _Seat:
    """The place of one shard in a gathering; see `handson.parallel.meeting.Meeting`."""

    def __init__(self, gathering: _Gathering, shard: int) -> None:
        self._gathering, self.shard = gathering, shard

    def total(self, value: Tensor) -> Tensor:
        seeded = self._gathering.lanes.seeded
        state = torch.get_rng_state() if seeded else None
        found = self._gathering.meet(self.shard, value)
        if state is not None:
            torch.set_rng_state(state)
        return found

    def later(self, change: Callable[[], None]) -> None:
        if self.shard == self._gathering.first:
            self._gathering.changes.append(change)

"""`World`: the workers of one training.

Worker 0 leads: it runs the training loop with its callbacks, its record and its printing, and gives the others orders,
through a store. The others follow: they wait for orders, and take part in what is ordered. Tensors go through a
process group of `torch.distributed`. When a worker dies, those that are left form a new group.
"""

from __future__ import annotations

import gc
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from handson.core.errors import HandsonError, TrainingError
from handson.parallel.cut_links import noticing_cuts
from handson.parallel.exchange import Link
from handson.parallel.launch import Place
from handson.parallel.presence import Presence

# A worker that waits for orders looks so often whether worker 0 is still there.
LOOK_SECONDS, BEAT_SECONDS, SILENT_SECONDS = 5.0, 5.0, 90.0
# How long it sleeps in between: at first an order may come at any moment.
SHORT_SLEEP, LONG_SLEEP, SOON_SECONDS = 0.0005, 0.01, 0.1
# How long workers have to come together again after one was lost; those that are known to be gone are not waited for.
REGROUP_SECONDS = 60.0
# How long a worker waits for the others to join the first group, a later one, whose members have just answered, and in
# the middle of a step.
JOIN_SECONDS, REJOIN_SECONDS = 120.0, 30.0
STEP_SECONDS = 600.0
# Orders that stay in the store: a worker is at most a few behind.
MOST_ORDERS = 64
GONE = "worker {}: worker 0, which leads, is gone."
# Where those who come later find what is trained, get a name, and line up.
BEGINNING, NAMES, LINE = "beginning", "names", "line"

Order = dict[str, Any]


class Lost(TrainingError):
    """Another worker has died, or does not answer."""


class World:
    """The workers of one training, as one of them sees them; see `Guest` for those who come while it runs.

    Parameters
    ----------
    store : torch.distributed.Store, optional
        Where orders are left; None for one worker that stays alone.
    rank, size : int
        The number of this worker, and how many there are.
    host : str
        Where worker 0 is.
    threads : int, optional
        How many threads this worker may compute with; by default as many as torch has now.
    seconds : float
        How long a worker waits for another one in a step.

    Attributes
    ----------
    rank, size : int
        As given; both change when workers are lost, or join.
    threads : int
        As given.
    place : Place or None
        Where those who come later find the store.

    Examples
    --------
    >>> world = World()
    >>> world.rank, world.size, world.leads
    (0, 1, True)
    """

    def __init__(
        self,
        store: Any = None,
        rank: int = 0,
        size: int = 1,
        host: str = "127.0.0.1",
        threads: int | None = None,
        seconds: float = STEP_SECONDS,
    ) -> None:
        self.rank, self.size, self.seconds = rank, size, seconds
        self.threads = torch.get_num_threads() if threads is None else threads
        self.place: Place | None = None
        self.name = rank  # which stays when others are lost
        self.members = list(range(size))
        self._presence = None if store is None else Presence(store, rank, host, size)
        # What is left in the store by workers of before, which a launcher has ended, concerns nobody.
        self._store: Any = None if self._presence is None else dist.PrefixStore(self._presence.word, store)
        self._orders = self._generation = 0
        self._apart, self._over = False, threading.Event()
        self._called: set[int] = set()
        if size > 1:
            self._join()
        if self._presence is not None and self.leads:
            threading.Thread(target=self._beat, name="handson heartbeat", daemon=True).start()

    @property
    def leads(self) -> bool:
        """Whether this worker decides."""
        return self.rank == 0

    # The group.

    def _join(self) -> None:
        """Become part of the group of this generation."""
        if dist.is_initialized():
            raise HandsonError(
                "torch.distributed has a process group already. handson makes its own: leave init_process_group out, "
                "or call torch.distributed.destroy_process_group() before fit."
            )
        self._apart = False
        seconds = REJOIN_SECONDS if self._generation else JOIN_SECONDS
        store = dist.PrefixStore(f"group/{self._generation}", self._store)
        with self.talking(), noticing_cuts():
            dist.init_process_group(
                "gloo", store=store, rank=self.rank, world_size=self.size, timeout=timedelta(seconds=seconds)
            )
            dist.distributed_c10d._set_pg_timeout(timedelta(seconds=self.seconds))

    def part(self) -> None:
        """Leave the group; who waits for this worker is told by the end of the connection."""
        if dist.is_initialized():
            with suppress(RuntimeError):
                dist.destroy_process_group()
            self._apart = True
            gc.collect()  # an error of the group, and with it the connections, may still be held by its own traceback

    @contextmanager
    def talking(self) -> Iterator[None]:
        """Errors of `torch.distributed` mean that a worker is lost."""
        try:
            yield
        except (RuntimeError, TimeoutError) as error:
            raise Lost(f"worker {self.name}: another worker is lost ({str(error).splitlines()[0]}).") from error

    def link(self) -> Link:
        """The connection with those who are there now."""
        return Link(self.rank, self.size, self.talking)

    def share(self, tensor: Tensor) -> None:
        """Give a tensor of worker 0 to all others."""
        if self.size > 1:
            with self.talking():
                dist.broadcast(tensor, 0)

    # Orders.

    def order(self, order: Order) -> None:
        """Tell the others what comes next."""
        if self.size == 1:
            return
        self._orders += 1
        with self.talking():
            self._store.set(f"order/{self._orders}", json.dumps(order))
            if self._orders > MOST_ORDERS:
                self._store.delete_key(f"order/{self._orders - MOST_ORDERS}")

    def beginning(self) -> Order:
        """The first order of worker 0, which says what is trained.

        Raises
        ------
        TrainingError
            When worker 0 has stopped before that.
        """
        begin = self.next_order()
        if begin["do"] != "begin":
            raise TrainingError(f"worker 0 has stopped: {begin['error']}")
        return begin

    def next_order(self) -> Order:
        """The next order of worker 0; those to form a new group are obeyed here.

        Raises
        ------
        Lost
            When worker 0 is.
        """
        while True:
            self._orders += 1
            order = json.loads(self._wait(f"order/{self._orders}"))
            if order["do"] == "regroup":
                self._regroup(order["generation"])
            elif order["do"] == "end" or not self._apart:  # apart from the group, what else was ordered is void
                return order

    def _wait(self, key: str) -> bytes:
        """What is under a key, once it is there."""
        begun = looked = heard = time.monotonic()
        beat = b""
        try:
            while not self._store.check([key]):
                if self._gone(0) and not self._store.check([key]):  # else it was the last thing that it said
                    raise Lost(GONE.format(self.name))
                now = time.monotonic()
                time.sleep(SHORT_SLEEP if now - begun < SOON_SECONDS else LONG_SLEEP)
                if now - looked < LOOK_SECONDS:
                    continue
                last, looked = self._store.get("beat") if self._store.check(["beat"]) else b"", now
                beat, heard = last, (now if last != beat else heard)
                if now - heard > SILENT_SECONDS:
                    raise Lost(f"worker {self.name}: worker 0 has been silent for {SILENT_SECONDS:.0f} s.")
            return bytes(self._store.get(key))
        except (RuntimeError, TimeoutError) as error:
            raise Lost(GONE.format(self.name)) from error

    def _beat(self) -> None:
        """Let the others know that this process is there, whatever it is busy with."""
        count = 0
        while not self._over.wait(BEAT_SECONDS if count else 0.0):
            count += 1
            with suppress(RuntimeError):
                self._store.set("beat", str(count))

    # What went wrong.

    def report(self, error: BaseException) -> None:
        """Leave word of an error for worker 0, which raises it, and part."""
        with suppress(RuntimeError):
            self._store.set("error", json.dumps([self.name, f"{type(error).__name__}: {error}"]))
        self.part()

    def reported(self) -> str | None:
        """The error that another worker has left word of."""
        if not self._store.check(["error"]):
            return None
        name, text = json.loads(self._store.get("error"))
        return f"worker {name}: {text}"

    def ask(self, signal: str) -> None:
        """Tell worker 0 that this one was sent a signal."""
        with self.talking():
            self._store.set("signal", signal)

    def asked(self) -> str | None:
        """The name of the signal that another worker was sent."""
        if self.size == 1 or not self._store.check(["signal"]):
            return None
        return bytes(self._store.get("signal")).decode()

    # Who comes later.

    def open(self, begin: Order) -> None:
        """Let others come while the training runs; they are told the same as those who are there."""
        self._store.add(NAMES, self.size)
        self._store.set(BEGINNING, json.dumps(begin))

    def admit(self, most: int) -> list[int]:
        """Take in those who have come since, while there are fewer workers than `most`; their names."""
        if self._presence is None or not self._store.check([LINE]):
            return []
        names = map(int, self._store.get(LINE).split())
        waiting = [name for name in names if name not in self._called and not self._gone(name)]
        called = waiting[: max(0, most - self.size)]
        if called:
            self._called.update(called)
            self.regroup(called)
        return [name for name in called if name in self.members]

    def line_up(self) -> None:
        """Wait to be taken in: those who were there from the beginning are."""

    # Groups.

    def regroup(self, newcomers: Sequence[int] = ()) -> list[int]:
        """Form a group with those who are left, and those who have come; the names of the lost.

        Raises
        ------
        TrainingError
            When another worker has not died but failed; its error.
        """
        self.members = before = [*self.members, *newcomers]
        while not self._regrouped(newcomers):
            newcomers = ()  # who are members now, and obey orders
        return [name for name in before if name not in self.members]

    def _regrouped(self, newcomers: Sequence[int]) -> bool:
        """Form a group with those who answer; False when one of them is lost meanwhile."""
        self.part()
        self._generation += 1
        self.order({"do": "regroup", "generation": self._generation})
        for name in newcomers:
            self._store.set(f"called/{name}", json.dumps([self._generation, self._orders]))
        until = time.monotonic() + REGROUP_SECONDS
        self.members = [0, *(name for name in self.members[1:] if self._answers(name, until))]
        failed = self.reported()
        if failed is not None:
            raise TrainingError(failed)
        self._store.set(f"members/{self._generation}", json.dumps(self.members))
        return self._took_places()

    def _answers(self, name: int, until: float) -> bool:
        """Whether a worker answers to the order to regroup before a moment."""
        while not self._store.check([f"alive/{self._generation}/{name}"]):
            if self._gone(name) or time.monotonic() > until:
                return False
            time.sleep(LONG_SLEEP)
        return not self._gone(name)

    def _gone(self, name: int) -> bool:
        return self._presence is not None and self._presence.gone(name)

    def _regroup(self, generation: int) -> None:
        self.part()
        self._generation = generation
        self._store.set(f"alive/{generation}/{self.name}", "1")
        self.members = json.loads(self._wait(f"members/{generation}"))
        if self.name not in self.members:
            raise Lost(f"worker {self.name} answered too late, and the others went on without it.")
        self._apart = not self._took_places()  # if not, the next order is to form another group

    def _took_places(self) -> bool:
        self.rank, self.size = self.members.index(self.name), len(self.members)
        try:
            if self.size > 1:
                self._join()
        except Lost:
            return False
        return True

    def close(self) -> None:
        """The training is over."""
        self._over.set()
        self.part()
        if self._presence is not None:
            self._presence.close()


def described(tensors: Mapping[str, Tensor]) -> list[list[Any]]:
    """Names, types and shapes of tensors, as JSON."""
    return [[name, str(tensor.dtype).removeprefix("torch."), list(tensor.shape)] for name, tensor in tensors.items()]


def empty(description: Sequence[Sequence[Any]], device: torch.device) -> dict[str, Tensor]:
    """Tensors like those that were described.

    Examples
    --------
    >>> empty(described({"a": torch.ones(2)}), torch.device("cpu"))["a"].shape
    torch.Size([2])
    """
    return {
        name: torch.empty(list(shape), dtype=getattr(torch, dtype), device=device) for name, dtype, shape in description
    }

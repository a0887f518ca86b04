"""`Guest`: a worker that comes while a training runs."""

from __future__ import annotations

import json
from typing import Any

import torch.distributed as dist

from handson.parallel.presence import Presence, word_of
from handson.parallel.world import BEGINNING, LINE, NAMES, Order, World


class Guest(World):
    """A worker that joins a training, and may leave it: what goes wrong with it is its own affair.

    Parameters
    ----------
    store : torch.distributed.Store
        That of the training.
    host : str
        Where worker 0 is.
    threads : int, optional
        As in `World`.
    """

    def __init__(self, store: Any, host: str = "127.0.0.1", threads: int | None = None) -> None:
        super().__init__(threads=threads)
        self._store = dist.PrefixStore(word_of(store), store)
        self.name = self.rank = self._store.add(NAMES, 1) - 1
        self._presence = Presence(store, self.name, host)

    def beginning(self) -> Order:
        return json.loads(self._wait(BEGINNING))

    def line_up(self) -> None:
        """Wait until worker 0 takes this one in: between two steps, and once there is a place.

        Raises
        ------
        Lost
            When the training ends before that.
        """
        self._store.append(LINE, f"{self.name} ")
        generation, self._orders = json.loads(self._wait(f"called/{self.name}"))
        self._regroup(generation)

    def report(self, error: BaseException) -> None:
        """Leave: the others go on."""
        self.close()

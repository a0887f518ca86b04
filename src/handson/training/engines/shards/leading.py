"""Worker 0 of several: drives its own part like any engine, and orders the others to do theirs.

Callbacks, records and printing are about the net of worker 0. What they change in it, the others hear before the next
step: weights, settings of layers and optimizer, which weights train.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from handson import schedules
from handson.core import console
from handson.core.described import describe_noun, jsonable
from handson.core.errors import HandsonError, TrainingError
from handson.data.rows.batches import Batches
from handson.parallel.world import Lost, described, empty
from handson.schedules import Schedule
from handson.state.hidden import hidden_tensors, restore_hidden
from handson.state.state import TrainingState, named_weights
from handson.state.sums import Sums
from handson.training.engines.eager import Eager
from handson.training.engines.shards.engine import Shards
from handson.training.preparation.job import Job, Span

SIMPLE = (bool, int, float, str, type(None))
# So many workers at the same time, where the shards of a batch do not say how many are of use.
MOST_WORKERS = 1024


class Leading(Shards):
    """`Shards` on worker 0.

    Attributes
    ----------
    known : list of Batches
        The data that all workers have, which can be evaluated together.
    """

    def begin(self, known: Sequence[Batches]) -> None:
        """From now on the others follow."""
        self.known = list(known)
        self._shared: Any = None
        self._before: TrainingState | None = None
        self._told: Any = None
        self._digest: int | None = None

    def train(self, span: Span, sums: Sums) -> None:
        self.job.bound()  # the others get the slots too
        order: dict[str, Any] = {"do": "train", "span": list(span)}
        if span.first == 0 and self.exact and self.world.size > 1:
            order["digest"] = digest = digest_of(self.job)
            if digest != self._digest:
                self._shared = None
        self._together(order, lambda: self.run_span(span, sums), sums)
        if span.last == self.job.batches.steps and self.exact and self.world.size > 1:
            self._digest = digest_of(self.job)
        self._heed()

    def evaluate(self, batches: Batches, sums: Sums | None = None) -> Sums:
        sums = Sums() if sums is None else sums
        place = next((number for number, each in enumerate(self.known) if each is batches), None)
        if place is None:
            with self._computing():
                return Eager.evaluate(self, batches, sums)
        order = {"do": "evaluate", "which": place}
        self._together(order, lambda: self.run_evaluation(batches, sums), sums)
        return sums

    def _together(self, order: dict[str, Any], work: Callable[[], None], sums: Sums) -> None:
        """Work on all workers; on those that are left, from the same beginning, when one is lost."""
        step = order.get("span", [0, 0])[1]
        self._admit(step)
        if self.world.size == 1:
            return work()
        self._before = self.job.state.copy(self._before)
        reported = sums.state(), dict(sums.tensors())
        while not self._done(order, work):
            lost = ", ".join(map(str, self.world.regroup()))
            console.say(f"worker {lost} is lost; {self.world.size} go on from step {step}.")
            self._before.restore(self.job.module, self.job.optimizer)
            sums.put_back(*reported)
            self._shared = self._told = None
        return None

    def _admit(self, step: int) -> None:
        """Take in workers that have come since: they hear of everything before they are ordered anything."""
        joined = ", ".join(map(str, self.world.admit(self.shards if self.exact else MOST_WORKERS)))
        if joined:
            console.say(f"worker {joined} has joined; {self.world.size} go on from step {step}.")
            self._shared = self._told = None

    def _done(self, order: dict[str, Any], work: Callable[[], None]) -> bool:
        """Work on all workers; False when one is lost."""
        if self.world.size == 1:
            work()
            return True
        try:
            self.share()
            self.world.order(order)
            work()
        except Lost:
            return False
        self._shared = _marks(self._tensors())
        return True

    def _tensors(self) -> dict[str, Tensor]:
        return self.job.state.tensors | hidden_tensors(self.job.module)

    def share(self) -> None:
        """Let the others have what has changed here."""
        if self.world.size == 1:
            return
        tensors = self._tensors()
        if _marks(tensors) != self._shared:
            self.world.order({"do": "state", "tensors": described(tensors), "values": self.job.state.values})
            for tensor in tensors.values():
                self.world.share(tensor.detach().contiguous())
        told = settings_of(self.job)
        if told != self._told:
            self.world.order({"do": "set", "settings": told})
            self._told = told

    def _heed(self) -> None:
        """A signal that another worker got means this one."""
        name = self.world.asked()
        if name is not None:
            os.kill(os.getpid(), signal.Signals[name])


def _marks(tensors: Mapping[str, Tensor]) -> list[Any]:
    """What changes when tensors are exchanged or changed in place."""
    return [(name, id(tensor), tensor._version) for name, tensor in tensors.items()]


def digest_of(job: Job) -> int:
    """A number that weights with other bits hardly have in common."""
    total = 0
    for place, tensor in enumerate(named_weights(job.module).values()):
        if tensor.numel():
            flat = tensor.detach().contiguous().view(-1).view(torch.uint8)
            words = flat[: len(flat) // 4 * 4].view(torch.int32)
            total += (place + 1) * int(words.sum(dtype=torch.int64)) + int(flat[len(words) * 4 :].sum())
    return total % (1 << 52)


def settings_of(job: Job) -> dict[str, Any]:
    """What layers, losses and optimizer are set to, and which weights train, as JSON."""
    optimizer = {name: value for name, value in vars(job.optimizer).items() if isinstance(value, SIMPLE)}
    trains = [weight.requires_grad for weight in job.module.parameters()]
    parts = [_simple(found) for found in job.settings()]
    return {"optimizer": optimizer, "schedules": _schedules(job), "trains": trains, "parts": parts}


def _schedules(job: Job) -> dict[str, Any]:
    """The schedules of hyper-parameters, a learning rate with `decay` among them."""
    held = {name: value for name, value in vars(job.optimizer).items() if isinstance(value, Schedule)}
    return {name: jsonable(describe_noun("schedule", value)) for name, value in held.items()}


def _simple(found: Any) -> list[Any]:
    return [_named(value) for value in (found if isinstance(found, tuple) else (found,))]


def _named(value: Any) -> Any:
    if isinstance(value, SIMPLE):
        return value
    if isinstance(value, tuple):
        return [_named(entry) for entry in value]
    return {"function": f"{value.__module__}.{value.__qualname__}"}


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


def set_to(job: Job, settings: Mapping[str, Any]) -> None:
    """Set layers, losses and optimizer of another worker as they are on worker 0.

    Raises
    ------
    HandsonError
        For a function, or a schedule that is not registered, which a callback has put there.
    """
    now = _schedules(job)
    changed = {name: schedules.get(new) for name, new in settings["schedules"].items() if new != now.get(name)}
    vars(job.optimizer).update(settings["optimizer"] | changed)
    for weight, trains in zip(job.module.parameters(), settings["trains"], strict=True):
        weight.requires_grad_(trains)
    for (names, held), now, new in zip(job.parts_set, job.settings(), settings["parts"], strict=True):
        for name, value, wanted in zip(names, now if len(names) > 1 else (now,), new, strict=True):
            if _named(value) == wanted:
                continue
            if isinstance(wanted, dict):
                raise HandsonError(
                    f"a callback has set {name!r} to a function while several workers train the net, and the others "
                    f"cannot hear of that. Set it before fit, or train on one device."
                )
            held[name] = _as_tuples(wanted)


def follow(engine: Shards, known: Sequence[Batches], asked: Callable[[], str | None] = lambda: None) -> dict[str, Any]:
    """Obey worker 0 until the end of the training; the last order.

    Parameters
    ----------
    engine : Shards
        Computes the part of this worker.
    known : list of Batches
        The training rows, and those held out.
    asked : function
        The name of the signal that this process was sent, which worker 0 is told.
    """
    world, told = engine.world, False
    while True:
        if asked() is not None and not told:
            world.ask(str(asked()))
            told = True
        order = world.next_order()
        if order["do"] == "end":
            return order
        if not _obeyed(engine, known, order):
            world.part()  # what comes next is the order to regroup; who waits for this worker hears of it


def _obeyed(engine: Shards, known: Sequence[Batches], order: dict[str, Any]) -> bool:
    """Do what was ordered; False when a worker is lost."""
    try:
        _obey(engine, known, order)
    except Lost:
        return False
    except BaseException as error:
        engine.world.report(error)
        raise
    return True


def _obey(engine: Shards, known: Sequence[Batches], order: dict[str, Any]) -> None:
    job, world = engine.job, engine.world
    if order["do"] == "state":
        tensors = empty(order["tensors"], job.device)
        for tensor in tensors.values():
            world.share(tensor)
        job.optimizer.slots.clear()
        TrainingState(tensors, order["values"]).restore(job.module, job.optimizer)
        restore_hidden(job.module, tensors)
    elif order["do"] == "set":
        set_to(job, order["settings"])
    elif order["do"] == "evaluate":
        engine.run_evaluation(known[order["which"]], Sums())
    else:
        engine.job.bound()
        if order.get("digest", 0) not in (0, digest_of(job)):
            raise TrainingError(
                f"the weights of worker {world.name} are not those of worker 0, bit for bit: their processors or "
                f"libraries compute differently. Train on machines of one kind, or with exact=False."
            )
        engine.run_span(Span(*order["span"]), Sums())

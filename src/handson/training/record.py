"""The record of a run: what `fit(run=...)` writes into a folder, and how it goes on from there.

A run can be stopped anywhere, killed included, and goes on with the same numbers, bit for bit: all random numbers are
functions of the seed, and everything else is in the state.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handson.callbacks.base import CallbackList
from handson.errors import HandsonError
from handson.files import atomic
from handson.training import checkpoint, environment
from handson.training.checkpoint import Snapshot
from handson.training.fingerprint import differences
from handson.training.history import History
from handson.training.interruption import Interruption, Stopped, locked
from handson.training.job import Span
from handson.training.keeper import Keeper
from handson.training.state import TrainingState
from handson.training.sums import Sums

if TYPE_CHECKING:
    from handson.models import Model
    from handson.training.engines import Engine

CHECKPOINTS, RECORD, STARTS = "checkpoints", "run.json", "starts.jsonl"
RESUME = ("auto", "never", "force")


class NoRecord:
    """The record of a training that is not recorded: it begins at the beginning and writes nothing."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long the training has lasted."""
        return time.monotonic() - self._started

    def seed(self, given: int | None) -> int | None:
        """The given seed."""
        return given

    def begin(self, fingerprint: Callable[[], dict[str, Any]], seed: int) -> None:
        """Nothing is written down."""

    def begin_at(self, epochs: range, callbacks: CallbackList, history: History) -> range:
        """All epochs."""
        return epochs

    def enter(self, epoch: int, callbacks: CallbackList, history: History) -> tuple[int, Sums]:
        """Every epoch begins with its first step."""
        return 0, Sums()

    def after_span(self, *state: Any) -> None:
        """Nothing is saved."""

    def after_epoch(self, *state: Any) -> None:
        """Nothing is saved."""

    def finish(self, *state: Any) -> None:
        """Nothing is saved."""


class Record:
    """The record of a run that is being made.

    Parameters
    ----------
    folder : Path
        The run folder, held by this process.
    resume : {'auto', 'never', 'force'}
        'auto': go on where the run was, if it was begun. 'never': the folder must not hold a run. 'force': go on
        although something changed.
    seconds : float
        How often a checkpoint is written.
    model : Model
        The net.
    """

    def __init__(self, folder: Path, resume: str, seconds: float, model: Model) -> None:
        self.folder, self.resume, self.model = folder, resume, model
        self.keeper = Keeper(folder / CHECKPOINTS, seconds, model.say)
        self.interruption = Interruption()
        self.seconds_before = 0.0
        self._best = math.inf
        self._started = time.monotonic()
        self._stored = self._read()
        self._snapshot = checkpoint.newest(folder / CHECKPOINTS, model.say)
        if self._stored is not None and resume == "never":
            raise HandsonError(f"{folder} holds a run already; resume='auto' goes on with it.")

    @property
    def seconds(self) -> float:
        """How long the training has lasted, in all its processes."""
        return self.seconds_before + time.monotonic() - self._started

    def _read(self) -> dict[str, Any] | None:
        try:
            return json.loads((self.folder / RECORD).read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            raise HandsonError(f"{self.folder / RECORD} is damaged: it is no JSON.") from None

    def seed(self, given: int | None) -> int | None:
        """The seed of the run: the one it was begun with, unless another is given."""
        return self._stored["seed"] if given is None and self._stored is not None else given

    def begin(self, fingerprint: Callable[[], dict[str, Any]], seed: int) -> None:
        """Write down what the run is made of, or compare with what was written.

        Raises
        ------
        HandsonError
            When something differs; every difference is listed.
        """
        now = json.loads(json.dumps(fingerprint()))
        if self._stored is not None and self.resume != "force":
            found = differences(self._stored["fingerprint"], now)
            if found:
                listed = "\n  ".join(found[:20])
                raise HandsonError(
                    f"{self.folder} was begun with something else:\n  {listed}\nTo go on anyway: resume='force' "
                    f"(handson resume --force). To begin anew: another folder."
                )
        if self._stored is None or self._stored != {"seed": seed, "fingerprint": now}:
            atomic.write_text(self.folder / RECORD, json.dumps({"seed": seed, "fingerprint": now}))
        changed = environment.append(self.folder / STARTS, self.model.device)
        if changed and self._snapshot is not None:
            self.model.say(f"the last digits may differ from those of an undisturbed run: {'; '.join(changed)}.")

    def begin_at(self, epochs: range, callbacks: CallbackList, history: History) -> range:
        """The epochs that are left, with everything restored."""
        if self._snapshot is None:
            return epochs
        position = self._snapshot.values["position"]
        where = f"goes on in epoch {position['epoch'] + 1} after step {position['step']} ({self._snapshot.name})"
        self.model.tell(f"{self.folder}: {'finished before' if position['finished'] else where}")
        self._restore(callbacks, history)
        return range(position["epoch"], epochs.stop)

    def enter(self, epoch: int, callbacks: CallbackList, history: History) -> tuple[int, Sums]:
        """The first step of an epoch and the sums so far; of the epoch that was interrupted, where it was."""
        position = None if self._snapshot is None else self._snapshot.values["position"]
        if position is None or position["epoch"] != epoch or position["step"] == 0:
            return 0, Sums()
        self._restore(callbacks, history)  # once more: the epoch had begun before it was interrupted
        return position["step"], Sums.from_state(position["sums"])

    def _restore(self, callbacks: CallbackList, history: History) -> None:
        """Put the newest checkpoint into net, optimizer, callbacks and history."""
        if self._snapshot is None:
            return
        values, tensors = self._snapshot.values, self._snapshot.tensors
        own = {name: tensor for name, tensor in tensors.items() if not name.startswith("callbacks/")}
        TrainingState(own, values["state"]).restore(self.model, self.model.optimizer)
        self.model.mark_touched()
        self.model.age = values["position"]["age"]
        self.model.stop_training = values["position"]["stop"]
        self.seconds_before = values["seconds"]
        best = history.take(values["history"]).best()
        self._best = math.inf if best is None else best[2]
        callbacks.set_states(values["callbacks"], tensors)

    def snapshot(
        self, engine: Engine, callbacks: CallbackList, history: History, moment: str, epoch: int, step: int, sums: Sums
    ) -> Snapshot:
        """A copy of everything."""
        state = engine.state
        tensors = checkpoint.copy_tensors(state.tensors | callbacks.tensors())
        position = {
            "epoch": epoch,
            "step": step,
            "age": self.model.age,
            "sums": sums.state(),
            "stop": self.model.stop_training,
            "finished": moment == "finished",
        }
        values = {
            "state": state.values,
            "position": position,
            "callbacks": callbacks.states(),
            "history": history.to_json(),
            "seconds": self.seconds,
        }
        return Snapshot(self.model.optimizer.iterations, moment, tensors, values)

    def after_span(self, span: Span, sums: Sums, engine: Engine, callbacks: CallbackList, history: History) -> None:
        """Save if it is time, or if a signal asks to stop.

        Raises
        ------
        Stopped
            After a signal, when everything is saved.
        """
        asked = self.interruption.signal
        if asked is None and not self.keeper.due:
            return
        taken = self._try(engine, callbacks, history, "", span.epoch, span.last, sums)
        if taken is not None:
            self.keeper.save(taken, wait=asked is not None)
        if asked is not None:
            raise Stopped(
                f"stopped by {asked} after step {span.last} of epoch {span.epoch + 1}; everything is saved in "
                f"{self.folder}. To go on: the same call again, or handson resume {self.folder}."
            )

    def after_epoch(
        self, epoch: int, logs: dict[str, float], engine: Engine, callbacks: CallbackList, history: History
    ) -> None:
        """Remember the best epoch; save if it is time."""
        monitor = "val_loss" if "val_loss" in logs else "loss"
        is_best = logs[monitor] < self._best
        if not is_best and not self.keeper.due:
            return
        taken = self._try(engine, callbacks, history, "epoch", epoch + 1, 0, Sums())
        if taken is None:
            return
        if is_best:
            self._best = logs[monitor]
            self.keeper.remember_best(taken, monitor, logs[monitor])
        if self.keeper.due:
            self.keeper.save(taken)

    def finish(self, epoch: int, engine: Engine, callbacks: CallbackList, history: History) -> None:
        """Save the end of the training."""
        taken = self._try(engine, callbacks, history, "finished", epoch, 0, Sums())
        if taken is not None:
            self.keeper.save(taken, wait=True)

    def _try(self, *parts: Any) -> Snapshot | None:
        """A snapshot, or None when there is no memory for one."""
        try:
            return self.snapshot(*parts)
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error).lower():
                raise
            self.model.say(
                f"no checkpoint: there is no memory for a copy of the state ({error}). The training goes on."
            )
            return None


@contextmanager
def recording(run: Any, resume: Any, seconds: float, model: Model) -> Iterator[Record | NoRecord]:
    """The record of `fit(run=...)`; the folder is held while this lasts."""
    if run is None:
        yield NoRecord()
        return
    if resume not in RESUME:
        raise HandsonError(f"resume is one of {', '.join(map(repr, RESUME))}; got {resume!r}.")
    folder = Path(run)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        record = Record(folder, resume, seconds, model)
        try:
            with record.interruption:
                yield record
        finally:
            record.keeper.wait()

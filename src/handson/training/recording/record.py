"""The record of a run: what `fit(run=...)` writes into a folder, and how it goes on from there.

A run can be stopped anywhere, killed included, and goes on with the same numbers, bit for bit: all random numbers are
functions of the seed, and everything else is in the state.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from handson.callbacks.calls import CallbackList
from handson.core import console, regular
from handson.core.errors import HandsonError
from handson.files import atomic, strict_json
from handson.state.hidden import hidden_tensors, restore_hidden, unsaved_parts
from handson.state.history import History
from handson.state.state import TrainingState, further_optimizers
from handson.state.sums import Sums
from handson.training.preparation.job import Span
from handson.training.recording import checkpoint, environment
from handson.training.recording.built import build_again, built_shapes
from handson.training.recording.checkpoint import Snapshot
from handson.training.recording.code_prints import comparable
from handson.training.recording.fingerprint import differences
from handson.training.recording.interruption import Interruption, InUse, Stopped, locked
from handson.training.recording.keeper import EPOCH_SHARE, Keeper, not_finite
from handson.training.recording.pausing import Paused, pause_of

if TYPE_CHECKING:
    from handson.training.engines import Engine
    from handson.training.preparation.net import Net

CHECKPOINTS, RECORD, STARTS = "checkpoints", "run.json", "starts.jsonl"
# Where worker 0 can be reached, while others may join.
WORKERS = "workers.json"
RESUME = ("auto", "never", "force", "join")
# How many differences are listed when something has changed.
MOST_SHOWN = 20


class Training(Protocol):
    """What a record takes up and puts back: the engine with its job, the callbacks, what was measured."""

    engine: Engine
    callbacks: CallbackList
    history: History


@dataclass(frozen=True)
class Place:
    """A place in a training: before a step of an epoch.

    Attributes
    ----------
    moment : str
        'epoch' at the end of one, 'finished' at that of the training, else ''.
    epoch, step : int
        The step that comes next.
    sums : Sums
        What the steps before it in this epoch have reported.
    """

    moment: str
    epoch: int
    step: int
    sums: Sums = field(default_factory=Sums)


class NoRecord:
    """The record of a training that is not recorded: it begins at the beginning and writes nothing."""

    finished = False

    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long the training has lasted."""
        return time.monotonic() - self._started

    def seed(self, given: int | None) -> int | None:
        """The given seed."""
        return given

    def begin(self, fingerprint: Callable[[], dict[str, Any]], seed: int, spread: Mapping[str, Any]) -> None:
        """Nothing is written down."""

    def begin_at(self, epochs: range, training: Training) -> range:
        """All epochs."""
        return epochs

    def enter(self, epoch: int, training: Training) -> tuple[int, Sums]:
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
    model : Net
        The net.
    tell : function of str
        Prints a line, unless the training is silent.
    """

    def __init__(self, folder: Path, resume: str, seconds: float, model: Net, tell: Callable[[str], None]) -> None:
        self.folder, self.resume, self.model, self.tell = folder, resume, model, tell
        self.keeper = Keeper(folder / CHECKPOINTS, seconds, console.say)
        self.interruption = Interruption()
        self.seconds_before = 0.0
        self._goes_on, self._saved_end = False, True
        self._pause, self._last = pause_of(folder), 0
        self._started = time.monotonic()
        self._stored = self._read()
        if resume == "never" and (self._stored is not None or checkpoint.generations(folder / CHECKPOINTS)):
            raise HandsonError(f"{folder} holds a run already; resume='auto' goes on with it.")
        self._snapshot = checkpoint.newest(folder / CHECKPOINTS, console.say)

    @property
    def seconds(self) -> float:
        """How long the training has lasted, in all its processes."""
        return self.seconds_before + time.monotonic() - self._started

    @property
    def finished(self) -> bool:
        """Whether the training had come to its end before this start."""
        return self._snapshot is not None and self._snapshot.moment == "finished" and not self._goes_on

    def _read(self) -> dict[str, Any] | None:
        path = self.folder / RECORD
        try:
            stored = json.loads(regular.read_bytes(path, strict_json.MOST_BYTES, follow=False))
            seed, fingerprint = stored["seed"], stored["fingerprint"]
            if type(seed) is not int or not isinstance(fingerprint, dict):
                raise TypeError
            return {"seed": seed, "fingerprint": fingerprint}
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, RecursionError):
            raise HandsonError(
                f"{path} is damaged, so nothing says what the run was begun with. Delete it and go on with "
                f"resume='force' (handson resume --force), or begin anew in another folder."
            ) from None

    def seed(self, given: int | None) -> int | None:
        """The seed of the run: the one it was begun with, unless another is given."""
        return self._stored["seed"] if given is None and self._stored is not None else given

    def begin(self, fingerprint: Callable[[], dict[str, Any]], seed: int, spread: Mapping[str, Any]) -> None:
        """Write down what the run is made of, or compare with what was written.

        Raises
        ------
        HandsonError
            When something differs; every difference is listed.
        """
        now = json.loads(json.dumps(fingerprint()))
        if self.resume != "force":
            self._compare(now)
        checkpoint.set_aside(self.folder / CHECKPOINTS, "" if self._snapshot is None else self._snapshot.name)
        if self._stored != {"seed": seed, "fingerprint": now}:
            atomic.write_text(self.folder / RECORD, json.dumps({"seed": seed, "fingerprint": now}))
        for line in unsaved_parts(self.model):
            console.say(line)
        self._write_down_start(spread)

    def _compare(self, now: dict[str, Any]) -> None:
        if self._stored is None and self._snapshot is not None:
            raise HandsonError(
                f"{self.folder} holds checkpoints, but no {RECORD} that says what the run was begun with. To go on "
                f"anyway: resume='force' (handson resume --force). To begin anew: another folder."
            )
        found = [] if self._stored is None else differences(*comparable(self._stored["fingerprint"], now))
        if found:
            more = [f"and {len(found) - MOST_SHOWN} more"] if len(found) > MOST_SHOWN else []
            listed = "\n  ".join(found[:MOST_SHOWN] + more)
            raise HandsonError(
                f"{self.folder} was begun with something else:\n  {listed}\nTo go on anyway: resume='force' "
                f"(handson resume --force). To begin anew: another folder."
            )

    def _write_down_start(self, spread: Mapping[str, Any]) -> None:
        """Add this start to the list of starts, and say what about the machine has changed."""
        try:
            changed = environment.append(self.folder / STARTS, self.model.device, spread)
        except OSError as error:
            console.say(f"{error} The training goes on without it.")
            return
        if changed and self._snapshot is not None and self._snapshot.moment != "finished":
            console.say(f"the last digits may differ from those of an undisturbed run: {'; '.join(changed)}.")

    def begin_at(self, epochs: range, training: Training) -> range:
        """The epochs that are left, with everything restored; of a new run all, and its beginning is saved.

        Raises
        ------
        Paused
            When it is paused before the next one.
        """
        self._last = epochs.stop
        if self._snapshot is None:
            self.keeper.infinite = frozenset(not_finite(training.engine.job.state.tensors))
            taken = self._try(True, training, Place("", epochs.start, 0))
            if taken is not None:
                self.keeper.save(taken)
            return epochs
        position = self._snapshot.values["position"]
        left = range(position["epoch"], epochs.stop)
        self._goes_on = len(left) > 0
        where = f"goes on in epoch {position['epoch'] + 1} after step {position['step']} ({self._snapshot.name})"
        self.tell(f"{self.folder}: {'finished before' if self.finished else where}")
        self._restore(training)
        if position["step"]:
            self.model.stop_training = False  # `enter` sets it again: it ends a training after the epoch
        self.keeper.infinite = frozenset(not_finite(training.engine.job.state.tensors))
        if not position["step"] and self._pauses(position["epoch"]):
            self._raise_paused(position["epoch"], training.history)
        return left

    def _pauses(self, done: int) -> bool:
        """Whether the run pauses after so many epochs; one that comes to its end there does not."""
        return self._pause is not None and self._pause <= done < self._last and not self.model.stop_training

    def _raise_paused(self, epoch: int, history: History) -> NoReturn:
        history.seconds = self.seconds
        raise Paused(self.folder, epoch, history)

    def enter(self, epoch: int, training: Training) -> tuple[int, Sums]:
        """The first step of an epoch and the sums so far; of the epoch that was interrupted, where it was."""
        snapshot = self._snapshot
        position = None if snapshot is None else snapshot.values["position"]
        if position is not None and position["step"]:
            self._restore(training)  # once more: the epoch had begun before it was interrupted
        self._snapshot = None
        if snapshot is None or position is None:
            return 0, Sums()
        return position["step"], Sums.from_state(position["sums"], snapshot.tensors)

    def _restore(self, training: Training) -> None:
        """Put the newest checkpoint into net, optimizer, callbacks and history."""
        if self._snapshot is None:
            return
        values = self._snapshot.values
        tensors = {name: tensor.to(self.model.device) for name, tensor in self._snapshot.tensors.items()}
        build_again(self.model, values.get("built", {}))
        optimizer, further = self.model.optimizer, further_optimizers(self.model, self.model.optimizer)
        for each in (optimizer, *further.values()):
            each.slots.clear()
        TrainingState(tensors, values["state"]).restore(self.model, optimizer, further)
        restore_hidden(self.model, tensors)
        self.model.age = values["position"]["age"]
        self.model.stop_training = values["position"]["stop"]
        self.seconds_before = values["seconds"]
        history = training.history
        params = history.params
        history.take(values["history"]).params = params
        training.callbacks.set_states(values["callbacks"], tensors)

    def snapshot(self, copy: bool, training: Training, place: Place) -> Snapshot:
        """Everything, at a place; a copy, unless it is written before the training goes on."""
        callbacks, sums = training.callbacks, place.sums
        state = training.engine.job.state
        tensors = state.tensors | hidden_tensors(self.model) | callbacks.tensors() | sums.tensors()
        tensors = checkpoint.copy_tensors(tensors) if copy else tensors
        position = {
            "epoch": place.epoch,
            "step": place.step,
            "age": self.model.age,
            "sums": sums.state(),
            "stop": self.model.stop_training,
            "finished": place.moment == "finished",
        }
        values = {
            "state": state.values,
            "position": position,
            "callbacks": callbacks.states(),
            "history": training.history.to_json(),
            "built": built_shapes(self.model),
            "seconds": self.seconds,
        }
        return Snapshot(self.model.optimizer.iterations, place.moment, tensors, values)

    def after_span(self, span: Span, sums: Sums, training: Training) -> None:
        """Save if it is time, or if a signal asks to stop.

        Raises
        ------
        Stopped
            After a signal, when everything is saved.
        """
        place = Place("", span.counted, span.last, sums)
        if self.interruption.signal is not None:
            self._stop(f"after step {span.last} of epoch {span.counted + 1}", self._save_now(training, place))
        elif self.keeper.is_due():
            taken = self._try(True, training, place)
            if taken is not None:
                self.keeper.save(taken)

    def _stop(self, where: str, saved: bool) -> NoReturn:
        kept = f"everything is saved in {self.folder}" if saved else f"{self.folder} holds the checkpoint before that"
        again = f"To go on: the same call again, or handson resume {self.folder}."
        raise Stopped(f"stopped by {self.interruption.signal} {where}; {kept}. {again}")

    def after_epoch(self, epoch: int, training: Training) -> None:
        """Remember the best epoch; save if it is time, if a signal asks to stop, or if the run is paused here."""
        best, place = training.history.best(), Place("epoch", epoch + 1, 0)
        is_best, is_due = best is not None and best[0] == epoch, self.keeper.is_due(EPOCH_SHARE)
        taken = self._try(True, training, place) if is_best or is_due else None
        if taken is not None and best is not None and is_best:
            self.keeper.remember_best(taken, *best[1:])
        if self.interruption.signal is not None:
            self._stop(f"after epoch {epoch + 1}", self._save_now(training, place))
        if self._pauses(epoch + 1):
            self._save_now(training, place)
            self._raise_paused(epoch + 1, training.history)
        if taken is not None and is_due:
            self.keeper.save(taken)

    def finish(self, epoch: int, training: Training) -> None:
        """Save the end of the training."""
        self._saved_end = self._save_now(training, Place("finished", epoch, 0))

    def leave(self) -> None:
        """The training has come to its end: a signal that nothing has heeded yet stops the process here."""
        if self.interruption.signal is not None:
            self._stop("after the last epoch", self._saved_end)

    def _save_now(self, training: Training, place: Place) -> bool:
        """Save without a copy of the state; whether that went well."""
        taken = self._try(False, training, place)
        return taken is not None and self.keeper.save_now(taken)

    def _try(self, copy: bool, training: Training, place: Place) -> Snapshot | None:
        """A snapshot, or None when there is no memory for one."""
        try:
            return self.snapshot(copy, training, place)
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error).lower():
                raise
            reason = str(error).splitlines()[0] if str(error) else "out of memory"
            console.say(
                f"no checkpoint at step {self.model.optimizer.iterations}: there is no memory for a copy of the state "
                f"({reason}). The checkpoint before it stays, and the training goes on."
            )
            return None


@contextmanager
def recording(
    run: Any, resume: Any, seconds: float, model: Net, tell: Callable[[str], None]
) -> Iterator[Record | NoRecord]:
    """The record of `fit(run=...)`; the folder is held while this lasts."""
    if run is None:
        yield NoRecord()
        return
    if resume not in RESUME:
        raise HandsonError(f"resume is one of {', '.join(map(repr, RESUME))}; got {resume!r}.")
    folder = Path(run)
    folder.mkdir(parents=True, exist_ok=True)
    with _held(folder):
        atomic.sweep(folder)
        record = Record(folder, resume, seconds, model, tell)
        try:
            with record.interruption:
                yield record
                record.leave()
        except Stopped as stopped:  # which ends a script without a word
            console.warn(stopped.reason)
            raise
        finally:
            record.keeper.wait()


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold a run folder; who finds it held by a training that takes workers hears how to help."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder))
        except InUse as error:
            if (folder / WORKERS).exists():
                raise InUse(f"{error} To help: handson join {folder}, or fit(..., resume='join').") from None
            raise
        yield

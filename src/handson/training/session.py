"""`Session`: everything that takes part in one training, together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from handson.callbacks.calls import CallbackList
from handson.state.history import History
from handson.training.engines import Engine
from handson.training.evaluation import Evaluation
from handson.training.preparation.arguments import Arguments
from handson.training.preparation.job import Span
from handson.training.recording.record import NoRecord, Record
from handson.training.rehearsal import Rehearsal

if TYPE_CHECKING:
    from handson.training.preparation.net import Net


@dataclass
class Session:
    """One training, from its first epoch to its last.

    Attributes
    ----------
    model : Model
        The net.
    engine : Engine
        What executes its steps, on the data of `engine.job`.
    callbacks : CallbackList
        Who is called.
    history : History
        What was measured.
    record : Record or NoRecord
        What writes the run down.
    arguments : Arguments
        What `fit` was told.
    validation : Evaluation, optional
        What measures the rows held out.
    rehearsal : Rehearsal, optional
        What runs a step and takes it back, for callbacks that look inside.
    """

    model: Net
    engine: Engine
    callbacks: CallbackList
    history: History
    record: Record | NoRecord
    arguments: Arguments
    validation: Evaluation | None = None
    rehearsal: Rehearsal | None = None

    @property
    def epochs(self) -> range:
        """The epochs that `fit` was asked for."""
        return range(self.arguments.initial_epoch, self.arguments.epochs)

    @cached_property
    def due_between(self) -> bool:
        """Whether anything is due at the end of every epoch."""
        measured = self.validation is not None or self.arguments.evaluate_training
        seen = self.callbacks.sees_epochs or bool(self.callbacks.step_interval)
        return measured or seen or not isinstance(self.record, NoRecord)

    def look_inside(self, span: Span) -> None:
        """Let callbacks look into the first step of a stretch that comes next."""
        if self.rehearsal is not None:
            look = partial(self.rehearsal, span)
            self.callbacks.call("on_look_inside", self.model.optimizer.iterations, look)

    def validates(self, epoch: int) -> bool:
        """Whether the rows held out are measured after an epoch."""
        return self.validation is not None and (epoch + 1) % self.arguments.validation_freq == 0

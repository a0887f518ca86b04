"""`Session`: everything that takes part in one training, together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from handson.callbacks.calls import CallbackList
from handson.state.history import History
from handson.training.engines import Engine
from handson.training.evaluation import Evaluation
from handson.training.looking import Look, Looking
from handson.training.preparation.arguments import Arguments
from handson.training.preparation.job import Span, Stretch
from handson.training.recording.record import NoRecord, Record

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
    looking : Looking, optional
        What looks into steps, for callbacks that want it.
    """

    model: Net
    engine: Engine
    callbacks: CallbackList
    history: History
    record: Record | NoRecord
    arguments: Arguments
    validation: Evaluation | None = None
    looking: Looking | None = None

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

    def run(self, stretch: Stretch) -> None:
        """Run the steps of a stretch; callbacks may look into the first of them."""
        rest = self._look_inside(stretch)
        if rest is not None:
            self.engine.run(rest)

    def _look_inside(self, stretch: Stretch) -> Stretch | None:
        """Let callbacks look into the first step; what is left to be run."""
        if self.looking is None:
            return stretch
        alone = self.callbacks.lookers == 1
        look = Look(self.looking, self.engine, stretch, self.is_last(stretch.spans[0]), alone)
        self.callbacks.call("on_look_inside", self.model.optimizer.iterations, look)
        return look.rest

    def is_last(self, span: Span) -> bool:
        """Whether a span begins with the last step of the training."""
        return span.counted == self.epochs.stop - 1 and span.first + 1 == self.engine.job.batches.steps

    def validates(self, epoch: int) -> bool:
        """Whether the rows held out are measured after an epoch."""
        return self.validation is not None and (epoch + 1) % self.arguments.validation_freq == 0

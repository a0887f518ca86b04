"""Sanity checks of an experiment: what `handson check` runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from handson import checks
from handson.checks import Check
from handson.core.errors import HandsonError, listing, nearest
from handson.data.reading.dataset import Dataset
from handson.workflow.experiment import Experiment


class Asked(NamedTuple):
    """What is checked: an experiment with its rows, and where pictures go, if they are wanted."""

    experiment: Experiment
    x: Any
    y: Any
    pictures: Path | None

    @property
    def seed(self) -> int:
        """The seed of the training."""
        return self.experiment.fit.seed

    def build(self) -> Any:
        """The net of the experiment."""
        return self.experiment.build()


def check(experiment: Experiment, data: Dataset, what: Sequence[str] = (), pictures: Path | None = None) -> list[Check]:
    """Check an experiment before it is trained.

    Parameters
    ----------
    experiment : Experiment
        The experiment; its augmentation is left out.
    data : Dataset
        Its rows.
    what : sequence of str
        Names in `CHECKS`; by default all but 'initialization', which trains twice.
    pictures : Path, optional
        A folder for the pictures of 'rates' and 'initialization'.

    Returns
    -------
    list of Check
        Each says whether it passed, and what was found.
    """
    for name in what:
        if name not in CHECKS:
            raise HandsonError(f"there is no check {name!r}.{nearest(name, CHECKS)} There are: {listing(CHECKS)}.")
    if data.targets is None:
        raise HandsonError(f"{data.source} has no targets to train on: say data: {{targets: ...}}.")
    asked = Asked(experiment, *data.arrays(), pictures)
    return [CHECKS[name](asked) for name in what or BY_DEFAULT]


def _rates(asked: Asked) -> Check:
    found = checks.lr_range(asked.build, asked.x, asked.y, batch_size=asked.experiment.fit.batch_size, seed=asked.seed)
    if asked.pictures is not None:
        found.plot(asked.pictures / "rates.png")
    now = asked.build().optimizer.learning_rate
    given = f"; the experiment has {now:g}" if isinstance(now, float) else ""
    text = f"suggested {found.suggestion:.1e}, steepest at {found.steepest:.1e}{given}."
    return Check("learning rate", None, text, {"suggestion": found.suggestion, "steepest": found.steepest})


def _initialization(asked: Asked) -> Check:
    epochs, size = min(asked.experiment.fit.epochs, 10), asked.experiment.fit.batch_size
    found = checks.initialization_comparison(asked.build, asked.x, asked.y, None, epochs, size, asked.seed)
    if asked.pictures is not None:
        found.plot(asked.pictures / "initialization.png")
    losses = {name: history.history["loss"][-1] for name, history in found.histories.items()}
    text = ", ".join(f"{name}: loss {loss:.4g}" for name, loss in losses.items()) + f" after {epochs} epochs."
    return Check("initial weights", None, text, losses)


CHECKS: dict[str, Callable[[Asked], Check]] = {
    "initial_loss": lambda asked: checks.initial_loss_check(asked.build, asked.x, asked.y, asked.seed),
    "overfit": lambda asked: checks.overfit_tiny(asked.build, asked.x, asked.y, seed=asked.seed),
    "regularization": lambda asked: checks.regularization_check(asked.build, asked.x, asked.y, seed=asked.seed),
    "rates": _rates,
    "initialization": _initialization,
}
BY_DEFAULT = ("initial_loss", "overfit", "regularization", "rates")

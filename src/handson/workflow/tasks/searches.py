"""Searches: which tasks there are, and which come next once others are finished.

A search is a function of what it was told, of the rounds so far and of their results. It keeps no state: whoever plans
the next round reads the folder, so that nothing has to run in between.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from handson.core.errors import HandsonError, nearest
from handson.randomness.keys import derive
from handson.workflow.tasks.axes import Axis, Range

# The most tasks of a sweep: each is a folder with some ten files.
MOST_TASKS = 10_000
# So often a combination is drawn for each that is asked for, until there are as many different ones.
MOST_DRAWS = 20
FOLD, FOLDS, SEED, EPOCHS = "split.fold", "split.folds", "fit.seed", "fit.epochs"


class Result(NamedTuple):
    """A task that has come to its end.

    Attributes
    ----------
    number : int
        The number of the task.
    overrides : dict
        What it changed in the experiment.
    value : float
        What was measured, turned so that less is better; NaN where the training failed.
    """

    number: int
    overrides: dict[str, Any]
    value: float


class Round(BaseModel):
    """What is trained at a time: tasks that are new, or tasks of the rounds before that go on.

    Attributes
    ----------
    new : list of dict
        The overrides of each new task.
    again : list of int
        The numbers of the tasks that go on.
    until : int, optional
        After how many epochs they pause; by default they are trained to their end.
    """

    model_config = ConfigDict(extra="forbid")

    new: list[dict[str, Any]] = Field(default_factory=list)
    again: list[int] = Field(default_factory=list)
    until: Annotated[int, Field(ge=1)] | None = None


class Search(BaseModel):
    """What a sweep looks through.

    Attributes
    ----------
    kind : {'grid', 'random', 'halving', 'bayesian'}
        All combinations; some drawn by chance; of some drawn by chance the best third goes on, again and again;
        or each round chosen by Optuna from the results of those before.
    axes : dict of str to list or Range
        The values of every path.
    trials : int
        How many combinations are drawn, where not all are taken.
    epochs : int
        Of 'halving': the epochs of a whole training, at the end of the last round.
    factor : int
        Of 'halving': one of so many goes on to the next round, with so many times the epochs.
    at_once : int
        Of 'bayesian': how many are chosen at a time.
    seeds, folds : int
        How many seeds, and how many folds, every combination is trained with.
    seed : int
        The first of the seeds, and that of what is drawn.
    """

    model_config = ConfigDict(extra="forbid")

    kind: str = "grid"
    axes: dict[str, Axis] = Field(default_factory=dict)
    trials: Annotated[int, Field(ge=1)] = 20
    epochs: Annotated[int, Field(ge=1)] = 1
    factor: Annotated[int, Field(ge=2)] = 3
    at_once: Annotated[int, Field(ge=1)] = 4
    seeds: Annotated[int, Field(ge=1)] = 1
    folds: Annotated[int, Field(ge=1)] = 1
    seed: Annotated[int, Field(ge=0)] = 0

    def check(self) -> None:
        """Raise for what cannot be searched.

        Raises
        ------
        HandsonError
            For an unknown kind, for a range in a grid, too many trials, and for a search without anything to vary.
        """
        if self.kind not in KINDS:
            raise HandsonError(f"unknown search {self.kind!r}.{nearest(self.kind, KINDS)} Known: {', '.join(KINDS)}.")
        if self.trials > MOST_TASKS:
            raise HandsonError(f"{self.trials:,} trials are more than {MOST_TASKS:,}: try fewer.")
        taken = {SEED: self.seeds > 1, FOLD: self.folds > 1, FOLDS: self.folds > 1, EPOCHS: self.kind == "halving"}
        twice = next((path for path, given in taken.items() if given and path in self.axes), None)
        if twice is not None:
            raise HandsonError(f"{twice!r} is varied by the search itself: leave it out of --grid.")
        ranges = [path for path, axis in self.axes.items() if isinstance(axis, Range)]
        if self.kind == "grid" and ranges:
            raise HandsonError(f"a grid takes values, and {ranges[0]!r} has a range: add --search random.")
        if not self.axes and self.kind != "grid":
            raise HandsonError(
                f"a {self.kind} search needs something to vary: --grid optimizer.learning_rate=log:1e-4..0.1."
            )
        if self.kind == "grid":
            self._check_repeated()
        empty = next((path for path, axis in self.axes.items() if not isinstance(axis, Range) and not axis), None)
        if empty is not None:
            raise HandsonError(f"{empty!r} has no values.")

    def _check_repeated(self) -> None:
        """Raise for a value that a grid would train twice."""
        for path, axis in self.axes.items():
            values = [(isinstance(value, bool), value) for value in axis] if isinstance(axis, list) else []
            twice = next((value for place, value in enumerate(values) if value in values[:place]), None)
            if twice is not None:
                raise HandsonError(f"{path!r} has the value {twice[1]!r} twice, and would be trained with it twice.")

    def more(self, results: Sequence[Result] = (), rounds: Sequence[Round] = ()) -> Round | None:
        """What is trained next.

        Parameters
        ----------
        results : sequence of Result
            What came out of all tasks of the rounds before, by their numbers; all of them have ended.
        rounds : sequence of Round
            Those rounds.

        Returns
        -------
        Round or None
            None when the search is over.
        """
        return KINDS[self.kind](self, list(results), list(rounds))

    def repeated(self, combinations: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The overrides of tasks: each combination with every seed and fold."""
        _check_count(len(combinations) * self.repeats)
        return [combination | again for combination in combinations for again in self._again()]

    @property
    def has_rounds(self) -> bool:
        """Whether what comes next depends on what came out."""
        return self.kind in ("halving", "bayesian")

    @property
    def repeats(self) -> int:
        """How many tasks a combination has: one for each seed and fold."""
        return self.seeds * self.folds

    def _again(self) -> list[dict[str, Any]]:
        seeds: list[dict[str, Any]] = [{SEED: self.seed + number} for number in range(self.seeds)]
        folds: list[dict[str, Any]] = [{FOLDS: self.folds, FOLD: fold + 1} for fold in range(self.folds)]
        pairs = itertools.product(seeds if self.seeds > 1 else [{}], folds if self.folds > 1 else [{}])
        return [one | other for one, other in pairs]


def _check_count(tasks: int) -> None:
    """Raise for more tasks than a sweep may have."""
    if tasks > MOST_TASKS:
        raise HandsonError(f"{tasks:,} tasks are more than {MOST_TASKS:,}: vary less.")


def combination_of(overrides: dict[str, Any]) -> dict[str, Any]:
    """The overrides without seed and fold: what is alike in tasks that only repeat each other."""
    return {path: value for path, value in overrides.items() if path not in (SEED, FOLD, FOLDS)}


class Mean(NamedTuple):
    """The mean of what was measured of one combination, over its seeds and folds; NaN where one failed."""

    combination: dict[str, Any]
    value: float
    tasks: list[int]


def means(results: Sequence[Result]) -> list[Mean]:
    """The mean of each combination, in the order of the tasks."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(repr(combination_of(result.overrides)), []).append(result)
    return [
        Mean(
            combination_of(group[0].overrides),
            sum(each.value for each in group) / len(group),
            [one.number for one in group],
        )
        for group in groups.values()
    ]


def _grid(search: Search, results: list[Result], rounds: list[Round]) -> Round | None:
    axes = [axis for axis in search.axes.values() if isinstance(axis, list)]
    _check_count(math.prod(map(len, axes)))
    found = [dict(zip(search.axes, row, strict=True)) for row in itertools.product(*axes)]
    return None if rounds else Round(new=search.repeated(found))


def _random(search: Search, results: list[Result], rounds: list[Round]) -> Round | None:
    return None if rounds else Round(new=search.repeated(_draws(search)))


def _draws(search: Search) -> list[dict[str, Any]]:
    """Combinations by chance, each once: fewer than asked for where there are not as many."""
    found: dict[str, dict[str, Any]] = {}
    for number in range(MOST_DRAWS * search.trials):
        combination = _drawn(search, number)
        found.setdefault(repr(combination), combination)
        if len(found) == search.trials:
            break
    return list(found.values())


def _drawn(search: Search, number: int) -> dict[str, Any]:
    """One combination, a function of the seed, its number and the paths."""
    found = {}
    for path, axis in search.axes.items():
        share = derive(search.seed, "search", path, number) / 2**64
        found[path] = axis.at(share) if isinstance(axis, Range) else axis[int(share * len(axis))]
    return found


def _halving(search: Search, results: list[Result], rounds: list[Round]) -> Round | None:
    """The next round: the best of the last one go on from where they are."""
    planned = halving_rounds(search.trials, search.epochs, search.factor)
    if len(rounds) == len(planned):
        return None
    count, epochs = planned[len(rounds)]
    until = epochs if epochs < search.epochs else None
    if not rounds:
        return Round(new=search.repeated(_draws(search)), until=until)
    last = means(results if len(rounds) == 1 else [results[task] for task in rounds[-1].again])
    best = sorted((one for one in last if one.value == one.value), key=lambda one: one.value)[:count]
    again = [task for one in best for task in one.tasks]
    return Round(again=again, until=until) if again else None


def halving_rounds(trials: int, epochs: int, factor: int) -> list[tuple[int, int]]:
    """How many combinations train in every round, and for how many epochs.

    Examples
    --------
    >>> halving_rounds(27, 90, 3)
    [(27, 3), (9, 10), (3, 30), (1, 90)]
    """
    counts = [trials]
    while counts[-1] >= factor and epochs // factor ** len(counts) >= 1:
        counts.append(counts[-1] // factor)
    return [(count, max(1, epochs // factor ** (len(counts) - 1 - place))) for place, count in enumerate(counts)]


def _bayesian(search: Search, results: list[Result], rounds: list[Round]) -> Round | None:
    from handson.workflow.tasks.bayesian import ask

    left = search.trials - len(results) // search.repeats
    if left <= 0:
        return None
    known = [(one.combination, one.value) for one in means(results)]
    return Round(new=search.repeated(ask(search.axes, search.seed, known, min(search.at_once, left))))


KINDS: dict[str, Callable[[Search, list[Result], list[Round]], Round | None]] = {
    "grid": _grid,
    "random": _random,
    "halving": _halving,
    "bayesian": _bayesian,
}

"""Sweeps: the same net with many hyper-parameters, and a table of what came out."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from handson.core.errors import HandsonError, listing, nearest
from handson.ensembles.building import build_net, parameters_of
from handson.ensembles.ensemble import Ensemble, inputs_of
from handson.ensembles.together import Training, check_arguments, train_together
from handson.metrics.reported import direction_of
from handson.models import Model
from handson.randomness.keys import check_seed, fresh_seed
from handson.state.history import History

# Arguments of `fit` that may be swept too.
OF_FIT = ("batch_size", "epochs")


@dataclass(repr=False)
class Sweep:
    """What a sweep found.

    Attributes
    ----------
    table : DataFrame
        A row for each combination, the best first, indexed by its number: the hyper-parameters, then what was measured
        in the epoch whose weights the net has, and that epoch. NaN where a loss became NaN, at the end.
    monitor : str
        The quantity that it is sorted by.
    arguments : list of dict
        The combinations, in the order in which they were given.
    members : list of Model
        The nets, in the same order.
    histories : list of History
        Their trainings.
    seed : int
        The seed of every net.
    """

    table: pd.DataFrame
    monitor: str
    arguments: list[dict[str, Any]]
    members: list[Model]
    histories: list[History]
    seed: int

    @property
    def best(self) -> Model:
        """The net with the best value."""
        return self.members[self.table.index[0]]

    @property
    def best_arguments(self) -> dict[str, Any]:
        """The hyper-parameters of the best net."""
        return self.arguments[self.table.index[0]]

    def ensemble(self, members: int) -> Ensemble:
        """The best so many nets as an ensemble."""
        return Ensemble([self.members[number] for number in self.table.index[:members]])

    def __repr__(self) -> str:
        best = self.table[self.monitor].iloc[0]
        return f"Sweep({len(self.members)} combinations, best {self.monitor} {best:.4g} with {self.best_arguments})"


def sweep(
    build: Any,
    grid: Any,
    x: Any,
    y: Any = None,
    *,
    monitor: str = "val_loss",
    seed: int | None = None,
    verbose: Any = "auto",
    workers: int | None = None,
    **fit_arguments: Any,
) -> Sweep:
    """Train a net with every combination of hyper-parameters, each from the same seed.

    Parameters
    ----------
    build : function
        Returns a compiled net; the hyper-parameters are its arguments.
    grid : dict of str to list, or list of dict
        The values of each hyper-parameter, of which all combinations are trained, or the combinations themselves. Names
        are arguments of `build`, or 'batch_size' and 'epochs'.
    x, y
        As in `Model.fit`.
    monitor : str
        A key of the history; the table is sorted by it, best first.
    seed : int, optional
        The seed of every net and of the split; by default a fresh one, kept in `Sweep.seed`.
    verbose, workers
        As in `Ensemble.fit`.
    **fit_arguments
        Further arguments of `Model.fit`; `validation_split` or `validation_data` is needed for a monitor of 'val_...'.

    Returns
    -------
    Sweep

    Raises
    ------
    HandsonError
        For a name that `build` does not take, or when nothing is measured under the name of `monitor`.

    Notes
    -----
    The best of many values is better than the net is: measure it on rows that took no part, or with `cross_validate`.

    Examples
    --------
    >>> from handson import Sequential, optimizers
    >>> from handson.layers import Dense
    >>> def build(units, rate):
    ...     net = Sequential([Dense(units, activation="relu"), Dense(1)])
    ...     net.compile(optimizers.Adam(rate), "mse")
    ...     return net
    >>> x = np.random.default_rng(0).normal(size=(60, 3))
    >>> found = sweep(build, {"units": [4, 8], "rate": [0.01, 0.1]}, x, x.sum(1), seed=0, epochs=2,
    ...               validation_split=0.2, verbose=0)
    >>> len(found.table), sorted(found.best_arguments)
    (4, ['rate', 'units'])
    """
    check_arguments(fit_arguments, (), "sweep")
    combinations = _combinations(grid)
    _check_names(build, combinations, fit_arguments)
    validated = fit_arguments.get("validation_split") or fit_arguments.get("validation_data") is not None
    if monitor.startswith("val_") and not validated:
        raise HandsonError(f"sweep compares by {monitor!r}: give validation_split=0.2, or validation_data=(x, y).")
    seed, inputs = fresh_seed() if seed is None else check_seed(seed), inputs_of(x)
    trainings = []
    for arguments in combinations:
        of_fit = {name: value for name, value in arguments.items() if _is_of_fit(build, name)}
        net = build_net(build, seed, {name: value for name, value in arguments.items() if name not in of_fit})
        shown = ", ".join(f"{name}={value!r}" for name, value in arguments.items()) or "as it is"
        trainings.append(Training(net, shown, inputs, lambda: {"x": inputs, "y": y}, fit_arguments | of_fit))
    for number, training in enumerate(trainings):
        training.name = f"{number} ({training.name})"
    train_together(trainings, verbose, workers, tolerant=True)
    table = _table(trainings, combinations, monitor)
    nets, histories = [training.net for training in trainings], [training.history for training in trainings]
    return Sweep(table, monitor, combinations, nets, histories, seed)


def _combinations(grid: Any) -> list[dict[str, Any]]:
    """All combinations of a grid, the last name changing fastest; or those in a list."""
    expected = "a dictionary of names to lists of values, such as {'units': [32, 64]}, or a list of dictionaries"
    if isinstance(grid, Mapping):
        for name, values in grid.items():
            if isinstance(values, (str, Mapping)) or not isinstance(values, Iterable):
                raise HandsonError(
                    f"grid is {expected}; {name!r} has {values!r}. One value is a list too: [{values!r}]."
                )
        return _checked(
            [dict(zip(grid, row, strict=True)) for row in itertools.product(*grid.values())], grid, expected
        )
    if isinstance(grid, (str, bytes)) or not isinstance(grid, Iterable):
        raise HandsonError(f"grid is {expected}; got {grid!r}.")
    return _checked(list(grid), grid, expected)


def _checked(combinations: list[Any], grid: Any, expected: str) -> list[dict[str, Any]]:
    if not combinations or not all(isinstance(each, Mapping) for each in combinations):
        raise HandsonError(f"grid is {expected}; got {grid!r}.")
    return [{str(name): _plain(value) for name, value in each.items()} for each in combinations]


def _plain(value: Any) -> Any:
    """A number of NumPy, such as `linspace` gives, as Python's."""
    return value.item() if isinstance(value, np.generic) else value


def _is_of_fit(build: Any, name: str) -> bool:
    return name in OF_FIT and name not in parameters_of(build)[0]


def _check_names(build: Any, combinations: Sequence[Mapping[str, Any]], fit_arguments: Mapping[str, Any]) -> None:
    if isinstance(build, Model) or not callable(build) or inspect.isclass(build):
        raise HandsonError(
            f"sweep needs a function whose arguments are the hyper-parameters, such as def build(units, rate): ...; "
            f"return net; got {build!r}."
        )
    names, any_name = parameters_of(build)
    for name in dict.fromkeys(name for each in combinations for name in each):
        if name in fit_arguments:
            raise HandsonError(f"sweep: {name!r} is in the grid and an argument too; leave one of them out.")
        if name not in names and not any_name and name not in OF_FIT:
            raise HandsonError(
                f"build has no argument {name!r}.{nearest(name, [*names, *OF_FIT])} It takes: {listing(names)}; "
                f"'batch_size' and 'epochs' go to fit."
            )


def _table(trainings: Sequence[Training], combinations: Sequence[Mapping[str, Any]], monitor: str) -> pd.DataFrame:
    """The combinations and what was measured, sorted."""
    rows = [_measured(training) for training in trainings]
    known = list(dict.fromkeys(name for row in rows for name in row))
    complete = [training for training in trainings if training.error is None]
    if complete and monitor not in known:
        raise HandsonError(
            f"sweep: monitor={monitor!r} is not measured.{nearest(monitor, known)} Measured: {listing(known)}."
        )
    frame = pd.DataFrame([{**row, **each} for row, each in zip(rows, combinations, strict=True)])
    names = list(dict.fromkeys(name for each in combinations for name in each))
    frame = frame.reindex(
        columns=list(dict.fromkeys([*names, monitor, *(name for name in known if name != "at_epoch"), "at_epoch"]))
    )
    return frame.sort_values(monitor, ascending=not _rises(trainings, monitor), kind="stable", na_position="last")


def _measured(training: Training) -> dict[str, float]:
    """What was measured in the epoch whose weights a net has: the last one, or that which a callback went back to."""
    history = training.history
    if training.error is not None or not history.epoch:
        return {}
    place = len(history.epoch) - 1
    for callback in training.callbacks:
        if getattr(callback, "restore_best_weights", False) and getattr(callback, "best_weights", None) is not None:
            place = history.epoch.index(callback.best_epoch)  # type: ignore[attr-defined]
    return {name: values[place] for name, values in history.history.items()} | {"at_epoch": history.epoch[place] + 1}


def _rises(trainings: Sequence[Training], monitor: str) -> bool:
    """Whether more of a quantity is better."""
    name = monitor.removeprefix("val_").removeprefix("train_")
    return direction_of(trainings[0].net.metrics, name) == "max"

"""The next combinations of a Bayesian search, by Optuna's tree of Parzen estimators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from handson.core.errors import HandsonError
from handson.randomness.keys import derive

if TYPE_CHECKING:
    from handson.workflow.tasks.axes import Axis

# So many combinations are drawn by chance before anything is learned from them.
FIRST = 8


def ask(
    axes: Mapping[str, Axis], seed: int, results: Sequence[tuple[dict[str, Any], float]], count: int
) -> list[dict[str, Any]]:
    """So many combinations that promise most, after some results.

    Parameters
    ----------
    axes : dict of str to list or Range
        What varies, by path.
    seed : int
        The seed of what is drawn.
    results : sequence of (combination, value)
        What was tried; less is better, NaN where it failed.
    count : int
        How many are asked for.

    Returns
    -------
    list of dict
        Values by path; a function of the arguments alone.

    Raises
    ------
    HandsonError
        Where Optuna is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise HandsonError(
            "--search bayesian needs Optuna: pip install 'handson[search]', or --search random."
        ) from None
    from optuna.distributions import BaseDistribution

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    key = derive(seed, "bayesian", len(results)) % 2**32
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=key, n_startup_trials=FIRST))
    spread: dict[str, BaseDistribution] = {path: _distribution(axis) for path, axis in axes.items()}
    for combination, value in results:
        given = {path: _to_optuna(axis, combination[path]) for path, axis in axes.items()}
        state = optuna.trial.TrialState.COMPLETE if value == value else optuna.trial.TrialState.FAIL
        number = value if value == value else None
        study.add_trial(optuna.trial.create_trial(params=given, distributions=spread, value=number, state=state))
    asked = [study.ask(spread).params for _ in range(count)]
    return [{path: _from_optuna(axis, each[path]) for path, axis in axes.items()} for each in asked]


def _distribution(axis: Axis) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(axis, list):
        return CategoricalDistribution(tuple(range(len(axis))))
    if axis.whole:
        return IntDistribution(int(axis.low), int(axis.high), log=axis.log)
    return FloatDistribution(axis.low, axis.high, log=axis.log)


def _to_optuna(axis: Axis, value: Any) -> Any:
    """A value as Optuna has it: one of a list by its place."""
    return axis.index(value) if isinstance(axis, list) else value


def _from_optuna(axis: Axis, value: Any) -> Any:
    return axis[value] if isinstance(axis, list) else value

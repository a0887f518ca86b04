"""Searches: which combinations come first, and which come next."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import ParameterGrid

from handson.core.errors import HandsonError
from handson.workflow.tasks.axes import Range, axis_of, distinct
from handson.workflow.tasks.searches import Result, Round, Search, halving_rounds, means

RATE, UNITS = "compile.optimizer.learning_rate", "model.0.units"


def results_of(changes, value):
    return [Result(number, each, value(each)) for number, each in enumerate(changes)]


def test_a_grid_has_all_combinations_once():
    """Those of scikit-learn's ParameterGrid."""
    axes = {RATE: [0.1, 0.01, 0.001], UNITS: [4, 8]}
    found = Search(axes=axes).more().new
    assert len(found) == 6
    assert sorted(sorted(each.items()) for each in found) == sorted(
        sorted(each.items()) for each in ParameterGrid(axes)
    )
    assert Search(axes=axes).more(results_of(found, lambda each: 1.0), [Round(new=found)]) is None


def test_a_grid_of_too_many_is_refused_before_it_is_made():
    with pytest.raises(HandsonError, match="10,000,000,000 tasks are more than 10,000"):
        Search(axes={f"fit.{number}": list(range(10)) for number in range(10)}).more()


def test_a_grid_of_nothing_is_the_experiment_itself():
    assert Search().more().new == [{}]


def test_seeds_and_folds_repeat_every_combination():
    search = Search(axes={UNITS: [4, 8]}, seeds=2, folds=3, seed=5)
    found = search.more().new
    assert len(found) == search.repeats * 2 == 12
    assert {each["fit.seed"] for each in found} == {5, 6}
    assert [each["split.fold"] for each in found[:3]] == [1, 2, 3]
    assert {each["split.folds"] for each in found} == {3}
    assert means(results_of(found, lambda each: each["fit.seed"] + each[UNITS])) == [
        ({UNITS: 4}, 9.5, [0, 1, 2, 3, 4, 5]),
        ({UNITS: 8}, 13.5, [6, 7, 8, 9, 10, 11]),
    ]


@given(st.floats(1e-6, 1e6), st.floats(1.001, 1e6), st.booleans(), st.floats(0, 1))
def test_a_range_stays_within_its_ends(low, factor, log, share):
    found = Range(low=low, high=low * factor, log=log).at(share)
    assert low <= found <= low * factor


@given(st.integers(1, 1000), st.integers(1, 1000), st.booleans(), st.floats(0, 0.9999999))
def test_a_range_of_whole_numbers_gives_whole_numbers(low, more, log, share):
    found = Range(low=low, high=low + more, log=log, whole=True).at(share)
    assert type(found) is int
    assert low <= found <= low + more


@pytest.mark.parametrize("kind", ["random", "halving"])
def test_no_combination_is_drawn_twice(kind):
    axes = {RATE: [0.1, 0.01], UNITS: axis_of(f"{UNITS}=1..5")[1]}
    found = Search(kind=kind, trials=7, axes=axes).more().new
    assert len({(each[RATE], each[UNITS]) for each in found}) == len(found) == 7
    # All of them, where there are no more.
    found = Search(kind=kind, trials=20, axes=axes).more().new
    assert len({(each[RATE], each[UNITS]) for each in found}) == len(found) == 10


def test_random_values_are_spread_evenly_and_follow_from_the_seed():
    search = Search(kind="random", trials=2000, axes={RATE: axis_of(f"{RATE}=log:1e-4..1")[1], UNITS: [4, 8]})
    found = search.more().new
    assert len(found) == 2000
    assert found == search.more().new
    assert found != search.model_copy(update={"seed": 1}).more().new
    logs = np.log10([each[RATE] for each in found])
    assert np.quantile(logs, [0.25, 0.5, 0.75]) == pytest.approx([-3, -2, -1], abs=0.15)
    assert np.mean([each[UNITS] == 4 for each in found]) == pytest.approx(0.5, abs=0.05)
    # The paths do not follow each other.
    assert abs(np.corrcoef(logs, [each[UNITS] for each in found])[0, 1]) < 0.1


def test_halving_lets_the_best_third_go_on_three_times_as_long():
    search = Search(kind="halving", trials=9, epochs=18, axes={UNITS: axis_of(f"{UNITS}=1..100")[1]}, seeds=2)
    first = search.more()
    results = results_of(first.new, lambda each: abs(each[UNITS] - 40))
    rounds = [first]
    while (following := search.more(results, rounds)) is not None:
        rounds.append(following)
    assert [(len(each.new) + len(each.again), each.until) for each in rounds] == [(18, 2), (6, 6), (2, None)]
    units = sorted({each[UNITS] for each in first.new}, key=lambda value: abs(value - 40))
    assert {first.new[task][UNITS] for task in rounds[1].again} == set(units[:3])
    assert {first.new[task][UNITS] for task in rounds[2].again} == set(units[:1])


def test_halving_goes_on_with_what_has_not_failed():
    search = Search(kind="halving", trials=9, epochs=9, axes={UNITS: axis_of(f"{UNITS}=1..100")[1]})
    first = search.more()
    alive = first.new[4]
    results = results_of(first.new, lambda each: 1.0 if each == alive else math.nan)
    second = search.more(results, [first])
    assert (second.again, second.until) == ([4], 3)
    assert search.more(results, [first, second]) == Round(again=[4])
    assert search.more(results, [first, second, Round(again=[4])]) is None
    assert search.more(results_of(first.new, lambda each: math.nan), [first]) is None


def test_a_halving_of_one_round_trains_to_the_end():
    search = Search(kind="halving", trials=2, epochs=9, axes={UNITS: [1, 2, 3]})
    assert search.more().until is None


@given(st.integers(1, 300), st.integers(1, 300), st.integers(2, 5))
def test_rounds_of_halving_shrink_and_grow(trials, epochs, factor):
    found = halving_rounds(trials, epochs, factor)
    assert found[0][0] == trials
    assert found[-1][1] == epochs
    assert [one[0] // factor for one in found[:-1]] == [other[0] for other in found[1:]]
    assert sorted({epochs for _, epochs in found}) == [epochs for _, epochs in found]


def test_bayesian_search_comes_near_the_best_and_follows_from_the_results():
    pytest.importorskip("optuna")
    axes = distinct([axis_of(f"{RATE}=log:1e-6..1"), (UNITS, [4, 8])])
    search = Search(kind="bayesian", trials=40, at_once=8, axes=axes)
    everything, rounds = [], []

    def value(each):
        return (math.log10(each[RATE]) + 2) ** 2 + (each[UNITS] == 4) if each[RATE] < 0.5 else math.nan

    while (following := search.more(results_of(everything, value), rounds)) is not None:
        assert following == search.more(results_of(everything, value), rounds)
        everything += following.new
        rounds.append(following)
    assert len(everything) == 40
    best = min(everything, key=lambda each: found if (found := value(each)) == found else math.inf)
    assert best[UNITS] == 8
    assert abs(math.log10(best[RATE]) + 2) < 0.5


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kind": "gird"}, "unknown search 'gird'. Did you mean 'grid'?"),
        ({"axes": {UNITS: Range(low=1, high=2)}}, "has a range: add --search random"),
        ({"kind": "random"}, "needs something to vary"),
        ({"axes": {UNITS: []}}, "has no values"),
        ({"axes": {UNITS: [8, 4, 8.0]}}, "has the value 8.0 twice"),
        ({"axes": {"fit.seed": [1]}, "seeds": 3}, "'fit.seed' is varied by the search itself"),
        ({"axes": {"fit.epochs": [1]}, "kind": "halving"}, "'fit.epochs' is varied by the search itself"),
    ],
)
def test_what_cannot_be_searched_is_refused(given, said):
    with pytest.raises(HandsonError) as error:
        Search(**given).check()
    assert said in str(error.value)


def test_too_many_tasks_are_refused():
    with pytest.raises(HandsonError, match="1,000,000 tasks are more than 10,000"):
        Search(axes={name: list(range(100)) for name in "abc"}).more()


@pytest.mark.parametrize(
    "text", ["", "a", "a=", "=1", "a=2..1", "a=1..", "a=log:0..1", "a=1..nan", "a=x..y", "a=1..inf"]
)
def test_an_axis_that_is_none_is_refused(text):
    with pytest.raises(HandsonError):
        axis_of(text)


def test_an_axis_is_there_once():
    with pytest.raises(HandsonError, match="'epochs' is in --grid twice"):
        distinct([("fit.epochs", [1]), ("epochs", [2])])

"""Splits: disjoint, complete, in proportion, never through a group."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from handson.core.errors import HandsonError
from handson.data.rows.folds import make_folds
from handson.data.rows.split import split

# A p-value that a right sample falls below once in a hundred thousand cases; seeds are fixed, so tests are too.
UNLIKELY = 1e-5
FRACTIONS = st.floats(0.01, 0.99)
SEEDS = st.integers(0, 10**6)


def check_parts(parts, rows):
    """Disjoint, complete, sorted, and neither empty."""
    assert sorted([*parts.train, *parts.validation]) == list(range(rows))
    assert (np.diff(parts.train) > 0).all()
    assert (np.diff(parts.validation) > 0).all()
    assert len(parts.train) >= 1
    assert len(parts.validation) >= 1
    assert parts.train.dtype.kind == parts.validation.dtype.kind == "i"


def draw_labels(classes, data, least=2):
    """Labels of some classes, at least so many of each, in any order."""
    counts = data.draw(st.lists(st.integers(least, 15), min_size=classes, max_size=classes))
    labels = np.repeat(np.arange(classes), counts)
    return labels[np.random.default_rng(data.draw(SEEDS)).permutation(len(labels))]


@settings(max_examples=60, deadline=None)
@given(rows=st.integers(2, 200), fraction=FRACTIONS, seed=SEEDS)
def test_a_split_is_disjoint_complete_and_of_the_right_size(rows, fraction, seed):
    parts = split(rows, fraction, seed)
    check_parts(parts, rows)
    assert abs(len(parts.validation) - rows * fraction) <= 0.5 or len(parts.validation) in (1, rows - 1)


@settings(max_examples=60, deadline=None)
@given(classes=st.integers(1, 5), fraction=FRACTIONS, seed=SEEDS, data=st.data())
def test_classes_keep_their_proportions_to_within_one(classes, fraction, seed, data):
    labels = draw_labels(classes, data)
    parts = split(len(labels), fraction, seed, labels)
    check_parts(parts, len(labels))
    for label in range(classes):
        count, taken = (labels == label).sum(), (labels[parts.validation] == label).sum()
        assert abs(taken - count * fraction) <= 1
        assert 1 <= taken < count


@settings(max_examples=60, deadline=None)
@given(classes=st.integers(2, 5), fraction=st.floats(0.3, 0.7), seed=SEEDS, data=st.data())
def test_the_size_is_right_with_classes_too(classes, fraction, seed, data):
    labels = draw_labels(classes, data, least=4)
    parts = split(len(labels), fraction, seed, labels)
    assert len(parts.validation) == round(len(labels) * fraction)


def test_what_rounding_leaves_over_goes_to_the_largest_remainder():
    labels = np.repeat([0, 1, 2], [4, 6, 10])
    parts = split(20, 0.3, 0, labels)
    assert np.bincount(labels[parts.validation]).tolist() == [1, 2, 3]
    parts = split(20, 0.44, 0, labels)
    assert np.bincount(labels[parts.validation]).tolist() == [2, 3, 4]


@settings(max_examples=60, deadline=None)
@given(groups=st.lists(st.integers(0, 8), min_size=2, max_size=60), fraction=FRACTIONS, seed=SEEDS)
def test_groups_are_never_divided(groups, fraction, seed):
    groups = np.array(groups)
    assume(len(set(groups)) > 1)
    parts = split(len(groups), fraction, seed, groups=groups)
    check_parts(parts, len(groups))
    assert not set(groups[parts.train]) & set(groups[parts.validation])
    assert abs(len(parts.validation) - len(groups) * fraction) <= np.bincount(groups).max()


@pytest.mark.parametrize("seed", range(12))
def test_a_group_that_is_too_large_is_passed_over(seed):
    groups = np.repeat(np.arange(11), [50] + [5] * 10)
    assert len(split(100, 0.2, seed, groups=groups).validation) == 20


@settings(max_examples=60, deadline=None)
@given(size=st.integers(20, 80), number=st.integers(4, 20), fraction=st.floats(0.2, 0.5), seed=SEEDS)
def test_with_groups_and_classes_every_class_is_in_both_parts_or_it_is_an_error(size, number, fraction, seed):
    rng = np.random.default_rng(seed)
    groups, labels = rng.integers(0, number, size), rng.integers(0, 3, size)
    assume(len(set(groups)) > 1)
    try:
        parts = split(size, fraction, seed, labels, groups)
    except HandsonError:
        return
    check_parts(parts, size)
    assert not set(groups[parts.train]) & set(groups[parts.validation])
    assert set(labels[parts.train]) == set(labels[parts.validation]) == set(labels)


def test_with_many_groups_classes_come_near_their_proportions():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(200), 5)
    labels = (rng.random(200) < 0.2).astype(int)[groups]
    for seed in range(5):
        parts = split(1000, 0.3, seed, labels, groups)
        assert labels[parts.validation].mean() == pytest.approx(labels.mean(), abs=0.02)
        assert len(parts.validation) == pytest.approx(300, abs=15)


def test_a_class_in_one_group_cannot_be_in_both_parts():
    labels, groups = np.array([0, 0, 0, 0, 0, 0, 7, 7]), [0, 0, 1, 1, 2, 2, 3, 3]
    with pytest.raises(HandsonError, match=r"class 7 .*group"):
        split(8, 0.25, 0, labels, groups)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, kind=st.sampled_from(["plain", "labels", "groups", "both"]))
def test_a_split_follows_from_its_seed(seed, kind):
    labels, groups = np.arange(60) % 3, np.arange(60) // 4
    arguments = {"plain": {}, "labels": {"labels": labels}, "groups": {"groups": groups}}
    arguments["both"] = arguments["labels"] | arguments["groups"]
    one, same, other = (split(60, 0.3, s, **arguments[kind]) for s in (seed, seed, seed + 1))
    assert np.array_equal(one.validation, same.validation)
    assert not np.array_equal(one.validation, other.validation)


@pytest.mark.parametrize(("labels", "freedom"), [(None, 39), (np.arange(40) % 4, 36)])
def test_every_row_validates_equally_often(labels, freedom):
    chosen = np.concatenate([split(40, 0.2, seed, labels).validation for seed in range(400)])
    counts = np.bincount(chosen, minlength=40)
    # The numbers of rows are fixed, in all or in each class, which leaves so many degrees of freedom.
    spread = (counts - 80).astype(float) ** 2 / (80 * 0.8) * freedom / 40
    assert stats.chi2.sf(spread.sum(), freedom) > UNLIKELY


def test_what_rounding_leaves_over_goes_to_no_class_more_often_than_to_another():
    labels = np.arange(40) % 4
    extra = np.zeros(4)
    for seed in range(200):
        extra += np.bincount(labels[split(40, 0.25, seed, labels).validation], minlength=4) - 2
    assert extra.sum() == 400
    assert (np.abs(extra - 100) < 5 * np.sqrt(50)).all()


def test_which_rows_validate_does_not_depend_on_the_names_of_groups():
    names = np.array(["ann", "bob", "cid", "dan"])[np.arange(40) // 10]
    assert np.array_equal(
        split(40, 0.3, 1, groups=names).validation, split(40, 0.3, 1, groups=np.arange(40) // 10).validation
    )


def test_labels_may_be_text():
    labels = np.array(["cat", "dog"])[np.arange(20) % 2]
    parts = split(20, 0.3, 0, labels)
    assert sorted(labels[parts.validation]) == ["cat"] * 3 + ["dog"] * 3


@pytest.mark.parametrize("missing", [np.nan, -1])
def test_one_missing_label_does_not_stop_a_split(missing):
    labels = np.array([0, 0, 0, 1, 1, 1, missing])
    parts = split(7, 0.34, 0, labels)
    check_parts(parts, 7)
    assert {0, 1} <= set(labels[parts.train])
    assert {0, 1} <= set(labels[parts.validation])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "split: 7 rows train, 3 validate (10 rows, shuffled)"),
        ({"labels": np.arange(10) % 2}, "split: 7 rows train, 3 validate (10 rows, shuffled, classes in proportion)"),
        ({"groups": np.arange(10)}, "split: 7 rows train, 3 validate (10 groups, shuffled, none divided)"),
    ],
)
def test_the_description_says_what_was_done(arguments, expected):
    assert split(10, 0.3, 0, **arguments).description == expected


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 20, float("nan")])
def test_a_fraction_out_of_range_is_an_error(fraction):
    with pytest.raises(HandsonError) as error:
        split(10, fraction, 0)
    assert str(error.value) == f"validation_split is a share between 0 and 1, such as 0.2; got {fraction}."


@pytest.mark.parametrize("rows", [0, 1])
def test_fewer_than_two_rows_are_an_error(rows):
    with pytest.raises(
        HandsonError, match=rf"^{rows} row.* cannot be split; give at least two, or validation_data instead"
    ):
        split(rows, 0.5, 0)


def test_a_class_of_one_member_is_an_error():
    with pytest.raises(HandsonError) as error:
        split(5, 0.4, 0, np.array([0, 0, 3, 1, 1]))
    text = str(error.value)
    assert text.startswith("class 3 has one member and cannot be in both parts of a split.")
    assert "validation_data instead of validation_split" in text


def test_one_group_is_an_error():
    with pytest.raises(
        HandsonError, match=r"^all rows are in one group, which a split never divides; give validation_data"
    ):
        split(5, 0.4, 0, groups=np.zeros(5))


def test_groups_of_another_length_are_an_error():
    with pytest.raises(HandsonError, match=r"^groups have 4 entries for 5 rows\.$"):
        split(5, 0.4, 0, groups=np.arange(4))


def test_labels_of_another_length_are_an_error():
    with pytest.raises(HandsonError, match=r"^labels have 4 entries for 5 rows\.$"):
        split(5, 0.4, 0, labels=np.array([0, 0, 1, 1]))


@pytest.mark.parametrize("fraction", [0.2, 0.3, 0.5])
def test_the_share_of_a_rare_class_is_bounded_in_a_split_by_groups(fraction):
    """Twelve rows of 612, one in each of twelve groups: they weigh as much as the others when groups are taken."""
    groups = np.repeat(np.arange(60), 10)
    labels = np.zeros(600, int)
    groups, labels = np.append(groups, np.arange(12)), np.append(labels, np.ones(12, int))
    for seed in range(30):
        parts = split(612, fraction, seed, labels, groups)
        assert abs((labels[parts.validation] == 1).sum() / 12 - fraction) <= 0.1
        assert abs(len(parts.validation) / 612 - fraction) <= 0.1


@pytest.mark.parametrize(
    "groups",
    [
        np.ma.array([1, 1, 2, 2, 3], mask=[False, False, True, False, False]),
        np.array([1, 1, np.nan, 2, 3]),
        ["a", "a", None, "b", "c"],
        pd.Series(["a", "a", pd.NA, "b", "c"]),
        pd.Series([1, 1, None, 2, 3], dtype="Int64"),
    ],
)
@pytest.mark.parametrize("make", [lambda g: split(5, 0.4, 0, groups=g), lambda g: make_folds(5, 2, 0, groups=g)])
def test_a_row_without_a_group_is_named(make, groups):
    with pytest.raises(HandsonError, match="row 2 has no group"):
        make(groups)


@pytest.mark.parametrize("groups", [5, "a", np.zeros((5, 2))])
def test_what_is_no_group_for_each_row_is_refused(groups):
    with pytest.raises(HandsonError, match="groups is an array with the group of each row; got"):
        split(5, 0.4, 0, groups=groups)


@pytest.mark.parametrize("form", [list, pd.Series, pd.Categorical, lambda g: pd.DataFrame({"g": g}), np.array])
def test_groups_come_in_any_form(form):
    groups = ["a", "a", "b", "b", "c"]
    assert split(5, 0.4, 0, groups=form(groups)).train.tolist() == split(5, 0.4, 0, groups=groups).train.tolist()

"""Folds beside those of scikit-learn: the same properties, on random cases."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from handson.core.errors import HandsonError
from handson.data.rows.folds import given_folds, make_folds


def check(folds, rows):
    """Every row is held out once, and trains in all other folds."""
    assert sorted(np.concatenate([fold.validation for fold in folds])) == list(range(rows))
    for fold in folds:
        assert sorted([*fold.train, *fold.validation]) == list(range(rows))


@given(rows=st.integers(2, 60), count=st.integers(2, 9), seed=st.integers(0, 2**64 - 1))
def test_sizes_are_those_of_kfold(rows, count, seed):
    assume(count <= rows)
    folds = make_folds(rows, count, seed)
    check(folds, rows)
    expected = [len(held_out) for _, held_out in KFold(count).split(np.zeros(rows))]
    assert [len(fold.validation) for fold in folds] == expected


@given(rows=st.integers(2, 60), count=st.integers(2, 9))
def test_unshuffled_folds_are_those_of_kfold(rows, count):
    assume(count <= rows)
    folds = make_folds(rows, count, 0, shuffle=False)
    for fold, (train, held_out) in zip(folds, KFold(count).split(np.zeros(rows)), strict=True):
        assert np.array_equal(fold.train, train)
        assert np.array_equal(fold.validation, held_out)


def counts(labels, held_out, classes):
    return np.array([(labels[held_out] == label).sum() for label in classes])


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(2, 25), min_size=1, max_size=5), count=st.integers(2, 6), seed=st.integers(0, 99),
    shuffle=st.booleans(),
)  # fmt: skip
def test_classes_keep_their_proportions(sizes, count, seed, shuffle):
    assume(min(sizes) >= count)
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)) * 10, sizes))
    folds = make_folds(len(labels), count, seed, labels, shuffle=shuffle)
    check(folds, len(labels))
    classes = np.unique(labels)
    theirs = list(StratifiedKFold(count).split(labels, labels))
    for label, size in zip(classes, sizes, strict=True):
        ours = sorted((labels[fold.validation] == label).sum() for fold in folds)
        assert ours == sorted((labels[held_out] == label).sum() for _, held_out in theirs)
        assert {size // count, -(-size // count)} >= set(ours)
    held = [len(fold.validation) for fold in folds]
    assert max(held) - min(held) <= 1


@settings(deadline=None)
@given(sizes=st.lists(st.integers(1, 9), min_size=2, max_size=20), count=st.integers(2, 6), seed=st.integers(0, 99))
def test_groups_are_never_divided_and_folds_as_even_as_those_of_groupkfold(sizes, count, seed):
    assume(len(sizes) >= count)
    groups = np.random.default_rng(seed).permutation(np.repeat([f"g{k}" for k in range(len(sizes))], sizes))
    folds = make_folds(len(groups), count, seed, groups=groups)
    check(folds, len(groups))
    for fold in folds:
        assert not set(groups[fold.train]) & set(groups[fold.validation])
    theirs = GroupKFold(count).split(groups, groups=groups)
    assert sorted(len(fold.validation) for fold in folds) == sorted(len(held_out) for _, held_out in theirs)


def unevenness(labels, folds, count):
    """The mean over classes of the deviation of their shares over folds: what StratifiedGroupKFold makes small."""
    classes = np.unique(labels)
    shares = np.array([counts(labels, held_out, classes) for held_out in folds]) / counts(labels, ..., classes)
    return shares.std(0).mean()


def test_groups_and_classes_together_are_as_even_as_with_scikit_learn():
    ours, theirs = [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        groups = np.repeat(np.arange(30), rng.integers(1, 12, size=30))
        labels = rng.integers(0, 4, size=30)[groups]
        flipped = rng.random(len(labels)) < 0.3
        labels = np.where(flipped, rng.integers(0, 4, size=len(labels)), labels)
        folds = make_folds(len(labels), 5, seed, labels, groups)
        check(folds, len(labels))
        for fold in folds:
            assert not set(groups[fold.train]) & set(groups[fold.validation])
        ours.append(unevenness(labels, [fold.validation for fold in folds], 5))
        split = StratifiedGroupKFold(5).split(labels, labels, groups)
        theirs.append(unevenness(labels, [held_out for _, held_out in split], 5))
    assert np.mean(ours) <= 1.1 * np.mean(theirs)


def test_seeds_give_other_folds_and_the_same_one_the_same():
    def held_out(seed):
        return [fold.validation.tolist() for fold in make_folds(40, 4, seed)]

    assert held_out(1) == held_out(1) != held_out(2)


def test_rows_without_a_label_are_dealt_out_too():
    labels = np.array([0, 1] * 10 + [-1])
    folds = make_folds(21, 5, 0, labels)
    check(folds, 21)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((10, 1, 0), r"folds is a whole number, at least 2; got 1\."),
        ((10, 2.5, 0), r"folds is a whole number, at least 2; got 2\.5\."),
        ((3, 5, 0), r"3 rows make no 5 folds; give at most folds=3\."),
        ((6, 4, 0, np.array([0, 0, 0, 0, 7, 7])), r"class 7 has 2 members, too few to be in each of 4 folds"),
        ((6, 3, 0, None, [1, 1, 2, 2, 1, 2]), r"3 folds need as many groups, none of which is divided; there are 2\."),
        ((6, 2, 0, None, [1, 2]), r"groups have 2 entries for 6 rows\."),
        ((6, 3, 0, np.array([5, 5, 0, 0, 0, 0]), [1, 1, 2, 2, 3, 3]), r"class 5 is in groups of one fold only"),
    ],
)
def test_folds_that_cannot_be_made_are_refused(arguments, message):
    with pytest.raises(HandsonError, match=message):
        make_folds(*arguments)


def test_given_folds_are_those_of_a_splitter():
    pairs = list(KFold(3).split(np.zeros(10)))
    for fold, (train, held_out) in zip(given_folds(pairs, 10), pairs, strict=True):
        assert np.array_equal(fold.train, train)
        assert np.array_equal(fold.validation, held_out)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([], r"got none\."),
        ([1, 2], r"pairs \(rows to train on, rows to hold out\) of whole numbers from 0 to 9.*got 1\."),
        ([([0, 1], [10])], r"from 0 to 9"),
        ([([0, -1], [2])], r"from 0 to 9"),
        ([([0, 1], [])], r"from 0 to 9"),
        ([([True, False], [1])], r"from 0 to 9"),
        ([([0, 1, 4], [2, 4])], r"fold 1: row 4 trains and is held out\."),
    ],
)
def test_given_folds_that_are_none_are_refused(pairs, message):
    with pytest.raises(HandsonError, match=message):
        given_folds(pairs, 10)


def test_folds_with_classes_follow_from_the_seed():
    labels = np.arange(60) % 3
    folds = {seed: [fold.validation.tolist() for fold in make_folds(60, 4, seed, labels)] for seed in range(6)}
    assert len({str(found) for found in folds.values()}) == 6
    for seed, found in folds.items():
        assert found == [fold.validation.tolist() for fold in make_folds(60, 4, seed, labels)]

"""Windows of series and pairs of words, against Keras's own functions on random cases."""

import importlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import handson
from handson.core.errors import HandsonError
from handson.keras.preprocessing import sequence as ours
from handson.layers import Dense, Flatten


@pytest.fixture(scope="module")
def theirs(keras):
    return importlib.import_module("keras.src.legacy.preprocessing.sequence")


WINDOWS = st.fixed_dictionaries(
    {
        "length": st.integers(1, 6),
        "sampling_rate": st.integers(1, 3),
        "stride": st.integers(1, 4),
        "start_index": st.integers(0, 5),
        "end_index": st.sampled_from([None, 11, 15]),
        "reverse": st.booleans(),
        "batch_size": st.integers(1, 5),
    }
)


@given(WINDOWS)
@settings(max_examples=100)
def test_windows_are_those_of_keras(theirs, way):
    data, targets = np.arange(40.0).reshape(20, 2), np.arange(20)
    mine, other = (module.TimeseriesGenerator(data, targets, **way) for module in (ours, theirs))
    assert len(mine) == len(other)
    for (x, y), number in zip(mine, range(len(other)), strict=True):
        expected = other[number]
        assert x.tolist() == expected[0].tolist()
        assert y.tolist() == expected[1].tolist()
    # Keras 3's own get_config fails; these are the names of Keras 2.
    config = mine.get_config()
    assert config.keys() >= way.keys() | {"data", "targets", "shuffle"}
    again = ours.timeseries_generator_from_json(mine.to_json())
    assert again.get_config() == config
    assert [y.tolist() for _, y in again] == [y.tolist() for _, y in mine]
    assert json.loads(mine.to_json())["class_name"] == "TimeseriesGenerator"


def test_shuffled_windows_come_once_in_an_epoch_and_train_a_net():
    series = np.sin(np.arange(40) / 3)
    windows = ours.TimeseriesGenerator(series, series, 4, shuffle=True, batch_size=5, seed=3)
    first = np.concatenate([y for _, y in windows])
    windows.on_epoch_end()
    second = np.concatenate([y for _, y in windows])
    assert first.tolist() != second.tolist()
    assert sorted(first) == sorted(second) == sorted(series[4:])
    net = handson.Sequential([Flatten(), Dense(1)], seed=0)
    net.compile("adam", "mse")
    losses = net.fit(windows, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("given", [{"length": 20}, {"length": 3, "end_index": 20}, {"length": 3, "start_index": 17}])
def test_series_without_a_window_are_refused(given):
    with pytest.raises(HandsonError, match="no window of"):
        ours.TimeseriesGenerator(np.arange(20), np.arange(20), **given)
    with pytest.raises(HandsonError, match="3 targets"):
        ours.TimeseriesGenerator(np.arange(20), np.arange(3), 2)


@given(st.integers(1, 300), st.sampled_from([1e-5, 1e-3, 1.0]))
def test_chances_of_words_are_those_of_keras(theirs, size, factor):
    expected = theirs.make_sampling_table(size, factor)
    np.testing.assert_allclose(ours.make_sampling_table(size, factor), expected, rtol=1e-12)


SENTENCES = st.lists(st.integers(0, 8), max_size=12)


@given(SENTENCES, st.integers(1, 4), st.booleans(), st.integers(0, 5))
@settings(max_examples=100)
def test_pairs_of_near_words_are_those_of_keras(theirs, words, window, categorical, seed):
    for shuffle in (False, True):
        given = (words, 9, window, 0, shuffle, categorical)
        assert ours.skipgrams(*given, seed=seed) == theirs.skipgrams(*given, seed=seed)


@given(SENTENCES, st.sampled_from([0.5, 1.0, 2.0]), st.integers(0, 5))
def test_pairs_with_random_words_are_as_many_as_asked_for(words, share, seed):
    couples, labels = ours.skipgrams(words, 9, 2, share, seed=seed)
    near = ours.skipgrams(words, 9, 2, 0, seed=seed)[0]
    assert sorted(couple for couple, label in zip(couples, labels, strict=True) if label) == sorted(near)
    others = [couple for couple, label in zip(couples, labels, strict=True) if not label]
    assert len(others) == int(len(near) * share)
    assert all(first in words and 1 <= second <= 8 for first, second in others)
    assert (couples, labels) == ours.skipgrams(words, 9, 2, share, seed=seed)


def test_frequent_words_are_taken_less_often():
    table = np.array([1.0, 0.0, 1.0])
    couples, _ = ours.skipgrams([1, 2, 1, 2], 3, 1, 0, sampling_table=table)
    assert sorted(couples) == [[2, 1], [2, 1], [2, 1]]

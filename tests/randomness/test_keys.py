"""Keys and permutations: test vectors of the literature, uniformity, errors."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from handson.core.errors import HandsonError
from handson.randomness import derive, fresh_seed, permutation, set_random_seed
from handson.randomness import keys as keys_module
from handson.randomness.keys import check_seed, words64

# A p-value that a right sample falls below once in a hundred thousand cases; keys are fixed, so tests are too.
UNLIKELY = 1e-5


@pytest.fixture
def no_session_seed(monkeypatch):
    """As if set_random_seed had never been called."""
    monkeypatch.setattr(keys_module, "_session", [])


def test_words_are_those_of_the_published_splitmix64():
    expected = [
        6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821
    ]  # fmt: skip
    assert words64(1234567, 5).tolist() == expected


@settings(max_examples=30, deadline=None)
@given(key=st.integers(0, 2**64 - 1), count=st.integers(0, 20))
def test_words_are_splitmix64_in_exact_integers(key, count):
    state, expected = key, []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        word = state
        word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        word = (word ^ (word >> 27)) * 0x94D049BB133111EB % 2**64
        expected.append(word ^ (word >> 31))
    assert words64(key, count).tolist() == expected


def test_a_key_has_64_bits_and_every_bit_is_used():
    keys = np.array([derive(0, "purpose", number) for number in range(4000)], dtype=np.uint64)
    bits = np.unpackbits(keys.view(np.uint8)).reshape(4000, 64)
    assert stats.chi2.sf((np.square(bits.sum(0) - 2000) / 1000).sum(), 64) > UNLIKELY


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ((0, "a"), (1, "a")),
        ((0, "a"), (0, "b")),
        ((0, "a", 1), (0, "a", 2)),
        ((0, "a"), (0, "a", 0)),
        ((0, 1, 2), (0, 12)),
        ((0, "1"), (0, 1)),
        ((0, "ab", "c"), (0, "a", "bc")),
        ((0, "a\x1fstr:b"), (0, "a", "b")),
    ],
)
def test_keys_of_different_parts_differ(one, two):
    assert derive(*one) != derive(*two)


@pytest.mark.parametrize("number", [np.int64(3), np.int32(3), np.uint8(3)])
def test_a_number_of_numpy_gives_the_key_of_the_same_number(number):
    assert derive(0, "epoch", number) == derive(0, "epoch", 3)


def test_keys_are_the_same_in_every_process():
    code = "from handson.randomness import derive, permutation; print(derive(3, 'x', 5), *permutation(7, 5))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert [int(word) for word in printed] == [derive(3, "x", 5), *permutation(7, 5).tolist()]


@settings(max_examples=30, deadline=None)
@given(key=st.integers(0, 2**64 - 1), count=st.integers(0, 200))
def test_a_permutation_holds_every_number_once(key, count):
    order = permutation(key, count)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(count))


@pytest.mark.parametrize("count", [2, 3, 4])
def test_every_order_is_equally_likely(count):
    orders = list(itertools.permutations(range(count)))
    seen = dict.fromkeys(orders, 0)
    for epoch in range(250 * len(orders)):
        seen[tuple(permutation(derive(0, "shuffle", epoch), count).tolist())] += 1
    assert stats.chisquare(list(seen.values())).pvalue > UNLIKELY


def test_every_row_comes_to_every_place_equally_often():
    orders = np.stack([permutation(derive(0, "shuffle", epoch), 20) for epoch in range(2000)])
    places = np.stack([np.bincount(orders[:, place], minlength=20) for place in range(20)])
    assert stats.chi2.sf((np.square(places - 100) / 100).sum(), 19 * 19) > UNLIKELY


@pytest.mark.parametrize("lag", [1, 2, 10])
def test_orders_of_different_epochs_and_seeds_are_not_correlated(lag):
    count, pairs = 500, []
    for epoch in range(40):
        pairs.append((derive(0, "shuffle", epoch), derive(0, "shuffle", epoch + lag)))
        pairs.append((derive(epoch, "shuffle", 0), derive(epoch + lag, "shuffle", 0)))
    correlations = [np.corrcoef(permutation(one, count), permutation(two, count))[0, 1] for one, two in pairs]
    assert np.abs(correlations).max() < 5 / np.sqrt(count)
    assert abs(np.mean(correlations)) < 5 / np.sqrt(count * len(pairs))


def test_set_random_seed_fixes_all_later_seeds(no_session_seed):
    set_random_seed(5)
    first = [fresh_seed() for _ in range(4)]
    set_random_seed(5)
    assert [fresh_seed() for _ in range(4)] == first
    assert len(set(first)) == 4
    set_random_seed(6)
    assert fresh_seed() not in first


def test_without_set_random_seed_seeds_are_fresh(no_session_seed):
    seeds = {fresh_seed() for _ in range(20)}
    assert len(seeds) == 20
    assert all(0 <= seed < 2**64 for seed in seeds)


@pytest.mark.parametrize("seed", [0, 2**64 - 1, np.int64(7), np.uint64(2**63)])
def test_a_seed_is_any_whole_number_of_64_bits(seed):
    assert check_seed(seed) == int(seed)
    assert type(check_seed(seed)) is int


@pytest.mark.parametrize("seed", [0.5, 3.0, "0", None, True, np.bool_(True), [1]])
def test_a_seed_that_is_no_whole_number_is_an_error(seed):
    with pytest.raises(HandsonError, match=r"a seed is a whole number, such as seed=0; got "):
        check_seed(seed)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_out_of_range_is_an_error(seed):
    with pytest.raises(HandsonError, match=rf"a seed lies between 0 and 2\*\*64 - 1; got {seed}\."):
        set_random_seed(seed)

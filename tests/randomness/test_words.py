"""Random words of samples: exact bits, uniformity, independence, and the distributions made of them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from handson.randomness import derive
from handson.randomness.words import keep, normal, signed, uniform, words

# A p-value that a right sample falls below once in a hundred thousand cases; keys are fixed, so tests are too.
UNLIKELY = 1e-5
KEYS = [0, 1, 2**32, 2**64 - 1, derive(0, "dropout_1", 0), derive(0, "dropout_1", 1)]
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))]
ROWS, COUNT = 400, 300
all_keys = pytest.mark.parametrize("key", KEYS)


def unsigned(key, rows, count):
    """The words as NumPy numbers without sign."""
    return words(key, torch.as_tensor(rows), count).numpy().view(np.uint32)


def bits_of(array):
    """Every word as 32 zeros and ones, on a new last axis."""
    return (array[..., None] >> np.arange(32, dtype=np.uint32)) & np.uint32(1)


def check_balanced(bits):
    """Each of the 32 bits is one in half of the words."""
    ones = bits.reshape(-1, 32).sum(0)
    count = bits.size // 32
    deviations = (ones - count / 2) / math.sqrt(count / 4)
    assert stats.chi2.sf(np.square(deviations).sum(), 32) > UNLIKELY


def exact_word(key, row, position):
    """The same hash in Python's integers."""

    def mix(x):
        x = (x ^ (x >> 16)) * 0x21F0AAAD % 2**32
        x = (x ^ (x >> 15)) * 0x735A2D97 % 2**32
        return x ^ (x >> 15)

    weyl, low, high = 0x9E3779B9, key % 2**32, key >> 32
    start = mix((row * weyl + low) % 2**32)
    first, second = mix(start ^ high), mix((start + high + weyl) % 2**32)
    x = (position * weyl + first) % 2**32
    x = (x ^ (x >> 16)) * 0x21F0AAAD % 2**32
    x = ((x ^ (x >> 15)) + second) * 0x735A2D97 % 2**32
    return x ^ (x >> 15)


@pytest.mark.parametrize("device", DEVICES)
@settings(max_examples=50, deadline=None)
@given(key=st.integers(0, 2**64 - 1), row=st.integers(0, 2**31 - 1), count=st.integers(1, 20))
def test_words_are_the_hash_in_exact_integers(device, key, row, count):
    actual = words(key, torch.tensor([row], device=device), count).cpu().numpy().view(np.uint32)
    assert actual[0].tolist() == [exact_word(key, row, position) for position in range(count)]


@pytest.mark.parametrize(("word", "expected"), [(0, 0), (2**31 - 1, 2**31 - 1), (2**31, -(2**31)), (2**32 - 1, -1)])
def test_signed_keeps_the_bits(word, expected):
    assert signed(word) == expected
    assert signed(word + 2**32) == expected


def test_the_words_of_a_run_never_change():
    """Somebody resumes a run with a later version: these numbers are part of every result."""
    actual = words(derive(0, "dropout_1", 3), torch.tensor([0, 7, 123456]), 3)
    assert actual.tolist() == [
        [984899038, 702532675, 804168331],
        [315277704, 1202019201, 1523506048],
        [-1766611382, -2081581227, -1543720996],
    ]


@all_keys
def test_every_byte_is_uniform(key):
    seen = unsigned(key, np.arange(ROWS), COUNT).view(np.uint8).reshape(-1, 4)
    for place in range(4):
        assert stats.chisquare(np.bincount(seen[:, place], minlength=256)).pvalue > UNLIKELY


@all_keys
def test_every_bit_is_balanced(key):
    check_balanced(bits_of(unsigned(key, np.arange(ROWS), COUNT)))


@all_keys
def test_bits_of_a_word_are_not_correlated_with_each_other(key):
    bits = bits_of(unsigned(key, np.arange(ROWS), COUNT)).reshape(-1, 32) * 2.0 - 1
    products = np.triu(bits.T @ bits, 1)[np.triu_indices(32, 1)] / math.sqrt(len(bits))
    assert stats.chi2.sf(np.square(products).sum(), products.size) > UNLIKELY


@all_keys
@pytest.mark.parametrize("lag", [1, 2, 3, 64, 200])
@pytest.mark.parametrize("axis", [0, 1])
def test_words_of_neighbouring_rows_and_elements_are_independent(key, lag, axis):
    seen = np.moveaxis(unsigned(key, np.arange(ROWS), COUNT), axis, 0)
    check_balanced(bits_of(seen[lag:] ^ seen[:-lag]))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (0, 1),
        (0, 2**32),
        (1, 2**63),
        (derive(0, "dropout_1", 0), derive(0, "dropout_1", 1)),
        (derive(0, "dropout_1", 0), derive(0, "dropout_2", 0)),
        (derive(0, "dropout_1", 0), derive(1, "dropout_1", 0)),
    ],
)
@pytest.mark.parametrize("shift", [0, 1])
def test_words_of_different_keys_are_independent(one, two, shift):
    rows = np.arange(ROWS)
    check_balanced(bits_of(unsigned(one, rows, COUNT) ^ unsigned(two, rows + shift, COUNT)))


def test_a_bit_of_the_key_changes_half_of_the_bits_of_the_words():
    rows = np.arange(50)
    for bit in range(64):
        changed = bits_of(unsigned(12345, rows, 40) ^ unsigned(12345 ^ (1 << bit), rows, 40)).mean()
        assert changed == pytest.approx(0.5, abs=5 * 0.5 / math.sqrt(50 * 40 * 32))


def test_a_bit_of_the_row_changes_half_of_the_bits_of_the_words():
    rows = np.arange(50)
    for bit in range(31):
        changed = bits_of(unsigned(12345, rows, 40) ^ unsigned(12345, rows ^ (1 << bit), 40)).mean()
        assert changed == pytest.approx(0.5, abs=5 * 0.5 / math.sqrt(50 * 40 * 32))


def test_rows_do_not_share_their_words():
    seen = unsigned(derive(3), np.arange(1000), 100).ravel()
    expected = seen.size - seen.size**2 / 2**33
    assert len(np.unique(seen)) == pytest.approx(expected, abs=10)


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=9), count=st.integers(1, 7))
def test_the_words_of_a_row_do_not_depend_on_its_batch(rows, count):
    together = words(77, torch.tensor(rows), count)
    for place, row in enumerate(rows):
        assert torch.equal(together[place], words(77, torch.tensor([row]), count)[0])
        assert torch.equal(together[place, :2], words(77, torch.tensor([row]), 2)[0, : min(2, count)])


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_words_do_not_depend_on_the_type_of_the_ids(dtype):
    assert torch.equal(words(7, torch.arange(5, dtype=dtype), 3), words(7, torch.arange(5), 3))


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.3, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("key", KEYS[-2:])
def test_keep_drops_at_its_rate(key, rate):
    mask = keep(key, torch.arange(1000), 500, rate)
    assert mask.dtype == torch.bool
    assert stats.binomtest(int((~mask).sum()), mask.numel(), rate).pvalue > UNLIKELY


def test_keep_of_rate_zero_keeps_everything():
    assert bool(keep(3, torch.arange(1000), 1000, 0.0).all())


def test_keep_drops_more_where_the_rate_is_higher():
    masks = [keep(3, torch.arange(100), 100, rate) for rate in (0.1, 0.4, 0.8)]
    assert not bool((masks[1] & ~masks[0]).any())
    assert not bool((masks[2] & ~masks[1]).any())


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-0.05, 0.05), (2.0, 5.0)])
@all_keys
def test_uniform_numbers_are_uniform(key, low, high):
    numbers = uniform(key, torch.arange(200), 200, low, high)
    assert numbers.dtype == torch.float32
    assert bool(((numbers >= low) & (numbers < high)).all())
    assert stats.kstest(numbers.numpy().ravel(), stats.uniform(low, high - low).cdf).pvalue > UNLIKELY


def test_uniform_numbers_never_reach_the_upper_bound():
    # A row whose first word is the largest: found by search.
    row = torch.tensor([1905192])
    assert uniform(2, row, 1).item() == 1 - 2**-24
    assert uniform(2, row, 1, 1.0, 2.0).item() < 2.0


@all_keys
def test_normal_numbers_are_normal(key):
    numbers = normal(key, torch.arange(200), 201).numpy()
    assert numbers.shape == (200, 201)
    assert stats.kstest(numbers.ravel(), stats.norm.cdf).pvalue > UNLIKELY
    assert stats.kstest(np.square(numbers).sum(1), stats.chi2(201).cdf).pvalue > UNLIKELY


@all_keys
@pytest.mark.parametrize("lag", [1, 2])
def test_neighbouring_normal_numbers_are_independent(key, lag):
    numbers = normal(key, torch.arange(300), 200).numpy()
    for transform in (np.asarray, np.abs):
        one, two = transform(numbers[:, lag:]).ravel(), transform(numbers[:, :-lag]).ravel()
        assert abs(np.corrcoef(one, two)[0, 1]) < 5 / math.sqrt(one.size)


def test_normal_numbers_have_tails_and_no_infinity():
    numbers = normal(1, torch.arange(2000), 500).abs()
    assert torch.isfinite(numbers).all()
    assert stats.binomtest(int((numbers > 4).sum()), numbers.numel(), 2 * stats.norm.sf(4)).pvalue > UNLIKELY

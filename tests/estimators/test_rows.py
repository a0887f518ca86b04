"""Rows as a weighted set: what is trained does not depend on how rows are repeated, weighted or ordered."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from handson import HandsonError, NeuralNetClassifier, NeuralNetRegressor
from handson.estimators import rows as weighted
from handson.estimators.rows import checked_weights, distinct


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(1, 3)), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_distinct_rows_are_those_of_a_dictionary(given_rows):
    x = np.array([[a, 0.5] for a, _, _ in given_rows])
    y, weights = (np.array([one[place] for one in given_rows]) for place in (1, 2))
    chosen, together = distinct(x, y, weights.astype(float))
    truth = {}
    for a, code, weight in given_rows:
        truth[a, code] = truth.get((a, code), 0) + weight
    mean = sum(truth.values()) / len(truth)
    found = {(int(x[row, 0]), int(y[row])): weight for row, weight in zip(chosen, together, strict=True)}
    assert found == {key: pytest.approx(weight / mean) for key, weight in truth.items()}


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_repeated_shuffled_and_weighted_rows_are_the_same_rows(seed):
    rng = np.random.default_rng(seed)
    x, y, times = rng.normal(size=(9, 3)), rng.integers(0, 3, 9), rng.integers(1, 5, 9)
    order = rng.permutation(times.sum())
    first, of_first = distinct(x, y, times.astype(float))
    repeated, codes = x.repeat(times, 0)[order], y.repeat(times)[order]
    second, of_second = distinct(repeated, codes, np.ones(len(order)))
    np.testing.assert_array_equal(x[first], repeated[second])
    np.testing.assert_array_equal(y[first], codes[second])
    np.testing.assert_array_equal(of_first, of_second)


def test_digests_that_are_alike_by_chance_merge_nothing(monkeypatch):
    monkeypatch.setattr(weighted, "_digests", lambda array: np.zeros(array.shape[0], np.uint64))
    x = np.array([[1.0], [2.0], [1.0]])
    chosen, _ = distinct(x, np.zeros(3), np.ones(3))
    assert {1.0, 2.0} <= set(x[chosen, 0])


def test_zeros_have_one_sign_and_sparse_rows_are_dense_ones():
    x = np.array([[0.0, 1.0], [-0.0, 1.0], [2.0, 0.0]])
    dense, sparse_too = (distinct(one, np.zeros(3), np.ones(3)) for one in (x, sparse.csr_array(x)))
    assert len(dense[0]) == 2
    np.testing.assert_array_equal(dense[1], sparse_too[1])


@pytest.mark.parametrize("kind", [NeuralNetClassifier, NeuralNetRegressor])
def test_the_order_of_the_rows_does_not_matter(rng, kind):
    x, y = rng.normal(size=(40, 3)), rng.integers(0, 3, 40)
    order = rng.permutation(40)
    first, second = (kind(epochs=3, random_state=0).fit(x[rows], y[rows]) for rows in (np.arange(40), order))
    np.testing.assert_array_equal(first.predict(x), second.predict(x))
    np.testing.assert_array_equal(first.loss_curve_, second.loss_curve_)


def test_weights_reach_the_loss(rng):
    """Without a hidden layer, and with a whole batch a step, weighted least squares has a closed form."""
    x, weights = rng.normal(size=(30, 2)), rng.uniform(0.1, 3, 30)
    y = x @ [1.0, -2.0] + rng.normal(size=30)
    net = NeuralNetRegressor(
        [], optimizer="sgd", optimizer__learning_rate=0.3, epochs=300, batch_size=30, random_state=0
    )
    net.fit(x, y, sample_weight=weights)
    a = np.column_stack([x, np.ones(30)])
    truth = np.linalg.solve(a.T @ (a * weights[:, None]), a.T @ (y * weights))
    np.testing.assert_allclose(net.predict(x), a @ truth, atol=1e-4)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (np.zeros(3), "all weights are zero"),
        ([1, -1, 1], "not negative"),
        ([1, np.nan, 1], "finite"),
        (np.ones(4), "3 rows"),
    ],
)
def test_weights_that_are_none_are_refused(weights, said):
    with pytest.raises(HandsonError, match=said):
        checked_weights(weights, 3)

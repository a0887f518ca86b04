"""Initial weights: their distributions, against the closed form and against Keras."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from handson import initializers
from handson.core import registry
from handson.core.errors import HandsonError
from handson.randomness import derive, set_random_seed

# A p-value that a right sample falls below once in a hundred thousand cases; keys are fixed, so tests are too.
UNLIKELY = 1e-5
SCALINGS = {
    "GlorotUniform": (1.0, "fan_avg", "uniform"),
    "GlorotNormal": (1.0, "fan_avg", "truncated_normal"),
    "HeUniform": (2.0, "fan_in", "uniform"),
    "HeNormal": (2.0, "fan_in", "truncated_normal"),
    "LecunUniform": (1.0, "fan_in", "uniform"),
    "LecunNormal": (1.0, "fan_in", "truncated_normal"),
}
SHAPES = [(300, 40), (40, 300), (3, 5, 20, 40), (9000,), (30, 1, 300)]
RANDOM = [*SCALINGS, "RandomUniform", "RandomNormal", "TruncatedNormal", "VarianceScaling"]


def sample(initializer, shape=(100, 200), key=1):
    return initializer(shape, key=key).numpy().ravel()


def scaled(distribution, variance):
    """The distribution that VarianceScaling promises."""
    if distribution == "uniform":
        limit = math.sqrt(3 * variance)
        return stats.uniform(-limit, 2 * limit)
    if distribution == "untruncated_normal":
        return stats.norm(0, math.sqrt(variance))
    return stats.truncnorm(-2, 2, scale=math.sqrt(variance) / stats.truncnorm(-2, 2).std())


def units(shape, mode):
    """Inputs and outputs of one unit, counted on the connections of a dense layer or a convolution."""
    field = math.prod(shape[:-2])
    inputs, outputs = (shape[0], shape[0]) if len(shape) == 1 else (shape[-2] * field, shape[-1] * field)
    return {"fan_in": inputs, "fan_out": outputs, "fan_avg": (inputs + outputs) / 2}[mode]


@pytest.mark.parametrize(
    ("initializer", "expected"),
    [
        (initializers.RandomUniform(), stats.uniform(-0.05, 0.1)),
        (initializers.RandomUniform(2.0, 5.0), stats.uniform(2, 3)),
        (initializers.RandomNormal(), stats.norm(0, 0.05)),
        (initializers.RandomNormal(3.0, 2.0), stats.norm(3, 2)),
        (initializers.TruncatedNormal(), stats.truncnorm(-2, 2, 0, 0.05)),
        (initializers.TruncatedNormal(3.0, 2.0), stats.truncnorm(-2, 2, 3, 2)),
    ],
    ids=["uniform", "uniform_2_5", "normal", "normal_3_2", "truncated", "truncated_3_2"],
)
def test_numbers_follow_the_stated_distribution(initializer, expected):
    for key in range(5):
        numbers = sample(initializer, key=derive(key))
        assert stats.kstest(numbers, expected.cdf).pvalue > UNLIKELY
        assert numbers.mean() == pytest.approx(expected.mean(), abs=5 * expected.std() / math.sqrt(numbers.size))
        assert numbers.var() == pytest.approx(expected.var(), rel=0.05)


@pytest.mark.parametrize("distribution", ["uniform", "truncated_normal", "untruncated_normal"])
@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_variance_scaling_follows_its_formula(shape, mode, distribution):
    numbers = sample(initializers.VarianceScaling(1.7, mode, distribution), shape)
    expected = scaled(distribution, 1.7 / units(shape, mode))
    assert stats.kstest(numbers, expected.cdf).pvalue > UNLIKELY


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", SCALINGS)
def test_named_scalings_follow_their_formula(name, shape):
    scale, mode, distribution = SCALINGS[name]
    expected = scaled(distribution, scale / units(shape, mode))
    assert stats.kstest(sample(initializers.get(name), shape), expected.cdf).pvalue > UNLIKELY


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", RANDOM)
def test_numbers_are_distributed_as_those_of_keras(keras, name, shape):
    theirs = getattr(keras.initializers, name)(seed=1)(shape).detach().numpy().ravel()
    ours = sample(getattr(initializers, name)(), shape)
    assert stats.ks_2samp(ours, theirs).pvalue > UNLIKELY
    assert ours.std() == pytest.approx(theirs.std(), rel=0.05)


@pytest.mark.parametrize("name", ["TruncatedNormal", "GlorotUniform", "HeNormal", "RandomUniform"])
def test_bounds_are_kept_and_reached(name):
    numbers = sample(initializers.get(name), (400, 500))
    bound = {"TruncatedNormal": 0.1, "GlorotUniform": math.sqrt(6 / 900), "RandomUniform": 0.05}.get(
        name, 2 * math.sqrt(2 / 400) / stats.truncnorm(-2, 2).std()
    )
    assert np.abs(numbers).max() <= bound * (1 + 1e-6)
    assert np.abs(numbers).max() > bound * 0.999


def test_a_shape_without_dimensions_counts_as_one_unit():
    assert initializers.fans(()) == (1, 1)
    assert initializers.VarianceScaling(seed=0)(()).shape == ()


@pytest.mark.parametrize("name", RANDOM)
def test_neighbours_are_not_correlated(name):
    numbers = sample(initializers.get(name)).reshape(100, 200)
    numbers = (numbers - numbers.mean()) / numbers.std()
    for first, second in [(numbers[1:], numbers[:-1]), (numbers[:, 1:], numbers[:, :-1])]:
        assert abs((first * second).mean()) < 5 / math.sqrt(first.size)


@pytest.mark.parametrize("shape", [(5, 5), (20, 5), (5, 20), (3, 3, 4, 8), (2, 2, 2, 64), (1, 7), (7, 1)], ids=str)
@pytest.mark.parametrize("gain", [1.0, 0.5])
def test_orthogonal_rows_or_columns_are_orthonormal(shape, gain):
    matrix = initializers.Orthogonal(gain)(shape, key=5).double().reshape(-1, shape[-1])
    product = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(product, gain**2 * np.eye(len(product)), atol=1e-6)


def test_orthogonal_matrices_are_uniform_over_all_rotations_and_reflections():
    matrices = np.stack([initializers.Orthogonal()((2, 2), key=derive(key)).numpy() for key in range(300)])
    angles = np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0])
    assert stats.kstest(angles, stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > UNLIKELY
    assert stats.binomtest(int((np.linalg.det(matrices) > 0).sum()), 300).pvalue > UNLIKELY


@pytest.mark.parametrize("shape", [(), (5,)])
def test_an_orthogonal_vector_is_an_error(shape):
    with pytest.raises(HandsonError, match=r"an orthogonal weight has at least two dimensions; got the shape \("):
        initializers.Orthogonal()(shape)


@pytest.mark.parametrize(("name", "value"), [("zeros", 0.0), ("ones", 1.0), (initializers.Constant(-2.5), -2.5)])
def test_constants_are_constant(name, value):
    weight = initializers.get(name)((2, 3))
    assert weight.dtype == torch.float32
    assert weight.tolist() == [[value] * 3] * 2


@pytest.mark.parametrize("name", [*RANDOM, "Orthogonal"])
def test_the_same_key_gives_the_same_numbers_and_another_key_others(name):
    make = getattr(initializers, name)
    assert torch.equal(make()((4, 5), key=3), make()((4, 5), key=3))
    assert not torch.isclose(make()((4, 5), key=3), make()((4, 5), key=4)).any()


@pytest.mark.parametrize("name", [*RANDOM, "Orthogonal"])
def test_a_seed_fixes_the_numbers_whatever_the_key(name):
    make = getattr(initializers, name)
    assert torch.equal(make(seed=7)((4, 5), key=3), make(seed=7)((4, 5), key=4))
    assert not torch.equal(make(seed=7)((4, 5)), make(seed=8)((4, 5)))


def test_without_key_or_seed_the_numbers_follow_set_random_seed():
    draws = []
    for _ in range(2):
        set_random_seed(3)
        draws.append([initializers.RandomNormal()((4,)) for _ in range(2)])
    assert torch.equal(draws[0][0], draws[1][0])
    assert not torch.equal(draws[0][0], draws[0][1])


@pytest.mark.parametrize("name", [*RANDOM, "Orthogonal", "Zeros"])
def test_numbers_are_float32_and_of_the_shape_and_type_asked_for(name):
    initializer = initializers.get(name)
    assert initializer([3, 4]).dtype == torch.float32
    assert initializer((3, 4), torch.float64).dtype == torch.float64
    assert initializer([3, 4]).shape == (3, 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": 0.0}, r"scale must be positive; got 0\.0\."),
        ({"scale": float("nan")}, r"scale must be positive; got nan\."),
        ({"mode": "fan"}, r"mode must be one of 'fan_in', 'fan_out', 'fan_avg'; got 'fan'\."),
        ({"distribution": "gauss"}, r"distribution must be one of 'truncated_normal', .*'uniform'; got 'gauss'\."),
        ({"seed": -1}, r"a seed lies between 0 and 2\*\*64 - 1; got -1\."),
        ({"seed": 0.5}, r"a seed is a whole number, such as seed=0; got 0\.5\."),
        ({"seed": True}, r"a seed is a whole number, such as seed=0; got True\."),
    ],
)
def test_arguments_out_of_range_are_errors(arguments, message):
    with pytest.raises(HandsonError, match=message):
        initializers.VarianceScaling(**arguments)


def test_normal_is_another_word_for_truncated_normal():
    ours = initializers.VarianceScaling(distribution="normal", seed=1)((3, 4))
    assert torch.equal(ours, initializers.VarianceScaling(distribution="truncated_normal", seed=1)((3, 4)))


def test_what_cannot_be_called_is_an_error():
    with pytest.raises(HandsonError, match=r"an initializer is a name.*; got 3\."):
        initializers.get(3)


def test_every_registered_initializer_is_tested_here():
    assert set(registry.known("initializer")) == {*RANDOM, "Orthogonal", "Zeros", "Ones", "Constant", "Identity"}


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 2)])
def test_an_identity_is_that_of_keras(keras, shape):
    expected = keras.initializers.Identity(gain=0.5)(shape)
    np.testing.assert_array_equal(initializers.Identity(0.5)(shape), expected)


def test_an_identity_of_another_rank_is_an_error():
    with pytest.raises(HandsonError, match=r"Identity is for matrices; got the shape \(3,\)"):
        initializers.Identity()((3,))


def test_a_constant_may_be_an_array():
    assert initializers.Constant([[1.0], [2.0]])((2, 2)).tolist() == [[1, 1], [2, 2]]
    with pytest.raises(HandsonError, match=r"values of shape \(3,\) do not fill the shape \(2, 2\)"):
        initializers.Constant([1, 2, 3])((2, 2))


@pytest.mark.parametrize("name", ["identity", "IdentityInitializer", "OrthogonalInitializer"])
def test_other_names_of_keras(name):
    assert initializers.get(name)((2, 2)).shape == (2, 2)

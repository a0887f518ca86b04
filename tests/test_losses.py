"""Losses against Keras's; masked losses against the loss of what is present."""

import inspect

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handson import losses
from handson.core import registry
from handson.core.errors import HandsonError

CLASSES = 5
# Every loss with several arguments.
CASES = {
    "mse": ("MeanSquaredError", {}),
    "mae": ("MeanAbsoluteError", {}),
    "huber": ("Huber", {}),
    "huber_small": ("Huber", {"delta": 0.3}),
    "bce": ("BinaryCrossentropy", {}),
    "bce_logits": ("BinaryCrossentropy", {"from_logits": True}),
    "bce_smooth": ("BinaryCrossentropy", {"label_smoothing": 0.2}),
    "bce_logits_smooth": ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.3}),
    "cce": ("CategoricalCrossentropy", {}),
    "cce_logits": ("CategoricalCrossentropy", {"from_logits": True}),
    "cce_smooth": ("CategoricalCrossentropy", {"label_smoothing": 0.2}),
    "cce_logits_smooth": ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}),
    "sparse": ("SparseCategoricalCrossentropy", {}),
    "sparse_logits": ("SparseCategoricalCrossentropy", {"from_logits": True}),
}
all_cases = pytest.mark.parametrize("case", CASES)


def make(case):
    name, arguments = CASES[case]
    return getattr(losses, name)(**arguments)


def peer(keras, case):
    name, arguments = CASES[case]
    return getattr(keras.losses, name)(**arguments)


def random_pair(case, seed, inner=()):
    """Targets and predictions of a size from the seed; `inner` adds axes between samples and outputs."""
    rng = np.random.default_rng(seed)
    name, arguments = CASES[case]
    shape = (int(rng.integers(1, 9)), *inner, CLASSES)
    logits = rng.normal(size=shape) * 3
    if name == "BinaryCrossentropy":
        y_true = rng.integers(0, 2, shape)
        y_pred = logits if arguments.get("from_logits") else 1 / (1 + np.exp(-logits))
    elif name in ("CategoricalCrossentropy", "SparseCategoricalCrossentropy"):
        labels = rng.integers(0, CLASSES, shape[:-1])
        y_true = labels if name.startswith("Sparse") else np.eye(CLASSES)[labels]
        y_pred = logits if arguments.get("from_logits") else np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    else:
        y_true, y_pred = rng.normal(size=shape), logits
    y_true = y_true.astype("int64" if name.startswith("Sparse") else "float32")
    return y_true, y_pred.astype("float32")


@all_cases
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), inner=st.sampled_from([(), (3,), (2, 3)]), weighted=st.booleans())
def test_values_are_those_of_keras(keras, case, seed, inner, weighted):
    y_true, y_pred = random_pair(case, seed, inner)
    weight = np.random.default_rng(seed).uniform(0, 2, len(y_true)).astype("float32") if weighted else None
    broadcast = weight if weight is None else np.broadcast_to(weight.reshape(-1, *[1] * len(inner)), y_pred.shape[:-1])
    expected = peer(keras, case)(y_true, y_pred, None if weight is None else broadcast.copy())
    np.testing.assert_allclose(make(case)(y_true, y_pred, weight), expected, rtol=2e-5, atol=1e-6)


@all_cases
def test_gradients_are_those_of_keras(keras, case):
    y_true, y_pred = (torch.tensor(array) for array in random_pair(case, 3))
    ours, theirs = y_pred.clone().requires_grad_(), y_pred.clone().requires_grad_()
    make(case)(y_true, ours).backward()
    peer(keras, case)(y_true, theirs).backward()
    np.testing.assert_allclose(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("case", ["bce", "bce_smooth", "cce", "sparse"])
def test_certain_and_wrong_probabilities_give_the_finite_loss_of_keras(keras, case):
    y_pred = np.eye(CLASSES, dtype="float32")
    labels = np.arange(CLASSES)[::-1].copy()
    y_true = labels if case == "sparse" else np.eye(CLASSES, dtype="float32")[labels]
    actual = make(case)(y_true, y_pred)
    assert torch.isfinite(actual)
    np.testing.assert_allclose(actual, peer(keras, case)(y_true, y_pred), rtol=1e-5)


@pytest.mark.parametrize("case", ["bce_logits", "cce_logits", "sparse_logits"])
def test_large_logits_give_the_finite_loss_of_keras(keras, case):
    y_true, y_pred = random_pair(case, 1)
    actual = make(case)(y_true, y_pred * 1000)
    assert torch.isfinite(actual)
    np.testing.assert_allclose(actual, peer(keras, case)(y_true, y_pred * 1000), rtol=1e-5)


@pytest.mark.parametrize("case", ["cce", "sparse"])
def test_probabilities_that_do_not_add_up_to_one_are_normalized_as_in_keras(keras, case):
    y_true, y_pred = random_pair(case, 5)
    np.testing.assert_allclose(make(case)(y_true, y_pred * 3), peer(keras, case)(y_true, y_pred * 3), rtol=1e-5)


@pytest.mark.parametrize("name", registry.known("loss"))
def test_arguments_and_defaults_are_those_of_keras(keras, name):
    theirs = inspect.signature(getattr(keras.losses, name)).parameters
    for argument, parameter in inspect.signature(getattr(losses, name).__init__).parameters.items():
        if argument in ("self", "name"):
            continue
        assert parameter.default == theirs[argument].default


@all_cases
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), weighted=st.booleans())
def test_a_missing_target_is_left_out(case, seed, weighted):
    loss, rng = make(case), np.random.default_rng(seed)
    y_true, y_pred = random_pair(case, seed, (2,))
    weight = rng.uniform(0.1, 2, len(y_true)).astype("float32") if weighted else np.ones(len(y_true), "float32")
    missing = rng.random(y_true.shape if loss.targets != "distribution" else y_true.shape[:-1]) < 0.4
    missing.flat[0] = False
    holes = y_true.astype("float32")
    holes[missing] = np.nan
    each = loss.values(torch.tensor(y_true), torch.tensor(y_pred)).numpy()
    each = each * weight.reshape(-1, *[1] * (each.ndim - 1))
    actual = loss(holes, y_pred, weight if weighted else None)
    assert actual.item() == pytest.approx(each[~missing].mean(), rel=1e-4, abs=1e-6)


@all_cases
def test_a_missing_target_sends_no_gradient(case):
    loss = make(case)
    y_true, y_pred = random_pair(case, 7, (2,))
    holes = y_true.astype("float32")
    holes[0, 1] = np.nan
    y_pred = torch.tensor(y_pred, requires_grad=True)
    loss(holes, y_pred).backward()
    assert torch.isfinite(y_pred.grad).all()
    assert bool((y_pred.grad[0, 1] == 0).all())
    assert bool((y_pred.grad[0, 0] != 0).any())


@all_cases
def test_a_batch_without_any_target_counts_nothing(case):
    loss = make(case)
    y_true, y_pred = random_pair(case, 7)
    total, count = loss.measure(np.full(y_true.shape, np.nan), y_pred)
    assert (float(total), int(count)) == (0.0, 0)


def test_a_distribution_with_one_missing_class_is_missing():
    loss = losses.CategoricalCrossentropy()
    probabilities = [[0.5, 0.5], [0.9, 0.1]]
    assert loss([[np.nan, 1.0], [1.0, 0.0]], probabilities).item() == pytest.approx(-np.log(0.9), rel=1e-5)


@all_cases
def test_the_loss_of_the_whole_is_the_sums_of_its_parts(case):
    loss = make(case)
    y_true, y_pred = random_pair(case, 11, (4,))
    parts = [loss.measure(y_true[rows], y_pred[rows]) for rows in (slice(0, 1), slice(1, None))]
    total, count = (sum(float(part[place]) for part in parts) for place in (0, 1))
    assert total / count == pytest.approx(loss(y_true, y_pred).item(), rel=1e-5)


@pytest.mark.parametrize("shapes", [((4,), (4, 1)), ((4, 1), (4,)), ((4, 3), (4, 3, 1))])
def test_an_axis_of_one_may_be_left_out(rng, shapes):
    y_true, y_pred = (rng.normal(size=shape).astype("float32") for shape in shapes)
    expected = np.square(y_true.ravel() - y_pred.ravel()).mean()
    assert losses.MeanSquaredError()(y_true, y_pred).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_labels_may_have_an_axis_of_one(rng, shape):
    logits = rng.normal(size=(4, 3)).astype("float32")
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    labels = np.array([0, 1, 2, 1])
    expected = torch.nn.functional.cross_entropy(torch.tensor(logits), torch.tensor(labels)).item()
    assert loss(labels.reshape(shape), logits).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "y_true", "y_pred", "message"),
    [
        ("mse", (4, 2), (4, 3), r"mean_squared_error needs targets of shape \(4, 3\) for outputs of shape \(4, 3\); "
            r"got \(4, 2\)\. The last layer has 3 outputs; for these targets it needs 2\."),
        ("mse", (5, 1), (4, 1), r"needs targets of shape \(4, 1\) for outputs of shape \(4, 1\); got \(5, 1\)"),
        ("mse", (4,), (4, 3), r"got \(4,\)\. The last layer has 3 outputs\."),
        ("sparse_categorical_crossentropy", (4, 3), (4, 3), r"needs targets of shape \(4,\) for outputs of shape "
            r"\(4, 3\); got \(4, 3\)\. The last layer has 3 outputs; for one-hot targets use "
            r"loss='categorical_crossentropy'\."),
        ("categorical_crossentropy", (4,), (4, 3), r"got \(4,\)\. The last layer has 3 outputs; for integer labels use "
            r"loss='sparse_categorical_crossentropy'\."),
    ],
)  # fmt: skip
def test_shapes_that_do_not_belong_together_are_an_error(name, y_true, y_pred, message):
    with pytest.raises(HandsonError, match=message):
        losses.get(name)(np.zeros(y_true), np.ones(y_pred))


@pytest.mark.parametrize("smoothing", [-0.1, 1.1, float("nan")])
@pytest.mark.parametrize("name", ["BinaryCrossentropy", "CategoricalCrossentropy"])
def test_label_smoothing_out_of_range_is_an_error(name, smoothing):
    with pytest.raises(HandsonError, match=rf"{name}: label_smoothing lies in \[0, 1\]; got {smoothing}\."):
        getattr(losses, name)(label_smoothing=smoothing)


@pytest.mark.parametrize("delta", [0, -1.0, float("nan")])
def test_a_delta_that_is_not_positive_is_an_error(delta):
    with pytest.raises(HandsonError, match=rf"Huber: delta must be positive; got {delta}\."):
        losses.Huber(delta)


@all_cases
def test_probabilities_are_wanted_unless_from_logits(case):
    name, arguments = CASES[case]
    assert make(case).probabilities == ("Crossentropy" in name and "from_logits" not in arguments)


def test_the_name_is_snake_case_unless_given():
    assert losses.MeanSquaredError().name == "mean_squared_error"
    assert losses.MeanSquaredError(name="own").name == "own"


def test_a_function_is_a_loss_with_its_name():
    def cubed(y_true, y_pred):
        return (y_true - y_pred).abs() ** 3

    loss = losses.get(cubed)
    assert loss.name == "cubed"
    assert loss([[0.0, np.nan]], [[2.0, 5.0]]).item() == 8.0


def test_a_function_of_one_value_per_sample_is_averaged_over_samples():
    loss = losses.get(lambda y_true, y_pred: (y_true - y_pred).square().sum(-1))
    assert loss([[0.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [2.0, 2.0]], [1.0, 0.5]).item() == 3.0


def test_a_function_of_one_value_per_sample_cannot_mask_elements():
    def summed(y_true, y_pred):
        return (y_true - y_pred).square().sum(-1)

    with pytest.raises(HandsonError) as error:
        losses.get(summed)([[0.0, np.nan]], [[1.0, 1.0]])
    text = str(error.value)
    assert "summed gives values of shape (1,) and cannot mask missing targets of shape (1, 2)" in text
    assert "missing='drop'" in text


def test_a_function_that_gives_no_tensor_is_an_error():
    def zero(y_true, y_pred):
        return 0.0

    with pytest.raises(HandsonError, match=r"zero must return a tensor; got float\."):
        losses.get(zero)([[0.0]], [[1.0]])


def test_a_loss_without_values_says_what_to_define():
    class Mine(losses.Loss):
        pass

    with pytest.raises(NotImplementedError, match=r"Mine must define values\(y_true, y_pred\)"):
        Mine()([[0.0]], [[1.0]])


@pytest.mark.parametrize("identifier", [3, None, []])
def test_what_is_no_loss_is_an_error(identifier):
    with pytest.raises(HandsonError, match=r"a loss is a name, such as 'BinaryCrossentropy'.*; got "):
        losses.get(identifier)


def test_an_unknown_name_gets_its_nearest():
    with pytest.raises(HandsonError, match=r"unknown loss 'binary_cross_entropy'\. Did you mean 'binary_crossentropy'"):
        losses.get("binary_cross_entropy")


@pytest.mark.parametrize("weight", [[1.0], [1.0, 2.0, 3.0]])
def test_weights_of_another_number_of_samples_are_an_error(weight):
    with pytest.raises(HandsonError, match="sample_weight") as error:
        losses.MeanSquaredError()([[0.0], [0.0]], [[1.0], [2.0]], weight)
    assert str(len(weight)) in str(error.value)
    assert "2" in str(error.value)

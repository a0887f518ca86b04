"""Losses against Keras's; masked losses against the loss of what is present."""

import inspect

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import handson
from handson import losses
from handson.core import registry
from handson.core.described import parameters_of
from handson.core.errors import HandsonError
from handson.files.keras_names import OWN

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
    "mape": ("MeanAbsolutePercentageError", {}),
    "msle": ("MeanSquaredLogarithmicError", {}),
    "log_cosh": ("LogCosh", {}),
    "poisson": ("Poisson", {}),
    "kld": ("KLDivergence", {}),
    "categorical_hinge": ("CategoricalHinge", {}),
    "focal": ("BinaryFocalCrossentropy", {}),
    "focal_logits": (
        "BinaryFocalCrossentropy",
        {"from_logits": True, "gamma": 1.5, "apply_class_balancing": True, "alpha": 0.3, "label_smoothing": 0.1},
    ),
    "categorical_focal": ("CategoricalFocalCrossentropy", {}),
    "categorical_focal_logits": (
        "CategoricalFocalCrossentropy", {"from_logits": True, "alpha": 0.7, "gamma": 1.5, "label_smoothing": 0.1},
    ),
    "generalized": ("CategoricalGeneralizedCrossEntropy", {"q": 0.7}),
}  # fmt: skip
# Losses whose values do not stand for single elements or samples.
OTHERS = {
    "hinge": ("Hinge", {}),
    "squared_hinge": ("SquaredHinge", {}),
    "cosine": ("CosineSimilarity", {}),
    "cosine_first": ("CosineSimilarity", {"axis": 1}),
    "dice": ("Dice", {}),
    "dice_of_samples": ("Dice", {"axis": -1}),
    "tversky": ("Tversky", {"alpha": 0.3, "beta": 0.8}),
    "tversky_of_samples": ("Tversky", {"axis": -1}),
}
ALL = CASES | OTHERS
all_cases = pytest.mark.parametrize("case", CASES)


def make(case):
    name, arguments = ALL[case]
    return getattr(losses, name)(**arguments)


def peer(keras, case):
    name, arguments = ALL[case]
    return getattr(keras.losses, name)(**arguments)


YES_OR_NO = ("BinaryCrossentropy", "BinaryFocalCrossentropy", "Hinge", "SquaredHinge", "Dice", "Tversky")
OF_LABELS = ("SparseCategoricalCrossentropy", "CategoricalGeneralizedCrossEntropy")


def random_pair(case, seed, inner=()):
    """Targets and predictions of a size from the seed; `inner` adds axes between samples and outputs."""
    rng = np.random.default_rng(seed)
    name, arguments = ALL[case]
    shape = (int(rng.integers(1, 9)), *inner, CLASSES)
    logits = rng.normal(size=shape) * 3
    if name in YES_OR_NO:
        y_true = rng.integers(0, 2, shape)
        y_pred = logits if arguments.get("from_logits") else 1 / (1 + np.exp(-logits))
    elif name.startswith(("Categorical", "SparseCategorical", "KL")):
        labels = rng.integers(0, CLASSES, shape[:-1])
        y_true = labels if name in OF_LABELS else np.eye(CLASSES)[labels]
        y_pred = logits if arguments.get("from_logits") else np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    elif name in ("Poisson", "MeanSquaredLogarithmicError"):
        y_true, y_pred = rng.poisson(2.0, size=shape), np.exp(logits / 3)
    else:
        y_true, y_pred = rng.normal(size=shape), logits
    y_true = y_true.astype("int64" if name in OF_LABELS else "float32")
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


@pytest.mark.parametrize("case", OTHERS)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), signs=st.booleans())
def test_values_of_other_losses_are_those_of_keras(keras, case, seed, signs):
    y_true, y_pred = random_pair(case, seed)
    y_true = 2 * y_true - 1 if signs and "hinge" in case else y_true
    np.testing.assert_allclose(make(case)(y_true, y_pred), peer(keras, case)(y_true, y_pred), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("reduction", ["sum", "mean", "sum_over_batch_size", "none", None])
@pytest.mark.parametrize("case", ALL)
def test_reductions_are_those_of_keras(keras, case, reduction):
    (name, arguments), rng = ALL[case], np.random.default_rng(4)
    y_true, y_pred = random_pair(case, 4, (3,))
    weight = rng.uniform(0, 2, len(y_true)).astype("float32")
    ours = getattr(losses, name)(**arguments, reduction=reduction)(y_true, y_pred)
    theirs = getattr(keras.losses, name)(**arguments, reduction=reduction)(y_true, y_pred)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)
    y_true, y_pred = random_pair(case, 4)
    weight = weight[: len(y_true)]
    ours = getattr(losses, name)(**arguments, reduction=reduction)(y_true, y_pred, weight)
    theirs = getattr(keras.losses, name)(**arguments, reduction=reduction)(y_true, y_pred, weight)
    np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_the_mean_with_weights_is_that_of_keras(keras, case):
    (name, arguments), (y_true, y_pred) = CASES[case], random_pair(case, 6)
    weight = np.random.default_rng(6).uniform(0.5, 2, len(y_true)).astype("float32")
    reduction = {"reduction": "mean_with_sample_weight"}
    ours = getattr(losses, name)(**arguments, **reduction)(y_true, y_pred, weight)
    theirs = getattr(keras.losses, name)(**arguments, **reduction)(y_true, y_pred, weight)
    np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("case", ALL)
def test_functions_give_the_values_of_those_of_keras(keras, case):
    (name, arguments), (y_true, y_pred) = ALL[case], random_pair(case, 5, (2,))
    name = registry.snake_case(name) if name != "KLDivergence" else "kl_divergence"
    ours = getattr(losses, name)(torch.tensor(y_true), torch.tensor(y_pred), **arguments)
    theirs = getattr(keras.losses, name)(torch.tensor(y_true), torch.tensor(y_pred), **arguments)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), diagonal=st.booleans(), gamma=st.sampled_from([1.0, 80.0]))
def test_circle_is_that_of_keras(keras, seed, diagonal, gamma):
    rng = np.random.default_rng(seed)
    labels, rows = rng.integers(0, 3, 9), rng.normal(size=(9, 4)).astype("float32")
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    arguments = {"gamma": gamma, "margin": 0.3, "remove_diagonal": diagonal}
    theirs = keras.losses.Circle(**arguments)(labels, rows)
    np.testing.assert_allclose(losses.Circle(**arguments)(labels, rows), theirs, rtol=1e-4)
    others, near = torch.tensor(labels[:4]), torch.tensor(rows[:4])
    given = (torch.tensor(labels[4:]), torch.tensor(rows[4:]), others, near, False)
    np.testing.assert_allclose(losses.circle(*given), keras.losses.circle(*given), rtol=1e-4)


def test_circle_does_not_mask_labels():
    with pytest.raises(HandsonError, match="circle compares every row with all others"):
        losses.Circle()([0, np.nan], np.eye(2))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_ctc_is_that_of_keras(keras, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(1, 5, (3, 4)) * (np.arange(4) < rng.integers(1, 5, (3, 1)))
    logits = rng.normal(size=(3, 10, 5)).astype("float32")
    np.testing.assert_allclose(losses.CTC()(labels, logits), keras.losses.CTC()(labels, logits), rtol=1e-5)
    values = losses.ctc(torch.tensor(labels), torch.tensor(logits))
    np.testing.assert_allclose(values, keras.losses.ctc(torch.tensor(labels), torch.tensor(logits)), rtol=1e-5)


@pytest.mark.parametrize("ignored", [0, 3, -1, 255])
@pytest.mark.parametrize("logits", [True, False])
def test_an_ignored_class_counts_nowhere_as_in_keras(keras, ignored, logits):
    y_true, y_pred = random_pair("sparse_logits" if logits else "sparse", 8, (6,))
    y_true[:, ::2] = ignored
    arguments = {"from_logits": logits, "ignore_class": ignored}
    ours = losses.SparseCategoricalCrossentropy(**arguments)(y_true, y_pred)
    theirs = keras.losses.SparseCategoricalCrossentropy(**arguments)(y_true, y_pred)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize("case", ALL)
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


@pytest.mark.parametrize("name", sorted(set(registry.known("loss")) - OWN))
def test_arguments_and_defaults_are_those_of_keras(keras, name):
    theirs = inspect.signature(getattr(keras.losses, name)).parameters
    ours = parameters_of(getattr(losses, name))
    assert set(ours) == set(theirs)
    for argument, parameter in ours.items():
        if argument != "name":
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
    wanting = "Crossentropy" in name or name in ("KLDivergence", "CategoricalGeneralizedCrossEntropy")
    assert make(case).probabilities == (wanting and "from_logits" not in arguments)


def test_the_name_is_snake_case_unless_given():
    assert losses.MeanSquaredError().name == "mean_squared_error"
    assert losses.MeanSquaredError(name="own").name == "own"


@pytest.mark.parametrize("case", ["mse", "cce_logits", "hinge"])
def test_the_function_of_a_loss_stands_for_it(case):
    name, _ = ALL[case]
    function = getattr(losses, registry.snake_case(name))
    assert type(losses.get(function)) is getattr(losses, name)
    assert losses.serialize(function)["class"] == name


def test_serialized_losses_come_back():
    made = losses.Huber(0.5, reduction="sum", name="mine")
    again = losses.deserialize(losses.serialize(made))
    assert (again.delta, again.reduction, again.name) == (0.5, "sum", "mine")

    class Own(losses.Loss):
        def values(self, y_true, y_pred):
            return y_pred

    assert isinstance(losses.deserialize({"class": "Own", "config": {}}, {"Own": Own}), Own)


def test_reductions_that_are_not_known_or_give_no_number_are_errors():
    with pytest.raises(HandsonError, match=r"mean_squared_error: reduction is one of .*; got 'average'"):
        losses.MeanSquaredError("average")
    with pytest.raises(HandsonError, match=r"reduction='none', a value for each sample; training"):
        losses.MeanSquaredError("none").sums(torch.zeros(1, 1), torch.zeros(1, 1))
    with pytest.raises(HandsonError, match="type of the outputs; got dtype='float16'"):
        losses.MeanSquaredError(dtype="float16")


@pytest.mark.parametrize("name", ["CategoricalCrossentropy", "SparseCategoricalCrossentropy"])
def test_classes_on_another_axis_are_an_error(name):
    with pytest.raises(HandsonError, match=rf"{name}: classes lie on the last axis.*got axis=1.*moveaxis"):
        getattr(losses, name)(axis=1)


@pytest.mark.parametrize("loss", [losses.MeanSquaredError("sum"), losses.Hinge(), losses.Dice(axis=-1), losses.Dice()])
@pytest.mark.parametrize("engine", ["eager", "dense"])
def test_nets_train_on_every_kind_of_loss_as_keras_does(keras, loss, engine):
    if engine == "dense" and loss.reduction == "sum":
        pytest.skip("no program")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(24, 3)).astype("float32"), rng.integers(0, 2, (24, 2)).astype("float32")
    kernel = rng.normal(size=(3, 2)).astype("float32")
    last = "sigmoid" if isinstance(loss, losses.Dice) else None
    theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation=last)])
    theirs.compile(keras.optimizers.SGD(0.01), getattr(keras.losses, type(loss).__name__)(**loss.get_config()))
    ours = handson.Sequential([handson.Input((3,)), handson.layers.Dense(2, activation=last)], seed=0)
    ours.compile(handson.optimizers.SGD(0.01), loss)
    for net in (ours, theirs):
        net.set_weights([kernel, np.zeros(2, "float32")])
    expected = theirs.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0).history["loss"]
    actual = ours.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0, engine=engine).history["loss"]
    np.testing.assert_allclose(actual, expected, rtol=1e-4)
    np.testing.assert_allclose(ours.get_weights()[0], theirs.get_weights()[0], rtol=1e-4, atol=1e-6)


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


def test_one_value_for_a_batch_has_the_mean_of_the_weights_of_steps(keras, rng):
    class Theirs(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return keras.ops.mean((y_true - y_pred) ** 2)

    y, outputs = rng.normal(size=(2, 4, 5, 1)).astype("float32")
    weights = rng.uniform(size=(4, 5)).astype("float32")
    found = losses.get(lambda y_true, y_pred: (y_true - y_pred).square().mean())(y, outputs, weights)
    np.testing.assert_allclose(found, ((y - outputs) ** 2).mean() * weights.mean(), rtol=1e-5)
    np.testing.assert_allclose(found, Theirs()(y, outputs, weights), rtol=1e-5)

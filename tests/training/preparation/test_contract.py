"""The contract between net, loss and data: what is raised before the first step, and what it says."""

import numpy as np
import pandas as pd
import pytest
import torch

import handson
from handson import Sequential
from handson.core.errors import HandsonError
from handson.data import Dataset
from handson.layers import Dense, Dropout


def net(outputs, loss, activation=None, metrics=None):
    model = Sequential([Dense(4, activation="relu", input_dim=3), Dense(outputs, activation=activation)], seed=0)
    model.compile("sgd", loss, metrics=metrics)
    return model


X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)


@pytest.mark.parametrize("shape", [(12,), (12, 1)])
def test_a_column_and_a_vector_of_targets_are_the_same(shape):
    y = X.sum(1).reshape(shape)
    assert net(1, "mse").evaluate(X, y) == net(1, "mse").evaluate(X, X.sum(1))


def test_labels_as_a_column_are_taken():
    y = np.arange(12) % 3
    model = net(3, "sparse_categorical_crossentropy", "softmax", ["acc"])
    assert model.evaluate(X, y) == model.evaluate(X, y[:, None])


@pytest.mark.parametrize(
    ("model", "y", "message"),
    [
        (
            net(1, "mse"),
            np.zeros((12, 5)),
            r"needs targets of shape \(12, 1\) for outputs of shape \(12, 1\); got \(12, 5\)",
        ),
        (net(5, "mse"), np.zeros(12), r"for outputs of shape \(12, 5\); got \(12,\). The last layer has 5 outputs"),
        (net(1, "mse"), np.zeros(11), "inputs have 12 rows and targets 11"),
        (net(1, "mse"), np.full(12, np.nan), r"all targets are missing \(NaN\)"),
        (net(1, "mse"), np.array([0.0] * 11 + [np.inf]), "targets hold an infinite value in row 11"),
        (
            net(3, "sparse_categorical_crossentropy", "softmax"),
            np.array([0, 1, 2] * 3 + [1, 3, 2]),
            "labels run from 0 to 2 for 3 outputs; row 10 has label 3.*give the last layer 4 units",
        ),
        (
            net(3, "sparse_categorical_crossentropy", "softmax"),
            np.arange(12) - 1,
            "labels start at 0|labels run from 0",
        ),
        (
            net(3, "sparse_categorical_crossentropy", "softmax"),
            np.linspace(0, 2, 12),
            "labels are whole numbers 0, 1, 2, ...; row 1 has",
        ),
        (
            net(3, "sparse_categorical_crossentropy", "softmax"),
            np.eye(3)[np.arange(12) % 3],
            "for one-hot targets use loss='categorical_crossentropy'",
        ),
        (
            net(3, "categorical_crossentropy", "softmax"),
            np.arange(12) % 3,
            "for integer labels use loss='sparse_categorical_crossentropy'",
        ),
        (
            net(1, "binary_crossentropy", "sigmoid"),
            np.arange(12) % 3,
            r"targets lie in \[0, 1\]; these run from 0 to 2",
        ),
    ],
)
def test_targets_that_do_not_belong_to_the_net_are_refused(model, y, message):
    with pytest.raises(HandsonError, match=message):
        model.fit(X, y, verbose=0)


def test_distributions_that_do_not_add_up_to_1_are_told(capsys):
    """Keras trains on them: its guides have random ones, and padded steps of sequences have none."""
    targets = np.eye(3)[np.arange(12) % 3]
    net(3, "categorical_crossentropy", "softmax").fit(X, targets, verbose=0)
    assert "add up" not in capsys.readouterr().err
    targets[2:] = 1
    net(3, "categorical_crossentropy", "softmax").fit(X, targets, verbose=0)
    assert "the targets of row 2 add up to 3, not to 1. For several classes at once use" in capsys.readouterr().err


def test_negative_labels_are_refused_as_integers_too():
    with pytest.raises(HandsonError, match="labels start at 0; the smallest is -1"):
        net(3, "sparse_categorical_crossentropy", "softmax").fit(X, np.arange(12) % 3 - 1, verbose=0)


@pytest.mark.parametrize(
    ("outputs", "loss", "activation", "message"),
    [
        (1, "binary_crossentropy", None, "wants probabilities, and the net gives logits.*activation='sigmoid'"),
        (3, "sparse_categorical_crossentropy", None, r"activation='softmax', or compile with loss=.*from_logits=True"),
        (1, "sparse_categorical_crossentropy", "softmax", "a softmax over one output is always 1"),
        (1, handson.losses.BinaryCrossentropy(from_logits=True), "sigmoid", "applies a sigmoid itself"),
    ],
)
def test_logits_and_probabilities_are_not_mixed_up(outputs, loss, activation, message):
    with pytest.raises(HandsonError, match=message):
        net(outputs, loss, activation).fit(X, np.zeros(12), verbose=0)


def test_logits_are_found_behind_a_dropout():
    model = Sequential([Dense(3, input_dim=3), Dropout(0.1)], seed=0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(HandsonError, match="the net gives logits"):
        model.fit(X, np.zeros(12), verbose=0)


@pytest.mark.parametrize(("value", "word"), [(np.nan, "nan"), (np.inf, "inf")])
def test_inputs_that_are_not_finite_are_found(value, word):
    x = X.copy()
    x[7, 1] = value
    with pytest.raises(HandsonError, match=rf"inputs hold {word} in row 7, position \(1,\)"):
        net(1, "mse").fit(x, X.sum(1), verbose=0)
    with pytest.raises(HandsonError, match=f"inputs hold {word} in row 7, column 'b'"):
        net(1, "mse").predict(pd.DataFrame(x, columns=["a", "b", "c"]))


def test_text_among_the_inputs_is_found():
    frame = pd.DataFrame({"a": [1, 2], "b": ["3", "four"], "c": [5, 6]})
    with pytest.raises(HandsonError, match="inputs must be numbers; row 1, column 'b' has 'four'"):
        net(1, "mse").fit(frame, [1, 2], verbose=0)


def test_no_rows_and_one_row():
    with pytest.raises(HandsonError, match="there are no rows"):
        net(1, "mse").fit(np.zeros((0, 3)), np.zeros(0), verbose=0)
    with pytest.raises(HandsonError, match="1 row cannot be split"):
        net(1, "mse").fit(X[:1], [1.0], validation_split=0.5, verbose=0)
    assert len(net(1, "mse").fit(X[:1], [1.0], verbose=0).epoch) == 1


def test_a_class_with_one_member_cannot_be_split():
    y = np.array([0] * 6 + [1] * 5 + [2])
    with pytest.raises(HandsonError, match="class 2 has one member and cannot be in both parts"):
        net(3, "sparse_categorical_crossentropy", "softmax").fit(X, y, validation_split=0.3, verbose=0)


def test_accuracy_of_a_regression_is_refused():
    with pytest.raises(
        HandsonError, match="compares classes 0 and 1; the targets hold other values.*metrics=\\['mae'\\]"
    ):
        net(1, "mse", metrics=["acc"]).fit(X, X.sum(1), verbose=0)


def test_accuracy_of_shares_is_that_of_keras_and_is_told(keras, capsys):
    y = np.linspace(0, 1, len(X))[:, None]
    here = net(1, "binary_crossentropy", "sigmoid", ["accuracy"])
    here.fit(X, y, verbose=2, epochs=1)
    assert "some targets lie between them" in capsys.readouterr().out
    metric = keras.metrics.BinaryAccuracy()
    metric.update_state(y, here.predict(X))
    assert here.evaluate(X, y, verbose=0, return_dict=True)["accuracy"] == pytest.approx(float(metric.result()))


def test_metrics_that_do_not_belong_to_the_loss_are_refused():
    model = net(3, "sparse_categorical_crossentropy", "softmax", ["categorical_accuracy"])
    with pytest.raises(
        HandsonError, match="'categorical_accuracy' wants one-hot targets, but the loss .* integer labels"
    ):
        model.fit(X, np.zeros(12), verbose=0)


def test_a_net_that_overflows_before_training_is_refused():
    model = net(1, "mse")
    model.set_weights([weight * 1e20 for weight in model.get_weights()])
    with pytest.raises(HandsonError, match="the untrained net gives NaN or infinite outputs.*scale the inputs"):
        model.fit(X * 1e20, X.sum(1), verbose=0)


@pytest.mark.parametrize("arguments", [{}, {"validation_split": 0.25}, {"missing": "drop"}])
def test_labels_of_an_ignored_class_train_like_missing_ones(arguments):
    loss = handson.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255)
    y = np.arange(12) % 3
    ignored, missing = np.where(y == 2, 255, y).astype("uint8"), np.where(y == 2, np.nan, y)
    found = []
    for labels in (ignored, missing):
        model = net(3, loss, metrics=["accuracy"])
        history = model.fit(X, labels, epochs=2, verbose=0, **arguments).history
        found.append((history, model.evaluate(X, labels)))
    assert found[0] == found[1]


def test_class_weight_needs_classes():
    with pytest.raises(HandsonError, match="class_weight needs one class for each row"):
        net(2, "mse").fit(X, X[:, :2], class_weight={0: 1.0}, verbose=0)


def test_nothing_is_trained_when_the_contract_is_broken():
    model = net(1, "mse")
    before = model.get_weights()
    with pytest.raises(HandsonError, match="all targets are missing"):
        model.fit(X, np.full(12, np.nan), verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize(
    ("argument", "value", "expected"),
    [
        ("shuffle", "batch", "True or False; got 'batch'"),
        ("checkpoint_seconds", "often", "at least 0; got 'often'"),
        ("checkpoint_seconds", -1, "at least 0; got -1"),
        ("validation_split", "0.2", "a share between 0 and 1, such as 0.2; got '0.2'"),
        ("verbose", 3, "'auto', 0, 1 or 2; got 3"),
        ("verbose", "loud", "'auto', 0, 1 or 2; got 'loud'"),
    ],
)
def test_arguments_of_another_kind_are_named(argument, value, expected):
    net = Sequential([Dense(1, input_dim=2)])
    net.compile("sgd", "mse")
    with pytest.raises(HandsonError, match=f"{argument} is .*{expected}"):
        net.fit(np.ones((8, 2)), np.ones(8), **{"verbose": 0, argument: value})


def test_a_data_set_that_was_read_is_asked_for_its_arrays():
    net = Sequential([Dense(1, input_dim=2)])
    net.compile("sgd", "mse")
    data = Dataset(np.ones((8, 2), np.float32), np.ones((8, 1), np.float32))
    with pytest.raises(HandsonError, match=r"got a Dataset that holds both. Pass data.inputs and data.targets"):
        net.fit(data, verbose=0)


@pytest.mark.parametrize("argument", ["loss", "loss_weights"])
def test_several_entries_for_one_output_are_refused(argument):
    net = Sequential([Dense(1, input_dim=2)])
    net.compile(**{"optimizer": "sgd", "loss": "mse", argument: ["mse", "mae"] if argument == "loss" else [1, 2]})
    with pytest.raises(HandsonError, match=rf"compile\({argument}=...\) has 2 entries, and the net has one output"):
        net.fit(np.ones((8, 2)), np.ones(8), verbose=0)


def test_a_scaling_has_a_number_for_each_column_or_one():
    net = Sequential([Dense(1, input_dim=3)])
    net.compile("sgd", "mse", scale_inputs=([1, 2], 1))
    with pytest.raises(HandsonError, match="scaling of inputs: shift has 2 numbers for 3 columns"):
        net.fit(np.ones((8, 3)), np.ones(8), verbose=0)


# Weights that leave nothing, and batches that have nothing


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("verb", ["fit", "evaluate", "validation"])
def test_rows_that_all_weigh_nothing_are_refused(verb, missing):
    x, y = X[:6], np.where(np.arange(6) < 3 if missing else np.zeros(6, bool), np.nan, np.arange(6.0))
    weights = np.where(np.isnan(y), 1.0, 0.0)
    model = net(1, "mse")
    arguments = {"validation_data": (x, y, weights)} if verb == "validation" else {"sample_weight": weights}
    call = model.evaluate if verb == "evaluate" else model.fit
    with pytest.raises(HandsonError, match=r"weights of all rows that have a target are 0: .* class_weight"):
        call(x, np.arange(6.0) if verb == "validation" else y, verbose=0, **arguments)


def test_a_batch_on_its_own_may_weigh_nothing():
    assert net(1, "mse").train_on_batch(X[:4], np.ones(4), sample_weight=np.zeros(4)) == 0


@pytest.mark.parametrize("empty", [0, 1, 2])
def test_a_batch_of_a_stream_may_have_no_target(empty):
    x, y = X[:6], np.arange(6.0)
    y[2 * empty : 2 * empty + 2] = np.nan
    batches = [(x[i : i + 2], y[i : i + 2]) for i in (0, 2, 4)]
    found = [net(1, "mse"), net(1, "mse")]
    streamed = found[0].fit(iter(batches), steps_per_epoch=3, verbose=0).history["loss"]
    assert streamed == found[1].fit(x, y, batch_size=2, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_array_equal(found[0].predict(x), found[1].predict(x))


def test_a_stream_without_any_target_is_refused():
    with pytest.raises(HandsonError, match="epoch 1 had not a single training target"):
        net(1, "mse").fit(iter([(X[:4], np.full(4, np.nan))] * 2), steps_per_epoch=2, verbose=0)


def test_an_augmentation_that_takes_no_targets_is_refused_before_the_first_step():
    with pytest.raises(HandsonError, match=r"augment is a function of \(inputs, targets\); .* is not: too many"):
        net(1, "mse").fit(X[:4], np.ones(4), augment=lambda inputs: inputs, verbose=0)


# Functions of the user, and what is said twice or for nothing


@pytest.mark.parametrize("function", [lambda y_true: y_true, lambda: 0, lambda a, b, c: a])
def test_losses_and_metrics_that_do_not_take_two_arguments_are_refused(function):
    for arguments in ({"loss": function}, {"loss": "mse", "metrics": [function]}):
        with pytest.raises(HandsonError, match=r"a (loss|metric) is a function of \(y_true, y_pred\); .* is not: "):
            net(1, "mse").compile("sgd", **arguments)


LOSSES_OF_TORCH = {
    "BCELoss": (torch.nn.BCELoss(), "binary_crossentropy", "sigmoid", 1, (X[:, 0] > 0).astype("f4")),
    "binary_cross_entropy": (
        torch.nn.functional.binary_cross_entropy,
        "binary_crossentropy",
        "sigmoid",
        1,
        X[:, 0] > 0,
    ),
    "MSELoss": (torch.nn.MSELoss(), "mse", None, 1, X[:, 0]),
    "CrossEntropyLoss": (torch.nn.CrossEntropyLoss(), "sparse_categorical_crossentropy", None, 3, np.arange(12) % 3),
    "PoissonNLLLoss": (torch.nn.PoissonNLLLoss(log_input=False, eps=1e-7), "poisson", "softplus", 1, np.arange(12.0)),
}


@pytest.mark.parametrize("name", LOSSES_OF_TORCH)
def test_losses_of_torch_are_given_the_outputs_first(name):
    theirs, ours, activation, outputs, y = LOSSES_OF_TORCH[name]
    ours = handson.losses.get(ours)
    ours = type(ours)(from_logits=True) if name == "CrossEntropyLoss" else ours
    models = [net(outputs, loss, activation) for loss in (theirs, ours)]
    losses = [model.fit(X, y, epochs=3, verbose=0).history["loss"] for model in models]
    np.testing.assert_allclose(*losses, rtol=1e-5)


@pytest.mark.parametrize("loss", [lambda a, b: ((a - b) ** 2).mean().detach(), lambda a, b: torch.tensor(1.0)])
def test_a_loss_without_a_gradient_is_refused(loss):
    with pytest.raises(HandsonError, match="the loss does not depend on any weight that trains"):
        net(1, loss).fit(X, X[:, 0], verbose=0)


def test_class_weights_of_a_regression_are_refused_by_a_value():
    with pytest.raises(HandsonError, match=r"class_weight needs classes, which are whole numbers; .* hold -?\d"):
        net(1, "mse").fit(X, X[:, 0], class_weight={0: 1.0}, verbose=0)


def test_validation_data_win_over_a_split_as_in_keras_and_it_is_told(capsys):
    given = {"validation_data": (X, X[:, 0]), "seed": 3}
    alone, both = net(1, "mse"), net(1, "mse")
    first = alone.fit(X, X[:, 0], verbose=0, **given)
    second = both.fit(X, X[:, 0], verbose=2, validation_split=0.2, **given)
    assert first.history == second.history
    assert "validation_split=0.2 divides none" in capsys.readouterr().out
    assert any("divides none" in note for note in second.notes)


@pytest.mark.parametrize("shape", [(12, 5), (12, 2, 1)])
def test_weights_of_steps_that_the_targets_do_not_have_are_refused(shape):
    with pytest.raises(HandsonError, match=f"sample_weight has {np.prod(shape)} entries for 12 samples"):
        net(1, "mse").fit(X, X[:, 0], sample_weight=np.ones(shape), verbose=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"validation_data": (X, X[:, 0]), "groups": np.arange(12)}, "leave groups out"),
        ({"validation_freq": 2}, "validation_freq is for rows to validate on, and there are none"),
        ({"validation_batch_size": 2}, "validation_batch_size is for rows to validate on"),
        ({"validation_steps": 2}, "validation_steps is for rows to validate on"),
    ],
)
def test_what_would_be_ignored_of_a_validation_is_refused(arguments, message):
    with pytest.raises(HandsonError, match=message):
        net(1, "mse").fit(X, X[:, 0], verbose=0, **arguments)


def test_groups_in_another_order_than_a_table_are_refused():
    frame = pd.DataFrame(X)
    with pytest.raises(HandsonError, match="groups have the rows of the inputs in another order"):
        net(1, "mse").fit(frame, X[:, 0], groups=frame[0].sort_index(ascending=False), validation_split=0.5, verbose=0)

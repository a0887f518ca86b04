"""The verbs that Keras has removed do what their successors do."""

import copy

import numpy as np
import pytest

import handson
from handson.core.errors import HandsonError
from handson.layers import Dense


@pytest.fixture
def data(rng):
    return rng.normal(size=(24, 3)).astype("float32"), rng.integers(0, 3, 24)


def batches(x, y, size=8):
    while True:
        for start in range(0, len(x), size):
            yield x[start : start + size], y[start : start + size]


def made():
    net = handson.Sequential([Dense(3, activation="softmax", input_dim=3)], seed=0)
    net.compile("sgd", "sparse_categorical_crossentropy")
    return net


def test_a_generator_is_fitted_evaluated_and_predicted(data):
    older, newer = made(), made()
    arguments = {"epochs": 2, "verbose": 0, "shuffle": False}
    history = older.fit_generator(batches(*data), 3, workers=4, max_queue_size=2, use_multiprocessing=True, **arguments)
    expected = newer.fit(*data, batch_size=8, **arguments)
    assert history.history["loss"] == pytest.approx(expected.history["loss"])
    assert older.evaluate_generator(batches(*data), 3) == pytest.approx(newer.evaluate(*data))
    inputs = (batch[0] for batch in batches(*data))
    np.testing.assert_allclose(older.predict_generator(inputs, steps=3), newer.predict(data[0]), rtol=1e-6)


def test_arguments_come_by_position_as_in_keras_2(data):
    net = made()
    history = net.fit_generator(batches(*data), 3, 2, 0)
    assert len(history.history["loss"]) == 2


def test_classes_are_those_with_the_largest_output(data):
    net = made()
    assert (net.predict_classes(data[0]) == net.predict(data[0]).argmax(-1)).all()
    assert (net.predict_proba(data[0]) == net.predict(data[0])).all()
    single = handson.Sequential([Dense(1, activation="sigmoid", input_dim=3)], seed=0)
    found = single.predict_classes(data[0])
    assert found.shape == (24, 1)
    assert (found == (single.predict(data[0]) > 0.5)).all()


def test_epochs_may_be_called_as_in_keras_1(data):
    assert len(made().fit(*data, nb_epoch=2, verbose=0).epoch) == 2
    with pytest.raises(HandsonError, match="'nb_epoch' is another name of 'epochs', and both are given"):
        made().fit(*data, nb_epoch=2, epochs=3)
    assert len(made().fit_generator(batches(*data), 3, nb_epoch=2, verbose=0).epoch) == 2


def test_rows_in_place_of_batches_are_refused(data):
    with pytest.raises(HandsonError, match=r"steps_per_epoch=samples_per_epoch // batch size"):
        made().fit_generator(batches(*data), samples_per_epoch=24)
    with pytest.raises(HandsonError, match="more than these"):
        made().evaluate_generator(batches(*data), 1, *range(6))


def test_states_are_reset_and_the_number_of_sequences_is_the_layers(rng):
    net = handson.Sequential([handson.layers.LSTM(3, batch_input_shape=(4, 5, 2), stateful=True)], seed=0)
    x = rng.normal(size=(4, 5, 2))
    first, second = net.predict(x, batch_size=4), net.predict(x, batch_size=4)
    assert np.abs(first - second).max() > 1e-3
    net.reset_states()
    np.testing.assert_array_equal(net.predict(x, batch_size=4), first)


def test_names_of_metrics_are_those_of_what_evaluate_gives():
    x = handson.Input((3,))
    net = handson.Model(x, [Dense(2, name="a")(x), Dense(1, name="b")(x)])
    assert net.metrics_names == []
    net.compile("sgd", "mse", metrics=[["mae"], ["mse", "mae"]])
    given = net.evaluate(np.ones((4, 3)), [np.ones((4, 2)), np.ones((4, 1))], return_dict=True)
    assert net.metrics_names == list(given)


def test_weights_say_in_which_layers_they_lie():
    inner = handson.Sequential([Dense(2, input_dim=3), Dense(1)], name="inner")
    x = handson.Input((3,))
    net = handson.Model(x, Dense(1, name="last", use_bias=False)(inner(x)))
    expected = [f"inner/{layer}/{name}" for layer in ("dense", "dense_1") for name in ("kernel", "bias")]
    assert [weight.path for weight in net.weights] == [*expected, "last/kernel"]
    assert [weight.path for weight in copy.deepcopy(net).weights] == [*expected, "last/kernel"]


def test_quantization_is_refused_with_the_way_out():
    with pytest.raises(HandsonError, match="torch.ao.quantization"):
        Dense(2).quantize("int8")

"""Runs that in Keras are not what they seem to be: splits, orders, frozen layers, stopped and resumed trainings."""

import gc

import numpy as np
import pytest
import torch

import handson
from handson.callbacks import EarlyStopping, ReduceLROnPlateau
from handson.core.errors import HandsonError
from handson.layers import BatchNormalization, Dense, Dropout, Input
from handson.training.preparation.prepare import prepare_rows, split_rows


@pytest.fixture
def x(rng):
    return rng.normal(size=(60, 3)).astype("float32")


def net(seed=0, *layers):
    model = handson.Sequential([Input((3,)), Dense(4, "tanh", name="first"), *layers, Dense(1)], seed=seed)
    model.compile("adam", "mse")
    return model


def alike(first, second):
    return all((a == b).all() for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


def test_each_class_is_in_both_parts_of_a_validation_split(x, capsys):
    y = np.arange(60) // 20  # sorted: Keras's last fifth is of one class
    model = handson.Sequential([Input((3,)), Dense(3, "softmax")], seed=0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(x, y, validation_split=0.2, verbose=1)
    assert "48 rows train, 12 validate (60 rows, shuffled, classes in proportion)" in capsys.readouterr().out
    train, held, _ = split_rows(model, prepare_rows(model, x, y), 0.2, 0)
    assert np.bincount(held.targets[0].numpy()).tolist() == [4, 4, 4]
    assert np.bincount(train.targets[0].numpy()).tolist() == [16, 16, 16]


def test_cross_validation_trains_as_long_as_a_fit(x):
    model = handson.Sequential([Input((3,)), Dense(1)], seed=0)
    model.compile(handson.optimizers.SGD(0.1), "mse")
    losses = [
        handson.cross_validate(model, x, x.sum(1), folds=3, seed=0, verbose=0, epochs=epochs).mean["loss"]
        for epochs in (1, 60)
    ]
    assert losses[1] < 1e-4 < losses[0]


def test_a_training_in_two_runs_is_one_training(x, tmp_path):
    """Weights, rate, callbacks' state and orders, killed after half the epochs."""

    def fit(epochs, folder, resume="never"):
        model = net(0, Dropout(0.2))
        callbacks = [ReduceLROnPlateau(monitor="loss", patience=0, factor=0.5, min_delta=1.0)]
        model.fit(
            x, x.sum(1), batch_size=8, epochs=epochs, verbose=0, seed=1, callbacks=callbacks,
            run=tmp_path / folder, resume=resume,
        )  # fmt: skip
        return model

    whole = fit(6, "whole")
    fit(3, "parts")
    parts = fit(6, "parts", resume="force")
    assert alike(whole, parts)
    assert parts.optimizer.learning_rate == whole.optimizer.learning_rate < 0.001


def test_the_order_of_rows_follows_from_the_seed_and_is_new_in_each_epoch(x):
    orders = {}
    for seed in (1, 2, 1):
        seen = []

        class Watched(handson.layers.Layer):
            def call(self, inputs, seen=seen):
                seen.append(inputs[:, 0].tolist())
                return inputs

        model = handson.Sequential([Input((3,)), Watched(), Dense(1)], seed=0)
        model.compile("sgd", "mse")
        seen.clear()
        for _ in range(3):
            model.fit(x, x.sum(1), batch_size=60, epochs=1, seed=seed, verbose=0)
        steps = [tuple(row) for row in seen if len(row) == 60]
        assert len(set(steps)) == 3  # three orders in three trainings of one epoch
        orders.setdefault(seed, []).append(steps)
    assert orders[1][0] == orders[1][1]
    assert orders[1][0] != orders[2][0]


def test_the_best_weights_come_back_also_if_nothing_was_stopped(x):
    model = net()
    rates = handson.callbacks.LearningRateScheduler(lambda epoch: 0.01 if epoch < 3 else 3.0)
    stop = EarlyStopping(monitor="val_loss", patience=50, restore_best_weights=True)
    history = model.fit(
        x, x.sum(1), validation_data=(x, x.sum(1)), epochs=6, verbose=0, callbacks=[rates, stop]
    ).history["val_loss"]  # fmt: skip
    assert history[-1] > min(history)
    assert model.evaluate(x, x.sum(1), verbose=0) == pytest.approx(min(history), rel=1e-5)


def test_freezing_and_thawing_hold_at_once(x):
    model = net(0, BatchNormalization(name="norm"))
    y = x.sum(1)

    def changed(name):
        before = [weight.copy() for weight in model.get_layer(name).get_weights()]
        model.fit(x, y, verbose=0)
        return any((a != b).any() for a, b in zip(before, model.get_layer(name).get_weights(), strict=True))

    assert changed("first")
    model.get_layer("first").trainable = False
    model.get_layer("norm").trainable = False
    assert not changed("first")
    assert not changed("norm")  # nor do its means and variances move
    model.get_layer("first").trainable = True
    assert changed("first")


def test_nothing_is_left_of_trainings_and_predictions(x):
    """In Keras on PyTorch a circle of references keeps tensors alive."""

    def tensors():
        gc.collect()
        return sum(issubclass(type(one), torch.Tensor) for one in gc.get_objects())

    def once():
        model = net()
        model.fit(x, x.sum(1), validation_split=0.2, verbose=0)
        model.predict(x)

    once()
    before = tensors()
    for _ in range(3):
        once()
    assert tensors() <= before + 2


def test_a_net_is_gone_without_the_garbage_collector(x):
    import weakref

    model = net()
    model.fit(x, x.sum(1), verbose=0)
    gone = weakref.ref(model)
    gc.collect()
    gc.disable()
    try:
        del model
        assert gone() is None
    finally:
        gc.enable()


def test_weights_are_loaded_by_name_only_if_what_is_left_out_is_said(x, tmp_path):
    model = net()
    model.save_weights(tmp_path / "w.safetensors")
    other = handson.Sequential([Input((3,)), Dense(4, name="another"), Dense(1, name="last")], seed=1)
    with pytest.raises(HandsonError, match="first|another"):
        other.load_weights(tmp_path / "w.safetensors")


def test_a_file_with_code_is_refused(tmp_path, keras):
    keras.config.enable_unsafe_deserialization()
    theirs = keras.Sequential([keras.layers.Input((3,)), keras.layers.Lambda(lambda x: x + 1)])
    theirs.save(tmp_path / "net.keras")
    with pytest.raises(HandsonError, match="function as code, which handson does not run"):
        handson.load(tmp_path / "net.keras")
    with pytest.raises(HandsonError, match="safe_mode|code"):
        handson.keras.models.load_model(tmp_path / "net.keras", safe_mode=False)


def test_a_net_with_own_parts_opens_in_another_process(tmp_path):
    """No class of the main program is stored, so none is missing; an unknown name says what to do."""

    class Doubled(handson.layers.Layer):
        def call(self, inputs):
            return 2 * inputs

    with pytest.raises(HandsonError, match="register"):
        handson.Sequential([Input((3,)), Doubled()]).save(tmp_path / "net.handson")

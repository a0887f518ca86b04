"""What several nets, threads and the user share: optimizers, arrays, modes. Nobody changes it behind another's back."""

import copy
import pickle
import threading

import numpy as np
import pytest
import torch
from torch import nn

from handson import Sequential
from handson.callbacks import Callback
from handson.core.errors import HandsonError
from handson.layers import Activation, Dense, Lambda, Layer
from handson.optimizers import SGD, Adam

X = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
Y = X.sum(1, keepdims=True)


def net(*first, optimizer="sgd", loss="mse"):
    model = Sequential([*first, Dense(1)], seed=0)
    model.compile(optimizer, loss)
    return model


# Optimizers


@pytest.mark.parametrize("again", [copy.deepcopy, copy.copy, lambda optimizer: pickle.loads(pickle.dumps(optimizer))])
@pytest.mark.parametrize("make", [Adam, lambda: SGD(0.1, momentum=0.9), SGD])
def test_a_copy_of_an_optimizer_that_has_trained_is_no_new_one(again, make):
    optimizer = make()
    net(optimizer=optimizer).fit(X, Y, verbose=0)
    with pytest.raises(HandsonError, match="is a copy of one that has trained a net.*from_config"):
        net(optimizer=again(optimizer))
    fresh, plain = net(optimizer=type(optimizer).from_config(optimizer.get_config())), net(optimizer=make())
    for each in (fresh, plain):
        each.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(fresh.predict(X), plain.predict(X))


def test_copies_before_a_training_and_copied_nets_go_on():
    optimizer = Adam()
    net(optimizer=copy.deepcopy(optimizer)).fit(X, Y, verbose=0)
    first = net(optimizer=optimizer)
    first.fit(X, Y, verbose=0)
    second = copy.deepcopy(first)
    second.compile(second.optimizer, "mae")
    assert second.fit(X, Y, verbose=0).history["loss"]
    assert second.optimizer.iterations == 2


# Arrays of the user


class InPlace(Layer):
    def call(self, x):
        return x.mul_(2)


WRITERS = {
    "lambda": lambda: Lambda(lambda x: x.mul_(2)),
    "activation": lambda: Activation(torch.relu_),
    "layer": InPlace,
    "module": lambda: nn.ReLU(inplace=True),
    "dense": lambda: Dense(4, activation=lambda x: x.mul_(2)),
}
VERBS = {
    "fit": lambda model, x, y: model.fit(x, y, batch_size=24, shuffle=False, verbose=0),
    "fit of a stream": lambda model, x, y: model.fit(iter([(x, y)]), steps_per_epoch=1, verbose=0),
    "evaluate": lambda model, x, y: model.evaluate(x, y, verbose=0),
    "predict": lambda model, x, y: model.predict(x),
    "predict_on_batch": lambda model, x, y: model.predict_on_batch(x),
    "train_on_batch": lambda model, x, y: model.train_on_batch(x, y),
    "call": lambda model, x, y: model(x),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("verb", VERBS)
def test_layers_that_work_in_place_do_not_change_the_users_arrays(writer, verb):
    x, y = X.copy(), Y.copy()
    VERBS[verb](net(WRITERS[writer]()), x, y)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)


@pytest.mark.parametrize("verb", ["fit", "evaluate", "train_on_batch"])
def test_losses_and_metrics_that_work_in_place_do_not_either(verb):
    y = Y.copy()
    model = net(loss=lambda y_true, y_pred: (y_true.sub_(y_pred) ** 2).mean())
    VERBS[verb](model, X, y)
    np.testing.assert_array_equal(y, Y)


# Modes and threads


def test_a_net_is_not_built_of_tensors_that_never_train():
    with torch.inference_mode(), pytest.raises(HandsonError, match="built inside of torch.inference_mode"):
        Sequential([Dense(1, input_dim=4)])
    model = net(Dense(2))
    expected = model.predict(X)
    with torch.inference_mode():
        np.testing.assert_array_equal(model.predict(X), expected)
        assert model.evaluate(X, Y, verbose=0) > 0
    assert model.fit(X, Y, verbose=0)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_nothing_trains_where_there_are_no_gradients(mode):
    model = net(Dense(2, input_dim=4))
    with mode(), pytest.raises(HandsonError, match=r"no gradient\. Look for .*torch\.no_grad\(\)"):
        model.fit(X, Y, verbose=0)


def test_two_threads_do_not_train_one_net():
    model, inside, over = net(), threading.Event(), threading.Event()

    def augment(x, y):
        inside.set()
        over.wait(30)
        return x, y

    thread = threading.Thread(target=lambda: model.fit(X, Y, augment=augment, verbose=0))
    thread.start()
    try:
        assert inside.wait(30)
        with pytest.raises(HandsonError, match="this net is being trained by another thread"):
            model.fit(X, Y, verbose=0)
    finally:
        over.set()
        thread.join()
    assert model.fit(X, Y, verbose=0)


# A net in training


class Change(Callback):
    def __init__(self, change):
        self.change = change

    def on_epoch_end(self, epoch, logs=None):
        self.change(self.model)


CHANGES = {
    "add": lambda model: model.add(Dense(1)),
    "pop": lambda model: model.pop(),
    "compile": lambda model: model.compile("adam", "mae"),
    "fit it": lambda model: model.fit(X, Y, verbose=0),
    ".name": lambda model: setattr(model.layers[-1], "name", "top"),
    "add ": lambda model: model.layers[0].add(Dense(4)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_callback_cannot_change_what_the_steps_are_prepared_for(change):
    model = net(Sequential([Dense(4, input_dim=4)]))
    with pytest.raises(HandsonError, match=f"(?s){change.strip()}.*(Add|Take|Compile|Train|Name).*(before|after)"):
        model.fit(X, Y, verbose=0, callbacks=[Change(CHANGES[change])])
    if change not in ("add ", "pop"):
        CHANGES[change](model)  # afterwards it may be


def test_a_callback_may_train_and_compile_other_nets():
    model, other = net(), net()
    model.fit(X, Y, verbose=0, callbacks=[Change(lambda _: (other.compile("sgd", "mae"), other.fit(X, Y, verbose=0)))])
    assert other.age == model.age == 1

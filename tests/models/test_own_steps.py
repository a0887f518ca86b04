"""Steps of one's own: as those of the engine where they do the same, and seen by every verb."""

import keras
import numpy as np
import pytest
import torch

import handson
from handson import HandsonError, Model, Sequential
from handson.layers import Dense, Layer

X = np.random.default_rng(0).normal(size=(40, 3)).astype("f4")
Y = X.sum(1, keepdims=True)


class Plain(Model):
    def __init__(self, **kwargs):
        super().__init__(seed=0)
        self.first, self.last = Dense(4, activation="tanh"), Dense(1)

    def call(self, inputs):
        return self.last(self.first(inputs))


class ByHand(Plain):
    def train_step(self, data):
        x, y = data
        loss = torch.mean((self(x, training=True) - y) ** 2)
        weights = self.trainable_weights
        self.optimizer.apply(torch.autograd.grad(loss, weights), weights)
        return {"loss": loss, "twice": 2 * loss}


class Backward(Plain):
    def train_step(self, data):
        x, y = data
        self.zero_grad()
        self.compute_loss(x=x, y=y, y_pred=self(x, training=True)).backward()
        weights = self.trainable_weights
        self.optimizer.apply_gradients(zip([weight.grad for weight in weights], weights, strict=True))
        return {"loss": 0.0}


class Defaults(Plain):
    def train_step(self, data):
        return super().train_step(data)

    def test_step(self, data):
        return super().test_step(data)

    def predict_step(self, data):
        return super().predict_step(data)


class Loss(Plain):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        assert x.shape[1] == 3
        return torch.mean((y - y_pred) ** 2)


def fitted(kind, loss="mse", **arguments):
    net = kind()
    net.compile("adam", loss)
    net.fit(X, Y, **({"epochs": 3, "batch_size": 8, "verbose": 0, "seed": 2} | arguments))
    return net


@pytest.mark.parametrize(("kind", "loss"), [(ByHand, None), (ByHand, "mse"), (Backward, "mse"), (Defaults, "mse"),
                                            (Loss, None)])  # fmt: skip
def test_the_same_steps_give_the_same_weights(kind, loss):
    ours, plain = fitted(kind, loss), fitted(Plain, engine="eager")
    for a, b in zip(ours.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_what_a_step_reports_is_in_the_history():
    history = fitted(ByHand, None).history.history
    assert list(history) == ["loss", "twice"]
    assert history["twice"] == pytest.approx([2 * value for value in history["loss"]])


def test_a_loss_of_ones_own_is_the_mean_over_rows():
    net = fitted(Loss, None, validation_data=(X, Y))
    assert net.history.history["val_loss"][-1] == pytest.approx(net.evaluate(X, Y), rel=1e-6)
    assert net.evaluate(X, Y) == pytest.approx(float(np.mean((net.predict(X) - Y) ** 2)), rel=1e-5)


def test_validation_and_evaluation_call_the_test_step():
    class Tested(Plain):
        def test_step(self, data):
            x, y = data
            return {"largest": torch.max(torch.abs(self(x, training=False) - y))}

    net = Tested()
    net.compile("adam", "mse")
    history = net.fit(X, Y, epochs=1, verbose=0, validation_data=(X, Y)).history
    assert list(history) == ["loss", "val_largest"]
    assert net.evaluate(X, Y, return_dict=True)["largest"] == pytest.approx(np.abs(net.predict(X) - Y).max(), rel=1e-5)


def test_prediction_calls_the_predict_step():
    class Shifted(Plain):
        def predict_step(self, data):
            return self(data) + 1.0

    net = Shifted()
    net.compile("adam", "mse")
    np.testing.assert_allclose(net.predict(X), net(X).detach() + 1, atol=1e-6)


def test_two_nets_trained_against_each_other():
    class Adversaries(Model):
        def __init__(self):
            super().__init__(seed=0)
            self.maker, self.judge = Sequential([Dense(3)]), Sequential([Dense(1)])

        def compile(self, maker, judge):
            super().compile()
            self.of_maker, self.of_judge = maker, judge

        def train_step(self, real):
            assert real.shape[1] == 3
            noise = torch.randn(len(real), 2)
            judged = self.judge(real).mean() - self.judge(self.maker(noise).detach()).mean()
            weights = self.judge.trainable_weights
            self.of_judge.apply(torch.autograd.grad(judged, weights), weights)
            made = self.judge(self.maker(noise)).mean()
            weights = self.maker.trainable_weights
            self.of_maker.apply(torch.autograd.grad(made, weights), weights)
            return {"judge": judged, "maker": made}

    def trained():
        net = Adversaries()
        net.compile(handson.optimizers.Adam(0.01), handson.optimizers.Adam(0.01))
        return net.fit(X, epochs=2, batch_size=8, verbose=0, seed=3).history

    first = trained()
    assert list(first) == ["judge", "maker"]
    assert first == trained()


def test_a_layer_adds_to_the_loss_as_in_keras():
    class Pull(Layer):
        def call(self, inputs):
            self.add_loss(0.1 * torch.mean(inputs**2))
            return inputs

    class Theirs(keras.layers.Layer):
        def call(self, inputs):
            self.add_loss(0.1 * keras.ops.mean(inputs**2))
            return inputs

    ours = Sequential([Dense(4, input_dim=3), Pull(), Dense(1)])
    theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), Theirs(), keras.layers.Dense(1)])
    ours.set_weights(theirs.get_weights())
    for net in (ours, theirs):
        net.compile("sgd", "mse")
        net.fit(X, Y, epochs=3, batch_size=8, shuffle=False, verbose=0)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_net_may_bring_its_loss_alone():
    class Coder(Plain):
        def call(self, inputs):
            output = super().call(inputs)
            self.add_loss(torch.mean((output - inputs[:, :1]) ** 2))
            return output

    net = Coder()
    net.compile("adam")
    losses = net.fit(X, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_steps_run_in_eager_alone():
    net = ByHand()
    net.compile("adam", "mse")
    with pytest.raises(HandsonError, match="the engine 'dense' cannot run a net that defines train_step"):
        net.fit(X, Y, engine="dense", verbose=0)


@pytest.mark.parametrize(
    ("returned", "match"),
    [
        (None, r"train_step returns a dictionary of what is reported, such as \{'loss': loss\}; got NoneType"),
        ({"loss": torch.ones(3)}, r"train_step reports single numbers; 'loss' is Tensor \(3,\)"),
        ({"loss": "low"}, "train_step reports single numbers; 'loss' is str"),
    ],
)
def test_what_is_no_report_is_refused(returned, match):
    class Wrong(Plain):
        def train_step(self, data):
            return returned

    net = Wrong()
    net.compile("adam")
    with pytest.raises(HandsonError, match=match):
        net.fit(X, Y, verbose=0)


def test_a_net_without_a_loss_says_so():
    net = Plain()
    net.compile("adam")
    with pytest.raises(HandsonError, match=r"compile has no loss: give compile\(optimizer, loss=...\), or let a layer"):
        net.fit(X, Y, verbose=0)


@pytest.mark.parametrize("name", ["make_train_function", "training_step", "configure_optimizers"])
def test_a_step_that_is_never_called_is_refused(name):
    net = type("Function", (Plain,), {name: lambda self, *batch: None})()
    net.compile("adam", "mse")
    with pytest.raises(HandsonError, match=f"defines {name}, which fit does not call: it would be ignored"):
        net.fit(X, Y, verbose=0)

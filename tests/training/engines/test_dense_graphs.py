"""The dense program on nets between symbols: branches, nets in nets, shared layers, several inputs and outputs."""

import os
import signal

import changes
import numpy as np
import pytest
import torch
from changes import Change
from conformance import LOSSES, METRICS, PENALTIES, close, targets_of
from hypothesis import given, settings
from hypothesis import strategies as st

import handson
from handson import Model, Sequential, activations, ops
from handson.core.errors import HandsonError
from handson.layers import (
    ELU,
    Activation,
    Add,
    Average,
    BatchNormalization,
    Concatenate,
    Dense,
    Dropout,
    Flatten,
    Identity,
    Input,
    LeakyReLU,
    Maximum,
    Minimum,
    Multiply,
    ReLU,
    Rescaling,
    Softmax,
    Subtract,
)
from handson.optimizers import SGD, RMSprop
from handson.training.engines.dense.nets import operations_of
from handson.training.engines.dense.program import Program
from handson.training.preparation.job import Job

OPTIMIZERS = {
    "sgd": lambda: SGD(0.03, momentum=0.9, weight_decay=0.05),
    "clipped": lambda: SGD(0.05, global_clipnorm=0.5, use_ema=True),
    "rmsprop": lambda: RMSprop(0.003),
}

ACTIVATIONS = [
    lambda x: Activation("relu")(x), lambda x: Activation("gelu")(x), lambda x: ReLU()(x), lambda x: ReLU(6.0)(x),
    lambda x: ReLU(negative_slope=0.4)(x), lambda x: LeakyReLU()(x), lambda x: LeakyReLU(0.2)(x), lambda x: ELU()(x),
    lambda x: Softmax()(x), activations.sigmoid, activations.silu, ops.tanh, ops.softmax,
    lambda x: ops.leaky_relu(x, 0.2),
]  # fmt: skip


class Drawn:
    """A net of random layers between symbols; what was drawn before may go into everything that follows."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.inputs = [self._input() for _ in range(self.whole(1, 3))]
        self.values = [Flatten()(x) if len(x.shape) > 2 else x for x in self.inputs]
        self.shared = Dense(4, activation="tanh", name="shared", kernel_regularizer=PENALTIES["both"])
        self.dropped = Dropout(0.3, name="dropped")
        makers = [
            self.dense, self.dropout, self.norm, self.activation, self.joined, self.added, self.combined, self.numbered,
            self.again, self.net,
        ]  # fmt: skip
        for _ in range(self.whole(1, 7)):
            self.values.append(self.one(makers)())
        self.losses = [self.one(sorted(LOSSES)) for _ in range(self.whole(1, 3))]
        self.model = Model(self.inputs, [self.output(loss) for loss in self.losses], seed=1)

    def whole(self, first, last):
        return int(self.rng.integers(first, last + 1))

    def one(self, things):
        return things[self.whole(0, len(things) - 1)]

    def _input(self):
        return Input(self.one([(3,), (5,), (2, 3)]))

    def any(self):
        return self.one(self.values[-3:] if self.rng.random() < 0.7 else self.values)

    def dense(self):
        penalty = PENALTIES.get(self.one([None, None, "l1", "l2"]))
        trains, bias = self.rng.random() < 0.8, self.rng.random() < 0.7
        kind = self.one(["relu", "tanh", "softmax", "silu", "linear"])
        return Dense(self.whole(1, 6), kind, use_bias=bias, trainable=trains, kernel_regularizer=penalty)(self.any())

    def dropout(self):
        return (self.dropped if self.rng.random() < 0.5 else Dropout(0.2, seed=self.one([None, 3])))(self.any())

    def norm(self):
        return BatchNormalization(scale=self.rng.random() < 0.5, momentum=0.8)(self.any())

    def activation(self):
        return self.one(ACTIVATIONS)(self.any())

    def joined(self):
        xs = [self.any() for _ in range(self.whole(2, 3))]
        return Concatenate()(xs) if self.rng.random() < 0.5 else ops.concatenate(xs, axis=1)

    def added(self):
        xs = [Dense(3)(self.any()) for _ in range(self.whole(2, 3))]
        total = Add()([*xs, xs[0]]) if self.rng.random() < 0.5 else xs[0] + xs[1]
        self.values.append(xs[0])
        return total

    def combined(self):
        """Two values or three, value by value; one of them may come twice, and the data alone."""
        xs = [self.one([Dense(4)(self.any()), Dropout(0.3)(Dense(4, "tanh")(self.any()))]) for _ in range(2)]
        self.values.append(self.one(xs))
        three = [*xs, self.one(xs)]
        makers = [
            lambda: Subtract()(xs), lambda: Multiply()(three), lambda: Average()(three), lambda: Maximum()(three),
            lambda: Minimum()(three), lambda: xs[0] - xs[1], lambda: xs[0] * xs[1], lambda: ops.maximum(*xs),
            lambda: (1 - xs[0]) * xs[1] + xs[0] * ops.tanh(xs[1]), lambda: ops.square(xs[0]),
        ]  # fmt: skip
        return self.one(makers)()

    def numbered(self):
        """A value beside a number."""
        x = self.any()
        return self.one([2 * x, x / 3, x + 0.5, 1 - x, x - 1, -x, Rescaling(0.5, 1.0)(x), Identity()(x)])

    def again(self):
        """Weights that are used in several places."""
        return self.shared(Dense(2)(self.any()))

    def net(self):
        """A net inside of the net, which is applied twice."""
        if self.rng.random() < 0.5:
            part = Sequential([Dense(3, "relu"), Sequential([Dropout(0.2), Dense(2, kernel_regularizer="l2")])])
        else:
            a, b = Input((2,)), Input((2,))
            part = Model([a, b], Add()([Dense(2, "tanh")(a), b]))
            first = part([Dense(2)(self.any()), Dense(2)(self.any())])
            return part([first, Dense(2)(self.any())])
        x = Dense(4)(self.any())
        return Concatenate()([part(x), part(Dense(4)(x))])

    def output(self, loss):
        _, activation, kind = LOSSES[loss]
        return Dense(self.width(kind), activation=activation)(self.any())

    @staticmethod
    def width(kind):
        return 3 if kind in ("one hot", "labels") else 2


def of_one(values):
    """As one gives a single input or output."""
    return values[0] if len(values) == 1 else values


def trained(seed, engine, optimizer, missing, weighted):
    drawn = Drawn(seed)
    rng, net, kinds = np.random.default_rng(seed), drawn.model, [LOSSES[loss][2] for loss in drawn.losses]
    rows = int(rng.choice([7, 14, 21]))
    x = [rng.normal(size=(rows, *entry.shape[1:])).astype(np.float32) for entry in drawn.inputs]
    y = [targets_of(kind, rows, drawn.width(kind), missing, rng) for kind in kinds]
    weights = [rng.uniform(0, 2, size=rows).astype(np.float32) for _ in y] if weighted else None
    loss_weights = rng.uniform(0.5, 2, size=len(y)).tolist() if len(y) > 1 else None
    net.compile(
        OPTIMIZERS[optimizer](), of_one([LOSSES[loss][0] for loss in drawn.losses]), loss_weights=loss_weights,
        metrics=METRICS[kinds[0]] if len(y) == 1 else [METRICS[kind] for kind in kinds], scale_inputs="standard",
    )  # fmt: skip
    x, y, weights = of_one(x), of_one(y), weights and of_one(weights)
    history = net.fit(
        x, y, epochs=3, batch_size=8, verbose=0, seed=9, sample_weight=weights, engine=engine,
        validation_data=(x, y) if weights is None else (x, y, weights),
    )  # fmt: skip
    return net, history.history


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 9999), optimizer=st.sampled_from(sorted(OPTIMIZERS)), missing=st.booleans(),
    weighted=st.booleans(),
)  # fmt: skip
def test_random_graphs_are_those_of_the_reference_within_rounding(seed, optimizer, missing, weighted):
    (ours, told), (theirs, expected) = (trained(seed, e, optimizer, missing, weighted) for e in ("dense", "eager"))
    assert told.keys() == expected.keys()
    close(ours.get_weights(), theirs.get_weights())
    for name, values in told.items():
        if "accuracy" not in name:  # an output near the threshold may fall on either side
            np.testing.assert_allclose(values, expected[name], rtol=2e-3, atol=2e-5)
    assert ours.optimizer.iterations == theirs.optimizer.iterations
    for slot, held in theirs.optimizer.slots.items():
        close([ours.optimizer.slots[slot][name].numpy() for name in held], [tensor.numpy() for tensor in held.values()])


def two_inputs(**arguments):
    """Two inputs side by side, so that nothing is between this and a stack."""
    a, b = Input((2,)), Input((3,))
    x = Dense(6, "relu")(Concatenate()([a, b]))
    return Model([a, b], Dense(1, name="out")(Dropout(0.2, name="drop")(x)), seed=1, **arguments)


def of_two_inputs(rng, rows=40):
    x = rng.normal(size=(rows, 5)).astype(np.float32)
    return [x[:, :2], x[:, 2:]], x.sum(1, keepdims=True)


def fitted(net, x, y, **arguments):
    net.fit(x, y, **{"epochs": 3, "batch_size": 8, "verbose": 0, "seed": 2} | arguments)
    return net.get_weights()


def kinds_of(net):
    operations, _ = operations_of(net)
    return [each.kind for each in operations]


def test_inputs_that_lie_side_by_side_are_those_of_a_stack_to_the_bit(rng):
    x, y = of_two_inputs(rng)
    stack = Sequential([Dense(6, "relu"), Dropout(0.2, name="drop"), Dense(1)], seed=1)
    stack.build((None, 5))
    net = two_inputs()
    assert kinds_of(net) == kinds_of(stack)
    stack.set_weights(net.get_weights())
    for each in (net, stack):
        each.compile("adam", "mse")
    found = fitted(net, x, y, engine="dense"), fitted(stack, np.concatenate(x, 1), y, engine="dense")
    assert all(map(np.array_equal, *found))


def test_it_is_the_engine_of_such_nets(rng, capsys, monkeypatch):
    monkeypatch.setattr("handson.training.fit._told", {""})  # what an engine is chosen for is said once in a process
    x, y = of_two_inputs(rng)
    net = two_inputs()
    net.compile("adam", "mse")
    fitted(net, x, y, verbose=1)
    assert "engine='dense'" in capsys.readouterr().out


def test_a_run_that_was_stopped_in_an_epoch_goes_on_with_the_same_bits(rng, tmp_path):
    x, y = of_two_inputs(rng)

    class Stops(handson.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.optimizer.iterations == 8:
                os.kill(os.getpid(), signal.SIGTERM)

    def compiled():
        net = two_inputs()
        net.compile("adam", "mse")
        return net

    expected = fitted(compiled(), x, y, engine="dense", run=tmp_path / "whole")
    with pytest.raises(SystemExit):
        fitted(compiled(), x, y, engine="dense", run=tmp_path / "cut", callbacks=[Stops()])
    found = fitted(compiled(), x, y, engine="dense", run=tmp_path / "cut", callbacks=[Stops()])
    assert all(map(np.array_equal, found, expected))


@pytest.mark.parametrize("change", ["freeze", "drop_more", "punish", "slower"])
def test_what_a_callback_changes_holds_from_then_on(rng, change):
    x, y = of_two_inputs(rng)

    def run(engine):
        a, b = Input((2,)), Input((3,))
        first, second = Dense(3, "tanh")(a), Dense(3, use_bias=False)(b)
        total = Dropout(0.2)(first + BatchNormalization(center=False, scale=False)(second))
        net = Model([a, b], Dense(1, kernel_regularizer="l2")(total), seed=1)
        net.compile(SGD(0.01, 0.9), "huber")
        return fitted(net, x, y, engine=engine, callbacks=[Change(getattr(changes, change))])

    close(run("dense"), run("eager"))


def test_gradients_of_a_stack_take_two_blocks(rng):
    stack = Sequential([Dense(4, "tanh", input_shape=(4,)), *(Dense(4, "relu") for _ in range(5))])
    job = Job(stack, torch.device("cpu"))
    program = Program(job)
    widest = 4 * job.batches.batch_size
    assert program.slopes.size == 2 * -(-widest // 16) * 16


def after(function):
    """A net with a function of three values inside."""

    def build():
        x = Input((3,))
        return Model(x, Dense(1)(function(Dense(3)(x))))

    return build


def thrice():
    x = Input((3,))
    y = Dense(2)(x)
    layer = BatchNormalization(name="norm")
    return Model(x, Dense(1)(layer(layer(y))))


def images():
    x = Input((2, 3))
    return Model(x, Dense(1)(Flatten()(Add()([x, x]))))


def beside_itself():
    x = Input((3,))
    part = Model(a := Input((3,)), [Dense(2)(a), Dense(3)(a)])
    return Model(x, Dense(1)(part(x)[0]))


def counted():
    ids = Input((3,), dtype="int64")
    return Model(ids, Dense(1)(ids))


@pytest.mark.parametrize(
    ("build", "obstacle"),
    [
        (after(lambda x: x**3), "the function power"),
        (after(lambda x: 1 / x), "the function true_divide by something else than a number"),
        (after(lambda x: x * Dense(1)(x)), "the function multiply of what are no rows of numbers of the same size"),
        (after(ReLU(3.0)), r"the layer re_lu.* \(ReLU\) with max_value=3.0"), (after(ops.gelu), "the function gelu"),
        (after(lambda x: ops.elu(x, 2.0)), "the function elu with alpha=2.0"),
        (thrice, r"the layer norm .* in several places"),
        (images, "the layer add .* no rows of numbers"),
        (beside_itself, "a net in which parts are computed that no output needs"),
        (counted, "inputs of type int64"),
    ],
)  # fmt: skip
def test_what_it_does_not_support_is_named(build, obstacle):
    net = build()
    net.compile("sgd", "mse")
    x = np.ones((10, *net.input_shape[1:]), np.float32 if build is not counted else np.int64)
    with pytest.raises(HandsonError, match=f"'dense' cannot run this training: it does not support {obstacle}"):
        net.fit(x, np.ones(10), verbose=0, engine="dense")
    net.fit(x, np.ones(10), verbose=0)

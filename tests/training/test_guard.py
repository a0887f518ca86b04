"""A loss that is not a number: where it began, and what is left of the net."""

import numpy as np
import pytest
import torch

import handson
from handson import Sequential, TrainingError
from handson.callbacks import Callback, TerminateOnNaN
from handson.layers import BatchNormalization, Dense, Dropout, Layer
from handson.optimizers import SGD, Adam
from handson.randomness.stream import current
from handson.schedules import OneCycle
from handson.state.state import TrainingState
from handson.training.guard import FEW_STEPS, Watch


class Poison(Layer):
    """Gives NaN in training when a certain row is in the batch: at the same step whenever it is repeated."""

    def __init__(self, row, **kwargs):
        super().__init__(**kwargs)
        self.row = row

    def forward(self, x):
        stream = current()
        return x * float("nan") if stream is not None and self.row in stream.rows.tolist() else x


def data(rows=64):
    x = np.random.default_rng(0).normal(size=(rows, 3)).astype(np.float32)
    return x, x.sum(1)


def diverging(**kwargs):
    net = Sequential([Dense(8, activation="relu", input_dim=3), Dropout(0.2), Dense(1)], seed=0)
    net.compile(SGD(100.0), "mse", **kwargs)
    return net


def test_divergence_stops_and_names_step_and_layer():
    x, y = data()
    with pytest.raises(TrainingError, match=r"it began in epoch 1, step \d+, in 'dense_\d'.*it is 100; try a tenth"):
        diverging().fit(x, y, batch_size=4, epochs=50, verbose=0)


def test_the_named_step_is_the_first_bad_one():
    """A plain loop over the same steps meets its first loss that is not finite at the step that the error names."""
    x, y = data()
    with pytest.raises(TrainingError) as error:
        diverging().fit(x, y, batch_size=4, epochs=50, shuffle=False, verbose=0)
    losses = []

    class Listen(Callback):
        def on_train_batch_end(self, batch, logs=None):
            losses.append(logs["loss"])

    diverging().fit(
        x, y, batch_size=4, epochs=1, shuffle=False, verbose=0, terminate_on_nan=False, callbacks=[Listen()]
    )
    first = next(step for step, loss in enumerate(losses) if not np.isfinite(loss))
    assert error.value.found.epoch == 0
    assert error.value.found.step in (first, first - 1)


def test_the_layer_that_makes_the_first_nan_is_named():
    x, y = data()
    net = Sequential([Dense(4, input_dim=3), Poison(row=20, name="culprit"), Dense(1)], seed=0)
    net.compile("sgd", "mse")
    with pytest.raises(TrainingError) as error:
        net.fit(x, y, batch_size=8, shuffle=False, verbose=0)
    assert error.value.found[:3] == (0, 2, "culprit")
    assert "its output is NaN" in str(error.value)


def test_the_weights_are_those_of_the_last_finite_state():
    x, y = data()
    net = diverging()
    with pytest.raises(TrainingError):
        net.fit(x, y, batch_size=4, epochs=50, verbose=0)
    assert all(np.isfinite(weight).all() for weight in net.get_weights())
    assert np.isfinite(net.predict(x)).all()


def test_epochs_before_the_divergence_stay_in_the_history():
    x, y = data()
    net = Sequential([Dense(8, activation="relu", input_dim=3), Dense(1)], seed=0)
    net.compile(SGD(0.01), "mse")

    class Blow(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                self.model.optimizer.learning_rate = 1e6

    with pytest.raises(TrainingError, match="epoch 3"):
        net.fit(x, y, batch_size=4, epochs=9, verbose=0, callbacks=[Blow()])
    assert net.history.epoch == [0, 1]


def test_terminate_on_nan_ends_quietly(capsys):
    x, y = data()
    history = diverging().fit(x, y, batch_size=4, epochs=50, verbose=2, callbacks=[TerminateOnNaN()])
    assert len(history.epoch) == 1
    assert "the loss became NaN or infinite" in capsys.readouterr().out


def test_it_can_be_turned_off():
    x, y = data()
    history = diverging().fit(x, y, batch_size=4, epochs=3, verbose=0, terminate_on_nan=False)
    assert len(history.epoch) == 3


def test_a_diverging_run_on_torchs_own_modules_names_the_module():
    x, y = data()
    net = handson.Model(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 1)))
    net.compile(SGD(1e8), "mse")
    with pytest.raises(TrainingError, match=r"in 'module.[01]'"):
        net.fit(x, y, batch_size=4, epochs=20, verbose=0)


def test_a_copy_of_the_state_takes_the_memory_of_an_earlier_one_where_it_fits():
    net = torch.nn.Linear(3, 2)
    optimizer = handson.optimizers.SGD()
    first = TrainingState.of(net, optimizer).copy()
    with torch.no_grad():
        net.weight.add_(1)
    second = TrainingState.of(net, optimizer).copy(first)
    assert second.tensors["weights/weight"] is first.tensors["weights/weight"]
    assert torch.equal(second.tensors["weights/weight"], net.weight)
    net.weight = torch.nn.Parameter(torch.ones(4, 3))
    third = TrainingState.of(net, optimizer).copy(second)
    assert torch.equal(third.tensors["weights/weight"], net.weight)
    assert third.tensors["weights/weight"].data_ptr() != net.weight.data_ptr()
    assert torch.equal(third.tensors["weights/bias"], net.bias)


@pytest.mark.parametrize("engine", ["dense", "eager"])
def test_a_long_epoch_is_not_repeated_step_by_step(engine, monkeypatch):
    """The step is the first bad one of a plain run; few steps were watched, and the net is what it was before them."""
    x, y = data(4000)

    def net():
        net = Sequential([Dense(8, input_dim=3), Dense(1)], seed=0)
        net.compile(SGD(OneCycle(3.0)), "mse")
        return net

    losses, watched = [], []

    class Listen(Callback):
        def on_train_batch_end(self, batch, logs=None):
            losses.append(logs["loss"])

    given = {"batch_size": 4, "shuffle": False, "verbose": 0, "seed": 1, "engine": engine}
    net().fit(x, y, terminate_on_nan=False, callbacks=[Listen()], **given)
    first = next(step for step, loss in enumerate(losses) if not np.isfinite(loss))
    assert first > 3 * FEW_STEPS
    enter = Watch.__enter__
    monkeypatch.setattr(Watch, "__enter__", lambda self: watched.append(self) or enter(self))
    broken = net()
    before = broken.get_weights()
    with pytest.raises(TrainingError) as error:
        broken.fit(x, y, **given)
    assert error.value.found.step in (first, first - 1)
    assert 0 < len(watched) <= FEW_STEPS
    assert all(map(np.array_equal, broken.get_weights(), before))
    assert broken.optimizer.iterations == 0


@pytest.mark.parametrize("engine", ["dense", "eager"])
@pytest.mark.parametrize("optimizer", [lambda: SGD(0.001, momentum=0.9), lambda: Adam(0.001)])
def test_what_an_optimizer_remembers_comes_back_too(engine, optimizer):
    """In the first epoch as well, in which it begins to remember: steps are not repeated with its NaN."""
    x, y = data(400)
    y[200] = 1e30
    net = Sequential([Dense(4, "tanh", input_dim=3), BatchNormalization(), Dense(1)], seed=0)
    net.compile(optimizer(), "mse")
    before = net.get_weights()
    with pytest.raises(TrainingError) as error:
        net.fit(x, y, batch_size=4, shuffle=False, verbose=0, engine=engine)
    assert error.value.found.step == 50
    assert all(map(np.array_equal, net.get_weights(), before))
    assert net.optimizer.iterations == 0
    assert not any(tensor.any() for held in net.optimizer.slots.values() for tensor in held.values())


@pytest.mark.parametrize("engine", ["dense", "eager"])
@pytest.mark.parametrize("bad", [17, 49, 74])
@pytest.mark.parametrize("wrong", ["first", "second"])
def test_weights_that_overflow_in_an_update_are_found_at_that_step_in_that_layer(engine, bad, wrong):
    """One row has a gradient that is finite, and with the rate in it is not; the others have none.

    After steps 49 and 74 the search for the step cuts the epoch: there the losses so far are finite.
    """
    x, y = np.zeros((100, 1), np.float32), np.zeros((100, 1), np.float32)
    x[bad], y[bad] = (1e10, 0.0) if wrong == "first" else (1e-10, 1e9)
    net = Sequential([Dense(1, use_bias=False, input_dim=1, name="first"), Dense(1, use_bias=False, name="second")])
    # The gradients are 2 (p - y) b x and 2 (p - y) a x for the weights a and b.
    net.set_weights(
        [np.array([[1e-10 if wrong == "first" else 1e10]]), np.array([[1.0 if wrong == "first" else 1e-10]])]
    )
    net.compile(SGD(1e30), "mse")
    with pytest.raises(TrainingError) as error:
        net.fit(x, y, batch_size=1, shuffle=False, verbose=0, engine=engine)
    assert error.value.found == (0, bad, wrong, "its kernel after the update")
    assert net.optimizer.iterations == 0

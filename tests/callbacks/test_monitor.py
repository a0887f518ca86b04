"""Monitoring: the numbers are those of the step, and the training does not change by a bit."""

import copy
import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from handson import HandsonError, Model, Sequential, layers
from handson.callbacks import Callback, EarlyStopping, Monitor
from handson.kernels.library import missing
from handson.monitoring import Journal
from handson.optimizers import SGD, Adam

ENGINES = ["eager"] if missing() else ["eager", "auto"]


def data(rows=96, shape=(3,)):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, *shape)).astype(np.float32)
    return x, x.reshape(rows, -1).sum(1, keepdims=True)


def dense(**compiled):
    net = Sequential([layers.Dense(8, activation="relu", input_dim=3), layers.Dropout(0.2), layers.Dense(1)], seed=0)
    net.compile(**{"optimizer": "adam", "loss": "mse", **compiled})
    return net


def on_clock(monkeypatch, clock):
    """Let the loop and the monitor read another clock."""
    for place in ("training.pace", "training.looking", "callbacks.monitor"):
        monkeypatch.setattr(f"handson.{place}.time", SimpleNamespace(perf_counter=clock))


# What a look says.


def test_weights_gradients_and_updates_are_those_of_plain_torch():
    x, y = data(32)
    net = Sequential([layers.Dense(4, activation="tanh", input_dim=3), layers.Dense(1)], seed=0)
    net.compile(SGD(0.1), "mse")
    weights = [parameter.detach().clone().requires_grad_() for parameter in net.parameters()]
    net.fit(x, y, batch_size=32, epochs=1, verbose=0, monitor=True)
    first = net.history.journal.looks[0]
    output = torch.tanh(torch.from_numpy(x) @ weights[0] + weights[1]) @ weights[2] + weights[3]
    loss = (output - torch.from_numpy(y)).square().mean()
    gradients = torch.autograd.grad(loss, weights)
    for name, part in (("dense", slice(0, 2)), ("dense_1", slice(2, 4))):
        gradient = float(torch.cat([g.reshape(-1) for g in gradients[part]]).norm())
        weight = float(torch.cat([w.detach().reshape(-1) for w in weights[part]]).norm())
        found = first.layers[name]
        np.testing.assert_allclose(
            [found.weight, found.gradient, found.update], [weight, gradient, 0.1 * gradient], rtol=1e-4
        )
        assert found.ratio == pytest.approx(found.update / found.weight)
    assert first.layers["dense"].size == 16
    assert first.loss == pytest.approx(float(loss.detach()), rel=1e-4)


def test_the_first_update_of_adam_is_the_learning_rate_in_every_weight():
    x, y = data()
    net = dense(optimizer=Adam(0.01))
    net.fit(x, y, verbose=0, monitor=True)
    found = net.history.journal.looks[0].layers["dense_1"]
    assert found.update == pytest.approx(0.01 * found.size**0.5, rel=1e-3)


def test_the_rows_and_the_dropout_of_a_look_are_those_of_the_step():
    """With one step per look, the loss that a look saw is the loss that the step had."""
    x, y = data()
    net, losses = dense(), []

    class Steps(Callback):
        def on_train_batch_end(self, batch, logs=None):
            losses.append((logs["loss"], batch))

    net.fit(x, y, epochs=1, verbose=0, callbacks=[Steps(), Monitor(every=1)])
    seen = [look.loss for look in net.history.journal.looks[:3]]
    means = [sum(seen[: number + 1]) / (number + 1) for number in range(3)]
    np.testing.assert_allclose(means, [loss for loss, _ in losses], rtol=1e-4)


def test_looks_are_dense_at_first(monkeypatch):
    """On a clock that stands still, so that a busy machine makes no stretch shorter."""
    on_clock(monkeypatch, lambda: 0.0)
    x, y = data(32 * 64)
    net = dense()
    net.fit(x, y, epochs=100, verbose=0, monitor=True)
    steps = net.history.journal.steps.tolist()
    assert steps[:7] == [0, 1, 3, 7, 15, 31, 63]
    assert steps[-1] == 6399, "and the last step"
    net.fit(x, y, epochs=100, verbose=0, monitor=True)
    assert net.history.journal.steps[:3].tolist() == [6400, 6401, 6403]


def test_a_short_training_is_looked_at_less_often(monkeypatch):
    monkeypatch.setattr("handson.callbacks.monitor.FREE", 0.0)
    monkeypatch.setattr("handson.callbacks.monitor.SHARE", 0.0)
    x, y = data(32 * 50)
    net = dense()
    net.fit(x, y, epochs=1, verbose=0, monitor=True)
    assert net.history.journal.steps.tolist() == [0]


def test_later_looks_take_their_share_of_the_time_and_no_more(monkeypatch):
    """On a clock that goes on by a second whenever it is read: eight times for a look, twice for a stretch."""
    seconds = itertools.count()
    on_clock(monkeypatch, lambda: float(next(seconds)))
    x, y = data(32 * 10)
    net, monitor = dense(), Monitor()
    net.fit(x, y, epochs=80, verbose=0, callbacks=[monitor], engine="eager")
    later = sum(step >= 30 for step in monitor.journal.steps)
    assert later > 3
    assert 0.015 < monitor.seconds / next(seconds) < 0.035


@pytest.mark.parametrize("every", [1, 5, 7])
def test_a_given_interval_is_kept_over_epochs(every):
    x, y = data(32 * 7)
    net = dense()
    net.fit(x, y, epochs=3, verbose=0, monitor=Monitor(every=every))
    steps = net.history.journal.steps
    gaps = np.diff(steps[:-1])
    assert steps[-1] == 20, "the last step, too"
    assert gaps.min() >= every
    assert gaps.max() <= 2 * every


def test_several_outputs_and_layers_in_nets_have_their_names():
    x = layers.Input((3,))
    inner = Sequential([layers.Dense(4, activation="relu", input_dim=3)], name="inner")
    hidden = inner(x)
    net = Model(x, {"a": layers.Dense(1, name="a")(hidden), "b": layers.Dense(1, name="b")(hidden)}, seed=0)
    net.compile("sgd", "mse", loss_weights={"a": 1.0, "b": 0.5})
    inputs, target = data()
    before = net.evaluate(inputs[:32], {"a": target[:32], "b": target[:32]}, return_dict=True)
    net.fit(inputs, {"a": target, "b": target}, shuffle=False, verbose=0, monitor=True)
    journal = net.history.journal
    assert journal.layers == ["inner.dense", "a", "b"]
    assert journal.looks[0].loss == pytest.approx(before["loss"], rel=1e-4)


def test_a_net_of_pytorch_is_looked_into():
    x, y = data()
    net = Model(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)))
    net.compile("adam", "mse")
    net.fit(x, y, verbose=0, monitor=True)
    found = net.history.journal.looks[0].layers
    assert list(found) == ["module.0", "module.1", "module.2"]
    assert found["module.0"].gradient > 0
    assert found["module.1"].saturated is not None


def test_frozen_layers_have_activations_and_no_updates():
    x, y = data()
    net = dense()
    net.layers[0].trainable = False
    net.fit(x, y, verbose=0, monitor=True)
    found = net.history.journal.looks[0].layers["dense"]
    assert found.spread > 0
    assert found.update is None


def test_a_gradient_that_overflows_is_not_a_number_in_the_journal(tmp_path):
    x, y = data()
    net = dense(optimizer=SGD(1e30))
    net.fit(x, y, epochs=3, verbose=0, terminate_on_nan=False, monitor=Monitor(1, tmp_path / "a.jsonl"))
    values = Journal.read(tmp_path / "a.jsonl").series("dense_1", "gradient")[1]
    assert np.isfinite(values[0])
    assert np.isnan(values[-1])


# The training does not change.


class Noisy(layers.Layer):
    """Draws from NumPy's and torch's global generators, and counts in a buffer and in an attribute."""

    seen = 0

    def build(self, input_shape):
        self.register_buffer("calls", torch.zeros(1), persistent=False)

    def call(self, inputs, training=False):
        if not training:
            return inputs
        self.calls += 1
        self.seen += 1
        drawn = torch.randn(()) + float(np.random.normal())  # noqa: NPY002
        return inputs + 0.1 * drawn + 0.01 * self.calls * self.seen


def stack(*parts, optimizer="adam", loss="mse"):
    net = Sequential(list(parts), seed=0)
    net.compile(optimizer, loss)
    return net


JOBS = {
    "dense": (lambda: dense(), (3,)),
    "momentum": (lambda: dense(optimizer=SGD(0.01, momentum=0.9, clipnorm=0.5)), (3,)),
    "averages": (lambda: dense(optimizer=Adam(0.01, use_ema=True)), (3,)),
    "gathered": (lambda: dense(optimizer=Adam(0.01, gradient_accumulation_steps=3)), (3,)),
    "penalties": (lambda: stack(layers.Dense(4, kernel_regularizer="l2", input_dim=3), layers.Dense(1)), (3,)),
    "normalized": (
        lambda: stack(layers.Dense(6, input_dim=3), layers.BatchNormalization(), layers.ReLU(), layers.Dense(1)),
        (3,),
    ),
    "images": (
        lambda: stack(
            layers.Conv2D(4, 3, activation="relu", input_shape=(8, 8, 1)), layers.MaxPooling2D(), layers.Dropout(0.3),
            layers.Flatten(), layers.Dense(1),
        ),
        (8, 8, 1),
    ),
    "lstm": (lambda: stack(layers.LSTM(4, input_shape=(5, 2)), layers.Dense(1)), (5, 2)),
    "stateful": (
        lambda: stack(layers.Input((5, 2), batch_size=32), layers.LSTM(4, stateful=True), layers.Dense(1)),
        (5, 2),
    ),
    "torch": (lambda: stack(Model(nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1)))), (3,)),
    "noisy": (lambda: stack(layers.Dense(4, input_dim=3), Noisy(), layers.Dense(1)), (3,)),
}  # fmt: skip


def everything(net):
    """The history, the weights and buffers, and what the optimizer remembers."""
    slots = {f"{slot}/{name}": value for slot, held in net.optimizer.slots.items() for name, value in held.items()}
    tensors = dict(net.state_dict()) | dict(net.named_buffers()) | slots
    history = net.history.history
    return history, net.optimizer.iterations, {name: value.detach().numpy().copy() for name, value in tensors.items()}


def same(first, second):
    assert first[:2] == second[:2]
    assert first[2].keys() == second[2].keys()
    for name, value in first[2].items():
        np.testing.assert_array_equal(value, second[2][name], err_msg=name)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", JOBS)
def test_the_training_is_the_same_bit_for_bit(name, engine):
    make, shape = JOBS[name]
    x, y = data(96, shape)
    results = []
    for monitor in (False, Monitor(every=1), True):
        np.random.seed(7)  # noqa: NPY002
        torch.manual_seed(7)
        net = make()
        held_out = x[:32], y[:32]
        net.fit(x, y, epochs=3, verbose=0, engine=engine, validation_data=held_out, batch_size=32, monitor=monitor)
        generators = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
        results.append((*everything(net), *generators))
    for other in results[1:]:
        same(results[0][:3], other[:3])
        assert results[0][3:] == other[3:], "the global generators of NumPy and torch are where they were"


def numbers(journal):
    """All that was seen, by step, layer and quantity."""
    return {
        (look.step, name, quantity): value
        for look in journal.looks
        for name, layer in look.layers.items()
        for quantity, value in layer.model_dump(exclude={"kind"}, exclude_none=True).items()
    } | {(look.step, "", "loss"): look.loss for look in journal.looks}


@pytest.mark.parametrize("name", JOBS)
def test_a_step_that_is_trained_shows_what_its_rehearsal_shows(name):
    """A single monitor looks into steps that are trained; for two of them the steps are rehearsed."""
    make, shape = JOBS[name]
    x, y = data(96, shape)
    nets, monitors = [make()], [Monitor(every=1) for _ in range(3)]
    nets.append(copy.deepcopy(nets[0]))
    for net, callbacks in zip(nets, (monitors[:1], monitors[1:]), strict=True):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            np.random.seed(7)  # noqa: NPY002
            net.fit(x, y, epochs=4, verbose=0, batch_size=32, callbacks=callbacks)
    trained, *rehearsed = [numbers(monitor.journal) for monitor in monitors]
    assert len(monitors[0].journal) == 12
    for found in rehearsed:
        assert found.keys() == trained.keys()
        np.testing.assert_allclose(list(found.values()), [trained[key] for key in found], rtol=1e-4, atol=1e-6)


def test_weights_that_a_forward_pass_changes_are_put_back():
    """What the forward pass under probes leaves in weights, even behind autograd's back, is taken back."""

    class Growing(layers.Dense):
        def call(self, inputs):
            self.kernel.data = 1.01 * self.kernel.data
            return super().call(inputs)

    x, y = data()
    results = []
    for monitor in (False, Monitor(every=1)):
        net = stack(Growing(4, input_dim=3), layers.Dense(1))
        net.fit(x, y, epochs=2, verbose=0, monitor=monitor)
        results.append(everything(net))
    same(*results)


def test_a_generator_is_not_read_further():
    def batches():
        while True:
            yield data(32)

    taken = []

    def counted():
        for batch in batches():
            taken.append(1)
            yield batch

    results = []
    for monitor in (False, Monitor(every=1)):
        net = dense()
        net.fit(counted(), steps_per_epoch=5, epochs=3, verbose=0, monitor=monitor)
        results.append(everything(net))
    same(*results)


def test_epochs_at_whose_ends_nothing_is_due_still_run_several_at_once():
    x, y = data()
    calls, net = [], dense()
    net.fit(x, y, epochs=40, verbose=0, monitor=True)
    steps = net.history.journal.steps
    assert len(steps) < 40, calls


def test_a_train_step_of_ones_own_cannot_be_taken_back():
    class Own(Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, inputs):
            return self.dense(inputs)

        def train_step(self, batch):
            return {"loss": 0.0}

    net = Own()
    net.compile("sgd", "mse")
    with pytest.raises(HandsonError, match="Own defines its own train_step"):
        net.fit(*data(), verbose=0, monitor=True)


@pytest.mark.parametrize("monitor", ["yes", 3, None])
def test_monitor_is_a_switch_or_a_monitor(monitor):
    with pytest.raises(HandsonError, match="monitor is True, False or"):
        dense().fit(*data(), verbose=0, monitor=monitor)


# Recorded trainings.


class Stop(Callback):
    """Ends a training from outside, after an epoch."""

    passive = True

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


def test_a_recorded_training_keeps_its_journal(tmp_path):
    net = dense()
    net.fit(*data(), epochs=2, verbose=0, run=tmp_path / "run", monitor=True)
    journal = Journal.read(tmp_path / "run")
    assert journal.steps.tolist() == net.history.journal.steps.tolist()
    assert (tmp_path / "run" / Journal.file).read_text().count("\n") == len(journal)


def test_a_run_goes_on_with_monitoring_and_without(tmp_path):
    x, y = data()
    stop, undisturbed = EarlyStopping("loss", patience=50), dense()
    undisturbed.fit(x, y, epochs=6, verbose=0, callbacks=[stop])
    for number, monitors in enumerate([(False, True), (True, False), (True, True)]):
        folder = tmp_path / str(number)
        for monitor, callbacks in zip(monitors, ([Stop(2)], []), strict=True):
            net, early = dense(), EarlyStopping("loss", patience=50)
            arguments = {"epochs": 6, "verbose": 0, "run": folder, "checkpoint_seconds": 0, "monitor": monitor}
            try:
                net.fit(x, y, callbacks=[*callbacks, early], **arguments)
            except (KeyboardInterrupt, SystemExit):
                continue
        same(everything(net), everything(undisturbed))
        assert early.best == stop.best
        steps = Journal.read(folder).steps
        assert (np.diff(steps) > 0).all()


def test_a_journal_that_cannot_be_written_does_not_stop_the_training(tmp_path, capsys):
    net = dense()
    net.fit(*data(), verbose=0, monitor=Monitor(path=tmp_path))
    assert "journal is not written" in capsys.readouterr().out
    assert len(net.history.journal) > 0

"""The loop, its spans, sums and state; the history."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from handson import Sequential
from handson.callbacks import Callback, CallbackList
from handson.core.errors import HandsonError
from handson.data.rows.batches import Batches
from handson.layers import BatchNormalization, Dense, Dropout
from handson.optimizers import Adam
from handson.state.history import History
from handson.state.state import TrainingState
from handson.state.sums import Sums
from handson.training.engines import choose
from handson.training.pace import Pace
from handson.training.preparation.job import Span, Stretch
from handson.training.preparation.prepare import make_job, prepare_rows
from handson.training.recording.record import NoRecord
from handson.training.session import Session


def net(seed=0):
    model = Sequential([Dense(6, input_dim=3), BatchNormalization(), Dropout(0.3), Dense(1)], seed=seed)
    model.compile(Adam(0.01), "mse", metrics=["mae"])
    return model


def data():
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    return x, x.sum(1)


class Every(Callback):
    """Wants to see every so many steps."""

    def __init__(self, interval):
        self.interval, self.steps = interval, []

    @property
    def step_interval(self):
        return self.interval

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(batch)


@given(steps=st.integers(1, 50), interval=st.integers(1, 9))
def test_spans_cover_an_epoch_and_stop_where_a_callback_wants_a_step(steps, interval):
    batches = Batches(torch.zeros(steps, 1), torch.zeros(steps, 1), batch_size=1)
    session = Session(
        model=SimpleNamespace(age=0), engine=SimpleNamespace(job=SimpleNamespace(batches=batches)), history=History(),
        callbacks=CallbackList([Every(interval)], model=None, params={}), record=NoRecord(),
        arguments=SimpleNamespace(initial_epoch=0, epochs=1, evaluate_training=False),
    )  # fmt: skip
    spans = [span for stretch in Pace(session).stretches(0, 0, Sums()) for span in stretch.spans]
    assert [span.first for span in spans] == [0, *(span.last for span in spans[:-1])]
    assert spans[-1].last == steps
    assert set(range(interval, steps + 1, interval)) <= {span.last for span in spans}


@pytest.mark.parametrize("interval", [1, 2, 3])
def test_looking_at_steps_changes_no_number(interval):
    x, y = data()
    plain, watched, watcher = net(), net(), Every(interval)
    plain.fit(x, y, epochs=2, batch_size=8, verbose=0)
    history = watched.fit(x, y, epochs=2, batch_size=8, verbose=0, callbacks=[watcher])
    assert all(np.array_equal(a, b) for a, b in zip(plain.get_weights(), watched.get_weights(), strict=True))
    assert plain.history.history == history.history
    assert watcher.steps == [step for step in range(7) if (step + 1) % interval == 0] * 2


def test_step_logs_are_the_means_so_far():
    x, y = data()
    seen = []

    class Listen(Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(dict(logs))

    history = net().fit(x, y, batch_size=8, verbose=0, callbacks=[Listen()])
    assert seen[-1]["loss"] == history.history["loss"][0]
    assert set(seen[0]) == {"loss", "mae"}


def test_a_run_can_stop_and_go_on_at_any_step_of_any_epoch():
    """State copied in the middle of an epoch and put into a fresh net: the rest is the same, bit for bit."""
    x, y = data()
    whole, first, second = net(), net(), net(seed=99)
    engines = []
    for model in (whole, first, second):
        rows = prepare_rows(model, x, y)
        batches = rows.batches(8, model.device, True, 5)
        engines.append(choose(make_job(model, rows, lambda kept=batches: kept, 5, None)))
    engines[0].run(Stretch([Span(0, 0, 7, 7, 1, 0)], [Sums()]))
    engines[1].run(Stretch([Span(0, 0, 3, 7, 1, 0)], [Sums()]))
    engines[1].job.state.copy().restore(second, second.optimizer)
    engines[2].run(Stretch([Span(0, 3, 7, 7, 1, 0)], [Sums()]))
    ours, theirs = engines[2].job.state, engines[0].job.state
    assert ours.tensors.keys() == theirs.tensors.keys()
    assert all(torch.equal(ours.tensors[name], theirs.tensors[name]) for name in ours.tensors)
    assert ours.values == theirs.values


def test_the_state_is_flat_and_live():
    model = net()
    x, y = data()
    model.fit(x, y, verbose=0)
    state = TrainingState.of(model, model.optimizer)
    assert "weights/dense.kernel" in state.tensors
    assert "optimizer/momentum/dense.kernel" in state.tensors
    assert state.values == {"optimizer": {"iterations": 2, "learning_rate": 0.01}}
    before = state.copy()
    model.fit(x, y, verbose=0)
    assert not torch.equal(state.tensors["weights/dense.kernel"], before.tensors["weights/dense.kernel"])


@given(st.lists(st.tuples(st.floats(-1e6, 1e6, width=32), st.integers(1, 100)), min_size=1, max_size=40), st.data())
def test_sums_do_not_depend_on_when_they_are_read(pairs, draw):
    often, once = Sums(), Sums()
    for total, count in pairs:
        for sums in (often, once):
            sums.add("loss", torch.tensor(total), count)
        if draw.draw(st.booleans()):
            often.read()
    assert often.means() == once.means()
    assert once.means()["loss"] == pytest.approx(math.fsum(t for t, _ in pairs) / sum(c for _, c in pairs), abs=1e-6)
    assert Sums.from_state(once.state()).means() == once.means()


def test_a_mean_over_nothing_is_nan_but_finite_is_about_totals():
    sums = Sums()
    sums.add("loss", torch.tensor(0.0), torch.tensor(0))
    assert math.isnan(sums.means()["loss"])
    assert sums.finite()
    sums.add("loss", torch.tensor(float("inf")), 1)
    assert not sums.finite()


def test_validation_frequency_leaves_gaps():
    x, y = data()
    history = net().fit(x, y, epochs=4, validation_data=(x, y), validation_freq=2, verbose=0)
    assert [math.isnan(value) for value in history.history["val_loss"]] == [True, False, True, False]


def test_history_finds_the_best_epoch():
    history = History()
    for epoch, (loss, validation) in enumerate([(3, 5), (2, 4), (1, 6)]):
        history.append(epoch, {"loss": loss, "val_loss": validation})
    assert history.best() == (1, "val_loss", 4)
    assert history.best("loss") == (2, "loss", 1)
    assert repr(history) == "History(3 epochs, best val_loss 4 in epoch 2)"


def test_initial_epoch_counts_from_there():
    x, y = data()
    history = net().fit(x, y, initial_epoch=3, epochs=5, verbose=0)
    assert history.epoch == [3, 4]


def test_the_split_is_said_and_kept(capsys):
    x, y = data()
    history = net().fit(x, y, validation_split=0.2, verbose=2)
    assert history.notes == ["split: 40 rows train, 10 validate (50 rows, shuffled)"]
    assert history.notes[0] in capsys.readouterr().out


def test_groups_are_not_divided_in_fit():
    x, y = data()
    seen = []

    class Listen(Callback):
        def on_train_begin(self, logs=None):
            seen.append(self.params["steps"])

    groups = np.repeat(np.arange(5), 10)
    net().fit(x, y, validation_split=0.2, groups=groups, batch_size=1, verbose=0, callbacks=[Listen()])
    assert seen == [40]


def test_one_line_per_epoch_when_the_output_is_no_terminal(capsys):
    x, y = data()
    net().fit(x, y, epochs=3, validation_data=(x, y))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if "/" in line.split()[0]] == ["1/3", "2/3", "3/3"]
    assert any("loss (during the epoch)" in line for line in lines)


def test_silence(capsys):
    x, y = data()
    net().fit(x, y, validation_split=0.2, verbose=0)
    assert capsys.readouterr().out == ""


def test_a_job_with_a_wrong_engine_name():
    with pytest.raises(HandsonError, match="unknown engine 'eagre'. Did you mean 'eager'"):
        choose(None, "eagre")

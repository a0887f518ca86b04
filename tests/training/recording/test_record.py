"""What a run folder holds is checked before a training goes on; what cannot be written is told."""

import errno
import json
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest
from interrupted import EPOCHS, ROWS, STEPS, Interrupt, data, dense, everything, train

from handson import Sequential, layers
from handson.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
)
from handson.core.errors import HandsonError, TrainingError
from handson.optimizers import Adam
from handson.training.recording import checkpoint, keeper
from handson.training.recording.interruption import Stopped


@pytest.fixture(autouse=True)
def _write_often(monkeypatch):
    """As often as the thread can; a process that ends needs no flush, only a power failure does."""
    monkeypatch.setattr(keeper, "MOST_SHARE", 1.0)
    monkeypatch.setattr(os, "fsync", lambda handle: None)


# What may not change


def shake(inputs, targets):
    return inputs + 0.1, targets


CHANGES = {
    "epochs": ({"epochs": 4}, r"fit\.epochs: 3 before, 4 now"),
    "batch_size": ({"batch_size": 4}, r"fit\.batch_size: 8 before, 4 now"),
    "seed": ({"seed": 4}, r"fit\.seed: 3 before, 4 now"),
    "shuffle": ({"shuffle": False}, r"fit\.shuffle: True before, False now"),
    "validation": ({"validation_split": 0.5}, r"data\.training\.rows: 30 before, 19 now"),
    "validation_batch_size": ({"validation_batch_size": 3}, r"fit\.validation_batch_size: None before, 3 now"),
    "evaluate_training": ({"evaluate_training": True}, r"fit\.evaluate_training: False before, True now"),
    "weights": ({"sample_weight": np.ones(ROWS)}, r"data\.training\.weights: None before, '\w+' now"),
    "data": ({"data": (data()[0] + 1, data()[1])}, r"data\.training\.inputs: '\w+' before, '\w+' now"),
    "targets": ({"data": (data()[0], data()[1] + 1)}, r"data\.training\.targets: '\w+' before, '\w+' now"),
    "net": ({"make": lambda: Sequential([layers.Dense(1)])}, r"net\.config\.layers: .* before, .* now"),
    "optimizer": ({"optimizer": lambda: Adam(0.02)}, r"compile\.optimizer\.config\.learning_rate: 0\.01 before, 0\.02"),
    "metrics": ({"compile": {"metrics": ["mse"]}}, r"compile\.metrics\[0\]\.class: 'MeanAbsoluteError' before"),
    "scaling": ({"compile": {"scale_inputs": "minmax"}}, r"compile\.scale_inputs: None before, 'minmax' now"),
    "callbacks": ({"callbacks": [lambda: EarlyStopping(patience=3)]}, r"fit\.callbacks: .* before, .* now"),
    "loss": ({"compile": {"loss": "mae"}}, r"compile\.loss\.class: 'MeanSquaredError' before, 'MeanAbsoluteError' now"),
    "scaled targets": ({"compile": {"scale_targets": "minmax"}}, r"compile\.scale_targets: None before, 'minmax' now"),
    "validation rows": ({"validation_data": data()}, r"data\.validation\.rows: 7 before, 37 now"),
    "validation inputs": ({"data": (data()[0] + 1, data()[1])}, r"data\.validation\.inputs: '\w+' before, '\w+' now"),
    "validation targets": ({"data": (data()[0], -data()[1])}, r"data\.validation\.targets: '\w+' before, '\w+' now"),
    "validation weights": (
        {"validation_data": (*data(), np.ones(ROWS))}, r"data\.validation\.weights: None before, '\w+' now"
    ),
    "augment": ({"augment": shake}, r"fit\.augment: None before, 'shake' now"),
    "code": ({"augment": shake}, r"code\.shake: None before, '\w+' now"),
    "missing": ({"missing": "drop"}, r"fit\.missing: 'mask' before, 'drop' now"),
    "validation_freq": ({"validation_freq": 2}, r"fit\.validation_freq: 1 before, 2 now"),
    "terminate_on_nan": ({"terminate_on_nan": False}, r"fit\.terminate_on_nan: True before, False now"),
    "initial_epoch": ({"initial_epoch": 1}, r"fit\.initial_epoch: 0 before, 1 now"),
    "engine": ({"engine": "eager"}, r"fit\.engine: 'auto' before, 'eager' now"),
    "precision": ({"compile": {"precision": "bfloat16"}}, r"compile\.precision: None before, 'bfloat16' now"),
}  # fmt: skip
# What a message is about when it names a part of a key.
DESCRIBED_BY = {"net", "compile.optimizer", "compile.loss", "compile.metrics", "code"}


def keys(described, path=""):
    """The keys of a description, down to what is compared as a whole."""
    for key, value in described.items():
        place = f"{path}{key}"
        if isinstance(value, dict) and place not in DESCRIBED_BY:
            yield from keys(value, f"{place}.")
        else:
            yield place


def test_every_key_that_is_described_has_a_case(stopped):
    described = json.loads((stopped / "run.json").read_text())["fingerprint"]
    assert described.pop("compiled_by")  # says whether hashes of code can be compared
    messages = [message.replace("\\", "") for _, message in CHANGES.values()]
    missing = [key for key in keys(described) if not any(message.startswith(key) for message in messages)]
    assert missing == []
    assert len(list(keys(described))) > 20


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.raises(Stopped):
        train(folder, [(1, 2)])
    return folder


@pytest.mark.parametrize(("changed", "message"), CHANGES.values(), ids=CHANGES)
def test_a_change_is_refused_and_shown(stopped, changed, message):
    before = {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()}
    with pytest.raises(HandsonError, match=rf"(?s)was begun with something else:.*{message}.*resume='force'.*another"):
        train(stopped, **changed)
    assert {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()} == before


def test_with_force_it_goes_on_where_it_was(tmp_path):
    with pytest.raises(Stopped):
        train(tmp_path / "run", [(1, 2)])
    _, _, history = train(tmp_path / "run", resume="force", epochs=5)
    assert (history.epoch, history.params["epochs"]) == ([0, 1, 2, 3, 4], 5)
    train(tmp_path / "run", epochs=5)  # from now on this is what the run is made of


def test_a_finished_run_can_be_lengthened_by_force(tmp_path):
    train(tmp_path / "run")
    assert train(tmp_path / "run", resume="force", epochs=5)[2].epoch == [0, 1, 2, 3, 4]


def test_never_refuses_a_folder_that_holds_a_run(tmp_path):
    train(tmp_path / "run", resume="never")
    with pytest.raises(HandsonError, match=r"run holds a run already; resume='auto' goes on with it"):
        train(tmp_path / "run", resume="never")
    with pytest.raises(HandsonError, match="resume is one of 'auto', 'never', 'force', 'join'; got 'always'"):
        train(tmp_path / "run", resume="always")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"seed": 3}', b"\xff", b"{"])
def test_a_damaged_description_of_the_run_is_named(tmp_path, content):
    train(tmp_path / "run")
    (tmp_path / "run" / "run.json").write_bytes(content)
    with pytest.raises(HandsonError, match=r"run/run.json is damaged.*resume='force'"):
        train(tmp_path / "run")


def test_checkpoints_of_nobody_knows_what_are_refused(tmp_path):
    with pytest.raises(Stopped):
        train(tmp_path / "run", [(1, 2)])
    (tmp_path / "run" / "run.json").unlink()
    with pytest.raises(HandsonError, match=r"holds checkpoints, but no run\.json.*resume='force'"):
        train(tmp_path / "run")
    assert train(tmp_path / "run", resume="force")[2].epoch == [0, 1, 2]


def test_losses_and_callbacks_that_no_file_can_describe_are_no_obstacle(tmp_path):
    def own_loss(true, predicted):
        return (true - predicted).abs()

    def fit(plan=()):
        net, (x, y) = dense(), data()
        net.compile("adam", own_loss, metrics=[own_loss])
        return net.fit(x, y, epochs=2, seed=1, verbose=0, run=tmp_path / "run", callbacks=[Interrupt(plan)])

    with pytest.raises(Stopped):
        fit([(0, 0)])
    assert fit().epoch == [0, 1]


# Damage, NaN, and a full memory


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", [checkpoint.TENSORS, checkpoint.STATE, checkpoint.MANIFEST])
def test_when_the_newest_checkpoint_is_damaged_the_older_one_takes_its_place(tmp_path, name, capsys):
    """The end is the same: and the damaged one does not stay in the way of the one that is written in its place."""
    undisturbed = everything(*train(tmp_path / "whole"))
    with pytest.raises(Stopped):
        train(tmp_path / "run", [(1, 2)])
    newest, older = checkpoint.generations(tmp_path / "run" / "checkpoints")[:2]
    damage(newest / name)
    assert everything(*train(tmp_path / "run")) == undisturbed
    told = capsys.readouterr().out
    assert str(newest if name == checkpoint.MANIFEST else newest / name) in told
    assert f"checkpoint {older.name} is whole, and takes its place" in told
    kept = checkpoint.generations(tmp_path / "run" / "checkpoints")
    assert kept[0].name.endswith("finished")
    for folder in kept:
        checkpoint.verify(folder)
    assert [path.name for path in (tmp_path / "run" / "checkpoints" / checkpoint.ASIDE).iterdir()] == [newest.name]


def test_the_finished_checkpoint_damaged_is_made_again(tmp_path):
    """Its name is the one that the end of the training writes once more."""
    undisturbed = everything(*train(tmp_path / "run"))
    damage(checkpoint.generations(tmp_path / "run" / "checkpoints")[0] / checkpoint.STATE)
    assert everything(*train(tmp_path / "run")) == undisturbed
    checkpoint.verify(checkpoint.generations(tmp_path / "run" / "checkpoints")[0])


def test_when_every_checkpoint_is_damaged_it_begins_anew_and_says_so(tmp_path, capsys):
    undisturbed = everything(*train(tmp_path / "whole"))
    with pytest.raises(Stopped):
        train(tmp_path / "run", [(1, 2)])
    for folder in checkpoint.generations(tmp_path / "run" / "checkpoints"):
        damage(folder / checkpoint.TENSORS)
    assert everything(*train(tmp_path / "run")) == undisturbed
    assert "no checkpoint in" in capsys.readouterr().out


def exploding():
    return LearningRateScheduler(lambda epoch: 0.01 if epoch < 1 else 1e38)


@pytest.mark.parametrize("quietly", [False, True], ids=["raised", "ignored"])
def test_a_net_that_is_not_a_number_is_never_kept(tmp_path, quietly, capsys):
    given = {"callbacks": [exploding], "terminate_on_nan": not quietly, "epochs": 4}
    if quietly:
        _, _, history = train(tmp_path / "run", **given)
        assert not np.isfinite(history.history["loss"][-1])
        assert "is not finite" in capsys.readouterr().out
    else:
        with pytest.raises(TrainingError):
            train(tmp_path / "run", **given)
    kept = checkpoint.newest(tmp_path / "run" / "checkpoints")
    assert all(bool(tensor.isfinite().all()) for tensor in kept.tensors.values())
    best = keeper.best_of(tmp_path / "run" / "checkpoints")
    assert best is None or best["checkpoint"] == f"step-{4:010d}-epoch"


class Scarce:
    """No memory for copies, for a while."""

    def __init__(self, error):
        self.error, self.asked = error, 0

    def __call__(self, tensors):
        self.asked += 1
        raise self.error


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes.")]
)
def test_without_memory_for_a_copy_the_training_goes_on_and_says_so(tmp_path, monkeypatch, error, capsys):
    undisturbed = everything(*train(tmp_path / "whole"))
    scarce = Scarce(error)
    monkeypatch.setattr(checkpoint, "copy_tensors", scarce)
    assert everything(*train(tmp_path / "run")) == undisturbed
    assert scarce.asked > 3
    assert "there is no memory for a copy of the state" in capsys.readouterr().out
    assert checkpoint.newest(tmp_path / "run" / "checkpoints").moment == "finished"  # needs no copy


def test_another_error_in_the_copy_is_not_taken_for_a_lack_of_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "copy_tensors", Scarce(RuntimeError("shapes differ")))
    with pytest.raises(RuntimeError, match="shapes differ"):
        train(tmp_path / "run")


def test_a_stop_without_memory_for_a_copy_saves_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "copy_tensors", Scarce(MemoryError()))
    with pytest.raises(Stopped, match="everything is saved"):
        train(tmp_path / "run", [(1, 2)])
    assert checkpoint.newest(tmp_path / "run" / "checkpoints").step == 4 + 3


def test_numbers_that_json_does_not_have_come_back(tmp_path):
    class Strange(Callback):
        def __init__(self):
            self.best, self.gap = np.inf, float("nan")

        def state(self):
            return {"best": self.best, "gap": self.gap}

    with pytest.raises(Stopped):
        train(tmp_path / "run", [(1, 2)], callbacks=[Strange])
    _, (callback,), _ = train(tmp_path / "run", callbacks=[Strange])
    assert (callback.best, callback.gap != callback.gap) == (np.inf, True)


def test_a_state_that_no_file_can_hold_is_told_and_the_training_goes_on(tmp_path, capsys):
    class Wrong(Callback):
        def state(self):
            return {"array": np.zeros(3)}

    assert train(tmp_path / "run", callbacks=[Wrong])[2].epoch == [0, 1, 2]
    assert "no checkpoint was written at step 0: Object of type ndarray is not JSON" in capsys.readouterr().out


def test_the_best_epoch_is_a_pointer(tmp_path):
    _, _, history = train(tmp_path / "run", callbacks=[exploding], terminate_on_nan=False, validation_freq=1)
    best = keeper.best_of(tmp_path / "run" / "checkpoints")
    epoch, monitor, value = history.best()
    assert (best["monitor"], best["value"]) == (monitor, value)
    assert checkpoint.read(tmp_path / "run" / "checkpoints" / best["checkpoint"]).step == 4 * (epoch + 1)


def test_a_best_epoch_whose_weights_are_not_finite_is_not_kept(tmp_path, monkeypatch):
    """Its loss was measured before the update that broke them."""
    # Every epoch is written: steps are faster than a writer.
    monkeypatch.setattr(keeper.Keeper, "is_due", lambda self, share=1.0: self.wait() is None)

    class Ruin(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.optimizer.iterations == 2 * STEPS:
                self.model.layers[-1].kernel.data[0] = np.inf

    _, _, history = train(
        tmp_path / "run", callbacks=[Ruin], terminate_on_nan=False, validation_split=0.0, optimizer=lambda: Adam(0.1)
    )
    best = keeper.best_of(tmp_path / "run" / "checkpoints")
    assert history.best()[0] == 1
    assert best["checkpoint"] == checkpoint.name_of(STEPS, "epoch")


def test_the_seconds_of_all_processes_count(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    class Tick(Callback):
        def on_train_batch_end(self, batch, logs=None):
            clock[0] += 10.0

    for plan in ([(0, 1)], [(1, 0)]):
        with pytest.raises(Stopped):
            train(tmp_path / "run", plan, callbacks=[Tick])
        clock[0] += 1e6  # nobody trains
    assert train(tmp_path / "run", callbacks=[Tick])[2].seconds == EPOCHS * 4 * 10.0
    assert train(tmp_path / "run", callbacks=[Tick])[2].seconds == EPOCHS * 4 * 10.0


def test_training_and_validation_losses_are_not_compared(tmp_path):
    """With validation now and then the best epoch is one that was validated."""
    _, _, history = train(tmp_path / "run", validation_freq=2, epochs=4)
    best = keeper.best_of(tmp_path / "run" / "checkpoints")
    assert best["monitor"] == "val_loss"
    assert best["value"] == np.nanmin(history.history["val_loss"])


# What callbacks write


@pytest.fixture
def full(monkeypatch):
    """A disk that has no place for the second epoch, and has again for the third."""
    count, fail = [0], [False]

    def look(epoch, logs):
        count[0] = epoch
        fail[0] = epoch == 1

    opened = Path.open

    def place(path, mode="r", *others, **named):
        if fail[0] and mode in ("a", "w", "wb") and path.parent.name == "files":
            raise OSError(errno.ENOSPC, f"cannot write {path}: No space left on device.")
        return opened(path, mode, *others, **named)

    monkeypatch.setattr(Path, "open", place)
    return lambda: LambdaCallback(on_epoch_begin=look)


def test_on_a_full_disk_callbacks_say_so_and_the_training_goes_on(tmp_path, full, capsys):
    """The table is complete when there is place again, and the best net is the best that was saved."""
    log, saved = tmp_path / "files" / "log.csv", tmp_path / "files" / "{epoch}.safetensors"
    writing = [full, lambda: CSVLogger(log), lambda: ModelCheckpoint(saved, save_best_only=True, monitor="loss")]
    _, (_, _, kept), history = train(tmp_path / "run", callbacks=writing, make=lambda: Sequential([layers.Dense(1)]))
    told = capsys.readouterr().out
    assert re.search(r"CSVLogger: cannot write .*log\.csv: No space left on device\. The training goes on\.", told)
    assert re.search(r"ModelCheckpoint: .*2\.safetensors.*No space left on device.* The training goes on\.", told)
    assert [line.split(",")[0] for line in log.read_text().splitlines()] == ["epoch", "0", "1", "2"]
    assert sorted(path.name for path in log.parent.iterdir()) == ["1.safetensors", "3.safetensors", "log.csv"]
    assert kept.best == history.history["loss"][2]

"""The keeper of checkpoints: in the background, never less than two generations, and no failure stops a training."""

import errno
import os
import re
import threading
import time

import numpy as np
import pytest
import torch
from interrupted import Crash, everything, train

from handson.files import atomic, tensor_file
from handson.training.recording import checkpoint, keeper
from handson.training.recording.checkpoint import Snapshot
from handson.training.recording.interruption import Stopped
from handson.training.recording.keeper import Keeper, best_of
from handson.training.recording.record import Record


def snapshot(step, moment="", value=1.0):
    return Snapshot(step, moment, {"weights/a": torch.full((3,), float(value))}, {"step": step})


@pytest.fixture
def told():
    return []


@pytest.fixture
def kept(tmp_path, told):
    """A keeper that writes whenever it is asked."""
    return Keeper(tmp_path / "checkpoints", 0.0, told.append)


def names(kept):
    return [folder.name.removeprefix("step-").lstrip("0") for folder in checkpoint.generations(kept.folder)]


class Disk(atomic.Disk):
    """The k-th operation fails, or from there on all; a write leaves a half."""

    def __init__(self, number=0, lasting=False):
        self.number, self.lasting, self.count, self.failed = number, lasting, 0, []

    def _do(self, name, path, *others):
        self.count += 1
        if self.count == self.number or (self.lasting and self.count > self.number > 0):
            self.failed.append(path)
            if name == "write":
                path.write_bytes(b"".join(others[0])[:5])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return getattr(atomic.Disk, name)(self, path, *others)


for operation in ("write", "append", "sync", "replace", "sync_folder", "make_folder", "remove"):
    setattr(Disk, operation, lambda self, *given, name=operation: self._do(name, *given))


# In the background


class Slow(atomic.Disk):
    """Writes nothing until it may."""

    def __init__(self):
        self.may, self.threads = threading.Event(), set()

    def write(self, path, pieces):
        if threading.current_thread() is not threading.main_thread() or path.name.startswith(".state"):
            self.threads.add(threading.current_thread())
            self.may.wait(60)
        super().write(path, pieces)


@pytest.fixture
def slow(monkeypatch):
    disk = Slow()
    monkeypatch.setattr(atomic, "disk", disk)
    yield disk
    disk.may.set()


def test_saving_does_not_wait(kept, slow, monkeypatch):
    kept.save(snapshot(1))
    assert not kept.is_due()
    slow.may.set()
    kept.wait()
    monkeypatch.setattr(keeper, "MOST_SHARE", 1e9)
    assert kept.is_due()
    assert slow.threads
    assert threading.main_thread() not in slow.threads
    assert names(kept) == ["1"]


def test_training_does_not_wait_for_the_writer_but_at_the_end(tmp_path, slow):
    """All steps are done while the first checkpoint is being written."""
    steps = []

    def watch(self, *state):
        steps.append((self.model.optimizer.iterations, slow.may.is_set()))
        if len(steps) == 3:
            threading.Timer(0.2, slow.may.set).start()

    with pytest.MonkeyPatch.context() as patch:
        after_epoch = Record.after_epoch
        patch.setattr(Record, "after_epoch", lambda self, *state: (watch(self), after_epoch(self, *state)))
        train(tmp_path / "run")
    assert steps == [(4, False), (8, False), (12, False)]
    assert checkpoint.newest(tmp_path / "run" / "checkpoints").moment == "finished"


def test_no_checkpoint_before_its_time(tmp_path, told, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    kept = Keeper(tmp_path, 100.0, told.append)
    for seconds, due, due_after_epoch in [(9, False, False), (10, False, True), (99, False, True), (100, True, True)]:
        now[0] = seconds
        assert (kept.is_due(), kept.is_due(keeper.EPOCH_SHARE)) == (due, due_after_epoch)
    kept._cost = 10.0  # writing takes long: not more than its share of the time
    assert not kept.is_due()
    now[0] = 10.0 / keeper.MOST_SHARE
    assert kept.is_due()


def test_without_memory_for_a_thread_it_writes_all_the_same(kept, monkeypatch):
    def start(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    kept.save(snapshot(1))
    kept.wait()
    assert names(kept) == ["1"]


# Generations and the best


def test_two_generations_stay(kept):
    for step in range(1, 5):
        kept.save(snapshot(step))
    kept.wait()
    assert names(kept) == ["4", "3"]


def test_the_best_stays_too_and_is_pointed_at(kept):
    for step in range(1, 6):
        if step in (1, 3):
            kept.remember_best(snapshot(step, "epoch"), "val_loss", 1 / step)
        kept.save_now(snapshot(step))
    assert names(kept) == ["5", "4", "3-epoch"]
    assert best_of(kept.folder) == {"checkpoint": "step-0000000003-epoch", "monitor": "val_loss", "value": 1 / 3}


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"checkpoint": 3}', b'{"checkpoint": "step-9"}', b"\xff"])
def test_a_pointer_to_nothing_is_none(kept, content):
    (kept.folder / keeper.BEST).write_bytes(content)
    assert best_of(kept.folder) is None
    assert kept.save_now(snapshot(1))


def test_the_older_one_stays_until_the_newer_was_read_back(kept, told, monkeypatch):
    """A disk that says yes and writes something else."""
    kept.save_now(snapshot(1))
    kept.save_now(snapshot(2))
    write = atomic.Disk.write

    def lies(self, path, pieces):
        write(self, path, [bytes(piece).replace(b"\x00", b"\x01") for piece in pieces])

    monkeypatch.setattr(atomic.Disk, "write", lies)
    assert not kept.save_now(snapshot(3))
    assert re.search(r"no checkpoint was written at step 3: .*tensors.safetensors was changed or damaged", told[-1])
    assert names(kept)[-2:] == ["2", "1"]
    assert checkpoint.newest(kept.folder, told.append).step == 2


def test_the_best_is_tried_again_when_writing_it_failed(kept, monkeypatch):
    kept.remember_best(snapshot(1, "epoch"), "loss", 0.5)
    monkeypatch.setattr(atomic, "disk", Disk(1, lasting=True))
    assert not kept.save_now(snapshot(2))
    monkeypatch.setattr(atomic, "disk", atomic.Disk())
    assert kept.save_now(snapshot(3))
    assert best_of(kept.folder)["value"] == 0.5


def test_the_best_is_written_although_the_net_has_diverged_since(kept):
    kept.remember_best(snapshot(1, "epoch"), "loss", 0.5)
    assert not kept.save_now(snapshot(2, value=np.nan))
    assert best_of(kept.folder)["checkpoint"] == "step-0000000001-epoch"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_never_kept(kept, told, value):
    kept.save_now(snapshot(1))
    kept.save_now(snapshot(2))
    for step in range(3, 9):
        assert not kept.save_now(snapshot(step, value=value))
    assert names(kept) == ["2", "1"]
    assert "no checkpoint was written at step 8: a is not finite. The checkpoint before it stays" in told[-1]


def test_constants_that_were_never_finite_are_no_obstacle(kept):
    kept.infinite = frozenset({"weights/a"})
    assert kept.save_now(snapshot(1, value=-np.inf))


# Failures


@pytest.mark.parametrize("error", [MemoryError(), ValueError("of any kind"), OSError(errno.EIO, "Input/output error")])
def test_whatever_goes_wrong_is_told_once_and_the_next_one_is_tried(kept, told, monkeypatch, error):
    kept.save_now(snapshot(1))

    def fails(tensors, metadata):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(tensor_file, "pieces", fails)
        kept.save(snapshot(2))
        kept.wait()
    kept.wait()
    assert len(told) == 1
    assert re.match(
        r"no checkpoint was written at step 2: .+\. The checkpoint before it stays, and the training", told[0]
    )
    assert kept.save_now(snapshot(3))
    assert names(kept) == ["3", "1"]


def count_operations(tmp_path, monkeypatch):
    disk = Disk()
    monkeypatch.setattr(atomic, "disk", disk)
    result = train(tmp_path / "counted", checkpoint_seconds=1e9)
    return disk.count, everything(*result)


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
def test_whatever_operation_fails_a_loadable_checkpoint_remains_and_the_file_is_named(
    tmp_path, monkeypatch, capsys, lasting
):
    """A whole training for every operation that can fail: it ends as it should, or is refused before its first step."""
    count, undisturbed = count_operations(tmp_path, monkeypatch)
    assert count > 40
    capsys.readouterr()
    ended = 0
    for number in range(1, count + 1):
        folder, disk = tmp_path / str(number), Disk(number, lasting)
        monkeypatch.setattr(atomic, "disk", disk)
        try:
            assert everything(*train(folder, checkpoint_seconds=1e9)) == undisturbed
            ended += 1
            message = capsys.readouterr().out
        except OSError as error:
            message = str(error)
            assert number < 12, "once the training has begun, no failure ends it"
        if disk.failed and "manifest.json" not in str(disk.failed[0]):
            name = disk.failed[0].name.removeprefix(".").removesuffix(f".{os.getpid()}.part")
            assert name in message, disk.failed[0]
        monkeypatch.setattr(atomic, "disk", atomic.Disk())
        found = checkpoint.newest(folder / "checkpoints", lambda text: None)
        assert found is not None or number < 30
        if number % 8 == 0:
            assert everything(*train(folder, checkpoint_seconds=1e9)) == undisturbed
    assert ended > count - 12


def test_a_stop_on_a_full_disk_does_not_say_that_everything_is_saved(tmp_path, monkeypatch, capsys):
    undisturbed = everything(*train(tmp_path / "whole"))
    with pytest.raises(Crash):
        train(tmp_path / "run", [(0, 2)], crash=True)
    disk = Disk()
    monkeypatch.setattr(atomic, "disk", disk)
    monkeypatch.setattr(tensor_file, "pieces", lambda tensors, metadata: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(Stopped, match=r"stopped by SIGTERM after step 2 of epoch 2; .*run holds the checkpoint before"):
        train(tmp_path / "run", [(1, 1)])
    assert "no checkpoint was written at step 6: " in capsys.readouterr().out
    monkeypatch.undo()
    assert everything(*train(tmp_path / "run")) == undisturbed

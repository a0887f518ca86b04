"""Signals end a training after the step at hand, with status 75; one process at a time holds a run folder."""

import errno
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from interrupted import data, dense, everything, train

from handson.callbacks import Callback
from handson.core.errors import HandsonError
from handson.training.recording import checkpoint, interruption
from handson.training.recording.interruption import STOPPED, Interruption, Stopped, locked

SIGNALS = [signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGINT]
HELPERS = Path(__file__).resolve().parents[2] / "helpers"

# A training that says when it is in its second epoch, and stays there until a signal comes.
CHILD = """
import sys, time
sys.path.insert(0, sys.argv[2])
from interrupted import train
from handson.callbacks import Callback

class Linger(Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            print("ready", flush=True)
    def on_train_batch_end(self, batch, logs=None):
        time.sleep(0.05)

train(sys.argv[1], callbacks=[Linger], epochs=1000)
"""


class Send(Callback):
    """Sends signals to its own process at a step."""

    def __init__(self, signals):
        self.signals = list(signals)

    def on_train_batch_end(self, batch, logs=None):
        while self.signals:
            os.kill(os.getpid(), self.signals.pop(0))


@pytest.fixture
def child(tmp_path):
    """Another process that trains in the folder 'run', in its second epoch."""
    command = [sys.executable, "-c", CHILD, str(tmp_path / "run"), str(HELPERS)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    yield process
    process.kill()
    process.communicate()


# Signals


@pytest.fixture(autouse=True)
def heard():
    """A closed terminal is a signal here, also where these tests run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_stops_and_saves(tmp_path, number):
    with pytest.raises(Stopped, match=rf"stopped by {number.name} after step 1 of epoch 1") as caught:
        train(tmp_path / "run", callbacks=[lambda: Send([number])])
    assert (caught.value.code, caught.value.reason) == (75, str(caught.value))
    assert checkpoint.newest(tmp_path / "run" / "checkpoints").step == 1


def test_the_process_ends_with_a_status_of_its_own(child, tmp_path):
    child.send_signal(signal.SIGTERM)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == STOPPED
    assert errors.startswith("stopped by SIGTERM after step ")
    assert "To go on: the same call again" in errors
    assert checkpoint.newest(tmp_path / "run" / "checkpoints").step > 4


def test_asked_twice_by_control_c_it_stops_at_once(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", callbacks=[lambda: Send([signal.SIGINT, signal.SIGINT])])


def test_a_closed_terminal_is_ignored_under_nohup(tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption() as asked:
            os.kill(os.getpid(), signal.SIGHUP)
            assert asked.signal is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_are_put_back(tmp_path):
    def own(*ignored):
        pass

    before = signal.signal(signal.SIGUSR1, own)
    try:
        train(tmp_path / "run")
        assert signal.getsignal(signal.SIGUSR1) is own
        with pytest.raises(Stopped):
            train(tmp_path / "other", [(0, 0)])
        assert signal.getsignal(signal.SIGUSR1) is own
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_handler_that_python_does_not_know_is_replaced_by_the_default(monkeypatch):
    set_to = []
    monkeypatch.setattr(signal, "signal", lambda number, handler: set_to.append(handler))
    with Interruption():
        pass
    assert set_to[-1] is signal.SIG_DFL


def test_without_a_run_folder_signals_are_not_touched():
    net, (x, y) = dense(), data()
    net.compile("adam", "mse")
    seen = []

    class Look(Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(signal.getsignal(signal.SIGTERM))

    net.fit(x, y, verbose=0, callbacks=[Look()])
    assert set(seen) == {signal.getsignal(signal.SIGTERM)}


def test_in_another_thread_it_trains_without_handlers(tmp_path):
    results = []

    def work():
        torch.set_num_threads(1)  # a thread starts with as many as there are cores, which changes the last digits
        results.append(train(tmp_path / "run"))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert everything(*results[0]) == everything(*train(tmp_path / "whole"))


def test_a_signal_after_the_last_step_still_stops_the_process(tmp_path):
    """Else it would be lost: what follows the training may take hours too."""

    class Late(Callback):
        def on_train_end(self, logs=None):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Stopped, match=r"after the last epoch; everything is saved"):
        train(tmp_path / "run", callbacks=[Late])
    assert checkpoint.newest(tmp_path / "run" / "checkpoints").moment == "finished"
    assert train(tmp_path / "run", callbacks=[Late])[2].epoch == [0, 1, 2]


# One process at a time


def test_a_second_process_is_refused_while_the_first_lives_and_takes_over_when_it_is_dead(child, tmp_path):
    with pytest.raises(HandsonError, match=rf"run is in use by process {child.pid} on \S+\. Wait until it ends, or"):
        train(tmp_path / "run")
    child.kill()
    child.wait()
    with pytest.raises(HandsonError, match=r"fit\.epochs: 1000 before, 3 now"):  # it has the folder, and looks into it
        train(tmp_path / "run")


def test_a_second_training_in_the_same_process_is_refused(tmp_path):
    class Nested(Callback):
        def on_epoch_end(self, epoch, logs=None):
            with pytest.raises(HandsonError, match=f"in use by process {os.getpid()}"):
                train(tmp_path / "run")

    assert len(train(tmp_path / "run", callbacks=[Nested])[2].epoch) == 3


@pytest.mark.parametrize("content", ["", "process 1 on elsewhere", "\x00\xff" * 99])
def test_a_lock_that_nobody_holds_is_no_obstacle(tmp_path, content):
    (tmp_path / "lock").write_text(content)
    with locked(tmp_path):
        assert (tmp_path / "lock").read_text().startswith(f"process {os.getpid()} on ")
        with pytest.raises(HandsonError, match="is in use by process"), locked(tmp_path):
            pass
    with locked(tmp_path):
        pass


def test_the_lock_is_let_go_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    with locked(tmp_path):
        pass


def test_where_files_cannot_be_locked_it_says_so_and_trains(tmp_path, monkeypatch, capsys):
    def cannot(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(interruption, "_lock", cannot)
    assert len(train(tmp_path / "run")[2].epoch) == 3
    assert re.search(r"run cannot be locked \(No locks available\): see to it yourself", capsys.readouterr().out)

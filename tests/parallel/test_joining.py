"""Workers that join a training that runs, and leave it, change nothing about its bits."""

import json
import multiprocessing
import os
import platform
import signal
import time

import numpy as np
import pytest
import torch.distributed as dist
import workers

import handson
from handson.callbacks import Callback
from handson.core.errors import HandsonError
from handson.layers import Dense
from handson.parallel.launch import Place
from handson.parallel.world import LINE, World
from handson.training.engines.shards.leading import Leading
from handson.training.joining import WORKERS

EPOCHS = 3
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def joins(monkeypatch):
    """How many workers have lined up before each of some steps; worker 0 waits for them there."""
    wanted, calls, admit = {}, [0], Leading._admit

    def waiting(self, step):
        calls[0] += 1
        end = time.monotonic() + 60
        while len(_line(self.world)) < wanted.get(calls[0], 0):
            assert time.monotonic() < end, "nobody has come"
            time.sleep(0.01)
        admit(self, step)

    monkeypatch.setattr(Leading, "_admit", waiting)
    return wanted


def _line(world):
    return world._store.get(LINE).split() if world._store is not None and world._store.check([LINE]) else []


class Guests(Callback):
    """Starts guests when the training begins; kills the first of them after a step."""

    def __init__(self, kind, folder, count, kill=None):
        self.answers, self.kill, self.seen = SPAWN.Queue(), kill, 0
        self.processes = [
            SPAWN.Process(target=workers.guest, args=(kind, folder, place, self.answers), daemon=True)
            for place in range(count)
        ]

    def on_train_begin(self, logs=None):
        for process in self.processes:
            process.start()

    def on_train_batch_end(self, batch, logs=None):
        self.seen += 1
        if self.seen == self.kill:
            os.kill(self.processes[0].pid, signal.SIGKILL)

    def results(self):
        found = dict(self.answers.get(timeout=60) for _ in range(len(self.processes) - (self.kill is not None)))
        for process in self.processes:
            process.join(60)
        return found


def test_workers_that_join_and_one_that_is_killed_change_nothing(tmp_path, joins, capsys):
    kind = "convolutional"
    joins[3] = 2
    guests = Guests(kind, tmp_path, 2, kill=5)
    found = workers.trained(kind, 1, EPOCHS, [guests], run=tmp_path, shards=8)
    assert found == workers.trained(kind, 1, EPOCHS, [workers.Kill([])], shards=8)
    assert list(guests.results().values()) == [found]
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("worker")]
    assert [line.split("; ")[1].split()[0] for line in said] == ["3", "2"], said
    assert not (tmp_path / WORKERS).exists()


class Tried(Callback):
    """Joins with a net of its own, in the same process, after the first step; keeps the error."""

    def __init__(self, how):
        self.how, self.error = how, None

    def on_train_batch_end(self, batch, logs=None):
        if self.error is None:
            with pytest.raises(HandsonError) as self.error:
                workers.trained("dense", None, resume="join", **self.how)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"missing": "drop"}, "worker 1 trains something else than worker 0"),
        ({"shards": 4}, "worker 0 trains with shards=8, exact=True; got shards=4"),
    ],
)
def test_who_would_train_something_else_is_refused_and_the_others_go_on(tmp_path, other, message):
    tried = Tried({"run": tmp_path} | other)
    found = workers.trained("dense", 1, 2, [tried], run=tmp_path, shards=8)
    assert found == workers.trained("dense", 1, 2, [workers.Kill([])], shards=8)
    tried.error.match(message)


def net():
    made = handson.Sequential([Dense(1)])
    made.compile("sgd", "mse")
    return made


DATA = np.zeros((20, 3), np.float32), np.zeros((20, 1), np.float32)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "run= is its folder"),
        ({"run": "runs/a", "devices": 2}, "got devices=2 too"),
        ({"run": "runs/a", "engine": "eager"}, "not 'eager'"),
        ({"run": "runs/a"}, "no training in runs/a takes workers now"),
    ],
)
def test_what_a_worker_that_joins_cannot_say(given, message):
    with pytest.raises(HandsonError, match=message):
        net().fit(*DATA, resume="join", verbose=0, **given)


def word(folder, **changed):
    known = {"host": "127.0.0.1", "port": 1, "prefix": "handson", "node": platform.node(), "word": "abc"} | changed
    (folder / WORKERS).write_text(json.dumps(known))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, "does not answer: if it was killed, it goes on with handson resume"),
        ({"node": "elsewhere"}, "takes workers on elsewhere only"),
        ({"port": "none"}, "is damaged"),
    ],
)
def test_a_training_that_cannot_be_reached(tmp_path, changed, message):
    word(tmp_path, **changed)
    with pytest.raises(HandsonError, match=message):
        net().fit(*DATA, resume="join", run=tmp_path, verbose=0)


def test_another_training_at_the_same_address_is_not_joined(tmp_path):
    server = dist.TCPStore("127.0.0.1", 0, None, True, wait_for_workers=False)
    store = dist.PrefixStore(Place("", 0).prefix, server)
    word(tmp_path, port=server.port)
    leader = World(store, 0, 1)
    leader.open({"word": "another"})
    with pytest.raises(HandsonError, match="does not answer"):
        net().fit(*DATA, resume="join", run=tmp_path, verbose=0)
    leader.close()


def test_a_folder_that_is_in_use_says_how_to_help(tmp_path):
    class Again(Callback):
        def on_epoch_end(self, epoch, logs=None):
            with pytest.raises(HandsonError, match="handson join"):
                net().fit(*DATA, run=tmp_path, devices=1, verbose=0)

    net().fit(*DATA, run=tmp_path, devices=1, shards=2, verbose=0, callbacks=[Again()])

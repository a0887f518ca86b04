"""A net that is trained by several workers has the bits of one."""

import argparse
import hashlib
import json
import multiprocessing
import os
import re
import socket
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import workers

import handson
from handson.callbacks import EarlyStopping
from handson.core.errors import HandsonError
from handson.layers import Dense, Lambda
from handson.optimizers import SGD
from handson.parallel import world as worlds
from handson.parallel.launch import FIRST_PORT
from handson.training.preparation.job import Job
from handson.training.workers import leading

HERE = Path(__file__).resolve()
SHARDED = {"shards": 8}


@pytest.fixture
def foreign_child():
    """Another child of this process, as libraries start them."""
    child = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(600,), daemon=True)
    child.start()
    yield child
    child.kill()
    child.join()


@cache
def alone(kind, epochs=2, change=False):
    return workers.trained(kind, 1, epochs, deciding() if change else [], **SHARDED)


def deciding():
    """Callbacks that change the net, and end the training with the weights of its best epoch."""
    return [workers.Change(), EarlyStopping(monitor="loss", patience=1, min_delta=0.2, restore_best_weights=True)]


@pytest.mark.parametrize(("kind", "devices"), [("convolutional", 2), ("functional", 3), ("recurrent", 2), ("dense", 3)])
def test_the_bits_are_those_of_one_worker(kind, devices):
    assert workers.trained(kind, devices) == alone(kind)


def test_workers_that_are_killed_change_nothing(capsys, foreign_child):
    """Two at once, and later the last of the others."""
    found = workers.trained("convolutional", 4, 3, [workers.Kill([2, 2, 5])])
    assert found == workers.trained("convolutional", 1, 3, [workers.Kill([])], **SHARDED)
    said = capsys.readouterr().out
    lost = re.findall(r"worker (.*) is lost; (\d) go on", said)
    assert [(len(names.split(", ")), left) for names, left in lost] == [(2, "2"), (1, "1")], said
    assert foreign_child.is_alive()


def test_what_a_callback_changes_the_others_hear_of():
    weights, history = workers.trained("dense", 2, 6, deciding())
    assert (weights, history) == alone("dense", 6, True)
    assert len(history["loss"]) < 6


def test_of_schedules_that_a_callback_sets_the_others_hear_too():
    found = [
        workers.trained("dense", devices, 4, [workers.Reschedule()], optimizer=SGD(0.01, decay=0.1), **SHARDED)
        for devices in (1, 2)
    ]
    assert found[0] == found[1]


def test_another_number_of_shards_is_another_training():
    weights, history = alone("dense")
    others, theirs = workers.trained("dense", 1, shards=4)
    assert others != weights
    np.testing.assert_allclose(history["loss"], theirs["loss"], rtol=1e-5)


def test_fast_is_the_same_within_rounding():
    _, history = alone("convolutional")
    _, fast = workers.trained("convolutional", 2, exact=False)
    np.testing.assert_allclose(fast["loss"], history["loss"], rtol=1e-4)


def test_a_run_goes_on_with_another_number_of_workers(tmp_path):
    class Stop(handson.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1 and not (tmp_path / "stopped").exists():
                (tmp_path / "stopped").touch()
                raise KeyboardInterrupt

    run = {"run": tmp_path / "run", "checkpoint_seconds": 0}
    with pytest.raises(KeyboardInterrupt):
        workers.trained("dense", 2, 3, [Stop()], **run)
    assert workers.trained("dense", 3, 3, [Stop()], **run) == alone("dense", 3)


def test_a_fast_run_that_goes_on_with_another_number_of_workers_says_so(tmp_path, capsys):
    """Its sums are taken in another order; an exact one is the same run and says nothing."""

    class Stop(handson.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 0 and not (self.folder / "stopped").exists():
                (self.folder / "stopped").touch()
                raise KeyboardInterrupt

    said, starts = {}, {}
    for exact in (False, True):
        stop, run = Stop(), tmp_path / str(exact)
        stop.folder = tmp_path / f"of {exact}"
        stop.folder.mkdir()
        how = {"run": run, "checkpoint_seconds": 0, "exact": exact, "callbacks": [stop]}
        with pytest.raises(KeyboardInterrupt):
            workers.trained("dense", 2, **how)
        capsys.readouterr()
        workers.trained("dense", 1, **(how | (SHARDED if exact else {})))
        said[exact] = capsys.readouterr().out
        starts[exact] = [json.loads(line) for line in (run / "starts.jsonl").read_text().splitlines()]
    assert "last digits may differ" in said[False]
    assert "shards was 2, is 1" in said[False]
    assert "last digits" not in said[True]
    assert [[start[key] for key in ("workers", "shards")] for start in starts[False]] == [[2, 2], [1, 1]]
    assert [[start[key] for key in ("workers", "shards")] for start in starts[True]] == [[2, 8], [1, 8]]


def test_another_cut_is_refused_when_a_run_goes_on(tmp_path):
    workers.trained("dense", 1, 1, run=tmp_path, shards=8)
    with pytest.raises(HandsonError, match="fit.shards: 8 before, 4 now"):
        workers.trained("dense", 1, 1, run=tmp_path, shards=4)


def test_what_cannot_be_cut_is_refused_by_name():
    x, y = np.zeros((20, 3), np.float32), np.zeros((20, 1), np.float32)
    net = handson.Sequential([Dense(1)])
    net.compile("sgd", "mse")
    with pytest.raises(HandsonError, match="data that come in batches"):
        net.fit(iter([(x, y)] * 3), shards=8, verbose=0)
    for engine in ("dense", "eager"):
        with pytest.raises(HandsonError, match=f"'{engine}' trains on one device"):
            net.fit(x, y, devices=2, engine=engine, verbose=0)
    with pytest.raises(HandsonError, match="shards=16"):
        net.fit(x, y, devices=9, verbose=0)
    with pytest.raises(HandsonError, match="shards=4 is for exact=True"):
        net.fit(x, y, devices=2, shards=4, exact=False, verbose=0)
    with pytest.raises(HandsonError, match="exact is True or False; got 'no'"):
        net.fit(x, y, devices=2, exact="no", verbose=0)


def test_several_workers_of_a_net_on_another_device_are_refused():
    net = handson.Sequential([Dense(1, input_dim=3)]).to("meta")
    net.compile("sgd", "mse")
    job = Job(net, torch.device("meta"))
    arguments = argparse.Namespace(workers=2)
    refused = pytest.raises(HandsonError, match="several workers train on the CPU, and this net is on meta")
    with refused, leading(job, arguments, None, None, {}):
        pass


def test_a_layer_that_changes_something_for_each_shard_is_refused_before_the_first_step():
    net = handson.Sequential([Dense(4), torch.nn.BatchNorm1d(4), Dense(1)])
    net.compile("sgd", "mse")
    x, y = np.zeros((20, 3), np.float32), np.zeros((20, 1), np.float32)
    with pytest.raises(HandsonError, match=r"changes 'batch_norm1d.* .*handson.layers.BatchNormalization"):
        net.fit(x, y, shards=8, verbose=0)


def test_a_net_that_cannot_be_sent_says_so():
    net = handson.Sequential([Dense(4), Lambda(lambda x: x * 2), Dense(1)])
    net.compile("sgd", "mse")
    x, y = np.zeros((20, 3), np.float32), np.zeros((20, 1), np.float32)
    with pytest.raises(HandsonError, match="torchrun"):
        net.fit(x, y, devices=2, verbose=0)


def test_a_silent_leader_is_not_waited_for_for_ever(monkeypatch):
    monkeypatch.setattr(worlds, "SILENT_SECONDS", 0.05)
    monkeypatch.setattr(worlds, "LOOK_SECONDS", 0.01)
    store = dist.TCPStore("127.0.0.1", 0, None, True, wait_for_workers=False)
    follower = worlds.World()
    follower._store = store
    with pytest.raises(worlds.Lost, match="silent"):
        follower.next_order()


def test_orders_that_were_given_before_a_group_broke_are_void():
    follower = worlds.World()
    follower._store = dist.HashStore()
    follower._apart = True
    for number, order in enumerate(["state", "train", "end"], 1):
        follower._store.set(f"order/{number}", json.dumps({"do": order}))
    assert follower.next_order() == {"do": "end"}


SCRIPT = """
import sys, os, json, hashlib, workers
weights, history = workers.trained("functional", int(sys.argv[2]) or None)
with open(os.path.join(sys.argv[1], os.environ.get("RANK") or os.environ["SLURM_PROCID"]), "w") as file:
    json.dump([hashlib.sha256(b"".join(weights)).hexdigest(), history], file)
"""


def test_torchrun_trains_the_same_net_on_every_worker(tmp_path):
    path = os.pathsep.join([str(HERE.parents[1] / "helpers"), *filter(None, sys.path)])
    env = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--no-python"]
    found = subprocess.run(
        [*command, sys.executable, "-c", SCRIPT, str(tmp_path), "0"],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert found.returncode == 0, found.stderr
    weights, history = alone("functional")
    expected = [hashlib.sha256(b"".join(weights)).hexdigest(), history]
    assert [json.loads((tmp_path / rank).read_text()) for rank in "01"] == [expected, expected]


def _is_free(port):
    """Whether anybody listens at a port; the system gives none of these to who asks for any."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_tasks_with_the_environment_of_srun_train_the_same_net(tmp_path):
    """Slurm itself is not there: what it would set is."""
    port = next(filter(_is_free, range(FIRST_PORT + os.getpid() % 10_000, 1 << 15)))
    path = os.pathsep.join([str(HERE.parents[1] / "helpers"), *filter(None, sys.path)])
    env = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "MASTER_PORT": str(port), "SLURM_JOB_ID": "7"}
    env |= {"SLURM_STEP_ID": "0", "SLURM_NTASKS": "2", "SLURM_STEP_NODELIST": "n1", "SLURM_STEP_TASKS_PER_NODE": "2"}
    tasks = [
        subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path), "2"], env=env | {"SLURM_PROCID": str(rank)})
        for rank in range(2)
    ]
    assert [task.wait(timeout=120) for task in tasks] == [0, 0]
    weights, history = alone("functional")
    expected = [hashlib.sha256(b"".join(weights)).hexdigest(), history]
    assert [json.loads((tmp_path / rank).read_text()) for rank in "01"] == [expected, expected]

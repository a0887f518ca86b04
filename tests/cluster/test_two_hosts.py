"""Workers on two hosts, which are network namespaces; the cable between them is cut."""

import hashlib
import json
import os
import sys
import time
from pathlib import Path

import pytest
import two_hosts
import workers

pytestmark = pytest.mark.slow
HELPERS = Path(workers.__file__).parent
EPOCHS = 12
SCRIPT = """
import hashlib, json, sys, time
import workers
from handson.callbacks import Callback
from handson.parallel import cut_links

cut_links.IDLE_SECONDS, cut_links.TRY_SECONDS, cut_links.TRIES, cut_links.LONGEST_SECONDS = 1, 1, 2, 3
folder, how, epochs = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])


class Pace(Callback):
    def on_train_batch_end(self, batch, logs=None):
        time.sleep(0.3)


weights, history = workers.trained("dense", None, epochs, [Pace()], run=folder, **how)
print(hashlib.sha256(b"".join(weights)).hexdigest(), json.dumps(history))
"""


@pytest.fixture
def hosts():
    if (reason := two_hosts.missing()) is not None:
        pytest.skip(reason)
    with two_hosts.TwoHosts() as made:
        yield made


@pytest.fixture
def start(hosts, tmp_path):
    """Starts a worker on a host; all end with the test."""
    path = os.pathsep.join([str(HELPERS), *filter(None, sys.path)])
    env = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    started = []

    def one(host, more=(), **how):
        command = [sys.executable, "-u", "-c", SCRIPT, str(tmp_path), json.dumps(how), str(EPOCHS)]
        started.append(hosts.start(host, command, env | dict(more)))
        return started[-1]

    yield one
    for process in started:
        process.kill()
        process.communicate()


def test_a_cut_cable_is_noticed_and_those_with_worker_0_go_on(hosts, start, tmp_path):
    """Worker 0 on one host, worker 1 on the other; a guest joins worker 0, and then the cable is cut."""
    launch = {"WORLD_SIZE": "2", "MASTER_ADDR": two_hosts.ADDRESSES["a"], "MASTER_PORT": "29500"}
    first, second = (start(host, launch | {"RANK": rank}) for host, rank in (("a", "0"), ("b", "1")))
    end = time.monotonic() + 100
    while not (tmp_path / "workers.json").exists():
        assert first.poll() is None, first.communicate()
        assert time.monotonic() < end, "the training does not begin"
        time.sleep(0.1)
    guest = start("a", resume="join")
    said = ""
    while "has joined" not in said:
        said = first.stdout.readline()
        assert said, first.communicate()
    hosts.cut()
    out, errors = first.communicate(timeout=100)
    assert "worker 1 is lost; 2 go on" in out, out + errors
    weights, history = workers.trained("dense", 1, EPOCHS, [workers.Kill([])], shards=8)
    expected = hashlib.sha256(b"".join(weights)).hexdigest(), json.dumps(history)
    for found in (out, guest.communicate(timeout=30)[0]):
        assert found.splitlines()[-1] == " ".join(expected)
    assert "worker 0, which leads, is gone" in second.communicate(timeout=60)[1]

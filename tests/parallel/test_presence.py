"""The end of a process is known by the end of its connection, and by nothing else."""

import socket

import pytest
import torch.distributed as dist

from handson.parallel import world as worlds
from handson.parallel.presence import KEY, Presence


@pytest.fixture
def store():
    return dist.HashStore()


@pytest.fixture
def leader(store):
    made = Presence(store, 0, workers=3)
    yield made
    made.close()


def test_each_worker_is_gone_when_its_own_connection_is(store, leader):
    first, second = Presence(store, 1), Presence(store, 2)
    assert [leader.gone(name) for name in (1, 2)] == [False, False]
    second.close()
    assert [leader.gone(name) for name in (1, 2)] == [False, True]
    first.close()
    assert leader.gone(1)


def test_of_who_never_came_nothing_is_known(leader):
    assert not leader.gone(1)


def test_who_does_not_know_the_word_is_nobody(store, leader):
    """Such as a program that looks for open ports."""
    port = int(store.get(KEY).decode().split(",")[0].strip("["))
    with socket.create_connection(("127.0.0.1", port)) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n")
        assert not leader.gone(1)
    worker = Presence(store, 1)
    assert not leader.gone(1)
    worker.close()


def test_a_worker_that_cannot_connect_goes_on_without(store):
    Presence(store, 0).close()
    assert not Presence(store, 1).gone(0)


def following(store, presence):
    follower = worlds.World()
    follower._store, follower._presence = store, presence
    return follower


def test_a_worker_hears_at_once_that_worker_0_is_gone(store, leader):
    follower = following(store, Presence(store, 1))
    leader.close()
    with pytest.raises(worlds.Lost, match="worker 0, which leads, is gone"):
        follower.next_order()
    follower.close()


def test_the_last_order_of_worker_0_is_heard_although_it_is_gone(store, leader):
    follower = following(store, Presence(store, 1))
    store.set("order/1", '{"do": "end"}')
    leader.close()
    assert follower.next_order() == {"do": "end"}
    follower.close()


def test_nobody_waits_for_the_dead(store, leader, monkeypatch):
    """The others form a group without them; who answered before it died is not of it either."""
    monkeypatch.setattr(worlds, "REGROUP_SECONDS", 1e9)
    workers = [Presence(store, name) for name in (1, 2)]
    leading = following(store, leader)
    leading.members = [0, 1, 2]
    store.set("alive/1/2", "1")
    for worker in workers:
        worker.close()
    assert leading.regroup() == [1, 2]
    assert (leading.rank, leading.size) == (0, 1)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_workers_of_one_machine_do_not_listen_to_others(store, host):
    leader = Presence(store, 0, host)
    worker = Presence(store, 1, host)
    assert leader._server.getsockname()[0] == "127.0.0.1"
    worker.close()
    assert leader.gone(1)
    leader.close()

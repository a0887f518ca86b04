"""Shards side by side in threads: what they come to is what they come to one after another."""

import functools
import threading

import pytest
import torch
import workers

from handson.core.errors import HandsonError
from handson.parallel import lanes as module
from handson.parallel import meeting
from handson.parallel.lanes import Lanes


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Every shard is worth a thread, from the first run on."""
    monkeypatch.setattr(module, "TRIES", 0)


@pytest.fixture(autouse=True)
def three_threads():
    """A training may use so many, also where tests have one."""
    kept = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(kept)


def total(values):
    return functools.reduce(torch.add, [values[block] for block in sorted(values)])


def test_so_many_run_at_the_same_time_as_may():
    """Two are inside at one moment, or the barrier breaks."""
    both = threading.Barrier(2, timeout=60)
    lanes = Lanes(meets=False, width=2)
    assert lanes.run(lambda shard: (both.wait(), shard)[1], [3, 4, 5, 6], total) == [3, 4, 5, 6]
    lanes.close()


def test_until_it_is_known_what_a_shard_takes_they_run_one_after_another(monkeypatch):
    monkeypatch.setattr(module, "TRIES", 2)
    monkeypatch.setattr(module, "WORTH_A_THREAD_SECONDS", 0.0)
    lanes, seen = Lanes(meets=False, width=2), []
    both = threading.Barrier(2, timeout=60)
    for _ in range(2):
        lanes.run(lambda shard: seen.append(threading.current_thread()), [0, 1], total)
    assert set(seen) == {threading.main_thread()}
    lanes.run(lambda shard: both.wait(), [0, 1], total)
    monkeypatch.setattr(module, "WORTH_A_THREAD_SECONDS", 1e9)
    lanes.run(lambda shard: seen.append(threading.current_thread()), [0, 1], total)
    assert set(seen) == {threading.main_thread()}
    lanes.close()


@pytest.mark.parametrize("width", [1, 2, 3, 8])
def test_shards_meet_however_many_run_at_the_same_time(width):
    lanes = Lanes(meets=True, width=width)

    def twice(shard):
        first = meeting.total(torch.tensor(float(shard)))
        return first + meeting.total(torch.tensor(1.0))

    assert lanes.run(twice, range(5), total) == [15.0] * 5
    lanes.close()


def test_gradients_of_a_total_are_those_of_each_shard():
    """Every shard has a tensor of its own: autograd writes into it where it came from."""
    lanes, weights = Lanes(meets=True, width=2), torch.ones(2, requires_grad=True)
    together = threading.Barrier(2, timeout=60)

    def forward(shard):
        found = meeting.total(weights[shard] * (shard + 1))
        together.wait()  # now both have it
        return found * (shard + 1)

    def backward(shard):
        return torch.autograd.grad(outputs[shard], weights)[0]

    outputs = lanes.run(forward, [0, 1], total)
    found = lanes.run(backward, [0, 1], total)
    assert torch.stack(found).tolist() == [[3.0, 0.0], [0.0, 6.0]]
    lanes.close()


def test_an_error_of_one_is_raised_and_no_other_waits_for_it():
    lanes = Lanes(meets=True, width=2)

    def fail(shard):
        if shard == 1:
            raise HandsonError("of its own")
        return meeting.total(torch.tensor(1.0))

    with pytest.raises(HandsonError, match="of its own"):
        lanes.run(fail, range(4), total)
    assert lanes.run(lambda shard: shard, range(4), total) == [0, 1, 2, 3]
    lanes.close()


@pytest.mark.parametrize("kind", ["dense", "convolutional", "recurrent"])
def test_the_bits_of_a_net_are_the_same(kind, monkeypatch):
    side_by_side = workers.trained(kind, 1, 1, shards=8)
    monkeypatch.setattr(Lanes, "_width", lambda self: 1)
    assert workers.trained(kind, 1, 1, shards=8) == side_by_side

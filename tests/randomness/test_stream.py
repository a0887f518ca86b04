"""The stream of a training step: keys as numbers, and as tensors that a recorded step can hold."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from handson.randomness import derive
from handson.randomness.stream import DeviceStream, Stream, active, current
from handson.randomness.words import halves, keep, normal, uniform, words

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))]
keys = st.integers(0, 2**64 - 1)


@given(key=keys)
def test_the_halves_of_a_key_are_its_bits(key):
    low, high = halves(key)
    assert (low % 2**32) + (high % 2**32 << 32) == key


@pytest.mark.parametrize("device", DEVICES)
@given(key=keys, rows=st.lists(st.integers(0, 2**40), min_size=1, max_size=5), count=st.integers(1, 9))
def test_a_key_in_a_tensor_gives_the_bits_of_the_number(device, key, rows, count):
    rows, tensor = torch.tensor(rows, device=device), torch.tensor(halves(key), dtype=torch.int32, device=device)
    assert torch.equal(words(tensor, rows, count), words(key, rows, count))
    assert torch.equal(keep(tensor, rows, count, 0.3), keep(key, rows, count, 0.3))
    assert torch.equal(uniform(tensor, rows, count), uniform(key, rows, count))
    assert torch.equal(normal(tensor, rows, count), normal(key, rows, count))


@given(seed=st.integers(0, 99), own=st.none() | st.integers(0, 99), epochs=st.lists(st.integers(0, 5), max_size=4))
def test_tensors_follow_the_epoch_where_they_are(seed, own, epochs):
    stream = DeviceStream(seed, torch.device("cpu"))
    held = stream.key("dropout_1", own)
    for epoch in [0, *epochs]:
        stream.enter(epoch)
        assert stream.key("dropout_1", own) is held
        assert tuple(held.tolist()) == halves(Stream(seed, epoch).key("dropout_1", own))


def test_a_layer_with_a_seed_of_its_own_has_the_same_key_in_every_run():
    assert Stream(0, 3).key("dropout_1", 7) == Stream(1, 3).key("dropout_1", 7) == derive(7, "dropout_1", 3)


def test_a_stream_is_current_only_while_it_is_active():
    with active(Stream(0, 0)) as stream:
        assert current() is stream
    assert current() is None

"""Batches as a function of seed, epoch and step."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.data.rows.batches import Batches
from handson.randomness import derive, permutation

ROWS, SIZES, SEEDS = st.integers(1, 40), st.integers(1, 50), st.integers(0, 100)


def make(rows, size, shuffle=False, seed=0, weights=True, dtype=torch.float32):
    """Batches whose inputs, targets and weights say their row."""
    number = torch.arange(rows, dtype=torch.float32)
    inputs = torch.stack([number, -number], 1).to(dtype)
    return Batches(inputs, number[:, None] * 10, number + 0.5 if weights else None, size, shuffle, seed)


@settings(max_examples=40, deadline=None)
@given(rows=ROWS, size=SIZES, shuffle=st.booleans(), seed=SEEDS, epoch=st.integers(0, 5))
def test_every_row_is_in_one_batch_of_every_epoch(rows, size, shuffle, seed, epoch):
    batches = make(rows, size, shuffle, seed)
    parts = [batches.rows(epoch, step) for step in range(batches.steps)]
    assert sorted(torch.cat(parts).tolist()) == list(range(rows))
    assert [len(part) for part in parts[:-1]] == [size] * (len(parts) - 1)
    assert 1 <= len(parts[-1]) <= size
    assert len(batches) == rows


@settings(max_examples=20, deadline=None)
@given(rows=ROWS, size=SIZES)
def test_without_shuffling_the_order_is_that_of_the_data(rows, size):
    batches = make(rows, size)
    for step in range(batches.steps):
        first, last = batches.bounds(step)
        assert batches.rows(3, step).tolist() == list(range(first, last))


@settings(max_examples=20, deadline=None)
@given(rows=ROWS, size=SIZES, seed=SEEDS, epochs=st.lists(st.integers(0, 9), min_size=1, max_size=6))
def test_any_step_of_any_epoch_can_be_asked_for_in_any_order(rows, size, seed, epochs):
    batches = make(rows, size, True, seed)
    for epoch in epochs:
        order = permutation(derive(seed, "shuffle", epoch), rows)
        for step in reversed(range(batches.steps)):
            first, last = batches.bounds(step)
            assert make(rows, size, True, seed).rows(epoch, step).tolist() == batches.rows(epoch, step).tolist()
            assert batches.rows(epoch, step).tolist() == order[first:last].tolist()


def test_the_order_does_not_depend_on_the_size_of_a_batch():
    one, two = make(23, 4, True), make(23, 9, True)
    assert torch.equal(one.order(2), two.order(2))


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = [make(30, 4, True, seed).order(epoch).tolist() for seed in range(3) for epoch in range(3)]
    assert len({tuple(order) for order in orders}) == 9


@settings(max_examples=20, deadline=None)
@given(rows=ROWS, data=st.data())
def test_take_gives_inputs_targets_and_weights_of_its_rows(rows, data):
    wanted = data.draw(st.lists(st.integers(0, rows - 1), min_size=1, max_size=8))
    (inputs,), (targets,), (weights,) = make(rows, 4).take(torch.tensor(wanted))
    assert inputs.tolist() == [[row, -row] for row in wanted]
    assert targets.tolist() == [[row * 10] for row in wanted]
    assert weights.tolist() == [row + 0.5 for row in wanted]


def test_take_gives_copies():
    batches = make(5, 2)
    for (part,) in batches.take(torch.arange(5)):
        part += 100
    assert batches.inputs[0][0].tolist() == [0, 0]
    assert batches.targets[0][0].tolist() == [0]
    assert batches.weights[0][0].item() == 0.5


@settings(max_examples=20, deadline=None)
@given(rows=ROWS, size=SIZES)
def test_slices_are_the_batches_in_the_order_of_the_data(rows, size):
    batches = make(rows, size, shuffle=True)
    parts = [batches.slice(step) for step in range(batches.steps)]
    for place, whole in enumerate((batches.inputs, batches.targets, batches.weights)):
        assert torch.equal(torch.cat([part[place][0] for part in parts]), whole[0])


def test_a_slice_is_a_view():
    batches = make(5, 2)
    (inputs,), (targets,), (weights,) = batches.slice(1)
    assert inputs.data_ptr() == batches.inputs[0][2:].data_ptr()
    assert targets.data_ptr() == batches.targets[0][2:].data_ptr()
    assert weights.data_ptr() == batches.weights[0][2:].data_ptr()


def test_several_inputs_targets_and_weights_go_together():
    first, second = torch.arange(6.0)[:, None], torch.arange(12).reshape(6, 2)
    batches = Batches([first, second], [first * 2, first * 3], [None, torch.ones(6)], 4, masked=[True, False])
    inputs, targets, weights = batches.take(torch.tensor([5, 2]))
    assert [leaf.tolist() for leaf in inputs] == [[[5.0], [2.0]], [[10, 11], [4, 5]]]
    assert [leaf.tolist() for leaf in targets] == [[[10.0], [4.0]], [[15.0], [6.0]]]
    assert weights[0] is None
    assert weights[1].tolist() == [1.0, 1.0]
    assert inputs[1].dtype == torch.int64


def test_bytes_become_float32_batch_by_batch():
    batches = make(5, 2, dtype=torch.uint8)
    assert batches.take(torch.tensor([3])).inputs[0].dtype == torch.float32
    assert batches.slice(0).inputs[0].dtype == torch.float32
    assert batches.inputs[0].dtype == torch.uint8


def test_weights_may_be_left_out():
    batches = make(5, 2, weights=False)
    assert batches.take(torch.tensor([0])).weights == [None]
    assert batches.slice(0).weights == [None]
    assert batches.to(torch.device("cpu")).weights == [None]


@pytest.mark.parametrize("weights", [True, False])
def test_batches_on_a_device_are_the_same_batches(weights):
    batches = make(7, 3, True, 5, weights)
    batches.order(4)
    moved = batches.to(torch.device("meta"))
    assert {moved.inputs[0].device.type, moved.targets[0].device.type, moved.order(4).device.type} == {"meta"}
    same = batches.to(torch.device("cpu"))
    assert (same.batch_size, same.shuffle, same.seed) == (3, True, 5)
    assert torch.equal(same.order(4), batches.order(4))


def test_every_row_comes_first_equally_often():
    batches = make(10, 10, True)
    first = np.bincount([int(batches.order(epoch)[0]) for epoch in range(2000)], minlength=10)
    assert (np.abs(first - 200) < 5 * np.sqrt(200)).all()

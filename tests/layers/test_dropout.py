"""Dropout: its rate, its scale, and masks that are a function of seed, layer, epoch and sample."""

import functools
import math
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from handson import Sequential
from handson.core.errors import HandsonError
from handson.layers import RNN, BatchNormalization, Dropout, Layer, SpatialDropout2D, TimeDistributed, dropout
from handson.randomness.stream import Stream, active

# A p-value that a right sample falls below once in a hundred thousand cases; keys are fixed, so tests are too.
UNLIKELY = 1e-5
RATES = [0.05, 0.3, 0.5, 0.9]


def dropped(layer, x, rows=None, seed=0, epoch=0):
    """What the layer gives in a step of training on some rows."""
    with active(Stream(seed, epoch)) as stream:
        stream.rows = torch.arange(len(x)) if rows is None else torch.as_tensor(rows)
        return layer.train()(x)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("in_a_run", [True, False])
def test_values_are_dropped_at_the_rate_and_the_others_scaled(rate, in_a_run):
    torch.manual_seed(0)
    x = torch.full((200, 300), 3.0)
    y = dropped(Dropout(rate), x) if in_a_run else Dropout(rate).train()(x)
    zeros = int((y == 0).sum())
    assert stats.binomtest(zeros, y.numel(), rate).pvalue > UNLIKELY
    np.testing.assert_allclose(y[y != 0], 3.0 / (1 - rate), rtol=1e-6)


@pytest.mark.parametrize("rate", RATES)
def test_the_expected_output_is_the_input(rate):
    y = dropped(Dropout(rate), torch.ones(400, 400))
    assert y.mean().item() == pytest.approx(1.0, abs=5 * math.sqrt(rate / (1 - rate)) / 400)


def test_a_rate_of_zero_keeps_everything():
    x = torch.randn(5, 5)
    assert dropped(Dropout(0.0), x) is x


def test_a_rate_of_one_drops_everything():
    assert dropped(Dropout(1.0), torch.randn(5, 5)).tolist() == [[0.0] * 5] * 5


def test_outside_of_training_nothing_happens():
    x = torch.randn(5, 5)
    assert Dropout(0.5).eval()(x) is x


@settings(max_examples=20, deadline=None)
@given(rows=st.lists(st.integers(0, 10**9), min_size=1, max_size=8), seed=st.integers(0, 100))
def test_the_mask_of_a_sample_does_not_depend_on_its_batch(rows, seed):
    layer, x = Dropout(0.5), torch.ones(len(rows), 3, 7)
    together = dropped(layer, x, rows, seed)
    for place, row in enumerate(rows):
        assert torch.equal(together[place], dropped(layer, x[:1], [row], seed)[0])


def test_every_step_of_a_run_is_the_same_when_it_is_done_again():
    x = torch.ones(4, 50)
    assert torch.equal(dropped(Dropout(0.5), x, seed=3, epoch=2), dropped(Dropout(0.5), x, seed=3, epoch=2))


@pytest.mark.parametrize("change", ["seed", "epoch", "rows", "name"])
def test_masks_of_different_seeds_epochs_rows_and_layers_are_independent(change):
    x = torch.ones(100, 200)
    one = dropped(Dropout(0.5), x) > 0
    two = {
        "seed": lambda: dropped(Dropout(0.5), x, seed=1),
        "epoch": lambda: dropped(Dropout(0.5), x, epoch=1),
        "rows": lambda: dropped(Dropout(0.5), x, rows=range(100, 200)),
        "name": lambda: dropped(Dropout(0.5, name="other"), x),
    }[change]()
    agreeing = int((one == (two > 0)).sum())
    assert stats.binomtest(agreeing, x.numel(), 0.5).pvalue > UNLIKELY


@pytest.mark.parametrize("again", ["another call", "another step"])
def test_a_shared_layer_drops_other_values_in_each_call_and_the_same_in_each_step(again):
    layer, x = Dropout(0.5).train(), torch.ones(100, 200)
    with active(Stream(0, 0)) as stream:
        stream.rows = torch.arange(100)
        one = layer(x) > 0
        if again == "another step":
            stream.rows = torch.arange(100)
        two = layer(x) > 0
    agreeing = int((one == two).sum())
    assert (stats.binomtest(agreeing, x.numel(), 0.5).pvalue > UNLIKELY) == (again == "another call")
    assert (agreeing == x.numel()) == (again == "another step")


@pytest.mark.parametrize("step_by_step", [False, True])
def test_a_shared_layer_drops_other_values_in_each_call_over_time(step_by_step):
    inner = [Dropout(0.5), *([BatchNormalization()] if step_by_step else [])]
    layer, x = TimeDistributed(Sequential(inner)).train(), torch.ones(50, 6, 20)
    layer.build((None, 6, 20))
    with active(Stream(0, 0)) as stream:
        stream.rows = torch.arange(50)
        one, two = layer(x), layer(x)
    signs = [part > part.mean() for part in (one, two)]
    assert stats.binomtest(int((signs[0] == signs[1]).sum()), x.numel(), 0.5).pvalue > UNLIKELY


def test_going_over_time_at_once_or_step_by_step_drops_the_same():
    x, masks = torch.ones(50, 6, 20), []
    for step_by_step in (False, True):
        layer = TimeDistributed(Dropout(0.5)).train()
        with active(Stream(0, 0)) as stream:
            stream.rows = torch.arange(50)
            goes = functools.partial(layer._step_by_step, x, None, 50, 6) if step_by_step else lambda: layer(x)  # noqa: B023
            masks.append(torch.stack([goes(), goes()]))
    assert torch.equal(*masks)


def test_a_dropout_in_a_cell_drops_the_same_at_every_step_and_other_values_in_the_next_call():
    class Cell(Layer):
        state_size = output_size = 40

        def __init__(self):
            super().__init__()
            self.drop = Dropout(0.5)

        def call(self, inputs, states):
            return self.drop(inputs), states

    layer, x = RNN(Cell(), return_sequences=True).train(), torch.ones(50, 6, 40)
    layer.build((None, 6, 40))
    with active(Stream(0, 0)) as stream:
        stream.rows = torch.arange(50)
        one, two = layer(x), layer(x)
    assert torch.equal(one.amin(1), one.amax(1))
    agreeing = int(((one[:, 0] > 0) == (two[:, 0] > 0)).sum())
    assert stats.binomtest(agreeing, 50 * 40, 0.5).pvalue > UNLIKELY


def test_a_seed_of_its_own_wins_over_that_of_the_run():
    x = torch.ones(4, 50)
    assert torch.equal(dropped(Dropout(0.5, seed=1), x, seed=3), dropped(Dropout(0.5, seed=1), x, seed=4))
    assert not torch.equal(dropped(Dropout(0.5, seed=1), x), dropped(Dropout(0.5, seed=2), x))
    assert not torch.equal(dropped(Dropout(0.5, seed=1), x, epoch=0), dropped(Dropout(0.5, seed=1), x, epoch=1))


@settings(max_examples=20, deadline=None)
@given(
    shared=st.lists(st.booleans(), min_size=3, max_size=3),
    seed=st.integers(0, 1000),
)
def test_a_noise_shape_shares_decisions_along_its_axes_of_one(shared, seed):
    noise_shape = (None, *(1 if one else None for one in shared))
    y = dropped(Dropout(0.5, noise_shape), torch.ones(60, 5, 4, 3), seed=seed)
    for axis, one in enumerate(shared, 1):
        if one:
            assert torch.equal(y.amin(axis), y.amax(axis))
    assert len(y.unique()) == 2


def test_a_noise_shape_may_share_one_decision_in_the_whole_batch():
    y = dropped(Dropout(0.5, (1, None)), torch.ones(50, 40))
    assert torch.equal(y.amin(0), y.amax(0))
    assert len(y.unique()) == 2


def test_a_noise_shape_of_another_rank_is_an_error():
    with pytest.raises(
        HandsonError, match=r"noise_shape.*\(None, 1\).*\(2, 3, 4\)|noise_shape.*\(2, 3, 4\).*\(None, 1\)"
    ):
        Dropout(0.5, noise_shape=(None, 1)).train()(torch.ones(2, 3, 4))


def test_the_gradient_goes_where_the_values_went():
    x = torch.ones(20, 20, requires_grad=True)
    y = dropped(Dropout(0.5), x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


@pytest.mark.parametrize("rate", [-0.1, 1.1, "0.5", None, float("nan")])
@pytest.mark.parametrize("kind", [Dropout, SpatialDropout2D])
def test_a_rate_that_is_no_fraction_is_an_error(kind, rate):
    with pytest.raises(HandsonError, match=rf"{kind.__name__}: rate is a fraction between 0 and 1; got {rate!r}\."):
        kind(rate)


@pytest.mark.parametrize("rate", [np.float32(0.5), np.float64(0.5)])
def test_a_rate_may_be_of_numpy(rate):
    assert Dropout(rate).rate == 0.5


def test_a_seed_that_is_no_seed_is_an_error():
    with pytest.raises(HandsonError, match=r"a seed is a whole number, such as seed=0; got 0\.5\."):
        Dropout(0.5, seed=0.5)


def test_spatial_dropout_drops_whole_channels():
    y = dropped(SpatialDropout2D(0.4), torch.ones(50, 4, 5, 60))
    assert torch.equal(y.amin((1, 2)), y.amax((1, 2)))
    zeros = int((y[:, 0, 0] == 0).sum())
    assert stats.binomtest(zeros, 50 * 60, 0.4).pvalue > UNLIKELY


def test_spatial_dropout_takes_images():
    with pytest.raises(
        HandsonError, match=r"SpatialDropout2D .* takes inputs of shape \(batch, height, width, channels\)"
    ):
        SpatialDropout2D(0.5)(torch.ones(2, 3))


def test_spatial_dropout_has_no_noise_shape():
    with pytest.raises(TypeError, match="SpatialDropout2D has no argument 'noise_shape'"):
        SpatialDropout2D(0.5, noise_shape=(None, 1, 1, 1))


@settings(max_examples=20, deadline=None)
@given(
    shape=st.lists(st.integers(1, 7), min_size=2, max_size=4), rate=st.sampled_from([0.1, 0.5, 0.9]),
    seed=st.integers(0, 1000), own=st.sampled_from([None, 3]), epoch=st.integers(0, 3),
)  # fmt: skip
def test_the_kernel_of_large_inputs_gives_the_same_bits(shape, rate, seed, own, epoch):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    x.flatten()[0] = float("nan")
    results = []
    for limit in (0, 1 << 60):
        with patch.object(dropout, "WORTH_A_KERNEL", limit):
            inputs = x.clone().requires_grad_()
            y = dropped(Dropout(rate, seed=own), inputs, seed=seed, epoch=epoch)
            (gradient,) = torch.autograd.grad(y.sum(), inputs)
            results.append((y.detach().numpy().tobytes(), gradient.numpy().tobytes()))
    assert results[0] == results[1]


def test_large_inputs_of_another_memory_format_are_dropped_too():
    x = torch.ones(40, 3, 50, 60).to(memory_format=torch.channels_last)
    assert torch.equal(dropped(Dropout(0.5), x), dropped(Dropout(0.5), x.contiguous()))

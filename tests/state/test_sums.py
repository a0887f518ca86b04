"""Sums of metrics that are no means: over workers, and through a checkpoint."""

import json

import numpy as np
import pytest
import torch

from handson import metrics
from handson.core.errors import HandsonError
from handson.state.sums import Sums


class Counting(metrics.Metric):
    """State in a variable, and in what the base adds up."""

    def __init__(self, aggregation="sum"):
        super().__init__("counting")
        self.count = self.add_variable((), "zeros", aggregation=aggregation)

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.count.assign_add(len(y_pred))

    def result(self):
        return self.count


class Listing(Counting):
    """State in a list: no checkpoint has it."""

    def reset_state(self):
        self.seen = []

    def __init__(self):
        metrics.Metric.__init__(self, "listing")
        self.reset_state()

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.seen.append(len(y_pred))

    def result(self):
        return sum(self.seen)


class Doubled(metrics.R2Score):
    """What the base adds up, changed in the end."""

    def result(self):
        return 2 * super().result()


MEASURED = [metrics.MeanAbsoluteError(), metrics.AUC(), metrics.R2Score(), metrics.NMAD(), Counting(), Doubled()]


def batches(rows=30):
    rng = np.random.default_rng(1)
    y_true, y_pred = rng.integers(0, 2, (rows, 1)).astype("float32"), rng.random((rows, 1)).astype("float32")
    return list(zip(torch.from_numpy(y_true).split(8), torch.from_numpy(y_pred).split(8), strict=True))


def measured(parts, metric, sums=None):
    sums = sums or Sums()
    for y_true, y_pred in parts:
        sums.measure("it", metric, y_true, y_pred, None, False)
    return sums


@pytest.mark.parametrize("metric", MEASURED, ids=lambda metric: type(metric).__name__)
def test_workers_together_have_seen_what_one_would_have(metric):
    parts = batches()
    whole, first, second = (measured(some, metric) for some in (parts, parts[:1], parts[1:]))
    first.merge(second)
    assert first.results("it", metric)["it"] == pytest.approx(whole.results("it", metric)["it"], rel=1e-12)
    alone = Sums()
    alone.merge(whole)
    assert alone.results("it", metric) == whole.results("it", metric)


@pytest.mark.parametrize("metric", MEASURED, ids=lambda metric: type(metric).__name__)
def test_an_interrupted_epoch_goes_on_where_it_was(metric):
    parts = batches()
    sums = measured(parts[:2], metric)
    before = sums.results("it", metric)
    sums.add("loss", 1.0, 1)
    state, tensors = json.loads(json.dumps(sums.state())), {name: each.clone() for name, each in sums.tensors().items()}
    again = Sums.from_state(state, tensors | {"weights/x": torch.zeros(1)})
    assert again.results("it", metric) == before
    expected = measured(parts, metric).results("it", metric)
    assert measured(parts[2:], metric, again).results("it", metric) == expected


def test_what_no_checkpoint_has_is_not_half_told():
    parts, metric = batches(), Listing()
    sums = measured(parts[:2], metric)
    sums.add("loss", 1.0, 1)
    again = measured(parts[2:], metric, Sums.from_state(sums.state(), sums.tensors()))
    assert np.isnan(again.results("it", metric)["it"])
    assert measured(parts, metric).results("it", metric) == {"it": 30.0}
    with pytest.raises(HandsonError, match="cannot be merged with those of another worker"):
        measured(parts, metric).merge(measured(parts, metric))


@pytest.mark.parametrize(("aggregation", "expected"), [("sum", 30.0), ("mean", 15.0), ("only_first_replica", 8.0)])
def test_states_of_workers_become_one_as_they_say(aggregation, expected):
    metric = Counting(aggregation)
    first, second = measured(batches()[:1], metric), measured(batches()[1:], metric)
    first.merge(second)
    assert first.results("it", metric) == {"it": expected}


def test_what_was_not_measured_has_no_result():
    assert Sums().results("it", metrics.AUC()) == {}
    assert Sums().results("it", metrics.MeanAbsoluteError()) == {}

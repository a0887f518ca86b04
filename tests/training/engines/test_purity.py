"""What a metric of a user looks at besides its arguments."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from handson import Sequential, metrics
from handson.layers import Dense
from handson.losses import Huber
from handson.metrics import Metric
from handson.training.engines.purity import outside

FACTOR, POWERS, SEEN = 2.0, np.array([1.0, 2.0]), {}
NET = Sequential([Dense(1)])


def squared(y_true, y_pred):
    return FACTOR * (y_true - y_pred) ** 2


def helped(y_true, y_pred, *, power=POWERS):
    return torch.sqrt(squared(y_true, y_pred)) * float(power[0])


mean = []


def like_a_global(y_true, y_pred):
    return (y_true - y_pred).mean()


def recursive(y_true, y_pred, depth=0):
    return y_true if depth else recursive(y_true, y_pred, 1)


def around(value):
    return lambda y_true, y_pred: y_true * value


@pytest.mark.parametrize(
    "function",
    [
        squared,
        helped,
        recursive,
        around(3),
        around(squared),
        around(torch.ones(2)),
        around((1, "a", None)),
        partial(helped, power=(1.0,)),
        nn.SmoothL1Loss(),
        nn.functional.l1_loss,
    ],
)
def test_who_knows_only_arguments_and_constants(function):
    assert outside(metrics.get(function)) is None


def test_a_name_that_has_no_value_yet_is_nothing():
    def looks_ahead(y_true, y_pred):
        return y_true * later

    assert outside(metrics.get(looks_ahead)) is None
    later = NET
    assert outside(metrics.get(looks_ahead)) == "later"


def beside(net, y_true, y_pred):
    return y_true - y_pred + net.layers[0].bias


def looks_at_a_net(y_true, y_pred):
    return y_true - y_pred + NET.layers[0].bias


def through_another(y_true, y_pred):
    return looks_at_a_net(y_true, y_pred)


def inside(y_true, y_pred):
    return (lambda: len(SEEN) * y_true)()


def remembers(y_true, y_pred, seen=[]):  # noqa: B006
    return y_true


class Called:
    __name__ = "called"

    def __call__(self, y_true, y_pred):
        return y_true


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (looks_at_a_net, "NET"), (through_another, "NET"), (inside, "SEEN"), (remembers, "a default"),
        (around(NET), "value"), (around(nn.Parameter(torch.ones(1))), "value"), (around([1]), "value"),
        (around((1, [2])), "value"), (partial(beside, NET), "its own state"), (Called(), "its own state"),
        (around(looks_at_a_net), "NET"),
    ],
)  # fmt: skip
def test_who_looks_at_something_that_may_change(function, what):
    assert outside(metrics.get(function)) == what


class Own(Metric):
    def __init__(self, held=None):
        super().__init__("own")
        self.held = held

    def values(self, y_true, y_pred):
        return y_true


class Looking(Own):
    def values(self, y_true, y_pred):
        return NET(y_true)


def test_classes_of_metrics():
    assert outside(Own()) is None
    assert outside(Own(3.0)) is None
    assert outside(Own([])) == "held"
    assert outside(Looking()) == "NET"
    assert outside(metrics.get("mae")) is None
    assert outside(metrics.LossMetric(Huber())) is None

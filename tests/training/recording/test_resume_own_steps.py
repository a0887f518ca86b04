"""A net with a training step of its own goes on with the same numbers."""

import os

import pytest
import torch
from interrupted import (
    everything,
    train,
    until_done,
)
from torch import nn

from handson import Model, Sequential, layers, metrics, random
from handson.optimizers import Adam
from handson.training.recording import keeper


@pytest.fixture(autouse=True)
def _write_often(monkeypatch):
    """As often as the thread can; a process that ends needs no flush, only a power failure does."""
    monkeypatch.setattr(keeper, "MOST_SHARE", 1.0)
    monkeypatch.setattr(os, "fsync", lambda handle: None)


class Adversaries(Model):
    """Two nets against each other, with an optimizer and a running mean each."""

    def __init__(self):
        super().__init__()
        self.maker, self.judge = Sequential([layers.Dense(3)]), Sequential([layers.Dropout(0.3), layers.Dense(1)])
        self.optimizers = {"maker": Adam(0.02), "judge": Adam(0.01)}
        self.gap = metrics.Mean(name="gap")

    def train_step(self, data):
        real = data[0]
        made = self.maker(random.normal((len(real), 2)))
        gap = self.judge(real).mean() - self.judge(made.detach()).mean()
        self.learn("judge", gap)
        self.learn("maker", self.judge(made).mean())
        self.gap.update_state(gap.detach())
        return self.get_metrics_result()

    def learn(self, who, loss):
        weights = getattr(self, who).trainable_weights
        self.optimizers[who].apply(torch.autograd.grad(loss, weights), weights)


ADVERSARIES = {"make": Adversaries, "compile": {"loss": None, "metrics": None}, "validation_split": 0.0}


@pytest.mark.parametrize("plan", [[(0, 1)], [(1, 2), (2, 0)]])
@pytest.mark.parametrize("crash", [False, True], ids=["signal", "crash"])
def test_two_optimizers_and_a_metric_of_the_nets_own_go_on_the_same(tmp_path, monkeypatch, plan, crash):
    monkeypatch.setattr(Adversaries, "predict_step", lambda self, data: self.judge(data), raising=False)
    undisturbed, resumed = [], []
    for found, folder, wanted in ((undisturbed, "whole", []), (resumed, "stopped", list(plan))):
        (net, made, history), calls = until_done(tmp_path / folder, wanted, crash=crash, **ADVERSARIES)
        assert calls == (1 if folder == "whole" else len(plan) + 1)
        slots = {
            (name, slot, weight): tensor.tolist()
            for name, one in net.optimizers.items()
            for slot, held in one.slots.items()
            for weight, tensor in held.items()
        }
        found.append(everything(net, made, history) | slots)
    (one,), (other,) = undisturbed, resumed
    assert [name for name in one.keys() | other.keys() if one.get(name) != other.get(name)] == []


def test_an_optimizer_of_pytorch_in_a_net_is_said_to_begin_anew(tmp_path, capsys):
    class Foreign(Adversaries):
        def __init__(self):
            super().__init__()
            self.other = torch.optim.SGD([nn.Parameter(torch.zeros(1))])

    train(tmp_path / "run", make=Foreign, **{name: value for name, value in ADVERSARIES.items() if name != "make"})
    assert "Foreign '' has an optimizer of PyTorch (other), which a checkpoint does not hold" in capsys.readouterr().out

"""A net that trains its parts with optimizers of its own goes on where it was stopped, bit for bit."""

import numpy as np
import pytest
import torch
from interrupted import Interrupt

from handson import Model, Sequential
from handson.callbacks import Callback
from handson.layers import Dense
from handson.optimizers import SGD, Adam
from handson.schedules import ExponentialDecay
from handson.state.state import more_optimizers
from handson.training.recording.interruption import Stopped


class Adversaries(Model):
    def __init__(self):
        super().__init__(seed=0)
        self.maker, self.judge = Sequential([Dense(3, input_dim=2)]), Sequential([Dense(1, input_dim=3)])

    def compile(self, maker, judges):
        super().compile()
        self.of_maker, self.of_judge = maker, judges

    def train_step(self, real):
        noise = torch.randn(len(real), 2)
        judged = self.judge(real).mean() - self.judge(self.maker(noise).detach()).mean()
        weights = self.judge.trainable_weights
        self.of_judge[0].apply(torch.autograd.grad(judged, weights), weights)
        made = self.judge(self.maker(noise)).mean()
        weights = self.maker.trainable_weights
        self.of_maker.apply(torch.autograd.grad(made, weights), weights)
        return {"judge": judged, "maker": made}


class Count(Callback):
    def __init__(self):
        self.batches = 0

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1


def trained(folder, plan=()):
    net = Adversaries()
    net.compile(Adam(ExponentialDecay(0.01, 10, 0.9)), [SGD(0.01, momentum=0.9)])
    x = np.random.default_rng(0).normal(size=(32, 3)).astype(np.float32)
    given = {"epochs": 3, "batch_size": 8, "seed": 3, "verbose": 0, "checkpoint_seconds": 0.0}
    count = Count()
    history = net.fit(x, run=folder, callbacks=[count, Interrupt(list(plan))], **given)
    return net, history, count.batches


@pytest.mark.parametrize("plan", [[(0, 1)], [(1, 3)], [(0, 2), (2, 0)]])
def test_all_of_them_go_on_where_they_were(tmp_path, plan):
    whole, expected, _ = trained(tmp_path / "whole")
    left = list(plan)
    while left:
        with pytest.raises(Stopped):
            trained(tmp_path / "cut", left[:1])
        left.pop(0)
    net, history, batches = trained(tmp_path / "cut")
    epoch, step = plan[-1]
    assert batches == 12 - (4 * epoch + step + 1)  # it did not begin anew
    assert history.history == expected.history
    assert all(map(np.array_equal, net.get_weights(), whole.get_weights()))
    ours, theirs = more_optimizers(net, net.optimizer), more_optimizers(whole, whole.optimizer)
    assert list(ours) == list(theirs) == ["of_maker", "of_judge.0"]
    for name, one in ours.items():
        assert one.iterations == theirs[name].iterations == 12
        for slot, held in one.slots.items():
            assert all(torch.equal(held[key], theirs[name].slots[slot][key]) for key in held)

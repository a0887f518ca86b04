"""The copy of the training state that is renewed before epochs is that of the state as it is now."""

import pytest
import torch

from handson import Model, Sequential
from handson.layers import BatchNormalization, Dense
from handson.optimizers import SGD
from handson.state.kept import KeptState
from handson.state.state import TrainingState, further_optimizers


def exchange(net):
    net.layers[0].kernel = torch.nn.Parameter(2.0 * net.layers[0].kernel.detach())


def freeze(net):
    net.layers[0].trainable = False


def average(net):
    net.optimizer.use_ema = True


def forget(net):
    net.optimizer.slots.clear()


@pytest.mark.parametrize("change", [lambda net: None, exchange, freeze, average, forget])
def test_what_was_changed_since_is_brought_back(change):
    net = Sequential([Dense(3, input_dim=2), BatchNormalization(), Dense(1)], seed=0)
    net.compile(SGD(0.1, momentum=0.9), "mse")
    kept = KeptState(net, net.optimizer)
    kept.renew()
    change(net)
    with torch.no_grad():
        net.layers[1].moving_mean.fill_(3.0)
    net.optimizer.iterations = 5
    kept.renew()
    expected = TrainingState.of(net, net.optimizer).copy()
    with torch.no_grad():
        for tensor in TrainingState.of(net, net.optimizer).tensors.values():
            tensor.add_(1.0)
    net.optimizer.iterations = 9
    kept.restore()
    found = TrainingState.of(net, net.optimizer)
    assert found.tensors.keys() == expected.tensors.keys()
    assert all(torch.equal(found.tensors[name], expected.tensors[name]) for name in found.tensors)
    assert found.values == expected.values


def test_without_a_copy_nothing_is_brought_back():
    net = Sequential([Dense(1, input_dim=2)], seed=0)
    net.compile("sgd", "mse")
    before = net.get_weights()
    KeptState(net, net.optimizer).restore()
    assert (before[0] == net.get_weights()[0]).all()


class Own(Model):
    def __init__(self):
        super().__init__(seed=0)
        self.parts, self.of_part = torch.nn.ModuleList([torch.nn.Linear(2, 1)]), SGD(0.1, momentum=0.9)

    def train_step(self, x):
        return {"loss": 0.0}


def test_further_optimizers_and_parts_that_a_step_builds_are_brought_back():
    net = Own()
    net.compile("sgd", "mse")

    def state():
        return TrainingState.of(net, net.optimizer, further_optimizers(net, net.optimizer))

    kept = KeptState(net, net.optimizer)
    for count in (1, 2):
        named = {name: weight for name, weight in net.named_parameters() if name.startswith("parts")}
        net.of_part.bind(list(named), list(named.values()))
        kept.renew()
        expected = state().copy()
        with torch.no_grad():
            for tensor in state().tensors.values():
                tensor.add_(1.0)
        net.of_part.iterations = 7
        kept.restore()
        assert len([name for name in expected.tensors if name.startswith("optimizer.of_part")]) == 2 * count
        assert all(torch.equal(state().tensors[name], tensor) for name, tensor in expected.tensors.items())
        assert state().values == expected.values
        net.parts.append(torch.nn.Linear(2, 1))

"""Optimizers in steps by hand, and what they refuse."""

import numpy as np
import pytest
import torch
from optimizer_cases import check_same, slopes, start

import handson
from handson import optimizers
from handson.core.errors import HandsonError


def variables(keras=None):
    make = torch.tensor if keras is None else keras.Variable
    return [make(weight) for weight in start()]


def test_weights_and_gradients_are_given_as_in_keras(keras):
    ours, theirs = optimizers.Adam(0.1, clipnorm=0.5), keras.optimizers.Adam(0.1, clipnorm=0.5)
    mine, other = variables(), variables(keras)
    for step in range(3):
        gradients = slopes(0, step, [weight.numpy() for weight in mine])
        ours.apply_gradients(zip(map(torch.tensor, gradients), mine, strict=True))
        theirs.apply_gradients(zip(map(torch.tensor, gradients), other, strict=True))
    check_same([[weight.numpy() for weight in mine]], [[weight.value.detach().numpy() for weight in other]])
    assert ours.iterations == 3


def test_gradients_that_are_given_stay_as_they_are():
    gradient = torch.tensor([3.0])
    optimizers.SGD(0.1, momentum=0.9, clipnorm=1.0).apply([gradient], [torch.zeros(1)])
    assert gradient.item() == 3.0


def test_an_optimizer_that_is_built_knows_its_weights():
    optimizer, weights = optimizers.SGD(1.0, momentum=0.5), [torch.zeros(2), torch.zeros(1)]
    optimizer.build(weights)
    optimizer.apply([torch.ones(2), torch.ones(1)])
    optimizer.apply([torch.zeros(2), torch.zeros(1)])
    assert [weight.tolist() for weight in weights] == [[-1.5, -1.5], [-1.5]]
    iterations, rate, *slots = optimizer.variables
    assert (iterations.item(), rate.item()) == (2, 1.0)
    assert [slot.tolist() for slot in slots] == [[-0.5, -0.5], [-0.5]]


def test_the_weights_of_a_net_keep_their_names_in_steps_by_hand():
    net = handson.Sequential([handson.layers.Dense(1, input_dim=2)], seed=0)
    net.compile(optimizers.SGD(0.1, momentum=0.9), "mse")
    x, y = torch.ones(4, 2), torch.zeros(4, 1)
    loss = (net(x) - y).square().mean()
    weights = list(net.parameters())
    net.optimizer.apply(torch.autograd.grad(loss, weights), weights)
    assert set(net.optimizer.slots["momentum"]) == {name for name, _ in net.named_parameters()}
    net.fit(x.numpy(), y.numpy(), batch_size=4, verbose=0)
    assert net.optimizer.iterations == 2


def test_weights_without_a_gradient_stay_and_are_named():
    optimizer, weights = optimizers.SGD(1.0), [torch.zeros(1), torch.zeros(1)]
    with pytest.warns(UserWarning, match=r"no gradient for the weights \['weight_1'\]"):
        optimizer.apply([torch.ones(1), None], weights)
    assert [weight.item() for weight in weights] == [-1.0, 0.0]
    with pytest.raises(HandsonError, match="none of the weights has a gradient"):
        optimizer.apply([None, None], weights)


def test_steps_by_hand_that_miss_something_are_errors():
    with pytest.raises(HandsonError, match=r"apply: 1 gradients for 2 weights"):
        optimizers.SGD().apply([torch.ones(1)], [torch.zeros(1), torch.zeros(1)])
    with pytest.raises(HandsonError, match=r"apply needs the weights"):
        optimizers.SGD().apply([torch.ones(1)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss_scale_factor": 2.0}, r"loss_scale_factor keeps float16.*got 2\.0\. Leave it out"),
        ({"gradient_accumulation_steps": 1}, r"gradient_accumulation_steps is a whole number, at least 2; got 1"),
        ({"use_ema": True, "ema_overwrite_frequency": 0}, r"ema_overwrite_frequency is a whole number, at least 1"),
        ({"ema_overwrite_frequency": 3}, r"ema_overwrite_frequency needs the averages.*add use_ema=True"),
        ({"use_ema": True, "ema_momentum": 1.5}, r"ema_momentum lies in \[0, 1\]; got 1\.5"),
    ],
)
def test_arguments_that_mean_nothing_are_errors(arguments, message):
    with pytest.raises(HandsonError, match=message):
        optimizers.SGD(**arguments)


def test_ftrl_cannot_stand_still():
    with pytest.raises(HandsonError, match=r"Ftrl divides by the learning rate, which is 0\.0 at step 0"):
        optimizers.Ftrl(0.0).apply([torch.ones(1)], [torch.zeros(1)])


@pytest.mark.parametrize(
    "setting", [{"gradient_accumulation_steps": 2}, {"use_ema": True, "ema_overwrite_frequency": 2}]
)
def test_what_only_plain_steps_can_do_is_said(rng, setting):
    net = handson.Sequential([handson.layers.Dense(1, input_dim=2)])
    net.compile(optimizers.SGD(0.1, **setting), "mse")
    with pytest.raises(HandsonError, match=rf"does not support {list(setting)[-1]}=2"):
        net.fit(rng.normal(size=(8, 2)), rng.normal(size=8), engine="dense", verbose=0)


def test_gathered_gradients_are_those_of_larger_batches(rng):
    x, y = rng.normal(size=(24, 3)).astype("float32"), rng.normal(size=(24, 1)).astype("float32")
    found = []
    for size, setting in ((4, {"gradient_accumulation_steps": 3}), (12, {})):
        net = handson.Sequential([handson.layers.Dense(1, input_dim=3)], seed=0)
        net.compile(optimizers.Adam(0.1, **setting), "mse")
        net.fit(x, y, batch_size=size, epochs=3, shuffle=False, verbose=0, engine="eager")
        found.append(net.get_weights())
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4)


def test_a_small_factor_of_memory_is_what_adafactor_keeps():
    optimizer = optimizers.Adafactor()
    optimizer.build([torch.zeros(50, 40), torch.zeros(7)])
    assert sum(slot.numel() for slot in optimizer.variables[2:]) == 50 + 40 + 7

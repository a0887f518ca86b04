"""Learning rates that differ by layer."""

import numpy as np
import pytest
import torch
from optimizer_cases import COMMON, OWN_ARGUMENTS, SHAPES, STEPS, slopes, start

import handson
from handson import optimizers
from handson.core.errors import HandsonError
from handson.layers import Conv2D, Dense, Flatten, MaxPooling2D
from handson.schedules import ExponentialDecay, Position

# As names of weights in a net.
NAMES = [f"{layer}.{weight}" for layer, weight in zip(("base.first", "base.second", "head"), SHAPES, strict=True)]
SHARES = {"base": 0.5, "second": 0.1}


def moved(optimizer, names, weights, steps=STEPS):
    """The weights with these names after some steps; gradients follow from all of them."""
    weights = [torch.tensor(weight) for weight in weights]
    chosen = [NAMES.index(name) for name in names]
    held = [weights[place] for place in chosen]
    optimizer.bind(names, held)
    for step in range(steps):
        found = slopes(0, step, [weight.numpy() for weight in weights])
        gradients = [torch.tensor(found[place]) for place in chosen]
        optimizer.step(names, held, gradients, Position(step, 0, step, steps, 1))
    return held


# Of Adafactor and Ftrl the step is no multiple of the rate; a bound on all gradients together is one for all layers.
SPLIT = [
    (name, arguments)
    for name, own in OWN_ARGUMENTS.items()
    if name not in ("Adafactor", "Muon")
    for arguments in [*COMMON, *own]
    if "global_clipnorm" not in arguments and "ema_overwrite_frequency" not in arguments
]


@pytest.mark.parametrize(("name", "arguments"), SPLIT)
def test_a_layer_moves_as_with_an_optimizer_of_its_own(name, arguments):
    kind = getattr(optimizers, name)
    together = moved(kind(0.1, **arguments, rate_multipliers=SHARES), NAMES, start())
    for weight, one, share in zip(together, NAMES, (0.5, 0.1, 1.0), strict=True):
        (alone,) = moved(kind(0.1 * share, **arguments), [one], start())
        torch.testing.assert_close(weight, alone, rtol=1e-5, atol=1e-6)


def test_adafactor_s_step_is_multiplied():
    first = moved(optimizers.Adafactor(0.1), NAMES, start(), steps=1)
    second = moved(optimizers.Adafactor(0.1, rate_multipliers=SHARES), NAMES, start(), steps=1)
    for before, whole, part, share in zip(start(), first, second, (0.5, 0.1, 1.0), strict=True):
        np.testing.assert_allclose(part.numpy() - before, share * (whole.numpy() - before), rtol=1e-4, atol=1e-6)


def test_groups_of_torch_give_the_same():
    ours = moved(optimizers.SGD(0.1, momentum=0.9, nesterov=True, rate_multipliers=SHARES), NAMES, start())
    weights = [torch.nn.Parameter(torch.tensor(weight)) for weight in start()]
    groups = [{"params": [weight], "lr": 0.1 * share} for weight, share in zip(weights, (0.5, 0.1, 1.0), strict=True)]
    theirs = torch.optim.SGD(groups, momentum=0.9, nesterov=True)
    for step in range(STEPS):
        found = slopes(0, step, [weight.detach().numpy() for weight in weights])
        for weight, slope in zip(weights, found, strict=True):
            weight.grad = torch.tensor(slope)
        theirs.step()
    for one, two in zip(ours, weights, strict=True):
        torch.testing.assert_close(one, two.detach(), rtol=1e-5, atol=1e-6)


def net(optimizer):
    made = handson.Sequential([Dense(6, "tanh", input_dim=3, name="first"), Dense(1, name="second")], seed=1)
    made.compile(optimizer, "mse")
    return made


def data(rng):
    x = rng.normal(size=(40, 3)).astype("float32")
    return x, x.sum(1, keepdims=True)


@pytest.mark.parametrize("engine", ["blocks", "shards"])
def test_engines_give_the_numbers_of_the_reference(rng, engine):
    x, y = rng.random((24, 6, 6, 1)).astype("float32"), rng.random((24, 1)).astype("float32")

    def weights(which):
        layers = [Conv2D(4, 3, activation="relu", name="first"), MaxPooling2D(), Flatten(), Dense(1)]
        made = handson.Sequential(layers, seed=1)
        made.compile(optimizers.Adam(0.01, rate_multipliers={"first": 0.1}), "mse")
        made.fit(x, y, batch_size=8, epochs=3, verbose=0, seed=2, engine=which)
        return made.get_weights()

    for one, two in zip(weights("eager"), weights(engine), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)


def test_the_compiled_program_says_that_it_cannot_and_is_not_chosen(rng):
    x, y = data(rng)
    made = net(optimizers.SGD(0.1, rate_multipliers={"first": 0.1}))
    with pytest.raises(HandsonError, match=r"it does not support rate_multipliers=\{'first': 0\.1\}"):
        made.fit(x, y, verbose=0, engine="dense")
    assert made.fit(x, y, epochs=10, verbose=0).history["loss"][-1] < 1


def test_a_schedule_rules_all_of_the_rates(rng):
    x, y = data(rng)
    rate = ExponentialDecay(0.1, decay_steps=1, decay_rate=0.5)
    made = net(optimizers.SGD(rate, rate_multipliers={"first": 1e-6}))
    before = made.get_weights()
    made.fit(x, y, epochs=2, verbose=0)
    changes = [np.abs(one - two).max() for one, two in zip(before, made.get_weights(), strict=True)]
    assert changes[0] < 1e-5 < 1e-2 < changes[2]


def test_files_hold_the_multipliers(tmp_path):
    made = net(optimizers.Adam(rate_multipliers={"first": 0.1}))
    made.save(tmp_path / "net.handson")
    assert handson.load(tmp_path / "net.handson").optimizer.rate_multipliers == {"first": 0.1}
    with pytest.raises(HandsonError, match="has rate_multipliers, which Keras has not"):
        made.save(tmp_path / "net.keras")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"first": 0}, r"rate_multipliers\['first'\] is a positive number; got 0\..*layer.trainable = False"),
        ({"first": "a"}, "positive number; got 'a'"),
        ({"first": float("inf")}, "positive number; got inf"),
        (0.1, "has a number for each layer by its name"),
    ],
)
def test_what_is_no_multiplier_is_refused(given, said):
    with pytest.raises(HandsonError, match=said):
        optimizers.SGD(rate_multipliers=given)


def test_a_name_that_no_layer_has_is_refused_with_the_nearest(rng):
    made = net(optimizers.SGD(rate_multipliers={"frist": 0.1}))
    with pytest.raises(HandsonError, match=r"'frist'.*Did you mean 'first'\? Layers: first, second\."):
        made.fit(*data(rng), verbose=0)


def test_a_frozen_layer_may_have_a_multiplier(rng):
    made = net(optimizers.SGD(rate_multipliers={"first": 0.1}))
    made.layers[0].trainable = False
    made.fit(*data(rng), verbose=0)

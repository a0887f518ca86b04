"""Optimizers against Keras's: the same gradients must lead to the same weights."""

import inspect

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from optimizer_cases import (
    CASES,
    EAGER_ONLY,
    MIXED,
    SHAPES,
    STEPS,
    check_same,
    described,
    run,
    run_keras,
    slopes,
    start,
)

import handson
from handson import optimizers, schedules
from handson.core import registry
from handson.core.errors import HandsonError
from handson.schedules import Position


@pytest.mark.parametrize("case", CASES, ids=described)
def test_weights_are_those_of_keras(keras, case):
    name, arguments = case
    ours = getattr(optimizers, name)(0.05, **arguments)
    theirs = getattr(keras.optimizers, name)(0.05, **arguments)
    check_same(run(ours), run_keras(keras, theirs))


@pytest.mark.parametrize("name", registry.known("optimizer"))
def test_defaults_give_the_weights_of_keras(keras, name):
    check_same(run(getattr(optimizers, name)()), run_keras(keras, getattr(keras.optimizers, name)()))


@settings(max_examples=15, deadline=None)
@given(arguments=MIXED, rate=st.floats(1e-3, 0.3), seed=st.integers(0, 1000))
def test_sgd_with_any_arguments_gives_the_weights_of_keras(keras, arguments, rate, seed):
    ours, theirs = optimizers.SGD(rate, **arguments), keras.optimizers.SGD(rate, **arguments)
    check_same(run(ours, seed), run_keras(keras, theirs, seed))


@pytest.mark.parametrize("case", [case for case in CASES if not EAGER_ONLY & set(case[1])], ids=described)
def test_numbers_that_are_tensors_give_the_weights_of_floats(case):
    """A recorded step reads its numbers from tensors without axes."""
    name, arguments = case
    floats, tensors = (getattr(optimizers, name)(0.05, **arguments) for _ in range(2))

    def step(names, weights, gradients, position):
        numbers = {key: torch.tensor(value) for key, value in tensors.numbers(position).items()}
        tensors.take(names, weights, gradients, numbers)
        tensors.iterations += 1

    expected = run(floats)
    tensors.step = step
    check_same(run(tensors), expected)


@pytest.mark.parametrize("name", registry.known("optimizer"))
@pytest.mark.parametrize(
    ("schedule", "arguments"),
    [
        ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 3, "decay_rate": 0.5}),
        ("PiecewiseConstantDecay", {"boundaries": [2, 7], "values": [0.1, 0.02, 0.3]}),
        (
            "CosineDecay",
            {"initial_learning_rate": 0.01, "decay_steps": 8, "alpha": 0.1, "warmup_target": 0.2, "warmup_steps": 4},
        ),
    ],
)
def test_a_schedule_of_the_learning_rate_gives_the_weights_of_keras(keras, name, schedule, arguments):
    ours = getattr(optimizers, name)(getattr(schedules, schedule)(**arguments))
    theirs = getattr(keras.optimizers, name)(getattr(keras.optimizers.schedules, schedule)(**arguments))
    check_same(run(ours), run_keras(keras, theirs))


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_decay_is_inverse_time_decay_with_one_step(keras, name):
    ours = getattr(optimizers, name)(lr=0.1, decay=0.3)
    theirs = getattr(keras.optimizers, name)(keras.optimizers.schedules.InverseTimeDecay(0.1, 1, 0.3))
    check_same(run(ours), run_keras(keras, theirs))


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_the_average_of_the_weights_is_that_of_keras(keras, name):
    ours = getattr(optimizers, name)(0.1, use_ema=True, ema_momentum=0.8)
    theirs = getattr(keras.optimizers, name)(0.1, use_ema=True, ema_momentum=0.8)
    check_same(run(ours), run_keras(keras, theirs))
    for held, expected in zip(ours.slots["average"].values(), theirs._model_variables_moving_average, strict=True):
        np.testing.assert_allclose(held, expected.value.detach().numpy(), rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("name", registry.known("optimizer"))
def test_arguments_and_defaults_are_those_of_keras(keras, name):
    theirs = inspect.signature(getattr(keras.optimizers, name)).parameters
    made = getattr(optimizers, name)()
    for argument, value in made._arguments.items():
        if argument in ("lr", "decay", "name", "ema_momentum", "rate_multipliers"):
            continue
        assert value == theirs[argument].default, argument
    assert made.ema_momentum == theirs["ema_momentum"].default


def test_a_schedule_of_the_momentum_is_followed():
    ramp = schedules.LinearRamp(0.5, 0.9, every="step")
    velocities, weights = [np.zeros(shape) for shape in SHAPES.values()], start()
    for step in range(STEPS):
        momentum = 0.5 + 0.4 * step / (STEPS - 1)
        for place, slope in enumerate(slopes(0, step, weights)):
            velocities[place] = momentum * velocities[place] - 0.05 * slope
            weights[place] = weights[place] + velocities[place]
    check_same(run(optimizers.SGD(0.05, momentum=ramp))[-1:], [weights])


@pytest.mark.parametrize("every", ["epoch", "step"])
def test_a_ramp_of_the_learning_rate_spans_the_training(every):
    weights, epochs = start(), 3
    for step in range(STEPS * epochs):
        share = (step // STEPS) / (epochs - 1) if every == "epoch" else step / (STEPS * epochs - 1)
        rate = 0.03 + (0.001 - 0.03) * share
        weights = [weight - rate * slope for weight, slope in zip(weights, slopes(0, step, weights), strict=True)]
    check_same(run(optimizers.SGD(schedules.LinearRamp(0.03, 0.001, every)), epochs=epochs)[-1:], [weights])


@pytest.mark.parametrize("scale", [1e-3, 1e3])
@pytest.mark.parametrize("bound", ["clipnorm", "clipvalue", "global_clipnorm"])
def test_clipping_bounds_large_gradients_and_leaves_small_ones(rng, bound, scale):
    gradients = [torch.tensor(rng.normal(size=shape) * scale, dtype=torch.float32) for shape in SHAPES.values()]
    weights = [torch.zeros(shape) for shape in SHAPES.values()]
    optimizers.SGD(1.0, **{bound: 0.5}).step(list(SHAPES), weights, [slope.clone() for slope in gradients], Position())
    sizes = {
        "clipnorm": [weight.norm() for weight in weights],
        "clipvalue": [weight.abs().max() for weight in weights],
        "global_clipnorm": [torch.cat([weight.ravel() for weight in weights]).norm()],
    }[bound]
    if scale > 1:
        assert max(sizes).item() == pytest.approx(0.5, rel=1e-5)
    else:
        assert all(torch.equal(weight, -slope) for weight, slope in zip(weights, gradients, strict=True))


@pytest.mark.parametrize("bound", ["clipnorm", "global_clipnorm"])
def test_a_gradient_of_zero_can_be_clipped(bound):
    weights = [torch.ones(3)]
    optimizers.SGD(1.0, **{bound: 0.5}).step(["w"], weights, [torch.zeros(3)], Position())
    assert weights[0].tolist() == [1.0, 1.0, 1.0]


def test_several_bounds_are_an_error():
    with pytest.raises(HandsonError, match=r"give one of clipnorm, clipvalue and global_clipnorm, not several\."):
        optimizers.SGD(clipnorm=1.0, clipvalue=1.0)


@pytest.mark.parametrize("bound", ["clipnorm", "clipvalue", "global_clipnorm"])
def test_a_bound_that_is_not_positive_is_an_error(bound):
    with pytest.raises(HandsonError, match=rf"{bound}.*-1"):
        optimizers.SGD(**{bound: -1.0})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"learning_rate": -0.1}, r"learning_rate is a number that is not negative, or a schedule; got -0\.1\."),
        ({"learning_rate": float("nan")}, r"learning_rate is a number that is not negative, or a schedule; got nan\."),
        ({"learning_rate": None}, r"expected a number or a schedule; got None\."),
        ({"learning_rate": True}, r"expected a number or a schedule; got True\."),
        ({"learning_rate": "0.1"}, r"unknown schedule '0\.1'\."),
        ({"momentum": -0.1}, r"momentum is a number that is not negative, or a schedule; got -0\.1\."),
        ({"momentum": 1.1}, r"SGD: momentum lies in \[0, 1\]; got 1\.1\."),
    ],
)
def test_numbers_out_of_range_are_errors(arguments, message):
    with pytest.raises(HandsonError, match=message):
        optimizers.SGD(**arguments)


@pytest.mark.parametrize("number", [np.float32(0.5), np.float64(0.5), np.int64(1), 1])
def test_a_learning_rate_may_be_any_number(number):
    assert optimizers.SGD(number).learning_rate == float(number)


def test_a_misspelt_argument_gets_its_nearest():
    with pytest.raises(TypeError, match=r"SGD has no argument 'momentun'\. Did you mean 'momentum'"):
        optimizers.SGD(momentun=0.9)


def test_decay_with_a_schedule_is_an_error():
    with pytest.raises(HandsonError, match="decay"):
        optimizers.SGD(schedules.ExponentialDecay(0.1, 10, 0.5), decay=0.1)


def test_lr_is_another_name_of_the_learning_rate():
    optimizer = optimizers.SGD(lr=0.5)
    assert optimizer.lr == optimizer.learning_rate == 0.5
    optimizer.lr = 0.25
    assert optimizer.learning_rate == 0.25
    optimizer.learning_rate = 0.125
    assert optimizer.lr == 0.125


def test_an_assigned_learning_rate_is_checked():
    with pytest.raises(HandsonError, match=r"learning_rate is a number that is not negative.*got -1"):
        optimizers.SGD().learning_rate = -1


def test_an_assigned_learning_rate_is_used_and_described():
    optimizer = optimizers.SGD(0.5)
    optimizer.learning_rate = 0.25
    weights = [torch.zeros(1)]
    optimizer.step(["w"], weights, [torch.ones(1)], Position())
    assert weights[0].item() == -0.25
    assert optimizer.get_config()["learning_rate"] == 0.25
    assert optimizer.get_config(compact=True) == {"learning_rate": 0.25}


def test_the_configuration_writes_lr_and_decay_as_a_schedule():
    again = registry.from_config("optimizer", registry.to_config("optimizer", optimizers.Adam(lr=0.5, decay=0.1)))
    assert again.schedule(10) == 0.25


@pytest.mark.parametrize("case", CASES, ids=described)
def test_an_optimizer_goes_on_from_its_slots_exactly(case):
    name, arguments = case
    whole = run(getattr(optimizers, name)(0.05, **arguments))[-1]
    first, second = (getattr(optimizers, name)(0.05, **arguments) for _ in range(2))
    weights, names = [torch.tensor(weight) for weight in start()], list(SHAPES)
    for step in range(STEPS):
        optimizer = first if step < 6 else second
        if step == 6:
            second.iterations = first.iterations
            second.slots = {slot: {key: held.clone() for key, held in of.items()} for slot, of in first.slots.items()}
        optimizer.bind(names, weights)
        gradients = [torch.tensor(slope) for slope in slopes(0, step, [weight.numpy() for weight in weights])]
        optimizer.step(names, weights, gradients, Position(step, 0, step, STEPS, 1))
    for actual, expected in zip(weights, whole, strict=True):
        assert np.array_equal(actual.numpy(), expected)


@pytest.mark.parametrize("case", CASES, ids=described)
def test_the_order_of_values_in_memory_does_not_matter(rng, case):
    name, arguments = case
    start, slopes = rng.normal(size=(2, 4, 3, 5)).astype("float32"), rng.normal(size=(3, 4, 3, 5)).astype("float32")

    def stepped(layout_of_weights, layout_of_gradients):
        optimizer = getattr(optimizers, name)(**arguments)
        weights = [layout_of_weights(torch.from_numpy(part)) for part in start.copy()]
        names = ["a", "b"]
        optimizer.bind(names, weights)
        optimizer.slots = {
            slot: {n: torch.clone(v).contiguous() for n, v in held.items()} for slot, held in optimizer.slots.items()
        }
        for iteration, slope in enumerate(slopes):
            optimizer.bind(names, weights)
            gradients = [layout_of_gradients(torch.tensor(slope)), torch.tensor(slope)]
            optimizer.step(names, weights, gradients, Position(iteration, 0, iteration, 3, 1))
        return weights

    def permuted(tensor):
        return tensor.permute(2, 0, 1).contiguous().permute(1, 2, 0)

    def plain(tensor):
        return tensor.clone()

    for got, expected in zip(stepped(permuted, plain), stepped(plain, plain), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-7)
    for got, expected in zip(stepped(plain, permuted), stepped(plain, plain), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-7)


def test_slots_belong_to_names_and_not_to_places():
    optimizer = optimizers.SGD(1.0, momentum=0.5)
    one, two = torch.zeros(1), torch.zeros(2)
    optimizer.bind(["one", "two"], [one, two])
    optimizer.step(["one", "two"], [one, two], [torch.ones(1), torch.ones(2)], Position())
    optimizer.bind(["two"], [two])
    optimizer.step(["two"], [two], [torch.zeros(2)], Position())
    assert (one.item(), two.tolist()) == (-1.0, [-1.5, -1.5])


def test_a_slot_of_another_shape_is_made_anew():
    optimizer = optimizers.Adagrad(initial_accumulator_value=0.5)
    optimizer.bind(["w"], [torch.zeros(2)])
    optimizer.slots["accumulator"]["w"] += 1
    optimizer.bind(["w"], [torch.zeros(3)])
    assert optimizer.slots["accumulator"]["w"].tolist() == [0.5, 0.5, 0.5]


def test_iterations_count_the_steps():
    optimizer = optimizers.SGD()
    run(optimizer, steps=4)
    assert optimizer.iterations == 4


def test_weights_that_need_gradients_are_changed_in_place():
    weight = torch.nn.Parameter(torch.ones(2))
    optimizers.SGD(0.5).step(["w"], [weight], [torch.ones(2)], Position())
    assert weight.tolist() == [0.5, 0.5]
    assert weight.requires_grad


def test_an_own_optimizer_defines_its_update():
    class Sign(optimizers.Optimizer):
        def update(self, weights, gradients, slots, rate, position):
            torch._foreach_add_(weights, [slope.sign() for slope in gradients], alpha=-rate)

    weight = torch.zeros(2)
    Sign(0.5).step(["w"], [weight], [torch.tensor([3.0, -7.0])], Position())
    assert weight.tolist() == [-0.5, 0.5]


def test_an_optimizer_without_update_says_what_to_define():
    class Mine(optimizers.Optimizer):
        pass

    with pytest.raises(NotImplementedError, match=r"Mine must define update"):
        Mine().step(["w"], [torch.zeros(1)], [torch.zeros(1)], Position())


def test_get_takes_a_name_a_configuration_or_an_object():
    made = optimizers.Adam(0.5)
    assert optimizers.get(made) is made
    assert optimizers.get("adam").learning_rate == 0.001
    assert optimizers.get({"Adam": {"lr": 0.5}}).learning_rate == 0.5


@pytest.mark.parametrize("identifier", [torch.optim.SGD([torch.zeros(1)], 0.1), torch.optim.SGD, abs])
def test_an_optimizer_of_torch_is_an_error(identifier):
    with pytest.raises(HandsonError, match=r"(?s)an optimizer is one of 'Adadelta'.*of torch\.optim do not fit"):
        optimizers.get(identifier)


def test_a_number_is_no_optimizer():
    with pytest.raises(HandsonError, match=r"an optimizer is .*; got 0\.1"):
        optimizers.get(0.1)


def test_slots_from_a_file_lie_in_memory_as_their_weights_do():
    weight = torch.zeros(4, 3, 2).permute(2, 0, 1).requires_grad_()
    optimizer = optimizers.Adam()
    read = torch.arange(24.0).view(2, 4, 3)
    optimizer.slots = {"momentum": {"kernel": read.clone()}}
    optimizer.bind(["kernel"], [weight])
    assert optimizer.slots["momentum"]["kernel"].stride() == weight.stride()
    assert torch.equal(optimizer.slots["momentum"]["kernel"], read)


@pytest.mark.parametrize("name", ["AdamW", "SGD"])
def test_weights_that_do_not_decay_are_those_of_keras(keras, name):
    x, y = np.random.default_rng(0).normal(size=(2, 16, 3)).astype("float32")
    found = []
    for of, optimizer in ((handson, getattr(optimizers, name)), (keras, getattr(keras.optimizers, name))):
        net = of.Sequential([of.layers.Input((3,)), of.layers.Dense(4, name="one"), of.layers.Dense(3, name="two")])
        net.set_weights([np.full(weight.shape, 0.5, "float32") for weight in net.get_weights()])
        made = optimizer(0.1, weight_decay=0.2)
        made.exclude_from_weight_decay(var_names=["bias"])
        net.compile(made, "mse")
        net.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0)
        found.append(net.get_weights())
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_a_weight_that_does_not_decay_may_be_given_itself():
    net = handson.Sequential([handson.layers.Dense(1, input_dim=2, name="one"), handson.layers.Dense(1)], seed=0)
    optimizer = optimizers.SGD(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[net.layers[0].kernel])
    net.compile(optimizer, "mse")
    before = net.get_weights()
    with pytest.raises(HandsonError, match="exclude_from_weight_decay"):
        net.fit(np.zeros((4, 2)), np.zeros(4), verbose=0, engine="dense")
    net.fit(np.zeros((4, 2)), np.zeros(4), verbose=0)
    assert np.array_equal(net.get_weights()[0], before[0])
    np.testing.assert_allclose(net.get_weights()[2], before[2] * 0.95, rtol=1e-6)
    with pytest.raises(HandsonError, match="in no net yet"):
        optimizer.exclude_from_weight_decay(var_list=[torch.zeros(2)])

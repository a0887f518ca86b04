"""Optimizers against Keras's: the same gradients must lead to the same weights."""

import inspect

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import handson
from handson import optimizers, schedules
from handson.core import registry
from handson.core.errors import HandsonError
from handson.schedules import Position

STEPS = 15
SHAPES = {"kernel": (4, 3), "bias": (3,), "factor": ()}
COMMON = [
    {},
    {"weight_decay": 0.1},
    {"gradient_accumulation_steps": 3},
    {"gradient_accumulation_steps": 2, "clipnorm": 0.4, "use_ema": True, "weight_decay": 0.1},
    {"use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": 4},
    {"clipnorm": 0.7},
    {"clipvalue": 0.3},
    {"global_clipnorm": 0.9},
]
OWN_ARGUMENTS = {
    "SGD": [{"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}, {"nesterov": True}],
    "RMSprop": [
        {"rho": 0.5},
        {"momentum": 0.8},
        {"centered": True},
        {"centered": True, "momentum": 0.8, "epsilon": 1e-3},
    ],
    "Adam": [{"beta_1": 0.5, "beta_2": 0.9}, {"amsgrad": True}, {"epsilon": 0.1}],
    "AdamW": [{"weight_decay": 0.3}, {"amsgrad": True, "weight_decay": 0.0}],
    "Adagrad": [{"initial_accumulator_value": 1.0}, {"epsilon": 0.1}],
    "Adadelta": [{"rho": 0.5}, {"epsilon": 1e-3}],
    "Adamax": [{"beta_1": 0.5, "beta_2": 0.9}, {"epsilon": 0.1}],
    "Nadam": [{"beta_1": 0.5, "beta_2": 0.9}, {"epsilon": 0.1}],
    "Lamb": [{"beta_1": 0.5, "beta_2": 0.9}, {"epsilon": 0.1}],
    "Lion": [{"beta_1": 0.5, "beta_2": 0.9}],
    "Adafactor": [{"beta_2_decay": -0.5, "clip_threshold": 0.5}, {"relative_step": False, "epsilon_2": 0.5}],
    "Ftrl": [
        {"l1_regularization_strength": 0.3, "l2_regularization_strength": 0.2, "beta": 0.4},
        {"learning_rate_power": -0.3, "l2_shrinkage_regularization_strength": 0.1, "initial_accumulator_value": 0.5},
    ],
    "Muon": [
        {"nesterov": False, "ns_steps": 3, "rms_rate": None},
        {"exclude_layers": ["kernel"], "adam_beta_1": 0.5, "adam_lr_ratio": 0.5, "adam_weight_decay": None},
        {"momentum": 0.5, "weight_decay": None},
    ],
}
CASES = [(name, arguments) for name, own in OWN_ARGUMENTS.items() for arguments in [*COMMON, *own]]
EAGER_ONLY = {"gradient_accumulation_steps", "ema_overwrite_frequency"}
MIXED = st.fixed_dictionaries(
    {},
    optional={
        "momentum": st.sampled_from([0.0, 0.3, 0.99]),
        "nesterov": st.booleans(),
        "weight_decay": st.floats(0, 0.5),
    },
)


def described(case):
    name, arguments = case
    return "-".join([name, *(f"{key}={value}" for key, value in arguments.items())])


def start(seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype("float32") for shape in SHAPES.values()]


def slopes(seed, step, weights):
    """Gradients of a noisy quadratic: they depend on the weights, so that a difference once made would grow."""
    rng = np.random.default_rng([seed, step])
    return [(weight * 0.5 + rng.normal(size=np.shape(weight))).astype("float32") for weight in weights]


def run(optimizer, seed=0, steps=STEPS, epochs=1):
    """Our weights after each step."""
    weights, names, path = [torch.tensor(weight) for weight in start(seed)], list(SHAPES), []
    optimizer.bind(names, weights)
    for step in range(steps * epochs):
        gradients = [torch.tensor(slope) for slope in slopes(seed, step, [weight.numpy() for weight in weights])]
        position = Position(step, step // steps, step % steps, steps, epochs)
        optimizer.step(names, weights, gradients, position)
        path.append([weight.numpy().copy() for weight in weights])
    return path


def run_keras(keras, optimizer, seed=0, steps=STEPS):
    """Keras's weights after each step."""
    variables = [keras.Variable(weight, name=name) for name, weight in zip(SHAPES, start(seed), strict=True)]
    path = []
    optimizer.build(variables)
    for step in range(steps):
        weights = [variable.value.detach().numpy() for variable in variables]
        gradients = [torch.tensor(slope) for slope in slopes(seed, step, weights)]
        optimizer.apply(gradients, variables)
        path.append([variable.value.detach().numpy().copy() for variable in variables])
    return path


def check_same(ours, theirs):
    # Keras computes Adam's 1 - beta_2^t in float32, which is good to 6e-5 at the first step.
    for step, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        for name, one, two in zip(SHAPES, mine, other, strict=True):
            np.testing.assert_allclose(one, two, rtol=2e-5, atol=1e-5, err_msg=f"{name} after step {step + 1}")


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
        if argument in ("lr", "decay", "name", "ema_momentum"):
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
    assert again.learning_rate(10) == 0.25


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
    with pytest.raises(HandsonError, match=rf"cannot run {list(setting)[-1]}=2"):
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

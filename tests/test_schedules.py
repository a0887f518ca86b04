"""Schedules against those of Keras and torch, and against closed forms."""

import inspect
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import handson
from handson import schedules
from handson.core import registry
from handson.core.errors import HandsonError
from handson.optimizers import SGD
from handson.schedules import Position

# Schedules of Keras, with several arguments.
CASES = [
    ("ExponentialDecay", {"decay_steps": 7, "decay_rate": 0.8}),
    ("ExponentialDecay", {"decay_steps": 7, "decay_rate": 0.8, "staircase": True}),
    ("InverseTimeDecay", {"decay_steps": 7, "decay_rate": 0.8}),
    ("InverseTimeDecay", {"decay_steps": 7, "decay_rate": 0.8, "staircase": True}),
    ("PolynomialDecay", {"decay_steps": 10}),
    ("PolynomialDecay", {"decay_steps": 10, "end_learning_rate": 0.3, "power": 2.0}),
    ("PolynomialDecay", {"decay_steps": 10, "power": 0.5, "cycle": True}),
    ("CosineDecay", {"decay_steps": 13}),
    ("CosineDecay", {"decay_steps": 13, "alpha": 0.2}),
    ("CosineDecay", {"decay_steps": 13, "alpha": 0.2, "warmup_target": 0.9, "warmup_steps": 5}),
    ("CosineDecay", {"decay_steps": 13, "warmup_steps": 5}),
    ("CosineDecay", {"decay_steps": 13, "warmup_target": 0.9}),
    ("CosineDecayRestarts", {"first_decay_steps": 8}),
    ("CosineDecayRestarts", {"first_decay_steps": 8, "t_mul": 1.0, "m_mul": 0.5}),
    ("CosineDecayRestarts", {"first_decay_steps": 7, "t_mul": 1.7, "m_mul": 0.8, "alpha": 0.1}),
]
KERAS = [*sorted({name for name, _ in CASES}), "PiecewiseConstantDecay"]


def path(schedule, steps_per_epoch, epochs):
    """The value at every step of a training."""
    return [
        schedule(Position(epoch * steps_per_epoch + step, epoch, step, steps_per_epoch, epochs))
        for epoch in range(epochs)
        for step in range(steps_per_epoch)
    ]


@pytest.mark.parametrize(("name", "arguments"), CASES, ids=str)
def test_values_are_those_of_keras_at_every_step(keras, name, arguments):
    ours = getattr(schedules, name)(0.5, **arguments)
    theirs = getattr(keras.optimizers.schedules, name)(0.5, **arguments)
    assert [ours(step) for step in range(45)] == pytest.approx([float(theirs(step)) for step in range(45)], rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(boundaries=st.lists(st.integers(0, 25), min_size=1, max_size=5, unique=True).map(sorted))
def test_piecewise_constant_values_are_those_of_keras(keras, boundaries):
    values = [1.0 / (place + 1) for place in range(len(boundaries) + 1)]
    ours = schedules.PiecewiseConstantDecay(boundaries, values)
    theirs = keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, values)
    assert [ours(step) for step in range(28)] == pytest.approx([float(theirs(step)) for step in range(28)])


@settings(max_examples=40, deadline=None)
@given(
    rate=st.floats(1e-4, 1.0),
    steps=st.integers(1, 30),
    alpha=st.floats(0, 1),
    target=st.none() | st.floats(1e-4, 1.0),
    warmup=st.integers(0, 10),
)
def test_cosine_decay_with_any_arguments_is_that_of_keras(keras, rate, steps, alpha, target, warmup):
    ours = schedules.CosineDecay(rate, steps, alpha, warmup_target=target, warmup_steps=warmup)
    theirs = keras.optimizers.schedules.CosineDecay(rate, steps, alpha, warmup_target=target, warmup_steps=warmup)
    for step in (0, 1, warmup, warmup + 1, steps, steps + warmup, 100):
        assert ours(step) == pytest.approx(float(theirs(step)), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("name", KERAS)
def test_arguments_and_defaults_are_those_of_keras(keras, name):
    ours = inspect.signature(getattr(schedules, name).__init__).parameters
    theirs = inspect.signature(getattr(keras.optimizers.schedules, name).__init__).parameters
    wanted = {key: value.default for key, value in theirs.items() if key != "name"}
    assert {key: value.default for key, value in ours.items() if key != "name"} == wanted


@settings(max_examples=40, deadline=None)
@given(
    maximum=st.floats(1e-4, 1.0),
    warmup=st.floats(0.1, 0.9),
    start=st.floats(0.01, 0.5),
    steps=st.integers(1, 12),
    epochs=st.integers(1, 6),
)
def test_one_cycle_is_that_of_torch(maximum, warmup, start, steps, epochs):
    # Torch divides by the length of the rising half.
    steps = max(steps, 3, math.ceil(1 / warmup) + 1)
    total = steps * epochs
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, maximum, total, pct_start=warmup, div_factor=1 / start, final_div_factor=1e3, cycle_momentum=False
    )
    expected = []
    for _ in range(total):
        expected.append(theirs.get_last_lr()[0])
        optimizer.step()
        if len(expected) < total:
            theirs.step()
    ours = schedules.OneCycle(maximum, warmup, start, start / 1e3)
    assert path(ours, steps, epochs) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("total", [4, 10, 100])
def test_one_cycle_has_the_defaults_of_torch(total):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.5, total, cycle_momentum=False)
    expected = [theirs.get_last_lr()[0]]
    for _ in range(total - 1):
        optimizer.step()
        theirs.step()
        expected.append(theirs.get_last_lr()[0])
    assert path(schedules.OneCycle(0.5), total, 1) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("total", [1, 2, 3])
def test_one_cycle_of_a_few_steps_is_finite_and_never_above_its_maximum(total):
    values = path(schedules.OneCycle(0.5), total, 1)
    assert all(0 < value <= 0.5 for value in values)


@pytest.mark.parametrize("epochs", [1, 2, 7])
def test_a_ramp_over_epochs_is_linear_from_first_to_last(epochs):
    values = path(schedules.LinearRamp(0.3, 0.1), 4, epochs)
    expected = torch.linspace(0.3, 0.1, epochs, dtype=torch.float64).tolist()
    assert values == pytest.approx([value for value in expected for _ in range(4)])


@pytest.mark.parametrize(("steps", "epochs"), [(1, 1), (5, 1), (4, 3), (1, 6)])
def test_a_ramp_over_steps_is_linear_from_first_to_last(steps, epochs):
    values = path(schedules.LinearRamp(0.3, 0.1, every="step"), steps, epochs)
    assert values == pytest.approx(torch.linspace(0.3, 0.1, steps * epochs, dtype=torch.float64).tolist())


@pytest.mark.parametrize(("steps", "epochs"), [(5, 1), (4, 3)])
def test_cosine_is_half_a_cosine_over_the_training(steps, epochs):
    last = steps * epochs - 1
    expected = [0.1 + 0.4 * (1 + math.cos(math.pi * step / last)) / 2 for step in range(last + 1)]
    assert path(schedules.Cosine(0.5, 0.1), steps, epochs) == pytest.approx(expected)


def test_step_decay_multiplies_every_so_many_epochs():
    values = path(schedules.StepDecay(0.8, every=2, factor=0.5), 1, 7)
    assert values == pytest.approx([0.8, 0.8, 0.4, 0.4, 0.2, 0.2, 0.1])


def test_step_decay_and_keras_schedules_need_no_length_of_the_training():
    assert schedules.StepDecay(0.8, 2)(Position(epoch=2)) == pytest.approx(0.08)
    assert schedules.ExponentialDecay(0.8, 2, 0.5)(2) == pytest.approx(0.4)


@pytest.mark.parametrize(
    "schedule",
    [schedules.LinearRamp(1, 0), schedules.LinearRamp(1, 0, "step"), schedules.OneCycle(1), schedules.Cosine(1)],
)
def test_a_schedule_of_the_whole_training_has_no_value_outside(schedule):
    with pytest.raises(
        HandsonError, match=r"this schedule spans a whole training and has no value outside of fit\(\)\."
    ):
        schedule(3)


@pytest.mark.parametrize(
    "schedule", [schedules.LinearRamp(1, 0.5), schedules.LinearRamp(1, 0.5, "step"), schedules.Cosine(1, 0.5)]
)
def test_after_the_end_the_last_value_stays(schedule):
    assert schedule(Position(epoch=9, steps_per_epoch=4, epochs=3)) == pytest.approx(0.5)


def test_progress_runs_from_zero_to_one():
    values = [Position(0, epoch, step, 5, 2).progress for epoch in range(2) for step in range(5)]
    assert values == pytest.approx([step / 9 for step in range(10)])


def test_the_only_step_of_a_training_is_its_beginning():
    assert Position(0, 0, 0, 1, 1).progress == 0.0


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("LinearRamp", (1, 0, "batch"), r"LinearRamp: every is 'epoch' or 'step'; got 'batch'\."),
        ("OneCycle", (1, 1.0), r"OneCycle: warmup is a share of the training, from 0 to below 1; got 1\.0\."),
        ("OneCycle", (1, -0.1), r"got -0\.1\."),
        ("StepDecay", (1, 0), r"StepDecay: every is a number of epochs, at least 1; got 0\."),
        ("PiecewiseConstantDecay", ([1, 2], [0.1, 0.2]), r"more than boundaries; got 2 boundaries and 2 values"),
        ("ExponentialDecay", (0.1, 0, 0.5), r"ExponentialDecay: decay_steps must be positive; got 0\."),
        ("InverseTimeDecay", (0.1, 0, 0.5), r"InverseTimeDecay: decay_steps must be positive; got 0\."),
        ("PolynomialDecay", (0.1, 0), r"PolynomialDecay: decay_steps must be positive; got 0\."),
        ("CosineDecay", (0.1, 0), r"CosineDecay: decay_steps must be positive; got 0\."),
    ],
)  # fmt: skip
def test_arguments_out_of_range_are_errors(name, arguments, message):
    with pytest.raises(HandsonError, match=message):
        getattr(schedules, name)(*arguments)


def test_get_takes_a_number_a_configuration_or_an_object():
    made = schedules.Cosine(0.1)
    assert schedules.get(made) is made
    assert schedules.get(1) == 1.0
    assert schedules.get({"Cosine": {"start": 0.5}})(Position(steps_per_epoch=5, epochs=1)) == 0.5


@pytest.mark.parametrize("identifier", [None, True])
def test_none_and_truth_values_are_no_numbers(identifier):
    with pytest.raises(HandsonError, match=f"expected a number or a schedule; got {identifier}"):
        schedules.get(identifier)


def test_what_is_no_schedule_is_an_error():
    with pytest.raises(HandsonError, match=r"a schedule is one of 'Cosine'.*; got <built-in function abs>"):
        schedules.get(abs)


def test_a_schedule_without_at_says_what_to_define():
    class Mine(schedules.Schedule):
        pass

    with pytest.raises(NotImplementedError, match=r"Mine must define at\(position\)"):
        Mine()(3)


def test_a_schedule_of_keras_spelling_defines_call():
    class Halving(schedules.LearningRateSchedule):
        def __init__(self, start):
            self.start = start

        def __call__(self, step):
            return torch.tensor(self.start) * 0.5**step

        def get_config(self):
            return {"start": self.start}

    halving = Halving(0.5)
    assert halving.at(Position(iteration=2)) == 0.125
    assert isinstance(halving.at(Position(iteration=2)), float)
    weight = torch.zeros(1)
    optimizer = SGD(halving)
    for _ in range(3):
        optimizer.apply([torch.ones(1)], [weight])
    assert weight.item() == -(0.5 + 0.25 + 0.125)


def test_a_schedule_of_keras_spelling_is_saved_by_its_own_get_config(open_names):
    @registry.register
    class Ramp(schedules.Schedule):
        def __init__(self, first, extra=1):
            self.first = first

        def __call__(self, step):
            return self.first * step

        def get_config(self):
            return {"first": self.first}

    again = registry.from_config("optimizer", registry.to_config("optimizer", SGD(Ramp(0.5))))
    assert again.schedule(3) == 1.5
    assert SGD(Ramp(0.5)).get_config(compact=True)["learning_rate"] == {"Ramp": {"first": 0.5}}


def test_a_schedule_without_a_value_says_what_to_define():
    class Mine(schedules.Schedule):
        pass

    with pytest.raises(NotImplementedError, match=r"Mine must define at\(position\) or __call__\(step\)"):
        Mine()(3)


def test_periods_that_shrink_come_to_an_end():
    shrinking = schedules.CosineDecayRestarts(1.0, 8, t_mul=0.5, alpha=0.1)
    assert shrinking(0) == 1.0
    assert shrinking(10**6) == pytest.approx(0.1)


def test_names_of_keras_lie_under_optimizers():
    assert handson.optimizers.schedules.CosineDecay is schedules.CosineDecay


@pytest.fixture
def open_names(monkeypatch):
    """The registry forgets at the end what a test registers."""
    monkeypatch.setattr(registry, "_entries", {kind: dict(names) for kind, names in registry._entries.items()})
    monkeypatch.setattr(registry, "_names", dict(registry._names))


def test_the_rate_of_a_schedule_is_a_number(tmp_path):
    """As Keras: what a callback reads is the rate of the next step."""
    rates = []

    class Reader(handson.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate))

    net = handson.Sequential([handson.layers.Dense(1, input_dim=2)], seed=0)
    net.compile(SGD(schedules.ExponentialDecay(0.5, 4, 0.5)), "mse")
    assert net.optimizer.learning_rate == 0.5
    net.fit(np.ones((8, 2)), np.ones(8), batch_size=2, epochs=2, verbose=0, callbacks=Reader())
    assert rates == [0.25, 0.125]
    assert isinstance(net.optimizer.schedule, schedules.ExponentialDecay)
    assert SGD(0.5).schedule is None


def test_a_rate_of_a_whole_training_is_known_while_it_runs():
    rates = []

    class Reader(handson.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate))

    net = handson.Sequential([handson.layers.Dense(1, input_dim=2)], seed=0)
    net.compile(SGD(schedules.LinearRamp(1.0, 0.0)), "mse")
    net.fit(np.ones((8, 2)), np.ones(8), batch_size=4, epochs=2, verbose=0, callbacks=Reader())
    assert rates == [1.0, 0.0]


def test_the_decay_of_older_keras_goes_on_from_a_rate_that_is_set(tmp_path):
    """As in Keras 2: the callback sets the rate, and the optimizer divides it by 1 + decay * steps."""
    net = handson.Sequential([handson.layers.Dense(1, input_dim=2)], seed=0)
    net.compile(SGD(lr=0.5, decay=0.25), "mse")
    scheduler = handson.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)
    net.fit(np.ones((8, 2)), np.ones(8), batch_size=4, epochs=2, verbose=0, callbacks=scheduler)
    assert net.optimizer.given_rate == 0.125
    assert net.optimizer.learning_rate == pytest.approx(0.125 / 2)
    net.save(tmp_path / "net.handson")
    assert handson.load(tmp_path / "net.handson").optimizer.learning_rate == pytest.approx(0.125 / 2)

"""Objects that remember how they were made."""

import json

import numpy as np
import pytest
import torch

from handson import activations, initializers, layers, losses, metrics, optimizers, regularizers, schedules
from handson.core import registry
from handson.core.described import Noun, arguments_of, bind, jsonable, parameters_of
from handson.core.errors import HandsonError

# Objects of every registered class whose arguments are not all optional, and some with arguments of each type.
MADE = [
    initializers.Constant(3), initializers.RandomUniform(-1.0, 2.0, seed=3), initializers.RandomNormal(1.0, 2.0),
    initializers.TruncatedNormal(stddev=0.5), initializers.VarianceScaling(2.0, "fan_out", "normal", seed=2**63),
    initializers.Orthogonal(2.0), regularizers.L1(0.1), regularizers.L2(0.1), regularizers.L1L2(0.1, 0.2),
    losses.Huber(2.0), losses.BinaryCrossentropy(True, 0.1, name="own"), losses.CategoricalCrossentropy(),
    losses.SparseCategoricalCrossentropy(from_logits=True), metrics.BinaryAccuracy(threshold=0.3),
    metrics.IoU(3, [0, 2], ignore_class=1), metrics.MeanIoU(3), metrics.OneHotIoU(3, [1]), metrics.OneHotMeanIoU(3),
    metrics.PrecisionAtRecall(0.5), metrics.RecallAtPrecision(0.5, None), metrics.SensitivityAtSpecificity(0.5, 9),
    metrics.SpecificityAtSensitivity(0.5, class_id=2),
    metrics.LossMetric(losses.Huber(2.0)), metrics.LossMetric("mae", name="m"), optimizers.SGD(0.5, 0.9, True),
    optimizers.SGD(schedules.OneCycle(0.1), momentum=schedules.LinearRamp(0.5, 0.9)),
    optimizers.AdamW(weight_decay=0.1, clipnorm=1.0), optimizers.RMSprop(centered=True, use_ema=True),
    schedules.LinearRamp(0.1, 0.01, every="step"), schedules.OneCycle(0.1, warmup=0.1), schedules.StepDecay(0.1, 3),
    schedules.ExponentialDecay(0.1, 10, 0.5, staircase=True), schedules.InverseTimeDecay(0.1, 10, 0.5),
    schedules.PiecewiseConstantDecay([3, 5], [0.1, 0.2, 0.3]), schedules.PolynomialDecay(0.1, 5, cycle=True),
    schedules.CosineDecay(0.1, 5, warmup_target=0.2, warmup_steps=3), schedules.Cosine(0.1),
    schedules.CosineDecayRestarts(0.1, 5, t_mul=1.5, m_mul=0.5),
]  # fmt: skip
KINDS = ("initializer", "regularizer", "loss", "metric", "optimizer", "schedule")


def named(made):
    return f"{type(made).__name__}"


class Base(Noun):
    kind = "loss"

    def __init__(self, scale=1.0, *, offset=0.0, entries=(1, 2)):
        self.scale, self.offset, self.entries = scale, offset, entries


class Derived(Base):
    def __init__(self, power, **kwargs):
        super().__init__(**kwargs)
        self.power = power


class Closed(Base):
    def __init__(self, power=2):
        super().__init__(scale=power)


def test_arguments_of_bases_follow_those_of_the_class():
    assert list(parameters_of(Derived)) == ["power", "scale", "offset", "entries"]


def test_a_class_that_passes_nothing_on_takes_no_arguments_of_its_base():
    assert list(parameters_of(Closed)) == ["power"]


def test_arguments_may_be_given_by_position_and_by_name():
    made = Derived(3, 5.0, offset=7.0)
    assert (made.power, made.scale, made.offset) == (3, 5.0, 7.0)


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        (
            (3,),
            {"ofset": 1},
            r"^Derived has no argument 'ofset'\. Did you mean 'offset'\? It takes: power, scale, offset",
        ),
        ((), {}, r"^Derived needs the argument 'power'\.$"),
        ((3,), {"power": 3}, r"^Derived got 'power' twice: by position and by name\.$"),
        ((1, 2, 3), {}, r"^Derived takes at most 2 positional arguments; got 3\.$"),
    ],
)
def test_arguments_that_do_not_fit_are_type_errors(args, kwargs, message):
    with pytest.raises(TypeError, match=message):
        Derived(*args, **kwargs)


def test_keyword_only_arguments_are_not_taken_by_position():
    assert bind(Derived, (3, 5.0), {"offset": 7.0}) == {"power": 3, "scale": 5.0, "offset": 7.0}
    with pytest.raises(TypeError, match="takes at most 2 positional arguments; got 3"):
        bind(Derived, (3, 5.0, 7.0), {})


def test_a_function_is_bound_like_a_class():
    def scaled(x, factor=2):
        return x * factor

    assert bind(scaled, (1,), {"factor": 3}) == {"x": 1, "factor": 3}
    with pytest.raises(TypeError, match=r"scaled has no argument 'facter'\. Did you mean 'factor'"):
        bind(scaled, (1,), {"facter": 3})


def test_the_configuration_holds_every_argument():
    assert Derived(3, scale=2.0).get_config() == {"power": 3, "scale": 2.0, "offset": 0.0, "entries": [1, 2]}


@pytest.mark.parametrize("entries", [(1, 2), [1, 2]])
def test_the_compact_configuration_holds_what_is_not_the_default(entries):
    assert Derived(3, scale=1.0, offset=0.5, entries=entries).get_config(compact=True) == {"power": 3, "offset": 0.5}


def test_an_integer_is_not_the_default_that_is_a_float():
    assert "scale" in Derived(3, scale=1).get_config(compact=True)


def test_the_text_of_an_object_is_how_it_is_made():
    assert repr(Derived(3, offset=0.5)) == "Derived(power=3, offset=0.5)"


def test_the_text_of_an_object_that_no_file_can_describe():
    assert repr(Derived(3, scale=abs)).startswith("Derived(power=3, scale=<built-in function abs>")


@pytest.mark.parametrize("kind", KINDS)
def test_every_class_without_needed_arguments_comes_back_from_its_configuration(kind):
    for name in registry.known(kind):
        target = registry.find(kind, name)
        needed = any(value.default is value.empty for value in parameters_of(target).values())
        if isinstance(target, type) and not needed:
            config = registry.to_config(kind, target())
            assert registry.to_config(kind, registry.from_config(kind, config)) == config


def test_objects_of_every_class_with_needed_arguments_are_among_the_made_ones():
    needed = {
        name
        for kind in KINDS
        for name in registry.known(kind)
        if isinstance(registry.find(kind, name), type)
        and any(value.default is value.empty for value in parameters_of(registry.find(kind, name)).values())
    }
    needed.discard("MeanMetricWrapper")  # which needs a function of the user
    assert needed <= {named(made) for made in MADE}


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize("made", MADE, ids=named)
def test_objects_come_back_from_their_configuration_through_json(made, compact):
    config = json.loads(json.dumps(registry.to_config(made.kind, made, compact), allow_nan=False))
    again = registry.from_config(made.kind, config) if isinstance(config, dict) else registry.resolve(made.kind, config)
    assert type(again) is type(made)
    assert registry.to_config(made.kind, again, compact) == config


def test_what_came_back_behaves_the_same():
    made = schedules.CosineDecay(0.1, 50, alpha=0.1, warmup_target=0.2, warmup_steps=7)
    again = registry.from_config("schedule", registry.to_config("schedule", made))
    assert [again(step) for step in range(70)] == [made(step) for step in range(70)]


def test_a_class_given_in_place_of_an_initializer_can_be_described():
    config = registry.to_config("layer", layers.Dense(3, kernel_initializer=initializers.HeNormal))
    again = registry.from_config("layer", json.loads(json.dumps(config)))
    assert isinstance(initializers.get(again.kernel_initializer), initializers.HeNormal)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None), (True, True), (3, 3), (0.5, 0.5), ("a", "a"), (np.float32(0.5), 0.5), (np.int64(3), 3),
        (np.bool_(True), True), (np.array([[1, 2]]), [[1, 2]]), ((1, (2, 3)), [1, [2, 3]]),
        ({"a": (1,), 2: np.float64(0.5)}, {"a": [1], "2": 0.5}), (activations.relu, "relu"),
        (regularizers.L2(0.5), {"class": "L2", "config": {"l2": 0.5}}),
    ],
)  # fmt: skip
def test_values_become_json(value, expected):
    assert jsonable(value) == expected
    assert json.loads(json.dumps(jsonable(value))) == expected


def test_compact_reaches_nested_objects():
    assert jsonable([regularizers.L2(), regularizers.L2(0.5)], compact=True) == ["L2", {"L2": {"l2": 0.5}}]


@pytest.mark.parametrize("value", [abs, object(), torch.zeros(2), {1, 2}, 1j])
def test_what_a_file_cannot_describe_is_an_error_that_names_the_argument(value):
    with pytest.raises(HandsonError) as error:
        arguments_of(Derived(3, scale=value))
    text = str(error.value)
    assert text.startswith("Derived(scale=...) holds ")
    assert "which a file cannot describe" in text
    assert "@handson.register" in text


def test_a_configuration_does_not_share_lists_with_the_object():
    made = schedules.PiecewiseConstantDecay([3], [0.1, 0.2])
    made.get_config()["boundaries"].append(5)
    assert made.get_config()["boundaries"] == [3]


@pytest.mark.parametrize(
    "make",
    [
        lambda: optimizers.SGD(0.1, lr=0.2),
        lambda: optimizers.Adam(learning_rate=0.001, lr=5),
        lambda: layers.InputLayer((3,), input_shape=(4,)),
    ],
)
def test_an_argument_is_not_given_under_two_names(make):
    with pytest.raises(HandsonError, match="is another name of '(learning_rate|shape)', and both are given"):
        make()

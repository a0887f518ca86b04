"""The closed registry: names from strings and files, and own nouns."""

import re
import sys

import pytest

import handson
from handson import activations, initializers, layers, losses, optimizers, schedules
from handson.core import registry
from handson.core.errors import HandsonError

# Names that Keras has no class or function for.
OWN = {"Cosine", "LinearRamp", "OneCycle", "StepDecay", "LossMetric", "SpatialSoftArgmax2D"} | {
    "AveragePrecision", "Bias", "CRPS", "Coverage", "ExpectedCalibrationError", "MedianAbsoluteError", "NMAD",
    "OutlierRate", "SpearmanCorrelation",
    "Evidential", "EvidentialDensity", "GaussianDensity", "GaussianNLL", "LaplaceDensity", "MixtureDensity",
    "NegativeLogLikelihood", "OrdinalBins", "Pinball", "QuantileCalibrationError", "QuantileHead", "StudentTDensity",
}  # fmt: skip
KERAS_MODULES = {
    "layer": "layers", "activation": "activations", "initializer": "initializers", "regularizer": "regularizers",
    "loss": "losses", "metric": "metrics", "optimizer": "optimizers", "schedule": "optimizers.schedules",
}  # fmt: skip
# Taken before doctests register classes of their own.
KNOWN = {kind: registry.known(kind) for kind in registry.HOMES}
# What users of Keras write in strings, for each kind; the class is looked up in Keras.
STRINGS = {
    "activation": ["relu", "leaky_relu", "silu", "swish", "hard_sigmoid", "log_softmax", "linear", "exponential"],
    "initializer": [
        "zeros", "ones", "Zeros", "glorot_uniform", "GlorotNormal", "he_normal", "he_uniform", "lecun_normal",
        "random_normal", "RandomUniform", "truncated_normal", "variance_scaling", "orthogonal", "normal", "uniform",
        "zero", "one",
    ],
    "regularizer": ["l1", "l2", "L1", "L2", "l1l2", "L1L2"],
    "loss": ["huber", "MeanSquaredError", "BinaryCrossentropy", "CategoricalCrossentropy"],
    "optimizer": ["sgd", "SGD", "adam", "Adam", "adamw", "AdamW", "rmsprop", "RMSprop", "adagrad", "adadelta"],
}  # fmt: skip


@pytest.fixture
def open_registry(monkeypatch):
    """A copy of the registry that forgets at the end what a test registers."""
    for kind in registry.HOMES:
        registry.known(kind)
    monkeypatch.setattr(registry, "_entries", {kind: dict(names) for kind, names in registry._entries.items()})
    monkeypatch.setattr(registry, "_names", dict(registry._names))
    return registry


@pytest.mark.parametrize("kind", KERAS_MODULES)
def test_names_are_those_of_keras(keras, kind):
    module = keras
    for part in KERAS_MODULES[kind].split("."):
        module = getattr(module, part)
    unknown = [name for name in KNOWN[kind] if name not in OWN and not hasattr(module, name)]
    assert unknown == []


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in STRINGS.items() for text in texts])
def test_strings_mean_what_they_mean_in_keras(keras, kind, text):
    peer = getattr(keras, KERAS_MODULES[kind]).get(text)
    expected = peer.__name__ if kind == "activation" else type(peer).__name__
    if kind == "loss" and not isinstance(peer, keras.losses.Loss):
        expected = registry.find("loss", peer.__name__).__name__
    found = registry.find(kind, text)
    assert found.__name__ == expected


@pytest.mark.parametrize("alias", ["mse", "MSE", "mae", "MAE", "bce", "BCE"])
def test_short_names_of_losses_mean_the_function_of_keras(keras, alias):
    assert registry.snake_case(type(losses.get(alias)).__name__) == keras.losses.get(alias).__name__


@pytest.mark.parametrize("name", [name for name in KNOWN["layer"] if name not in OWN])
def test_snake_case_is_the_stem_of_keras_layer_names(keras, name):
    peer = keras.layers.Layer.__new__(getattr(keras.layers, name))
    keras.layers.Layer.__init__(peer)
    stem = registry.find("layer", name).automatic_name or registry.snake_case(name)
    assert stem == re.sub(r"_\d+$", "", peer.name)


def test_known_lists_no_aliases():
    assert "mse" not in registry.known("loss")
    assert registry.is_known("loss", "mse")


def test_an_unknown_name_is_an_error_with_the_nearest_and_all_names():
    with pytest.raises(HandsonError) as error:
        registry.find("optimizer", "adm")
    text = str(error.value)
    assert text.startswith("unknown optimizer 'adm'. Did you mean 'adam'")
    for name in registry.known("optimizer"):
        assert repr(name) in text
    assert "@handson.register" in text


def test_a_name_with_dots_imports_nothing():
    sys.modules.pop("this", None)
    with pytest.raises(HandsonError, match=r"unknown layer 'this\.s'"):
        registry.from_config("layer", {"class": "this.s", "config": {}})
    assert "this" not in sys.modules


def test_a_name_of_another_kind_is_not_found():
    with pytest.raises(HandsonError, match="unknown layer 'adam'"):
        registry.find("layer", "adam")


def test_resolve_takes_a_name_a_class_a_configuration_or_the_object():
    made = optimizers.SGD(0.5)
    assert registry.resolve("optimizer", made) is made
    assert isinstance(registry.resolve("optimizer", "sgd"), optimizers.SGD)
    assert isinstance(registry.resolve("optimizer", optimizers.SGD), optimizers.SGD)
    assert registry.resolve("optimizer", {"class": "SGD", "config": {"momentum": 0.5}}).momentum == 0.5
    assert registry.resolve("optimizer", {"SGD": {"momentum": 0.5}}).momentum == 0.5


def test_resolve_makes_a_new_object_of_a_name_each_time():
    assert registry.resolve("optimizer", "sgd") is not registry.resolve("optimizer", "sgd")


@pytest.mark.parametrize(
    "config", [{"Flatten": None}, {"Flatten": {}}, {"class": "Flatten"}, {"class": "Flatten", "config": None}]
)
def test_a_configuration_may_leave_out_the_arguments(config):
    assert isinstance(registry.from_config("layer", config), layers.Flatten)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"a": 1, "b": 2}, r"a layer is written as a name or as one name .*; got the keys 'a', 'b'"),
        ({"class": "Dense", "units": 3}, r"got the keys 'class', 'units'"),
        ({}, r"a layer is written as a name or as one name"),
        ({"class": 3}, r"a layer needs a name and a dictionary of arguments; got 3: \{\}"),
        ({"Dense": [3]}, r"a layer needs a name and a dictionary of arguments; got 'Dense': \[3\]"),
    ],
)
def test_a_configuration_of_another_form_is_an_error(config, message):
    with pytest.raises(HandsonError, match=message):
        registry.from_config("layer", config)


def test_a_misspelt_argument_in_a_configuration_gets_its_nearest():
    with pytest.raises(TypeError, match=r"Dense has no argument 'unit'\. Did you mean 'units'\?"):
        registry.from_config("layer", {"Dense": {"unit": 3}})


def test_a_function_takes_no_arguments():
    with pytest.raises(
        HandsonError, match=r"'leaky_relu' is a function and takes no arguments; got \{'negative_slope'"
    ):
        activations.get({"leaky_relu": {"negative_slope": 0.1}})


def test_a_function_is_found_by_its_configuration():
    assert registry.from_config("activation", {"relu": None}) is activations.relu


@pytest.mark.parametrize("compact", [False, True])
def test_the_configuration_of_a_function_is_its_name(compact):
    assert registry.to_config("activation", activations.relu, compact) == "relu"


def test_the_compact_configuration_leaves_out_defaults():
    assert registry.to_config("optimizer", optimizers.SGD(), compact=True) == "SGD"
    assert registry.to_config("optimizer", optimizers.SGD(momentum=0.5), compact=True) == {"SGD": {"momentum": 0.5}}


def test_nested_objects_are_described_too():
    net = layers.Dense(3, activation=activations.tanh, kernel_initializer=initializers.HeNormal(seed=3))
    config = registry.to_config("layer", net)["config"]
    assert config["activation"] == "tanh"
    assert config["kernel_initializer"] == {"class": "HeNormal", "config": {"seed": 3}}


def test_a_schedule_inside_an_optimizer_comes_back():
    config = registry.to_config("optimizer", optimizers.SGD(schedules.ExponentialDecay(0.5, 10, 0.9)))
    assert registry.from_config("optimizer", config).schedule(10) == pytest.approx(0.45)


def test_an_unregistered_function_cannot_be_named():
    with pytest.raises(HandsonError) as error:
        registry.name_of("activation", abs)
    assert "the activation abs is not registered, so a file cannot name it" in str(error.value)
    assert "@handson.register(kind='activation')" in str(error.value)


def test_an_unregistered_class_cannot_be_named():
    class Mine(layers.Layer):
        pass

    with pytest.raises(
        HandsonError, match=r"the layer .*Mine is not registered.* decorate it with @handson\.register "
    ):
        registry.to_config("layer", Mine())


def test_an_object_that_cannot_be_hashed_is_not_registered():
    with pytest.raises(HandsonError, match="is not registered"):
        registry.name_of("activation", [])


def test_an_own_class_is_known_by_its_name_and_its_snake_case(open_registry):
    @handson.register
    class MyOwnLayer(layers.Layer):
        pass

    assert registry.find("layer", "MyOwnLayer") is MyOwnLayer
    assert registry.find("layer", "my_own_layer") is MyOwnLayer
    assert registry.to_config("layer", MyOwnLayer())["class"] == "MyOwnLayer"
    assert "MyOwnLayer" in registry.known("layer")


def test_an_own_function_is_known_by_the_given_name_and_aliases(open_registry):
    @handson.register(kind="activation", name="bent", aliases=("bend",))
    def anything(x):
        return x

    assert activations.get("bent") is activations.get("bend") is anything
    assert registry.name_of("activation", anything) == "bent"


def test_a_function_without_a_kind_is_an_error():
    with pytest.raises(HandsonError) as error:
        handson.register(len)
    text = str(error.value)
    assert "the kind of <built-in function len> is not known" in text
    for kind in registry.HOMES:
        assert repr(kind) in text
    assert "@handson.register(kind='loss')" in text


def test_an_unknown_kind_is_an_error():
    with pytest.raises(HandsonError, match="the kind of <built-in function len> is not known"):
        handson.register(len, kind="los")


def test_a_name_that_is_taken_is_an_error(open_registry):
    with pytest.raises(HandsonError, match=r"the activation name 'relu' is taken by <function relu .*choose another"):
        handson.register(abs, kind="activation", name="relu")
    assert activations.get("relu") is activations.relu


def test_a_class_that_is_defined_again_takes_its_own_place(open_registry):
    def define():
        class Again(layers.Layer):
            pass

        return handson.register(Again)

    define()
    second = define()
    assert registry.find("layer", "Again") is second


def test_a_class_of_another_module_does_not_take_the_place_of_one_of_the_same_name(open_registry):
    own = type("Dense", (layers.Layer,), {"__module__": "elsewhere"})
    with pytest.raises(HandsonError, match="the layer name 'Dense' is taken by"):
        handson.register(own)
    assert registry.find("layer", "Dense") is layers.Dense


def test_a_refused_registration_leaves_nothing_behind(open_registry):
    def half(x):
        return x

    with pytest.raises(HandsonError, match="the activation name 'relu' is taken"):
        handson.register(half, kind="activation", aliases=("relu",))
    assert not registry.is_known("activation", "half")


def test_every_name_of_a_kind_can_be_found():
    for kind in registry.HOMES:
        assert all(registry.is_known(kind, name) for name in registry.known(kind))


def test_names_that_only_files_use_are_not_listed():
    with pytest.raises(
        HandsonError, match=r"unknown op 'ad'\. Did you mean 'add'.*Known: 'absolute', 'adaptive_average_pool'"
    ):
        registry.find("op", "ad")

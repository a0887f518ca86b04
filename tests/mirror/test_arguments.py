"""What Keras's classes and functions take, ours take too; older names of arguments mean what they meant."""

from types import ModuleType

import keras_tree
import numpy as np
import pytest

from handson import keras as mirrored
from handson.core import older
from handson.core.errors import HandsonError

QUANTIZED = "quantized weights are not here"
AXES = "which axes are inputs follows from the shape"
NOUN = "the argument has another name; it is the only one"
# What ours do not take, and why; the place of a name or the end of it.
LACKING = {
    "Variable": ({"layout"}, "there is one device"),
    "KerasTensor": ({"ragged", "record_history", "sparse"}, "symbols are dense"),
    "callbacks.CallbackList": ({"add_history", "add_progbar"}, "fit adds them"),
    "callbacks.TerminateOnNaN": ({"raise_error"}, "fit(terminate_on_nan=True) raises"),
    "layers.Dense": ({"quantization_config"}, QUANTIZED),
    "layers.EinsumDense": ({"gptq_unpacked_column_size", "quantization_config"}, QUANTIZED),
    "layers.Embedding": ({"quantization_config"}, QUANTIZED),
    "layers.TorchModuleWrapper": ({"output_shape"}, "it is found by running the module"),
    "saving.save_weights": ({"max_shard_size"}, "weights lie in one file"),
    "utils.plot_model": ({"splines"}, "lines are straight"),
    "losses.deserialize": ({"name"}, NOUN),
    "serialize": ({
        "activation", "constraint", "initializer", "layer", "learning_rate_schedule", "metric", "optimizer",
        "regularizer",
    }, NOUN),
    "serialize_keras_object": ({"instance"}, NOUN),
    "deserialize_keras_object": ({"identifier", "module_objects", "printable_module_name"}, NOUN),
    **dict.fromkeys(
        ["GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "LecunNormal", "LecunUniform",
         "VarianceScaling", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "lecun_normal",
         "lecun_uniform", "variance_scaling"],
        ({"input_axes", "output_axes"}, AXES),
    ),
}  # fmt: skip
REFUSED = ("LossScaleOptimizer", "STFT", "STFTInitializer", "stft", "audio_dataset_from_directory", "model_to_dot")
# Those that stand at another place, among the first five.
MOVED = {"KerasTensor", "Metric", "metrics.Metric", "layers.TorchModuleWrapper", "callbacks.CallbackList"}
# Their dtype comes after the arguments of every layer.
MOVED |= {f"layers.SpatialDropout{count}D" for count in (1, 2, 3)}
MOVED |= {"legacy.saving.deserialize_keras_object", "utils.legacy.deserialize_keras_object"}


# Other defaults, and why; of a class the losses and schedules are named after it where no name is given.
OTHER_DEFAULTS = {
    "AUC": ({"num_thresholds"}, "exact by default"),
    "KerasTensor": ({"dtype"}, "the same, as torch writes it"),
    "CallbackList": ({"callbacks", "model"}, "fit makes it"),
    "assert_same_structure": ({"check_types"}, "None is deprecated in Keras and means True"),
    "categorical_generalized_cross_entropy": ({"q"}, "that of the class"),
    **{f"{kind}{rank}D": ({"pool_size"}, "that of the other pooling layers")
       for kind in ("AveragePooling", "AvgPool") for rank in (1, 2, 3)},
}  # fmt: skip


@pytest.fixture(scope="module")
def pairs(keras):
    places = keras_tree.public()
    return {
        place: value
        for place, value in places.items()
        if not isinstance(value, ModuleType)
        and keras_tree.ours(place) is not None
        and place.rpartition(".")[2] not in REFUSED
    }


def test_every_argument_of_keras_is_taken_or_has_a_reason(pairs):
    unknown = {}
    for place, value in pairs.items():
        allowed = set().union(*(LACKING.get(key, (set(),))[0] for key in (place, place.rpartition(".")[2])))
        if lacking := keras_tree.lacking(place, value) - allowed:
            unknown[place] = lacking
    assert unknown == {}


def test_the_first_arguments_stand_where_keras_has_them(pairs):
    moved = {place: found for place, value in pairs.items() if (found := keras_tree.moved(place, value, 5))}
    assert set(moved) - MOVED == set()


def test_defaults_are_those_of_keras_or_have_a_reason(pairs):
    other = {}
    for place, value in pairs.items():
        found = keras_tree.other_defaults(place, value) - OTHER_DEFAULTS.get(place.rpartition(".")[2], (set(),))[0]
        is_named = place.startswith("losses.") or ".schedules." in place
        if found - ({"name"} if is_named else set()):
            other[place] = found
    assert other == {}


@pytest.mark.parametrize(
    ("name", "args", "old", "now"),
    [
        ("Dense", (), {"output_dim": 4, "init": "he_normal", "W_regularizer": "l2", "bias": False},
         {"units": 4, "kernel_initializer": "he_normal", "kernel_regularizer": "l2", "use_bias": False}),
        ("Conv2D", (8,), {"nb_col": 5, "nb_row": 3, "border_mode": "same", "subsample": (2, 2), "dim_ordering": "tf"},
         {"filters": 8, "kernel_size": (3, 5), "padding": "same", "strides": (2, 2), "data_format": "channels_last"}),
        ("Convolution2D", (8, 3, 5), {"border_mode": "same"}, {"filters": 8, "kernel_size": (3, 5), "padding": "same"}),
        ("Convolution2D", (8, 3), {}, {"filters": 8, "kernel_size": 3}),
        ("Dropout", (), {"p": 0.3}, {"rate": 0.3}),
        ("LSTM", (), {"output_dim": 3, "inner_activation": "sigmoid", "dropout_U": 0.1},
         {"units": 3, "recurrent_activation": "sigmoid", "recurrent_dropout": 0.1}),
        ("MaxPooling2D", ((2, 2),), {"border_mode": "same"}, {"pool_size": (2, 2), "padding": "same"}),
    ],
)  # fmt: skip
def test_older_arguments_mean_what_they_meant(name, args, old, now):
    made = getattr(mirrored.layers, name)(*args, **old)
    kept = type(made)(**now)
    assert made.get_config() == kept.get_config()


def test_an_older_name_is_said_once(capsys, monkeypatch):
    monkeypatch.setattr(older, "_said", set())
    for _ in range(2):
        mirrored.layers.Dense(output_dim=2)
    assert capsys.readouterr().out == "`output_dim` is `units` since Keras 2\n"


def test_a_class_of_ones_own_keeps_its_arguments():
    class Half(mirrored.layers.Dense):
        def __init__(self, units, init=3, **kwargs):
            super().__init__(units, **kwargs)
            self.start = init

    assert Half(2, init=5).start == 5


def test_without_the_mirror_an_older_name_is_an_error(monkeypatch):
    monkeypatch.setattr(older, "classes", {})
    with pytest.raises(TypeError, match="no argument 'output_dim'"):
        mirrored.layers.Dense(output_dim=2)


def test_an_unknown_order_of_axes_is_refused():
    with pytest.raises(HandsonError, match="'tf' or 'th'"):
        mirrored.layers.Conv2D(2, 3, dim_ordering="cntk")


def test_models_take_their_symbols_under_older_names():
    x = mirrored.layers.Input(shape=(3,))
    net = mirrored.models.Model(input=x, output=mirrored.layers.Dense(2)(x))
    assert net(np.ones((4, 3), dtype="float32")).shape == (4, 2)


def test_arguments_that_are_gone_are_looked_at():
    layers = mirrored.layers
    assert layers.BatchNormalization(mode=0, axis=1).axis == 1
    assert layers.LSTM(3, consume_less="gpu").units == 3
    with pytest.raises(HandsonError, match="mode is 0"):
        layers.BatchNormalization(mode=1)
    with pytest.raises(HandsonError, match="changes no number; got 'tpu'"):
        layers.GRU(3, consume_less="tpu")

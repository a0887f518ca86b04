"""Every public name of Keras is in the mirror, or in the list of what is not here, with its reason."""

import importlib
import subprocess
import sys

import keras_tree
import pytest

import handson
from handson import keras as mirrored
from handson.keras import missing, modules

# Names that handson is to have and has not yet.
AWAITED: set[str] = set()
# Older names that programs still use.
OLDER = [
    "activations.relu", "backend.batch_dot", "backend.clear_session", "backend.ctc_batch_cost", "backend.function",
    "backend.get_value", "backend.int_shape", "backend.mean", "backend.random_normal", "backend.set_value",
    "backend.variable", "constraints.maxnorm", "engine.topology.Layer", "initializers.normal", "layers.Convolution2D",
    "layers.core.Dense", "layers.experimental.preprocessing.Rescaling", "layers.merge.Layer", "losses.Reduction",
    "metrics.mse", "mixed_precision.global_policy", "objectives.mse", "optimizers.legacy.Adam", "optimizers.rmsprop",
    "utils.generic_utils.get_custom_objects",
]  # fmt: skip


@pytest.fixture(scope="module")
def places(keras):
    return keras_tree.public()


def test_every_name_of_keras_is_here_or_has_a_reason(places):
    states = {place: keras_tree.state(place) for place in places}
    assert len(states) > 1400
    assert {place for place, state in states.items() if state == "missing"} - AWAITED == set()


def test_what_is_here_is_not_in_the_list_of_what_is_not():
    assert [place for place in missing.NAMES if keras_tree.ours(place) is not None] == []


def test_a_class_of_keras_is_a_class_here(places):
    classes = [
        place for place, value in places.items() if isinstance(value, type) and place.rpartition(".")[2][0].isupper()
    ]
    found = {place: keras_tree.ours(place) for place in classes}
    functions = {place.rpartition(".")[2] for place, ours in found.items() if ours and not isinstance(ours, type)}
    assert functions <= {"LossScaleOptimizer", "MAP_TO_NONE", "STFT", "STFTInitializer"}  # the last two are refused


@pytest.mark.parametrize("place", OLDER)
def test_older_names_lead_somewhere(place):
    module, _, name = f"handson.keras.{place}".rpartition(".")
    assert getattr(importlib.import_module(module), name) is not None


def test_names_lead_to_the_classes_of_handson():
    assert mirrored.layers.Dense is handson.layers.Dense is mirrored.layers.core.Dense
    assert mirrored.Model is handson.Model
    assert mirrored.ops.numpy.mean is handson.ops.mean
    assert mirrored.applications.vgg16.VGG16 is mirrored.applications.VGG16 is handson.applications.VGG16
    assert isinstance(mirrored.layers.Conv2D(2, 3), mirrored.layers.Convolution2D)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("from handson.keras.layers import Dens", "Did you mean 'Dense'"),
        ("from handson.keras.layers.core import Dens", "Did you mean 'Dense'"),
        ("import handson.keras.lossess", "Did you mean 'losses'"),
        ("from handson.keras.layers import TFSMLayer", "ONNX"),
        ("from handson.keras.layers.core import MaxoutDense", "handson.layers.Layer"),
        ("from handson.keras.applications.vgg16 import VGG61", "Did you mean 'VGG16'"),
        ("from handson.keras.applications import VGG61", "Did you mean 'vgg16'"),
        ("from handson.keras.distribution import DataParallel", "devices=4"),
        ("from handson.keras.src.layers import Dense", "private"),
        ("from handson.keras import remat", "torch.utils.checkpoint"),
        ("from handson.keras.ops import ctc_decode", "argmax"),
    ],
)
def test_an_import_of_what_is_not_here_says_what_to_do(line, said):
    with pytest.raises(ImportError, match=said):
        exec(line)


@pytest.mark.parametrize(
    ("name", "said"), [("Dense", ""), ("Dens", "Did you mean 'Dense'"), ("TFSMLayer", "ONNX"), ("__file__x", "has no")]
)
def test_an_attribute_that_is_not_here_says_what_to_do(name, said):
    if not said:
        assert name in dir(mirrored.layers)
        return
    assert not hasattr(mirrored.layers, name)
    with pytest.raises(AttributeError, match=said):
        getattr(mirrored.layers, name)


def test_a_star_brings_the_names_of_keras():
    space = {}
    exec("from handson.keras.regularizers import *", space)
    assert {"L1", "L2", "l1_l2", "get"} <= set(space)
    assert "math" not in space


def test_functions_of_the_backend_do_not_hide_those_of_python():
    assert mirrored.backend.max([1, 2]).item() == 2
    assert mirrored.backend.switch([True], 1, 0).tolist() == [1]


def test_every_module_without_a_file_can_be_imported():
    for place in modules.MODULES:
        assert importlib.import_module(f"handson.keras.{place}").__name__ == f"handson.keras.{place}"


def test_the_mirror_costs_nothing_until_it_is_used():
    code = "import sys; from handson import keras; import handson.keras.layers; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "'torch'" not in loaded
    assert "'numpy'" not in loaded
    assert "'handson.layers'" not in loaded


def test_the_version_is_one_that_programs_can_read(keras):
    assert [int(part) for part in mirrored.__version__.split(".")][:2] >= [3, 10]
    assert mirrored.version() == mirrored.__version__


def test_every_name_stands_on_the_page_of_names(places):
    import keras_names_page

    text = keras_names_page.PAGE.read_text(encoding="utf-8")
    sections = dict(part.partition("\n")[::2] for part in text.split("\n## keras")[1:])
    for module, names in keras_names_page.modules(places).items():
        section = sections[f".{module}" if module else ""]
        refused = section[section.find("Not here:") :] if "Here:" in section else section
        for name in names:
            place = f"{module}.{name}".removeprefix(".")
            assert f"`{name}`" in section, place
            if keras_tree.state(place) == "refused":
                assert f"`{name}`" in refused, f"{place}: run python tests/helpers/keras_names_page.py"
                assert missing.reason(place) in refused, place

"""Descriptions in model files that were made to break the reader: refused in a moment, with nothing imported or run."""

import json
import types

import pytest
from safetensors.torch import load

from handson.core import registry
from handson.core.described import parameters_of
from handson.files.tensor_file import checksum

from .files import assemble, header, put

HUGE = 10**9


@pytest.fixture
def described(tmp_path, good):
    """A model file with another description; gives its path."""

    def describe(change=None, text=None):
        head, rest = header(good)
        description = json.loads(head["__metadata__"]["model"])
        changed = change(description) if change else None
        head["__metadata__"]["model"] = text or json.dumps(changed or description)
        head["__metadata__"]["crc32"] = checksum(load(good), head["__metadata__"]["model"])
        path = tmp_path / f"bad-{len(list(tmp_path.iterdir()))}.handson"
        path.write_bytes(assemble(head, rest))
        return path

    return describe


@pytest.fixture
def layered(described):
    """A model file whose net has other layers; gives its path."""

    def layer(*layers, input_shape=(None, 2)):
        def change(description):
            description["net"]["config"]["layers"] = list(layers)
            description["input_shape"] = list(input_shape)

        return described(change)

    return layer


FIRST = ("net", "config", "layers", 0)
OPTIMIZER = ("compiled", "optimizer")


# 2, 3: names


NAMES = [
    "os.system", "builtins.eval", "eval", "subprocess.Popen", "torch.load", "handson.load", "load", "download", "save",
    "set_option", "Layer", "TorchModuleWrapper", "Model", "__class__", "__init__", "Lambda", "handson.layers.Dense",
    "hostile_canary", "hostile_canary.run", "../../etc/passwd", "a\x00b", "", " Dense", "Dense\n", "\u202eesneD",
    "x" * 10_000,
]  # fmt: skip
PLACES = {
    "net": ("net", "class"),
    "layer": (*FIRST, "class"),
    "activation": (*FIRST, "config", "activation"),
    "initializer": (*FIRST, "config", "kernel_initializer"),
    "regularizer": (*FIRST, "config", "kernel_regularizer"),
    "optimizer": (*OPTIMIZER, "class"),
    "schedule": (*OPTIMIZER, "config", "learning_rate"),
    "loss": ("compiled", "loss"),
    "metric": ("compiled", "metrics", 0),
}


@pytest.mark.parametrize("place", PLACES)
def test_names_of_other_things_are_unknown(refused, described, place):
    refused("model", [described(put(PLACES[place], name)) for name in NAMES])


@pytest.mark.parametrize("place", ["activation", "initializer", "loss"])
def test_names_are_unknown_also_where_they_are_given_arguments(refused, described, place):
    values = [{"class": name, "config": {"command": "touch canary"}} for name in NAMES]
    values += [{name: ["touch canary"]} for name in NAMES]
    refused("model", [described(put(PLACES[place], value)) for value in values])


def test_words_of_other_formats_mean_nothing(refused, described):
    keys = ["_target_", "module", "registered_name", "class_name", "build_config", "__class__"]
    paths = [(*place, key) for key in keys for place in (FIRST, (*FIRST, "config"))]
    refused("model", [described(put(path, "os.system")) for path in paths])


# 4, 5: paths, addresses and permissions


ADDRESSES = ["/etc/passwd", "http://127.0.0.1:9/x", "\\\\host\\share", "file:///etc/passwd", "~/.ssh/id_rsa"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_paths_and_addresses_are_never_opened(refused, described, address):
    paths = [*PLACES.values(), (*FIRST, "config", "units"), ("net", "config", "layers"), ("seed",)]
    refused("model", [described(put(path, address)) for path in paths])


@pytest.mark.parametrize("key", ["safe_mode", "trust_remote_code", "allow_pickle", "weights_only", "custom_objects"])
def test_a_file_gives_itself_no_permission(refused, described, key):
    places = [(), ("net",), ("net", "config"), FIRST, (*FIRST, "config"), ("compiled",), ("state",)]
    refused("model", [described(put((*place, key), True)) for place in places])


# 6: names of layers and tensors


LAYER_NAMES = [
    "../x", "/etc/x", "a\\b", "a\x00b", "x" * 10_000, "\u202eabc", "__class__", "__init__", "forward", "weights",
    "layers", "last", "LAST", "a.b", "name", "_modules", "training", "", 5, None, ["a"], {"a": 1}, True,
]  # fmt: skip


def test_hostile_names_of_layers_are_refused(refused, described):
    refused("model", [described(put((*FIRST, "config", "name"), name)) for name in LAYER_NAMES])


def test_hostile_names_of_nets_and_targets_are_only_names_or_refused(survived, described):
    paths = [("net", "config", "name"), ("target_names",), (*OPTIMIZER, "config", "name")]
    files = [described(put(path, name)) for path in paths for name in LAYER_NAMES]
    survived("model", files + [described(put(("target_names",), [name])) for name in LAYER_NAMES])


@pytest.mark.parametrize(
    "name", ["weights/../x", "weights/__class__", "optimizer/../x/y", "optimizer/velocity/x", "x" * 10_000, ""]
)
def test_hostile_names_of_tensors_are_refused(refused, tmp_path, good, name):
    head, rest = header(good)
    head[name] = {"dtype": "F32", "shape": [1], "data_offsets": [len(rest), len(rest) + 4]}
    (tmp_path / "bad.handson").write_bytes(assemble(head, rest + bytes(4)))
    refused("model", tmp_path / "bad.handson")


# 7: JSON


def nested(depth, opening="[", closing="]", inside=""):
    return opening * depth + inside + closing * depth


TEXTS = {
    "deep lists": nested(100_000),
    "deep objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "unclosed": "[" * 500_000,
    "long number": "9" * 1_000_000,
    "large number": '{"schema": 1e999999}',
    "NaN": '{"schema": NaN}',
    "infinity": '{"schema": -Infinity}',
    "twice": '{"schema": 1, "schema": 2}',
    "surrogate": '{"\\ud800": 1}',
    "long string": '"' + "a" * (1 << 20) + '"',
    "many keys": "{" + ",".join(f'"{number}": 1' for number in range(60_000)) + "}",
    "nothing": "",
    "a word": "null",
    "trailing": "{} {}",
    "control characters": '{"a\x01": 1}',
}


@pytest.mark.parametrize("kind", TEXTS)
def test_hostile_json_is_refused(refused, described, kind):
    refused("model", described(text=TEXTS[kind] or " "))


def test_a_net_inside_of_itself_is_refused(refused, described):
    layer = {"class": "Dense", "config": {"units": 1}}
    for _ in range(200):
        layer = {"class": "Sequential", "config": {"layers": [layer]}}
    refused("model", described(put(("net",), layer)))
    refused("model", described(put(FIRST, layer)))


@pytest.mark.parametrize("place", ["activation", "initializer", "regularizer", "schedule", "loss", "metric"])
def test_configurations_inside_of_configurations_are_refused(refused, described, good, place):
    description = json.loads(header(good)[0]["__metadata__"]["model"])
    put(PLACES[place], "HERE")(description)
    names = [name for name in registry.known(place) if not isinstance(registry.find(place, name), types.FunctionType)]
    kinds = ['{"class": ', *(f'{{"class": "{name}", "config": ' for name in names)]
    inner = [nested(depth, kind, "}", "{}") for kind in kinds for depth in (30, 300, 15_000)]
    refused("model", [described(text=json.dumps(description).replace('"HERE"', text)) for text in inner])


SIZES = [HUGE, 2**63, 2**64, 10**400, -1, 0, 1.5, 1e308, "3", True, None, [3], [HUGE] * 9, {"a": 1}, [], [[[]]]]
ARGUMENTS = {
    ("Dense", "units"): {},
    ("Conv2D", "filters"): {"kernel_size": 1},
    ("Conv2D", "kernel_size"): {"filters": 1, "padding": "same"},
    ("Conv2D", "strides"): {"filters": 1, "kernel_size": 1, "padding": "same"},
    ("Conv2D", "dilation_rate"): {"filters": 1, "kernel_size": 2, "padding": "same"},
    ("Conv2D", "groups"): {"filters": 1, "kernel_size": 1},
    ("MaxPooling2D", "pool_size"): {"padding": "same"},
    ("MaxPooling2D", "strides"): {"pool_size": 1},
    ("AveragePooling2D", "pool_size"): {},
    ("Reshape", "target_shape"): {},
    ("Rescaling", "scale"): {},
    ("LSTM", "units"): {},
    ("GRU", "units"): {},
    ("Dropout", "rate"): {},
    ("Dropout", "noise_shape"): {"rate": 0.5},
    ("Dropout", "seed"): {"rate": 0.5},
    ("BatchNormalization", "axis"): {},
    ("BatchNormalization", "epsilon"): {},
    ("LayerNormalization", "axis"): {},
    ("InputLayer", "shape"): {},
    ("Dense", "input_shape"): {"units": 1},
    ("Dense", "input_dim"): {"units": 1},
    ("Dense", "trainable"): {"units": 1},
    ("Dense", "use_bias"): {"units": 1},
    ("Dense", "dtype"): {"units": 1},
}
SHAPES = {"Conv2D": (None, 8, 8, 1), "MaxPooling2D": (None, 8, 8, 1), "AveragePooling2D": (None, 8, 8, 1),
          "LSTM": (None, 3, 2), "GRU": (None, 3, 2)}  # fmt: skip


@pytest.mark.parametrize(("kind", "argument"), ARGUMENTS, ids=lambda part: part)
def test_sizes_that_make_no_sense_are_refused(refused, layered, kind, argument):
    configs = [ARGUMENTS[kind, argument] | {argument: size} for size in SIZES]
    shape = SHAPES.get(kind, (None, 2))
    refused("model", [layered({"class": kind, "config": config}, input_shape=shape) for config in configs])


def test_huge_inputs_are_refused(refused, described):
    sizes = [[HUGE], [HUGE] * 3, [2**63], [10**400], [HUGE] * 1000, []]
    shapes = [[], *([None, *size] for size in sizes)]
    refused("model", [described(put(("input_shape",), shape)) for shape in shapes])


WITHOUT_WEIGHTS = [
    {"Reshape": {"target_shape": [2] + [1] * 60_000}},
    {"Rescaling": {"scale": [1.0] * 100_000}},
    {"Rescaling": {"scale": [[1.0] * 300] * 300}},
    {"LayerNormalization": {"axis": list(range(60_000))}},
    {"Dropout": {"rate": 0.5, "noise_shape": [HUGE, HUGE]}},
    {"Dense": {"units": 1, "kernel_initializer": {"Constant": {"value": [1.0] * 60_000}}}},
    {"Dense": {"units": 1, "kernel_initializer": {"VarianceScaling": {"scale": 1e308}}}},
    {"Dense": {"units": 1, "kernel_initializer": {"Orthogonal": {"gain": 10**400}}}},
    {"Dense": {"units": 1, "kernel_regularizer": {"L1L2": {"l1": 10**400}}}},
    {"Dense": {"units": 1, "bias_initializer": {"RandomNormal": {"seed": 10**400}}}},
]


@pytest.mark.parametrize("layer", WITHOUT_WEIGHTS, ids=lambda layer: json.dumps(layer)[:40])
def test_arguments_without_weights_take_no_memory_either(refused, layered, layer):
    refused("model", layered(layer))


@pytest.mark.parametrize("kind", ["Flatten", "Reshape"])
@pytest.mark.parametrize("named", [False, True])
def test_tens_of_thousands_of_layers_are_refused_in_time(refused, layered, kind, named):
    config = {"target_shape": [-1]} if kind == "Reshape" else {}
    layers = [{kind: config | ({"name": f"a{number}"} if named else {})} for number in range(15_000)]
    refused("model", layered(*layers))


# The rest of the description


@pytest.mark.parametrize("which", ["inputs", "targets"])
@pytest.mark.parametrize("key", ["shift", "scale"])
def test_scalings_that_do_not_fit_are_refused(refused, described, which, key):
    values = [[0.5] * 60_000, [[0.5] * 2] * 60_000, 1e308, -1e308, [[1.0]], [], "x", None, [None], {"a": 1}, 10**400]
    scalings = [{"shift": 0.5, "scale": 0.5} | {key: value} for value in values]
    refused("model", [described(put(("scaling", which), scaling)) for scaling in scalings])


VALUES = [HUGE, -1, 10**400, 1e308, "x", [1], {"a": 1}, [[]], True, "rmse"]


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_whatever_else_the_description_says_is_a_net_or_refused(survived, described, value):
    paths = [
        ("seed",), ("age",), ("target_names",), ("net", "config"), ("net", "config", "layers"), FIRST,
        ("compiled", "loss"), ("compiled", "metrics"), ("compiled", "metrics", 0), ("compiled", "scale_inputs"),
        ("state", "optimizer", "iterations"), ("state", "optimizer", "learning_rate"), ("state",),
        *[(*OPTIMIZER, "config", name) for name in ("learning_rate", "beta_1", "weight_decay", "clipnorm", "use_ema")],
        *[(*FIRST, "config", name) for name in ("trainable", "use_bias", "activation", "kernel_initializer", "dtype")],
    ]  # fmt: skip
    survived("predict", [described(put(path, value)) for path in paths])


@pytest.mark.parametrize("kind", registry.known("schedule"))
def test_schedules_with_hostile_arguments_are_schedules_or_refused(survived, described, kind):
    values = [HUGE, 10**400, -1, [1.0] * 60_000, [[1]], "x", None, {"a": 1}]
    names = parameters_of(registry.find("schedule", kind))
    schedules = [{kind: dict.fromkeys(names, 1) | {name: value}} for name in names for value in values]
    schedules += [{kind: dict.fromkeys(names, value)} for value in values]
    survived("model", [described(put((*OPTIMIZER, "config", "learning_rate"), schedule)) for schedule in schedules])

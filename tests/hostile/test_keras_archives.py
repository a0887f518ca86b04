"""Archives in Keras's format that were made to break the reader, to fill the memory, or to run something."""

import io
import json
import zipfile

import numpy as np
import pytest

from handson import Sequential
from handson.files import keras_archive
from handson.layers import Dense

from .files import put
from .test_model_files import ADDRESSES, NAMES

CONFIG, WEIGHTS, METADATA = "config.json", "model.weights.h5", "metadata.json"
LAYER = ("config", "layers", 1)


@pytest.fixture(scope="module")
def members():
    """What is in a good archive."""
    net = Sequential(
        [Dense(3, activation="relu", name="first", input_dim=2), Dense(1, name="last")], name="net", seed=0
    )
    net.compile("adam", "mse", metrics=["mae"])
    net.fit(np.ones((4, 2), np.float32), np.ones(4, np.float32), epochs=1, verbose=0)
    with zipfile.ZipFile(io.BytesIO(keras_archive.to_bytes(net))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def archived(members, tmp_path):
    """A good archive with changes: members by name, None for one that is left out; gives its path."""
    made = []

    def make(changes=None, describe=None, extra=(), compression=zipfile.ZIP_STORED):
        parts = members | (changes or {})
        if describe is not None:
            description = json.loads(parts[CONFIG])
            describe(description)
            parts[CONFIG] = json.dumps(description)
        path = tmp_path / f"bad-{len(made)}.keras"
        made.append(path)
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, content in (*parts.items(), *extra):
                if content is not None:
                    archive.writestr(name, content)
        return path

    return make


def test_the_archive_that_is_changed_is_good(survived, archived):
    outcomes = survived("model", [archived(), archived(compression=zipfile.ZIP_DEFLATED)], may_start=True)
    assert [outcome.error for outcome in outcomes] == [None, None]


# The archive.


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x05\x06" + bytes(18), b"PK\x03\x04" + bytes(60), b"\x80\x04."])
def test_what_is_no_archive_is_refused(refused, tmp_path, content):
    (tmp_path / "bad.keras").write_bytes(content)
    refused("model", tmp_path / "bad.keras")
    refused("weights", tmp_path / "bad.keras")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_truncated_archives_are_refused(refused, archived, share):
    path = archived()
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    refused("model", path)


def test_flipped_bits_are_noticed_or_harmless(survived, archived):
    paths = []
    for seed in range(24):
        path = archived()
        content = bytearray(path.read_bytes())
        place = int(np.random.default_rng(seed).integers(len(content)))
        content[place] ^= 1 << (seed % 8)
        path.write_bytes(bytes(content))
        paths.append(path)
    survived("model", paths, may_start=True)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_archives_without_a_part_are_refused(refused, archived, name):
    assert f"has no {name}" in refused("model", archived({name: None}))


STRANGE = [
    "../../evil", "/etc/cron.d/evil", "..\\evil", "assets/../../evil", "assets/x/evil.py", "evil.py", "a" * 5000,
    "assets/layers/vocabulary.txt/../../x", "config.json/x", "model.weights.npz", "\u202ekeras",
]  # fmt: skip


def test_members_that_do_not_belong_there_are_refused(refused, archived):
    paths = [archived(extra=[(name, b"x")]) for name in STRANGE]
    refused("model", paths)
    refused("weights", paths)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_that_are_there_twice_are_refused(refused, archived, members):
    assert "twice" in refused("model", archived(extra=[(CONFIG, members[CONFIG])]))


def test_archives_of_very_many_members_are_refused(refused, archived):
    extra = [(f"assets/layers/a{number}/vocabulary.txt", b"") for number in range(2000)]
    assert "members; 1,000 are read" in refused("model", archived(extra=extra))


def test_bombs_are_refused(refused, archived):
    zeros = bytes(300 << 20)
    for name in (CONFIG, WEIGHTS, METADATA):
        message = refused("model", archived({name: zeros}, compression=zipfile.ZIP_DEFLATED))
        assert "declare more than a file of" in message


def test_sizes_that_lie_are_refused(refused, archived):
    path = archived()
    content = path.read_bytes()
    size = len(zipfile.ZipFile(path).read(CONFIG)).to_bytes(4, "little")
    path.write_bytes(content.replace(size, (1 << 31).to_bytes(4, "little")))
    refused("model", path)
    path.write_bytes(content.replace(size, (10).to_bytes(4, "little")))
    refused("model", path)


# The description.


TEXTS = [
    b"", b"null", b"[]", b"3", b"{", b'{"a": 1, "a": 2}', b"[" * 100_000, b'{"class_name": "Sequential"}',
    b'{"class_name": "Sequential", "config": ' + b'{"a": ' * 5000 + b"1" + b"}" * 5001, b'{"config": NaN}', b"\xff\xfe",
    b'{"class_name": "Sequential", "config": null}', b'{"class_name": "Dense", "config": {"units": 3}}',
]  # fmt: skip


def test_other_descriptions_are_refused(refused, archived):
    refused("model", [archived({CONFIG: text}) for text in TEXTS], may_start=True)


PLACES = {
    "net": ("class_name",), "layer": (*LAYER, "class_name"), "activation": (*LAYER, "config", "activation"),
    "initializer": (*LAYER, "config", "kernel_initializer"),
    "optimizer": ("compile_config", "optimizer", "class_name"), "loss": ("compile_config", "loss"),
    "metric": ("compile_config", "metrics", 0),
}  # fmt: skip
WORDS = [name for name in NAMES if name not in ("Model", "Layer")]


@pytest.mark.parametrize("place", PLACES)
def test_names_of_other_things_are_unknown(refused, archived, place):
    refused("model", [archived(describe=put(PLACES[place], name)) for name in WORDS], may_start=True)


@pytest.mark.parametrize("module", ["os", "builtins", "subprocess", "keras.utils", "keras.src.saving", "torch", None])
def test_modules_are_not_imported(refused, archived, module):
    functions = ["system", "eval", "Popen", "get_file", "load_model", "load", "__import__"]
    described = [
        {"module": module, "class_name": kind, "config": name if kind == "function" else {"a": name}, **registered}
        for name in functions
        for kind in ("function", name)
        for registered in ({"registered_name": name}, {"registered_name": None}, {})
    ]
    places = [LAYER, (*LAYER, "config", "kernel_initializer"), ("compile_config", "optimizer")]
    refused("model", [archived(describe=put(place, one)) for one in described for place in places], may_start=True)


def test_code_is_refused(refused, archived):
    code = {"class_name": "__lambda__", "config": {"value": "4wEAAAAA", "defaults": None, "closure": None}}
    layer = {"module": "keras.layers", "class_name": "Lambda", "config": {"function": code, "name": "l"}}
    older = {"module": "keras.layers", "class_name": "Lambda", "config": {"function": ["4wEAAAAA", None, None]}}
    paths = [archived(describe=put(LAYER, one)) for one in (layer, older)]
    paths += [archived(describe=put((*LAYER, "config", "activation"), code))]
    paths += [archived(describe=put(("compile_config", "loss"), code))]
    refused("model", paths, may_start=True)


def test_words_that_would_allow_more_mean_nothing(refused, archived):
    changes = [put((*LAYER, "config", key), True) for key in ("safe_mode", "trust", "enable_unsafe_deserialization")]
    refused("model", [archived(describe=change) for change in changes], may_start=True)


SIZES = [10**9, 2**31, 2**63, -1, 0, 1.5, "3", None, [3], True, 1e308]


def test_sizes_are_checked(refused, archived):
    refused("model", [archived(describe=put((*LAYER, "config", "units"), size)) for size in SIZES], may_start=True)
    shapes = [[None, 10**12], [None, -2], [], "x", None, [None, "2"], [None, 2.5], [[None, 2]] * 3]
    shape = ("config", "layers", 0, "config", "batch_shape")
    refused("model", [archived(describe=put(shape, each)) for each in shapes], may_start=True)


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_path_of_a_description_is_read(refused, archived, address):
    layer = {"module": "keras.layers", "class_name": "IntegerLookup", "config": {"vocabulary": address}}
    refused("model", archived(describe=put(LAYER, layer)), may_start=True)


def test_large_constants_are_refused(refused, archived):
    tensor = {"class_name": "__tensor__", "config": {"value": [0.0] * 10, "dtype": "object"}}
    text = {"class_name": "__numpy__", "config": {"value": ["a"], "dtype": "str"}}
    bad = {"class_name": "__numpy__", "config": {"value": [[1], [1, 2]], "dtype": "float32"}}
    place = (*LAYER, "config", "kernel_initializer")
    refused("model", [archived(describe=put(place, one)) for one in (tensor, text, bad)], may_start=True)


# Graphs.


def symbol(name, number=0, output=0):
    config = {"shape": [None, 2], "dtype": "float32", "keras_history": [name, number, output]}
    return {"class_name": "__keras_tensor__", "config": config}


def graph(*layers, inputs=("in", 0, 0), outputs=("a", 0, 0)):
    entry = {"module": "keras.layers", "class_name": "InputLayer", "name": "in", "inbound_nodes": []}
    entry["config"] = {"batch_shape": [None, 2], "dtype": "float32", "name": "in"}
    config = {"name": "net", "layers": [entry, *layers]}
    config |= {"input_layers": list(inputs), "output_layers": list(outputs)}
    return {"module": "keras.src.models.functional", "class_name": "Functional", "config": config}


def dense(name, *args, nodes=None):
    found = {"module": "keras.layers", "class_name": "Dense", "config": {"name": name, "units": 2}, "name": name}
    return found | {"inbound_nodes": [{"args": list(args), "kwargs": {}}] if nodes is None else nodes}


GRAPHS = {
    "a cycle": graph(dense("a", symbol("b")), dense("b", symbol("a"))),
    "itself": graph(dense("a", symbol("a"))),
    "nothing": graph(dense("a", symbol("nobody"))),
    "another number": graph(dense("a", symbol("in", 5))),
    "another output": graph(dense("a", symbol("in", 0, 5))),
    "a number below zero": graph(dense("a", symbol("in", 0, -1))),
    "no symbol": graph(dense("a", 3.0)),
    "a name twice": graph(dense("a", symbol("in")), dense("a", symbol("in"))),
    "no nodes": graph(dense("a", nodes="x")),
    "strange nodes": graph(dense("a", nodes=[3])),
    "strange arguments": graph(dense("a", nodes=[{"args": 3, "kwargs": []}])),
    "older nodes": graph(dense("a", nodes=[[["in", 0]]])),
    "no place": graph(dense("a", symbol("in")), outputs=("a", "0", 0)),
    "an unknown operation": graph(
        {"module": "keras.src.ops.numpy", "class_name": "Eval", "config": {}, "name": "a", "inbound_nodes": []}
    ),
    "a strange argument": graph(
        {"module": "keras.src.ops.numpy", "class_name": "Mean", "config": {"axis": 0, "code": "x"}, "name": "a",
         "inbound_nodes": [{"args": [symbol("in")], "kwargs": {}}]}
    ),
    "very many layers": graph(*[dense(f"a{number}", symbol("in")) for number in range(6000)]),
    "very many nodes": graph(dense("a", nodes=[{"args": [symbol("in")], "kwargs": {}}] * 6000)),
    "a deep argument": graph(dense("a", nodes=[{"args": json.loads("[" * 300 + "]" * 300), "kwargs": {}}])),
}  # fmt: skip


def test_damaged_graphs_are_refused(refused, archived):
    texts = [json.dumps(one).encode() for one in GRAPHS.values()]
    refused("model", [archived({CONFIG: text}) for text in texts], may_start=True)


# The weights.


def test_weights_of_something_else_are_refused(refused, archived):
    refused(
        "model", [archived({WEIGHTS: content}) for content in (b"", b"x" * 100, b"\x89HDF\r\n\x1a\n")], may_start=True
    )


def test_vocabularies_for_nothing_are_refused(refused, archived):
    path = archived(extra=[("assets/layers/dense/vocabulary.txt", b"a\nb")])
    assert "where a vocabulary lies" in refused("model", path, may_start=True)

"""What programs use besides data: files of the net, progress, pictures of nets, names of objects."""

import hashlib
import http.server
import io
import tarfile
import threading
import zipfile

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

import handson
from handson import HandsonError, utils

DATA = b"some bytes"


@pytest.fixture
def server(tmp_path_factory):
    """Serves a few files at an address of this machine."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "data.bin").write_bytes(DATA)
    with tarfile.open(folder / "set.tar.gz", "w:gz") as tar:
        entry = tarfile.TarInfo("inner/a.txt")
        entry.size = len(DATA)
        tar.addfile(entry, io.BytesIO(DATA))
    with zipfile.ZipFile(folder / "set.zip", "w") as archive:
        archive.writestr("inner/a.txt", DATA)
    with tarfile.open(folder / "bad.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("../outside.txt"))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, directory=str(folder), **kwargs)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_a_file_is_fetched_once_and_checked(server, tmp_path):
    digest = hashlib.sha256(DATA).hexdigest()
    path = utils.get_file(origin=f"{server}/data.bin", file_hash=digest, cache_dir=tmp_path)
    assert path == str(tmp_path / "datasets" / "data.bin")
    again = utils.get_file("data.bin", "http://127.0.0.1:9/x", file_hash=digest, cache_dir=tmp_path)
    assert again == path
    md5 = hashlib.md5(DATA).hexdigest()
    assert utils.get_file("data.bin", "http://127.0.0.1:9/x", md5_hash=md5, cache_dir=tmp_path) == path
    (tmp_path / "datasets" / "data.bin").write_bytes(b"damaged")
    utils.get_file(origin=f"{server}/data.bin", file_hash=digest, cache_dir=tmp_path)
    assert (tmp_path / "datasets" / "data.bin").read_bytes() == DATA


def test_a_file_that_cannot_be_fetched_is_named_with_its_place(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    place = str(tmp_path / "datasets" / "x.npz")
    with pytest.raises(HandsonError, match="is not there") as found:
        utils.get_file("x.npz", "http://127.0.0.1:9/x.npz", file_hash="0" * 64)
    assert f"Put the file, which hashes to {'0' * 64}, at {place}" in str(found.value)
    assert list((tmp_path / "datasets").iterdir()) == []


def test_what_does_not_hash_as_expected_is_not_kept(server, tmp_path):
    with pytest.raises(HandsonError, match="does not hash"):
        utils.get_file(origin=f"{server}/data.bin", file_hash="0" * 64, cache_dir=tmp_path)
    assert list((tmp_path / "datasets").iterdir()) == []


@pytest.mark.parametrize("name", ["set.tar.gz", "set.zip"])
@pytest.mark.parametrize("named", [True, False])
def test_archives_are_unpacked_where_keras_does(server, tmp_path, name, named):
    arguments = {"fname": name} if named else {}
    path = utils.get_file(origin=f"{server}/{name}", extract=True, cache_dir=tmp_path, **arguments)
    assert path == str(tmp_path / "datasets" / ("set_extracted" if named else name))
    assert (tmp_path / "datasets" / path / "inner" / "a.txt").read_bytes() == DATA


def test_an_archive_does_not_write_outside_of_its_folder(server, tmp_path):
    with pytest.raises(tarfile.FilterError):
        utils.get_file(origin=f"{server}/bad.tar", untar=True, cache_dir=tmp_path)
    assert not list(tmp_path.rglob("outside.txt"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "needs origin"),
        ({"fname": "../x", "origin": "http://a/b"}, "without folders"),
        ({"origin": "file:///etc/hostname"}, "http or https"),
        ({"origin": "http://a/"}, "name of a file"),
    ],
)
def test_addresses_that_are_none_are_refused(tmp_path, arguments, said):
    with pytest.raises(HandsonError, match=said):
        utils.get_file(cache_dir=tmp_path, **arguments)


def test_a_progress_bar_says_means_and_ends_with_its_target(capsys):
    bar = utils.Progbar(4, stateful_metrics=["lr"], interval=0)
    for step in range(1, 5):
        bar.update(step, [("loss", step), ("lr", 0.1 * step)])
    out = capsys.readouterr().out
    # A line that was longer, since a step took long, is covered by blanks.
    assert out.rstrip(" \n").endswith("loss: 2.5000 - lr: 0.4000")
    assert out.endswith("\n")
    assert "4/4" in out
    assert out.count("\n") == 1
    silent = utils.Progbar(None, verbose=0)
    silent.add(3, [("loss", torch.tensor(1.0))])
    assert capsys.readouterr().out == ""


def test_a_net_is_drawn_with_its_shapes_and_arrows(tmp_path):
    x = handson.Input((3,), name="left")
    hidden = handson.layers.Dense(4, "relu", name="one")(x)
    out = handson.layers.Dense(2, name="two")(hidden + 1)
    net = handson.Model(x, out)
    figure = utils.plot_model(
        net, tmp_path / "net.png", show_shapes=True, show_layer_names=True, show_layer_activations=True, dpi=50,
        rankdir="LR", show_trainable=True, show_dtype=True,
    )  # fmt: skip
    texts = [text.get_text() for text in figure.axes[0].texts if text.get_text()]
    assert len(texts) == 4
    assert any("one (Dense)" in text and "relu" in text and "(None, 4)" in text for text in texts)
    assert plt.imread(tmp_path / "net.png").shape[:2] == tuple((50 * figure.get_size_inches()[::-1]).astype(int))
    with pytest.raises(HandsonError, match="rankdir"):
        utils.plot_model(net, rankdir="UP")
    with pytest.raises(HandsonError, match="graph of layers"):
        utils.plot_model(torch.nn.Linear(2, 2))
    with pytest.raises(HandsonError, match="plot_model"):
        utils.model_to_dot(net)


def test_nets_in_a_net_are_drawn_layer_by_layer():
    inner = handson.Sequential([handson.layers.Dense(4, name="one"), handson.layers.Dense(3, name="two")], name="inner")
    x = handson.Input((3,))
    net = handson.Model(x, [inner(x), inner(handson.layers.Dropout(0.5)(x))])

    def boxes(**kwargs):
        texts = utils.plot_model(net, None, show_layer_names=True, **kwargs).axes[0].texts
        return sorted(text.get_text().split()[0] for text in texts if text.get_text())

    assert boxes() == ["dropout", "inner", "inner", "input_layer"]
    assert boxes(expand_nested=True) == ["dropout", "input_layer", "one", "one", "two", "two"]


def test_arrows_have_heads_in_files_of_any_resolution(tmp_path):
    net = handson.Sequential([handson.layers.Dense(2, input_dim=3), handson.layers.Dense(2)])
    figure = utils.plot_model(net, None, dpi=100)
    for number, options in enumerate(({"dpi": 70}, {"dpi": 150}, {"bbox_inches": "tight"})):
        figure.savefig(tmp_path / f"{number}.png", **options)
        dark = plt.imread(tmp_path / f"{number}.png")[..., :3].mean(-1) < 0.95
        widths = [np.ptp(np.flatnonzero(row)) for row in dark if row.any()]
        assert any(4 <= width <= 25 for width in widths)  # wider than a line, narrower than a box


def test_objects_are_registered_described_and_made_again():
    @utils.register_keras_serializable("mine")
    class Shifted(handson.layers.Layer):
        def call(self, inputs):
            return inputs + 1

    config = utils.serialize_keras_object(Shifted(name="s"))
    assert isinstance(utils.deserialize_keras_object(config), Shifted)
    assert isinstance(utils.deserialize_keras_object({"class_name": "mine>Shifted", "config": {}}), Shifted)
    assert utils.get_registered_name(Shifted) == "Shifted"
    with utils.custom_object_scope({"doubled_here": lambda x: 2 * x}):
        net = handson.Sequential([Dense_with("doubled_here")])
        assert net.predict(np.ones((1, 1), np.float32), verbose=0).shape == (1, 1)
    assert utils.deserialize_keras_object("mse", {"mse": abs}) is abs
    with pytest.raises(HandsonError, match="Did you mean 'Dense'"):
        utils.deserialize_keras_object({"class_name": "Denses", "config": {}})


def Dense_with(activation):
    return handson.layers.Dense(1, activation=activation)


def test_symbols_are_known_and_lead_back_to_their_inputs():
    a, b = handson.Input((2,)), handson.Input((2,))
    assert utils.is_keras_tensor(a)
    assert utils.get_source_inputs(handson.layers.Dense(1)(a + b)) == [a, b]
    assert utils.standardize_dtype(np.float64) == "float64"
    assert utils.unpack_x_y_sample_weight(utils.pack_x_y_sample_weight(1, 2, 3)) == (1, 2, 3)


def test_names_of_keras_utils_are_here_or_listed_as_not(keras):
    public = {name for name in dir(keras.utils) if not name.startswith("_")}
    elsewhere = {
        "Config", "FeatureSpace", "bounding_boxes", "clear_session", "disable_interactive_logging",
        "enable_interactive_logging", "is_interactive_logging_enabled", "legacy",
    }  # fmt: skip
    assert public - set(dir(utils)) == elsewhere

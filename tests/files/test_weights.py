"""Files of weights: HDF5 both ways with Keras, safetensors, loading by name, and what is refused."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch import nn

import handson
from handson import Model, Sequential
from handson.core.errors import HandsonError
from handson.layers import LSTM, Dense

# The layers of a net by name and arguments, for handson and Keras alike, and the shape of a sample.
NETS = {
    "dense": ([("Dense", {"units": 4, "activation": "tanh"}), ("Dense", {"units": 2})], (3,)),
    "no bias": ([("Dense", {"units": 4, "use_bias": False}), ("Dense", {"units": 2})], (3,)),
    "dropout": ([("Dense", {"units": 4}), ("Dropout", {"rate": 0.3}), ("Dense", {"units": 2})], (3,)),
    "convolution": (
        [
            ("Rescaling", {"scale": 0.5}), ("Conv2D", {"filters": 3, "kernel_size": 3, "padding": "same"}),
            ("BatchNormalization", {}), ("Activation", {"activation": "relu"}), ("MaxPooling2D", {}),
            ("Dropout", {"rate": 0.2}), ("Conv2D", {"filters": 2, "kernel_size": 2}), ("BatchNormalization", {}),
            ("Flatten", {}), ("Dense", {"units": 2}),
        ],
        (6, 6, 2),
    ),
    "normalization": (
        [("LayerNormalization", {}), ("BatchNormalization", {"scale": False}), ("Dense", {"units": 2})], (5,),
    ),
    "lstm": (
        [("LSTM", {"units": 3, "return_sequences": True}), ("Dropout", {"rate": 0.2}), ("LSTM", {"units": 2}),
         ("Dense", {"units": 2})],
        (5, 2),
    ),
    "gru": ([("GRU", {"units": 3}), ("Dropout", {"rate": 0.2}), ("Dense", {"units": 2})], (5, 2)),
    "many": ([("Dense", {"units": 2})] * 13, (3,)),
}  # fmt: skip


def ours_of(kind):
    import handson.layers

    described, shape = NETS[kind]
    net = Sequential([getattr(handson.layers, name)(**arguments) for name, arguments in described], seed=0)
    net.build((None, *shape))
    return net


def theirs_of(keras, kind):
    described, shape = NETS[kind]
    layers = [getattr(keras.layers, name)(**arguments) for name, arguments in described]
    net = keras.Sequential([keras.Input(shape), *layers])
    rng = np.random.default_rng(3)
    net.set_weights([rng.uniform(0.1, 1, weight.shape) for weight in net.get_weights()])
    return net


def randomize(net):
    rng = np.random.default_rng(4)
    net.set_weights([rng.uniform(0.1, 1, weight.shape) for weight in net.get_weights()])
    return net


def same(first, second):
    assert len(first) == len(second)
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def sample(kind):
    return np.random.default_rng(5).normal(size=(4, *NETS[kind][1])).astype(np.float32)


# HDF5, both ways with Keras


@pytest.mark.parametrize("kind", NETS)
def test_weights_saved_by_keras_are_read(keras, tmp_path, kind):
    theirs, ours = theirs_of(keras, kind), ours_of(kind)
    theirs.save_weights(tmp_path / "a.weights.h5")
    assert ours.load_weights(tmp_path / "a.weights.h5") == {}
    assert same(ours.get_weights(), theirs.get_weights())
    np.testing.assert_allclose(ours.predict(sample(kind)), theirs.predict(sample(kind), verbose=0), atol=1e-5)


@pytest.mark.parametrize("kind", NETS)
def test_weights_saved_by_handson_are_read_by_keras(keras, tmp_path, kind):
    theirs, ours = theirs_of(keras, kind), randomize(ours_of(kind))
    ours.save_weights(tmp_path / "a.weights.h5")
    theirs.load_weights(tmp_path / "a.weights.h5")
    assert same(ours.get_weights(), theirs.get_weights())
    np.testing.assert_allclose(ours.predict(sample(kind)), theirs.predict(sample(kind), verbose=0), atol=1e-5)


def test_the_weights_of_a_net_that_keras_trained_are_read(keras, tmp_path):
    """Such a file holds the optimizer too."""
    theirs, ours = theirs_of(keras, "dropout"), ours_of("dropout")
    theirs.compile("adam", "mse")
    theirs.fit(sample("dropout"), np.zeros((4, 2)), verbose=0)
    theirs.save_weights(tmp_path / "a.weights.h5")
    assert ours.load_weights(tmp_path / "a.weights.h5") == {}
    assert same(ours.get_weights(), theirs.get_weights())


def test_keras_that_trained_its_net_reads_ours(keras, tmp_path):
    """Its optimizer starts anew, and it says so, as with files of weights of its own."""
    theirs, ours = theirs_of(keras, "dropout"), randomize(ours_of("dropout"))
    theirs.compile("adam", "mse")
    theirs.fit(sample("dropout"), np.zeros((4, 2)), verbose=0)
    ours.compile("adam", "mse")
    ours.fit(sample("dropout"), np.zeros((4, 2)), verbose=0)
    ours.save_weights(tmp_path / "a.weights.h5")
    with pytest.warns(UserWarning, match="Skipping variable loading for optimizer"):
        theirs.load_weights(tmp_path / "a.weights.h5")
    assert same(ours.get_weights(), theirs.get_weights())


def test_the_state_of_random_generators_in_files_of_older_keras_is_left_out(keras, tmp_path):
    """The first versions of Keras 3 wrote the seed of each Dropout beside its weights."""
    theirs, ours = theirs_of(keras, "dropout"), ours_of("dropout")
    theirs.save_weights(tmp_path / "a.weights.h5")
    with h5py.File(tmp_path / "a.weights.h5", "r+") as file:
        file.create_group("layers/dropout/seed_generator/vars")["0"] = np.array([7, 0], np.uint32)
    assert ours.load_weights(tmp_path / "a.weights.h5") == {}
    assert same(ours.get_weights(), theirs.get_weights())


def test_layers_of_keras_are_found_by_their_names(keras, tmp_path):
    theirs = keras.Sequential(
        [keras.Input((5, 2)), keras.layers.LSTM(3, name="memory"), keras.layers.Dense(2, name="answer")]
    )
    theirs.save_weights(tmp_path / "a.weights.h5")
    ours = Sequential([LSTM(3, name="memory", input_shape=(5, 2)), Dense(2, name="answer")])
    assert ours.load_weights(tmp_path / "a.weights.h5", by_name=True) == {}
    assert same(ours.get_weights(), theirs.get_weights())


def test_a_file_of_keras_for_another_net_names_every_layer(keras, tmp_path):
    theirs_of(keras, "dense").save_weights(tmp_path / "a.weights.h5")
    ours = Sequential([Dense(4, input_dim=3), Dense(7)], seed=0)
    before = ours.get_weights()
    with pytest.raises(
        HandsonError,
        match=r"dense_1: its shapes are \(4, 7\), \(7,\), those in the file \(4, 2\), \(2,\). Load what fits",
    ):
        ours.load_weights(tmp_path / "a.weights.h5")
    assert same(ours.get_weights(), before)


def test_a_file_of_keras_with_another_number_of_layers_is_refused(keras, tmp_path):
    theirs_of(keras, "dropout").save_weights(tmp_path / "a.weights.h5")
    ours = Sequential([Dense(4, input_dim=3)], seed=0)
    before = ours.get_weights()
    with pytest.raises(HandsonError, match=r"dense\w*: the net has no such layer"):
        ours.load_weights(tmp_path / "a.weights.h5")
    assert same(ours.get_weights(), before)


# Round trips


@pytest.mark.parametrize("suffix", [".h5", ".hdf5", ".safetensors"])
@pytest.mark.parametrize("kind", NETS)
def test_what_is_saved_is_loaded(tmp_path, kind, suffix):
    net, other = randomize(ours_of(kind)), ours_of(kind)
    net.save_weights(tmp_path / f"a{suffix}")
    assert other.load_weights(tmp_path / f"a{suffix}") == {}
    assert same(other.get_weights(), net.get_weights())


@pytest.mark.parametrize("suffix", [".h5", ".safetensors"])
def test_modules_of_torch_are_saved_too(tmp_path, suffix):
    def net():
        return Sequential(
            [nn.Linear(3, 4), nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5, track_running_stats=False)), Dense(1)]
        )

    first, second = net(), net()
    x = np.ones((2, 3), np.float32)
    first.predict(x), second.predict(x)
    first.save_weights(tmp_path / f"a{suffix}")
    assert second.load_weights(tmp_path / f"a{suffix}") == {}
    np.testing.assert_array_equal(first.predict(x), second.predict(x))


@pytest.mark.parametrize("suffix", [".h5", ".safetensors"])
def test_a_wrapped_module_is_saved_too(tmp_path, suffix):
    first, second = (Model(nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Linear(4, 1)))) for _ in range(2))
    first.save_weights(tmp_path / f"a{suffix}")
    assert second.load_weights(tmp_path / f"a{suffix}") == {}
    assert same(first.get_weights(), second.get_weights())


def test_a_safetensors_file_has_the_names_of_layers_and_weights(tmp_path):
    from safetensors.torch import load_file

    net = ours_of("lstm")
    net.save_weights(tmp_path / "a.safetensors")
    tensors = load_file(tmp_path / "a.safetensors")
    assert set(tensors) == {
        f"{layer}.{name}" for layer, names in {
            "lstm": ["kernel", "recurrent_kernel", "bias"], "lstm_1": ["kernel", "recurrent_kernel", "bias"],
            "dense": ["kernel", "bias"],
        }.items() for name in names
    }  # fmt: skip
    np.testing.assert_array_equal(tensors["dense.kernel"], net.get_layer("dense").get_weights()[0])


def test_loaded_weights_are_not_drawn_again_by_a_seed(tmp_path):
    net, other = randomize(ours_of("dense")), Sequential([Dense(4, activation="tanh", input_dim=3), Dense(2)])
    net.save_weights(tmp_path / "a.h5")
    other.load_weights(tmp_path / "a.h5")
    other.compile("sgd", "mse")
    other.fit(sample("dense"), np.zeros((4, 2)), epochs=0, seed=1, verbose=0)
    assert same(other.get_weights(), net.get_weights())


def test_weights_that_are_there_are_overwritten_only_if_wanted(tmp_path):
    net = ours_of("dense")
    net.save_weights(tmp_path / "a.h5")
    net.save_weights(tmp_path / "a.h5")
    with pytest.raises(HandsonError, match="is there already"):
        net.save_weights(tmp_path / "a.h5", overwrite=False)


# By name, as the lectures load them


@pytest.mark.parametrize("suffix", [".h5", ".safetensors"])
def test_loading_by_name_reports_every_layer_that_was_left_out_and_why(tmp_path, suffix):
    first = Sequential([Dense(4, input_dim=3, name="a"), Dense(5, name="b"), Dense(2, name="c")], seed=0)
    second = Sequential([Dense(4, input_dim=3, name="a"), Dense(6, name="b"), Dense(1, name="d")], seed=1)
    before = second.get_weights()
    first.save_weights(tmp_path / f"w{suffix}")
    skipped = second.load_weights(tmp_path / f"w{suffix}", by_name=True)
    assert skipped == {
        "b": "its shapes are (4, 6), (6,), those in the file (4, 5), (5,)",
        "c": "the net has no such layer",
        "d": "the file has no such layer",
    }
    assert same(second.get_weights()[:2], first.get_weights()[:2])
    assert same(second.get_weights()[2:], before[2:])


def test_what_was_left_out_is_printed(tmp_path, capsys):
    Sequential([Dense(4, input_dim=3, name="a"), Dense(2, name="b")]).save_weights(tmp_path / "w.h5")
    net = Sequential([Dense(4, input_dim=3, name="a"), Dense(1, name="c")])
    net.load_weights(tmp_path / "w.h5", by_name=True)
    assert capsys.readouterr().out.splitlines() == [
        "load_weights: b left as it is: the net has no such layer",
        "load_weights: c left as it is: the file has no such layer",
    ]


def test_mismatching_shapes_can_be_skipped_by_position(tmp_path):
    Sequential([Dense(4, input_dim=3), Dense(2)], seed=0).save_weights(tmp_path / "w.h5")
    net = Sequential([Dense(4, input_dim=3), Dense(7)], seed=1)
    assert list(net.load_weights(tmp_path / "w.h5", skip_mismatch=True)) == ["dense_1"]


@pytest.mark.parametrize("suffix", [".h5", ".safetensors"])
def test_nets_without_a_common_layer_are_refused(tmp_path, suffix):
    Sequential([Dense(4, input_dim=3, name="a")]).save_weights(tmp_path / f"w{suffix}")
    with pytest.raises(HandsonError, match="The nets have no layer in common"):
        Sequential([Dense(4, input_dim=3, name="b")]).load_weights(tmp_path / f"w{suffix}", by_name=True)


def test_a_net_that_is_not_built_says_so(tmp_path):
    ours_of("dense").save_weights(tmp_path / "w.h5")
    with pytest.raises(HandsonError, match="not built yet"):
        Sequential([Dense(4), Dense(2)]).load_weights(tmp_path / "w.h5")


# Refused


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.pkl"])
def test_formats_that_run_code_are_refused_without_opening_them(tmp_path, name):
    net = ours_of("dense")
    torch.save({"weight": torch.zeros(2)}, tmp_path / name)
    before = (tmp_path / name).read_bytes()
    for verb in (net.load_weights, net.save_weights):
        with pytest.raises(
            HandsonError, match="can run code when they are opened.*'.weights.h5' or '.safetensors' for wei"
        ):
            verb(tmp_path / name)
    assert (tmp_path / name).read_bytes() == before


def test_weights_are_not_saved_as_a_model(tmp_path):
    with pytest.raises(HandsonError, match=r"a '.handson' file holds a whole model: net.save\("):
        ours_of("dense").save_weights(tmp_path / "w.handson")


def test_a_file_that_is_not_there_is_named_with_the_nearest(tmp_path):
    ours_of("dense").save_weights(tmp_path / "weights.h5")
    with pytest.raises(FileNotFoundError, match=r"no file .*wieghts.h5. Did you mean 'weights.h5'"):
        ours_of("dense").load_weights(tmp_path / "wieghts.h5")


@pytest.mark.parametrize("suffix", [".h5", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"hello", b"\x89HDF\r\n\x1a\n", b"\xff" * 64])
def test_files_that_hold_something_else_are_refused(tmp_path, suffix, content):
    (tmp_path / f"w{suffix}").write_bytes(content)
    with pytest.raises(HandsonError, match=f"w{suffix} is not an? (HDF5|safetensors) file, or is damaged"):
        ours_of("dense").load_weights(tmp_path / f"w{suffix}")


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
@pytest.mark.parametrize("suffix", [".h5", ".safetensors"])
def test_truncated_files_are_refused(tmp_path, suffix, share):
    path, net = tmp_path / f"w{suffix}", ours_of("convolution")
    net.save_weights(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    before = net.get_weights()
    with pytest.raises(HandsonError, match=f"w{suffix}"):
        net.load_weights(path)
    assert same(net.get_weights(), before)


def test_weights_in_the_layout_of_older_keras_are_read_in_the_order_of_the_net(tmp_path):
    kernel, bias = np.arange(12.0).reshape(3, 4), np.ones(4)
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["layer_names"] = ["first", "drop"]
        file["first/first/kernel:0"], file["first/first/bias:0"] = kernel, bias
        file["first"].attrs["weight_names"] = ["first/kernel:0", "first/bias:0"]
        file.create_group("drop").attrs["weight_names"] = np.asarray([], dtype="S1")
    net = Sequential([Dense(4, input_dim=3, name="mine")])
    net.load_weights(tmp_path / "w.h5")
    assert same(net.get_weights(), [kernel.astype("f4"), bias.astype("f4")])
    with pytest.raises(HandsonError, match="w.h5 has 1 layers with weights, and the net has 2"):
        Sequential([Dense(4, input_dim=3), Dense(2)]).load_weights(tmp_path / "w.h5")


def test_hdf5_of_something_else_is_refused_with_the_cure(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["dense/dense/kernel:0"] = np.zeros((3, 4))
    with pytest.raises(HandsonError, match="not a weight file of Keras. Save it with Keras's model.save_weights"):
        ours_of("dense").load_weights(tmp_path / "w.h5")


# HDF5 files that reach out of themselves


@pytest.fixture
def secret(tmp_path):
    """Another file, with weights that fit."""
    randomize(ours_of("dense")).save_weights(tmp_path / "secret.h5")
    return tmp_path / "secret.h5"


def refuse(path, match="link to somewhere else, which is not followed"):
    net = ours_of("dense")
    before = net.get_weights()
    with pytest.raises(HandsonError, match=rf"{path.name}.*{match}"):
        net.load_weights(path)
    assert same(net.get_weights(), before)


@pytest.mark.parametrize("place", ["layers", "layers/dense", "layers/dense/vars", "layers/dense/vars/0"])
@pytest.mark.parametrize("kind", ["external", "soft"])
def test_links_are_not_followed(tmp_path, secret, place, kind):
    path = tmp_path / "w.h5"
    path.write_bytes(secret.read_bytes())
    with h5py.File(path, "r+") as file:
        file.move("layers", "kept")
        if place != "layers":
            file.copy("kept", "layers")
            del file[place]
        target = place.replace("layers", "kept", 1)
        file[place] = h5py.SoftLink(f"/{target}") if kind == "soft" else h5py.ExternalLink(str(secret), place)
    refuse(path)


def test_values_that_lie_in_another_file_are_not_read(tmp_path):
    path, raw = tmp_path / "w.h5", tmp_path / "passwords"
    raw.write_bytes(bytes(48))
    ours_of("dense").save_weights(path)
    with h5py.File(path, "r+") as file:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars"].create_dataset("0", (3, 4), "<f4", external=[(str(raw), 0, 48)])
    refuse(path, "is not a plain array of numbers in this file")


def test_virtual_arrays_are_not_read(tmp_path, secret):
    path = tmp_path / "w.h5"
    ours_of("dense").save_weights(path)
    layout = h5py.VirtualLayout((3, 4), "<f4")
    layout[:] = h5py.VirtualSource(str(secret), "layers/dense/vars/0", (3, 4))
    with h5py.File(path, "r+") as file:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars"].create_virtual_dataset("0", layout)
    refuse(path, "is not a plain array of numbers in this file")


def test_arrays_that_declare_more_than_the_file_holds_are_not_read(tmp_path):
    path = tmp_path / "w.h5"
    ours_of("dense").save_weights(path)
    with h5py.File(path, "r+") as file:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars"].create_dataset("0", (10**6, 10**6), "<f4", chunks=(10, 10))
    refuse(path, r"declares shape \(1000000, 1000000\) of float32, which the file cannot hold")


def test_arrays_of_words_are_not_read(tmp_path):
    path = tmp_path / "w.h5"
    ours_of("dense").save_weights(path)
    with h5py.File(path, "r+") as file:
        del file["layers/dense/vars/1"]
        file["layers/dense/vars/1"] = "words"
    refuse(path, "vars/1")


def test_groups_that_hold_themselves_are_refused(tmp_path):
    path = tmp_path / "w.h5"
    ours_of("dense").save_weights(path)
    with h5py.File(path, "r+") as file:
        file["layers/again"] = file["layers"]
    refuse(path, "in several places")


def test_an_array_in_the_place_of_the_layers_is_refused(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["layers"] = np.zeros(3)
    refuse(tmp_path / "w.h5", "")


def test_layers_without_a_name_are_found_in_keras_files_by_name(keras, tmp_path):
    """The second net of Keras has one layer more at the top: what is below goes to the layers it belongs to."""
    keras.backend.clear_session()
    theirs = keras.Sequential([keras.Input((3,)), *(keras.layers.Dense(units) for units in (4, 5, 2))])
    theirs.save_weights(tmp_path / "a.weights.h5")
    ours = Sequential([Dense(4, input_dim=3), Dense(5), Dense(7, name="other")], seed=0)
    skipped = ours.load_weights(tmp_path / "a.weights.h5", by_name=True)
    assert sorted(skipped) == ["dense_2", "other"]
    assert same(ours.get_weights()[:4], theirs.get_weights()[:4])


def test_files_whose_layers_are_numbered_from_one_load_as_before(tmp_path):
    """Older versions called the first layer of a kind dense_1; files hold their names."""
    older = Sequential([Dense(4, input_dim=3, name="dense_1"), Dense(1, name="dense_2")], seed=0)
    older.compile("adam", "mse")
    older.fit(np.ones((8, 3)), np.ones(8), verbose=0)
    older.save(tmp_path / "a.handson")
    loaded = handson.load(tmp_path / "a.handson")
    assert [layer.name for layer in loaded.layers] == ["dense_1", "dense_2"]
    assert same(loaded.get_weights(), older.get_weights())
    loaded.add(Dense(2))
    assert loaded.layers[-1].name == "dense"
    assert same(loaded.get_weights()[:4], older.get_weights())


def test_a_path_that_is_no_text_is_read_as_it_was_written(tmp_path):
    folder = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), b"caf\xe9")))
    folder.mkdir()
    net = handson.Sequential([Dense(1, input_dim=3)])
    net.save(folder / "a.handson")
    net.save_weights(folder / "a.safetensors")
    loaded = handson.load(folder / "a.handson")
    loaded.load_weights(folder / "a.safetensors")
    assert all(np.array_equal(a, b) for a, b in zip(net.get_weights(), loaded.get_weights(), strict=True))

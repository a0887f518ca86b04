"""What Keras's files say of training: losses, metrics, optimizers and what these remember, both ways."""

import json

import numpy as np
import pytest
from keras_files import Ours, alike, assert_same_outputs, outputs, theirs

import handson
from handson import HandsonError, Sequential
from handson.callbacks import ModelCheckpoint
from handson.files.keras_writing import described_net
from handson.layers import Dense

pytest.importorskip("h5py")
X = np.random.default_rng(0).normal(size=(24, 3)).astype("f4")
Y = np.stack([X.sum(1), X[:, 0] * X[:, 1]], 1).astype("f4")


@pytest.fixture
def both(keras):
    return Ours, theirs(keras)


def net(of):
    made = of.Sequential([of.Input((3,)), of.layers.Dense(4, activation="tanh"), of.layers.Dense(2)], name="net")
    return made


OPTIMIZERS = {
    "sgd": lambda of: of.optimizers.SGD(0.05),
    "nesterov": lambda of: of.optimizers.SGD(0.02, momentum=0.9, nesterov=True),
    "schedule": lambda of: of.optimizers.Adam(of.schedules.ExponentialDecay(0.05, 3, 0.9)),
    "rmsprop": lambda of: of.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "amsgrad": lambda of: of.optimizers.Adam(0.02, amsgrad=True, clipnorm=1.0),
    "gathered": lambda of: of.optimizers.Adam(0.02, gradient_accumulation_steps=2),
    "averaged": lambda of: of.optimizers.SGD(0.05, momentum=0.5, use_ema=True, ema_momentum=0.9),
    "adamw": lambda of: of.optimizers.AdamW(0.02, weight_decay=0.1),
    "adamax": lambda of: of.optimizers.Adamax(0.02),
    "nadam": lambda of: of.optimizers.Nadam(0.02),
    "adagrad": lambda of: of.optimizers.Adagrad(0.05),
    "adadelta": lambda of: of.optimizers.Adadelta(1.0),
    "adafactor": lambda of: of.optimizers.Adafactor(0.02),
    "ftrl": lambda of: of.optimizers.Ftrl(0.05),
    "lion": lambda of: of.optimizers.Lion(0.01),
    "lamb": lambda of: of.optimizers.Lamb(0.02),
}
STEPS = {"batch_size": 8, "shuffle": False, "verbose": 0}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_trainings_go_on_where_they_were(both, tmp_path, name):
    """The loaded net takes the same next steps as the one that was saved: in its own library and in the other."""
    nets = [net(of) for of in both]
    alike(*nets)
    for made, of, file in zip(nets, both, ("ours", "theirs"), strict=True):
        made.compile(OPTIMIZERS[name](of), "mse", metrics=["mae"])
        made.fit(X, Y, epochs=2, **STEPS)
        made.save(tmp_path / f"{file}.keras")
    for made, file in zip(nets, ("ours", "theirs"), strict=True):
        loaded = [of.load(tmp_path / f"{file}.keras") for of in both]
        for each in (made, *loaded):
            each.fit(X, Y, epochs=1, **STEPS)
        for each in loaded:
            assert_same_outputs(each, made, X, atol=2e-5)


@pytest.mark.filterwarnings("ignore")
def test_hdf5_keeps_the_optimizer_for_handson_and_starts_it_anew_in_keras(both, tmp_path):
    ours = net(Ours)
    ours.compile("adam", "mse")
    ours.fit(X, Y, epochs=2, **STEPS)
    ours.save(tmp_path / "net.h5")
    loaded = handson.load(tmp_path / "net.h5")
    other = both[1].load(tmp_path / "net.h5")
    assert loaded.optimizer.iterations == ours.optimizer.iterations == 6
    for each in (ours, loaded, other):
        each.fit(X, Y, epochs=1, **STEPS)
    assert_same_outputs(loaded, ours, X, atol=0)


COMPILED = {
    "names": lambda of: {"loss": "mean_absolute_error", "metrics": ["mse", "accuracy"]},
    "objects": lambda of: {
        "loss": of.losses.MeanSquaredError("sum"),
        "metrics": [of.metrics.MeanSquaredError(name="square")],
    },
    "weighted": lambda of: {"loss": "mse", "weighted_metrics": ["mae"]},
    "functions": lambda of: {"loss": of.losses.mean_squared_error},
    "nothing": lambda of: {"loss": None},
}


@pytest.mark.parametrize("name", COMPILED)
def test_arguments_of_compile_come_back(both, tmp_path, name):
    nets = [net(of) for of in both]
    alike(*nets)
    for made, of in zip(nets, both, strict=True):
        made.compile("sgd", **COMPILED[name](of))
        made.save(tmp_path / f"{of.__name__}.keras")
    for saved_by, made in zip(both, nets, strict=True):
        loaded = [of.load(tmp_path / f"{saved_by.__name__}.keras") for of in both]
        if name != "nothing":
            expected = made.evaluate(X, Y, verbose=0, return_dict=True)
            for each in loaded:
                found = each.evaluate(X, Y, verbose=0, return_dict=True)
                assert found == pytest.approx(expected, abs=1e-5)


def test_losses_and_metrics_of_several_outputs(both, tmp_path):
    def two(of):
        x = of.Input((3,))
        made = of.Model(x, {"a": of.layers.Dense(1, name="a")(x), "b": of.layers.Dense(1, name="b")(x)})
        made.compile("adam", {"a": "mse", "b": "mae"}, loss_weights={"a": 1.0, "b": 0.5}, metrics={"a": ["mae"]})
        return made

    nets = [two(of) for of in both]
    alike(*nets)
    targets = {"a": Y[:, :1], "b": Y[:, 1:]}
    for made in nets:
        made.fit(X, targets, epochs=1, **STEPS)
    nets[1].save(tmp_path / "net.keras")
    loaded = handson.load(tmp_path / "net.keras")
    expected = nets[1].evaluate(X, targets, verbose=0, return_dict=True)
    assert loaded.evaluate(X, targets, return_dict=True)["loss"] == pytest.approx(expected["loss"], abs=1e-5)


def test_a_net_can_be_loaded_without_its_training(both, tmp_path):
    keras_net = net(both[1])
    keras_net.compile("adam", "mse")
    keras_net.save(tmp_path / "net.keras")
    assert not handson.models.load_model(tmp_path / "net.keras", compile=False).compiled
    ours = net(Ours)
    ours.compile("adam", "mse")
    ours.save(tmp_path / "ours.keras", include_optimizer=False)
    assert not handson.load(tmp_path / "ours.keras").compiled


def test_an_optimizer_that_does_not_fit_starts_anew_and_that_is_said(both, tmp_path, capsys):
    keras_net = net(both[1])
    keras_net.compile("adam", "mse")
    keras_net.fit(X, Y, epochs=1, **STEPS)
    keras_net.layers[0].trainable = False  # Keras's optimizer remembers the weights of before
    keras_net.save(tmp_path / "net.keras")
    loaded = handson.load(tmp_path / "net.keras")
    assert loaded.optimizer.iterations == 0
    assert "the optimizer starts anew: it has 10 variables, and Adam of this net has 6" in capsys.readouterr().out
    assert not loaded.layers[0].trainable
    assert_same_outputs(loaded, keras_net, X)


def test_what_keras_has_not_is_refused_before_the_file_is_written(tmp_path):
    scaled = net(Ours)
    scaled.compile("adam", "mse", scale_inputs="standard")
    low = net(Ours)
    low.compile("adam", "mse", precision="bfloat16")
    for made, message in ((scaled, "has scale_inputs"), (low, "precision='bfloat16'")):
        for name in ("net.keras", "net.h5"):
            with pytest.raises(HandsonError, match=f"{message}.*Save it as '.handson'"):
                made.save(tmp_path / name)
            with pytest.raises(HandsonError, match=message):  # before the first epoch, not after it
                made.fit(X, Y, verbose=0, callbacks=[ModelCheckpoint(tmp_path / name)])
    assert list(tmp_path.iterdir()) == []


def test_weights_frozen_one_by_one_are_refused(tmp_path):
    made = net(Ours)
    made.layers[0].bias.requires_grad_(False)
    with pytest.raises(HandsonError, match="frozen one by one, and Keras freezes layers"):
        made.save(tmp_path / "net.keras")


@pytest.mark.parametrize("name", ["best.keras", "best.h5", "best.weights.h5"])
@pytest.mark.filterwarnings("ignore")
def test_checkpoints_are_whole_models_or_weights_by_their_names(both, tmp_path, name):
    ours = net(Ours)
    ours.compile("adam", "mse")
    ours.fit(X, Y, epochs=2, verbose=0, callbacks=[ModelCheckpoint(tmp_path / name)])
    if "weights" not in name:
        assert_same_outputs(both[1].load(tmp_path / name), ours, X)
    expected = outputs(ours, X)
    ours.set_weights([np.zeros_like(weight) for weight in ours.get_weights()])
    ours.load_weights(tmp_path / name)
    assert np.array_equal(outputs(ours, X)[0], expected[0])


def test_weights_only_checkpoints_under_a_name_of_models(tmp_path):
    ours = net(Ours)
    ours.compile("adam", "mse")
    ours.fit(X, Y, verbose=0, callbacks=[ModelCheckpoint(tmp_path / "w.h5", save_weights_only=True)])
    with pytest.raises(HandsonError, match="w.h5 holds weights only. Build the net, then net.load_weights"):
        handson.load(tmp_path / "w.h5")


def test_the_description_is_the_one_of_keras(both):
    """Key by key, apart from types of numbers and names."""
    nets = [net(of) for of in both]
    for made, of in zip(nets, both, strict=True):
        made.compile(of.optimizers.Adam(0.5), of.losses.MeanSquaredError(), metrics=["mae"])
    ours = json.loads(json.dumps(described_net(nets[0])))
    from keras.saving import serialize_keras_object

    keras_form = json.loads(json.dumps(serialize_keras_object(nets[1])))
    assert ours.keys() == keras_form.keys()
    settings = [form["compile_config"]["optimizer"]["config"] for form in (ours, keras_form)]
    assert settings[0].keys() == settings[1].keys() - {"name"}
    first, other = ours["config"]["layers"][1], keras_form["config"]["layers"][1]
    assert other["config"].keys() - first["config"].keys() <= {"quantization_config"}
    same = {key for key in first["config"] if first["config"][key] == other["config"][key]}
    assert first["config"].keys() - same <= {"name", "kernel_initializer", "bias_initializer"}


def test_sequential_of_dense_layers_is_plain():
    """A stack whose shape is not known yet is described too."""
    made = Sequential([Dense(2), Dense(1)], name="later")
    again = handson.models.model_from_json(made.to_json())
    assert [layer.units for layer in again.layers] == [2, 1]
    assert not again.built

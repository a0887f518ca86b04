"""What `precision` changes: the layers' arithmetic, and nothing else."""

import json

import interrupted
import numpy as np
import pytest
import torch

import handson
from handson.core.errors import HandsonError
from handson.files import description
from handson.layers import (
    GRU,
    LSTM,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    LayerNormalization,
    MaxPooling2D,
    Reshape,
)
from handson.optimizers import Adam
from handson.state.precision import arithmetic
from handson.state.state import TrainingState
from handson.training import fit
from handson.training.recording import fingerprint
from handson.workflow.experiment import Experiment

NETS = {
    "dense": lambda: [Flatten(), Dense(16, activation="relu"), Dropout(0.2), Dense(1)],
    "convolutional": lambda: [Conv2D(4, 3, activation="relu"), MaxPooling2D(), BatchNormalization(), Flatten(),
                              Dense(1)],
    "averages": lambda: [Conv2D(4, 2, padding="same"), AveragePooling2D(), LayerNormalization(), Flatten(), Dense(1)],
    "LSTM": lambda: [Reshape((6, 6)), LSTM(5, recurrent_dropout=0.2, return_sequences=True), LSTM(5), Dense(1)],
    "GRU": lambda: [Reshape((6, 6)), GRU(5), Dense(1)],
}  # fmt: skip
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def data(rng, rows=60):
    x = rng.random((rows, 6, 6, 1)).astype(np.float32)
    return x, 3 * x.mean((1, 2, 3)) + x[:, 2, 2, 0]


def trained(data, precision, layers="dense", epochs=20, **arguments):
    net = handson.Sequential(NETS[layers](), seed=2)
    net.compile(Adam(0.01), "mse", metrics=["mae"], precision=precision, scale_targets="standard")
    net.fit(*data, epochs=epochs, batch_size=16, verbose=0, seed=4, **arguments)
    return net


@pytest.mark.parametrize("layers", NETS)
def test_in_bfloat16_a_net_learns_and_everything_but_its_layers_is_float32(rng, layers):
    given = data(rng)
    net, exact = (trained(given, precision, layers) for precision in ("bfloat16", "float32"))
    assert net.history.history["loss"][-1] < 0.7 * net.history.history["loss"][0]
    np.testing.assert_allclose(net.history.history["loss"][0], exact.history.history["loss"][0], rtol=0.05)
    held = [tensor for slot in net.optimizer.slots.values() for tensor in slot.values()]
    assert {tensor.dtype for tensor in [*net.weights, *held]} == {torch.float32}
    assert net.predict(given[0]).dtype == np.float32


@pytest.mark.parametrize("layers", NETS)
def test_outputs_are_those_of_float32_as_far_as_8_bits_go(rng, layers):
    given = data(rng)
    net = trained(given, "float32", layers, epochs=1)
    exact, loss = net.predict(given[0]), net.evaluate(*given)[0]
    net.compile("adam", "mse", metrics=["mae"], precision="bfloat16", scale_targets="standard")
    rounded = net.predict(given[0])
    assert not np.array_equal(rounded, exact)
    np.testing.assert_allclose(rounded, exact, atol=0.05)
    np.testing.assert_allclose(net.evaluate(*given)[0], loss, rtol=0.1)


def test_layers_get_bfloat16(rng):
    seen, given = [], data(rng)
    net = trained(given, "bfloat16", epochs=1)
    net.layers[1].register_forward_hook(lambda layer, inputs, output: seen.append((layer.training, output.dtype)))
    net.predict(given[0])
    assert set(seen) == {(False, torch.bfloat16)}
    net.fit(*given, verbose=0)
    assert {dtype for training, dtype in seen if training} == {torch.bfloat16}


def test_probabilities_are_compared_in_float32(rng):
    x = rng.normal(size=(64, 3)).astype(np.float32)
    net = handson.Sequential([Dense(8, activation="relu"), Dense(1, activation="sigmoid")], seed=0)
    net.compile(Adam(0.05), "binary_crossentropy", metrics=["accuracy"], precision="bfloat16")
    history = net.fit(x, x[:, 0] > 0, epochs=20, verbose=0).history
    assert history["accuracy"][-1] > 0.9


@pytest.mark.parametrize("plan", [[(0, 0)], [(1, 2)], [(0, 3), (2, 1)]])
def test_in_bfloat16_a_training_goes_on_exactly_where_it_was_stopped(tmp_path, plan):
    interrupted.check_equal(tmp_path, plan, compile={"precision": "bfloat16"})


def test_going_on_in_another_precision_is_refused(tmp_path):
    with pytest.raises(interrupted.Stopped):
        interrupted.train(tmp_path / "run", [(1, 2)], compile={"precision": "bfloat16"})
    with pytest.raises(HandsonError, match=r"compile\.precision: 'bfloat16' before, None now"):
        interrupted.train(tmp_path / "run")


def test_a_record_of_before_there_was_a_precision_goes_on():
    net = handson.Sequential([Dense(1)])
    net.compile("sgd", "mse")
    assert "precision" not in fingerprint.describe_compile(net)


def test_it_is_saved_with_the_net(rng, tmp_path):
    given = data(rng)
    net = trained(given, "bfloat16", epochs=1)
    net.save(tmp_path / "net.handson")
    loaded = handson.load(tmp_path / "net.handson")
    assert loaded.precision == "bfloat16"
    assert np.array_equal(loaded.predict(given[0]), net.predict(given[0]))


def test_a_file_without_a_precision_is_of_a_net_in_float32(rng):
    net = trained(data(rng), "tf32", epochs=1)
    described = json.loads(description.describe(net, TrainingState.of(net, net.optimizer)))
    assert description.parse(json.dumps(described)).compiled.precision == "tf32"
    del described["compiled"]["precision"]
    assert description.parse(json.dumps(described)).compiled.precision == "float32"
    described["compiled"]["precision"] = "float8"
    with pytest.raises(HandsonError, match=r"compiled\.precision: Input should be 'float32', 'tf32' or 'bfloat16'"):
        description.parse(json.dumps(described))


def test_it_is_part_of_an_experiment():
    text = "model: [{Dense: {units: 1}}]\ncompile: {precision: bfloat16}\n"
    experiment = Experiment.from_yaml_text(text)
    assert experiment.build().precision == "bfloat16"
    assert Experiment.from_yaml_text(experiment.to_yaml()).compile.precision == "bfloat16"
    with pytest.raises(HandsonError, match=r"line 2: .*precision is one of .*got 'bfloat61'. Did you mean 'bfloat16'"):
        Experiment.from_yaml_text(text.replace("bfloat16", "bfloat61"))


@pytest.mark.parametrize(
    ("given", "hint"), [("bfloat61", " Did you mean 'bfloat16' or 'float32'?"), (16, ""), (None, "")]
)
def test_an_unknown_precision_is_an_error_that_lists_them(given, hint):
    with pytest.raises(HandsonError) as caught:
        handson.Sequential([Dense(1)]).compile("adam", "mse", precision=given)
    assert str(caught.value) == f"precision is one of float32, tf32, bfloat16; got {given!r}.{hint}"


@pytest.mark.parametrize("engine", ["dense", "blocks"])
def test_the_programs_of_a_cpu_have_none_for_bfloat16(rng, engine):
    with pytest.raises(HandsonError, match=f"'{engine}' cannot run .* does not support precision='bfloat16'"):
        trained(data(rng), "bfloat16", "convolutional" if engine == "blocks" else "dense", engine=engine)


# TF32


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about a CPU")
def test_on_a_cpu_tf32_is_float32_and_says_so(rng, capsys, monkeypatch):
    monkeypatch.setattr(fit, "_told", {""})
    given = data(rng)
    net, exact = (trained(given, precision, epochs=2) for precision in ("tf32", "float32"))
    assert np.array_equal(net.predict(given[0]), exact.predict(given[0]))
    net.fit(*given, verbose=2)
    assert "precision='tf32': only GPUs have TF32; this computes in float32." in capsys.readouterr().out


def switches():
    backends = torch.backends
    return (
        backends.cuda.matmul.fp32_precision, backends.cudnn.conv.fp32_precision, backends.cudnn.rnn.fp32_precision,
        backends.cudnn.allow_tf32, torch.get_float32_matmul_precision(), backends.cudnn.deterministic,
    )  # fmt: skip


@pytest.fixture(params=["highest", "high", "medium"])
def _before(request):
    """Torch's switches as a user may have left them."""
    name = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(request.param)
    yield
    torch.set_float32_matmul_precision(name)


@pytest.mark.usefixtures("_before")
@pytest.mark.parametrize(
    ("precision", "state", "name"),
    [("float32", "ieee", "highest"), ("tf32", "tf32", "high"), ("bfloat16", "ieee", "highest")],
)
def test_the_switches_of_a_gpu_are_turned_and_turned_back(precision, state, name):
    before = switches()
    with arithmetic(precision, torch.device("cuda")):
        assert switches() == (state, state, state, state == "tf32", name, True)
    assert switches() == before


def test_on_a_cpu_no_switch_is_touched():
    before = switches()
    with arithmetic("tf32", torch.device("cpu")):
        assert switches() == before


@needs_gpu
def test_tf32_rounds_and_float32_does_not():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 256)).astype(np.float32)
    net = handson.Sequential([Dense(256)], seed=0)
    net.compile("sgd", "mse")
    net.predict(x)
    exact = x.astype(np.float64) @ net.get_weights()[0].astype(np.float64)
    errors = {}
    for precision in ("float32", "tf32"):
        net.compile("sgd", "mse", precision=precision)
        errors[precision] = np.abs(net.predict(x) - exact).max()
    assert errors["float32"] < 1e-5 < errors["tf32"] < 1e-2

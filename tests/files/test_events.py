"""Event files, read with TensorBoard's own reader."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image

import handson
from handson.callbacks import LearningRateScheduler, TensorBoard
from handson.callbacks.tensorboard import _picture
from handson.files.events import EventFile
from handson.layers import Conv2D, Dense, Flatten, Input
from handson.optimizers import SGD
from handson.schedules import LinearRamp

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of TensorBoard's own imports
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    hparams = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.context import RequestContext


def read(folder):
    found = accumulator.EventAccumulator(str(folder), size_guidance={"histograms": 0, "images": 0})
    return found.Reload()


def shown(folder):
    """What the pages of a TensorBoard on a folder show: by page and run, the names."""
    found = plugin_event_multiplexer.EventMultiplexer(tensor_size_guidance={"images": 0, "histograms": 0})
    provider = data_provider.MultiplexerDataProvider(found.AddRunsFromDirectory(str(folder)).Reload(), str(folder))
    lists = {"images": provider.list_blob_sequences, "histograms": provider.list_tensors, "text": provider.list_tensors}
    lists |= {"scalars": provider.list_scalars, "hparams": provider.list_tensors}
    given = {"ctx": RequestContext(), "experiment_id": ""}
    pages = {page: each(plugin_name=page, **given) for page, each in lists.items()}
    return {page: {run: set(names) for run, names in runs.items()} for page, runs in pages.items()}


@pytest.fixture
def file(tmp_path):
    made = EventFile(tmp_path)
    yield made
    made.close()


def test_numbers(tmp_path, file, rng):
    values = [*rng.normal(size=200), np.nan, np.inf, -1e300, 1e-40]
    for step, value in enumerate(values):
        file.scalar("loss", value, step * 1000)
    file.flush()
    events = read(tmp_path).Scalars("loss")
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal([event.value for event in events], np.array(values).astype("f4"))
    assert [event.step for event in events] == [1000 * step for step in range(len(values))]


def test_histograms(tmp_path, file, rng):
    values = rng.normal(size=(30, 20))
    values[0, 0] = np.nan
    file.histogram("weights", values, 7)
    file.histogram("nothing", np.array([np.nan]), 7)
    file.flush()
    found = read(tmp_path)
    (event,) = found.Histograms("weights")
    finite, got = values[np.isfinite(values)], event.histogram_value
    assert (event.step, got.num, got.min, got.max) == (7, 599, finite.min(), finite.max())
    assert got.sum == pytest.approx(finite.sum())
    assert got.sum_squares == pytest.approx(np.square(finite).sum())
    counts = np.histogram(finite, [-np.inf, *got.bucket_limit])[0]
    assert np.abs(counts - np.array(got.bucket)).sum() <= 2  # edges are below or above
    assert found.Tags()["histograms"] == ["weights"]


def test_pictures_and_texts(tmp_path, file, rng):
    pixels = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    file.image("rows", pixels, 3)
    file.text("about", "one *net*, ü", 4)
    file.flush()
    found = read(tmp_path)
    (event,) = found.Images("rows")
    assert (event.step, event.height, event.width) == (3, 5, 7)
    with Image.open(io.BytesIO(event.encoded_image_string)) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)
    (text,) = found.Tensors("about")
    assert text.tensor_proto.string_val[0].decode() == "one *net*, ü"
    assert found.SummaryMetadata("about").plugin_data.plugin_name == "text"


def test_hyperparameters(tmp_path, file):
    file.hyperparameters({"rate": 0.5, "nesterov": True, "name": "sgd"})
    file.flush()
    content = read(tmp_path).SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    found = hparams.HParamsPluginData.FromString(content).session_start_info.hparams
    assert (found["rate"].number_value, found["nesterov"].bool_value, found["name"].string_value) == (0.5, True, "sgd")


def test_a_training_writes_its_net(tmp_path):
    x = Input((6, 6, 1), name="x")
    shared = Dense(2, name="shared")
    first, second = (
        shared(Flatten(name="flat")(Conv2D(2, 3, name="conv")(x))),
        shared(Flatten(name="flat2")(Conv2D(2, 3)(x))),
    )
    net = handson.Model(x, first + second, seed=0)
    net.compile("adam", "mse")
    data = np.ones((8, 6, 6, 1)), np.ones((8, 2))
    net.fit(*data, verbose=0, epochs=2, callbacks=TensorBoard(tmp_path, histogram_freq=1, write_images=True))
    found = read(tmp_path / "train")
    nodes = {node.name: list(node.input) for node in found.Graph().node}
    assert nodes["x"] == []
    assert nodes["flat"] == ["conv"]
    assert sum("shared" in name for name in nodes) == 2
    graph = {node.name: node for node in found.Graph().node}
    sizes = [dimension.size for dimension in graph["conv"].attr["_output_shapes"].list.shape[0].dim]
    assert sizes == [-1, 4, 4, 2]
    assert graph["conv"].attr["filters"].s == b"2"
    assert [event.value for event in found.Scalars("epoch_learning_rate")] == pytest.approx([0.001] * 2)
    chain = handson.Sequential([Dense(2, input_dim=3), Dense(1)], seed=0)
    chain.compile("sgd", "mse")
    chain.fit(np.ones((8, 3)), np.ones(8), verbose=0, callbacks=TensorBoard(tmp_path / "chain"))
    assert len(read(tmp_path / "chain" / "train").Graph().node) >= 2


def test_every_page_of_tensorboard_has_what_was_written(tmp_path):
    net = handson.Sequential([Conv2D(2, 3, input_shape=(6, 6, 1)), Flatten(), Dense(2)], seed=0)
    net.compile("adam", "mse")
    data = np.ones((8, 6, 6, 1)), np.ones((8, 2))
    board = TensorBoard(tmp_path, histogram_freq=1, write_images=True)
    net.fit(*data, verbose=0, validation_data=data, callbacks=board)
    found = shown(tmp_path)
    assert found["images"]["train"] == {"conv2d/kernel/image", "dense/kernel/image"}
    weights = {"conv2d/kernel", "conv2d/bias", "dense/kernel", "dense/bias"}
    assert found["histograms"]["train"] == {f"{name}/histogram" for name in weights}
    assert found["text"]["train"] == {"net"}
    assert {run for run, names in found["scalars"].items() if "epoch_loss" in names} == {"train", "validation"}
    assert set(found["hparams"]) == {"."}  # above both, so that its table has the numbers of both


@pytest.mark.parametrize(("channels", "colors"), [(1, 1), (3, 3), (2, 1)])
def test_windows_of_a_convolution_stand_side_by_side(rng, channels, colors):
    values = rng.normal(size=(2, 3, channels, 5))
    values.flat[:2] = -9, 9
    pixels = _picture(values)
    assert pixels.shape[2] == colors
    first = pixels[:2, :3].astype(float) if colors == 3 else pixels[:2, :3, :1].astype(float)
    np.testing.assert_allclose(first / 255 * 18 - 9, values[..., :colors, 0], atol=18 / 255)
    assert not pixels[2].any()  # the line between them


def test_matrices_and_kernels_over_time_are_pictures(rng):
    assert _picture(rng.normal(size=(9, 4))).shape == (4, 9, 1)
    assert _picture(rng.normal(size=(5, 1, 3))).shape[2] == 1
    assert _picture(np.zeros((2, 2))).max() == 0


def test_rates_of_a_whole_training_and_steps_are_written_once(tmp_path):
    """Steps go on over epochs whose length is no multiple of the interval."""
    net = handson.Sequential([Dense(1, input_dim=2, dtype="bfloat16")], seed=0)
    net.compile(SGD(LinearRamp(1.0, 0.1)), "mse")
    data = np.ones((20, 2)), np.ones(20)
    board = TensorBoard(tmp_path, histogram_freq=1, update_freq=4)
    net.fit(*data, batch_size=4, epochs=2, verbose=0, validation_data=data, callbacks=board)
    found = read(tmp_path / "train")
    assert [event.value for event in found.Scalars("epoch_learning_rate")] == pytest.approx([1.0, 0.1])
    assert [event.step for event in found.Scalars("batch_loss")] == [4, 9]
    assert "dense/kernel/histogram" in found.Tags()["histograms"]
    tags = read(tmp_path / "validation").Tags()["scalars"]
    assert tags == ["evaluation_loss_vs_iterations", "epoch_loss"]
    content = read(tmp_path).SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    given = hparams.HParamsPluginData.FromString(content).session_start_info.hparams
    assert given["learning_rate"].string_value.startswith("LinearRamp(")
    assert (given["epochs"].number_value, given["batch_size"].number_value) == (2, 4)
    end = read(tmp_path).SummaryMetadata("_hparams_/session_end_info").plugin_data.content
    assert hparams.HParamsPluginData.FromString(end).session_end_info.status == 1  # success
    net.compile(SGD(1.0), "mse")
    scheduled = [LearningRateScheduler(lambda epoch, rate: rate / 2), TensorBoard(tmp_path / "scheduled")]
    net.fit(*data, epochs=2, verbose=0, callbacks=scheduled)
    assert [event.value for event in read(tmp_path / "scheduled/train").Scalars("epoch_learning_rate")] == [0.5, 0.25]


def test_an_evaluation_alone_is_written(tmp_path):
    net = handson.Sequential([Dense(1, input_dim=2)], seed=0)
    net.compile("sgd", "mse")
    loss = net.evaluate(np.ones((4, 2)), np.ones(4), verbose=0, callbacks=TensorBoard(tmp_path))
    (event,) = read(tmp_path / "validation").Scalars("evaluation_loss_vs_iterations")
    assert (event.step, event.value) == (0, pytest.approx(loss))

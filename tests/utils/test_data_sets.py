"""Data sets of `utils`: windows of series, files in folders, parts, batches by number, and training with them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import handson
from handson import HandsonError, utils
from handson.data import Dataflow
from handson.layers import Dense


def net():
    made = handson.Sequential([Dense(1, input_dim=2)], seed=0)
    made.compile("sgd", "mse")
    return made


# Dataflow.


def test_methods_do_what_those_of_tf_data_do():
    flow = Dataflow.from_tensor_slices(np.arange(10))
    assert [int(one) for one in Dataflow.from_tensor_slices([3, 4])] == [3, 4]
    assert [int(one) for one in flow.skip(2).take(3)] == [2, 3, 4]
    assert [int(one) for one in flow.filter(lambda one: one % 5 == 0)] == [0, 5]
    assert [batch.tolist() for batch in flow.batch(4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(flow.batch(4, drop_remainder=True)) == len(list(flow.batch(4, drop_remainder=True))) == 2
    assert [int(one) for one in flow.batch(3).unbatch()] == list(range(10))
    assert [int(one) for one in flow.take(2).repeat(2)] == [0, 1, 0, 1]
    assert [int(one) for one in flow.take(1).concatenate(flow.skip(9))] == [0, 9]
    assert [(place, int(one)) for place, one in flow.take(2).enumerate()] == [(0, 0), (1, 1)]
    assert [(int(a), int(b)) for a, b in Dataflow.zip(flow.take(2), flow.skip(8))] == [(0, 8), (1, 9)]
    assert Dataflow.from_generator(lambda: iter([1])).cardinality() == -2
    endless = flow.repeat()
    assert [int(one) for one in endless.take(12)] == [*range(10), 0, 1]
    with pytest.raises(TypeError, match="not known"):
        len(endless)


@given(st.integers(1, 40), st.integers(1, 50))
def test_a_shuffle_is_an_order_of_each_epoch_and_repeats_with_its_seed(count, size):
    flow = Dataflow.from_tensor_slices(np.arange(count)).shuffle(size, seed=3)
    first, second = [int(one) for one in flow], [int(one) for one in flow]
    assert sorted(first) == sorted(second) == list(range(count))
    assert [int(one) for one in flow.open(0, 0)] == first
    assert [int(one) for one in flow.open(1, 0)] == second
    assert all(value - place < size for place, value in enumerate(first))


def test_a_shuffle_may_keep_its_order_in_all_epochs():
    flow = Dataflow.from_tensor_slices(np.arange(20))
    for anew in (True, False):
        shuffled = flow.shuffle(20, seed=3, reshuffle_each_iteration=anew)
        orders = [[int(one) for one in shuffled] for _ in range(2)]
        assert (orders[0] != orders[1]) == anew


def test_elements_may_be_dictionaries_tensors_and_texts():
    flow = Dataflow.from_tensor_slices({"x": torch.arange(4), "name": np.array(["a", "b", "c", "d"])})
    batch = next(iter(flow.map(lambda one: {**one, "x": one["x"] * 2}).batch(4)))
    assert batch["x"].tolist() == [0, 2, 4, 6]
    assert batch["name"].tolist() == ["a", "b", "c", "d"]
    assert isinstance(next(flow.as_numpy_iterator())["x"], np.ndarray)


def test_a_cache_reads_once_and_a_map_is_called_for_each_element():
    calls = []
    flow = Dataflow.from_tensor_slices(np.arange(3)).map(lambda one: calls.append(1) or one).cache()
    assert [int(one) for one in flow] == [int(one) for one in flow] == [0, 1, 2]
    assert len(calls) == 3


def test_a_net_trains_and_predicts_with_a_dataflow_as_with_its_arrays():
    x, y = np.random.default_rng(0).normal(size=(20, 2)).astype("float32"), np.arange(20.0, dtype=np.float32)
    flow = Dataflow.from_tensor_slices((x, y)).batch(8).prefetch(utils.AUTOTUNE)
    one, two = net(), net()
    one.fit(flow, epochs=2, verbose=0, validation_data=flow)
    two.fit(x, y, epochs=2, batch_size=8, shuffle=False, verbose=0)
    np.testing.assert_allclose(one.get_weights()[0], two.get_weights()[0], rtol=1e-5)
    np.testing.assert_allclose(one.predict(flow, verbose=0), one.predict(x, verbose=0), rtol=1e-5)
    assert one.evaluate(flow, verbose=0) == pytest.approx(one.evaluate(x, y, verbose=0), rel=1e-5)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Dataflow.from_tensor_slices((np.zeros(2), np.zeros(3))), "one length"),
        (lambda: Dataflow.from_generator(iter([1])), "takes a function"),
        (lambda: list(Dataflow.from_generator(lambda: [[1], [1, 2]]).batch(2)), "one shape"),
        (lambda: Dataflow.from_tensor_slices(np.zeros(2)).cache("file"), "in memory"),
        (lambda: Dataflow.from_tensor_slices(np.zeros(2)).batch(0), "batch_size"),
    ],
)
def test_errors_of_a_dataflow_say_what_to_give(make, said):
    with pytest.raises((HandsonError, ValueError), match=said):
        make()


# Windows.


@pytest.mark.parametrize("targets", [True, False])
@pytest.mark.parametrize(("stride", "rate", "start", "end"), [(1, 1, None, None), (2, 3, None, 25), (3, 2, 4, 28)])
def test_windows_are_slices_of_the_series(targets, stride, rate, start, end):
    series = np.arange(30) * 10
    goals = np.arange(30) if targets else None
    flow = utils.timeseries_dataset_from_array(
        series, goals, 4, stride, rate, batch_size=3, start_index=start, end_index=end
    )
    first, last = start or 0, end or 30
    wanted = [series[at : at + 4 * rate : rate] for at in range(first, last - 3 * rate, stride)]
    batches = list(flow)
    found = np.concatenate([batch[0] if targets else batch for batch in batches])
    assert found.tolist() == [window.tolist() for window in wanted]
    assert len(flow) == len(batches)
    if targets:
        assert np.concatenate([y for _, y in batches]).tolist() == list(range(first, last - 3 * rate, stride))


def test_windows_are_shuffled_anew_in_each_epoch_with_their_targets():
    flow = utils.timeseries_dataset_from_array(np.arange(40), np.arange(40), 3, shuffle=True, seed=1, batch_size=None)
    orders = [[int(y) for x, y in flow if x[0] == y] for _ in range(2)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(38))
    assert orders[0] != orders[1]


def test_a_window_that_is_too_long_is_refused():
    with pytest.raises(HandsonError, match="no window of 9 steps"):
        utils.timeseries_dataset_from_array(np.arange(5), None, 9)
    with pytest.raises(HandsonError, match="a part of the series"):
        utils.timeseries_dataset_from_array(np.arange(5), None, 2, end_index=7)


# Folders.


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    for name, count in (("cat", 5), ("dog", 7)):
        (tmp_path / name).mkdir()
        for number in range(count):
            utils.save_img(tmp_path / name / f"{number:02d}.png", rng.integers(0, 256, (6, 8, 3)), scale=False)
    (tmp_path / "dog" / "notes.txt").write_text("no image")
    return tmp_path


def test_images_come_with_the_classes_of_their_folders(images, capsys):
    flow = utils.image_dataset_from_directory(images, image_size=(6, 8), shuffle=False, batch_size=5)
    assert capsys.readouterr().out == "Found 12 files belonging to 2 classes; left out: 1 file ending in .txt.\n"
    x, y = (np.concatenate(column) for column in zip(*flow, strict=True))
    assert y.tolist() == [0] * 5 + [1] * 7
    assert flow.class_names == ["cat", "dog"]
    wanted = [utils.img_to_array(utils.load_img(path)) for path in flow.file_paths]
    assert np.array_equal(x, wanted)
    assert x.dtype == np.float32
    assert len(flow) == 3


def test_what_systems_leave_in_folders_is_no_class_and_no_image(images):
    """As an archive from a Mac: a second tree beside the images, with files of their names."""
    for name in ("__MACOSX/cat/._00.png", "cat/._00.png", "cat/.thumbnails/00.png", ".cache/00.png"):
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        (images / name).write_bytes(b"no image")
    flow = utils.image_dataset_from_directory(images, image_size=4, verbose=False)
    assert flow.class_names == ["cat", "dog"]
    assert sum(len(y) for _, y in flow) == 12


@pytest.mark.parametrize("subset", ["training", "validation", "both"])
def test_parts_and_orders_are_those_of_keras(images, keras, subset):
    from keras.src.utils import dataset_utils

    paths, labels, _ = dataset_utils.index_directory(
        str(images), "inferred", (".png",), shuffle=True, seed=7, verbose=False
    )
    arguments = {"seed": 7, "validation_split": 0.3, "subset": subset, "verbose": False, "image_size": 6}
    found = utils.image_dataset_from_directory(images, **arguments)
    parts = {"training": slice(9), "validation": slice(9, None)}
    names = list(parts) if subset == "both" else [subset]
    for name, flow in zip(names, found if subset == "both" else [found], strict=True):
        assert flow.file_paths == [str(path) for path in paths[parts[name]]]
        seen = sorted(int(y) for _, ys in flow for y in ys)
        assert seen == sorted(labels[parts[name]].tolist())


@pytest.mark.parametrize(
    ("mode", "wanted"), [("int", [0, 1]), ("binary", [[0.0], [1.0]]), ("categorical", [[1.0, 0.0], [0.0, 1.0]])]
)
def test_labels_are_numbers_or_vectors(images, mode, wanted):
    flow = utils.image_dataset_from_directory(images, label_mode=mode, shuffle=False, verbose=False, image_size=4)
    labels = next(iter(flow))[1]
    assert [labels[0].tolist(), labels[-1].tolist()] == wanted


@pytest.mark.parametrize("mode", ["rgb", "rgba", "grayscale"])
@pytest.mark.parametrize("ratio", [{}, {"crop_to_aspect_ratio": True}, {"pad_to_aspect_ratio": True}])
def test_images_without_labels_have_the_wanted_size(images, mode, ratio):
    arguments = {"labels": None, "color_mode": mode, "image_size": (5, 4), "verbose": False, **ratio}
    batch = next(iter(utils.image_dataset_from_directory(images, **arguments)))
    channels = {"rgb": 3, "rgba": 4, "grayscale": 1}[mode]
    assert batch.shape == (12, 5, 4, channels)
    first = next(iter(utils.image_dataset_from_directory(images, data_format="channels_first", **arguments)))
    assert first.shape == (12, channels, 5, 4)


def test_texts_come_with_the_classes_of_their_folders(tmp_path):
    for name, text in (("neg", "bad é film"), ("pos", "good film")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(text, encoding="utf-8")
    flow = utils.text_dataset_from_directory(tmp_path, shuffle=False, verbose=False)
    ((x, y),) = flow
    assert (x.tolist(), y.tolist()) == (["bad é film", "good film"], [0, 1])
    layer = handson.layers.TextVectorization(output_sequence_length=3)
    layer.adapt(flow.map(lambda x, y: x))
    ((ids, _),) = flow.map(lambda x, y: (layer(x), y))
    assert ids.shape == (2, 3)
    ((cut, _),) = utils.text_dataset_from_directory(tmp_path, shuffle=False, verbose=False, max_length=5)
    assert cut.tolist() == ["bad ", "good "]  # a letter of two bytes is not cut in the middle


def test_a_net_trains_on_a_folder(images):
    flow = utils.image_dataset_from_directory(images, image_size=(6, 8), batch_size=4, seed=1, verbose=False)
    made = handson.Sequential(
        [handson.layers.Rescaling(1 / 255), handson.layers.Flatten(), Dense(2, "softmax")], seed=0
    )
    made.compile("sgd", "sparse_categorical_crossentropy")
    assert np.isfinite(made.fit(flow, epochs=2, verbose=0).history["loss"]).all()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"label_mode": "ints"}, "Did you mean 'int'"),
        ({"class_names": ["cat", "bird"]}, "no folder 'bird'"),
        ({"validation_split": 0.2}, "go together"),
        ({"validation_split": 0.2, "subset": "training"}, "needs a seed"),
        ({"labels": [0, 1]}, "has 12; got 2"),
        ({"interpolation": "lanczos3"}, "interpolation is one of"),
        ({"image_size": (1, 2, 3)}, "height and a width"),
        ({"class_names": ["cat"], "label_mode": "binary"}, "takes two classes"),
    ],
)
def test_errors_of_folders_say_what_to_give(images, arguments, said):
    with pytest.raises(HandsonError, match=said):
        utils.image_dataset_from_directory(images, verbose=False, **arguments)


def test_a_folder_that_is_not_there_and_sounds_are_refused(tmp_path):
    with pytest.raises(HandsonError, match="is no folder"):
        utils.image_dataset_from_directory(tmp_path / "none")
    with pytest.raises(HandsonError, match="labels=None"):
        utils.image_dataset_from_directory(tmp_path)
    with pytest.raises(HandsonError, match="reads no sound files"):
        utils.audio_dataset_from_directory(tmp_path)


# Parts.


@pytest.mark.parametrize("sizes", [{"left_size": 0.8}, {"right_size": 2}, {"left_size": 8, "right_size": 0.2}])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("kind", ["array", "tuple", "flow", "batches", "torch"])
def test_a_data_set_is_split_into_all_of_its_rows(sizes, shuffle, kind):
    x = np.arange(10)
    data = {
        "array": x,
        "tuple": (x, x),
        "flow": Dataflow.from_tensor_slices(x),
        "batches": Dataflow.from_tensor_slices(x).batch(3),
        "torch": torch.utils.data.TensorDataset(torch.tensor(x)),
    }[kind]
    left, right = utils.split_dataset(data, shuffle=shuffle, seed=1, **sizes)

    def rows(part):
        found = [one[0] if kind in ("tuple", "torch") else one for one in part]
        return np.concatenate([np.atleast_1d(np.asarray(one)) for one in found]).tolist()

    both = rows(left) + rows(right)
    assert sorted(both) == list(range(10))
    assert len(rows(right)) == 2
    assert (both == list(range(10))) != shuffle
    assert kind != "batches" or next(iter(left)).shape == (3,)


@pytest.mark.parametrize("sizes", [{}, {"left_size": 1.5}, {"left_size": 8, "right_size": 8}, {"left_size": 0}])
def test_parts_that_do_not_fit_are_refused(sizes):
    with pytest.raises(HandsonError, match="split_dataset"):
        utils.split_dataset(np.arange(10), **sizes)


# Batches by number.


def test_a_net_trains_with_batches_by_number():
    ends = []

    class Rows(utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return np.full((4, 2), index, np.float32), np.full(4, index, np.float32)

        def on_epoch_end(self):
            ends.append(1)

    made = net()
    made.fit(Rows(workers=2, max_queue_size=4), epochs=2, verbose=0)
    assert len(ends) == 2
    assert made.predict(Rows(), verbose=0).shape == (12, 1)
    assert utils.Sequence is utils.PyDataset
    with pytest.raises(HandsonError, match="DataLoader"):
        Rows(use_multiprocessing=True)
    with pytest.raises(NotImplementedError, match="__getitem__"):
        utils.PyDataset()[0]
    with pytest.raises(NotImplementedError, match="__len__"):
        len(utils.PyDataset())

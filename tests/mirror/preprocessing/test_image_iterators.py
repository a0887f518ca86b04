"""Batches of images of arrays, folders and tables, against Keras's own iterators, and in training."""

import importlib
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import handson
from handson.core.errors import HandsonError
from handson.keras.preprocessing import image as ours
from handson.layers import Dense, Flatten


@pytest.fixture(scope="module")
def theirs(keras):
    return importlib.import_module("keras.src.legacy.preprocessing.image")


@pytest.fixture
def images(rng):
    return rng.uniform(0, 255, (10, 6, 6, 3)).astype("float32")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classes of five images, one of them in a folder of its own, and a file that is no image."""
    root, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for kind in ("cat", "dog"):
        (root / kind / "more").mkdir(parents=True)
        for number in range(5):
            place = root / kind / "more" if number == 4 else root / kind
            pixels = rng.integers(0, 256, (5 + number, 7, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(place / f"{number}.png")
        (root / kind / "notes.txt").write_text("no image")
    return root


def first_batches(one, count=None):
    return [next(one) for _ in range(count or len(one))]


def assert_alike(mine, other):
    for found, expected in zip(first_batches(mine), first_batches(other), strict=True):
        found, expected = ((batch if isinstance(batch, tuple) else (batch,)) for batch in (found, expected))
        assert len(found) == len(expected)
        for left, right in zip(found, expected, strict=True):
            for a, b in zip(*((each if isinstance(each, list) else [each]) for each in (left, right)), strict=True):
                assert (a.dtype, a.shape) == (b.dtype, b.shape)
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("y", "weights"), [(None, None), (np.arange(10) % 2, None), (np.arange(10) % 2, np.arange(10.0))]
)
@pytest.mark.parametrize("subset", [None, "training", "validation"])
@pytest.mark.parametrize("more", [False, True])
def test_batches_of_arrays_are_those_of_keras(theirs, images, y, weights, subset, more):
    x = (images, [np.arange(10), np.ones((10, 2))]) if more else images
    made = [
        module.ImageDataGenerator(rescale=1 / 255, validation_split=0.4).flow(
            x, y, 4, shuffle=False, sample_weight=weights, subset=subset
        )
        for module in (ours, theirs)
    ]
    assert len(made[0]) == len(made[1])
    if weights is not None and subset is not None:  # Keras gives the rows of the subset the weights of the first ones
        made[1].sample_weight = made[1].sample_weight[slice(4) if subset == "validation" else slice(4, None)]
    assert_alike(*made)


@pytest.mark.parametrize("class_mode", ["categorical", "binary", "sparse", "input", None])
@pytest.mark.parametrize(
    "way",
    [
        {},
        {"color_mode": "grayscale", "interpolation": "bilinear", "subset": "training"},
        {"color_mode": "rgba", "keep_aspect_ratio": True, "classes": ["dog", "cat"], "subset": "validation"},
    ],
)
def test_batches_of_folders_are_those_of_keras(theirs, folder, class_mode, way, capsys):
    mine, other = (
        module.ImageDataGenerator(rescale=0.1, validation_split=0.4).flow_from_directory(
            folder, (6, 4), class_mode=class_mode, batch_size=3, shuffle=False, **way
        )
        for module in (ours, theirs)
    )
    for name in ("samples", "n", "num_classes", "class_indices", "filenames", "image_shape", "batch_size"):
        assert getattr(mine, name) == getattr(other, name), name
    assert mine.classes.tolist() == mine.labels.tolist() == other.classes.tolist()
    said = capsys.readouterr().out.splitlines()
    assert said[0].replace("; left out: 'notes.txt'", "") == said[1]
    assert_alike(mine, other)


def table(folder):
    rows = [(f"{kind}/{number}.png", kind, number) for kind in ("cat", "dog") for number in range(4)]
    found = pd.DataFrame(rows, columns=["filename", "class", "count"])
    found["vector"] = [[number, 1.0] for number in found["count"]]
    found["tags"] = [["a", "b"][: 1 + row % 2] if row % 3 else ["c"] for row in range(len(found))]
    found["weight"] = np.linspace(0, 1, len(found))
    return found


@pytest.mark.parametrize(
    ("class_mode", "way"),
    [
        ("categorical", {}),
        ("categorical", {"y_col": "tags"}),
        ("categorical", {"y_col": "tags", "classes": ["b", "c"]}),
        ("binary", {"weight_col": "weight"}),
        ("sparse", {"classes": ["dog", "cat"], "subset": "training"}),
        ("sparse", {"classes": ["dog"]}),
        ("raw", {"y_col": "count", "subset": "validation"}),
        ("raw", {"y_col": ["count", "weight"]}),
        ("multi_output", {"y_col": ["count", "vector"], "weight_col": "weight"}),
        ("input", {}),
        (None, {}),
    ],
)
def test_batches_of_tables_are_those_of_keras(theirs, folder, class_mode, way):
    mine, other = (
        module.ImageDataGenerator(validation_split=0.25).flow_from_dataframe(
            table(folder), folder, target_size=(4, 4), class_mode=class_mode, batch_size=3, shuffle=False, **way
        )
        for module in (ours, theirs)
    )
    assert mine.filenames == other.filenames
    assert mine.class_indices == getattr(other, "class_indices", {})
    assert_alike(mine, other)


def test_rows_of_a_table_whose_file_is_not_there_are_told_and_left_out(folder, capsys):
    rows = pd.DataFrame({"filename": ["cat/0.png", "cat/9.png", "cat/notes.txt"], "class": ["a", "b", "a"]})
    batches = ours.ImageDataGenerator().flow_from_dataframe(rows, folder, target_size=(4, 4))
    assert batches.filenames == ["cat/0.png"]
    assert capsys.readouterr().out.splitlines() == [
        "2 files of column 'filename' are no images, or not there: 'cat/9.png', 'cat/notes.txt'.",
        "Found 1 image files belonging to 2 classes.",
    ]


CHANGES = {"rotation_range": 30, "width_shift_range": 0.2, "zoom_range": 0.3, "horizontal_flip": True}


def test_images_and_masks_of_one_seed_are_changed_alike(images):
    generator = ours.ImageDataGenerator(**CHANGES)
    pair = [generator.flow(images, batch_size=4, seed=7) for _ in range(2)]
    for first, second in zip(*(first_batches(one, 7) for one in pair), strict=True):
        assert (first == second).all()
    other = generator.flow(images, batch_size=4, seed=8)
    assert (next(other) != next(generator.flow(images, batch_size=4, seed=7))).any()


def test_orders_and_changes_are_new_in_each_epoch_and_follow_from_the_seed(images):
    made = ours.ImageDataGenerator(**CHANGES).flow(images, np.arange(10), 4, seed=1)
    epochs = [[next(made) for _ in range(len(made))] for _ in range(2)]
    orders = [np.concatenate([y for _, y in epoch]).tolist() for epoch in epochs]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(10))
    rows = [{int(row): x for batch, y in epoch for x, row in zip(batch, y, strict=True)} for epoch in epochs]
    assert all((rows[0][row] != rows[1][row]).any() for row in range(10))
    again = made.open(0, 1)
    assert (next(again)[0] == epochs[0][1][0]).all()
    made.reset()
    assert (made.next()[0] == epochs[0][0][0]).all()
    assert (made[0][0] == epochs[0][0][0]).all()
    with pytest.raises(IndexError, match="3 batches"):
        made[3]


def net():
    made = handson.Sequential([Flatten(), Dense(1)], seed=0)
    made.compile("adam", "mse")
    return made


def test_a_net_trains_on_more_steps_than_there_are_batches(images):
    batches = ours.ImageDataGenerator(rescale=1 / 255, **CHANGES).flow(images, np.arange(10), 4, seed=0)
    model = net()
    history = model.fit(batches, steps_per_epoch=7, epochs=2, validation_data=batches, verbose=0).history
    assert len(history["val_loss"]) == 2
    assert model.predict(batches).shape == (10, 1)
    assert model.evaluate(batches, verbose=0) == pytest.approx(model.evaluate(batches, verbose=0))
    model.fit_generator(batches, steps_per_epoch=2, verbose=0)


def test_a_run_that_was_cut_goes_on_with_the_same_images(images, tmp_path):
    def batches():
        return ours.ImageDataGenerator(rescale=1 / 255, **CHANGES).flow(images, np.arange(10), 4, seed=5)

    whole, parts = net(), net()
    whole.fit(batches(), epochs=3, verbose=0)
    parts.fit(batches(), epochs=1, verbose=0)
    parts.fit(batches(), epochs=2, verbose=0)
    for expected, found in zip(whole.get_weights(), parts.get_weights(), strict=True):
        assert (expected == found).all()


def test_changed_images_are_written_where_asked(images, tmp_path):
    batches = ours.ImageDataGenerator(**CHANGES).flow(images, batch_size=4, save_to_dir=tmp_path, save_prefix="seen")
    next(batches)
    next(batches)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 8
    assert all(file.name.startswith("seen_") for file in files)
    assert all(ours.load_img(file).size == (6, 6) for file in files)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g, x, f: g.flow(x[0]), r"\(n, height, width, channels\)"),
        (lambda g, x, f: g.flow(x, np.arange(3)), "10 images, and 3 rows of y"),
        (lambda g, x, f: g.flow(x, sample_weight=np.ones(10)), "weighs targets: give y too"),
        (lambda g, x, f: g.flow(x, np.arange(10), subset="validation"), "ignore_class_split"),
        (lambda g, x, f: g.flow(x, subset="valid"), "Did you mean 'validation'"),
        (lambda g, x, f: ours.ImageDataGenerator().flow(x, subset="training"), "validation_split=0.2"),
        (lambda g, x, f: next(g.flow(x[:0])), "no samples"),
        (lambda g, x, f: g.flow_from_directory(f / "none"), "is no folder"),
        (lambda g, x, f: g.flow_from_directory(f, classes=["cow"]), "no folder 'cow'"),
        (lambda g, x, f: g.flow_from_directory(f, class_mode="category"), "Did you mean 'categorical'"),
        (lambda g, x, f: g.flow_from_directory(f, color_mode="grey"), "color_mode"),
        (lambda g, x, f: g.flow_from_dataframe(table(f), f, y_col="klass"), "no column 'klass'"),
        (lambda g, x, f: g.flow_from_dataframe(table(f), f, y_col="count"), r"astype\(str\)"),
        (lambda g, x, f: g.flow_from_dataframe(table(f), f, y_col="tags", class_mode="binary"), "two classes"),
        (lambda g, x, f: g.flow_from_dataframe(table(f), f, class_mode="multi_output"), "list of columns"),
        (lambda g, x, f: g.flow_from_dataframe(table(f), f, x_col="count"), "file names"),
        (lambda g, x, f: g.flow_from_dataframe(table(f), f, weight_col="class"), "weights, which are numbers"),
    ],
)
def test_what_cannot_be_meant_is_refused(images, folder, call, message):
    with pytest.raises(HandsonError, match=message):
        call(ours.ImageDataGenerator(validation_split=0.4), images, folder)


def test_what_a_generator_cannot_do_is_said_at_once():
    x = np.ones((4, 3, 3, 1))
    made = ours.ImageDataGenerator
    assert made(zoom_range=np.float32(0.25)).zoom_range == (0.75, 1.25)
    for given in ({"fill_mode": "neerest"}, {"rotation_range": "much"}, {"zoom_range": "much"}):
        with pytest.raises(HandsonError, match=next(iter(given))):
            made(**given)
    with pytest.raises(HandsonError, match="same shape"):
        next(made(preprocessing_function=lambda image: None).flow(x))


def test_what_is_left_out_of_a_folder_is_said_and_hidden_files_are_no_images(folder, tmp_path, capsys):
    shutil.copytree(folder, tmp_path / "all")
    for name in ("cat/._0.png", "__MACOSX/cat/._1.png", ".cache/2.png"):
        (tmp_path / "all" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "all" / name).write_bytes(b"no image")
    found = ours.ImageDataGenerator().flow_from_directory(tmp_path / "all")
    assert (found.samples, found.class_indices) == (10, {"cat": 0, "dog": 1})
    assert "Found 10 images belonging to 2 classes; left out: 'notes.txt'" in capsys.readouterr().out
    for ending in ("pgm", "jfif", "WEBP", "gif"):
        Image.new("L", (4, 3)).save(tmp_path / f"all/cat/more.{ending}")
    assert ours.ImageDataGenerator().flow_from_directory(tmp_path / "all").samples == 14

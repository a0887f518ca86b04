"""Keras's data sets from files as Keras keeps them, made here, and read by both."""

import gzip
import json
import pickle

import numpy as np
import pytest

from handson import HandsonError, datasets
from handson.datasets import arrays


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache with files of its own, for Keras and for us; hashes are not looked at."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    folder = tmp_path / "datasets"
    folder.mkdir()
    return folder


def unchecked(monkeypatch, *modules):
    for module in modules:
        monkeypatch.setattr(module, "HASH", None, raising=False)
        monkeypatch.setattr(module, "INDEX_HASH", None, raising=False)


def of_keras(monkeypatch, name, cache):
    """Keras's module, reading the same files."""
    module = __import__(f"keras.src.datasets.{name}", fromlist=["load_data"])

    def get_file(fname=None, origin=None, cache_subdir="datasets", **kwargs):
        return str(cache.parent / cache_subdir / fname)

    monkeypatch.setattr(module, "get_file", get_file, raising=False)
    return module


def same(found, wanted):
    for ours, theirs in zip(found, wanted, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert one.tolist() == other.tolist()
            assert one.dtype == other.dtype


def test_digits(cache, monkeypatch):
    rng = np.random.default_rng(0)
    parts = {f"{kind}_{part}": rng.integers(0, 10, (5, 2, 2) if kind == "x" else 5, dtype=np.uint8)
             for kind in "xy" for part in ("train", "test")}  # fmt: skip
    np.savez(cache / "mnist.npz", **parts)
    unchecked(monkeypatch, datasets.mnist)
    same(datasets.mnist.load_data(), of_keras(monkeypatch, "mnist", cache).load_data())


def test_clothes(cache, monkeypatch):
    folder = cache / "fashion-mnist"
    folder.mkdir()
    for part, count in (("train", 6), ("t10k", 3)):
        with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(b"\0\0\x08\x01" + count.to_bytes(4, "big") + bytes(range(count)))
        with gzip.open(folder / f"{part}-images-idx3-ubyte.gz", "wb") as file:
            sizes = b"".join(size.to_bytes(4, "big") for size in (count, 28, 28))
            file.write(b"\0\0\x08\x03" + sizes + bytes(place % 251 for place in range(count * 784)))
    same(datasets.fashion_mnist.load_data(), of_keras(monkeypatch, "fashion_mnist", cache).load_data())


@pytest.mark.parametrize("mode", ["fine", "coarse"])
def test_photographs(cache, monkeypatch, mode):
    rng = np.random.default_rng(0)

    def batch(count, *keys):
        return {b"data": rng.integers(0, 256, (count, 3072), dtype=np.uint8)} | {
            key.encode(): rng.integers(0, 10, count).tolist() for key in keys
        }

    small, hundred = (cache / f"{name}-target" / name for name in ("cifar-10-batches-py", "cifar-100-python"))
    for folder in (small, hundred):
        folder.mkdir(parents=True)
        (folder.parent.parent / f"{folder.name}-target_archive").touch()
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        (small / name).write_bytes(pickle.dumps(batch(4, "labels"), 3))
    for name in ("train", "test"):
        (hundred / name).write_bytes(pickle.dumps(batch(4, "fine_labels", "coarse_labels"), 3))
    unchecked(monkeypatch, datasets.cifar10, datasets.cifar100)
    (x, y), test = datasets.cifar10.load_data()
    parts = [of_keras(monkeypatch, "cifar", cache).load_batch(small / f"data_batch_{number}") for number in range(1, 6)]
    assert np.array_equal(x, np.concatenate([images for images, _ in parts]).transpose(0, 2, 3, 1))
    assert y.tolist() == [[label] for _, labels in parts for label in labels]
    assert test[0].shape == (4, 32, 32, 3)
    (x, y), (x_test, y_test) = datasets.cifar100.load_data(mode)
    (kx, ky), (kx_test, ky_test) = of_keras(monkeypatch, "cifar100", cache).load_data(mode)
    for one, other in ((x, kx), (y, ky), (x_test, kx_test), (y_test, ky_test)):
        assert np.array_equal(one, other)


OPTIONS = [
    {},
    {"num_words": 8},
    {"skip_top": 5},
    {"num_words": 9, "skip_top": 4, "oov_char": None},
    {"maxlen": 6, "start_char": None, "seed": 3},
    {"index_from": 0, "start_char": 7},
]


def lists(rng, count):
    rows = np.empty(count, dtype=object)
    rows[:] = [rng.integers(1, 12, rng.integers(1, 9)).tolist() for _ in range(count)]
    return rows


@pytest.mark.parametrize("options", OPTIONS)
def test_reviews(cache, monkeypatch, options):
    rng = np.random.default_rng(0)
    parts = {"x_train": lists(rng, 9), "y_train": np.arange(9), "x_test": lists(rng, 7), "y_test": np.arange(7)}
    np.savez(cache / "imdb.npz", **parts)
    (cache / "imdb_word_index.json").write_text(json.dumps({"the": 1}))
    unchecked(monkeypatch, datasets.imdb)
    theirs = of_keras(monkeypatch, "imdb", cache)
    same(datasets.imdb.load_data(**options), theirs.load_data(**options))
    assert datasets.imdb.get_word_index() == theirs.get_word_index() == {"the": 1}


@pytest.mark.parametrize("options", [*OPTIONS, {"test_split": 0.5}])
def test_news(cache, monkeypatch, options):
    np.savez(cache / "reuters.npz", x=lists(np.random.default_rng(0), 20), y=np.arange(20))
    unchecked(monkeypatch, datasets.reuters)
    theirs = of_keras(monkeypatch, "reuters", cache)
    same(datasets.reuters.load_data(**options), theirs.load_data(**options))
    assert datasets.reuters.get_label_names() == theirs.get_label_names()


@pytest.mark.parametrize(
    ("name", "options"), [("boston", {}), ("california", {}), ("california", {"version": "small"})]
)
def test_houses(cache, monkeypatch, name, options):
    rng = np.random.default_rng(0)
    np.savez(cache / f"{name}_housing.npz", x=rng.normal(size=(700, 3)), y=rng.normal(size=700))
    module = getattr(datasets, f"{name}_housing")
    unchecked(monkeypatch, module)
    theirs = of_keras(monkeypatch, f"{name}_housing", cache)
    for more in ({}, {"test_split": 0.4, "seed": 1}):
        same(module.load_data(**options, **more), theirs.load_data(**options, **more))


class Trap:
    def __reduce__(self):
        return (print, ("run",))


def test_a_file_that_names_code_is_not_run(cache, monkeypatch, capsys):
    rows = np.empty(1, dtype=object)
    rows[0] = Trap()
    np.savez(cache / "reuters.npz", x=rows, y=np.arange(1))
    unchecked(monkeypatch, datasets.reuters)
    with pytest.raises(HandsonError, match=r"names builtins\.print"):
        datasets.reuters.load_data()
    assert capsys.readouterr().out == ""


def test_damaged_files_are_refused(cache):
    (cache / "x.npz").write_bytes(b"no zip")
    with pytest.raises(HandsonError, match="damaged"):
        arrays.read_npz(str(cache / "x.npz"))


def test_a_file_that_is_not_there_is_named_with_its_place(cache, monkeypatch):
    monkeypatch.setattr(arrays, "BASE", "http://127.0.0.1:9/")
    with pytest.raises(HandsonError, match="Put the file, which hashes to 731c5ac6") as found:
        datasets.mnist.load_data()
    assert str(cache / "mnist.npz") in str(found.value)

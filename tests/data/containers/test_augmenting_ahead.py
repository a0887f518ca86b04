"""Rows that stay in a file are augmented by the threads that read them, with the bits that a step would give them."""

import threading

import h5py
import numpy as np
import pytest

import handson
from handson.data import Augment, read
from handson.data.augment.augment import BoundAugment
from handson.data.rows import feed, streamed
from handson.layers import Conv2D, Dense, Flatten
from handson.training import fit

KEYPOINTS = ["nose_x", "nose_y", "chin_x", "chin_y"]


@pytest.fixture(autouse=True)
def small(small_parts):
    """Every file is large."""


@pytest.fixture
def images(tmp_path, rng):
    x = rng.integers(0, 256, (60, 8, 8, 1)).astype("u1")
    y = rng.uniform(1, 6, (60, 4)).astype("f4")
    y[rng.random(y.shape) < 0.1] = np.nan
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=x, chunks=(10, 8, 8, 1), compression="gzip")
        file["y"] = y
    return read(tmp_path / "x.h5", "y").inputs, x, y


def trained(x, y, augment=None, **given):
    augment = augment or Augment(rotation=20, translation=3, noise=0.1, contrast=1.2, keypoints=[(0, 1), (2, 3)])
    net = handson.Sequential([Conv2D(3, 3, activation="relu"), Flatten(), Dense(4)], seed=1)
    net.compile("adam", "mse")
    given = {"validation_split": 0.2, "epochs": 3, "batch_size": 16, "engine": "eager"} | given
    history = net.fit(x, y, augment=augment, seed=3, verbose=0, **given)
    return np.concatenate([weight.ravel() for weight in net.get_weights()]), history


@pytest.mark.parametrize("threads", [1, 4])
def test_the_bits_are_those_of_arrays_and_of_steps(images, monkeypatch, threads):
    monkeypatch.setattr(feed, "THREADS", threads)
    monkeypatch.setattr(feed, "GROUP_BYTES", 1)
    stored, x, y = images
    callers, change = set(), BoundAugment.__call__
    monkeypatch.setattr(
        BoundAugment, "__call__", lambda *given: (callers.add(threading.current_thread().name), change(*given))[1]
    )
    ahead, history = trained(stored, y)
    assert all(name.startswith("handson-read") for name in callers)
    callers.clear()
    in_memory, expected = trained(x, y)
    assert callers == {threading.current_thread().name}
    assert np.array_equal(ahead, in_memory)
    assert history.history == expected.history  # what is validated on is not augmented
    monkeypatch.setattr(fit, "_is_ahead", lambda *_: False)
    assert np.array_equal(trained(stored, y)[0], in_memory)


def test_functions_of_users_are_called_by_their_step(images):
    stored, _, y = images
    callers = set()

    def mirrored(inputs, targets):
        callers.add(threading.current_thread().name)
        return inputs.flip(2), targets

    trained(stored, y, augment=mirrored, epochs=1)
    assert callers == {threading.current_thread().name}


def test_what_goes_wrong_ahead_is_said_by_the_step(images, monkeypatch):
    def fail(*_):
        raise ValueError("no such images")

    monkeypatch.setattr(BoundAugment, "__call__", fail)
    with pytest.raises(ValueError, match="no such images"):
        trained(images[0], images[2])


def test_what_the_training_waited_for_is_said(images, monkeypatch):
    stored, _, y = images
    monkeypatch.setattr(feed.Feed, "augmenting", 0.8)
    told = []
    monkeypatch.setattr(fit.Arguments, "tell", lambda self, text: told.append(text))
    monkeypatch.setattr(streamed, "WAITED_SECONDS", -1.0)
    monkeypatch.setattr(streamed, "WAITED_SHARE", -1.0)
    trained(stored, y, epochs=1)
    assert any("80 % of the work ahead of its steps was augmentation; fewer changes" in text for text in told)

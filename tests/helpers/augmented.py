"""Images with keypoints for tests of augmentation, and what an augmentation makes of them."""

import numpy as np
import torch
from scipy import stats

import handson
from handson import Sequential
from handson.data import Augment
from handson.data.augment.augment import affine_maps
from handson.layers import Dense, Flatten
from handson.randomness import words
from handson.randomness.stream import Stream, active

EYES = ["left_eye_x", "left_eye_y", "right_eye_x", "right_eye_y"]
EVERYTHING = {
    "horizontal_flip": True, "vertical_flip": 0.3, "rotation": 180, "translation": 3, "rescaling": 1.3, "shear": 20,
    "stretch": 1.3,
}  # fmt: skip


def changed(augment, images, targets, names=None, seed=0, epoch=0, rows=None):
    """A batch after augmentation, as a training step would see it."""
    images = torch.as_tensor(np.asarray(images)).float()
    targets = torch.as_tensor(np.asarray(targets)).float()
    bound = augment.bind(images, targets.shape[1], names)
    with active(Stream(seed, epoch)) as stream:
        stream.rows = torch.arange(len(images)) if rows is None else torch.as_tensor(rows)
        images, targets = bound(images, targets)
    return images.numpy(), targets.numpy()


def maps(count=20_000, flips=None, **arguments):
    """The affine maps of many images."""
    augment = Augment(**arguments)
    fraction = words.uniform(Stream(0, 0).key("augment"), torch.arange(count), 10)
    if flips is None:
        flips = torch.zeros(count, dtype=torch.bool), torch.zeros(count, dtype=torch.bool)
    matrix, shift = affine_maps(augment, fraction, flips)
    return matrix.double().numpy(), shift.double().numpy()


def blobs(points, height, width, deviation=1.5):
    """Images with one round bright blob each, centred on a point; pixel i covers [i, i + 1)."""
    y, x = np.mgrid[:height, :width] + 0.5
    distance = (x - points[:, 0, None, None]) ** 2 + (y - points[:, 1, None, None]) ** 2
    return (200 * np.exp(-distance / (2 * deviation**2))).astype(np.float32)[..., None]


def centroids(images):
    """The brightness-weighted mean position of each image."""
    height, width = images.shape[1:3]
    y, x = np.mgrid[:height, :width] + 0.5
    light = images[..., 0].astype(np.float64)
    return np.stack([(light * axis).sum((1, 2)) / light.sum((1, 2)) for axis in (x, y)], 1)


def fit_data(rng, rows=24):
    images = rng.integers(0, 256, (rows, 8, 8, 1)).astype(np.float32)
    return images, rng.uniform(1, 7, (rows, 4)).astype(np.float32)


def small_net():
    net = Sequential([Flatten(), Dense(4)], seed=0)
    net.compile(handson.optimizers.SGD(1e-6), "mse")
    return net


def uniform_between(values, low, high):
    """Whether values look uniform: Kolmogorov and Smirnov's test, and the ends are nearly reached but not passed."""
    tolerance = 1e-4 * max(abs(low), abs(high))
    assert values.min() >= low - tolerance
    assert values.max() <= high + tolerance
    assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 1e-3

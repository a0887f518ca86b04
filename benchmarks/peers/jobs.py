"""The jobs: nets, sizes and data that can be learned, the same for every library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

Arrays = tuple[np.ndarray, np.ndarray]

FOLDS = 5
LEARNING_RATE, MOMENTUM = 0.03, 0.9  # of stochastic gradient descent; Adam has its usual 0.001
ADAM_EPSILON = 1e-7
NORM_MOMENTUM, NORM_EPSILON = 0.9, 1e-3  # of batch normalization, in Keras's sense of momentum


def keypoints(rows: int, rng: np.random.Generator) -> Arrays:
    """Images (rows, 96, 96, 1) made of eight smooth patterns, and 30 numbers that follow from the shares of each."""
    places = np.linspace(0, np.pi, 96, dtype=np.float32)
    waves = [np.outer(np.cos(i * places), np.cos(j * places)) for i in range(3) for j in range(3)][1:]
    shares = rng.uniform(-1, 1, (rows, len(waves))).astype(np.float32)
    images = np.tensordot(shares, np.stack(waves), 1) + rng.normal(0, 0.1, (rows, 96, 96))
    return images[..., None].astype(np.float32), shares @ rng.normal(0, 0.5, (len(waves), 30)).astype(np.float32)


def sines(rows: int, rng: np.random.Generator) -> Arrays:
    """Five numbers (rows, 5), and the sum of their sines (rows, 1) with a little noise."""
    x = rng.normal(size=(rows, 5)).astype(np.float32)
    return x, (np.sin(x).sum(1, keepdims=True) + rng.normal(0, 0.1, (rows, 1))).astype(np.float32)


def light_curves(rows: int, rng: np.random.Generator) -> Arrays:
    """Noisy oscillations (rows, 130, 3) in three colours, and which of five frequencies they have."""
    labels = rng.integers(0, 5, rows)
    phases = rng.uniform(0, 2 * np.pi, (rows, 1, 1)) + np.array([0, 0.5, 1])
    turns = np.linspace(0, 2 * np.pi, 130)[None, :, None] * (2.0 ** np.arange(5))[labels][:, None, None]
    return (np.sin(turns + phases) + rng.normal(0, 0.3, (rows, 130, 3))).astype(np.float32), labels


def outbursts(rows: int, rng: np.random.Generator) -> Arrays:
    """Times at random, and noisy brightnesses in two colours then (rows, 130, 3); in which fifth of the time a star
    flares up. The order of the steps says nothing that the times do not: the net needs no places.
    """
    times = np.sort(rng.uniform(0, 1, (rows, 130)), axis=1)
    peaks = rng.uniform(0, 1, (rows, 1))
    flares = np.exp(-(((times - peaks) / 0.05) ** 2))
    colours = [2 * flares + rng.normal(0, 0.3, (rows, 130)), flares + rng.normal(0, 0.3, (rows, 130))]
    return np.stack([2 * times - 1, *colours], axis=2).astype(np.float32), (5 * peaks[:, 0]).astype(np.int64)


def digits(rows: int, rng: np.random.Generator) -> Arrays:
    """Images (rows, 28, 28, 1) of ten noisy signs, and which sign it is."""
    signs = np.kron(rng.uniform(0, 1, (10, 7, 7)) > 0.5, np.ones((4, 4)))
    labels = rng.integers(0, 10, rows)
    return (signs[labels] + rng.normal(0, 0.7, (rows, 28, 28)))[..., None].astype(np.float32), labels


def reviews(rows: int, rng: np.random.Generator) -> Arrays:
    """Texts (rows, 100) of word numbers up to 2,000, and which of two kinds of words they have a few more of."""
    labels = rng.integers(0, 2, rows)
    words = rng.integers(0, 2000, (rows, 100))
    telling = rng.integers(0, 50, (rows, 100)) + 50 * labels[:, None]
    return np.where(rng.random((rows, 100)) < 0.1, telling, words), labels


DATA: dict[str, Callable[[int, np.random.Generator], Arrays]] = {
    "lecture": keypoints,
    "dense": sines,
    "lstm": light_curves,
    "digits": digits,
    "transformer": outbursts,
    "text": reviews,
}
CLASSES = {"lstm": 5, "digits": 10, "transformer": 5, "text": 2}


@dataclass(frozen=True)
class Job:
    """Something that every library is asked to do.

    Attributes
    ----------
    name, title : str
        What it is called on the command line and in the report.
    kind : str
        'fit' (goes on with one net), 'ensemble', 'folds', 'predict', or 'start' (a new process each time).
    net : str
        'lecture', 'dense', 'lstm', 'digits', 'transformer' or 'text'.
    rows, batch, epochs, members : int
        The sizes of one round; of 'predict', the epochs of the training before it.
    """

    name: str
    title: str
    kind: str
    net: str
    rows: int
    batch: int
    epochs: int = 1
    members: int = 1

    @property
    def steps(self) -> int:
        """Steps of a round; 1 where a round is measured as a whole."""
        return self.epochs * -(-self.rows // self.batch) if self.kind == "fit" else 1

    @property
    def classes(self) -> int | None:
        """How many classes the net tells apart; None in a regression."""
        return CLASSES.get(self.net)

    @property
    def optimizer(self) -> str:
        """'adam', or 'nesterov' for stochastic gradient descent with Nesterov's momentum."""
        return "nesterov" if self.net == "lecture" else "adam"

    def data(self, rows: int | None = None) -> Arrays:
        """The job's inputs and targets, the same in every process."""
        return DATA[self.net](rows or self.rows, np.random.default_rng(0))

    def loss(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        """The mean squared error, or the cross entropy of probabilities."""
        if self.classes is None:
            return float(np.mean((outputs.reshape(targets.shape) - targets) ** 2))
        return float(-np.log(np.maximum(outputs[np.arange(len(targets)), targets], 1e-7)).mean())

    def scaled(self, scale: float) -> Job:
        """The job with fewer rows; every fold still fills its batches."""
        block = self.batch * FOLDS
        return replace(self, rows=max(block, round(self.rows * scale / block) * block)) if scale != 1 else self


def lecture_operations(batch: int) -> float:
    """Floating-point operations of the matrix products in one training step of the lecture's net.

    Two for each weight and place that it is used at, three times: forward, and the gradients of weights and of inputs.
    The first layer's inputs need no gradient.
    """
    first = 94**2 * 32 * 9
    rest = 46**2 * 64 * 128 + 22**2 * 128 * 256 + 128 * 11**2 * 1000 + 1000 * 1000 + 1000 * 30
    return 2.0 * batch * (2 * first + 3 * rest)


JOBS = {
    job.name: job
    for job in [
        Job("lecture", "the fourth lecture's net (96×96, conv 32/64/128)", "fit", "lecture", 1280, 128, 2),
        Job("dense", "5-64-64-1 regression", "fit", "dense", 16_000, 32, 10),
        Job("lstm", "LSTM 64 over 130×3", "fit", "lstm", 2048, 64, 2),
        Job("digits", "28×28, two blocks of convolution and batch normalization", "fit", "digits", 4096, 64),
        Job("transformer", "two transformer blocks (32, 4 heads) over 130×3 outbursts", "fit", "transformer", 2048, 64),
        Job("text", "Embedding 2000×32, GRU 64 over 100 words", "fit", "text", 2048, 64, 2),
        Job("member", "one dense net, made and trained", "ensemble", "dense", 8000, 32, 20),
        Job("ensemble", "ten dense nets, made and trained", "ensemble", "dense", 8000, 32, 20, members=10),
        Job("folds", "5-fold cross-validation of the dense net", "folds", "dense", 8000, 32, 25),
        Job("predict", "prediction of 100,000 rows by the dense net", "predict", "dense", 100_000, 1000, 20),
        Job("start", "from `python` to the end of the dense net's first epoch", "start", "dense", 16_000, 32),
        Job("start-lstm", "the same with the LSTM", "start", "lstm", 2048, 64),
        Job("start-digits", "the same with the digits' net", "start", "digits", 4096, 64),
        Job("start-lecture", "the same with the lecture's net", "start", "lecture", 1280, 128),
    ]
}  # fmt: skip

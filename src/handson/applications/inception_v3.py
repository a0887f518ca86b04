"""InceptionV3 (Szegedy and others, "Rethinking the Inception architecture for computer vision", arXiv:1512.00567)."""

from __future__ import annotations

from collections.abc import Sequence

from handson.applications.application import Wanted, application, files
from handson.applications.imagenet_utils import decode_predictions
from handson.applications.preparation import tf_images as preprocess_input
from handson.graph import Symbol
from handson.layers import Activation, AveragePooling2D, BatchNormalization, Concatenate, Conv2D, MaxPooling2D

__all__ = ["InceptionV3", "decode_predictions", "preprocess_input"]

Kernel = int | tuple[int, int]
# Convolutions one after the other: filters and kernel of each.
Steps = Sequence[tuple[int, Kernel]]


def convolved(x: Symbol, filters: int, kernel: Kernel, stride: int = 1, padding: str = "same") -> Symbol:
    """A convolution, batch normalization and ReLU."""
    x = Conv2D(filters, kernel, strides=stride, padding=padding, use_bias=False)(x)
    return Activation("relu")(BatchNormalization(scale=False)(x))


def chained(x: Symbol, steps: Steps) -> Symbol:
    """Convolutions one after the other, each with its filters and kernel."""
    for filters, kernel in steps:
        x = convolved(x, filters, kernel)
    return x


def _joined(branches: Sequence[Symbol], name: str | None = None) -> Symbol:
    return Concatenate(name=name)(list(branches))


def _pooled(x: Symbol, filters: int) -> Symbol:
    return convolved(AveragePooling2D(3, strides=1, padding="same")(x), filters, 1)


def begun(image: Symbol) -> Symbol:
    """The first convolutions: an eighth of the size."""
    x = convolved(image, 32, 3, 2, "valid")
    x = convolved(convolved(x, 32, 3, padding="valid"), 64, 3)
    x = convolved(MaxPooling2D(3, strides=2)(x), 80, 1, padding="valid")
    return MaxPooling2D(3, strides=2)(convolved(x, 192, 3, padding="valid"))


def _fives(x: Symbol, pooled: int, name: str) -> Symbol:
    """Beside each other kernels of 1, 5, and twice 3."""
    branches: list[Steps] = [[(64, 1)], [(48, 1), (64, 5)], [(64, 1), (96, 3), (96, 3)]]
    return _joined([*(chained(x, steps) for steps in branches), _pooled(x, pooled)], name)


def _sevens(x: Symbol, inner: int, name: str) -> Symbol:
    """Beside each other kernels of 1, 7, and twice 7, as rows and columns."""
    row, column = (1, 7), (7, 1)
    once: Steps = [(inner, 1), (inner, row), (192, column)]
    twice: Steps = [(inner, 1), (inner, column), (inner, row), (inner, column), (192, row)]
    return _joined([chained(x, [(192, 1)]), chained(x, once), chained(x, twice), _pooled(x, 192)], name)


def _threes(x: Symbol, number: int) -> Symbol:
    """Beside each other kernels of 1, and of 3 as rows and columns, which are not one after the other."""
    single = convolved(x, 320, 1)
    once = convolved(x, 384, 1)
    once = _joined([convolved(once, 384, (1, 3)), convolved(once, 384, (3, 1))], f"mixed9_{number}")
    twice = chained(x, [(448, 1), (384, 3)])
    twice = _joined([convolved(twice, 384, (1, 3)), convolved(twice, 384, (3, 1))])
    return _joined([single, once, twice, _pooled(x, 192)], f"mixed{9 + number}")


def _halved_early(x: Symbol) -> Symbol:
    once = convolved(x, 384, 3, 2, "valid")
    twice = convolved(chained(x, [(64, 1), (96, 3)]), 96, 3, 2, "valid")
    return _joined([once, twice, MaxPooling2D(3, strides=2)(x)], "mixed3")


def _halved_late(x: Symbol) -> Symbol:
    once = convolved(convolved(x, 192, 1), 320, 3, 2, "valid")
    twice = convolved(chained(x, [(192, 1), (192, (1, 7)), (192, (7, 1))]), 192, 3, 2, "valid")
    return _joined([once, twice, MaxPooling2D(3, strides=2)(x)], "mixed8")


@application(
    "inception_v3",
    files(
        "inception_v3",
        "inception_v3_weights_tf_dim_ordering_tf_kernels",
        ("9a0d58056eeedaa3f26cb7ebd46da564", "bcbd6486424b2319ff4ef7d526e38f63"),
    ),
    size=299,
    smallest=75,
)
def InceptionV3(image: Symbol, wanted: Wanted) -> Symbol:
    """Blocks with convolutions of several sizes beside each other."""
    x = begun(image)
    for number, pooled in enumerate((32, 64, 64)):
        x = _fives(x, pooled, f"mixed{number}")
    x = _halved_early(x)
    for number, inner in enumerate((128, 160, 160, 192), 4):
        x = _sevens(x, inner, f"mixed{number}")
    x = _halved_late(x)
    for number in range(2):
        x = _threes(x, number)
    return wanted.topped(x, named=False)

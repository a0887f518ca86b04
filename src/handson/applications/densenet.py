"""DenseNet (Huang and others, "Densely connected convolutional networks", arXiv:1608.06993)."""

from __future__ import annotations

from collections.abc import Sequence

from handson.applications.application import Files, Wanted, application, channels_of, files
from handson.applications.imagenet_utils import decode_predictions
from handson.applications.preparation import torch_images as preprocess_input
from handson.applications.resnet import activated, normalized
from handson.graph import Symbol
from handson.layers import (
    Activation,
    AveragePooling2D,
    Concatenate,
    Conv2D,
    MaxPooling2D,
    ZeroPadding2D,
)

__all__ = ["DenseNet121", "DenseNet169", "DenseNet201", "decode_predictions", "preprocess_input"]

# How many filters each block adds.
GROWTH = 32


def _block(x: Symbol, name: str) -> Symbol:
    added = activated(x, f"{name}_0")
    added = activated(Conv2D(4 * GROWTH, 1, use_bias=False, name=f"{name}_1_conv")(added), f"{name}_1")
    added = Conv2D(GROWTH, 3, padding="same", use_bias=False, name=f"{name}_2_conv")(added)
    return Concatenate(name=f"{name}_concat")([x, added])


def _halved(x: Symbol, name: str) -> Symbol:
    x = activated(x, name)
    x = Conv2D(channels_of(x) // 2, 1, use_bias=False, name=f"{name}_conv")(x)
    return AveragePooling2D(2, strides=2, name=f"{name}_pool")(x)


def _dense(image: Symbol, wanted: Wanted, counts: Sequence[int]) -> Symbol:
    x = Conv2D(64, 7, strides=2, use_bias=False, name="conv1_conv")(ZeroPadding2D(3)(image))
    x = ZeroPadding2D(1)(activated(x, "conv1"))
    x = MaxPooling2D(3, strides=2, name="pool1")(x)
    for stage, count in enumerate(counts, 2):
        for number in range(1, count + 1):
            x = _block(x, f"conv{stage}_block{number}")
        x = _halved(x, f"pool{stage}") if stage < 5 else x
    return wanted.topped(Activation("relu", name="relu")(normalized(x, "bn")))


def _weights(name: str, whole: str, headless: str) -> Files:
    return files("densenet", f"{name}_weights_tf_dim_ordering_tf_kernels", (whole, headless))


@application(
    "densenet121", _weights("densenet121", "9d60b8095a5708f2dcce2bca79d332c7", "30ee3e1110167f948a6b9946edeeb738")
)
def DenseNet121(image: Symbol, wanted: Wanted) -> Symbol:
    """121 layers, each of which sees the outputs of all before it."""
    return _dense(image, wanted, (6, 12, 24, 16))


@application(
    "densenet169", _weights("densenet169", "d699b8f76981ab1b30698df4c175e90b", "b8c4d4c20dd625c148057b9ff1c1176b")
)
def DenseNet169(image: Symbol, wanted: Wanted) -> Symbol:
    """169 layers, each of which sees the outputs of all before it."""
    return _dense(image, wanted, (6, 12, 32, 32))


@application(
    "densenet201", _weights("densenet201", "1ceb130c1ea1b78c3bf6114dbdfd8807", "c13680b51ded0fb44dff2d8f86ac8bb1")
)
def DenseNet201(image: Symbol, wanted: Wanted) -> Symbol:
    """201 layers, each of which sees the outputs of all before it."""
    return _dense(image, wanted, (6, 12, 48, 32))

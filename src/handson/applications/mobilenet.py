"""MobileNet (Howard and others, "MobileNets: efficient convolutional neural networks", arXiv:1704.04861)."""

from __future__ import annotations

import functools
from typing import Any

from handson.applications.application import CLASSES, Files, Wanted, files
from handson.applications.imagenet_utils import decode_predictions
from handson.applications.mobiles import chosen_alpha, trained_size
from handson.applications.preparation import tf_images as preprocess_input
from handson.graph import Symbol
from handson.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    DepthwiseConv2D,
    Dropout,
    GlobalAveragePooling2D,
    ReLU,
    Reshape,
    ZeroPadding2D,
)
from handson.models import Model

__all__ = ["MobileNet", "decode_predictions", "preprocess_input"]

SIZES, ALPHAS = (128, 160, 192, 224), {1.0: "1_0", 0.75: "7_5", 0.5: "5_0", 0.25: "2_5"}
# Filters and strides of the blocks.
BLOCKS = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]


def MobileNet(
    input_shape: Any = None,
    alpha: float = 1.0,
    depth_multiplier: int = 1,
    dropout: float = 0.001,
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    pooling: str | None = None,
    classes: int = CLASSES,
    classifier_activation: Any = "softmax",
    name: str | None = None,
) -> Model:
    """Convolutions of single channels, and of single pixels, in turn.

    Parameters
    ----------
    alpha : float
        The number of filters, as a multiple of the paper's; for ImageNet 0.25, 0.5, 0.75 or 1.
    depth_multiplier : int
        How many outputs each channel has in convolutions of single channels; for ImageNet 1.
    dropout : float
        The share of features that is dropped before the classifier.
    input_shape, include_top, weights, input_tensor, pooling, classes, classifier_activation, name
        As of `handson.applications.VGG16`; the name says alpha and the size by default.

    Examples
    --------
    >>> net = MobileNet((32, 32, 3), alpha=0.25, weights=None, classes=10)
    >>> net.name, net.output_shape
    ('mobilenet_0.25_32', (None, 10))
    """
    wanted = Wanted(name, include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation)
    if wanted.of_imagenet:
        chosen_alpha("MobileNet", alpha, ALPHAS)
        chosen_alpha("MobileNet", depth_multiplier, (1,), "depth_multiplier")
    size = trained_size(wanted, SIZES)
    body = functools.partial(_net, alpha=alpha, depth_multiplier=depth_multiplier, dropout=dropout)
    return wanted.called(f"mobilenet_{alpha:0.2f}_{{side}}", size).net(body, _weights(alpha, size), size)


def _weights(alpha: float, size: int) -> Files:
    return files("mobilenet", f"mobilenet_{ALPHAS.get(alpha, '1_0')}_{size}_tf", headless="_no_top")


def _net(image: Symbol, wanted: Wanted, alpha: float, depth_multiplier: int, dropout: float) -> Symbol:
    x = Conv2D(int(32 * alpha), 3, strides=2, padding="same", use_bias=False, name="conv1")(image)
    x = _normalized(x, "conv1")
    for block, (filters, stride) in enumerate(BLOCKS, 1):
        if stride == 2:
            x = ZeroPadding2D(((0, 1), (0, 1)), name=f"conv_pad_{block}")(x)
        padding, name = "same" if stride == 1 else "valid", f"conv_dw_{block}"
        x = DepthwiseConv2D(
            3, strides=stride, padding=padding, depth_multiplier=depth_multiplier, use_bias=False, name=name
        )(x)
        x = _normalized(x, name)
        name = f"conv_pw_{block}"
        x = _normalized(Conv2D(int(filters * alpha), 1, padding="same", use_bias=False, name=name)(x), name)
    return _classified(x, wanted, dropout) if wanted.include_top else wanted.pooled(x, named=False)


def _normalized(x: Symbol, name: str) -> Symbol:
    return ReLU(6.0, name=f"{name}_relu")(BatchNormalization(name=f"{name}_bn")(x))


def _classified(x: Symbol, wanted: Wanted, dropout: float) -> Symbol:
    x = Dropout(dropout, name="dropout")(GlobalAveragePooling2D(keepdims=True)(x))
    x = Conv2D(wanted.classes, 1, padding="same", name="conv_preds")(x)
    x = Reshape((wanted.classes,), name="reshape_2")(x)
    return Activation(wanted.classifier_activation, name="predictions")(x)

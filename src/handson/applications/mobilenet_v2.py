"""MobileNetV2 (Sandler and others, "Inverted residuals and linear bottlenecks", arXiv:1801.04381)."""

from __future__ import annotations

import functools
from typing import Any

from handson.applications.application import CLASSES, Wanted, channels_of, divisible, files, padding_of
from handson.applications.imagenet_utils import decode_predictions
from handson.applications.mobiles import chosen_alpha, trained_size
from handson.applications.preparation import tf_images as preprocess_input
from handson.graph import Symbol
from handson.layers import (
    Add,
    BatchNormalization,
    Conv2D,
    DepthwiseConv2D,
    GlobalAveragePooling2D,
    ReLU,
    ZeroPadding2D,
)
from handson.models import Model

__all__ = ["MobileNetV2", "decode_predictions", "preprocess_input"]

SIZES, ALPHAS = (96, 128, 160, 192, 224), (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
# Filters of the stages, how many blocks they have, and the stride of the first of them.
STAGES = [(16, 1, 1), (24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1)]
LAST = 1280


def MobileNetV2(
    input_shape: Any = None,
    alpha: float = 1.0,
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    pooling: str | None = None,
    classes: int = CLASSES,
    classifier_activation: Any = "softmax",
    name: str | None = None,
) -> Model:
    """Residual blocks that are wide inside, of convolutions of single channels.

    Parameters
    ----------
    alpha : float
        The number of filters, as a multiple of the paper's; for ImageNet 0.35, 0.5, 0.75, 1, 1.3 or 1.4.
    input_shape, include_top, weights, input_tensor, pooling, classes, classifier_activation, name
        As of `handson.applications.VGG16`; the name says alpha and the size by default.

    Examples
    --------
    >>> net = MobileNetV2((32, 32, 3), alpha=0.35, weights=None, include_top=False, pooling="avg")
    >>> net.name, net.output_shape
    ('mobilenetv2_0.35_32', (None, 1280))
    """
    wanted = Wanted(name, include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation)
    if wanted.of_imagenet:
        chosen_alpha("MobileNetV2", alpha, ALPHAS)
    size = trained_size(wanted, SIZES)
    stem = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{float(alpha)}_{size}"
    known = files("mobilenet_v2", stem, headless="_no_top")
    return wanted.called(f"mobilenetv2_{alpha:0.2f}_{{side}}", size).net(
        functools.partial(_net, alpha=alpha), known, size
    )


def _net(image: Symbol, wanted: Wanted, alpha: float) -> Symbol:
    filters = divisible(32 * alpha)
    x = Conv2D(filters, 3, strides=2, padding="same", use_bias=False, name="Conv1")(image)
    x = ReLU(6.0, name="Conv1_relu")(_normalized(x, "bn_Conv1"))
    number = 0
    for filters, count, first in STAGES:
        for place in range(count):
            x = _block(x, divisible(int(filters * alpha)), first if place == 0 else 1, number)
            number += 1
    x = Conv2D(divisible(LAST * max(alpha, 1.0)), 1, use_bias=False, name="Conv_1")(x)
    x = ReLU(6.0, name="out_relu")(_normalized(x, "Conv_1_bn"))
    return wanted.classified(GlobalAveragePooling2D()(x)) if wanted.include_top else wanted.pooled(x, named=False)


def _block(x: Symbol, filters: int, stride: int, number: int) -> Symbol:
    before, channels = x, channels_of(x)
    prefix = f"block_{number}_" if number else "expanded_conv_"
    if number:
        x = Conv2D(6 * channels, 1, padding="same", use_bias=False, name=f"{prefix}expand")(x)
        x = ReLU(6.0, name=f"{prefix}expand_relu")(_normalized(x, f"{prefix}expand_BN"))
    if stride == 2:
        x = ZeroPadding2D(padding_of(x, 3), name=f"{prefix}pad")(x)
    padding = "same" if stride == 1 else "valid"
    x = DepthwiseConv2D(3, strides=stride, padding=padding, use_bias=False, name=f"{prefix}depthwise")(x)
    x = ReLU(6.0, name=f"{prefix}depthwise_relu")(_normalized(x, f"{prefix}depthwise_BN"))
    x = Conv2D(filters, 1, padding="same", use_bias=False, name=f"{prefix}project")(x)
    x = _normalized(x, f"{prefix}project_BN")
    return Add(name=f"{prefix}add")([before, x]) if channels == filters and stride == 1 else x


def _normalized(x: Symbol, name: str) -> Symbol:
    return BatchNormalization(epsilon=1e-3, momentum=0.999, name=name)(x)

"""Xception (Chollet, "Deep learning with depthwise separable convolutions", arXiv:1610.02357)."""

from __future__ import annotations

from handson.applications.application import Wanted, application, files
from handson.applications.imagenet_utils import decode_predictions
from handson.applications.preparation import tf_images as preprocess_input
from handson.graph import Symbol
from handson.layers import Activation, Add, BatchNormalization, Conv2D, MaxPooling2D, SeparableConv2D

__all__ = ["Xception", "decode_predictions", "preprocess_input"]


def _relu(x: Symbol, name: str) -> Symbol:
    return Activation("relu", name=f"{name}_act")(x)


def _normalized(x: Symbol, name: str) -> Symbol:
    return BatchNormalization(name=f"{name}_bn")(x)


def _convolved(x: Symbol, filters: int, stride: int, name: str) -> Symbol:
    return _relu(_normalized(Conv2D(filters, 3, strides=stride, use_bias=False, name=name)(x), name), name)


def _separated(x: Symbol, filters: int, name: str) -> Symbol:
    return _normalized(SeparableConv2D(filters, 3, padding="same", use_bias=False, name=name)(x), name)


def _halved(x: Symbol, inner: int, filters: int, block: int) -> Symbol:
    """A block that halves the size."""
    shortcut = BatchNormalization()(Conv2D(filters, 1, strides=2, padding="same", use_bias=False)(x))
    first, second = f"block{block}_sepconv1", f"block{block}_sepconv2"
    x = x if block == 2 else _relu(x, first)
    x = _separated(x, inner, first)
    x = _separated(_relu(x, second), filters, second)
    x = MaxPooling2D(3, strides=2, padding="same", name=f"block{block}_pool")(x)
    return Add()([x, shortcut])


def _kept(x: Symbol, block: int) -> Symbol:
    """A block in the middle, of one size."""
    before = x
    for number in (1, 2, 3):
        name = f"block{block}_sepconv{number}"
        x = _separated(_relu(x, name), 728, name)
    return Add()([x, before])


@application(
    "xception",
    files(
        "xception",
        "xception_weights_tf_dim_ordering_tf_kernels",
        ("0a58e3b7378bc2990ea3b43d5981f1f6", "b0042744bf5b25fce3cb969f33bebb97"),
    ),
    size=299,
    smallest=71,
)
def Xception(image: Symbol, wanted: Wanted) -> Symbol:
    """Residual blocks of convolutions that look at space and at channels apart."""
    x = _convolved(_convolved(image, 32, 2, "block1_conv1"), 64, 1, "block1_conv2")
    for block, filters in ((2, 128), (3, 256), (4, 728)):
        x = _halved(x, filters, filters, block)
    for block in range(5, 13):
        x = _kept(x, block)
    x = _halved(x, 728, 1024, 13)
    for name, filters in (("block14_sepconv1", 1536), ("block14_sepconv2", 2048)):
        x = _relu(_separated(x, filters, name), name)
    return wanted.topped(x, named=False)

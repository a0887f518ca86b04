"""ResNet V2 (He, Zhang, Ren and Sun, "Identity mappings in deep residual networks", arXiv:1603.05027)."""

from __future__ import annotations

from collections.abc import Sequence

from handson.applications.application import Wanted, application
from handson.applications.imagenet_utils import decode_predictions
from handson.applications.preparation import tf_images as preprocess_input
from handson.applications.resnet import FILTERS, activated, begun, weights_of
from handson.graph import Symbol
from handson.layers import Add, Conv2D, MaxPooling2D, ZeroPadding2D

__all__ = ["ResNet50V2", "ResNet101V2", "ResNet152V2", "decode_predictions", "preprocess_input"]


def _block(x: Symbol, filters: int, stride: int, first: bool, name: str) -> Symbol:
    before = activated(x, f"{name}_preact")
    shortcut = x
    if first:
        shortcut = Conv2D(4 * filters, 1, strides=stride, name=f"{name}_0_conv")(before)
    elif stride > 1:
        shortcut = MaxPooling2D(1, strides=stride)(x)
    x = activated(Conv2D(filters, 1, use_bias=False, name=f"{name}_1_conv")(before), f"{name}_1")
    x = ZeroPadding2D(1, name=f"{name}_2_pad")(x)
    x = activated(Conv2D(filters, 3, strides=stride, use_bias=False, name=f"{name}_2_conv")(x), f"{name}_2")
    x = Conv2D(4 * filters, 1, name=f"{name}_3_conv")(x)
    return Add(name=f"{name}_out")([shortcut, x])


def _residual(image: Symbol, wanted: Wanted, counts: Sequence[int]) -> Symbol:
    x = begun(image, normalize=False)
    for stage, (filters, count) in enumerate(zip(FILTERS, counts, strict=True), 2):
        for number in range(1, count + 1):
            stride = 2 if number == count and stage < 5 else 1
            x = _block(x, filters, stride, number == 1, f"conv{stage}_block{number}")
    return wanted.topped(activated(x, "post"))


@application(
    "resnet50v2", weights_of("resnet50v2", "3ef43a0b657b3be2300d5770ece849e0", "fac2f116257151a9d068a22e544a4917")
)
def ResNet50V2(image: Symbol, wanted: Wanted) -> Symbol:
    """A residual net of 50 layers, normalized before each convolution."""
    return _residual(image, wanted, (3, 4, 6, 3))


@application(
    "resnet101v2", weights_of("resnet101v2", "6343647c601c52e1368623803854d971", "c0ed64b8031c3730f411d2eb4eea35b5")
)
def ResNet101V2(image: Symbol, wanted: Wanted) -> Symbol:
    """A residual net of 101 layers, normalized before each convolution."""
    return _residual(image, wanted, (3, 4, 23, 3))


@application(
    "resnet152v2", weights_of("resnet152v2", "a49b44d1979771252814e80f8ec446f9", "ed17cf2e0169df9d443503ef94b23b33")
)
def ResNet152V2(image: Symbol, wanted: Wanted) -> Symbol:
    """A residual net of 152 layers, normalized before each convolution."""
    return _residual(image, wanted, (3, 8, 36, 3))

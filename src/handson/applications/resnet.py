"""ResNet (He, Zhang, Ren and Sun, "Deep residual learning for image recognition", arXiv:1512.03385)."""

from __future__ import annotations

from collections.abc import Sequence

from handson.applications.application import Files, Wanted, application, files
from handson.applications.imagenet_utils import decode_predictions
from handson.applications.preparation import caffe_images as preprocess_input
from handson.graph import Symbol
from handson.layers import Activation, Add, BatchNormalization, Conv2D, MaxPooling2D, ZeroPadding2D

__all__ = ["ResNet50", "ResNet101", "ResNet152", "decode_predictions", "preprocess_input"]

FILTERS = (64, 128, 256, 512)
EPSILON = 1.001e-5


def weights_of(name: str, whole: str, headless: str) -> Files:
    """The files of a ResNet, with their MD5."""
    return files("resnet", f"{name}_weights_tf_dim_ordering_tf_kernels", (whole, headless))


def normalized(x: Symbol, name: str) -> Symbol:
    """Batch normalization."""
    return BatchNormalization(epsilon=EPSILON, name=name)(x)


def activated(x: Symbol, name: str) -> Symbol:
    """Batch normalization and ReLU."""
    return Activation("relu", name=f"{name}_relu")(normalized(x, f"{name}_bn"))


def begun(image: Symbol, normalize: bool) -> Symbol:
    """The first convolution and pooling: a quarter of the size."""
    x = ZeroPadding2D(3, name="conv1_pad")(image)
    x = Conv2D(64, 7, strides=2, name="conv1_conv")(x)
    x = activated(x, "conv1") if normalize else x
    return MaxPooling2D(3, strides=2, name="pool1_pool")(ZeroPadding2D(1, name="pool1_pad")(x))


def _block(x: Symbol, filters: int, stride: int, first: bool, name: str) -> Symbol:
    shortcut = x
    if first:
        shortcut = Conv2D(4 * filters, 1, strides=stride, name=f"{name}_0_conv")(x)
        shortcut = normalized(shortcut, f"{name}_0_bn")
    x = activated(Conv2D(filters, 1, strides=stride, name=f"{name}_1_conv")(x), f"{name}_1")
    x = activated(Conv2D(filters, 3, padding="same", name=f"{name}_2_conv")(x), f"{name}_2")
    x = normalized(Conv2D(4 * filters, 1, name=f"{name}_3_conv")(x), f"{name}_3_bn")
    return Activation("relu", name=f"{name}_out")(Add(name=f"{name}_add")([shortcut, x]))


def _residual(image: Symbol, wanted: Wanted, counts: Sequence[int]) -> Symbol:
    x = begun(image, normalize=True)
    for stage, (filters, count) in enumerate(zip(FILTERS, counts, strict=True), 2):
        for number in range(1, count + 1):
            stride = 2 if number == 1 and stage > 2 else 1
            x = _block(x, filters, stride, number == 1, f"conv{stage}_block{number}")
    return wanted.topped(x)


@application("resnet50", weights_of("resnet50", "2cb95161c43110f7111970584f804107", "4d473c1dd8becc155b73f8504c6f6626"))
def ResNet50(image: Symbol, wanted: Wanted) -> Symbol:
    """A residual net of 50 layers."""
    return _residual(image, wanted, (3, 4, 6, 3))


@application(
    "resnet101", weights_of("resnet101", "f1aeb4b969a6efcfb50fad2f0c20cfc5", "88cf7a10940856eca736dc7b7e228a21")
)
def ResNet101(image: Symbol, wanted: Wanted) -> Symbol:
    """A residual net of 101 layers."""
    return _residual(image, wanted, (3, 4, 23, 3))


@application(
    "resnet152", weights_of("resnet152", "100835be76be38e30d865e96f2aaae62", "ee4c566cf9a93f14d82f913c2dc6dd0c")
)
def ResNet152(image: Symbol, wanted: Wanted) -> Symbol:
    """A residual net of 152 layers."""
    return _residual(image, wanted, (3, 8, 36, 3))

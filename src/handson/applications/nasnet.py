"""NASNet (Zoph, Vasudevan, Shlens and Le, "Learning transferable architectures", arXiv:1707.07012)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from handson.applications.application import CLASSES, SERVER, File, Files, Wanted, padding_of
from handson.applications.imagenet_utils import decode_predictions
from handson.applications.preparation import tf_images as preprocess_input
from handson.core.errors import HandsonError
from handson.graph import Symbol
from handson.layers import (
    Activation,
    Add,
    AveragePooling2D,
    BatchNormalization,
    Concatenate,
    Conv2D,
    Cropping2D,
    GlobalAveragePooling2D,
    MaxPooling2D,
    SeparableConv2D,
    ZeroPadding2D,
)
from handson.models import Model

__all__ = ["NASNetLarge", "NASNetMobile", "decode_predictions", "preprocess_input"]


def _files(kind: str, whole: str, headless: str) -> Files:
    return Files(
        File(f"nasnet_{kind}.h5", whole, f"{SERVER}/nasnet/NASNet-{kind}.h5"),
        File(f"nasnet_{kind}_no_top.h5", headless, f"{SERVER}/nasnet/NASNet-{kind}-no-top.h5"),
    )


MOBILE = _files("mobile", "020fb642bf7360b370c678b08e0adf61", "1ed92395b5b598bdda52abe5c0dbfd63")
LARGE = _files("large", "11577c9a518f0070763c2b964a382f17", "d81d89dc07e6e56530c4e77faddd61b5")


def _normalized(x: Symbol, name: str) -> Symbol:
    return BatchNormalization(momentum=0.9997, epsilon=1e-3, name=name)(x)


def _projected(x: Symbol, filters: int, name: str) -> Symbol:
    return Conv2D(filters, 1, padding="same", use_bias=False, kernel_initializer="he_normal", name=name)(x)


def _separated(x: Symbol, filters: int, kernel: int, place: str, stride: int = 1) -> Symbol:
    """Two separable convolutions, the first one with a stride."""
    x = Activation("relu")(x)
    if stride == 2:
        x = ZeroPadding2D(padding_of(x, kernel), name=f"separable_conv_1_pad_{place}")(x)
    padding, name = "same" if stride == 1 else "valid", f"separable_conv_1_{place}"
    x = SeparableConv2D(filters, kernel, strides=stride, padding=padding, use_bias=False, name=name)(x)
    x = Activation("relu")(_normalized(x, f"separable_conv_1_bn_{place}"))
    x = SeparableConv2D(filters, kernel, padding="same", use_bias=False, name=f"separable_conv_2_{place}")(x)
    return _normalized(x, f"separable_conv_2_bn_{place}")


def _fitted(before: Symbol | None, x: Symbol, filters: int, place: str) -> Symbol:
    """The output before the last one, in the size and with the number of filters of the last one."""
    if before is None:
        return x
    if before.shape[-2] != x.shape[-2]:
        return _halved(Activation("relu", name=f"adjust_relu_1_{place}")(before), filters, place)
    if before.shape[-1] == filters:
        return before
    before = _projected(Activation("relu")(before), filters, f"adjust_conv_projection_{place}")
    return _normalized(before, f"adjust_bn_{place}")


def _halved(x: Symbol, filters: int, place: str) -> Symbol:
    """Every other pixel, and every other pixel beside those."""
    first = AveragePooling2D(1, strides=2, name=f"adjust_avg_pool_1_{place}")(x)
    first = _projected(first, filters // 2, f"adjust_conv_1_{place}")
    second = Cropping2D(((1, 0), (1, 0)))(ZeroPadding2D(((0, 1), (0, 1)))(x))
    second = AveragePooling2D(1, strides=2, name=f"adjust_avg_pool_2_{place}")(second)
    second = _projected(second, filters // 2, f"adjust_conv_2_{place}")
    return _normalized(Concatenate()([first, second]), f"adjust_bn_{place}")


def _normal(x: Symbol, before: Symbol, filters: int, place: str) -> Symbol:
    """A cell that keeps the size."""
    p = _fitted(before, x, filters, place)
    h = _normalized(_projected(Activation("relu")(x), filters, f"normal_conv_1_{place}"), f"normal_bn_1_{place}")

    def average(of: Symbol, side: str) -> Symbol:
        return AveragePooling2D(3, strides=1, padding="same", name=f"normal_{side}_{place}")(of)

    def sum_of(first: Symbol, second: Symbol, number: int) -> Symbol:
        return Add(name=f"normal_add_{number}_{place}")([first, second])

    one = _separated(h, filters, 5, f"normal_left1_{place}")
    one = sum_of(one, _separated(p, filters, 3, f"normal_right1_{place}"), 1)
    two = _separated(p, filters, 5, f"normal_left2_{place}")
    two = sum_of(two, _separated(p, filters, 3, f"normal_right2_{place}"), 2)
    three = sum_of(average(h, "left3"), p, 3)
    four = sum_of(average(p, "left4"), average(p, "right4"), 4)
    five = sum_of(_separated(h, filters, 3, f"normal_left5_{place}"), h, 5)
    return Concatenate(name=f"normal_concat_{place}")([p, one, two, three, four, five])


def _reduction(x: Symbol, before: Symbol | None, filters: int, place: str) -> Symbol:
    """A cell that halves the size."""
    p = _fitted(before, x, filters, place)
    h = _projected(Activation("relu")(x), filters, f"reduction_conv_1_{place}")
    h = _normalized(h, f"reduction_bn_1_{place}")
    padded = ZeroPadding2D(padding_of(h, 3), name=f"reduction_pad_1_{place}")(h)

    def named(what: str) -> str:
        return f"reduction_{what}_{place}"

    one = _separated(h, filters, 5, named("left1"), 2)
    one = Add(name=named("add_1"))([one, _separated(p, filters, 7, named("right1"), 2)])
    two = MaxPooling2D(3, strides=2, name=named("left2"))(padded)
    two = Add(name=named("add_2"))([two, _separated(p, filters, 7, named("right2"), 2)])
    three = AveragePooling2D(3, strides=2, name=named("left3"))(padded)
    three = Add(name=named("add3"))([three, _separated(p, filters, 5, named("right3"), 2)])
    four = Add()([two, AveragePooling2D(3, strides=1, padding="same", name=named("left4"))(one)])
    five = _separated(one, filters, 3, named("left4"))
    five = Add(name=named("add4"))([five, MaxPooling2D(3, strides=2, name=named("right5"))(padded)])
    return Concatenate(name=named("concat"))([two, three, four, five])


@dataclass(frozen=True)
class Cells:
    """Three stages of so many normal cells, a reduction before each: callable, as a body of `Wanted.net`.

    The cell after a reduction sees what went into it, or, where `skips`, what went into the cell before.
    """

    filters: int
    count: int
    stem: int
    skips: bool

    def __call__(self, image: Symbol, wanted: Wanted) -> Symbol:
        x = Conv2D(self.stem, 3, strides=2, use_bias=False, kernel_initializer="he_normal", name="stem_conv1")(image)
        x = _normalized(x, "stem_bn1")
        x, before = _reduction(x, None, self.filters // 4, "stem_1"), x
        x, before = _reduction(x, before, self.filters // 2, "stem_2"), x
        for stage in range(3):
            filters, first = self.filters << stage, stage * self.count
            if stage:
                reduced = _reduction(x, before, filters, f"reduce_{first}")
                x, before = reduced, before if self.skips else x
            for number in range(self.count):
                x, before = _normal(x, before, filters, f"{first + number + (stage > 0)}"), x
        x = Activation("relu")(x)
        return wanted.classified(GlobalAveragePooling2D()(x)) if wanted.include_top else wanted.pooled(x, named=False)


def _sized(wanted: Wanted, size: int) -> Any:
    """The shape of the images, which have to be of one size: cells of two sizes are joined."""
    shape = wanted.given_shape()
    if shape is not None and None in shape:
        raise HandsonError(f"NASNet takes images of one size, as {(size, size, 3)}; got input_shape={shape}.")
    return (size, size, 3) if shape is None else shape


def NASNetMobile(
    input_shape: Any = None,
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    pooling: str | None = None,
    classes: int = CLASSES,
    classifier_activation: Any = "softmax",
    name: str | None = "nasnet_mobile",
) -> Model:
    """The small one of the nets whose cells were searched for.

    Parameters
    ----------
    input_shape, include_top, weights, input_tensor, pooling, classes, classifier_activation, name
        As of `handson.applications.VGG16`; the images have one size, 224 x 224 by default.
    """
    wanted = Wanted(name, include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation)
    return _net(wanted, Cells(44, 4, 32, skips=False), MOBILE, 224)


def NASNetLarge(
    input_shape: Any = None,
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    pooling: str | None = None,
    classes: int = CLASSES,
    classifier_activation: Any = "softmax",
    name: str | None = "nasnet_large",
) -> Model:
    """The large one of the nets whose cells were searched for.

    Parameters
    ----------
    input_shape, include_top, weights, input_tensor, pooling, classes, classifier_activation, name
        As of `handson.applications.VGG16`; the images have one size, 331 x 331 by default.
    """
    wanted = Wanted(name, include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation)
    return _net(wanted, Cells(168, 6, 96, skips=True), LARGE, 331)


def _net(wanted: Wanted, cells: Cells, known: Files, size: int) -> Model:
    return replace(wanted, input_shape=_sized(wanted, size)).net(cells, known, size)

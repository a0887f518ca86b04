"""EfficientNet (Tan and Le, "EfficientNet: rethinking model scaling for convolutional networks", arXiv:1905.11946)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from handson.applications.application import File, Files, Wanted, application, channels_of, divisible, padding_of
from handson.applications.imagenet_utils import decode_predictions
from handson.applications.preparation import RGB_DEVIATION, for_bands
from handson.applications.preparation import unchanged as preprocess_input
from handson.graph import Symbol
from handson.initializers import VarianceScaling
from handson.layers import (
    Activation,
    Add,
    BatchNormalization,
    Conv2D,
    DepthwiseConv2D,
    Dropout,
    GlobalAveragePooling2D,
    Multiply,
    Normalization,
    Rescaling,
    Reshape,
    ZeroPadding2D,
)
from handson.models import Model

__all__ = [
    "EfficientNetB0",
    "EfficientNetB1",
    "EfficientNetB2",
    "EfficientNetB3",
    "EfficientNetB4",
    "EfficientNetB5",
    "EfficientNetB6",
    "EfficientNetB7",
    "decode_predictions",
    "preprocess_input",
]

SERVER = "https://storage.googleapis.com/keras-applications"
DIGESTS = {
    "b0": ("902e53a9f72be733fc0bcb005b3ebbac", "50bc09e76180e00e4465e1a485ddc09d"),
    "b1": ("1d254153d4ab51201f1646940f018540", "74c4e6b3e1f6a1eea24c589628592432"),
    "b2": ("b15cce36ff4dcbd00b6dd88e7857a6ad", "111f8e2ac8aa800a7a99e3239f7bfb39"),
    "b3": ("ffd1fdc53d0ce67064dc6a9c7960ede0", "af6d107764bb5b1abb91932881670226"),
    "b4": ("18c95ad55216b8f92d7e70b3a046e2fc", "ebc24e6d6c33eaebbd558eafbeedf1ba"),
    "b5": ("ace28f2a6363774853a83a0b21b9421a", "38879255a25d3c92d5e44e04ae6cec6f"),
    "b6": ("165f6e37dce68623721b423839de8be5", "9ecce42647a20130c1f39a5d4cb75743"),
    "b7": ("8c03f828fec3ef71311cd463b6759d99", "cbcfe4450ddf6f3ad90b1b398090fe4a"),
}


class Stage(NamedTuple):
    """Blocks of one kind: how many, their kernel, filters before and after, how much wider inside, the first stride."""

    repeats: int
    kernel: int
    before: int
    filters: int
    expansion: int
    stride: int


STAGES = [
    Stage(1, 3, 32, 16, 1, 1), Stage(2, 3, 16, 24, 6, 2), Stage(2, 5, 24, 40, 6, 2), Stage(3, 3, 40, 80, 6, 2),
    Stage(3, 5, 80, 112, 6, 1), Stage(4, 5, 112, 192, 6, 2), Stage(1, 3, 192, 320, 6, 1),
]  # fmt: skip
# Of the share that is dropped in the last block.
DROPPED = 0.2


def kernels() -> VarianceScaling:
    """How kernels of convolutions are drawn."""
    return VarianceScaling(2.0, "fan_out", "truncated_normal")


def classifier() -> VarianceScaling:
    """How the kernel of the classifier is drawn."""
    return VarianceScaling(1 / 3, "fan_out", "uniform")


def convolved(x: Symbol, filters: int, kernel: int, name: str, **arguments: Any) -> Symbol:
    """A convolution without bias; padded unless the arguments say otherwise."""
    arguments = {"padding": "same", "use_bias": False, **arguments}
    return Conv2D(filters, kernel, kernel_initializer=kernels(), name=name, **arguments)(x)


def activated(x: Symbol, name: str, suffix: str = "bn") -> Symbol:
    """Batch normalization and swish."""
    x = BatchNormalization(name=f"{name}{suffix}")(x)
    return Activation("swish", name=f"{name}activation")(x)


def weighed(x: Symbol, inner: int, name: str) -> Symbol:
    """Each channel times a share that follows from the averages of all."""
    channels = channels_of(x)
    share = GlobalAveragePooling2D(name=f"{name}se_squeeze")(x)
    share = Reshape((1, 1, channels), name=f"{name}se_reshape")(share)
    share = convolved(share, inner, 1, f"{name}se_reduce", activation="swish", use_bias=True)
    share = convolved(share, channels, 1, f"{name}se_expand", activation="sigmoid", use_bias=True)
    return Multiply(name=f"{name}se_excite")([x, share])


def added(x: Symbol, before: Symbol, rate: float, name: str) -> Symbol:
    """What a block adds to what it got, but for a share of the images in training."""
    x = Dropout(rate, noise_shape=(None, 1, 1, 1), name=f"{name}drop")(x) if rate else x
    return Add(name=f"{name}add")([x, before])


@dataclass(frozen=True)
class Efficient:
    """A net so many times as wide and deep as the smallest: callable, as a body of `Wanted.net`."""

    width: float
    depth: float
    dropout: float

    def __call__(self, image: Symbol, wanted: Wanted) -> Symbol:
        x = Normalization(axis=-1)(Rescaling(1 / 255)(image))
        if wanted.of_imagenet:  # as these weights want it
            factors = [1 / math.sqrt(deviation) for deviation in RGB_DEVIATION]
            x = Rescaling(for_bands(factors, channels_of(image)))(x)
        x = ZeroPadding2D(padding_of(x, 3), name="stem_conv_pad")(x)
        x = convolved(x, self._filters(32), 3, "stem_conv", strides=2, padding="valid")
        x = activated(x, "stem_")
        counts = [math.ceil(self.depth * stage.repeats) for stage in STAGES]
        done = 0
        for number, (stage, count) in enumerate(zip(STAGES, counts, strict=True), 1):
            for place in range(count):
                x = self._block(x, stage, place == 0, DROPPED * done / sum(counts), f"block{number}{chr(97 + place)}_")
                done += 1
        x = activated(convolved(x, self._filters(1280), 1, "top_conv"), "top_")
        return wanted.topped(x, dropout=self.dropout, kernel_initializer=classifier())

    def _filters(self, filters: int) -> int:
        return divisible(filters * self.width)

    def _block(self, x: Symbol, stage: Stage, first: bool, rate: float, name: str) -> Symbol:
        before, filters = x, self._filters(stage.filters)
        channels = self._filters(stage.before) if first else filters
        stride = stage.stride if first else 1
        if stage.expansion > 1:
            x = activated(convolved(x, channels * stage.expansion, 1, f"{name}expand_conv"), f"{name}expand_")
        x = _depthwise(x, stage.kernel, stride, name)
        x = weighed(x, max(1, channels // 4), name)
        x = BatchNormalization(name=f"{name}project_bn")(convolved(x, filters, 1, f"{name}project_conv"))
        return added(x, before, rate, name) if stride == 1 and channels == filters else x


def _depthwise(x: Symbol, kernel: int, stride: int, name: str) -> Symbol:
    if stride == 2:
        x = ZeroPadding2D(padding_of(x, kernel), name=f"{name}dwconv_pad")(x)
    padding = "same" if stride == 1 else "valid"
    x = DepthwiseConv2D(
        kernel, strides=stride, padding=padding, use_bias=False, depthwise_initializer=kernels(), name=f"{name}dwconv"
    )(x)
    return activated(x, name)


def _of_size(variant: str, size: int, width: float, depth: float, dropout: float) -> Callable[..., Model]:
    name, whole, headless = f"efficientnet{variant}", *DIGESTS[variant]
    known = Files(
        File(f"{name}.h5", whole, f"{SERVER}/{name}.h5"),
        File(f"{name}_notop.h5", headless, f"{SERVER}/{name}_notop.h5"),
    )
    scaled = Efficient(width, depth, dropout)

    def body(image: Symbol, wanted: Wanted) -> Symbol:
        return scaled(image, wanted)

    body.__name__ = f"EfficientNet{variant.upper()}"
    body.__doc__ = f"{width:g} times as wide and {depth:g} times as deep as the smallest; it scales images itself."
    return application(name, known, size)(body)


EfficientNetB0 = _of_size("b0", 224, 1.0, 1.0, 0.2)
EfficientNetB1 = _of_size("b1", 240, 1.0, 1.1, 0.2)
EfficientNetB2 = _of_size("b2", 260, 1.1, 1.2, 0.3)
EfficientNetB3 = _of_size("b3", 300, 1.2, 1.4, 0.3)
EfficientNetB4 = _of_size("b4", 380, 1.4, 1.8, 0.4)
EfficientNetB5 = _of_size("b5", 456, 1.6, 2.2, 0.4)
EfficientNetB6 = _of_size("b6", 528, 1.8, 2.6, 0.5)
EfficientNetB7 = _of_size("b7", 600, 2.0, 3.1, 0.5)

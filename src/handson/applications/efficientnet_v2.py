"""EfficientNetV2 (Tan and Le, "EfficientNetV2: smaller models and faster training", arXiv:2104.00298)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from handson.applications.application import CLASSES, Wanted, channels_of, files, public
from handson.applications.efficientnet import DROPPED, added, classifier, convolved, kernels, weighed
from handson.applications.imagenet_utils import decode_predictions
from handson.applications.preparation import RGB_DEVIATION, RGB_MEAN, for_bands
from handson.applications.preparation import unchanged as preprocess_input
from handson.graph import Symbol
from handson.layers import Activation, BatchNormalization, DepthwiseConv2D, Normalization, Rescaling
from handson.models import Model

__all__ = [
    "EfficientNetV2B0",
    "EfficientNetV2B1",
    "EfficientNetV2B2",
    "EfficientNetV2B3",
    "EfficientNetV2L",
    "EfficientNetV2M",
    "EfficientNetV2S",
    "decode_predictions",
    "preprocess_input",
]

DIGESTS = {
    "b0": ("21ecbf6da12460d5c40bb2f29ceb2188", "893217f2bb855e2983157299931e43ff"),
    "b1": ("069f0534ff22adf035c89e2d9547a9dc", "0e80663031ca32d657f9caa404b6ec37"),
    "b2": ("424e49f28180edbde1e94797771950a7", "1dfe2e7a5d45b6632553a8961ea609eb"),
    "b3": ("1f1fc43bd98a6e4fd8fdfd551e02c7a0", "f6abf7b5849ac99a89b50dd3fd532856"),
    "s": ("e1d88a8495beba45748fedd0cecbe016", "af0682fb74e8c54910f2d4393339c070"),
    "m": ("a3bf6aa3276309f4fc6a34aa114c95cd", "1b8dc055df72dde80d614482840fe342"),
    "l": ("27e6d408b53c7ebc868fefa357689935", "b0b66b5c863aef5b46e8608fe1711615"),
}


class Stage(NamedTuple):
    """Blocks of one kind: how many, filters before and after, how much wider inside, the first stride, and the kind.

    A fused block has one convolution of 3 x 3 where others have one of single channels, and weighs no channels.
    """

    repeats: int
    before: int
    filters: int
    expansion: int
    stride: int
    fused: bool = False


BASE = [
    Stage(1, 32, 16, 1, 1, True), Stage(2, 16, 32, 4, 2, True), Stage(2, 32, 48, 4, 2, True), Stage(3, 48, 96, 4, 2),
    Stage(5, 96, 112, 6, 1), Stage(8, 112, 192, 6, 2),
]  # fmt: skip
SMALL = [
    Stage(2, 24, 24, 1, 1, True), Stage(4, 24, 48, 4, 2, True), Stage(4, 48, 64, 4, 2, True), Stage(6, 64, 128, 4, 2),
    Stage(9, 128, 160, 6, 1), Stage(15, 160, 256, 6, 2),
]  # fmt: skip
MEDIUM = [
    Stage(3, 24, 24, 1, 1, True), Stage(5, 24, 48, 4, 2, True), Stage(5, 48, 80, 4, 2, True), Stage(7, 80, 160, 4, 2),
    Stage(14, 160, 176, 6, 1), Stage(18, 176, 304, 6, 2), Stage(5, 304, 512, 6, 1),
]  # fmt: skip
LARGE = [
    Stage(4, 32, 32, 1, 1, True), Stage(7, 32, 64, 4, 2, True), Stage(7, 64, 96, 4, 2, True),
    Stage(10, 96, 192, 4, 2), Stage(19, 192, 224, 6, 1), Stage(25, 224, 384, 6, 2), Stage(7, 384, 640, 6, 1),
]  # fmt: skip


def _activated(x: Symbol, name: str, suffix: str = "") -> Symbol:
    x = BatchNormalization(momentum=0.9, name=f"{name}{suffix}bn")(x)
    return Activation("swish", name=f"{name}{suffix}activation")(x)


@dataclass(frozen=True)
class Scaled:
    """Stages so many times as wide and deep as they say: callable, as a body of `Wanted.net`."""

    stages: Sequence[Stage]
    width: float
    depth: float
    preprocess: bool

    def __call__(self, image: Symbol, wanted: Wanted) -> Symbol:
        x = self._prepared(image, wanted) if self.preprocess else image
        x = convolved(x, self._filters(self.stages[0].before), 3, "stem_conv", strides=2)
        x = _activated(x, "stem_")
        total, done = sum(stage.repeats for stage in self.stages), 0
        for number, stage in enumerate(self.stages, 1):
            for place in range(math.ceil(self.depth * stage.repeats)):
                x = self._block(x, stage, place == 0, DROPPED * done / total, f"block{number}{chr(97 + place)}_")
                done += 1
        x = _activated(convolved(x, self._filters(1280), 1, "top_conv"), "top_")
        return wanted.topped(x, dropout=0.2, kernel_initializer=classifier())

    def _prepared(self, image: Symbol, wanted: Wanted) -> Symbol:
        if self.stages is BASE and wanted.standardizes(image):
            bands = channels_of(image)
            mean, variance = for_bands(RGB_MEAN, bands), [one**2 for one in for_bands(RGB_DEVIATION, bands)]
            return Normalization(mean=mean, variance=variance, axis=-1)(Rescaling(1 / 255)(image))
        return Rescaling(1 / 128, -1.0)(image)

    def _filters(self, filters: int) -> int:
        return max(8, int(filters * self.width + 4) // 8 * 8)

    def _block(self, x: Symbol, stage: Stage, first: bool, rate: float, name: str) -> Symbol:
        before, filters = x, self._filters(stage.filters)
        channels = self._filters(stage.before) if first else filters
        stride, inside = stage.stride if first else 1, channels * stage.expansion
        inner = _fused if stage.fused else _separate
        x = inner(x, inside if stage.expansion > 1 else None, stride, name)
        if not stage.fused:
            x = weighed(x, max(1, channels // 4), name)
        alone = stage.fused and stage.expansion == 1
        x = convolved(x, filters, 3 if alone else 1, f"{name}project_conv", strides=stride if alone else 1)
        x = BatchNormalization(momentum=0.9, name=f"{name}project_bn")(x)
        x = Activation("swish", name=f"{name}project_activation")(x) if alone else x
        return added(x, before, rate, name) if stride == 1 and channels == filters else x


def _fused(x: Symbol, inside: int | None, stride: int, name: str) -> Symbol:
    if inside is None:
        return x
    return _activated(convolved(x, inside, 3, f"{name}expand_conv", strides=stride), name, "expand_")


def _separate(x: Symbol, inside: int | None, stride: int, name: str) -> Symbol:
    if inside is not None:
        x = _activated(convolved(x, inside, 1, f"{name}expand_conv"), name, "expand_")
    x = DepthwiseConv2D(
        3, strides=stride, padding="same", use_bias=False, depthwise_initializer=kernels(), name=f"{name}dwconv2"
    )(x)
    return _activated(x, name)


def _of_size(
    variant: str, size: int, stages: Sequence[Stage], width: float = 1.0, depth: float = 1.0
) -> Callable[..., Model]:
    title = f"efficientnetv2-{variant}"

    def build(
        include_top: bool = True,
        weights: Any = "imagenet",
        input_tensor: Any = None,
        input_shape: Any = None,
        pooling: str | None = None,
        classes: int = CLASSES,
        classifier_activation: Any = "softmax",
        include_preprocessing: bool = True,
        name: str | None = title,
    ) -> Model:
        wanted = Wanted(name, include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation)
        body = Scaled(stages, width, depth, include_preprocessing)
        return wanted.net(body, files("efficientnet_v2", title, DIGESTS[variant]), size)

    says = (
        f"A net for images of {size} x {size}, with fused blocks in front. It scales images of 0 to 255 itself, unless "
        f"include_preprocessing=False."
    )
    return public(build, f"EfficientNetV2{variant.upper()}", __name__, says)


EfficientNetV2B0 = _of_size("b0", 224, BASE)
EfficientNetV2B1 = _of_size("b1", 240, BASE, 1.0, 1.1)
EfficientNetV2B2 = _of_size("b2", 260, BASE, 1.1, 1.2)
EfficientNetV2B3 = _of_size("b3", 300, BASE, 1.2, 1.4)
EfficientNetV2S = _of_size("s", 384, SMALL)
EfficientNetV2M = _of_size("m", 480, MEDIUM)
EfficientNetV2L = _of_size("l", 480, LARGE)

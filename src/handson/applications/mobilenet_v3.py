"""MobileNetV3 (Howard and others, "Searching for MobileNetV3", arXiv:1905.02244)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from handson.applications.application import CLASSES, Files, Wanted, channels_of, divisible, files, padding_of
from handson.applications.imagenet_utils import decode_predictions
from handson.applications.mobiles import chosen_alpha
from handson.applications.preparation import unchanged as preprocess_input
from handson.graph import Symbol
from handson.layers import (
    Activation,
    Add,
    BatchNormalization,
    Conv2D,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Multiply,
    ReLU,
    Rescaling,
    ZeroPadding2D,
)
from handson.models import Model

__all__ = ["MobileNetV3Large", "MobileNetV3Small", "decode_predictions", "preprocess_input"]

DIGESTS = {
    "large_224_0.75_float": ("765b44a33ad4005b3ac83185abf1d0eb", "40af19a13ebea4e2ee0c676887f69a2e"),
    "large_224_1.0_float": ("59e551e166be033d707958cf9e29a6a7", "07fb09a5933dd0c8eaafa16978110389"),
    "large_minimalistic_224_1.0_float": ("675e7b876c45c57e9e63e6d90a36599c", "ec5221f64a2f6d1ef965a614bdae7973"),
    "small_224_0.75_float": ("cb65d4e5be93758266aa0a7f2c6708b7", "ebdb5cc8e0b497cd13a7c275d475c819"),
    "small_224_1.0_float": ("8768d4c2e7dee89b9d02b2d03d65d862", "d3e8ec802a04aa4fc771ee12a9a9b836"),
    "small_minimalistic_224_1.0_float": ("99cd97fb2fcdad2bf028eb838de69e37", "cde8136e733e811080d9fcd8a252f7e4"),
}


class Block(NamedTuple):
    """How much wider it is inside, its filters, kernel and stride, and whether it weighs channels and is 'late'.

    Late blocks are activated by 'hard_swish', the others by ReLU.
    """

    expansion: float
    filters: int
    kernel: int
    stride: int
    weighs: bool = False
    late: bool = False


SMALL = [
    Block(1, 16, 3, 2, True), Block(72 / 16, 24, 3, 2), Block(88 / 24, 24, 3, 1), Block(4, 40, 5, 2, True, True),
    *[Block(6, 40, 5, 1, True, True)] * 2, *[Block(3, 48, 5, 1, True, True)] * 2, Block(6, 96, 5, 2, True, True),
    *[Block(6, 96, 5, 1, True, True)] * 2,
]  # fmt: skip
LARGE = [
    Block(1, 16, 3, 1), Block(4, 24, 3, 2), Block(3, 24, 3, 1), Block(3, 40, 5, 2, True),
    *[Block(3, 40, 5, 1, True)] * 2, Block(6, 80, 3, 2, False, True), Block(2.5, 80, 3, 1, False, True),
    *[Block(2.3, 80, 3, 1, False, True)] * 2, *[Block(6, 112, 3, 1, True, True)] * 2,
    Block(6, 160, 5, 2, True, True), *[Block(6, 160, 5, 1, True, True)] * 2,
]  # fmt: skip


@dataclass(frozen=True)
class Mobile:
    """A net of blocks: callable, as a body of `Wanted.net`."""

    blocks: Sequence[Block]
    last: int
    alpha: float
    minimalistic: bool
    dropout: float
    preprocess: bool

    def __call__(self, image: Symbol, wanted: Wanted) -> Symbol:
        x = Rescaling(1 / 127.5, -1.0)(image) if self.preprocess else image
        x = Conv2D(16, 3, strides=2, padding="same", use_bias=False, name="conv")(x)
        x = self._late(_normalized(x, "conv_bn"))
        for number, block in enumerate(self.blocks):
            x = self._block(x, block, f"expanded_conv_{number}_" if number else "expanded_conv_")
        x = Conv2D(divisible(channels_of(x) * 6), 1, padding="same", use_bias=False, name="conv_1")(x)
        x = self._late(_normalized(x, "conv_1_bn"))
        return self._classified(x, wanted) if wanted.include_top else wanted.pooled(x)

    def _late(self, x: Symbol) -> Symbol:
        return (ReLU() if self.minimalistic else Activation("hard_swish"))(x)

    def _classified(self, x: Symbol, wanted: Wanted) -> Symbol:
        last = divisible(self.last * self.alpha) if self.alpha > 1 else self.last
        x = Conv2D(last, 1, padding="same", name="conv_2")(GlobalAveragePooling2D(keepdims=True)(x))
        x = self._late(x)
        x = Dropout(self.dropout)(x) if self.dropout > 0 else x
        x = Flatten()(Conv2D(wanted.classes, 1, padding="same", name="logits")(x))
        return Activation(wanted.classifier_activation, name="predictions")(x)

    def _block(self, x: Symbol, block: Block, prefix: str) -> Symbol:
        before, channels = x, channels_of(x)
        kernel = 3 if self.minimalistic else block.kernel
        inside, filters = divisible(channels * block.expansion), divisible(block.filters * self.alpha)
        activated: Callable[[Symbol], Symbol] = self._late if block.late else lambda x: ReLU()(x)
        if prefix != "expanded_conv_":
            x = Conv2D(inside, 1, padding="same", use_bias=False, name=f"{prefix}expand")(x)
            x = activated(_normalized(x, f"{prefix}expand_bn"))
        if block.stride == 2:
            x = ZeroPadding2D(padding_of(x, kernel), name=f"{prefix}depthwise_pad")(x)
        padding, name = "same" if block.stride == 1 else "valid", f"{prefix}depthwise"
        x = DepthwiseConv2D(kernel, strides=block.stride, padding=padding, use_bias=False, name=name)(x)
        x = activated(_normalized(x, f"{prefix}depthwise_bn"))
        x = _weighed(x, inside, prefix) if block.weighs and not self.minimalistic else x
        x = Conv2D(filters, 1, padding="same", use_bias=False, name=f"{prefix}project")(x)
        x = _normalized(x, f"{prefix}project_bn")
        return Add(name=f"{prefix}add")([before, x]) if block.stride == 1 and channels == filters else x


def MobileNetV3Small(
    input_shape: Any = None,
    alpha: float = 1.0,
    minimalistic: bool = False,
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    classes: int = CLASSES,
    pooling: str | None = None,
    dropout_rate: float = 0.2,
    classifier_activation: Any = "softmax",
    include_preprocessing: bool = True,
    name: str | None = "MobileNetV3Small",
) -> Model:
    """The small one of the nets that were searched for mobile phones.

    Parameters
    ----------
    alpha : float
        The number of filters, as a multiple of the paper's; for ImageNet 0.75 or 1.
    minimalistic : bool
        Whether there are kernels of 3 x 3 and ReLU alone, and no weighing of channels; for ImageNet with alpha = 1.
    dropout_rate : float
        The share of features that is dropped before the classifier.
    include_preprocessing : bool
        Whether the net takes images of 0 to 255, and scales them itself.
    input_shape, include_top, weights, input_tensor, classes, pooling, classifier_activation, name
        As of `handson.applications.VGG16`.

    Examples
    --------
    >>> MobileNetV3Small((32, 32, 3), 0.75, weights=None, classes=10).output_shape
    (None, 10)
    """
    wanted = Wanted(name, include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation)
    body = Mobile(SMALL, 1024, alpha, minimalistic, dropout_rate, include_preprocessing)
    return wanted.net(body, _weights(wanted, "small", body), size=None)


def MobileNetV3Large(
    input_shape: Any = None,
    alpha: float = 1.0,
    minimalistic: bool = False,
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    classes: int = CLASSES,
    pooling: str | None = None,
    dropout_rate: float = 0.2,
    classifier_activation: Any = "softmax",
    include_preprocessing: bool = True,
    name: str | None = "MobileNetV3Large",
) -> Model:
    """The large one of the nets that were searched for mobile phones.

    Parameters
    ----------
    alpha : float
        The number of filters, as a multiple of the paper's; for ImageNet 0.75 or 1.
    minimalistic : bool
        Whether there are kernels of 3 x 3 and ReLU alone, and no weighing of channels; for ImageNet with alpha = 1.
    dropout_rate : float
        The share of features that is dropped before the classifier.
    include_preprocessing : bool
        Whether the net takes images of 0 to 255, and scales them itself.
    input_shape, include_top, weights, input_tensor, classes, pooling, classifier_activation, name
        As of `handson.applications.VGG16`.

    Examples
    --------
    >>> MobileNetV3Large((32, 32, 3), 0.75, weights=None, classes=10).output_shape
    (None, 10)
    """
    wanted = Wanted(name, include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation)
    body = Mobile(LARGE, 1280, alpha, minimalistic, dropout_rate, include_preprocessing)
    return wanted.net(body, _weights(wanted, "large", body), size=None)


def _weights(wanted: Wanted, kind: str, body: Mobile) -> Files:
    if wanted.of_imagenet:
        known = (1.0,) if body.minimalistic else (0.75, 1.0)
        chosen_alpha("MobileNetV3" + kind.capitalize(), body.alpha, known)
    stem = f"{kind}{'_minimalistic' if body.minimalistic else ''}_224_{float(body.alpha)}_float"
    digests = DIGESTS.get(stem, (None, None))
    return files("mobilenet_v3", f"weights_mobilenet_v3_{stem}", digests, headless="_no_top_v2")


def _normalized(x: Symbol, name: str) -> Symbol:
    return BatchNormalization(epsilon=1e-3, momentum=0.999, name=name)(x)


def _weighed(x: Symbol, channels: int, prefix: str) -> Symbol:
    """Each channel times a share that follows from the averages of all."""
    prefix = f"{prefix}squeeze_excite_"
    share = GlobalAveragePooling2D(keepdims=True, name=f"{prefix}avg_pool")(x)
    share = Conv2D(divisible(channels * 0.25), 1, padding="same", name=f"{prefix}conv")(share)
    share = ReLU(name=f"{prefix}relu")(share)
    share = Conv2D(channels, 1, padding="same", name=f"{prefix}conv_1")(share)
    share = ReLU(6.0)(share + 3.0) * (1 / 6)
    return Multiply(name=f"{prefix}mul")([x, share])

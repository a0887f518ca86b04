"""ConvNeXt (Liu and others, "A ConvNet for the 2020s", arXiv:2201.03545)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from handson.applications.application import CLASSES, Wanted, channels_of, files, public
from handson.applications.imagenet_utils import decode_predictions
from handson.applications.preparation import RGB_DEVIATION, RGB_MEAN, for_bands
from handson.applications.preparation import unchanged as preprocess_input
from handson.applications.scale_layers import LayerScale
from handson.graph import Symbol
from handson.layers import Activation, Conv2D, Dense, GlobalAveragePooling2D, LayerNormalization, Normalization
from handson.models import Model, Sequential

__all__ = [
    "ConvNeXtBase",
    "ConvNeXtLarge",
    "ConvNeXtSmall",
    "ConvNeXtTiny",
    "ConvNeXtXLarge",
    "decode_predictions",
    "preprocess_input",
]

# SHA-256 of the files.
DIGESTS = {
    "tiny": (
        "8ae6e78ce2933352b1ef4008e6dd2f17bc40771563877d156bc6426c7cf503ff",
        "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
    ),
    "small": (
        "ce1277d8f1ee5a0ef0e171469089c18f5233860ceaf9b168049cb9263fd7483c",
        "6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab",
    ),
    "base": (
        "52cbb006d3dadd03f6e095a8ca1aca47aecdd75acb4bc74bce1f5c695d0086e6",
        "40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45",
    ),
    "large": (
        "070c5ed9ed289581e477741d3b34beffa920db8cf590899d6d2c67fba2a198a6",
        "96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd",
    ),
    "xlarge": (
        "c1f5ccab661354fc3a79a10fa99af82f0fbf10ec65cb894a3ae0815f17a889ee",
        "de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05",
    ),
}
EPSILON, SMALLEST_SCALE = 1e-6, 1e-6


@dataclass(frozen=True)
class Stages:
    """Four stages of blocks, with so many filters: callable, as a body of `Wanted.net`."""

    title: str
    counts: Sequence[int]
    filters: Sequence[int]
    preprocess: bool

    def __call__(self, image: Symbol, wanted: Wanted) -> Symbol:
        x = self._prepared(image) if self.preprocess and wanted.standardizes(image) else image
        for stage, (count, filters) in enumerate(zip(self.counts, self.filters, strict=True)):
            x = self._smaller(stage, filters)(x)
            for block in range(count):
                x = _block(x, filters, f"{self.title}_stage_{stage}_block_{block}")
        if wanted.include_top:
            return self._classified(x, wanted)
        return LayerNormalization(epsilon=EPSILON)(wanted.pooled(x, named=False))

    def _prepared(self, image: Symbol) -> Symbol:
        bands = channels_of(image)
        mean = [255 * value for value in for_bands(RGB_MEAN, bands)]
        variance = [(255 * value) ** 2 for value in for_bands(RGB_DEVIATION, bands)]
        return Normalization(mean=mean, variance=variance, name=f"{self.title}_prestem_normalization")(image)

    def _smaller(self, stage: int, filters: int) -> Sequential:
        """A quarter of the size at first, half of it later."""
        if stage == 0:
            layers = [
                Conv2D(filters, 4, strides=4, name=f"{self.title}_stem_conv"),
                LayerNormalization(epsilon=EPSILON, name=f"{self.title}_stem_layernorm"),
            ]
            return Sequential(layers, name=f"{self.title}_stem")
        number = stage - 1
        layers = [
            LayerNormalization(epsilon=EPSILON, name=f"{self.title}_downsampling_layernorm_{number}"),
            Conv2D(filters, 2, strides=2, name=f"{self.title}_downsampling_conv_{number}"),
        ]
        return Sequential(layers, name=f"{self.title}_downsampling_block_{number}")

    def _classified(self, x: Symbol, wanted: Wanted) -> Symbol:
        x = GlobalAveragePooling2D(name=f"{self.title}_head_gap")(x)
        x = LayerNormalization(epsilon=EPSILON, name=f"{self.title}_head_layernorm")(x)
        return Dense(wanted.classes, activation=wanted.classifier_activation, name=f"{self.title}_head_dense")(x)


def _block(x: Symbol, filters: int, name: str) -> Symbol:
    before = x
    x = Conv2D(filters, 7, padding="same", groups=filters, name=f"{name}_depthwise_conv")(x)
    x = LayerNormalization(epsilon=EPSILON, name=f"{name}_layernorm")(x)
    x = Dense(4 * filters, name=f"{name}_pointwise_conv_1")(x)
    x = Activation("gelu", name=f"{name}_gelu")(x)
    x = Dense(filters, name=f"{name}_pointwise_conv_2")(x)
    x = LayerScale(SMALLEST_SCALE, filters, name=f"{name}_layer_scale")(x)
    return before + Activation("linear", name=f"{name}_identity")(x)


def _of_size(variant: str, counts: Sequence[int], first: int) -> Callable[..., Model]:
    title = f"convnext_{variant}"

    def build(
        include_top: bool = True,
        include_preprocessing: bool = True,
        weights: Any = "imagenet",
        input_tensor: Any = None,
        input_shape: Any = None,
        pooling: str | None = None,
        classes: int = CLASSES,
        classifier_activation: Any = "softmax",
        name: str | None = title,
    ) -> Model:
        wanted = Wanted(name, include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation)
        body = Stages(name or title, counts, [first << stage for stage in range(4)], include_preprocessing)
        return wanted.net(body, files("convnext", title, DIGESTS[variant]))

    says = (
        f"Blocks of kernels of 7 x 7 and two dense layers, with {first} filters in the first of four stages. It scales "
        f"images of 0 to 255 itself, unless include_preprocessing=False."
    )
    return public(build, f"ConvNeXt{'XLarge' if variant == 'xlarge' else variant.capitalize()}", __name__, says)


ConvNeXtTiny = _of_size("tiny", (3, 3, 9, 3), 96)
ConvNeXtSmall = _of_size("small", (3, 3, 27, 3), 96)
ConvNeXtBase = _of_size("base", (3, 3, 27, 3), 128)
ConvNeXtLarge = _of_size("large", (3, 3, 27, 3), 192)
ConvNeXtXLarge = _of_size("xlarge", (3, 3, 27, 3), 256)

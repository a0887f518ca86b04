"""InceptionResNetV2 (Szegedy, Ioffe, Vanhoucke and Alemi, "Inception-v4, Inception-ResNet", arXiv:1602.07261)."""

from __future__ import annotations

from collections.abc import Sequence

from handson.applications.application import Wanted, application, channels_of, files
from handson.applications.imagenet_utils import decode_predictions
from handson.applications.inception_v3 import Steps, begun, chained, convolved
from handson.applications.preparation import tf_images as preprocess_input
from handson.applications.scale_layers import CustomScaleLayer
from handson.graph import Symbol
from handson.layers import Activation, AveragePooling2D, BatchNormalization, Concatenate, Conv2D, MaxPooling2D

__all__ = ["InceptionResNetV2", "decode_predictions", "preprocess_input"]

# The branches of each kind of block.
BRANCHES: dict[str, list[Steps]] = {
    "block35": [[(32, 1)], [(32, 1), (32, 3)], [(32, 1), (48, 3), (64, 3)]],
    "block17": [[(192, 1)], [(128, 1), (160, (1, 7)), (192, (7, 1))]],
    "block8": [[(192, 1)], [(192, 1), (224, (1, 3)), (256, (3, 1))]],
}


def _residual(x: Symbol, kind: str, number: int, scale: float, activate: bool = True) -> Symbol:
    """A multiple of what the branches give is added."""
    name = f"{kind}_{number}"
    mixed = Concatenate(name=f"{name}_mixed")([chained(x, steps) for steps in BRANCHES[kind]])
    up = Conv2D(channels_of(x), 1, padding="same", name=f"{name}_conv")(mixed)
    x = CustomScaleLayer(scale)([x, up])
    return Activation("relu", name=f"{name}_ac")(x) if activate else x


def _halved(x: Symbol, branches: Sequence[Steps], name: str) -> Symbol:
    """Branches, the last convolution of each with stride 2, beside pooling."""
    found = []
    for *before, (filters, kernel) in branches:
        found.append(convolved(chained(x, before), filters, kernel, 2, "valid"))
    return Concatenate(name=name)([*found, MaxPooling2D(3, strides=2)(x)])


def _mixed(x: Symbol) -> Symbol:
    steps: list[Steps] = [[(96, 1)], [(48, 1), (64, 5)], [(64, 1), (96, 3), (96, 3)]]
    branches = [chained(x, each) for each in steps]
    pooled = convolved(AveragePooling2D(3, strides=1, padding="same")(x), 64, 1)
    return Concatenate(name="mixed_5b")([*branches, pooled])


@application(
    "inception_resnet_v2",
    files(
        "inception_resnet_v2",
        "inception_resnet_v2_weights_tf_dim_ordering_tf_kernels",
        ("e693bd0210a403b3192acc6073ad2e96", "d19885ff4a710c122648d3b5c3b684e4"),
    ),
    size=299,
    smallest=75,
)
def InceptionResNetV2(image: Symbol, wanted: Wanted) -> Symbol:
    """Residual blocks with convolutions of several sizes beside each other."""
    x = _mixed(begun(image))
    for number in range(1, 11):
        x = _residual(x, "block35", number, 0.17)
    x = _halved(x, [[(384, 3)], [(256, 1), (256, 3), (384, 3)]], "mixed_6a")
    for number in range(1, 21):
        x = _residual(x, "block17", number, 0.1)
    x = _halved(x, [[(256, 1), (384, 3)], [(256, 1), (288, 3)], [(256, 1), (288, 3), (320, 3)]], "mixed_7a")
    for number in range(1, 10):
        x = _residual(x, "block8", number, 0.2)
    x = _residual(x, "block8", 10, 1.0, activate=False)
    x = BatchNormalization(scale=False, name="conv_7b_bn")(
        Conv2D(1536, 1, padding="same", use_bias=False, name="conv_7b")(x)
    )
    return wanted.topped(Activation("relu", name="conv_7b_ac")(x), named=False)

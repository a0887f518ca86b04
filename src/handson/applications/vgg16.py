"""VGG16 (Simonyan and Zisserman, "Very deep convolutional networks", arXiv:1409.1556)."""

from __future__ import annotations

from collections.abc import Sequence

from handson.applications.application import Wanted, application, files
from handson.applications.imagenet_utils import decode_predictions
from handson.applications.preparation import caffe_images as preprocess_input
from handson.graph import Symbol
from handson.layers import Conv2D, Dense, Flatten, MaxPooling2D

__all__ = ["VGG16", "decode_predictions", "preprocess_input"]

FILTERS = (64, 128, 256, 512, 512)


def stacked(x: Symbol, wanted: Wanted, counts: Sequence[int]) -> Symbol:
    """Five blocks of so many convolutions each, and the classifier of VGG."""
    for block, (filters, count) in enumerate(zip(FILTERS, counts, strict=True), 1):
        for number in range(1, count + 1):
            name = f"block{block}_conv{number}"
            x = Conv2D(filters, 3, padding="same", activation="relu", name=name)(x)
        x = MaxPooling2D(2, strides=2, name=f"block{block}_pool")(x)
    if not wanted.include_top:
        return wanted.pooled(x, named=False)
    x = Flatten(name="flatten")(x)
    x = Dense(4096, activation="relu", name="fc1")(x)
    return wanted.classified(Dense(4096, activation="relu", name="fc2")(x))


@application(
    "vgg16",
    files(
        "vgg16",
        "vgg16_weights_tf_dim_ordering_tf_kernels",
        ("64373286793e3c8b2b4e3219cbf3544b", "6d6bbae143d832006294945121d1f1fc"),
    ),
)
def VGG16(image: Symbol, wanted: Wanted) -> Symbol:
    """Thirteen convolutions of 3 x 3 and three dense layers."""
    return stacked(image, wanted, (2, 2, 3, 3, 3))

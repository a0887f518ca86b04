"""VGG19 (Simonyan and Zisserman, "Very deep convolutional networks", arXiv:1409.1556)."""

from __future__ import annotations

from handson.applications.application import Wanted, application, files
from handson.applications.imagenet_utils import decode_predictions
from handson.applications.preparation import caffe_images as preprocess_input
from handson.applications.vgg16 import stacked
from handson.graph import Symbol

__all__ = ["VGG19", "decode_predictions", "preprocess_input"]


@application(
    "vgg19",
    files(
        "vgg19",
        "vgg19_weights_tf_dim_ordering_tf_kernels",
        ("cbe5617147190e668d6c5d5026f83318", "253f8cb515780f3b799900260a226db6"),
    ),
)
def VGG19(image: Symbol, wanted: Wanted) -> Symbol:
    """Sixteen convolutions of 3 x 3 and three dense layers."""
    return stacked(image, wanted, (2, 2, 4, 4, 4))

"""Nets of Keras for images, as layers of handson: their files of weights are those of Keras.

Modules are imported when they are first used. Read `application.py` first.

Examples
--------
>>> from handson.applications import MobileNetV2
>>> net = MobileNetV2((32, 32, 3), alpha=0.35, weights=None, classes=10)
>>> net.output_shape, net.layers[1].name
((None, 10), 'Conv1')
"""

from __future__ import annotations

from handson.core.lazy import lazy

# The nets of each module.
_NETS = {
    "convnext": ("ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtSmall", "ConvNeXtTiny", "ConvNeXtXLarge"),
    "densenet": ("DenseNet121", "DenseNet169", "DenseNet201"),
    "efficientnet": tuple(f"EfficientNetB{number}" for number in range(8)),
    "efficientnet_v2": tuple(f"EfficientNetV2{size}" for size in ("B0", "B1", "B2", "B3", "S", "M", "L")),
    "imagenet_utils": (),
    "inception_resnet_v2": ("InceptionResNetV2",),
    "inception_v3": ("InceptionV3",),
    "mobilenet": ("MobileNet",),
    "mobilenet_v2": ("MobileNetV2",),
    "mobilenet_v3": ("MobileNetV3Large", "MobileNetV3Small"),
    "nasnet": ("NASNetLarge", "NASNetMobile"),
    "resnet": ("ResNet101", "ResNet152"),
    "resnet50": ("ResNet50",),
    "resnet_v2": ("ResNet50V2", "ResNet101V2", "ResNet152V2"),
    "vgg16": ("VGG16",),
    "vgg19": ("VGG19",),
    "xception": ("Xception",),
}
_HOMES = {name: f"handson.applications.{name}" for name in _NETS} | {
    net: f"handson.applications.{module}:{net}" for module, nets in _NETS.items() for net in nets
}

__all__ = sorted(_HOMES)
__getattr__ = lazy(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})

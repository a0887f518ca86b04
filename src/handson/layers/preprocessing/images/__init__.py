"""Layers that change images while training, each image in its own way.

`base.py` says what all share: a layer draws what is random (`draw`) and applies it (`change`), so that masks and labels
change with their images. Random numbers are functions of the run's seed, the layer, the epoch and the id of the sample
(`draws.py`). Read `base.py` first.
"""

from handson.layers.preprocessing.images.colors import (
    RandomBrightness,
    RandomColorDegeneration,
    RandomColorJitter,
    RandomContrast,
    RandomGrayscale,
    RandomHue,
    RandomSaturation,
)
from handson.layers.preprocessing.images.geometry import (
    RandomCrop,
    RandomFlip,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
)
from handson.layers.preprocessing.images.mixing import CutMix, MixUp
from handson.layers.preprocessing.images.policies import AugMix, Pipeline, RandAugment
from handson.layers.preprocessing.images.tones import (
    AutoContrast,
    Equalization,
    RandomErasing,
    RandomGaussianBlur,
    RandomInvert,
    RandomPosterization,
    RandomSharpness,
    Solarization,
)
from handson.layers.preprocessing.images.warps import RandomElasticTransform, RandomPerspective

__all__ = [
    "AugMix",
    "AutoContrast",
    "CutMix",
    "Equalization",
    "MixUp",
    "Pipeline",
    "RandAugment",
    "RandomBrightness",
    "RandomColorDegeneration",
    "RandomColorJitter",
    "RandomContrast",
    "RandomCrop",
    "RandomElasticTransform",
    "RandomErasing",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomGrayscale",
    "RandomHue",
    "RandomInvert",
    "RandomPerspective",
    "RandomPosterization",
    "RandomRotation",
    "RandomSaturation",
    "RandomSharpness",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
    "Solarization",
]

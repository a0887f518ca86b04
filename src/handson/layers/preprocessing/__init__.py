"""Layers that prepare data: numbers, categories, texts, and images (in `images`).

`given` takes what users give; `encoding` is the base of what gives indices and vectors; `index_lookup` that of
vocabularies. Read `encoding.py` first.
"""

from handson.layers.preprocessing.hashing import HashedCrossing, Hashing
from handson.layers.preprocessing.images import (
    AugMix,
    AutoContrast,
    CutMix,
    Equalization,
    MixUp,
    Pipeline,
    RandAugment,
    RandomBrightness,
    RandomColorDegeneration,
    RandomColorJitter,
    RandomContrast,
    RandomCrop,
    RandomElasticTransform,
    RandomErasing,
    RandomFlip,
    RandomGaussianBlur,
    RandomGrayscale,
    RandomHue,
    RandomInvert,
    RandomPerspective,
    RandomPosterization,
    RandomRotation,
    RandomSaturation,
    RandomSharpness,
    RandomShear,
    RandomTranslation,
    RandomZoom,
    Solarization,
)
from handson.layers.preprocessing.lookup import IntegerLookup, StringLookup
from handson.layers.preprocessing.numbers import CategoryEncoding, Discretization
from handson.layers.preprocessing.text import TextVectorization

__all__ = [
    "AugMix",
    "AutoContrast",
    "CategoryEncoding",
    "CutMix",
    "Discretization",
    "Equalization",
    "HashedCrossing",
    "Hashing",
    "IntegerLookup",
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
    "StringLookup",
    "TextVectorization",
]

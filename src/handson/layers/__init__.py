"""Layers, with Keras's names, arguments, defaults and numbers. Images are channels-last."""

from handson.layers.base import Layer
from handson.layers.convolution import Conv2D
from handson.layers.core import Activation, Dense, Flatten, Input, InputLayer, Rescaling, Reshape
from handson.layers.dropout import Dropout, SpatialDropout2D
from handson.layers.foreign import TorchModuleWrapper
from handson.layers.keypoints import SpatialSoftArgmax2D
from handson.layers.normalization import BatchNormalization, LayerNormalization
from handson.layers.pooling import AveragePooling2D, GlobalAveragePooling2D, GlobalMaxPooling2D, MaxPooling2D
from handson.layers.preprocessing import (
    CategoryEncoding,
    Discretization,
    HashedCrossing,
    Hashing,
    IntegerLookup,
    StringLookup,
    TextVectorization,
)
from handson.layers.recurrent import GRU, LSTM

__all__ = [
    "GRU",
    "LSTM",
    "Activation",
    "AveragePooling2D",
    "BatchNormalization",
    "CategoryEncoding",
    "Conv2D",
    "Dense",
    "Discretization",
    "Dropout",
    "Flatten",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling2D",
    "HashedCrossing",
    "Hashing",
    "Input",
    "InputLayer",
    "IntegerLookup",
    "Layer",
    "LayerNormalization",
    "MaxPooling2D",
    "Rescaling",
    "Reshape",
    "SpatialDropout2D",
    "SpatialSoftArgmax2D",
    "StringLookup",
    "TextVectorization",
    "TorchModuleWrapper",
]

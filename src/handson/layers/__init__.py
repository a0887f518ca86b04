"""Layers, with Keras's names, arguments, defaults and numbers. Images are channels-last."""

from handson.layers.attention import AdditiveAttention, Attention
from handson.layers.base import Layer
from handson.layers.convolution import Conv2D
from handson.layers.core import Activation, Dense, Flatten, Input, InputLayer, Rescaling, Reshape
from handson.layers.dropout import Dropout, SpatialDropout2D
from handson.layers.einsum import EinsumDense
from handson.layers.feature_normalization import Normalization
from handson.layers.foreign import TorchModuleWrapper
from handson.layers.joining import Concatenate, Dot, concatenate, dot
from handson.layers.keypoints import SpatialSoftArgmax2D
from handson.layers.merging import (
    Add,
    Average,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    maximum,
    minimum,
    multiply,
    subtract,
)
from handson.layers.multi_head_attention import GroupQueryAttention, MultiHeadAttention
from handson.layers.normalization import BatchNormalization
from handson.layers.pooling import AveragePooling2D, GlobalAveragePooling2D, GlobalMaxPooling2D, MaxPooling2D
from handson.layers.recurrent import GRU, LSTM
from handson.layers.sample_normalization import (
    GroupNormalization,
    LayerNormalization,
    RMSNormalization,
    UnitNormalization,
)
from handson.layers.spectral import SpectralNormalization

__all__ = [
    "GRU",
    "LSTM",
    "Activation",
    "Add",
    "AdditiveAttention",
    "Attention",
    "Average",
    "AveragePooling2D",
    "BatchNormalization",
    "Concatenate",
    "Conv2D",
    "Dense",
    "Dot",
    "Dropout",
    "EinsumDense",
    "Flatten",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling2D",
    "GroupNormalization",
    "GroupQueryAttention",
    "Input",
    "InputLayer",
    "Layer",
    "LayerNormalization",
    "MaxPooling2D",
    "Maximum",
    "Minimum",
    "MultiHeadAttention",
    "Multiply",
    "Normalization",
    "RMSNormalization",
    "Rescaling",
    "Reshape",
    "SpatialDropout2D",
    "SpatialSoftArgmax2D",
    "SpectralNormalization",
    "Subtract",
    "TorchModuleWrapper",
    "UnitNormalization",
    "add",
    "average",
    "concatenate",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
]

"""Layers, with Keras's names, arguments, defaults and numbers. Channels are last, or where `data_format` says.

Names are imported when they are first used; `everything` imports them all, for who looks for a layer by its name.
"""

from typing import TYPE_CHECKING

from handson.core.lazy import lazy

if TYPE_CHECKING:
    from handson.layers.activation_layers import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
    from handson.layers.attention import AdditiveAttention, Attention
    from handson.layers.base import Layer
    from handson.layers.bidirectional import Bidirectional
    from handson.layers.cells import GRUCell, LSTMCell, SimpleRNNCell
    from handson.layers.convolution import Conv1D, Conv2D, Conv3D
    from handson.layers.convolutional_recurrent import ConvLSTM1D, ConvLSTM2D, ConvLSTM3D
    from handson.layers.core import ActivityRegularization, Dense, Identity, Input, InputLayer, Rescaling
    from handson.layers.density import (
        EvidentialDensity,
        GaussianDensity,
        LaplaceDensity,
        MixtureDensity,
        OrdinalBins,
        QuantileHead,
        StudentTDensity,
    )
    from handson.layers.dropout import Dropout, SpatialDropout1D, SpatialDropout2D, SpatialDropout3D
    from handson.layers.einsum import EinsumDense
    from handson.layers.embedding import Embedding
    from handson.layers.feature_normalization import Normalization
    from handson.layers.foreign import TorchModuleWrapper
    from handson.layers.global_pooling import (
        GlobalAveragePooling1D,
        GlobalAveragePooling2D,
        GlobalAveragePooling3D,
        GlobalMaxPooling1D,
        GlobalMaxPooling2D,
        GlobalMaxPooling3D,
    )
    from handson.layers.joining import Concatenate, Dot, concatenate, dot
    from handson.layers.keypoints import SpatialSoftArgmax2D
    from handson.layers.lambda_layer import Lambda
    from handson.layers.masking import Masking
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
    from handson.layers.noise import AlphaDropout, GaussianDropout, GaussianNoise
    from handson.layers.normalization import BatchNormalization
    from handson.layers.padding import (
        Cropping1D,
        Cropping2D,
        Cropping3D,
        UpSampling1D,
        UpSampling2D,
        UpSampling3D,
        ZeroPadding1D,
        ZeroPadding2D,
        ZeroPadding3D,
    )
    from handson.layers.pooling import (
        AdaptiveAveragePooling1D,
        AdaptiveAveragePooling2D,
        AdaptiveAveragePooling3D,
        AdaptiveMaxPooling1D,
        AdaptiveMaxPooling2D,
        AdaptiveMaxPooling3D,
        AveragePooling1D,
        AveragePooling2D,
        AveragePooling3D,
        MaxPooling1D,
        MaxPooling2D,
        MaxPooling3D,
    )
    from handson.layers.preprocessing import (
        AugMix,
        AutoContrast,
        CategoryEncoding,
        CutMix,
        Discretization,
        Equalization,
        HashedCrossing,
        Hashing,
        IntegerLookup,
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
        StringLookup,
        TextVectorization,
    )
    from handson.layers.recurrent import GRU, LSTM, SimpleRNN
    from handson.layers.resizing import CenterCrop, Resizing
    from handson.layers.rnn import RNN
    from handson.layers.sample_normalization import (
        GroupNormalization,
        LayerNormalization,
        RMSNormalization,
        UnitNormalization,
    )
    from handson.layers.separable import DepthwiseConv1D, DepthwiseConv2D, SeparableConv1D, SeparableConv2D
    from handson.layers.shaping import Flatten, Permute, RepeatVector, Reshape
    from handson.layers.spectral import SpectralNormalization
    from handson.layers.stacked_cells import StackedRNNCells
    from handson.layers.transposed import Conv1DTranspose, Conv2DTranspose, Conv3DTranspose
    from handson.layers.wrappers import TimeDistributed, Wrapper

    # Shorter and older names, as in Keras.
    AvgPool1D = AveragePooling1D
    AvgPool2D = AveragePooling2D
    AvgPool3D = AveragePooling3D
    Convolution1D = Conv1D
    Convolution1DTranspose = Conv1DTranspose
    Convolution2D = Conv2D
    Convolution2DTranspose = Conv2DTranspose
    Convolution3D = Conv3D
    Convolution3DTranspose = Conv3DTranspose
    GlobalAvgPool1D = GlobalAveragePooling1D
    GlobalAvgPool2D = GlobalAveragePooling2D
    GlobalAvgPool3D = GlobalAveragePooling3D
    GlobalMaxPool1D = GlobalMaxPooling1D
    GlobalMaxPool2D = GlobalMaxPooling2D
    GlobalMaxPool3D = GlobalMaxPooling3D
    MaxPool1D = MaxPooling1D
    MaxPool2D = MaxPooling2D
    MaxPool3D = MaxPooling3D
    SeparableConvolution1D = SeparableConv1D
    SeparableConvolution2D = SeparableConv2D

__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "ActivityRegularization",
    "AdaptiveAveragePooling1D",
    "AdaptiveAveragePooling2D",
    "AdaptiveAveragePooling3D",
    "AdaptiveMaxPooling1D",
    "AdaptiveMaxPooling2D",
    "AdaptiveMaxPooling3D",
    "Add",
    "AdditiveAttention",
    "AlphaDropout",
    "Attention",
    "AugMix",
    "AutoContrast",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "AvgPool1D",
    "AvgPool2D",
    "AvgPool3D",
    "BatchNormalization",
    "Bidirectional",
    "CategoryEncoding",
    "CenterCrop",
    "Concatenate",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
    "Convolution1D",
    "Convolution1DTranspose",
    "Convolution2D",
    "Convolution2DTranspose",
    "Convolution3D",
    "Convolution3DTranspose",
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "CutMix",
    "Dense",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "Discretization",
    "Dot",
    "Dropout",
    "EinsumDense",
    "Embedding",
    "Equalization",
    "EvidentialDensity",
    "Flatten",
    "GRUCell",
    "GaussianDensity",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalAvgPool3D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPool3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "GroupNormalization",
    "GroupQueryAttention",
    "HashedCrossing",
    "Hashing",
    "Identity",
    "Input",
    "InputLayer",
    "IntegerLookup",
    "LSTMCell",
    "Lambda",
    "LaplaceDensity",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Masking",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPool3D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "Maximum",
    "Minimum",
    "MixUp",
    "MixtureDensity",
    "MultiHeadAttention",
    "Multiply",
    "Normalization",
    "OrdinalBins",
    "PReLU",
    "Permute",
    "Pipeline",
    "QuantileHead",
    "RMSNormalization",
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
    "ReLU",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "Resizing",
    "SeparableConv1D",
    "SeparableConv2D",
    "SeparableConvolution1D",
    "SeparableConvolution2D",
    "SimpleRNN",
    "SimpleRNNCell",
    "Softmax",
    "Solarization",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "SpatialSoftArgmax2D",
    "SpectralNormalization",
    "StackedRNNCells",
    "StringLookup",
    "StudentTDensity",
    "Subtract",
    "TextVectorization",
    "TimeDistributed",
    "TorchModuleWrapper",
    "UnitNormalization",
    "UpSampling1D",
    "UpSampling2D",
    "UpSampling3D",
    "Wrapper",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
    "add",
    "average",
    "concatenate",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
]

# The files that layers are in.
TOPICS = {
    "activation_layers": ("Activation", "ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax"),
    "attention": ("AdditiveAttention", "Attention"),
    "base": ("Layer",),
    "bidirectional": ("Bidirectional",),
    "cells": ("GRUCell", "LSTMCell", "SimpleRNNCell"),
    "convolution": ("Conv1D", "Conv2D", "Conv3D"),
    "convolutional_recurrent": ("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"),
    "core": ("ActivityRegularization", "Dense", "Identity", "Input", "InputLayer", "Rescaling"),
    "density": (
        "EvidentialDensity",
        "GaussianDensity",
        "LaplaceDensity",
        "MixtureDensity",
        "OrdinalBins",
        "QuantileHead",
        "StudentTDensity",
    ),
    "dropout": ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
    "einsum": ("EinsumDense",),
    "embedding": ("Embedding",),
    "feature_normalization": ("Normalization",),
    "foreign": ("TorchModuleWrapper",),
    "global_pooling": (
        "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D", "GlobalMaxPooling1D",
        "GlobalMaxPooling2D", "GlobalMaxPooling3D",
    ),
    "joining": ("Concatenate", "Dot", "concatenate", "dot"),
    "keypoints": ("SpatialSoftArgmax2D",),
    "lambda_layer": ("Lambda",),
    "masking": ("Masking",),
    "merging": (
        "Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract", "add", "average", "maximum", "minimum",
        "multiply", "subtract",
    ),
    "multi_head_attention": ("GroupQueryAttention", "MultiHeadAttention"),
    "noise": ("AlphaDropout", "GaussianDropout", "GaussianNoise"),
    "normalization": ("BatchNormalization",),
    "padding": (
        "Cropping1D", "Cropping2D", "Cropping3D", "UpSampling1D", "UpSampling2D", "UpSampling3D", "ZeroPadding1D",
        "ZeroPadding2D", "ZeroPadding3D",
    ),
    "pooling": (
        "AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveAveragePooling3D", "AdaptiveMaxPooling1D",
        "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D", "AveragePooling1D", "AveragePooling2D", "AveragePooling3D",
        "MaxPooling1D", "MaxPooling2D", "MaxPooling3D",
    ),
    "preprocessing": (
        "AugMix", "AutoContrast", "CategoryEncoding", "CutMix", "Discretization", "Equalization", "HashedCrossing",
        "Hashing", "IntegerLookup", "MixUp", "Pipeline", "RandAugment", "RandomBrightness", "RandomColorDegeneration",
        "RandomColorJitter", "RandomContrast", "RandomCrop", "RandomElasticTransform", "RandomErasing", "RandomFlip",
        "RandomGaussianBlur", "RandomGrayscale", "RandomHue", "RandomInvert", "RandomPerspective",
        "RandomPosterization", "RandomRotation", "RandomSaturation", "RandomSharpness", "RandomShear",
        "RandomTranslation", "RandomZoom", "Solarization", "StringLookup", "TextVectorization",
    ),
    "recurrent": ("GRU", "LSTM", "SimpleRNN"),
    "resizing": ("CenterCrop", "Resizing"),
    "rnn": ("RNN",),
    "sample_normalization": ("GroupNormalization", "LayerNormalization", "RMSNormalization", "UnitNormalization"),
    "separable": ("DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"),
    "shaping": ("Flatten", "Permute", "RepeatVector", "Reshape"),
    "spectral": ("SpectralNormalization",),
    "stacked_cells": ("StackedRNNCells",),
    "transposed": ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"),
    "wrappers": ("TimeDistributed", "Wrapper"),
}  # fmt: skip
_OLDER = {
    "AvgPool1D": "AveragePooling1D", "AvgPool2D": "AveragePooling2D", "AvgPool3D": "AveragePooling3D",
    "Convolution1D": "Conv1D", "Convolution1DTranspose": "Conv1DTranspose", "Convolution2D": "Conv2D",
    "Convolution2DTranspose": "Conv2DTranspose", "Convolution3D": "Conv3D",
    "Convolution3DTranspose": "Conv3DTranspose", "GlobalAvgPool1D": "GlobalAveragePooling1D",
    "GlobalAvgPool2D": "GlobalAveragePooling2D", "GlobalAvgPool3D": "GlobalAveragePooling3D",
    "GlobalMaxPool1D": "GlobalMaxPooling1D", "GlobalMaxPool2D": "GlobalMaxPooling2D",
    "GlobalMaxPool3D": "GlobalMaxPooling3D", "MaxPool1D": "MaxPooling1D", "MaxPool2D": "MaxPooling2D",
    "MaxPool3D": "MaxPooling3D", "SeparableConvolution1D": "SeparableConv1D",
    "SeparableConvolution2D": "SeparableConv2D",
}  # fmt: skip
_HOMES = {name: f"{__name__}.{topic}:{name}" for topic, names in TOPICS.items() for name in names}
_HOMES |= {old: _HOMES[name] for old, name in _OLDER.items()}

__getattr__ = lazy(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})

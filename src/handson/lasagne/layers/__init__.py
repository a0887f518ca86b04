"""Lasagne's layers, channels first, made of handson's where it has them."""

from __future__ import annotations

from typing import Any

from handson.core.errors import nearest
from handson.lasagne.layers import cuda_convnet, dnn
from handson.lasagne.layers.base import Layer, MergeLayer
from handson.lasagne.layers.conv import (
    BaseConvLayer,
    Conv1DLayer,
    Conv2DLayer,
    Conv3DLayer,
    Deconv2DLayer,
    DilatedConv2DLayer,
    TransposedConv2DLayer,
)  # fmt: skip
from handson.lasagne.layers.dense import DenseLayer, NINLayer
from handson.lasagne.layers.embedding import EmbeddingLayer
from handson.lasagne.layers.helper import (
    count_params,
    get_all_layers,
    get_all_param_values,
    get_all_params,
    get_output,
    get_output_shape,
    set_all_param_values,
)  # fmt: skip
from handson.lasagne.layers.input import InputLayer
from handson.lasagne.layers.local import (
    LocallyConnected1DLayer,
    LocallyConnected2DLayer,
    LocallyConnected3DLayer,
)  # fmt: skip
from handson.lasagne.layers.merge import ConcatLayer, ElemwiseMergeLayer, ElemwiseSumLayer, concat
from handson.lasagne.layers.noise import (
    DropoutLayer,
    GaussianNoiseLayer,
    dropout,
    dropout_channels,
    dropout_locations,
    spatial_dropout,
)  # fmt: skip
from handson.lasagne.layers.normalization import (
    BatchNormLayer,
    LocalResponseNormalization2DLayer,
    StandardizationLayer,
    batch_norm,
    instance_norm,
    layer_norm,
)  # fmt: skip
from handson.lasagne.layers.pool import (
    FeaturePoolLayer,
    FeatureWTALayer,
    GlobalPoolLayer,
    MaxPool1DLayer,
    MaxPool2DLayer,
    MaxPool3DLayer,
    Pool1DLayer,
    Pool2DLayer,
    Pool3DLayer,
    PoolLayer,
    SpatialPyramidPoolingLayer,
    Upscale1DLayer,
    Upscale2DLayer,
    Upscale3DLayer,
    UpscaleLayer,
)  # fmt: skip
from handson.lasagne.layers.recurrent import CustomRecurrentLayer, Gate, GRULayer, LSTMLayer, RecurrentLayer
from handson.lasagne.layers.shape import (
    DimshuffleLayer,
    FlattenLayer,
    PadLayer,
    ReshapeLayer,
    SliceLayer,
    dimshuffle,
    flatten,
    pad,
    reshape,
)  # fmt: skip
from handson.lasagne.layers.special import (
    BiasLayer,
    ExpressionLayer,
    InverseLayer,
    NonlinearityLayer,
    ParametricRectifierLayer,
    RandomizedRectifierLayer,
    ScaleLayer,
    prelu,
    rrelu,
    standardize,
)  # fmt: skip
from handson.lasagne.layers.transform import TransformerLayer

__all__ = [
    "BaseConvLayer", "BatchNormLayer", "BiasLayer", "ConcatLayer", "Conv1DLayer", "Conv2DLayer", "Conv3DLayer",
    "CustomRecurrentLayer", "Deconv2DLayer", "DenseLayer", "DilatedConv2DLayer", "DimshuffleLayer", "DropoutLayer",
    "ElemwiseMergeLayer", "ElemwiseSumLayer", "EmbeddingLayer", "ExpressionLayer", "FeaturePoolLayer",
    "FeatureWTALayer", "FlattenLayer", "GRULayer", "Gate", "GaussianNoiseLayer", "GlobalPoolLayer", "InputLayer",
    "InverseLayer", "LSTMLayer", "Layer", "LocalResponseNormalization2DLayer", "LocallyConnected1DLayer",
    "LocallyConnected2DLayer", "LocallyConnected3DLayer", "MaxPool1DLayer", "MaxPool2DLayer", "MaxPool3DLayer",
    "MergeLayer", "NINLayer", "NonlinearityLayer", "PadLayer", "ParametricRectifierLayer", "Pool1DLayer",
    "Pool2DLayer", "Pool3DLayer", "PoolLayer", "RandomizedRectifierLayer", "RecurrentLayer", "ReshapeLayer",
    "ScaleLayer", "SliceLayer", "SpatialPyramidPoolingLayer", "StandardizationLayer", "TransformerLayer",
    "TransposedConv2DLayer", "Upscale1DLayer", "Upscale2DLayer", "Upscale3DLayer", "UpscaleLayer", "batch_norm",
    "concat", "count_params", "cuda_convnet", "dimshuffle", "dnn", "dropout", "dropout_channels", "dropout_locations",
    "flatten", "get_all_layers", "get_all_param_values", "get_all_params", "get_output", "get_output_shape",
    "instance_norm", "layer_norm", "pad", "prelu", "reshape", "rrelu", "set_all_param_values", "spatial_dropout",
    "standardize",
]  # fmt: skip

# What Lasagne has and this has not, with what to use in its place.
_MISSING = {
    "TPSTransformerLayer": "use TransformerLayer, or write an ExpressionLayer",
    "Unpool": "use Upscale2DLayer or InverseLayer",
}


def __getattr__(name: str) -> Any:
    why = f": {_MISSING[name]}." if name in _MISSING else f".{nearest(name, __all__)}"
    raise AttributeError(f"handson.lasagne.layers has no {name!r}{why}")

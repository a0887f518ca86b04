"""Layers, with Keras's names, arguments, defaults and numbers. Images are channels-last."""

from handson.layers.activation_layers import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from handson.layers.attention import AdditiveAttention, Attention
from handson.layers.base import Layer
from handson.layers.bidirectional import Bidirectional
from handson.layers.cells import GRUCell, LSTMCell, SimpleRNNCell
from handson.layers.convolution import Conv2D
from handson.layers.convolutional_recurrent import ConvLSTM1D, ConvLSTM2D, ConvLSTM3D
from handson.layers.core import ActivityRegularization, Dense, Identity, Input, InputLayer, Rescaling
from handson.layers.dropout import Dropout, SpatialDropout1D, SpatialDropout2D, SpatialDropout3D
from handson.layers.einsum import EinsumDense
from handson.layers.embedding import Embedding
from handson.layers.feature_normalization import Normalization
from handson.layers.foreign import TorchModuleWrapper
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
from handson.layers.pooling import AveragePooling2D, GlobalAveragePooling2D, GlobalMaxPooling2D, MaxPooling2D
from handson.layers.recurrent import GRU, LSTM, SimpleRNN
from handson.layers.rnn import RNN
from handson.layers.sample_normalization import (
    GroupNormalization,
    LayerNormalization,
    RMSNormalization,
    UnitNormalization,
)
from handson.layers.shaping import Flatten, Permute, RepeatVector, Reshape
from handson.layers.spectral import SpectralNormalization
from handson.layers.stacked_cells import StackedRNNCells
from handson.layers.wrappers import TimeDistributed, Wrapper

__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "ActivityRegularization",
    "Add",
    "AdditiveAttention",
    "AlphaDropout",
    "Attention",
    "Average",
    "AveragePooling2D",
    "BatchNormalization",
    "Bidirectional",
    "Concatenate",
    "Conv2D",
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
    "Dense",
    "Dot",
    "Dropout",
    "EinsumDense",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling2D",
    "GroupNormalization",
    "GroupQueryAttention",
    "Identity",
    "Input",
    "InputLayer",
    "LSTMCell",
    "Lambda",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Masking",
    "MaxPooling2D",
    "Maximum",
    "Minimum",
    "MultiHeadAttention",
    "Multiply",
    "Normalization",
    "PReLU",
    "Permute",
    "RMSNormalization",
    "ReLU",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "SimpleRNN",
    "SimpleRNNCell",
    "Softmax",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "SpatialSoftArgmax2D",
    "SpectralNormalization",
    "StackedRNNCells",
    "Subtract",
    "TimeDistributed",
    "TorchModuleWrapper",
    "UnitNormalization",
    "Wrapper",
    "add",
    "average",
    "concatenate",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
]

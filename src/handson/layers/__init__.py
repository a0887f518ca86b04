"""Layers, with Keras's names, arguments, defaults and numbers. Images are channels-last."""

from handson.layers.activation_layers import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from handson.layers.base import Layer
from handson.layers.bidirectional import Bidirectional
from handson.layers.cells import GRUCell, LSTMCell, SimpleRNNCell, StackedRNNCells
from handson.layers.convolution import Conv2D
from handson.layers.convolutional_recurrent import ConvLSTM1D, ConvLSTM2D, ConvLSTM3D
from handson.layers.core import ActivityRegularization, Dense, Identity, Input, InputLayer, Rescaling
from handson.layers.dropout import Dropout, SpatialDropout1D, SpatialDropout2D, SpatialDropout3D
from handson.layers.embedding import Embedding
from handson.layers.foreign import TorchModuleWrapper
from handson.layers.keypoints import SpatialSoftArgmax2D
from handson.layers.lambda_layer import Lambda
from handson.layers.masking import Masking
from handson.layers.noise import AlphaDropout, GaussianDropout, GaussianNoise
from handson.layers.normalization import BatchNormalization, LayerNormalization
from handson.layers.pooling import AveragePooling2D, GlobalAveragePooling2D, GlobalMaxPooling2D, MaxPooling2D
from handson.layers.recurrent import GRU, LSTM, SimpleRNN
from handson.layers.rnn import RNN
from handson.layers.shaping import Flatten, Permute, RepeatVector, Reshape
from handson.layers.wrappers import TimeDistributed, Wrapper

__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "ActivityRegularization",
    "AlphaDropout",
    "AveragePooling2D",
    "BatchNormalization",
    "Bidirectional",
    "Conv2D",
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling2D",
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
    "PReLU",
    "Permute",
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
    "StackedRNNCells",
    "TimeDistributed",
    "TorchModuleWrapper",
    "Wrapper",
]

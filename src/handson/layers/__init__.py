"""Layers, with Keras's names, arguments, defaults and numbers. Images are channels-last."""

from handson.layers.base import Layer
from handson.layers.bidirectional import Bidirectional
from handson.layers.cells import GRUCell, LSTMCell, SimpleRNNCell, StackedRNNCells
from handson.layers.convolution import Conv2D
from handson.layers.convolutional_recurrent import ConvLSTM1D, ConvLSTM2D, ConvLSTM3D
from handson.layers.core import Activation, Dense, Flatten, Input, InputLayer, Rescaling, Reshape
from handson.layers.dropout import Dropout, SpatialDropout2D
from handson.layers.embedding import Embedding
from handson.layers.foreign import TorchModuleWrapper
from handson.layers.keypoints import SpatialSoftArgmax2D
from handson.layers.masking import Masking
from handson.layers.normalization import BatchNormalization, LayerNormalization
from handson.layers.pooling import AveragePooling2D, GlobalAveragePooling2D, GlobalMaxPooling2D, MaxPooling2D
from handson.layers.recurrent import GRU, LSTM, SimpleRNN
from handson.layers.rnn import RNN
from handson.layers.wrappers import TimeDistributed, Wrapper

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
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
    "GlobalAveragePooling2D",
    "GlobalMaxPooling2D",
    "Input",
    "InputLayer",
    "LSTMCell",
    "Layer",
    "LayerNormalization",
    "Masking",
    "MaxPooling2D",
    "Rescaling",
    "Reshape",
    "SimpleRNN",
    "SimpleRNNCell",
    "SpatialDropout2D",
    "SpatialSoftArgmax2D",
    "StackedRNNCells",
    "TimeDistributed",
    "TorchModuleWrapper",
    "Wrapper",
]

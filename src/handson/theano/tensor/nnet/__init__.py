"""`theano.tensor.nnet`: activations, cross-entropies and convolutions."""

from handson.theano.tensor.nnet.activations import (
    crossentropy_softmax_1hot,
    elu,
    hard_sigmoid,
    logsoftmax,
    relu,
    selu,
    sigmoid,
    softmax,
    softplus,
    softsign,
    ultra_fast_sigmoid,
)  # fmt: skip
from handson.theano.tensor.nnet.convolutions import conv2d, conv2d_transpose, conv3d
from handson.theano.tensor.nnet.crossentropies import (
    binary_crossentropy,
    categorical_crossentropy,
    sigmoid_binary_crossentropy,
)  # fmt: skip

from handson.theano.tensor.nnet import activations as nnet, bn, conv, neighbours  # isort: skip  # `T.nnet.nnet` is a module too

__all__ = [
    "binary_crossentropy", "bn", "categorical_crossentropy", "conv", "conv2d", "conv2d_transpose", "conv3d",
    "crossentropy_softmax_1hot", "elu", "hard_sigmoid", "logsoftmax", "neighbours", "nnet", "relu", "selu", "sigmoid",
    "sigmoid_binary_crossentropy", "softmax", "softplus", "softsign", "ultra_fast_sigmoid",
]  # fmt: skip

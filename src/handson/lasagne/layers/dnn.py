"""`lasagne.layers.dnn`: the layers that ran on cuDNN, which now all do where there is a GPU."""

from handson.lasagne.layers.conv import Conv2DLayer as Conv2DDNNLayer
from handson.lasagne.layers.conv import Conv3DLayer as Conv3DDNNLayer
from handson.lasagne.layers.normalization import BatchNormLayer as BatchNormDNNLayer
from handson.lasagne.layers.pool import MaxPool2DLayer as MaxPool2DDNNLayer
from handson.lasagne.layers.pool import MaxPool3DLayer as MaxPool3DDNNLayer
from handson.lasagne.layers.pool import Pool2DLayer as Pool2DDNNLayer
from handson.lasagne.layers.pool import Pool3DLayer as Pool3DDNNLayer

__all__ = [
    "BatchNormDNNLayer", "Conv2DDNNLayer", "Conv3DDNNLayer", "MaxPool2DDNNLayer", "MaxPool3DDNNLayer",
    "Pool2DDNNLayer", "Pool3DDNNLayer",
]  # fmt: skip

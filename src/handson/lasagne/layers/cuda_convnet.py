"""`lasagne.layers.cuda_convnet`: the layers that ran on cuda-convnet, by their names; they are those of cuDNN now."""

from handson.lasagne.layers.conv import Conv2DLayer as Conv2DCCLayer
from handson.lasagne.layers.pool import MaxPool2DLayer as MaxPool2DCCLayer

__all__ = ["Conv2DCCLayer", "MaxPool2DCCLayer"]

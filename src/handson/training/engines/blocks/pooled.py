"""ReLU with 2x2 max-pooling and their neighbours as one kernel, and convolutions in fewer multiplications."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from torch import Tensor

from handson.layers import BatchNormalization, Conv2D, Dropout
from handson.layers.dropout import mask_key
from handson.randomness import stream

if TYPE_CHECKING:
    from handson.kernels.pooled_relu import Drop


class PooledBlock:
    """ReLU and the max-pooling after it; the convolution and the normalization before, the dropout after, if any."""

    def __init__(
        self, convolution: Conv2D | None, normalization: BatchNormalization | None, dropout: Dropout | None
    ) -> None:
        self.convolution, self.normalization, self.dropout = convolution, normalization, dropout

    def __call__(self, x: Tensor) -> Tensor:
        from handson.kernels.pooled_relu import PooledRelu

        layer, normalization, drop = self.convolution, self.normalization, self._drop()
        batch = normalization is not None and normalization.uses_batch
        if layer is not None and _few_points(layer, x) and (normalization is None or batch):
            return self._convolved(layer, x, drop)
        if layer is not None and normalization is None and _plain(layer):
            return self._pooled(layer, x, drop)
        x = x if layer is None else convolved(layer, x)
        if normalization is None or not batch:
            output: Tensor = PooledRelu.apply(x if normalization is None else normalization(x), drop)
            return output
        from handson.kernels.normalized_pool import NormalizedPooledRelu

        gamma, beta, epsilon = normalization.gamma, normalization.beta, normalization.epsilon
        return _moved(normalization, *NormalizedPooledRelu.apply(x, gamma, beta, epsilon, drop))

    def _pooled(self, layer: Conv2D, x: Tensor, drop: Drop | None) -> Tensor:
        """The whole block, with a backward pass that goes through the winners only."""
        from handson.kernels.pooled_convolution import PooledConvolution

        weights, padding = (layer.kernel, layer.bias), layer.padding_of(x)
        convolve = layer.convolve
        if _small_windows(layer, x):
            from handson.kernels.winograd import Winograd

            convolve = Winograd(*weights, padding)
        output: Tensor = PooledConvolution.apply(x, *weights, convolve, padding, drop)
        return output

    def _convolved(self, layer: Conv2D, x: Tensor, drop: Drop | None) -> Tensor:
        """The whole block in one pass over images with few channels."""
        from handson.kernels.convolved_pool import ConvolvedPooledRelu, Windows
        from handson.kernels.normalized_convolution import NormalizedConvolution

        normalization, padding = self.normalization, layer.padding_of(x)
        if normalization is None:
            windows = Windows.of(x, layer.kernel_size, padding)
            output: Tensor = ConvolvedPooledRelu.apply(layer.kernel, layer.bias, windows, drop)
            return output
        weights = layer.kernel, layer.bias, normalization.gamma, normalization.beta
        return _moved(normalization, *NormalizedConvolution.apply(*weights, x, padding, normalization.epsilon, drop))

    def _drop(self) -> Drop | None:
        """What is dropped in this step."""
        from handson.kernels.pooled_relu import Drop

        active, layer = stream.current(), self.dropout
        if layer is None or not layer.training or active is None:
            return None
        return Drop(int(mask_key(layer, active)), active.rows, layer.rate)


def _plain(layer: Conv2D) -> bool:
    """Whether the windows of a convolution are next to each other, and see places next to each other."""
    return max(*layer.strides, *layer.dilation_rate, layer.groups) == 1


def _few_points(layer: Conv2D, x: Tensor) -> bool:
    """Whether the windows of a convolution see so few values that it is done together with what follows."""
    from handson.kernels.convolved_pool import MOST_POINTS

    return _plain(layer) and not x.requires_grad and prod(layer.kernel.shape[:3]) <= MOST_POINTS


def _small_windows(layer: Conv2D, x: Tensor) -> bool:
    """Whether a convolution takes fewer multiplications, and less time, in small squares."""
    from handson.kernels.winograd import pays

    return _plain(layer) and pays(x.shape, layer.kernel.shape, layer.padding_of(x))


def convolved(layer: Conv2D, x: Tensor) -> Tensor:
    """The outputs of a convolution before the activation."""
    if not _small_windows(layer, x):
        return layer.convolve(x)
    from handson.kernels.winograd import WinogradConvolution

    output: Tensor = WinogradConvolution.apply(x, layer.kernel, layer.bias, layer.padding_of(x))
    return output


def _moved(layer: BatchNormalization, output: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """The output, after the moving averages of a normalization have followed the moments of the batch."""
    layer.moving_mean.lerp_(mean, 1.0 - layer.momentum)
    layer.moving_variance.lerp_(variance, 1.0 - layer.momentum)
    return output

"""The engine of nets on a CPU with parts that are one kernel: ReLU with 2x2 max-pooling, and recurrent layers.

In convolutional nets batch normalization, ReLU, max-pooling and dropout are one kernel: a large part of a step moves
data between them. The first convolution, whose images have few channels, is done by the same kernel. Of the others,
where nothing is normalized, the backward pass leaves out what the pooling makes 0, which is more than three quarters;
and windows of 3x3 take fewer multiplications, where there are many channels. An LSTM or a GRU goes through all its
steps in one kernel. What the kernels compute does not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from torch import Tensor

from handson import activations
from handson.layers import GRU, LSTM, Activation, BatchNormalization, Conv2D, Dropout, MaxPooling2D
from handson.layers.dropout import mask_key
from handson.randomness import stream
from handson.training.engines.eager import Eager
from handson.training.preparation.job import Job, watched

if TYPE_CHECKING:
    from handson.kernels.pooled_relu import Drop

Step = Callable[[Tensor], Tensor]


class Blocks(Eager):
    """Runs a `Sequential` with fused blocks of ReLU, max-pooling and their neighbours, and compiled recurrent layers.

    Parameters
    ----------
    job : Job
        A job for which `obstacle` finds nothing.
    """

    reason = (
        "engine='blocks': compiled kernels run parts of this net (ReLU with max-pooling and their neighbours, LSTM, "
        "GRU); engine='eager' does without."
    )

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._prepare()

    @staticmethod
    def obstacle(job: Job) -> str | None:
        """Why a job cannot run here, None if it can.

        Examples
        --------
        >>> import handson, torch
        >>> net = handson.Sequential([Conv2D(4, 3, activation="relu"), MaxPooling2D(), handson.layers.Flatten()])
        >>> Blocks.obstacle(Job(net, torch.device("cpu")))
        """
        if job.several:
            return "a net with several inputs or outputs"
        if not _layers(job):
            return "a net that is no plain stack of layers"
        if job.device.type != "cpu":
            return f"on the device {job.device.type}"
        if job.precision == "bfloat16":
            return "precision='bfloat16'"
        if job.of_another_type() is not None:
            return job.of_another_type()
        if watched(job.module):
            return "the hooks of the net"
        layers = _layers(job)
        if not any(map(_recurs, layers)) and not any(map(_fused, layers, layers[1:])):
            return "a net without ReLU before 2x2 max-pooling and without LSTM or GRU of the usual kind"
        return None

    def _prepare(self) -> None:
        self._watched, self._settings = self.job.watched(), self.job.settings()
        self._steps = list(_steps(self.job))

    def forward(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        if self.job.watched() != self._watched or self.job.settings() != self._settings:
            self._prepare()
        if self.job.module in self._watched:
            return super().forward(inputs)
        (x,) = inputs
        for step in self._steps:
            x = step(x)
        return [x]


def _layers(job: Job) -> list[Any]:
    """The layers of a plain stack, none for any other net."""
    chain = getattr(job.module, "chain", None)
    return (chain() or []) if chain is not None else []


def _fused(layer: Any, after: Any) -> bool:
    """Whether a layer ends in a ReLU that goes straight into 2x2 max-pooling."""
    relu = (type(layer) is Activation or _convolves(layer)) and layer.activation is activations.relu
    halved = type(after) is MaxPooling2D and after.pool_size == after.strides == (2, 2)
    plain = halved and after.padding == "valid" and after.last
    return relu and plain and not (watched(layer) or watched(after))


def _convolves(layer: Any) -> bool:
    """Whether a layer is a convolution of channels-last images, which the kernels take."""
    return type(layer) is Conv2D and layer.last


def _recurs(layer: Any) -> bool:
    """Whether a layer is a recurrent one of the usual kind."""
    return type(layer) in (LSTM, GRU) and layer.fusable and layer.recurrent_dropout == 0 and not watched(layer)


def _normalizes(layer: Any, after: Any) -> bool:
    """Whether a layer is a batch normalization that the kernel can do on its way, before an activation."""
    plain = type(layer) is BatchNormalization and layer.axis in (-1, 3) and not layer.renorm
    return plain and type(after) is Activation and not watched(layer)


def _drops(layer: Any) -> bool:
    """Whether a layer is a dropout that the kernel can do on its way."""
    return type(layer) is Dropout and 0 < layer.rate < 1 and layer.noise_shape is None and not watched(layer)


def _steps(job: Job) -> Iterator[Step]:
    layers = _layers(job)
    while layers:
        count, block = _block(layers)
        if block is None:
            yield _alone(layers[0])
        else:
            yield block
        del layers[:count]


def _alone(layer: Any) -> Step:
    """A layer that belongs to no block."""
    if _convolves(layer) and not watched(layer):
        return lambda x: layer.activation(_convolve(layer, x))
    step: Step = layer.compiled if _recurs(layer) else layer
    return step


def _block(layers: list[Any]) -> tuple[int, _Block | None]:
    """The block that some layers begin with, and how many of them it takes; without a block it is one."""
    first = 1 if _convolves(layers[0]) and layers[0].activation is activations.linear else 0
    relu = first + (1 if len(layers) > first + 1 and _normalizes(*layers[first : first + 2]) else 0)
    if len(layers) < relu + 2 or not _fused(*layers[relu : relu + 2]):
        return 1, None
    if first and (watched(layers[0]) or _convolves(layers[relu])):
        return 1, None
    convolution = layers[0] if first else layers[relu] if _convolves(layers[relu]) else None
    normalization = layers[first] if relu > first else None
    drops = len(layers) > relu + 2 and _drops(layers[relu + 2])
    return relu + 2 + drops, _Block(convolution, normalization, layers[relu + 2] if drops else None)


class _Block:
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
        x = x if layer is None else _convolve(layer, x)
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


def _convolve(layer: Conv2D, x: Tensor) -> Tensor:
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

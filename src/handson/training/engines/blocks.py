"""The engine of nets on a CPU with parts that are one kernel: ReLU with 2x2 max-pooling, and recurrent layers.

In convolutional nets batch normalization, ReLU, max-pooling and dropout are one kernel: a large part of a step moves
data between them. Without batch normalization the numbers are those of the reference to the last bit. An LSTM or a GRU
goes through all its steps in one kernel, whose numbers do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from torch import Tensor

from handson import activations
from handson.layers import GRU, LSTM, Activation, BatchNormalization, Conv2D, Dropout, MaxPooling2D
from handson.layers.dropout import mask_key
from handson.randomness import stream
from handson.training.engines.eager import Eager
from handson.training.job import Job

if TYPE_CHECKING:
    from handson.kernels.pooled_relu import Drop

# A shorter training is over before the kernel is loaded.
FEWEST_BLOCK_STEPS = 20

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
        self._steps = list(_steps(job))

    @staticmethod
    def obstacle(job: Job) -> str | None:
        """Why a job cannot run here, None if it can.

        Examples
        --------
        >>> import handson, torch
        >>> net = handson.Sequential([Conv2D(4, 3, activation="relu"), MaxPooling2D(), handson.layers.Flatten()])
        >>> Blocks.obstacle(Job(net, torch.device("cpu")))
        """
        from handson.models.sequential import Sequential

        if type(job.module) is not Sequential:
            return "a net that is no Sequential"
        if job.device.type != "cpu":
            return f"the device {job.device.type}"
        if job.precision == "bfloat16":
            return "precision='bfloat16'"
        layers = _layers(job)
        if not any(map(_recurs, layers)) and not any(map(_fused, layers, layers[1:])):
            return "a net without ReLU before 2x2 max-pooling and without LSTM or GRU of the usual kind"
        return None

    def forward(self, inputs: Tensor) -> Tensor:
        x = inputs if self._scale_inputs is None else self._scale_inputs.apply(inputs)
        for step in self._steps:
            x = step(x)
        return x


def _layers(job: Job) -> list[Any]:
    return list(job.module.layers)  # type: ignore[arg-type]


def _fused(layer: Any, after: Any) -> bool:
    """Whether a layer ends in a ReLU that goes straight into 2x2 max-pooling."""
    relu = type(layer) in (Conv2D, Activation) and layer.activation is activations.relu
    plain = type(after) is MaxPooling2D and after.pool_size == after.strides == (2, 2) and after.padding == "valid"
    return relu and plain and not (_hooked(layer) or _hooked(after))


def _recurs(layer: Any) -> bool:
    """Whether a layer is a recurrent one of the usual kind."""
    return type(layer) in (LSTM, GRU) and layer.fusable and layer.recurrent_dropout == 0 and not _hooked(layer)


def _normalizes(layer: Any, after: Any) -> bool:
    """Whether a layer is a batch normalization that the kernel can do on its way, before an activation."""
    return (
        type(layer) is BatchNormalization and type(after) is Activation and layer.axis in (-1, 3) and not _hooked(layer)
    )


def _drops(layer: Any) -> bool:
    """Whether a layer is a dropout that the kernel can do on its way."""
    return type(layer) is Dropout and 0 < layer.rate < 1 and layer.noise_shape is None and not _hooked(layer)


def _hooked(layer: Any) -> bool:
    """Whether somebody looks at what goes into the layer or comes out of it."""
    return bool(layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks or layer._backward_pre_hooks)


def _steps(job: Job) -> Iterator[Step]:
    layers = _layers(job)
    while layers:
        first = 1 if len(layers) > 2 and _normalizes(*layers[:2]) else 0
        if not (len(layers) > first + 1 and _fused(*layers[first : first + 2])):
            layer = layers.pop(0)
            yield layer.compiled if _recurs(layer) else layer
            continue
        last = first + 2
        drops = len(layers) > last and _drops(layers[last])
        yield _Block(layers[0] if first else None, layers[first], layers[last] if drops else None)
        del layers[: last + drops]


class _Block:
    """A layer with ReLU and the max-pooling after it; the normalization before and the dropout after, if there are."""

    def __init__(self, normalization: BatchNormalization | None, layer: Any, dropout: Dropout | None) -> None:
        self.convolve: Step | None = layer.convolve if isinstance(layer, Conv2D) else None
        self.normalization, self.dropout = normalization, dropout

    def __call__(self, x: Tensor) -> Tensor:
        from handson.kernels.pooled_relu import PooledRelu

        layer, drop = self.normalization, self._drop()
        if layer is not None and layer.uses_batch:
            return self._normalized(x, layer, drop)
        for before in (layer, self.convolve):
            x = x if before is None else before(x)
        output: Tensor = PooledRelu.apply(x, drop)
        return output

    def _drop(self) -> Drop | None:
        """What is dropped in this step."""
        from handson.kernels.pooled_relu import Drop

        active, layer = stream.current(), self.dropout
        if layer is None or not layer.training or active is None:
            return None
        return Drop(int(mask_key(layer, active)), active.rows, layer.rate)

    def _normalized(self, x: Tensor, layer: BatchNormalization, drop: Drop | None) -> Tensor:
        from handson.kernels.normalized_pool import NormalizedPooledRelu

        output: Tensor
        output, mean, variance = NormalizedPooledRelu.apply(x, layer.gamma, layer.beta, layer.epsilon, drop)
        layer.moving_mean.lerp_(mean, 1.0 - layer.momentum)
        layer.moving_variance.lerp_(variance, 1.0 - layer.momentum)
        return output

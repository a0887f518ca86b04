"""The engine of convolutional nets on a CPU: ReLU, 2x2 max-pooling and dropout run as one kernel, the rest in PyTorch.

A large part of a step of such nets is moving data between the three. The numbers are those of the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor

from handson import activations
from handson.layers import Activation, Conv2D, Dropout, MaxPooling2D
from handson.layers.dropout import mask_key
from handson.randomness import stream
from handson.training.engines.eager import Eager
from handson.training.job import Job

# A shorter training is over before the kernel is loaded.
FEWEST_BLOCK_STEPS = 20

Step = Callable[[Tensor], Tensor]


class Blocks(Eager):
    """Runs a `Sequential` with ReLU, max-pooling and dropout fused where they follow each other.

    Parameters
    ----------
    job : Job
        A job for which `obstacle` finds nothing.
    """

    reason = (
        "engine='blocks': ReLU, max-pooling and dropout of this net run as one kernel, with the same numbers; "
        "engine='eager' does without."
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
        if not any(map(_fused, _layers(job), _layers(job)[1:])):
            return "a net without ReLU before 2x2 max-pooling"
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


def _drops(layer: Any) -> bool:
    """Whether a layer is a dropout that the kernel can do on its way."""
    return type(layer) is Dropout and 0 < layer.rate < 1 and layer.noise_shape is None and not _hooked(layer)


def _hooked(layer: Any) -> bool:
    """Whether somebody looks at what goes into the layer or comes out of it."""
    return bool(layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks or layer._backward_pre_hooks)


def _steps(job: Job) -> Iterator[Step]:
    layers = _layers(job)
    while layers:
        if len(layers) > 1 and _fused(*layers[:2]):
            drops = len(layers) > 2 and _drops(layers[2])
            yield _Block(layers[0], layers[2] if drops else None)
            del layers[: 3 if drops else 2]
        else:
            yield layers.pop(0)


class _Block:
    """A layer with ReLU, the max-pooling after it, and the dropout after that, if there is one."""

    def __init__(self, layer: Any, dropout: Any) -> None:
        self.convolve: Step | None = layer.convolve if isinstance(layer, Conv2D) else None
        self.dropout = dropout

    def __call__(self, x: Tensor) -> Tensor:
        from handson.kernels.pooled_relu import Drop, PooledRelu

        active, dropout, drop = stream.current(), self.dropout, None
        if dropout is not None and dropout.training and active is not None:
            drop = Drop(mask_key(dropout, active), active.rows, dropout.rate)
        x = x if self.convolve is None else self.convolve(x)
        output: Tensor = PooledRelu.apply(x, drop)
        return output

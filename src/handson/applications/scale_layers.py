"""Layers that only nets of this room have.

They are registered with the name of the room in front: programs have layers of these names too.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from handson.core.registry import register
from handson.initializers import Constant
from handson.layers import Layer
from handson.layers.base import Shape


@register(name="applications>LayerScale")
class LayerScale(Layer):
    """Each channel times a weight that begins small.

    Parameters
    ----------
    init_values : float
        What the weights begin with.
    projection_dim : int
        The number of channels.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> import torch
    >>> LayerScale(0.5, 2)(torch.tensor([[2.0, 4.0]])).tolist()
    [[1.0, 2.0]]
    """

    keeps_shape = True

    def __init__(self, init_values: float, projection_dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.init_values, self.projection_dim = init_values, projection_dim

    def build(self, input_shape: Shape) -> None:
        self.gamma = self.add_weight((self.projection_dim,), Constant(self.init_values), name="gamma")

    def call(self, inputs: Tensor) -> Tensor:
        return inputs * self.gamma


@register(name="applications>CustomScaleLayer")
class CustomScaleLayer(Layer):
    """The first of two inputs, and a multiple of the second.

    Parameters
    ----------
    scale : float
        How much of the second.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> import torch
    >>> CustomScaleLayer(0.5)([torch.ones(1, 1), torch.ones(1, 1)]).item()
    1.5
    """

    def __init__(self, scale: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape[0]

    def call(self, inputs: Any) -> Tensor:
        return inputs[0] + inputs[1] * self.scale

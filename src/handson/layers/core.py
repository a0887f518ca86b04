"""Core layers: inputs, dense layers, activations, and changes of shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson import activations
from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.graph import Node, Symbol
from handson.graph.conversion import torch_type
from handson.graph.symbol import remember
from handson.layers.base import Layer, Shape, positive


@register
class InputLayer(Layer):
    """States the shape and the type of an input of a net; passes it on unchanged. `Input` makes one.

    Parameters
    ----------
    shape : tuple of int or None
        Of one sample, without the batch.
    dtype : str, optional
        The type of its values; 'float32' by default.
    batch_size : int, optional
        The number of rows, if it is always the same.
    name : str, optional
        The name of the input.

    Examples
    --------
    >>> InputLayer((28, 28, 1)).given_input_shape
    (None, 28, 28, 1)
    """

    keeps_shape = supports_masking = True

    def __init__(
        self,
        shape: Sequence[int | None] | None = None,
        name: str | None = None,
        dtype: Any = None,
        batch_size: int | None = None,
    ) -> None:
        super().__init__(name=name, input_shape=shape)
        if shape is None:
            raise HandsonError("Input needs the shape of one sample, such as Input((28, 28, 1)).")
        self.entry_type = torch_type(dtype or "float32")
        self.batch_size = None if batch_size is None else positive("Input", "batch_size", batch_size)

    def symbol(self) -> Symbol:
        """The symbol of this input."""
        shape = (self.batch_size, *(self.given_input_shape or (None,))[1:])
        node = Node(self, (), {})
        node.outputs = Symbol(shape, self.entry_type, node, name=self.name)
        remember(node)
        self.built_shape = self.given_input_shape
        return node.outputs

    def call(self, inputs: Any) -> Any:
        return inputs


def Input(
    shape: Sequence[int | None] | None = None,
    batch_size: int | None = None,
    dtype: Any = None,
    name: str | None = None,
    batch_shape: Sequence[int | None] | None = None,
) -> Symbol:
    """An input of a net: a symbol that layers are called on, or the first entry of a `Sequential`.

    Parameters
    ----------
    shape : tuple of int or None
        Of one sample, without the batch; None for a dimension that varies.
    batch_size : int, optional
        The number of rows, if it is always the same.
    dtype : str, optional
        The type of the values; 'float32' by default.
    name : str, optional
        The name of the input, by which data in a dictionary find it.
    batch_shape : tuple of int or None, optional
        `batch_size` and `shape` in one.

    Examples
    --------
    >>> from handson import Model, Sequential
    >>> x = Input((3,))
    >>> Model(x, Dense(4)(x)).count_params(), Sequential([Input((3,)), Dense(4)]).count_params()
    (16, 16)
    """
    if batch_shape is not None:
        if shape is not None or batch_size is not None:
            raise HandsonError("Input takes shape and batch_size, or batch_shape, not both.")
        batch_size, shape = batch_shape[0], tuple(batch_shape[1:])
    return InputLayer(shape, name, dtype, batch_size).symbol()


@register
class Dense(Layer):
    """A fully connected layer: activation(x @ kernel + bias).

    Parameters
    ----------
    units : int
        The number of outputs.
    activation : str or function, optional
        Applied to the outputs; None for none.
    use_bias : bool
        Whether a bias is added.
    kernel_initializer, bias_initializer : str or Initializer
        What the weights start from.
    kernel_regularizer, bias_regularizer : str or Regularizer, optional
        Penalties added to the loss.
    kernel_constraint, bias_constraint : str or Constraint, optional
        What the weights are made to obey after every step, such as 'non_neg' or `MaxNorm(2)`.
    **kwargs
        The arguments of every layer: `name`, `trainable`, `input_shape`, `input_dim`.

    Notes
    -----
    Inputs (n, ..., features) give outputs (n, ..., units): the kernel, of shape (features, units), acts on the last
    axis.

    Examples
    --------
    >>> Dense(2)(torch.zeros(5, 3)).shape
    torch.Size([5, 2])
    """

    floats_only = True

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = positive("Dense", "units", units)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer, self.bias_initializer = kernel_initializer, bias_initializer
        self.kernel_regularizer, self.bias_regularizer = kernel_regularizer, bias_regularizer
        self.kernel_constraint, self.bias_constraint = kernel_constraint, bias_constraint

    def build(self, input_shape: Shape) -> None:
        features = input_shape[-1]
        if len(input_shape) < 2 or features is None:
            raise HandsonError(f"Dense {self.name!r} needs the number of input features; got the shape {input_shape}.")
        self.kernel = self.add_weight(
            (features, self.units),
            self.kernel_initializer,
            "kernel",
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = (
            self.add_weight(
                (self.units,),
                self.bias_initializer,
                "bias",
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
            if self.use_bias
            else None
        )

    def output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)

    def forward(self, x: Tensor) -> Tensor:
        if self.bias is None:
            return self.activation(torch.matmul(x, self.kernel))
        if x.dim() == 2:
            return self.activation(torch.addmm(self.bias, x, self.kernel))
        return self.activation(torch.matmul(x, self.kernel) + self.bias)


@register
class Activation(Layer):
    """Applies an activation function.

    Parameters
    ----------
    activation : str or function
        Its name, or a function from a tensor to one of the same shape.

    Examples
    --------
    >>> Activation("relu")(torch.tensor([[-1.0, 2.0]])).tolist()
    [[0.0, 2.0]]
    """

    floats_only, keeps_shape, supports_masking = True, True, True

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(x)


@register
class Flatten(Layer):
    """Makes one vector of each sample: (n, a, b, c) becomes (n, a * b * c), channels last.

    Parameters
    ----------
    data_format : {'channels_last'}, optional
        The only format; there for code that names it.

    Examples
    --------
    >>> Flatten()(torch.zeros(2, 3, 4)).shape
    torch.Size([2, 12])
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_data_format(type(self).__name__, data_format)

    def output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], _product(input_shape[1:]))

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) if x.dim() > 1 else x[:, None]


@register
class Reshape(Layer):
    """Gives each sample another shape.

    Parameters
    ----------
    target_shape : tuple of int
        Without the batch; one entry may be -1.

    Examples
    --------
    >>> Reshape((2, -1))(torch.zeros(5, 6)).shape
    torch.Size([5, 2, 3])
    """

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        is_list = isinstance(target_shape, (tuple, list))
        if not is_list or not all(isinstance(size, (int, np.integer)) for size in target_shape):
            raise HandsonError(f"target_shape is a tuple of whole numbers, such as (4, -1); got {target_shape!r}.")
        self.target_shape = tuple(int(size) for size in target_shape)
        if sum(size == -1 for size in self.target_shape) > 1 or any(
            size == 0 or size < -1 for size in self.target_shape
        ):
            raise HandsonError(f"target_shape has positive sizes and at most one -1; got {self.target_shape}.")

    def output_shape(self, input_shape: Shape) -> Shape:
        count = _product(input_shape[1:])
        if count is None:
            return (input_shape[0], *(None if size == -1 else size for size in self.target_shape))
        given = math.prod(size for size in self.target_shape if size != -1)
        fits = count % given == 0 if -1 in self.target_shape else count == given
        if not fits:
            raise HandsonError(
                f"Reshape {self.name!r} cannot make {self.target_shape} of {input_shape[1:]}: {count} values a sample."
            )
        return (input_shape[0], *(count // given if size == -1 else size for size in self.target_shape))

    def forward(self, x: Tensor) -> Tensor:
        # With every size worked out: where there are no rows, torch cannot infer one.
        return x.reshape([len(x), *(size or 0 for size in self.output_shape(tuple(x.shape))[1:])])


@register
class Rescaling(Layer):
    """scale * x + offset.

    Parameters
    ----------
    scale : float or sequence of float
        For example 1/255 for images of 8 bits; a sequence has one value for each channel.
    offset : float or sequence of float
        Added after scaling.

    Examples
    --------
    >>> Rescaling(1 / 255)(torch.tensor([[51.0]])).item()
    0.2...
    """

    floats_only, keeps_shape, supports_masking = True, True, True

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale, self.offset = scale, offset

    def build(self, input_shape: Shape) -> None:
        for name in ("scale", "offset"):
            value = torch.as_tensor(getattr(self, name), dtype=torch.float32)
            if value.dim() > 1 or (value.dim() == 1 and value.numel() not in (1, input_shape[-1])):
                raise HandsonError(
                    f"Rescaling {self.name!r}: {name} is one number or one for each of the {input_shape[-1]} channels; "
                    f"got {value.numel()} of them."
                )
            self.register_buffer(f"_{name}", value, persistent=False)

    _scale: Tensor
    _offset: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return x * self._scale + self._offset


def check_data_format(owner: str, data_format: str | None) -> None:
    """Raise unless images are channels-last."""
    if data_format not in (None, "channels_last"):
        raise HandsonError(
            f"{owner}: images are channels-last (n, height, width, channels) in handson; got "
            f"data_format={data_format!r}. Move the channels of an array with numpy.moveaxis(x, 1, -1)."
        )


def _product(sizes: Sequence[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return math.prod(known) if len(known) == len(sizes) else None

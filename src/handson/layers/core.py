"""Core layers: inputs, dense layers, and layers that pass on what they get."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from handson import activations
from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.graph import Node, Symbol
from handson.graph.conversion import TEXT, floatx, torch_type, type_name
from handson.graph.symbol import remember
from handson.layers.base import Layer, Shape, positive
from handson.layers.low_rank import Adapted, LowRank
from handson.regularizers import L1L2


@register
class InputLayer(Layer):
    """States the shape and the type of an input of a net; passes it on unchanged. `Input` makes one.

    Parameters
    ----------
    shape : tuple of int or None
        Of one sample, without the batch.
    batch_size : int, optional
        The number of rows, if it is always the same.
    dtype : str, optional
        The type of its values; 'float32' by default. Of texts 'string': `TextVectorization`, `StringLookup` or
        `Hashing` comes next, and reads them before the net runs.
    sparse, ragged, input_tensor, optional
        Keras's; only None and False.
    batch_shape : tuple of int or None, optional
        `batch_size` and `shape` in one.
    name : str, optional
        The name of the input.
    input_shape, batch_input_shape : tuple of int or None, optional
        What Keras 2 called `shape` and `batch_shape`.

    Examples
    --------
    >>> InputLayer((28, 28, 1)).given_input_shape
    (None, 28, 28, 1)
    """

    keeps_shape = supports_masking = True
    autocast = False
    synonyms: ClassVar[dict[str, str]] = {"input_shape": "shape", "batch_input_shape": "batch_shape"}

    def __init__(
        self,
        shape: Sequence[int | None] | None = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Sequence[int | None] | None = None,
        input_tensor: Any = None,
        optional: bool = False,
        name: str | None = None,
        input_shape: Sequence[int | None] | None = None,
        batch_input_shape: Sequence[int | None] | None = None,
    ) -> None:
        refuse_other_tensors(sparse=sparse, ragged=ragged, tensor=input_tensor, optional=optional)
        shape = input_shape if shape is None else shape
        batch_size, shape = apart(shape, batch_size, batch_input_shape if batch_shape is None else batch_shape)
        super().__init__(name=name, input_shape=shape)
        if shape is None:
            raise HandsonError("Input needs the shape of one sample, such as Input((28, 28, 1)).")
        self.entry_type = floatx() if dtype is None else TEXT if _is_texts(dtype) else torch_type(dtype)
        self.batch_size = None if batch_size is None else positive("Input", "batch_size", batch_size)

    @property
    def dtype(self) -> str:
        """The type of the values."""
        return type_name(self.entry_type)

    @staticmethod
    def kept_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
        """What is remembered: shape and number of rows by their present names."""
        shape = arguments.get("input_shape") if arguments.get("shape") is None else arguments.get("shape")
        whole = arguments.get("batch_shape") or arguments.get("batch_input_shape")
        rows, shape = apart(shape, arguments.get("batch_size"), whole)
        dtype = arguments.get("dtype")
        dtype = None if dtype is None else "string" if _is_texts(dtype) else type_name(dtype)
        return {"shape": shape, "batch_size": rows, "dtype": dtype, "name": arguments.get("name")}

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


def _is_texts(dtype: Any) -> bool:
    """Whether a type is that of texts, by Keras's, Python's or TensorFlow's name."""
    return dtype is str or dtype is TEXT or getattr(dtype, "name", dtype) == "string"


def Input(
    shape: Sequence[int | None] | None = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Sequence[int | None] | None = None,
    name: str | None = None,
    tensor: Any = None,
    optional: bool = False,
) -> Symbol:
    """An input of a net: a symbol that layers are called on, or the first entry of a `Sequential`.

    Parameters
    ----------
    shape : tuple of int or None
        Of one sample, without the batch; None for a dimension that varies.
    batch_size : int, optional
        The number of rows, if it is always the same.
    dtype : str, optional
        The type of the values; 'float32' by default; 'string' for texts.
    batch_shape : tuple of int or None, optional
        `batch_size` and `shape` in one.
    name : str, optional
        The name of the input, by which data in a dictionary find it.
    sparse, ragged, tensor, optional
        Keras's; only None and False.

    Examples
    --------
    >>> from handson import Model, Sequential
    >>> x = Input((3,))
    >>> Model(x, Dense(4)(x)).count_params(), Sequential([Input((3,)), Dense(4)]).count_params()
    (16, 16)
    """
    layer = InputLayer(
        shape, batch_size, dtype, sparse=sparse, ragged=ragged, batch_shape=batch_shape, input_tensor=tensor,
        optional=optional, name=name,
    )  # fmt: skip
    return layer.symbol()


def apart(shape: Any, batch_size: Any, batch_shape: Any) -> tuple[Any, Any]:
    """The number of rows, and the shape of one sample."""
    if batch_shape is None:
        return batch_size, shape
    if shape is not None or batch_size is not None:
        raise HandsonError("Input takes shape and batch_size, or batch_shape, not both.")
    return batch_shape[0], tuple(batch_shape[1:])


def refuse_other_tensors(**given: Any) -> None:
    """Raise where an input is to be of a kind that there is not."""
    for name, value in given.items():
        if value is not None and value is not False:
            raise HandsonError(
                f"Input has no {name}={value!r}: inputs are dense tensors, and all are given. Make sparse or ragged "
                f"data dense first: pad sequences, and mask what was padded."
            )


@register
class Dense(LowRank):
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
    activity_regularizer : str or Regularizer, optional
        A penalty on the outputs, divided by the number of rows.
    kernel_constraint, bias_constraint : str or Constraint, optional
        What the weights are made to obey after every step, such as 'non_neg' or `MaxNorm(2)`.
    **kwargs
        `lora_rank` and `lora_alpha`, as of `enable_lora`; the arguments of every layer: `name`, `trainable`,
        `input_shape`, `input_dim`.

    Notes
    -----
    Inputs (n, ..., features) give outputs (n, ..., units): the kernel, of shape (features, units), acts on the last
    axis.

    Examples
    --------
    >>> Dense(2)(torch.zeros(5, 3)).shape
    torch.Size([5, 2])
    """

    floats_only, supports_masking = True, True
    kernel = Adapted()

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
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
        weights = self._parameters  # torch looks attributes up last of all, which takes a tenth of a small layer's time
        kernel, bias = weights.get("kernel"), weights.get("bias")
        if self.lora_enabled or kernel is None or (bias is None and self.use_bias):
            kernel, bias = self.kernel, self.bias  # with a product, or what a parametrization of torch put there
        if bias is None:
            return self.activation(torch.matmul(x, kernel))
        if x.dim() == 2:
            return self.activation(torch.addmm(bias, x, kernel))
        return self.activation(torch.matmul(x, kernel) + bias)


@register
class Identity(Layer):
    """Passes on what it gets, as a placeholder.

    Parameters
    ----------
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> Identity()(torch.tensor([1, 2])).tolist()
    [1, 2]
    """

    keeps_shape, supports_masking = True, True

    def call(self, inputs: Any) -> Any:
        return inputs


@register
class ActivityRegularization(Layer):
    """Passes on what it gets, and adds a penalty on it to the loss.

    The penalty is ``l1 * sum(abs(x)) + l2 * sum(x ** 2)``, divided by the number of rows of the batch.

    Parameters
    ----------
    l1, l2 : float
        The factors.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> layer = ActivityRegularization(l1=0.5)
    >>> y = layer(torch.tensor([[1.0, -2.0], [3.0, 0.0]]))
    >>> layer.losses
    [tensor(1.5000)]
    """

    keeps_shape, supports_masking = True, True

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs | {"activity_regularizer": L1L2(l1=l1, l2=l2)})
        if kwargs.get("activity_regularizer") is not None:
            raise HandsonError(
                "ActivityRegularization takes l1 and l2; an activity_regularizer belongs to other layers."
            )
        self.l1, self.l2 = l1, l2

    def call(self, inputs: Any) -> Any:
        return inputs


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
            value = torch.as_tensor(getattr(self, name), dtype=self.input_type)
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

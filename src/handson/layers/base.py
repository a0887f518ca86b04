"""What all layers share: a name, weights in Keras's order and layouts, shapes, and their configuration."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from handson import initializers, registry, regularizers
from handson.described import Described, arguments_of, parameters_of
from handson.errors import HandsonError, NotBuiltError
from handson.layers.blank import blank
from handson.randomness.keys import derive, fresh_seed

Shape = tuple[int | None, ...]


class Layer(nn.Module, metaclass=Described):
    """The base of all layers: a `torch.nn.Module` that builds its weights when it sees its first input shape.

    A layer of your own defines `build(input_shape)`, which makes weights with `add_weight`, `output_shape(input_shape)`
    and `forward(x)`. Shapes are tuples with None for the batch; images are channels-last.

    Parameters
    ----------
    name : str, optional
        The layer's name; a net names layers without one as Keras does: 'dense', 'dense_1' and so on.
    trainable : bool
        False freezes the weights; it can be changed at any time as the attribute `trainable`.
    input_shape : tuple of int, optional
        The shape of one sample, for the first layer of a net.
    input_dim : int, optional
        The number of features of one sample: short for ``input_shape=(input_dim,)``.
    dtype : str, optional
        Only 'float32'.

    Examples
    --------
    >>> import handson
    >>> @handson.register
    ... class Scale(Layer):
    ...     def build(self, input_shape):
    ...         self.factor = self.add_weight((input_shape[-1],), "ones", name="factor")
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> handson.Sequential([Scale(input_dim=3)]).count_params()
    3
    """

    kind = "layer"
    _arguments: dict[str, Any]

    def __init__(
        self,
        name: str | None = None,
        trainable: bool = True,
        input_shape: Sequence[int | None] | None = None,
        input_dim: int | None = None,
        dtype: str | None = None,
    ) -> None:
        super().__init__()
        if dtype not in (None, "float32", torch.float32):
            raise HandsonError(f"layers compute in float32; got dtype={dtype!r}.")
        self.given_name = name
        self.name = check_name(name) if name is not None else registry.snake_case(type(self).__name__)
        self.given_input_shape = _given_shape(input_shape, input_dim)
        self.built_shape: Shape | None = None
        self.weight_names: list[str] = []
        self.weight_regularizers: dict[str, Callable[[Tensor], Tensor]] = {}
        self._initializers: dict[str, Any] = {}
        self._trainable = bool(trainable)
        self._key: int | None = None

    @property
    def built(self) -> bool:
        """Whether the weights exist."""
        return self.built_shape is not None

    def build(self, input_shape: Shape) -> None:
        """Make the weights for an input shape; layers without weights need not define it."""

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the output for the shape of an input; by default the same."""
        return input_shape

    def ensure_built(self, input_shape: Sequence[int | None], key: int | None = None) -> None:
        """Build the layer unless that has happened; check the shape if it has.

        Parameters
        ----------
        input_shape : tuple of int or None
            The shape of a batch, None for dimensions that vary.
        key : int, optional
            The key of the initial weights; by default a fresh one.
        """
        shape = (None, *tuple(input_shape)[1:])
        if self.built_shape is None:
            self._key = derive(fresh_seed(), self.name) if key is None else key
            self.build(shape)
            self.built_shape = shape
            self.trainable = self._trainable
        elif self.weight_names and not compatible(self.built_shape, shape):
            raise HandsonError(
                f"layer {self.name!r} was built for inputs of shape {self.built_shape} and cannot take {shape}."
            )

    def add_weight(
        self,
        shape: Sequence[int],
        initializer: Any = "glorot_uniform",
        name: str = "weight",
        trainable: bool = True,
        regularizer: Any = None,
    ) -> Any:
        """Make a weight, register it under its name, and return it.

        Parameters
        ----------
        shape : tuple of int
            The shape, in Keras's layout.
        initializer : str, Initializer or function
            What it starts from.
        name : str
            The attribute and the name in files.
        trainable : bool
            False for a buffer, which no optimizer changes.
        regularizer : str, Regularizer or function, optional
            A penalty on this weight.
        """
        self.weight_names.append(name)
        value = self._draw(name, tuple(shape), initializer)
        if trainable:
            setattr(self, name, nn.Parameter(value))
        else:
            self.register_buffer(name, value)
        if regularizer is not None:
            self.weight_regularizers[name] = regularizers.get(regularizer)  # type: ignore[assignment]
        self._initializers[name] = initializer
        return getattr(self, name)

    def _draw(self, name: str, shape: tuple[int, ...], initializer: Any) -> Tensor:
        if self._key is None:
            raise NotBuiltError(f"layer {self.name!r}: add_weight is called in build(), which ensure_built calls.")
        initializers.get(initializer)  # an unknown name is an error also where a file fills the weight
        zeros = blank(name, shape)
        if zeros is not None:
            return zeros
        value = initializers.call(initializer, shape, derive(self._key, name))
        value = torch.as_tensor(value, dtype=torch.float32)
        if tuple(value.shape) != shape:
            raise HandsonError(
                f"layer {self.name!r}: the initializer of {name} must give the shape {shape}; got {tuple(value.shape)}."
            )
        return value

    def redraw(self, key: int) -> None:
        """Draw the initial weights again, from another key."""
        self._key = key
        with torch.no_grad():
            for name in self.weight_names:
                weight = getattr(self, name)
                weight.copy_(self._draw(name, tuple(weight.shape), self._initializers[name]))

    @property
    def trainable(self) -> bool:
        """Whether the optimizer changes the weights; can be set at any time, no recompiling needed."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        for parameter in self.parameters():
            parameter.requires_grad_(self._trainable)

    @property
    def weights(self) -> list[Tensor]:
        """The weights in Keras's order and layouts: trainable ones first."""
        tensors = [getattr(self, name) for name in self.weight_names]
        return sorted(tensors, key=lambda tensor: not isinstance(tensor, nn.Parameter))

    def get_weights(self) -> list[np.ndarray]:
        """Copies of the weights as NumPy arrays, in Keras's order and layouts."""
        return [weight.detach().cpu().numpy().copy() for weight in self.weights]

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Set the weights from arrays in the order and layouts of `get_weights`.

        Raises
        ------
        HandsonError
            When the number of arrays or a shape is not that of the layer; nothing is changed then.
        """
        assign(self.name, self.weights, weights)

    def count_params(self) -> int:
        """The number of values in all weights."""
        if not self.built:
            raise NotBuiltError(f"layer {self.name!r} is not built yet: its input shape is not known.")
        return sum(math.prod(weight.shape) for weight in self.weights)

    def penalties(self) -> Iterator[Tensor]:
        """The scalar penalties of the layer's regularizers."""
        for name, regularizer in self.weight_regularizers.items():
            yield regularizer(getattr(self, name))

    def get_config(self, compact: bool = False) -> dict[str, Any]:
        """The arguments that make this layer again, as JSON; with the name it has now."""
        config = arguments_of(self, compact)
        config |= {} if compact else {"name": self.name}
        if self._trainable != self._arguments.get("trainable", self._trainable):
            config["trainable"] = self._trainable
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Layer:
        """Build the layer from what `get_config` gave."""
        return cls(**config)

    def expect_rank(self, input_shape: Shape, rank: int, meaning: str) -> None:
        """Raise unless the input has `rank` dimensions; `meaning` names them."""
        if len(input_shape) != rank:
            hint = ""
            if rank == len(input_shape) + 1 and rank >= 4:
                hint = " Grey images need a channel axis: x[..., None]."
            elif rank == 2:
                hint = " Put a Flatten() or a global pooling layer before it."
            raise HandsonError(
                f"{type(self).__name__} {self.name!r} takes inputs of shape {meaning}; got {input_shape}.{hint}"
            )

    def extra_repr(self) -> str:
        config = {key: value for key, value in self._arguments.items() if key != "dtype"}
        defaults = {key: parameter.default for key, parameter in parameters_of(type(self)).items()}
        return ", ".join(f"{key}={value!r}" for key, value in config.items() if value is not defaults[key])

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.built_shape is None and args:
            self.ensure_built(args[0].shape)
            self.to(args[0].device)
        return super().__call__(*args, **kwargs)


def assign(owner: str, weights: Sequence[Tensor], values: Sequence[np.ndarray]) -> None:
    """Copy arrays into weights, after every shape has been checked."""
    if len(values) != len(weights):
        raise HandsonError(f"{owner!r} has {len(weights)} weights; got {len(values)} arrays.")
    for position, (weight, value) in enumerate(zip(weights, values, strict=True)):
        if tuple(weight.shape) != np.shape(value):
            raise HandsonError(
                f"weight {position} of {owner!r} has shape {tuple(weight.shape)}; got an array of {np.shape(value)}."
            )
    with torch.no_grad():
        for weight, value in zip(weights, values, strict=True):
            weight.copy_(torch.as_tensor(np.asarray(value)))


def compatible(expected: Sequence[int | None], got: Sequence[int | None]) -> bool:
    """Whether a shape fits one with None for dimensions that vary."""
    return len(expected) == len(got) and all(
        a is None or b is None or a == b for a, b in zip(expected, got, strict=True)
    )


def check_name(name: str) -> str:
    """The name, if it can be one: letters, digits, '_' and '-', at most 128 of them, not starting with a digit."""
    allowed = isinstance(name, str) and 0 < len(name) <= 128 and name.isascii()
    if not allowed or not (name[0].isalpha() or name[0] == "_") or not name.replace("-", "_").isidentifier():
        raise HandsonError(
            f"a layer's name is made of letters, digits, '_' and '-', starts with a letter or '_' and has at most "
            f"128 characters; got {name!r}."
        )
    return name


def _given_shape(input_shape: Sequence[int | None] | None, input_dim: int | None) -> Shape | None:
    if input_dim is not None:
        if input_shape is not None:
            raise HandsonError("give input_shape or input_dim, not both.")
        input_shape = (input_dim,)
    if input_shape is None:
        return None
    if isinstance(input_shape, int):
        raise HandsonError(f"input_shape is a tuple, such as ({input_shape},); got {input_shape}.")
    for size in input_shape:
        if size is not None and (not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size < 1):
            raise HandsonError(
                f"the sizes of input_shape are positive whole numbers or None; got {tuple(input_shape)}."
            )
    return (None, *(None if size is None else int(size) for size in input_shape))


def positive(owner: str, argument: str, value: Any) -> int:
    """The value as a positive integer, or an error that names the argument."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise HandsonError(f"{owner}: {argument} must be a positive whole number; got {value!r}.")
    return int(value)


def pair(owner: str, argument: str, value: Any) -> tuple[int, int]:
    """A number or two of them as two positive integers."""
    values = (value, value) if not isinstance(value, (tuple, list)) else tuple(value)
    if len(values) != 2:
        raise HandsonError(f"{owner}: {argument} is one whole number or two (height, width); got {value!r}.")
    return positive(owner, argument, values[0]), positive(owner, argument, values[1])


def fraction(owner: str, argument: str, value: Any) -> float:
    """A fraction in [0, 1], or an error that names the argument."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 0 <= value <= 1:
        raise HandsonError(f"{owner}: {argument} is a fraction between 0 and 1; got {value!r}.")
    return float(value)

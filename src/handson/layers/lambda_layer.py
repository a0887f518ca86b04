"""Functions as layers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from handson.core import registry
from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.graph.in_place import called
from handson.layers.base import Layer
from handson.layers.shapes import Shapes, is_shape, map_shapes

# Where the name of a function is looked up, in this order.
KINDS = ("function", "op", "activation")


@register
class Lambda(Layer):
    """Applies a function of tensors.

    Parameters
    ----------
    function : function
        Called with the inputs, a tensor or a list or dictionary of them; it may ask for `mask` and `training`.
    output_shape : tuple of int or function, optional
        The shape of one sample of the outputs, or a function from the shape of the inputs to that of the outputs, batch
        included. By default it is found by running the function on zeros.
    mask : Tensor or function, optional
        The mask of the outputs, or a function of (inputs, mask) that gives it. By default there is none.
    arguments : dict, optional
        Further arguments of the function.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    Files hold no code: a net can be saved if the function is one of `handson.ops`, an activation, or registered with
    ``@handson.register(kind="function")``. Keras writes the bytecode of the function into the file, and runs it.

    Examples
    --------
    >>> import torch
    >>> Lambda(lambda x, power: x**power, arguments={"power": 2})(torch.tensor([3.0])).tolist()
    [9.0]
    >>> Lambda(lambda pair: pair[0] - pair[1])([torch.ones(2), torch.ones(2)]).tolist()
    [0.0, 0.0]
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.function = found(function)
        self._shape = found(output_shape) if isinstance(output_shape, str) else output_shape
        self.mask = found(mask) if isinstance(mask, str) else mask
        self.supports_masking = self.makes_masks = mask is not None
        self.arguments = dict(arguments or {})
        self._wanted = _asked_for(self.function)

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        more = {"mask": mask, "training": training}
        return called(self.function, inputs, **self.arguments, **{name: more[name] for name in self._wanted})

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the outputs."""
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def _stated(self) -> Any:
        return None if self._shape is None else self.compute_output_shape

    def compute_output_shape(self, input_shape: Shapes) -> Shapes:
        """The shape of the outputs for the shape of the inputs."""
        if self._shape is None:
            return self.shape_after(input_shape)
        if callable(self._shape):
            return self._shape(input_shape)
        first = next(iter(_shapes(input_shape)), (None,))
        return map_shapes(lambda shape: (first[0], *shape), self._shape)

    def get_config(self, compact: bool = False) -> dict[str, Any]:
        """The arguments of the layer, functions by their registered names."""
        functions = {"function": self.function, "output_shape": self._shape, "mask": self.mask}
        named = {key: self._name_of(key, function) for key, function in functions.items() if callable(function)}
        return super().get_config(compact) | named

    def _name_of(self, argument: str, function: Any) -> str:
        """The name by which a file finds a function again."""
        known = [(kind, name) for kind, name in registry.names_of(function) if kind in KINDS]
        names = [*(name for _, name in known), *(f"{kind}.{name}" for kind, name in known)]
        name = next((name for name in names if found(name) is function), None)
        if name is None:
            label = getattr(function, "__qualname__", function)
            raise HandsonError(
                f"Lambda {self.name!r}: the {argument} {label!r} has no name that a file could call it by, and files "
                f"hold no code. Decorate it with "
                f'@handson.register(kind="function"), and import that module before loading; or write a Layer.'
            )
        return name


def found(function: Any) -> Any:
    """A function, also by the name that it is registered under: 'square', or with the kind, 'activation.tanh'."""
    if isinstance(function, str):
        kind, _, name = function.partition(".")
        if kind in KINDS and name:
            return registry.find(kind, name)
        kind = next((kind for kind in KINDS if registry.is_known(kind, function)), "function")
        return registry.find(kind, function)
    if not callable(function):
        raise HandsonError(f"Lambda takes a function of tensors, such as lambda x: x ** 2; got {function!r}.")
    return function


def _asked_for(function: Any) -> list[str]:
    """Which of `mask` and `training` a function takes."""
    try:
        known = inspect.signature(function).parameters
    except (TypeError, ValueError):  # functions written in C say nothing
        return []
    return [name for name in ("mask", "training") if name in known]


def _shapes(shapes: Shapes) -> list[Any]:
    if is_shape(shapes):
        return [shapes]
    return [shape for branch in (shapes.values() if isinstance(shapes, dict) else shapes) for shape in _shapes(branch)]

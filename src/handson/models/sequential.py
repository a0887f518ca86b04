"""`Sequential`: a stack of layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from handson import registry
from handson.data.mapped import Data
from handson.errors import HandsonError, NotBuiltError, listing
from handson.layers.base import Layer, Shape, check_name, compatible
from handson.layers.foreign import TorchModuleWrapper
from handson.models.device import default_device
from handson.models.model import Model
from handson.randomness.keys import derive, fresh_seed
from handson.summary import Row
from handson.training.state import named_weights

# Deeper nets are no stack of layers that anybody writes, and a file must not take minutes to build.
MOST_LAYERS = 500


@registry.register
class Sequential(Model):
    """A stack of layers.

    Parameters
    ----------
    layers : list of Layer or torch.nn.Module, optional
        In the order in which they are applied; more can be added with `add`.
    name : str, optional
        A name.
    seed : int, optional
        The seed of initial weights, shuffling, dropout and augmentation. None: a fresh one.

    Notes
    -----
    The net is built when the shape of its inputs is known: from `input_shape` or `input_dim` of the first layer, from
    an `Input`, or from the first data.

    Examples
    --------
    >>> from handson.layers import Dense
    >>> net = Sequential([Dense(4, activation="relu", input_dim=3), Dense(1)])
    >>> [layer.name for layer in net.layers], net.count_params()
    (['dense', 'dense_1'], 21)
    """

    def __init__(self, layers: Iterable[Any] | None = None, name: str | None = None, seed: int | None = None) -> None:
        super().__init__(name=name, seed=seed)
        self.input_shape: Shape | None = None
        if isinstance(layers, nn.Module):
            raise HandsonError("Sequential takes a list of layers; a whole module: Model(module).")
        for layer in layers or []:
            self.add(layer)

    @property
    def _stack(self) -> Iterable[Any]:
        return self._modules.values()

    @property
    def layers(self) -> list[Any]:
        """The layers, in order, without the input."""
        return [layer for layer in self._stack if type(layer).__name__ != "InputLayer"]

    @property
    def built(self) -> bool:
        """Whether the weights exist."""
        return self._output_shape is not None

    def add(self, layer: Any) -> None:
        """Put a layer on top.

        Raises
        ------
        HandsonError
            When the layer is in the net already, its name is taken, or the shape below does not fit it.
        """
        if isinstance(layer, type) and issubclass(layer, nn.Module):
            raise HandsonError(f"add takes a layer, not its class: write {layer.__name__}(...).")
        if not isinstance(layer, Layer):
            layer = TorchModuleWrapper(layer)
        if any(layer is other for other in self._stack):
            raise HandsonError(f"the layer {layer.name!r} is in this net already: make another one of its kind.")
        if layer.given_name is None:
            layer.name = self._free_name(layer.name)
        if len(self._modules) == MOST_LAYERS:
            raise HandsonError(f"a Sequential has at most {MOST_LAYERS:,} layers.")
        if layer.name in self._modules:
            raise HandsonError(f"the name {layer.name!r} is taken by another layer of this net.")
        below = self._output_shape
        if below is not None:
            self._build_layer(layer, below, self.device)
        self._modules[check_name(layer.name)] = layer
        first = len(self._modules) == 1
        if below is not None:
            self._set_output_shape(layer.output_shape(below))
            self._remember_fresh()
        elif first and layer.given_input_shape is not None:
            self.build(layer.given_input_shape)

    def pop(self) -> Any:
        """Take the last layer off, and return it."""
        if not self.layers:
            raise HandsonError("there is no layer to take off.")
        layer = self._modules.pop(self.layers[-1].name)
        if self.input_shape is not None:
            self._set_output_shape(self._shapes()[-1])
        return layer

    def _free_name(self, stem: str) -> str:
        """As in Keras: the first layer of a kind has its name alone, the second '_1'; counted for each net."""
        names = (f"{stem}_{number}" if number else stem for number in range(len(self._modules) + 1))
        return next(name for name in names if name not in self._modules)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Make the weights of all layers for inputs of a shape, None for the batch."""
        if not self._modules:
            raise HandsonError("the net has no layers: add some before it is built.")
        self.seed = fresh_seed() if self.seed is None else self.seed
        shape: Shape = (None, *tuple(input_shape)[1:])
        self.input_shape = shape
        device = self.device
        for layer in self._stack:
            self._build_layer(layer, shape, device)
            shape = layer.output_shape(shape)
        self._set_output_shape(shape)
        self._remember_fresh()

    def _build_layer(self, layer: Any, shape: Shape, device: torch.device) -> None:
        layer.ensure_built(shape, derive(self.seed or 0, "weights", layer.name))
        layer.to(device)

    def _remember_fresh(self) -> None:
        self._fresh = {name: (id(weight), weight._version) for name, weight in named_weights(self).items()}

    def redraw(self, seed: int) -> None:
        """Draw the initial weights again, from another seed."""
        self.seed = seed
        for layer in self._stack:
            layer.redraw(derive(seed, "weights", layer.name))
        self._remember_fresh()

    def ensure_built(self, inputs: Data) -> None:
        """Build the net for inputs of this shape, or check that it can take them; bring it to its device."""
        if self.input_shape is None:
            self.build(tuple(inputs.shape))
        elif not compatible(self.input_shape, (None, *inputs.shape[1:])):
            hint = ""
            if compatible(self.input_shape, (None, *inputs.shape[1:], 1)):
                hint = " Images need a channel axis: pass x[..., None]."
            raise HandsonError(
                f"the net takes inputs of shape {self.input_shape}; got {(None, *inputs.shape[1:])}, where None is "
                f"the number of rows.{hint}"
            )
        untouched = self.untouched()
        self.to(default_device())
        if untouched:
            self._remember_fresh()

    def forward(self, x: Tensor) -> Tensor:
        for layer in self._stack:
            x = layer(x)
        return x

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._output_shape is None and args:
            self.ensure_built(args[0])
        return super().__call__(*args, **kwargs)

    def _named_layers(self) -> Iterable[tuple[str, Any]]:
        return self._modules.items()

    def _need_built(self) -> None:
        if not self.built:
            raise NotBuiltError(
                "the net is not built yet: give its first layer input_shape=..., start with Input(...), or fit it."
            )

    @property
    def weights(self) -> list[Tensor]:
        """All weights, layer by layer, in Keras's order and layouts."""
        self._need_built()
        return [weight for layer in self.layers for weight in layer.weights]

    def _shapes(self) -> list[Shape]:
        shapes = [self.input_shape or ()]
        for layer in self._stack:
            shapes.append(layer.output_shape(shapes[-1]))
        return shapes

    def _summary_rows(self) -> list[Row]:
        self._need_built()
        shapes = dict(zip(self._modules, self._shapes()[1:], strict=True))
        return [
            Row(
                layer.name,
                type(getattr(layer, "module", layer)).__name__,
                str(shapes[layer.name]),
                layer.count_params(),
            )
            for layer in self.layers
        ]

    def get_config(self, compact: bool = False) -> dict[str, Any]:
        """The layers as JSON."""
        layers = [registry.to_config("layer", layer, compact) for layer in self._stack]
        return {"name": self.name, "layers": layers}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Sequential:
        """A net from what `get_config` gave."""
        unknown = config.keys() - {"name", "layers"}
        if unknown or not isinstance(config.get("layers"), list):
            raise HandsonError(f"a Sequential is described by 'name' and a list of 'layers'; got {listing(config)}.")
        return cls((registry.from_config("layer", layer) for layer in config["layers"]), name=config.get("name"))

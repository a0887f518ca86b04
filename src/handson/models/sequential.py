"""`Sequential`: a stack of layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from handson.core import registry
from handson.core.errors import HandsonError, NotBuiltError, listing
from handson.core.summary import Row
from handson.data.rows.mapped import Data
from handson.layers import ownership
from handson.layers.base import Layer, Shape, check_name, compatible
from handson.layers.blank import is_filling
from handson.layers.foreign import TorchModuleWrapper
from handson.models.model import Model
from handson.randomness.keys import fresh_seed

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
        if not isinstance(layer, (Layer, Sequential)):
            layer = TorchModuleWrapper(layer)
        if any(part is self for part in layer.modules()):
            raise HandsonError(f"the net {self.name!r} cannot be a layer of itself.")
        if any(layer is other for other in self._stack):
            raise HandsonError(f"the layer {layer.name!r} is in this net already: make another one of its kind.")
        if self._count() + (layer._count() if isinstance(layer, Sequential) else 1) > MOST_LAYERS:
            raise HandsonError(f"a Sequential has at most {MOST_LAYERS:,} layers, those of nets in it included.")
        name, below = self._name_for(layer), self._output_shape
        if below is not None:
            self._build_parts([(name, layer)], below)
        self._modules[name] = layer
        if not layer.named:
            layer.name, layer.named = name, True
        if below is not None:
            self._set_output_shape(layer.shape_after(below))
        elif len(self._modules) == 1 and layer.given_input_shape is not None:
            self.build(layer.given_input_shape)

    def _count(self) -> int:
        """How many layers there are, those of nets in it included."""
        return sum(part._count() if isinstance(part, Sequential) else 1 for part in self._stack)

    def _name_for(self, layer: Any) -> str:
        """The name of a layer in this net: its own, or another where an automatic name is taken."""
        if not layer.named or (layer.given_name is None and layer.name in self._modules):
            return self._free_name(layer.stem)
        if layer.name in self._modules:
            raise HandsonError(f"the name {layer.name!r} is taken by another layer of this net.")
        return check_name(layer.name)

    def pop(self) -> Any:
        """Take the last layer off, and return it."""
        if not self.layers:
            raise HandsonError("there is no layer to take off.")
        top = self.layers[-1]
        self._modules.pop(next(name for name, layer in self._modules.items() if layer is top))
        if self.input_shape is not None:
            self._set_output_shape(self._shapes()[-1])
        return top

    def _free_name(self, stem: str) -> str:
        """As in Keras: the first layer of a kind has its name alone, the second '_1'; counted for each net."""
        names = (f"{stem}_{number}" if number else stem for number in range(len(self._modules) + 1))
        return next(name for name in names if name not in self._modules)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Make the weights of all layers for inputs of a shape, None for the batch."""
        if not self._modules:
            raise HandsonError("the net has no layers: add some before it is built.")
        self.input_shape = (None, *tuple(input_shape)[1:])
        self._set_output_shape(self._build_parts(list(self._modules.items()), self.input_shape))

    def _build_parts(self, parts: list[tuple[str, Any]], shape: Shape) -> Shape:
        """Build some layers, one after another, from the net's seed; the shape of what comes out of the last."""
        self.seed = fresh_seed() if self.seed is None else self.seed
        ownership.claim(self, parts)
        return self._build_each(parts, shape, self.device)

    @staticmethod
    def _build_each(parts: list[tuple[str, Any]], shape: Shape, device: torch.device) -> Shape:
        for _, part in parts:
            part.build_in(shape, device)
            shape = part.shape_after(shape)
        return shape

    # What a net asks of its parts.

    @property
    def given_input_shape(self) -> Shape | None:
        """The shape of the inputs, where it is known."""
        return self.input_shape

    def build_in(self, shape: Shape, device: torch.device) -> None:
        """Be built as a part of another net: from that net's seed, unless this one was given its own."""
        if self.input_shape is None:
            if not self._modules:
                raise HandsonError(f"the net {self.name!r} has no layers: add some before it is built.")
            if self.seed_given:
                ownership.claim(self, self._named_layers())
            self._set_output_shape(self._build_each(list(self._modules.items()), shape, device))
            self.input_shape = shape
        elif not compatible(self.input_shape, shape):
            raise HandsonError(
                f"the net {self.name!r} was built for inputs of shape {self.input_shape} and cannot take {shape}."
            )
        if not is_filling():
            self.to(device)

    def shape_after(self, input_shape: Shape) -> Shape:
        """The shape of the outputs for the shape of the inputs."""
        for part in self._stack:
            input_shape = part.shape_after(input_shape)
        return input_shape

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
        if any(isinstance(part, Sequential) for part in self._stack):  # which may have changed
            self._set_output_shape(self._shapes()[-1])
        self.place()
        self._tell_paths()

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
            shapes.append(layer.shape_after(shapes[-1]))
        return shapes

    def _summary_rows(self) -> list[Row]:
        self._need_built()
        return self._rows(self.input_shape or (), "")

    def _rows(self, shape: Shape, indent: str) -> list[Row]:
        """A row for each layer; those of a net among them follow its own, indented."""
        rows = []
        for name, layer in self._named_layers():
            after = layer.shape_after(shape)
            if type(layer).__name__ != "InputLayer":
                kind = type(getattr(layer, "module", layer)).__name__
                rows.append(Row(f"{indent}{name}", kind, str(after), layer.count_params()))
            if isinstance(layer, Sequential):
                rows += layer._rows(shape, f"{indent}  ")
            shape = after
        return rows

    def get_config(self, compact: bool = False) -> dict[str, Any]:
        """The layers as JSON."""
        return {
            "name": self.name,
            "layers": [self._described(name, part, compact) for name, part in self._modules.items()],
        }

    def _described(self, name: str, part: Any, compact: bool) -> Any:
        """A part as JSON, under the name it has in this net."""
        described = registry.to_config(part.kind, part, compact)
        if not compact:
            described["config"]["name"] = name
        return described

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Sequential:
        """A net from what `get_config` gave."""
        unknown = config.keys() - {"name", "layers"}
        if unknown or not isinstance(config.get("layers"), list):
            raise HandsonError(f"a Sequential is described by 'name' and a list of 'layers'; got {listing(config)}.")
        return cls(
            (registry.from_config(_kind_of(layer), layer) for layer in config["layers"]), name=config.get("name")
        )


def _kind_of(described: Any) -> str:
    """What a description in a list of layers is of: a layer, or a net."""
    name = described.get("class") if isinstance(described, dict) else None
    is_net = isinstance(name, str) and registry.is_known("model", name) and not registry.is_known("layer", name)
    return "model" if is_net else "layer"

"""`Sequential`: a stack of layers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from handson.core import registry, tree
from handson.core.errors import HandsonError, NotBuiltError, listing
from handson.core.sharing import built_whole, described_whole
from handson.graph import Graph, Symbol
from handson.graph.conversion import TEXT
from handson.graph.symbol import forget
from handson.layers import ownership
from handson.layers.base import Layer
from handson.layers.calling import Called, shapes_of
from handson.layers.core import InputLayer
from handson.layers.foreign import TorchModuleWrapper
from handson.layers.renaming import hold
from handson.layers.shapes import Shapes, batched, is_shape
from handson.models import naming
from handson.models.layer_list import LayerList
from handson.models.leaves import wants_integers
from handson.models.model import Model, from_keras
from handson.randomness.keys import fresh_seed
from handson.state.in_training import check_unused

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
    trainable : bool
        False freezes all weights.

    Notes
    -----
    The net is built when the shape of its inputs is known: from `input_shape` or `input_dim` of the first layer, from
    an `Input`, or from the first data. From then on it is a graph, and `layer.output` is a symbol.

    Examples
    --------
    >>> from handson.layers import Dense
    >>> net = Sequential([Dense(4, activation="relu", input_dim=3), Dense(1)])
    >>> [layer.name for layer in net.layers], net.count_params()
    (['dense', 'dense_1'], 21)
    """

    def __init__(
        self,
        layers: Iterable[Any] | None = None,
        name: str | None = None,
        seed: int | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(name=name, seed=seed)
        # The input, and what each layer gives, once the net is built.
        self._symbols: list[Any] = []
        if isinstance(layers, nn.Module):
            raise HandsonError("Sequential takes a list of layers; a whole module: Model(module).")
        for layer in layers or []:
            self.add(layer)
        if not trainable:
            self.trainable = False

    @property
    def _stack(self) -> list[Any]:
        """What is applied to numbers: all but the layer that reads texts, and their input."""
        parts = list(self._modules.values())
        return parts if self._reader is None else [part for part in parts if not self._is_read(part)]

    def _is_read(self, part: Any) -> bool:
        """Whether texts go into a part, and numbers come out of it."""
        return part is self._reader or _is_of_texts(part)

    @property
    def layers(self) -> list[Any]:
        """The layers, in order, without the input."""
        return LayerList(layer for layer in self._modules.values() if not isinstance(layer, InputLayer))

    @property
    def _first(self) -> list[Any]:
        """The layer that the numbers go into, if there is one."""
        return [layer for layer in self._stack if not isinstance(layer, InputLayer)][:1]

    def integer_inputs(self, count: int) -> list[bool]:
        """Of the input, whether whole numbers are given to the net as they are: they are ids."""
        net = self._net_first
        return [wants_integers(layer) for layer in self._first] or [False] if net is None else net.integer_inputs(count)

    def takers(self, number: int) -> list[Any]:
        """The layer that the input goes into."""
        net = self._net_first
        return self._first if net is None else net.takers(number)

    @property
    def _net_first(self) -> Model | None:
        """The net that several inputs go into, if one is the first part."""
        several = self.built_shape is not None and not is_shape(self.built_shape)
        return next((part for part in self._first if several and isinstance(part, Model)), None)

    @property
    def is_stack(self) -> bool:
        """A stack takes one input."""
        return True

    @property
    def graph(self) -> Graph | None:
        """The graph of the layers; None before the net is built."""
        if self._graph is None and self._traced:
            self._graph = Graph(self._traced[0], self._traced[-1])
        return self._graph

    @property
    def _traced(self) -> list[Any]:
        """The symbols, which copies and pickles of a net do not hold; none before it is built."""
        if not self._symbols and self.built_shape is not None:
            self._trace(self.built_shape)
        return self._symbols

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_symbols": [], "_graph": None}

    def plain_graph(self) -> Graph | None:
        """The graph, if the net computes nothing else; None for one with a `call` of its own, or that is not built."""
        return self.graph if self._is_plain else None

    @property
    def _is_plain(self) -> bool:
        return type(self).call is Sequential.call and type(self).forward is Called.forward

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Put a layer on top.

        Parameters
        ----------
        layer : Layer, torch.nn.Module or Input
            The layer.
        rebuild : bool
            There for code of Keras that names it: a net whose input shape is known is always built.

        Raises
        ------
        HandsonError
            When the layer is in the net already, its name is taken, or the shape below does not fit it.
        """
        check_unused(self, "add", "Add layers before fit, or after it.")
        layer = self._as_layer(layer)
        name = self._name_for(layer)
        reads = self._reads(layer)
        if self._traced:
            self._build_parts([(name, layer)])
        self._modules[name] = layer
        if not layer.named:
            layer.take_name(name)
        hold(self, [layer])
        if self._symbols:
            self._tell_paths()
        if reads or _is_of_texts(layer):
            self._begin_with_texts(layer)
            return
        shape = layer.built_shape if isinstance(layer, Model) else layer.given_input_shape
        if self.built_shape is None and len(self._modules) == 1 and shape is not None:
            self.build(shape)

    def _reads(self, layer: Any) -> bool:
        """Whether a layer that is put on top reads the texts that the net takes."""
        parts = list(self._modules.values())
        behind = len(parts) == 1 and _is_of_texts(parts[0])
        if behind and not layer.takes_texts:
            raise HandsonError(
                f"{layer.name} takes numbers, and the net {self.name!r} begins with an Input of texts: "
                f"TextVectorization, StringLookup or Hashing come next."
            )
        return behind or (not parts and layer.reads_texts)

    def _begin_with_texts(self, layer: Any) -> None:
        """Take in the input of texts, or the layer that reads it."""
        if isinstance(layer, InputLayer):
            return
        is_net = isinstance(layer, Model)
        object.__setattr__(self, "_reader", layer.read if is_net else layer)  # which is a part already
        entry = next(iter(self._modules.values()))
        if is_net and layer.built_shape is not None:
            self.build(layer.built_shape)
        elif not is_net and isinstance(entry, InputLayer):
            self.build(shapes_of(layer(entry.symbol())))

    @property
    def whole_graph(self) -> Graph | None:
        """The graph from the inputs on, where these are texts; else `graph`."""
        if self._reader is None or self.graph is None:
            return self.graph
        first = next(iter(self._modules.values()))
        shape = first.input_shape if isinstance(first, Model) else (None, 1)
        entry = first.symbol() if isinstance(first, InputLayer) else Symbol(shape, TEXT, name=f"{self.name}_input")
        return Graph(entry, self(self._reader(entry)))

    def _as_layer(self, layer: Any) -> Any:
        """What may be put on top, as a layer."""
        if isinstance(layer, type) and issubclass(layer, nn.Module):
            raise HandsonError(f"add takes a layer, not its class: write {layer.__name__}(...).")
        if isinstance(layer, Symbol):
            if layer.node is None or not isinstance(layer.node.function, InputLayer) or self._modules:
                raise HandsonError(
                    f"a Sequential is a list of layers, of which only the first may be an Input(...); got the output "
                    f"of a layer, {layer!r}. A net between symbols: Model(inputs, outputs)."
                )
            layer = layer.node.function
        if not isinstance(layer, Layer):
            layer = TorchModuleWrapper(layer)
        if any(part is self for part in layer.modules()):
            raise HandsonError(f"the net {self.name!r} cannot be a layer of itself.")
        if any(layer is other for other in self._stack):
            raise HandsonError(f"the layer {layer.name!r} is in this net already: make another one of its kind.")
        if _count(self) + _count(layer) > MOST_LAYERS:
            raise HandsonError(f"a Sequential has at most {MOST_LAYERS:,} layers, those of nets in it included.")
        return layer

    def _name_for(self, layer: Any) -> str:
        """The name of a layer in this net: its own, or another where an automatic name is taken."""
        place = naming.place_of(layer.name)
        if not layer.named or (layer.given_name is None and place in self._modules):
            return registry.free_name(layer.stem, self._modules)
        if place in self._modules:
            raise HandsonError(f"the name {layer.name!r} is taken by another layer of this net.")
        return place

    def pop(self, rebuild: bool = True) -> Any:
        """Take the last layer off, and return it."""
        if not self.layers:
            raise HandsonError("there is no layer to take off.")
        check_unused(self, "pop", "Take layers off before fit, or after it.")
        top = self.layers[-1]
        if top is self._reader:
            raise HandsonError(f"the layer {top.name!r} reads the texts that the net takes: make another net.")
        self._modules.pop(next(name for name, layer in self._modules.items() if layer is top))
        if self._traced:
            forget(self._symbols.pop())
            self._set_outputs(shapes_of(self._symbols[-1]))
        return top

    # Being built.

    def _build_alone(self, input_shape: Shapes) -> None:
        self.seed = fresh_seed() if self.seed is None else self.seed
        self._build_net(batched(tuple(input_shape)))

    def _build_once(self, shape: Shapes) -> None:
        if not self._modules:
            raise HandsonError(f"the net {self.name!r} has no layers: add some before it is built.")
        self._trace(shape)
        self.built_shape = shape

    def _trace(self, shape: Shapes) -> None:
        """Apply the layers to a symbol, which builds those that are not built."""
        stack = self._stack
        self._graph, self._symbols = None, [self._entry(next(iter(stack), None), shape)]
        names = {id(part): name for name, part in self._modules.items()}
        self._apply_each([(names[id(part)], part) for part in stack if not isinstance(part, InputLayer)])

    def _entry(self, first: Any, shape: Shapes) -> Any:
        """The symbol that the first part is applied to; of a net with several inputs, a tree of them."""
        if isinstance(first, InputLayer):
            return first.symbol()
        if isinstance(first, Model) and first.graph is not None and not is_shape(shape):
            return tree.map_leaves(lambda one: Symbol(one.shape, one.dtype, name=one.name), first.graph.inputs)
        rows = getattr(first, "given_batch_size", None)
        kind = getattr(self._reader, "code_type", torch.float32)
        return Symbol(shape if rows is None else (rows, *shape[1:]), kind, name=f"{self.name}_input")

    def _build_parts(self, parts: list[tuple[str, Any]]) -> None:
        """Build some layers on top of what there is, from the net's seed."""
        self.seed = fresh_seed() if self.seed is None else self.seed
        ownership.claim(self, parts)
        self._apply_each(parts)

    def _apply_each(self, parts: list[tuple[str, Any]]) -> None:
        device, symbols = self.device, list(self._symbols)
        for _, part in parts:
            part.build_in(shapes_of(symbols[-1]), device)
            symbols.append(part(symbols[-1]))
        self._symbols = symbols
        self._set_outputs(shapes_of(symbols[-1]))

    def _set_outputs(self, shapes: Shapes) -> None:
        self._graph = None
        super()._set_outputs(shapes)

    def _build_net(self, shapes: Shapes) -> None:
        ownership.claim(self, self.named_children())
        self._build_once(shapes)

    def ready_for(self, shapes: Shapes) -> None:
        """Build the net for inputs of these shapes, or check that it can take them; bring it to its device."""
        if self._symbols and any(isinstance(part, Model) for part in self._stack):  # which may have changed
            for symbol in self._symbols[1:]:
                forget(symbol)
            self._trace(self.built_shape)
        super().ready_for(self._with_any_length(shapes) if self.built_shape is None else shapes)

    def _with_any_length(self, shapes: Shapes) -> Shapes:
        """The shape of what the first texts became, with None for the number of words where that may be any."""
        if not isinstance(self._reader, Layer):
            return shapes
        known = self._reader.compute_output_shape((None, 1))
        sides = zip(known, shapes, strict=False)
        return tuple(side if one is not None else None for one, side in sides) if len(known) == len(shapes) else shapes

    def shape_after(self, input_shape: Shapes) -> Shapes:
        """The shape of the outputs for the shape of the inputs."""
        for part in self._stack:
            input_shape = part.shape_after(input_shape)
        return input_shape

    def call(self, inputs: Any) -> Any:
        """The outputs for the inputs."""
        for layer in self._stack:
            inputs = layer(inputs)
        return inputs

    # What it says of itself.

    def _need_built(self) -> None:
        if not self.built:
            raise NotBuiltError(
                "the net is not built yet: give its first layer input_shape=..., start with Input(...), or fit it."
            )

    @property
    def weights(self) -> list[Tensor]:
        """All weights, layer by layer, in Keras's order and layouts."""
        self._need_built()
        return super().weights

    @registry.scoped({}, own=True)
    @described_whole
    def get_config(self, compact: bool = False) -> dict[str, Any]:
        """The layers as JSON."""
        return {
            "name": self.name,
            "layers": [self._described(name, part, compact) for name, part in self._modules.items()],
        }

    def _described(self, name: str, part: Any, compact: bool) -> Any:
        """A part as JSON, under the name it has in this net."""
        described = registry.to_config(part.kind, part, compact)
        if not compact and "config" in described:
            described["config"]["name"] = naming.name_at(name, part)
        return described

    @classmethod
    @built_whole()
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """A net from what `get_config` gave, here or in Keras; `custom_objects` has what is not registered, by name."""
        if custom_objects:
            with registry.scoped(custom_objects):
                return cls.from_config(config)
        layers = config.get("layers")
        if isinstance(layers, list) and all(isinstance(layer, dict) and "class_name" in layer for layer in layers):
            return from_keras(cls, config)
        unknown = config.keys() - {"name", "layers"}
        if unknown or not isinstance(config.get("layers"), list):
            raise HandsonError(f"a Sequential is described by 'name' and a list of 'layers'; got {listing(config)}.")
        return cls(
            (registry.from_config(naming.kind_of(layer), layer) for layer in config["layers"]), name=config.get("name")
        )


def _is_of_texts(layer: Any) -> bool:
    """Whether this is an input of texts."""
    return isinstance(layer, InputLayer) and layer.entry_type is TEXT


def _count(net: nn.Module) -> int:
    """How many layers there are in a net or a layer, those of nets in it included."""
    return sum(isinstance(part, Layer) for part in net.modules())

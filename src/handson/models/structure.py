"""What a net is made of, for those who look: layers, symbols, names, weights, the table of its layers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from handson.core import tree
from handson.core.errors import HandsonError, NotBuiltError, nearest
from handson.core.summary import Row, table
from handson.graph import Graph, Symbol, nodes_of
from handson.layers.base import Layer
from handson.layers.core import InputLayer
from handson.layers.renaming import hold
from handson.layers.shapes import Shapes, map_shapes
from handson.layers.weight_holder import let_train
from handson.models import naming
from handson.models.device import default_device
from handson.models.layer_list import LayerList
from handson.state.in_training import check_unused
from handson.state.state import further_optimizers, named_weights


class Structure(Layer):
    """The base of nets: what they say of their parts."""

    module: nn.Module  # of a net that is one of PyTorch
    forget_terms: Any
    _tell_paths: Any
    _compiled: Any
    _graph: Graph | None
    _whole: Graph | None
    _reader: Any
    _outputs: Shapes

    def __setattr__(self, name: str, value: Any) -> None:
        """Layers have names of their own choice, such as 'age' or 'seed', which are attributes of the net too."""
        if name in self.__dict__ and name in self.__dict__.get("_modules", ()) and not isinstance(value, nn.Module):
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        hold(self, (part for part in self.modules() if part is not self))

    @property
    def graph(self) -> Graph | None:
        """The graph of the net; None where it is no graph of symbols."""
        return self._graph

    @property
    def whole_graph(self) -> Graph | None:
        """The graph from the inputs on, where these are texts; else `graph`."""
        whole: Graph | None = getattr(self, "_whole", None)
        return self.graph if whole is None else whole

    @property
    def layers(self) -> list[Any]:
        """The layers, in order; of a wrapped module, its children."""
        if self.graph is None and "module" in self._modules:
            return LayerList(self.module.children()) or LayerList([self.module])
        self.track()
        return LayerList(self._modules.values())

    def _named_layers(self) -> Iterable[tuple[str, Any]]:
        if "module" in self._modules and self.graph is None:
            return self.module.named_children()
        return self._modules.items()

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """A layer by its name or position.

        Raises
        ------
        HandsonError
            When there is no such layer; the message names the nearest.
        """
        if (name is None) == (index is None):
            raise HandsonError("get_layer takes a name or an index, one of the two.")
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise HandsonError(f"there is no layer {index}: the net has {len(layers)}.")
            return layers[index]
        named = dict(self._named_layers())
        for layer in [*named.values()]:  # a layer may have another name of its own
            named.setdefault(getattr(layer, "name", None) or "", layer)
        named.pop("", None)
        if name not in named:
            raise HandsonError(f"no layer is called {name!r}.{nearest(str(name), named)} Layers: {', '.join(named)}.")
        return named[name]

    @property
    def built(self) -> bool:
        """Whether the weights exist."""
        return self.built_shape is not None or "module" in self._modules

    @built.setter
    def built(self, value: bool) -> None:
        """`build` may say that it is done, as in Keras; what counts is that it was called."""

    @property
    def device(self) -> torch.device:
        """Where the net computes."""
        return next((weight.device for weight in self.parameters()), default_device())

    @property
    def computes_double(self) -> bool:
        """Whether any layer computes in float64: then data stay float64."""
        return any(isinstance(part, Layer) and part.input_type == torch.float64 for part in self.modules())

    @property
    def trainable(self) -> bool:
        """Whether training changes any weight; set it to freeze or thaw all layers, at any time."""
        parts = [part for part in self.modules() if isinstance(part, Layer) and part is not self]
        weights = list(self.parameters())
        if not parts and not weights:
            return self._trainable
        return any(part._trainable for part in parts) or any(weight.requires_grad for weight in weights)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        let_train(self, bool(value))

    # The names of layers.

    def _place(self, layer: nn.Module) -> str | None:
        """Where the net holds a layer under its name; None where it is an attribute, or in a part."""
        named = isinstance(self._graph, Graph) or self.is_stack
        return next((place for place, part in self._modules.items() if part is layer), None) if named else None

    def check_renaming(self, layer: Layer, name: str) -> None:
        """Raise unless a layer may be called so here."""
        check_unused(self, f"{layer.name}.name", "Name layers before fit, or after it.")
        taken = self._modules.get(naming.place_of(name), layer)
        if taken is not layer and self._place(layer) is not None:
            raise HandsonError(f"the name {name!r} is taken by another layer of the net {self.name!r}.")

    def rename(self, layer: Layer) -> None:
        """Hold a layer under the name that it has now."""
        place, new = self._place(layer), naming.place_of(layer.name)
        if place is None or place == new:
            return
        parts = [(new if part is layer else each, part) for each, part in self._modules.items()]
        self._modules.clear()
        self._modules.update(parts)
        if isinstance(layer, InputLayer):
            for symbol in tree.leaves([node.outputs for node in nodes_of(layer)]):
                symbol.name = layer.name

    def follow_names(self, before: dict[str, nn.Parameter]) -> None:
        """Bring along what is kept under the names of weights, which were others before."""
        now = {id(weight): name for name, weight in self.named_parameters()}
        names = {old: now[id(weight)] for old, weight in before.items()}
        self.forget_terms()
        self._tell_paths()
        if self._compiled is not None:
            given, first = self._compiled.optimizer, self._compiled.first
            for optimizer in (given, *([first] if first else []), *further_optimizers(self, given).values()):
                optimizer.rename(names)

    # Inputs and outputs.

    @property
    def input_shape(self) -> Shapes:
        """The shape of the inputs, None for the batch and what varies; None before it is known."""
        whole = self.whole_graph if self.takes_texts else None
        return self.built_shape if whole is None else _shapes(whole.inputs)

    @property
    def output_shape(self) -> Shapes:
        """The shape of the outputs, None for the batch; None before it is known."""
        return self._outputs

    @property
    def input(self) -> Any:
        """The symbol that goes in, or a tree of them."""
        return self._need_whole().inputs

    @property
    def output(self) -> Any:
        """The symbol that comes out, or a tree of them."""
        return self._need_whole().outputs

    @property
    def inputs(self) -> list[Symbol]:
        """The symbols that go in."""
        return self._need_whole().entries

    @property
    def outputs(self) -> list[Symbol]:
        """The symbols that come out."""
        return self._need_whole().exits

    def _need_whole(self) -> Graph:
        return self.whole_graph or self._need_graph()

    def _need_graph(self) -> Graph:
        if self.graph is None:
            raise HandsonError(
                f"the net {self.name!r} is no graph of symbols, so it has no symbolic inputs and outputs: make it as "
                f"Model(inputs, outputs), or build a Sequential first."
            )
        return self.graph

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs, by which data in a dictionary find them."""
        whole = self.whole_graph
        if whole is not None and (self.takes_texts or not isinstance(whole.inputs, dict)):
            return tree.paths(whole.inputs) if isinstance(whole.inputs, dict) else [one.name for one in whole.entries]
        return [path or "input" for path in tree.paths(map_shapes(lambda shape: 0, self.built_shape))]

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs: of those of a graph, the layers that they come from."""
        if self._outputs is None:
            return ["output"]
        if self.graph is not None and not isinstance(self.graph.outputs, dict):
            names = {id(part): naming.name_at(name, part) for name, part in self._modules.items()}
            exits = self.graph.exits
            return naming.distinct([names.get(id(exit.node and exit.node.function), exit.name) for exit in exits])
        paths = tree.paths(map_shapes(lambda shape: 0, self._outputs))
        return [f"output_{path}" if path.isdecimal() else path or "output" for path in paths]

    # Weights.

    def count_params(self) -> int:
        """The number of values in all weights."""
        return sum(weight.numel() for weight in self.weights)

    def _need_built(self) -> None:
        if not self.built:
            raise NotBuiltError(
                f"the net {self.name!r} is not built yet: it is when it sees its first data, in fit or predict, or "
                f"with build(input_shape)."
            )

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = True,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
    ) -> None:
        """Print the layers with their output shapes and numbers of parameters.

        Parameters
        ----------
        line_length : int, optional
            The width of the table; by default 65, or as wide as names need.
        positions : sequence of float, optional
            Where the columns end: places in the line, or shares of it.
        print_fn : function, optional
            Called with the text, in place of `print`.
        expand_nested : bool
            Whether the layers of nets in the net are listed, indented.
        show_trainable : bool
            Whether layers that do not train are marked.
        layer_range : (str, str), optional
            The names of the first and of the last layer to list, or patterns of them.
        """
        self._need_built()
        trainable = sum(weight.numel() for weight in self.parameters() if weight.requires_grad)
        rows = [
            row._replace(kind=f"{row.kind}, frozen") if show_trainable and not trains else row
            for row, depth, trains in self._rows(self.built_shape, 0)
            if expand_nested or depth == 0
        ]
        rows = rows if layer_range is None else _between(rows, layer_range)
        (print_fn or print)(table(rows, trainable, self.count_params() - trainable, line_length, positions))

    def _rows(self, shape: Shapes, depth: int) -> Iterator[tuple[Row, int, bool]]:
        """A row for each layer, with its depth and whether it trains; those of a net follow its own, indented."""
        if self.graph is None:
            yield from self._module_rows(depth)
            return
        chain, after = None if self._whole is not None else self.graph.chain(), shape
        reader = self._reader
        if chain is not None and isinstance(reader, Layer):
            yield Row("  " * depth + reader.name, type(reader).__name__, str(shape), 0), depth, True
        names = {id(part): name for name, part in self._modules.items()}
        parts: Iterable[Any] = self._modules.values() if chain is not None else self._need_whole().functions()
        for part in parts:
            if chain is not None and (isinstance(part, InputLayer) or part is reader):
                continue
            before = after
            if chain is not None:
                after = part.shape_after(before)
            else:
                before, after = self._shapes_at(part)
            is_layer = isinstance(part, nn.Module)
            name = str(names.get(id(part)) or getattr(part, "__name__", "function"))
            kind = type(getattr(part, "module", part)).__name__ if is_layer else "operation"
            links = "" if chain is not None else ", ".join(self._links(part))
            trains = bool(getattr(part, "trainable", True))
            count = _parameters(part) if is_layer else 0
            yield Row("  " * depth + naming.name_at(name, part), kind, str(after), count, links), depth, trains
            if isinstance(part, Structure):
                yield from part._rows(before, depth + 1)

    def _shapes_at(self, part: Any) -> tuple[Shapes, Shapes]:
        """The shapes of what a part of the graph takes and gives, where it is first applied."""
        graph = self._need_whole()
        node = next(node for node in (*graph.starts, *graph.nodes) if node.function is part)
        args = node.arguments[0]
        return _shapes(args[0]) if args else None, _shapes(node.outputs)

    def _links(self, part: Any) -> list[str]:
        """The names of what goes into a part."""
        graph = self._need_whole()
        names = {id(one): name for name, one in self._modules.items()}
        sources = [symbol for node in graph.nodes if node.function is part for symbol in node.inputs]
        found = [names.get(id(one.node and one.node.function), one.name) for one in sources]
        return list(dict.fromkeys(found))

    def _module_rows(self, depth: int) -> Iterator[tuple[Row, int, bool]]:
        """Of a net that is code a row for each part without parts, and for those that hold weights beside theirs."""
        owner = self.module if "module" in self._modules else self
        for name, part in owner.named_modules():
            own = [weight for path, weight in named_weights(part).items() if "." not in path]
            if own or (part is not self and not list(part.children())):
                trains = any(weight.requires_grad for weight in own)
                count = sum(weight.numel() for weight in own)
                yield Row("  " * depth + (name or self.name), type(part).__name__, "", count), depth, trains


def _between(rows: list[Row], ends: Sequence[str]) -> list[Row]:
    """The rows from one layer to another, each by its name or a pattern of it."""
    if len(ends) != 2 or not all(isinstance(end, str) for end in ends):
        raise HandsonError(f"summary: layer_range is the names of two layers, the first and the last; got {ends!r}.")
    names = [row.name.strip() for row in rows]
    found = [[place for place, name in enumerate(names) if end == name or re.match(end, name)] for end in ends]
    for end, places in zip(ends, found, strict=True):
        if not places:
            raise HandsonError(f"summary: no layer is called {end!r}.{nearest(end, names)}")
    return rows[found[0][0] : found[1][-1] + 1]


def _shapes(values: Any) -> Shapes:
    return tree.map_leaves(lambda leaf: getattr(leaf, "shape", None), values)


def _parameters(module: nn.Module) -> int:
    return sum(weight.numel() for weight in {id(w): w for w in named_weights(module).values()}.values())

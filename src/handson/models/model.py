"""`Model`: a net of layers, of symbols, or any `torch.nn.Module`, with the verbs that Keras users know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from handson.core import registry, tree
from handson.core.errors import HandsonError, nearest
from handson.core.summary import Row, table
from handson.data.rows.scaling import Scaling
from handson.graph import Graph, Node, Symbol
from handson.layers import ownership
from handson.layers.base import Layer
from handson.layers.blank import is_filling
from handson.layers.drawn import Drawn
from handson.layers.shapes import Shapes, batched, compatible, map_shapes
from handson.losses import Loss
from handson.metrics import Metric
from handson.models import naming
from handson.models.device import default_device
from handson.models.verbs import Verbs
from handson.randomness.keys import check_seed, derive, fresh_seed
from handson.state.history import History
from handson.state.state import named_weights
from handson.training.preparation.compiled import Term


@registry.register
class Model(Verbs, Layer):
    """A net that can be compiled, fitted, evaluated and saved; it is itself a `torch.nn.Module`, and a layer.

    There are three ways to make one: from the symbols that its layers give, ``Model(inputs, outputs)``; as a subclass
    whose `call(self, inputs)` says what is computed; and from any module of PyTorch, ``Model(module)``.

    Parameters
    ----------
    inputs : Symbol, list or dict of Symbol, or torch.nn.Module
        What `Input(...)` returned; or a module of PyTorch, which is the net.
    outputs : Symbol, or a list or dict of them
        What the last layers returned.
    name : str, optional
        A name.
    seed : int, optional
        The seed of initial weights, shuffling, dropout and augmentation. None: a fresh one, kept in `seed`.
    trainable : bool
        False freezes all weights.

    Examples
    --------
    >>> from handson.layers import Dense, Input
    >>> x = Input((3,))
    >>> net = Model(x, Dense(1)(Dense(8, activation="relu")(x)))
    >>> net.compile("adam", "mse")
    >>> history = net.fit(np.ones((64, 3)), np.ones(64), epochs=2, verbose=0)
    >>> net.predict(np.ones((5, 3))).shape
    (5, 1)
    >>> Model(nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1))).predict(np.ones((5, 3))).shape
    (5, 1)
    """

    kind = "model"
    supports_masking = True

    def __init__(
        self,
        inputs: Any = None,
        outputs: Any = None,
        name: str | None = None,
        seed: int | None = None,
        trainable: bool = True,
        *,
        module: nn.Module | None = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable)
        self.seed = None if seed is None else check_seed(seed)
        self.seed_given = seed is not None
        self.age, self.stop_training = 0, False
        self.history: History | None = None
        self.input_scaling: list[Scaling | None] | None = None
        self.target_scaling: list[Scaling | None] | None = None
        # Columns of DataFrames, known from `fit` on.
        self.input_columns: list[str] | None = None
        self.target_names: list[str] | None = None
        self.graph: Graph | None = None
        self._outputs: Shapes = None
        self._terms: list[Term] | None = None
        if outputs is not None:
            self._take_graph(inputs, outputs)
        elif inputs is not None or module is not None:
            self.module = _checked_module(inputs if module is None else module)

    @staticmethod
    def kept_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
        """What the net remembers of its arguments: symbols and modules are in the graph, and stay there."""
        return arguments | {name: None for name in ("inputs", "outputs", "module") if name in arguments}

    def _take_graph(self, inputs: Any, outputs: Any) -> None:
        """Become the net between some symbols."""
        self.graph = Graph(inputs, outputs)
        parts = [function for function in self.graph.functions() if isinstance(function, nn.Module)]
        for given_name, part in naming.named(parts):
            self._modules[given_name] = part
        naming.name_parts(self._modules)
        shapes = tree.map_leaves(lambda symbol: symbol.shape, inputs)
        self.built_shape, self._outputs = shapes, tree.map_leaves(lambda symbol: symbol.shape, outputs)
        self.seed = fresh_seed() if self.seed is None else self.seed
        ownership.adopt(self)
        if not self._trainable:
            self.trainable = False
        self._tell_paths()

    # What the net is made of.

    @property
    def layers(self) -> list[Any]:
        """The layers, in order; of a wrapped module, its children."""
        if self.graph is None and "module" in self._modules:
            return list(self.module.children()) or [self.module]
        self.track()
        return list(self._modules.values())

    @property
    def built(self) -> bool:
        """Whether the weights exist."""
        return self.built_shape is not None or "module" in self._modules

    @property
    def device(self) -> torch.device:
        """Where the net computes."""
        return next((weight.device for weight in self.parameters()), default_device())

    @property
    def trainable(self) -> bool:
        """Whether training changes any weight; set it to freeze or thaw all layers, at any time."""
        parts = [part for part in self.modules() if isinstance(part, Layer) and part is not self]
        if not parts and not list(self.parameters()):
            return self._trainable
        return any(part._trainable for part in parts) or any(weight.requires_grad for weight in self.parameters())

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for part in self.modules():
            if isinstance(part, Layer):
                part._trainable = bool(value)
        self.requires_grad_(bool(value))

    @property
    def input_shape(self) -> Shapes:
        """The shape of the inputs, None for the batch and what varies; None before it is known."""
        return self.built_shape

    @property
    def output_shape(self) -> Shapes:  # type: ignore[override]
        """The shape of the outputs, None for the batch; None before it is known."""
        return self._outputs

    def compute_output_shape(self, input_shape: Shapes) -> Shapes:
        """The shape of the outputs for the shape of the inputs."""
        return self.shape_after(input_shape)

    def _stated(self) -> Any:
        return None

    def chain(self) -> list[nn.Module] | None:
        """The layers, if the net is a plain stack of them; engines read it."""
        return None if self.graph is None else self.graph.chain()

    # Inputs and outputs.

    @property
    def input(self) -> Any:
        """The symbol that goes in, or a tree of them."""
        return self._need_graph().inputs

    @property
    def output(self) -> Any:
        """The symbol that comes out, or a tree of them."""
        return self._need_graph().outputs

    @property
    def inputs(self) -> list[Symbol]:
        """The symbols that go in."""
        return self._need_graph().entries

    @property
    def outputs(self) -> list[Symbol]:
        """The symbols that come out."""
        return self._need_graph().exits

    def _need_graph(self) -> Graph:
        if self.graph is None:
            raise HandsonError(
                f"the net {self.name!r} is no graph of symbols, so it has no symbolic inputs and outputs: make it as "
                f"Model(inputs, outputs), or build a Sequential first."
            )
        return self.graph

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs."""
        if self.graph is not None and not isinstance(self.graph.inputs, dict):
            return [entry.name for entry in self.graph.entries]
        return [path or "input" for path in tree.paths(map_shapes(lambda shape: 0, self.built_shape))]

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs: of those of a graph, the layers that they come from."""
        form = map_shapes(lambda shape: 0, self._outputs)
        if self.graph is not None and not isinstance(self.graph.outputs, dict):
            names = {id(part): name for name, part in self._modules.items()}
            nodes = [symbol.node for symbol in self.graph.exits]
            found = [names.get(id(node and node.function), exit.name) for node, exit in zip(nodes, self.graph.exits, strict=True)]
            return naming.distinct(found)
        return [f"output_{path}" if path.isdecimal() else path or "output" for path in tree.paths(form)]

    @property
    def terms(self) -> list[Term]:
        """What is minimized and measured at each output, as `compile` says."""
        if self._terms is None:
            compiled = self.need_compiled("the loss")
            if self._outputs is None:
                names, widths = ["output"], [None]
            else:
                names = self.output_names
                widths = tree.leaves(map_shapes(lambda shape: shape[-1] if len(shape) > 1 else None, self._outputs))
            terms = compiled.terms(names, widths)
            if self._outputs is None:
                return terms
            self._terms = terms
        return self._terms

    def forget_terms(self) -> None:
        self._terms = None

    @property
    def loss(self) -> Loss | None:
        """The loss of the first output."""
        return self.terms[0].loss

    @property
    def metrics(self) -> list[Metric]:
        """The compiled metrics of all outputs."""
        return [metric for term in self.terms for metric, _ in term.measured()] if self.compiled else []

    # Getting ready.

    def build(self, input_shape: Shapes) -> None:
        """Make the weights for inputs of a shape, None for the batch."""
        self.ready_for(batched(input_shape))

    def ready_for(self, shapes: Shapes) -> None:
        """Build the net for inputs of these shapes, or check that it can take them; bring it to its device.

        Raises
        ------
        HandsonError
            When the net takes inputs of other shapes.
        """
        self.seed = fresh_seed() if self.seed is None else self.seed
        shapes = batched(shapes)
        if self.built_shape is None or self._outputs is None:
            self._build_net(shapes)
        elif not compatible(self.built_shape, shapes):
            self._refuse(shapes)
        if not is_filling():
            self.to(default_device())
        self._tell_paths()

    def _refuse(self, shapes: Shapes) -> None:
        hint = ""
        if isinstance(shapes, tuple) and compatible(self.built_shape, (*shapes, 1)):
            hint = " Images need a channel axis: pass x[..., None]."
        raise HandsonError(
            f"the net takes inputs of shape {self.built_shape}; got {shapes}, where None is the number of rows.{hint}"
        )

    def _build_net(self, shapes: Shapes) -> None:
        """Make the weights, from the net's seed, and learn the shapes of the outputs."""
        self.track()
        ownership.claim(self, self.named_children())
        if self.drawn.key is None:
            self.drawn = Drawn(self, derive(self.seed or 0, "weights"))
        if self.built_shape is None:
            self._build_once(shapes)
            if not self._trainable:
                self.trainable = False
        self._set_outputs(self.shape_after(shapes))

    def _build_once(self, shape: Shapes) -> None:
        if type(self).build is not Model.build:
            self.build(shape)
        self.built_shape = shape
        self.drawn.mark({name: getattr(self, name) for name in self._initializers})
        self.track()

    def build_in(self, shape: Shapes, device: torch.device) -> None:
        """Be built as a part of another net: from that net's seed, unless this one was given its own."""
        if self.built_shape is not None and not compatible(self.built_shape, shape):
            raise HandsonError(
                f"the net {self.name!r} was built for inputs of shape {self.built_shape} and cannot take {shape}."
            )
        self.ensure_built(shape)
        if not is_filling():
            self.to(device)

    def ensure_built(self, input_shape: Shapes, key: int | None = None) -> None:
        if self.built_shape is None:
            if self.seed_given:
                ownership.claim(self, self.named_children())
            self.track()
            self._build_once(batched(input_shape))
            self._set_outputs(self.shape_after(batched(input_shape)))

    def _set_outputs(self, shapes: Shapes) -> None:
        self._outputs, self._terms = shapes, None
        self._tell_paths()

    def _tell_paths(self) -> None:
        """Tell layers that draw random numbers where they are: in this net, though others may hold them too."""
        for path, layer in self.named_modules():
            if hasattr(layer, "path"):
                layer.path = path

    # Computing.

    def call(self, inputs: Any) -> Any:
        """The outputs for the inputs."""
        if self.graph is not None:
            outputs = self.graph.run(self._leaves(inputs))
            return tree.rebuild(tree.spec(self.graph.outputs), outputs)
        if "module" in self._modules:
            return self.module(inputs)
        return super().call(inputs)

    def _leaves(self, inputs: Any) -> list[Tensor]:
        """The inputs in the order of the graph's, each of the type that what takes it wants."""
        graph = self._need_graph()
        leaves = self.flat_inputs(inputs)
        found = []
        for symbol, leaf in zip(graph.entries, leaves, strict=True):
            wanted = symbol.dtype.is_floating_point and not leaf.is_floating_point()
            integers = wanted and any(wants_integers(user) for user in graph.users(symbol))
            found.append(leaf.to(symbol.dtype) if wanted and not integers else leaf)
        return found

    def flat_inputs(self, inputs: Any) -> list[Any]:
        """The leaves of some inputs, in the net's order.

        Raises
        ------
        HandsonError
            When there are others than the net takes.
        """
        if self.graph is None:
            return tree.leaves(inputs)
        form, names = self.graph.inputs, [entry.name for entry in self.graph.entries]
        if isinstance(inputs, dict):
            keys = list(form) if isinstance(form, dict) else names
            missing = [key for key in keys if key not in inputs]
            if missing:
                raise HandsonError(
                    f"the net {self.name!r} takes the inputs {', '.join(keys)}; {', '.join(missing)} missing."
                    f"{nearest(missing[0], [str(key) for key in inputs])}"
                )
            return [leaf for key in keys for leaf in tree.leaves(inputs[key])]
        leaves = tree.leaves(inputs)
        if len(leaves) != len(names):
            raise HandsonError(
                f"the net {self.name!r} takes {len(names)} inputs ({', '.join(names)}); got {len(leaves)}."
            )
        return leaves

    @torch.no_grad()
    def probe(self, leaves: Sequence[Tensor]) -> list[Tensor]:
        """The outputs, as leaves, for a few rows in evaluation mode, as the net gives them (scaled)."""
        self.eval()
        scalings = self.input_scaling or [None] * len(leaves)
        batch = [leaf.to(self.device) for leaf in leaves]
        batch = [leaf if scaling is None else scaling.to(self.device).apply(leaf) for leaf, scaling in zip(batch, scalings, strict=True)]
        outputs = tree.leaves(self(self.arranged(batch)))
        for output in outputs:
            if not isinstance(output, Tensor):
                raise HandsonError(f"the net must give tensors; it gives {type(output).__name__}.")
        return [output.cpu() for output in outputs]

    def arranged(self, leaves: Sequence[Any]) -> Any:
        """Leaves as the tree that the net is called with."""
        if self.built_shape is None:
            return leaves[0] if len(leaves) == 1 else list(leaves)
        form = self.graph.inputs if self.graph is not None else map_shapes(lambda shape: 0, self.built_shape)
        return tree.rebuild(tree.spec(form), leaves)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """A layer by its name or position.

        Raises
        ------
        HandsonError
            When there is no such layer; the message names the nearest.
        """
        if (name is None) == (index is None):
            raise HandsonError("get_layer takes a name or an index, one of the two.")
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise HandsonError(f"there is no layer {index}: the net has {len(self.layers)}.")
            return self.layers[index]
        named = {getattr(layer, "name", None) or path: layer for path, layer in self._named_layers()}
        if name not in named:
            raise HandsonError(f"no layer is called {name!r}.{nearest(str(name), named)} Layers: {', '.join(named)}.")
        return named[name]

    def _named_layers(self) -> Iterable[tuple[str, nn.Module]]:
        return self.module.named_children()

    @property
    def weights(self) -> list[Tensor]:
        """All weights, layer by layer, in Keras's order and layouts."""
        return list(named_weights(self).values())

    def get_weights(self) -> list[np.ndarray]:
        """Copies of all weights as NumPy arrays, in Keras's order and layouts."""
        return [weight.detach().cpu().numpy().copy() for weight in self.weights]

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Set all weights from arrays in the order of `get_weights`; nothing is changed if a shape does not fit."""
        assign(self.name, self.weights, weights)

    def count_params(self) -> int:
        """The number of values in all weights."""
        return sum(weight.numel() for weight in self.weights)

    def summary(self, line_length: int | None = None, print_fn: Callable[[str], Any] | None = None) -> None:
        """Print the layers with their output shapes and numbers of parameters.

        Parameters
        ----------
        line_length : int, optional
            The width of the table; by default 65, or as wide as names need.
        print_fn : function, optional
            Called with the text, in place of `print`.
        """
        trainable = sum(weight.numel() for weight in self.parameters() if weight.requires_grad)
        (print_fn or print)(table(self._summary_rows(), trainable, self.count_params() - trainable, line_length))

    def _summary_rows(self) -> list[Row]:
        return [
            Row(name or self.name, type(leaf).__name__, "", sum(w.numel() for w in named_weights(leaf).values()))
            for name, leaf in self.module.named_modules()
            if not list(leaf.children())
        ]

    def draw_again(self, seed: int) -> None:
        """Draw the initial weights again, from another seed: those that are still as they were drawn for this net.

        What was trained, set, loaded or changed in any way stays, and so does what another net drew.
        """
        if ownership.redraw(self, seed):
            self.seed = seed

    def get_config(self, compact: bool = False) -> dict[str, Any]:
        """The net as JSON, which there is not for a module of PyTorch."""
        module = type(self._modules.get("module", self)).__name__
        raise HandsonError(
            f"the net {self.name!r} is a {module} of PyTorch, which a file cannot describe: files hold no code. Save "
            f"its weights with save_weights() and load them into the same net with load_weights(), or build the net "
            f"of layers: a handson.layers.Layer of your own is known to files once you register it with "
            f"@handson.register."
        )


def _checked_module(module: Any) -> nn.Module:
    if not isinstance(module, nn.Module):
        raise HandsonError(
            f"Model takes symbols, Model(inputs, outputs), or a torch.nn.Module; got {module!r}. A list of layers: "
            f"Sequential([...])."
        )
    return module


def wants_integers(part: Any) -> bool:
    """Whether a layer, or one inside it, takes whole numbers as ids."""
    modules = part.modules() if isinstance(part, nn.Module) else ()
    return any(getattr(one, "takes_integers", False) or isinstance(one, (nn.Embedding, nn.EmbeddingBag)) for one in modules)

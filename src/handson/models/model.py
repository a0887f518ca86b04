"""`Model`: a net of layers, of symbols, or any `torch.nn.Module`, with the verbs that Keras users know."""

from __future__ import annotations

from typing import Any

from torch import nn

from handson.core import registry, tree
from handson.core.errors import HandsonError
from handson.core.sharing import built_whole, described_whole
from handson.data.rows.scaling import Scaling
from handson.graph import Graph
from handson.graph.reading import cut, holds_texts
from handson.layers import ownership
from handson.layers.added import enter_run, leave_run
from handson.layers.calling import Called
from handson.layers.foreign import applied
from handson.layers.shapes import Shapes
from handson.models import naming
from handson.models.readying import Readying
from handson.models.verbs import Verbs
from handson.randomness.keys import check_seed, fresh_seed
from handson.state.history import History


@registry.register
class Model(Verbs, Readying):
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
    >>> import numpy as np
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
    autocast = False  # its layers convert what they get

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
        self.input_scalings: list[Scaling | None] | None = None
        self.target_scalings: list[Scaling | None] | None = None
        # Of DataFrames, known from `fit` on; of several inputs or outputs a list for each.
        self.input_columns: list[Any] | None = None
        self.target_names: list[Any] | None = None
        self.seen_ids: list[bool] | None = None  # which inputs of a net that is no graph were whole numbers
        self._graph: Graph | None = None
        # Of a net whose inputs are texts: what reads them, and the graph from the texts on.
        self._reader: Any = None
        self._whole: Graph | None = None
        self._outputs: Shapes = None
        if outputs is not None:
            self._take_graph(inputs, outputs)
        elif inputs is not None or module is not None:
            self.module = _checked_module(inputs if module is None else module)

    @staticmethod
    def kept_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
        """What the net remembers of its arguments: symbols and modules are in the graph, and stay there."""
        dropped = {name: None for name in ("inputs", "outputs", "module") if name in arguments}
        return Verbs.kept_arguments(arguments) | dropped

    def _take_graph(self, inputs: Any, outputs: Any) -> None:
        """Become the net between some symbols."""
        if isinstance(outputs, (list, tuple)) and len(outputs) == 1:
            outputs = outputs[0]  # as in Keras, a list of one is what is in it
        whole = Graph(inputs, outputs)
        self._reader, self._graph = cut(whole)
        self._whole = None if self._reader is None else whole
        parts = [function for function in whole.functions() if isinstance(function, nn.Module)]
        for given_name, part in naming.named(parts):
            self._modules[given_name] = part
        naming.name_parts(self._modules)
        self.built_shape = tree.map_leaves(lambda symbol: symbol.shape, self._graph.inputs)
        self._outputs = tree.map_leaves(lambda symbol: symbol.shape, outputs)
        self.seed = fresh_seed() if self.seed is None else self.seed
        ownership.claim(self, self.named_children())
        if not self._trainable:
            self.trainable = False
        self._tell_paths()

    def plain_graph(self) -> Graph | None:
        """The graph, for engines, if the net computes nothing else; None for a `call` of its own, or no graph."""
        own = type(self).call is not Model.call or type(self).forward is not Called.forward
        return None if own else self.graph

    @property
    def is_stack(self) -> bool:
        """Whether the net takes one input whatever form it has."""
        return False

    @property
    def computes(self) -> bool:
        """Whether the net can be called: it has symbols, a module, or a `call` of its own."""
        kind = type(self)
        own = kind.call is not Model.call or kind.forward is not Called.forward
        return own or self.graph is not None or "module" in self._modules

    # Computing.

    @property
    def takes_texts(self) -> bool:
        """Whether inputs of the net are texts."""
        return self._reader is not None

    reads_texts = takes_texts

    def read(self, inputs: Any) -> Any:
        """Inputs with numbers in place of texts, as `graph` begins with them; others as they are."""
        return self._reader(inputs) if self._reader is not None and holds_texts(inputs) else inputs

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._reader is not None and args:
            args = (self.read(args[0]), *args[1:])
        run = enter_run()
        try:
            return super().__call__(*args, **kwargs)
        finally:
            leave_run(run)

    def call(self, inputs: Any) -> Any:
        """The outputs for the inputs."""
        if self.graph is not None:
            outputs = self.graph.run(self.typed_leaves(inputs))
            return tree.rebuild(tree.spec(self.graph.outputs), outputs)
        if "module" in self._modules:
            return applied(self.module, inputs)
        return super().call(inputs)

    def keeps_double(self, which: str, number: int) -> bool:
        """Whether an input or a target stays float64: for its scaling, which subtracts a large shift, or for layers."""
        measured = self.input_scalings if which == "input" else self.target_scalings
        scaling = measured[number] if measured is not None else None
        if scaling is not None:
            return scaling.needs_double
        asked = self.compiled and (self.scale_inputs if which == "input" else self.scale_targets) is not None
        return (asked and measured is None) or self.computes_double

    def redraw(self, seed: int) -> None:
        """Draw the initial weights again, from another seed: those that are still as they were drawn for this net.

        What was trained, set, loaded or changed in any way stays, and so does what another net drew.
        """
        if ownership.redraw(self, seed):
            self.seed = seed

    @registry.scoped({}, own=True)
    @described_whole
    def get_config(self, compact: bool = False) -> dict[str, Any]:
        """The net as JSON: its layers, and how they are connected; not for a module of PyTorch."""
        if self.graph is not None:
            from handson.models.functional import describe_graph

            return {"name": self.name} | describe_graph(self, compact)
        if type(self) is not Model:
            return super().get_config(compact)
        module = type(self._modules.get("module", self)).__name__
        raise HandsonError(
            f"the net {self.name!r} is a {module} of PyTorch, which a file cannot describe: files hold no code. Save "
            f"its weights with save_weights() and load them into the same net with load_weights(), or build the net "
            f"of layers: a handson.layers.Layer of your own is known to files once you register it with "
            f"@handson.register."
        )

    @classmethod
    @built_whole()
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """A net from what `get_config` gave, here or in Keras; `custom_objects` has what is not registered, by name."""
        if custom_objects:
            with registry.scoped(custom_objects):
                return cls.from_config(config)
        if "input_layers" in config:
            return from_keras(cls, config)
        if "nodes" in config:
            from handson.models.functional import build_graph

            inputs, outputs = build_graph(config)
            return cls(inputs, outputs, name=config.get("name"))
        return cls(**config)


def from_keras(kind: Any, config: dict[str, Any]) -> Any:
    """The net that Keras's `get_config` describes."""
    from handson.files import keras_graphs

    return keras_graphs.net(kind, config)


def _checked_module(module: Any) -> nn.Module:
    if not isinstance(module, nn.Module):
        raise HandsonError(
            f"Model takes symbols, Model(inputs, outputs), or a torch.nn.Module; got {module!r}. A list of layers: "
            f"Sequential([...])."
        )
    return module

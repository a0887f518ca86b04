"""What all layers share: a name, weights in Keras's order and layouts, shapes, and their configuration."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from types import FunctionType
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from handson import activations, regularizers
from handson.core import registry, tree
from handson.core.described import Described, arguments_of, jsonable, parameters_of
from handson.core.errors import HandsonError, shortened
from handson.core.pure import is_library
from handson.graph import Node, Symbol, nodes_of
from handson.graph.in_place import by_value
from handson.layers import policies
from handson.layers.added import Added
from handson.layers.blank import is_filling
from handson.layers.building import building, guarded, is_building
from handson.layers.calling import required, several_shapes, with_shapes
from handson.layers.drawn import Drawn
from handson.layers.renaming import rename
from handson.layers.shapes import Shape, Shapes, batched, compatible, given_shape, map_shapes
from handson.layers.typed import Typed
from handson.layers.weight_holder import assign, named_tensors
from handson.randomness.keys import derive, fresh_seed

__all__ = [
    "SETTINGS", "Layer", "Shape", "assign", "check_name", "compatible", "fraction", "named_tensors", "pair", "positive",
]  # fmt: skip

# Types of the settings of a layer that may be assigned after it was made.
SETTINGS = (bool, int, float, str, tuple, FunctionType)
_serials = itertools.count()
# More units or filters than fit into any memory with one weight each.
MOST = (1 << 31) - 1


class Layer(Typed, metaclass=Described):
    """The base of all layers: a `torch.nn.Module` that builds its weights when it sees its first input shape.

    A layer of your own defines `build(input_shape)`, which makes weights with `add_weight`, and `call(inputs)`; it may
    ask for `training` and `mask`, hold other layers, and state its `compute_output_shape(input_shape)`, which else is
    found by running it. `forward` and `output_shape` are other names of `call` and `compute_output_shape`. Shapes are
    tuples with None for the batch; images are channels-last. A layer that is called as `layer(query, value)` may define
    `build(query_shape, value_shape)`, and get the mask of an argument as another, `query_mask`.

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
    dtype : str or DTypePolicy, optional
        What the layer computes in and keeps its weights in: 'float32' by default, 'float64', 'float16', 'bfloat16';
        'mixed_float16' and 'mixed_bfloat16' compute in 16 bits with weights in float32. Inputs of floats are converted.
    activity_regularizer : str, Regularizer or function, optional
        A penalty on the outputs, divided by the number of rows of the batch, that is added to the loss.
    autocast : bool
        False leaves inputs in the type that they have.
    batch_input_shape, batch_shape : tuple of int or None, optional
        As `input_shape`, with the number of rows in front.

    Examples
    --------
    >>> import handson
    >>> @handson.register
    ... class Scale(Layer):
    ...     def build(self, input_shape):
    ...         self.factor = self.add_weight((input_shape[-1],), "ones", name="factor")
    ...     def call(self, inputs):
    ...         return inputs * self.factor
    >>> handson.Sequential([Scale(input_dim=3)]).count_params()
    3
    """

    kind = "layer"
    # What a net calls a layer without a name, where that is not the class in snake case.
    automatic_name: ClassVar[str | None] = None
    # Whether it asks for totals over the whole batch (`handson.parallel.meeting.total`) where batches are cut.
    meets: bool = False
    _arguments: dict[str, Any]

    def __init__(
        self,
        name: str | None = None,
        trainable: bool = True,
        input_shape: Sequence[int | None] | None = None,
        input_dim: int | None = None,
        dtype: Any = None,
        activity_regularizer: Any = None,
        autocast: bool = True,
        batch_input_shape: Sequence[int | None] | None = None,
        batch_shape: Sequence[int | None] | None = None,
    ) -> None:
        super().__init__()
        self._made: dict[str, Any] = {}
        self.given_name = name
        self.stem = self.automatic_name or registry.snake_case(type(self).__name__)
        self.take_name(check_name(name) if name is not None else self.stem, name is not None)
        batched_shape = batch_input_shape if batch_shape is None else batch_shape
        self.given_input_shape = given_shape(input_shape, input_dim, batched_shape)
        self.given_batch_size = None if batched_shape is None else batched_shape[0]
        self.built_shape: Shape | None = None
        self._hold_no_weights()
        self._trainable = bool(trainable)
        self._added, self._adds, self._penalizes = Added(), False, False
        self.activity_regularizer = activity_regularizer
        self._lowered: list[Any] = []
        self._follow(policies.get(dtype))
        if not autocast:
            self.autocast = False
        self.serial = next(_serials)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if isinstance(vars(cls).get("build"), FunctionType):
            cls.build = guarded(cls.build)  # type: ignore[method-assign]
        for name in ("call", "forward"):
            if isinstance(vars(cls).get(name), FunctionType) and not is_library(cls):
                setattr(cls, name, by_value(vars(cls)[name]))
        if "compute_mask" in vars(cls) and not cls.__module__.startswith("handson."):
            cls.makes_masks = True

    def __setattr__(self, name: str, value: Any) -> None:
        """An activation that is taken away, or given by its name, is a function, as it is when a layer is made."""
        if name == "activation" and (value is None or isinstance(value, str)) and callable(self._made.get(name)):
            value = activations.get(value)
        super().__setattr__(name, value)

    @property
    def name(self) -> str:
        """The layer's name. Another one holds at once in every net that the layer is in."""
        return vars(self)["name"]

    @name.setter
    def name(self, name: str) -> None:
        rename(self, check_name(name))

    _name = name  # where Keras keeps it, and programs write to

    def take_name(self, name: str, named: bool = True) -> None:
        """Be called so by a net, or before there is one; `named` if the name stays."""
        vars(self)["name"], self.named = name, named

    @property
    def built(self) -> bool:
        """Whether the weights exist."""
        return self.built_shape is not None

    @built.setter
    def built(self, value: bool) -> None:
        """`build` may say that it is done, as in Keras; what counts is that it was called."""
        if not value and self.built:
            raise HandsonError(f"layer {self.name!r} is built, and its weights stay: make another layer.")

    @guarded
    def build(self, input_shape: Shape) -> None:
        """Make the weights for an input shape, None for the batch; layers without weights need not define it."""

    def _build_alone(self, input_shape: Shapes) -> None:
        """What a call of `build` from outside does."""
        self.ensure_built(input_shape)

    def get_build_config(self) -> dict[str, Any] | None:
        """What `build_from_config` needs to make the same weights; None before the layer is built."""
        return {"input_shape": self.built_shape} if self.built else None

    def build_from_config(self, config: dict[str, Any] | None) -> None:
        """Build the layer as another one was, whose `get_build_config` this is."""
        if config:
            self.ensure_built(map_shapes(tuple, config.get("input_shape", config.get("shapes_dict"))))

    @staticmethod
    def kept_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
        """What is remembered of the arguments: of a type, the name."""
        return arguments | ({"dtype": policies.name_of(arguments["dtype"])} if "dtype" in arguments else {})

    def compute_output_shape(self, input_shape: Shapes) -> Shapes:
        """The shape of the output for the shape of an input; where a class does not state it, it is found by a run."""
        return self.shape_after(input_shape)

    def output_shape(self, input_shape: Shapes) -> Shapes:
        """The shape of the output for the shape of an input."""
        return self.shape_after(input_shape)

    def _states_shapes(self) -> bool:
        return self.keeps_shape or self._stated() is not None

    def _stated(self) -> Any:
        """The method that states the shape of the outputs, None if there is none."""
        kind = type(self)
        if kind.compute_output_shape is not Layer.compute_output_shape:
            return self.compute_output_shape
        return self.output_shape if kind.output_shape is not Layer.output_shape else None

    def shape_after(self, input_shape: Shapes) -> Shapes:
        """The shape of the outputs for the shape of the inputs."""
        stated = self._stated()
        if stated is not None:
            return map_shapes(tuple, with_shapes(stated, input_shape))
        if self.keeps_shape:
            return input_shape
        return tree.map_leaves(lambda spec: spec.shape, self.run_on_zeros(self._called_on(input_shape)))

    def _called_on(self, shapes: Shapes) -> Node:
        """A call on symbols of the shapes that the layer is built from."""
        symbols = map_shapes(Symbol, shapes)
        if not several_shapes(type(self).build):
            return Node(self, (symbols,), {})
        return Node(self, (), {name.removesuffix("_shape"): symbol for name, symbol in symbols.items()})

    def ensure_built(self, input_shape: Shapes, key: int | None = None) -> None:
        """Build the layer unless that has happened; check the shape if it has.

        Parameters
        ----------
        input_shape : tuple of int or None, or a list or dictionary of them
            The shape of a batch, None for dimensions that vary.
        key : int, optional
            The key of the initial weights; by default that of the net which the layer is in, or else a fresh one.
        """
        wanted = several_shapes(type(self).build)
        if wanted and not isinstance(input_shape, dict):
            raise HandsonError(
                f"{type(self).__name__} {self.name!r} is built from {' and '.join(wanted)}: call it on several inputs."
            )
        shape = batched(input_shape)
        if self.built_shape is None:
            if key is not None:
                self.draw_for(Drawn(key=key))
            elif self.drawn.key is None:
                self.drawn = Drawn(key=derive(fresh_seed(), self.name), unclaimed=is_building())
            self._build_once(shape)
            if not self._trainable:  # what is frozen already stays so in a layer that is not
                self.trainable = False
        elif not self._takes(shape):
            raise HandsonError(
                f"layer {self.name!r} was built for inputs of shape {self.built_shape} and cannot take {shape}."
            )

    def _takes(self, shape: Shapes) -> bool:
        """Whether the weights fit inputs of a shape."""
        return not self.weight_names or compatible(self.built_shape, shape)

    def _build_once(self, shape: Shapes) -> None:
        with building(self):
            with_shapes(self.build, shape)
        self.built_shape = shape
        self.track()
        unbuilt = [part for part in self.modules() if isinstance(part, Layer) and part.built_shape is None]
        several = several_shapes(type(self).build)
        if unbuilt and required(self._computed()) <= max(1, len(several)):  # they see their shapes when this layer runs
            self.run_on_zeros(self._called_on(shape))

    def track(self) -> None:
        """Take in the layers in lists and dictionaries among the attributes; all parts draw from this layer's key."""
        before = len(self._modules)
        for name, value in list(vars(self).items()):
            for path, part in contained(name, value) if not name.startswith("_") else ():
                if part is not self and not any(part is one for one in self._modules.values()):
                    self.add_module(path, part)
        if len(self._modules) > before:
            self._arrange_parts()
        if self.drawn.key is None:
            return
        for path, part in self.named_modules():
            unclaimed = isinstance(part, Layer) and part.drawn.unclaimed and not self.drawn.unclaimed
            if unclaimed or (isinstance(part, Layer) and part.drawn.key is None):
                part.draw_for(self.drawn.part(path))

    def _arrange_parts(self) -> None:
        """Bring the parts into the order in which the attributes were assigned, as in Keras."""
        places = {
            id(part): place for place, name in enumerate(vars(self).get("_assigned", ())) for part in self._at(name)
        }
        order = sorted(self._modules.items(), key=lambda entry: places.get(id(entry[1]), len(places)))
        self._modules.clear()
        self._modules.update(order)

    def _at(self, name: str) -> list[Any]:
        """The parts that an attribute holds."""
        if name in self._modules:
            return [self._modules[name]]
        return [part for _, part in contained(name, vars(self).get(name))]

    def _build_for(self, shapes: Shapes) -> None:
        if self.built_shape is None and self.drawn.key is None:  # until a net between symbols takes it in
            self.drawn = Drawn(key=derive(fresh_seed(), self.name), unclaimed=True)
        self.ensure_built(shapes)

    def _ready(self) -> bool:
        return self.built_shape is not None

    def _prepare(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        shapes = self._shapes_in(args, kwargs)
        if shapes is not None:
            self.ensure_built(shapes)
            first = next((leaf for leaf in tree.leaves((args, kwargs)) if isinstance(leaf, Tensor)), None)
            if first is not None:
                self.to(first.device)

    # What a net asks of its parts; a net inside of a net answers the same.

    def build_in(self, shape: Shape, device: torch.device) -> None:
        """Be built as a part of a net, for inputs of a shape, on its device."""
        self.ensure_built(shape)
        if not is_filling():
            self.to(device)

    def get_config(self, compact: bool = False) -> dict[str, Any]:
        """The arguments that make this layer again, as JSON; with the name it has now."""
        config = arguments_of(self, compact)
        config |= {key: jsonable(value, compact, f"{self.name}.{key}") for key, value in self._changed().items()}
        config |= {} if compact else {"name": self.name}
        if self._trainable != self._arguments.get("trainable", self._trainable):
            config["trainable"] = self._trainable
        return config

    def _changed(self) -> dict[str, Any]:
        """The settings that were assigned after the layer was made: numbers, texts and functions."""
        made = {key: self._made[key] for key in self._made.keys() - {"name"}}
        now = {key: vars(self)[key] for key in made if isinstance(vars(self).get(key), SETTINGS)}
        return {key: value for key, value in now.items() if value is not made[key] and value != made[key]}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Layer:
        """Build the layer from what `get_config` gave."""
        with policies.as_described():
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

    # In a graph.

    @property
    def input(self) -> Any:
        """What the layer was applied to in a graph: a symbol, or a tree of them."""
        return self._only_node("input").arguments[0][0]

    @property
    def output(self) -> Any:
        """What the layer gives in a graph: a symbol, or a tree of them."""
        return self._only_node("output").outputs

    def _only_node(self, what: str) -> Node:
        nodes = nodes_of(self)
        if len(nodes) != 1:
            times = "has not been applied to a symbol yet" if not nodes else f"was applied {len(nodes)} times"
            raise HandsonError(
                f"layer {self.name!r} {times}, so it has no single {what}. Keep what the call returns: y = layer(x)."
            )
        return nodes[0]

    # Losses of its own.

    def add_loss(self, loss: Any) -> None:
        """Add a scalar, or a list of them, to the loss of the batch; it is called in `call`."""
        self._track_added()
        self._added += tree.leaves(loss)

    def forget_added(self) -> None:
        self._added.clear()

    def _track_added(self) -> None:
        if not self._adds:
            self._adds = True
            self.register_forward_pre_hook(self._added.enter)

    @property
    def activity_regularizer(self) -> Any:
        """The penalty on the outputs, None for none."""
        return self._activity_regularizer

    @activity_regularizer.setter
    def activity_regularizer(self, regularizer: Any) -> None:
        self._activity_regularizer = regularizers.get(regularizer)
        if self._activity_regularizer is not None and not self._penalizes:
            self._penalizes = True
            self._track_added()
            self.register_forward_hook(self._added.penalize)
        if "_arguments" in vars(self) and "activity_regularizer" in self._arguments:
            self._arguments["activity_regularizer"] = self._activity_regularizer

    @property
    def losses(self) -> list[Tensor]:
        """What the layer and its parts add to the loss: regularizers, and what the last call added."""
        parts = [part for part in self.modules() if isinstance(part, Layer)]
        return [value for part in parts for value in (*part.penalties(), *part._added)]


def contained(name: str, value: Any) -> Iterator[tuple[str, nn.Module]]:
    """The layers in a list, tuple or dictionary, and in those inside it, under the names of their places."""
    if isinstance(value, dict):
        branches: Iterable[tuple[Any, Any]] = value.items()
    else:
        branches = enumerate(value) if type(value) in (list, tuple) else ()
    for key, part in branches:
        if isinstance(part, nn.Module):
            yield f"{name}_{key}", part
        else:
            yield from contained(f"{name}_{key}", part)


def check_name(name: str) -> str:
    """The name, if it can be one: 1 to 128 printable characters, no '-' or '.' in front.

    Of other characters than letters, digits, '_' and '-' a net makes '_' where it looks a layer up (`naming.place_of`).
    """
    if not isinstance(name, str) or not 0 < len(name) <= 128 or not name.isprintable() or name[0] in "-.":
        raise HandsonError(
            f"a layer's name has 1 to 128 printable characters and does not start with '-' or '.'; got {name!r}."
        )
    return name


def positive(owner: str, argument: str, value: Any) -> int:
    """The value as a positive integer, or an error that names the argument."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise HandsonError(f"{owner}: {argument} must be a positive whole number; got {value!r}.")
    if value > MOST:
        raise HandsonError(f"{owner}: {argument} is at most {MOST:,}; got {shortened(value, 40)}.")
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

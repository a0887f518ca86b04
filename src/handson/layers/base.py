"""What all layers share: a name, weights in Keras's order and layouts, shapes, and their configuration."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from types import FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from handson import constraints, initializers, regularizers
from handson.core import registry, tree
from handson.core.described import Described, arguments_of, jsonable, parameters_of
from handson.core.errors import HandsonError, NotBuiltError, shortened
from handson.graph import Node, Symbol, nodes_of
from handson.layers.blank import blank, is_filling
from handson.layers.calling import Called, arguments_for, with_shapes
from handson.layers.drawn import Drawn
from handson.layers.memory import check_memory
from handson.layers.shapes import Shape, Shapes, batched, compatible, given_shape, map_shapes
from handson.randomness.keys import derive, fresh_seed

__all__ = ["SETTINGS", "Layer", "Shape", "assign", "check_name", "compatible", "fraction", "pair", "positive"]

# Types of the settings of a layer that may be assigned after it was made.
SETTINGS = (bool, int, float, str, tuple, FunctionType)
_serials = itertools.count()
# More units or filters than fit into any memory with one weight each.
MOST = (1 << 31) - 1


class Layer(Called, metaclass=Described):
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
    dtype : str, optional
        Only 'float32'.

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
        self._made: dict[str, Any] = {}
        self.given_name = name
        self.stem = registry.snake_case(type(self).__name__)
        self.name = check_name(name) if name is not None else self.stem
        self.named = name is not None
        self.given_input_shape = given_shape(input_shape, input_dim)
        self.built_shape: Shape | None = None
        self.weight_names: list[str] = []
        self.weight_regularizers: dict[str, Callable[[Tensor], Tensor]] = {}
        self.weight_constraints: dict[str, Callable[[Tensor], Tensor]] = {}
        self._initializers: dict[str, Any] = {}
        self._trainable = bool(trainable)
        self._added: list[Any] = []
        self.serial = next(_serials)
        self.drawn = Drawn()

    @property
    def built(self) -> bool:
        """Whether the weights exist."""
        return self.built_shape is not None

    def build(self, input_shape: Shape) -> None:
        """Make the weights for an input shape; layers without weights need not define it."""

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
        symbols = map_shapes(Symbol, input_shape)
        node = Node(self, *arguments_for(self, symbols))
        return tree.map_leaves(lambda spec: spec.shape, self.run_on_zeros(node))

    def ensure_built(self, input_shape: Shapes, key: int | None = None) -> None:
        """Build the layer unless that has happened; check the shape if it has.

        Parameters
        ----------
        input_shape : tuple of int or None, or a list or dictionary of them
            The shape of a batch, None for dimensions that vary.
        key : int, optional
            The key of the initial weights; by default that of the net which the layer is in, or else a fresh one.
        """
        shape = batched(input_shape)
        if self.built_shape is None:
            if key is not None:
                self.drawn.key = key
            elif self.drawn.key is None:
                self.drawn.key = derive(fresh_seed(), self.name)
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
        with_shapes(self.build, shape)
        self.built_shape = shape
        self.drawn.mark({name: getattr(self, name) for name in self._initializers})
        self.track()
        unbuilt = [part for part in self.modules() if isinstance(part, Layer) and part.built_shape is None]
        if unbuilt:  # they see their shapes when this layer runs
            self.run_on_zeros(Node(self, *arguments_for(self, map_shapes(Symbol, shape))))

    def track(self) -> None:
        """Take in the layers in lists and dictionaries among the attributes; all parts draw from this layer's key."""
        for name, value in list(vars(self).items()):
            branches = (
                value.items() if isinstance(value, dict) else enumerate(value) if type(value) in (list, tuple) else ()
            )
            for key, part in branches if not name.startswith("_") else ():
                held = isinstance(part, nn.Module) and not any(part is one for one in self._modules.values())
                if held and part is not self:
                    self.add_module(f"{name}_{key}", part)
        if self.drawn.key is None:
            return
        for path, part in self.named_modules():
            if isinstance(part, Layer) and part.drawn.key is None:
                part.drawn = self.drawn.part(path)

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

    def add_weight(
        self,
        shape: Sequence[int],
        initializer: Any = "glorot_uniform",
        name: str = "weight",
        trainable: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
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
        constraint : str, Constraint or function, optional
            What the weight is made to obey after every step of the optimizer.
        """
        self.weight_names.append(name)
        if self.drawn.key is None:
            raise NotBuiltError(f"layer {self.name!r}: add_weight is called in build(), which ensure_built calls.")
        value = self._draw(name, tuple(shape), initializer, self.drawn.key)
        if trainable:
            setattr(self, name, nn.Parameter(value))
        else:
            self.register_buffer(name, value)
        if regularizer is not None:
            self.weight_regularizers[name] = regularizers.get(regularizer)  # type: ignore[assignment]
        if constraint is not None:
            self.weight_constraints[name] = constraints.get(constraint)
            self._constrain()
        self._initializers[name] = initializer
        return getattr(self, name)

    def _constrain(self) -> None:
        """Let each weight know its constraint, by which the optimizer finds it."""
        for name, constraint in self.weight_constraints.items():
            getattr(self, name).constraint = constraint

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy's weights are new tensors, without what the old ones knew."""
        super().__setstate__(state)
        self._constrain()

    def _draw(self, name: str, shape: tuple[int, ...], initializer: Any, key: int) -> Tensor:
        initializers.get(initializer)  # an unknown name is an error also where a file fills the weight
        zeros = blank(name, shape)
        check_memory(self.name, name, shape)
        if zeros is not None:
            return zeros
        value = initializers.call(initializer, shape, derive(key, name))
        value = torch.as_tensor(value, dtype=torch.float32)
        if tuple(value.shape) != shape:
            raise HandsonError(
                f"layer {self.name!r}: the initializer of {name} must give the shape {shape}; got {tuple(value.shape)}."
            )
        return value

    def fresh_weights(self) -> list[str]:
        """The names of the weights that are still as this layer drew them, in place and value."""
        return [name for name in self._initializers if self._is_fresh(name, getattr(self, name))]

    def _is_fresh(self, name: str, weight: Tensor) -> bool:
        if not self.drawn.unwritten(name, weight) or self.drawn.key is None:
            return False
        initializer = self._initializers[name]
        if not isinstance(initializers.get(initializer), initializers.Initializer):
            return True  # a plain function need not give the same numbers again
        # Writing to `weight.data` or to a NumPy view of the weight leaves no other trace.
        before = self._draw(name, tuple(weight.shape), initializer, self.drawn.key)
        return torch.equal(weight.detach(), before.to(weight))

    def draw_again(self, key: int) -> bool:
        """Draw from another key the weights that are still as they were drawn; whether there were any."""
        fresh = self.fresh_weights()
        self.drawn.key = key
        with torch.no_grad():
            for name in fresh:
                weight = getattr(self, name)
                weight.copy_(self._draw(name, tuple(weight.shape), self._initializers[name], key))
        self.drawn.settle()  # what was not drawn from this key is the user's
        self.drawn.mark({name: getattr(self, name) for name in fresh})
        return bool(fresh)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Moving a layer to another device or type leaves its weights as they were drawn."""
        names = [name for name in self._initializers if self.drawn.unwritten(name, getattr(self, name))]
        moved = super()._apply(fn, recurse)
        self.drawn.mark({name: getattr(self, name) for name in names})
        return moved

    # What a net asks of its parts; a net inside of a net answers the same.

    def build_in(self, shape: Shape, device: torch.device) -> None:
        """Be built as a part of a net, for inputs of a shape, on its device."""
        self.ensure_built(shape)
        if not is_filling():
            self.to(device)

    @property
    def trainable(self) -> bool:
        """Whether the optimizer changes the weights; can be set at any time, no recompiling needed."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for part in self.modules():
            if isinstance(part, Layer):
                part._trainable = bool(value)
        for parameter in self.parameters():
            parameter.requires_grad_(bool(value))

    @property
    def weights(self) -> list[Tensor]:
        """The weights in Keras's order and layouts: its own, trainable ones first, then those of its parts."""
        own = sorted(map(self.__getattr__, self.weight_names), key=lambda value: not isinstance(value, nn.Parameter))
        parts = [part.weights if isinstance(part, Layer) else named_tensors(part) for part in self.children()]
        return list({id(weight): weight for weights in (own, *parts) for weight in weights}.values())

    @property
    def trainable_weights(self) -> list[Tensor]:
        """The weights that training changes."""
        return [weight for weight in self.weights if weight.requires_grad]

    @property
    def non_trainable_weights(self) -> list[Tensor]:
        """The weights that training leaves as they are, or changes by other rules."""
        return [weight for weight in self.weights if not weight.requires_grad]

    variables, trainable_variables = weights, trainable_weights

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
        """Add a scalar to the loss of the batch; it is called in `call`."""
        self._added.append(loss)

    @property
    def losses(self) -> list[Tensor]:
        """What the layer and its parts add to the loss: regularizers, and what the last call added."""
        parts = [part for part in self.modules() if isinstance(part, Layer)]
        return [value for part in parts for value in (*part.penalties(), *part._added)]


def named_tensors(module: nn.Module) -> list[Tensor]:
    """The weights of a module of PyTorch, in its own order."""
    return [value for value in module.state_dict(keep_vars=True).values() if isinstance(value, Tensor)]


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


def check_name(name: str) -> str:
    """The name, if it can be one: letters, digits, '_' and '-', at most 128 of them, not starting with a digit."""
    allowed = isinstance(name, str) and 0 < len(name) <= 128 and name.isascii()
    if not allowed or not (name[0].isalpha() or name[0] == "_") or not name.replace("-", "_").isidentifier():
        raise HandsonError(
            f"a layer's name is made of letters, digits, '_' and '-', starts with a letter or '_' and has at most "
            f"128 characters; got {name!r}."
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

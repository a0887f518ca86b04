"""The weights of a layer: made by `add_weight`, drawn from a key, and set, counted and moved together."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from handson import constraints, initializers, regularizers
from handson.core.errors import HandsonError, NotBuiltError, listing, shortened
from handson.data.rows.free_memory import free_memory
from handson.graph.conversion import TYPES, convert, torch_type
from handson.graph.variable import State, Variable, Weight, as_array
from handson.layers.blank import blank, is_filling
from handson.layers.calling import Called
from handson.layers.drawn import Drawn
from handson.randomness.keys import derive, fresh_seed

# Weights of fewer bytes fit into any memory.
LARGE = 1 << 30
# How Keras brings the copies of a variable on several devices together; here there is one copy.
AGGREGATIONS = (None, "none", "mean", "sum", "only_first_replica")


class Start(NamedTuple):
    """What a weight starts from.

    Attributes
    ----------
    initializer : str, Initializer or function
        What draws it.
    drawn_as : str
        The name that its key is derived from.
    dtype : torch.dtype
        Its type.
    """

    initializer: Any
    drawn_as: str
    dtype: torch.dtype


class WeightHolder(Called):
    """The base of layers: what they do with their weights."""

    weight_names: list[str]
    weight_regularizers: dict[str, Callable[[Tensor], Tensor]]
    weight_constraints: dict[str, Callable[[Tensor], Tensor]]
    drawn: Drawn
    _trainable: bool

    @property
    def built(self) -> bool:
        """Whether the weights exist."""
        return True

    @property
    def variable_dtype(self) -> str:
        """The type of the weights."""
        return "float32"

    def _hold_no_weights(self) -> None:
        """Before there are weights."""
        self.weight_names, self.weight_regularizers, self.weight_constraints = [], {}, {}
        self._starts: dict[str, Start] = {}
        self._unnamed: set[str] = set()  # weights that are still to get the name of their attribute
        self._uncast: set[str] = set()
        self.drawn = Drawn()

    def add_weight(
        self,
        shape: Sequence[int] | None = None,
        initializer: Any = None,
        name: str | None = None,
        trainable: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        dtype: Any = None,
        autocast: bool = True,
        aggregation: str | None = "none",
        overwrite_with_gradient: bool = False,
    ) -> Any:
        """Make a weight, in `build` or in `__init__`, and return it.

        Parameters
        ----------
        shape : tuple of int
            The shape, in Keras's layout; by default that of a number, ().
        initializer : str, Initializer or function, optional
            What it starts from: by default 'glorot_uniform', and 'zeros' for integers.
        name : str, optional
            The name of the attribute and in files; by default the name of the attribute that it is assigned to.
        trainable : bool
            False for a state that no optimizer changes, only the layer itself: ``self.total.assign_add(x)``.
        regularizer : str, Regularizer or function, optional
            A penalty on this weight.
        constraint : str, Constraint or function, optional
            What the weight is made to obey after every step of the optimizer.
        dtype : str, optional
            The type, in place of the layer's.
        autocast : bool
            False keeps the weight's type in a layer that computes in mixed precision.
        aggregation : str
            As in Keras; there is one copy of a weight, so all values mean the same.
        overwrite_with_gradient : bool
            Only False.

        Examples
        --------
        >>> import handson
        >>> class Counter(handson.layers.Layer):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.calls = self.add_weight(initializer="zeros", trainable=False)
        ...     def call(self, inputs):
        ...         self.calls.assign_add(1)
        ...         return inputs
        >>> layer = Counter()
        >>> x = torch.ones(1)
        >>> layer(x), layer(x), layer.calls.numpy()
        (tensor([1.]), tensor([1.]), array(2., dtype=float32))
        """
        if name in TYPES:  # the third argument of Keras
            name, dtype = None, name
        _check_copies(aggregation, overwrite_with_gradient)
        shape, kind = self._checked_shape(shape), torch_type(self.variable_dtype if dtype is None else dtype)
        if initializer is None:
            initializer = "glorot_uniform" if kind.is_floating_point else "zeros"
        place = self._free(name or "variable")
        weight = self._make(place, shape, Start(initializer, place, kind), trainable)
        weight.name = name or place
        weight.path = f"{self.name}/{weight.name}"
        self._unnamed |= set() if name else {place}
        self._uncast |= set() if autocast else {place}
        self._restrict(place, regularizer, constraint)
        return weight

    def _restrict(self, place: str, regularizer: Any, constraint: Any) -> None:
        """Remember the penalty on a weight, and what it is made to obey."""
        if regularizer is not None:
            self.weight_regularizers[place] = regularizers.get(regularizer)  # type: ignore[assignment]
        if constraint is not None:
            self.weight_constraints[place] = constraints.get(constraint)
            self._constrain()

    def add_variable(
        self, shape: Sequence[int] | None = None, initializer: Any = None, dtype: Any = None, trainable: bool = True,
        autocast: bool = True, regularizer: Any = None, constraint: Any = None, name: str | None = None,
    ) -> Any:  # fmt: skip
        """`add_weight` by another name, with its arguments in another order."""
        return self.add_weight(shape, initializer, name, trainable, regularizer, constraint, dtype, autocast)

    def _checked_shape(self, shape: Any) -> tuple[int, ...]:
        sizes = () if shape is None else shape
        if not isinstance(sizes, (tuple, list)) or not all(isinstance(size, (int, np.integer)) for size in sizes):
            raise HandsonError(
                f"layer {self.name!r}: add_weight takes a shape, a tuple of whole numbers, first; got "
                f"{shortened(repr(shape), 60)}."
            )
        return tuple(int(size) for size in sizes)

    def _free(self, name: str) -> str:
        """A name for an attribute that is not taken by another weight, a part or a method."""
        stem = re.sub(r"\W", "_", name)
        stem = stem if stem.isidentifier() else f"variable_{stem}"
        numbered = (f"{stem}_{number}" if number else stem for number in range(len(self.weight_names) + 2))
        taken = {*self.weight_names, *self._modules}
        return next((one for one in numbered if one not in taken and not hasattr(type(self), one)), f"{stem}_weight")

    def _make(self, place: str, shape: tuple[int, ...], start: Start, trainable: bool) -> Any:
        if torch.is_inference_mode_enabled():
            raise HandsonError(
                "a layer is built inside of torch.inference_mode(), whose tensors never train: build the net outside "
                "of it, or use torch.no_grad()."
            )
        if self.drawn.key is None:  # made in `__init__`, before a net has claimed the layer
            self.drawn = Drawn(key=derive(fresh_seed(), self.name), unclaimed=True)
        value = self._draw(place, shape, start, self.drawn.key or 0)
        vars(self).pop(place, None)
        weight: Any = Weight(value) if trainable and start.dtype.is_floating_point else State(value)
        if isinstance(weight, nn.Parameter):
            self.register_parameter(place, weight)
        else:
            self.register_buffer(place, weight)
        self.weight_names.append(place)
        self._starts[place] = start
        self.drawn.mark({place: weight})
        return weight

    def __setattr__(self, name: str, value: Any) -> None:
        """A weight of this layer is registered once: under its name, or else under that of its first attribute."""
        if isinstance(value, Variable):
            held = self._held_as(value)
            if held is not None and held != name:
                if held in self._unnamed and self._free(name) == name:
                    self._rename(held, name)
                else:
                    object.__setattr__(self, name, value)
                return
        if isinstance(value, (nn.Module, list, tuple, dict)) and not name.startswith("_"):
            vars(self).setdefault("_assigned", {}).setdefault(name)  # the order of parts, those in containers too
        super().__setattr__(name, value)

    def _held_as(self, weight: Any) -> str | None:
        held = self._parameters | self._buffers
        return next((name for name in vars(self).get("weight_names", ()) if held.get(name) is weight), None)

    def _rename(self, old: str, new: str) -> None:
        vars(self).pop(new, None)
        named: list[dict[str, Any]] = [
            self._parameters, self._buffers, self.weight_regularizers, self.weight_constraints, self._starts,
        ]  # fmt: skip
        for held in named:
            if old in held:
                held[new] = held.pop(old)
        self.weight_names[self.weight_names.index(old)] = new
        self._uncast = {new if one == old else one for one in self._uncast}
        self._unnamed.discard(old)
        self.drawn.rename(old, new)
        getattr(self, new).name = new

    def keeps_type(self, weight: Tensor) -> bool:
        """Whether a weight stays what it is while the layer computes in mixed precision."""
        return any(self._parameters.get(name) is weight for name in self._uncast)

    def _constrain(self) -> None:
        """Let each weight know its constraint, by which the optimizer finds it."""
        for name, constraint in self.weight_constraints.items():
            getattr(self, name).constraint = constraint

    def tell_path(self, path: str) -> None:
        """Let each weight know where it lies: the names of layers, with '/' between them."""
        for name in self.weight_names:
            weight = self._own(name)
            if isinstance(weight, Variable):
                weight.path = f"{path}/{weight.name}"

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy's weights are new tensors, without what the old ones knew."""
        super().__setstate__(state)
        self._constrain()

    # Drawing.

    def _draw(self, name: str, shape: tuple[int, ...], start: Start, key: int) -> Tensor:
        initializers.get(start.initializer)  # an unknown name is an error also where a file fills the weight
        zeros = blank(name, shape)
        check_memory(self.name, name, shape, start.dtype)
        if zeros is not None:
            return zeros.to(start.dtype)
        value = initializers.call(start.initializer, shape, derive(key, start.drawn_as), start.dtype)
        value = torch.as_tensor(value, dtype=start.dtype)
        if tuple(value.shape) != shape:
            raise HandsonError(
                f"layer {self.name!r}: the initializer of {name} must give the shape {shape}; got {tuple(value.shape)}."
            )
        return value

    def fresh_weights(self) -> list[str]:
        """The names of the weights that are still as this layer drew them, in place and value."""
        return [name for name in self._starts if self._is_fresh(name, self._own(name))]

    def _own(self, name: str) -> Any:
        """The weight of a name, as it is registered."""
        weight = self._parameters.get(name)
        return self._buffers.get(name) if weight is None else weight

    def _is_fresh(self, name: str, weight: Tensor) -> bool:
        if not self.drawn.unwritten(name, weight) or self.drawn.key is None:
            return False
        start = self._starts[name]
        if not isinstance(initializers.get(start.initializer), initializers.Initializer):
            return True  # a plain function need not give the same numbers again
        # Writing to `weight.data` or to a NumPy view of the weight leaves no other trace.
        before = self._draw(name, tuple(weight.shape), start, self.drawn.key)
        return torch.equal(weight.detach(), before.to(weight))

    def draw_again(self, key: int) -> bool:
        """Draw from another key the weights that are still as they were drawn; whether there were any."""
        if is_filling():
            self.drawn.key = key
            return False
        fresh = self.fresh_weights()
        self.drawn.key = key
        with torch.no_grad():
            for name in fresh:
                weight = self._own(name)
                weight.copy_(self._draw(name, tuple(weight.shape), self._starts[name], key))
        self.drawn.settle()  # what was not drawn from this key is the user's
        self.drawn.mark({name: self._own(name) for name in fresh})
        return bool(fresh)

    def draw_for(self, drawn: Drawn) -> None:
        """The weights, those that there are and those to come, are drawn for an owner from its key."""
        if not self._starts:
            self.drawn = drawn
            return
        if drawn.key is not None:
            self.draw_again(drawn.key)
        self.drawn.follow(drawn)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Moving a layer to another device or type leaves its weights as they were drawn, and states what they are."""
        unwritten = [name for name in self._starts if self.drawn.unwritten(name, self._own(name))]
        states = {name: state for name, state in self._buffers.items() if isinstance(state, State)}
        moved = super()._apply(fn, recurse)
        for name, state in states.items():
            self._buffers[name] = _in_place(state, self._own(name))
        self.drawn.mark({name: self._own(name) for name in unwritten})
        self._follow_type(fn)
        return moved

    def _follow_type(self, fn: Any) -> None:
        """Compute in another type if the weights have got one."""

    # As a whole.

    @property
    def trainable(self) -> bool:
        """Whether the optimizer changes the weights; can be set at any time, no recompiling needed."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        let_train(self, bool(value))

    @property
    def fixed_weights(self) -> set[str]:
        """The names of weights of its own that never train."""
        return set()

    @property
    def weights(self) -> list[Tensor]:
        """The weights in Keras's order and layouts: its own, trainable ones first, then those of its parts."""
        own = sorted(map(self.__getattr__, self.weight_names), key=lambda value: not isinstance(value, nn.Parameter))
        found: list[Any] = [*own]
        for part in self.children():
            found += part.weights if isinstance(part, WeightHolder) else named_tensors(part)
        return list({id(weight): weight for weight in found}.values())

    @property
    def trainable_weights(self) -> list[Tensor]:
        """The weights that training changes."""
        return [weight for weight in self.weights if weight.requires_grad]

    @property
    def non_trainable_weights(self) -> list[Tensor]:
        """The weights that training leaves as they are, or changes by other rules."""
        return [weight for weight in self.weights if not weight.requires_grad]

    @property
    def variables(self) -> list[Tensor]:
        """The weights, by Keras's other name."""
        return self.weights

    @property
    def trainable_variables(self) -> list[Tensor]:
        """The weights that training changes, by Keras's other name."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Tensor]:
        """The weights that training leaves as they are, by Keras's other name."""
        return self.non_trainable_weights

    def get_weights(self) -> list[np.ndarray]:
        """Copies of the weights as NumPy arrays, in Keras's order and layouts; bfloat16 as float32."""
        return [as_array(weight) for weight in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
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
        """The scalar penalties of the layer's regularizers, on weights that train."""
        for name, regularizer in self.weight_regularizers.items():
            weight = self._own(name)
            if weight.requires_grad:
                yield regularizer(weight)


def let_train(module: nn.Module, value: bool) -> None:
    """Freeze or thaw the weights of a module and of its parts."""
    for part in module.modules():
        fixed: set[str] = set()
        if isinstance(part, WeightHolder):
            part._trainable, fixed = value, part.fixed_weights
        for name, parameter in part.named_parameters(recurse=False):
            parameter.requires_grad_(value and name not in fixed)


def _in_place(state: State, moved: Tensor) -> Tensor:
    """A state with the values that it has after a move: the same object where torch can do that."""
    if moved is state:
        return state
    if torch._has_compatible_shallow_copy_type(state, moved):
        state.data = moved
        return state
    made = State(moved)
    made.name = state.name
    return made


def named_tensors(module: nn.Module) -> list[Tensor]:
    """The weights of a module of PyTorch, in its own order."""
    return [value for value in module.state_dict(keep_vars=True).values() if isinstance(value, Tensor)]


def assign(owner: str, weights: Sequence[Tensor], values: Sequence[Any]) -> None:
    """Copy arrays into weights, after every shape has been checked."""
    if len(values) != len(weights):
        raise HandsonError(f"{owner!r} has {len(weights)} weights; got {len(values)} arrays.")
    found = [convert(value) for value in values]
    for position, (weight, value) in enumerate(zip(weights, found, strict=True)):
        if weight.shape != value.shape:
            raise HandsonError(
                f"weight {position} of {owner!r} has shape {tuple(weight.shape)}; got an array of {tuple(value.shape)}."
            )
    with torch.no_grad():
        for weight, value in zip(weights, found, strict=True):
            weight.copy_(value)


def check_memory(layer: str, name: str, shape: Sequence[int], dtype: torch.dtype = torch.float32) -> None:
    """Raise when a weight does not fit into the memory that is free."""
    size = dtype.itemsize * math.prod(shape)
    if size > LARGE and size > (free_memory() or math.inf):
        raise HandsonError(
            f"layer {layer!r}: {name} has shape {tuple(shape)} and takes {size:,} bytes, more than the memory that is "
            f"free. Give the layer fewer units or filters, or the net smaller inputs."
        )


def _check_copies(aggregation: Any, overwrite_with_gradient: Any) -> None:
    """Raise for what Keras does with copies of a variable, of which there is one here."""
    if aggregation not in AGGREGATIONS or overwrite_with_gradient:
        raise HandsonError(
            f"add_weight: aggregation is one of {listing(AGGREGATIONS)} and overwrite_with_gradient False; got "
            f"{aggregation!r}, {overwrite_with_gradient!r}."
        )

"""What happens when a layer or a net is called: on symbols, on arrays, on tensors.

A layer defines what it computes as `call(inputs, ...)`, as in Keras, or as `forward(x)`, as in PyTorch. Called on
symbols it becomes a node of a graph; called on arrays or tensors it computes, and builds its weights first if need be.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from handson.core import tree
from handson.core.errors import HandsonError, nearest
from handson.core.masked import unmasked
from handson.graph import symbol
from handson.graph.conversion import TEXT
from handson.graph.symbol import Node, Spec, Symbol
from handson.layers.input_spec import check
from handson.layers.of_keras import OfKeras
from handson.layers.shapes import Shapes, is_shape, map_shapes

# Where a tensor carries its mask: which steps of a sequence are there.
MASK = "_handson_mask"
# Sizes that stand in for dimensions that vary while a shape is worked out: convolutions and pooling need some room.
STAND_INS = (41, 47)
# Whether layers run on zeros, for the sake of shapes: nothing that they remember may change.
is_on_zeros = symbol.is_trial


class Called(OfKeras, nn.Module):
    """The base of layers and nets."""

    # Whether whole numbers are converted before `call` sees them.
    floats_only: ClassVar[bool] = False
    # Whether whole numbers stay what they are, on the way here too: they are ids, not amounts.
    takes_integers: ClassVar[bool] = False
    # Whether the outputs have the shape of the inputs.
    keeps_shape: ClassVar[bool] = False
    # Whether masks of its inputs hold for its outputs too.
    supports_masking: bool = False
    # Whether `compute_mask` makes masks where the inputs have none, and `call` does not attach them itself.
    makes_masks: bool = False
    # Whether texts may come in, and whether nothing else may.
    takes_texts: Any = False
    reads_texts: Any = False
    # Whether inputs of floats are converted to the type that is computed in: that of inputs, and that of outputs.
    autocast: bool = True
    input_type: torch.dtype = torch.float32
    output_type: torch.dtype = torch.float32

    # What inputs have to be, an `InputSpec` or a list or dictionary of them.
    input_spec: Any = None

    name: str

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """What is computed from the inputs."""
        raise NotImplementedError(
            f"{type(self).__name__} must define what it computes: call(self, inputs), or forward(self, x)."
        )

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What PyTorch calls: `call`, told whether it trains if it wants to know."""
        if "training" in _parameters(type(self).call) and kwargs.get("training") is None:
            kwargs["training"] = self.training
        return self.call(*args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.input_spec is not None:
            check(self, self.input_spec, args[0] if args else next(iter(kwargs.values()), None))
        if len(args) == 1 and not kwargs and type(args[0]) is Tensor and self._ready():
            x = args[0]
            if not (hasattr(x, MASK) or self.makes_masks):
                return super().__call__(x if x.dtype is self.input_type else self._typed(x))
        elif symbol.symbolic(args, kwargs):
            return symbol.apply(self, args, kwargs, self._infer)
        return self._called(args, kwargs)

    def _ready(self) -> bool:
        """Whether the weights are there."""
        return True

    def _prepare(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Make the weights for these arguments."""

    def _called(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Any call on values: arrays become tensors, masks and `training` are passed to who knows them."""
        mask = tree.map_leaves(self._mask, kwargs.pop("mask", None))
        self._check_names(kwargs)
        args, kwargs = tree.map_leaves(self._value, args), tree.map_leaves(self._value, kwargs)
        if not self._ready():
            self._prepare(args, kwargs)
        known = _parameters(self._computed())
        kwargs |= self._masks_beside(args, kwargs)
        mask = self._first_mask(args, kwargs) if mask is None else mask
        training = kwargs.pop("training", None)
        if training is not None and "training" in known:
            kwargs["training"] = bool(training)
        if mask is not None and "mask" in known:
            kwargs["mask"] = mask
        with self._mode(training):
            output = super().__call__(*args, **kwargs)
        return self._masked(output, args, mask)

    def _check_names(self, kwargs: dict[str, Any]) -> None:
        """Raise for an argument that `call` has not; each layer takes `training` and `mask`."""
        if not kwargs:
            return
        computed = self._computed()
        unknown = kwargs.keys() - {*_parameters(computed), "training", "mask"}
        if unknown and not _takes_any(computed):
            name, known = sorted(unknown)[0], _parameters(computed)
            raise TypeError(
                f"a call of {type(self).__name__} {self.name!r} has no argument {name!r}.{nearest(name, known)} It "
                f"takes: {', '.join(known)}."
            )

    def _value(self, leaf: Any) -> Any:
        if isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind in "biuf":
            device = next((weight.device for weight in self.parameters()), torch.device("cpu"))
            # A copy: a layer may change its inputs where they are.
            leaf = torch.as_tensor(np.array(unmasked(leaf), order="C"), device=device)
            if leaf.dtype == torch.float64 and not self.autocast:
                leaf = leaf.to(torch.get_default_dtype())
        return self._typed(leaf) if isinstance(leaf, Tensor) else leaf

    def _typed(self, leaf: Tensor) -> Tensor:
        """A tensor in the type that is computed in, with its mask."""
        wanted = self.autocast and self.input_type.is_floating_point if leaf.is_floating_point() else self.floats_only
        if not wanted or leaf.dtype == self.input_type or _lowered_by_torch(leaf):
            return leaf
        typed = leaf.to(self.input_type)
        if hasattr(leaf, MASK):
            setattr(typed, MASK, getattr(leaf, MASK))
        return typed

    def _mask(self, leaf: Any) -> Any:
        """A mask as truth values."""
        if isinstance(leaf, (np.ndarray, np.generic)):
            device = next((weight.device for weight in self.parameters()), torch.device("cpu"))
            leaf = torch.as_tensor(np.asarray(leaf, order="C"), device=device)
        return leaf.to(torch.bool) if isinstance(leaf, Tensor) else leaf

    @contextmanager
    def _mode(self, training: Any) -> Iterator[None]:
        """While this lasts, the layer and its parts train or do not, if that was said."""
        if training is None or bool(training) == self.training:
            yield
            return
        kept = [(part, part.training) for part in self.modules()]
        self.train(bool(training))
        try:
            yield
        finally:
            for part, mode in kept:
                part.training = mode

    def _computed(self) -> Any:
        """The function that says what is computed."""
        kind = type(self)
        return kind.call if kind.forward is Called.forward else kind.forward

    # Masks.

    def _masks_beside(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The masks that arguments bring along, where they are arguments of their own, as `query_mask` of `query`."""
        names = _masked_arguments(self._computed())
        given = named_arguments(self._computed(), args, kwargs) if names else {}
        found = {f"{name}_mask": _masks_of(given.get(name)) for name in names if given.get(f"{name}_mask") is None}
        return {name: mask for name, mask in found.items() if mask is not None}

    def _first_mask(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The mask of the first argument: the one that is given, or the one that it brings along."""
        known = _parameters(self._computed())
        given = named_arguments(self._computed(), args, kwargs)
        own = given.get(f"{known[0]}_mask") if known else None
        return own if own is not None else _masks_of(args[0] if args else given.get(known[0]) if known else None)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the outputs, for the mask of the inputs; None for none."""
        return mask if self.supports_masking else None

    def _masked(self, output: Any, args: tuple[Any, ...], mask: Any) -> Any:
        if mask is None and type(self).compute_mask is Called.compute_mask:
            return output
        found = self.compute_mask(args[0] if args else None, mask)
        if found is None:
            return output
        for leaf, own in zip(tree.leaves(output), tree.leaves(found), strict=False):
            if isinstance(leaf, Tensor) and own is not None:
                setattr(leaf, MASK, own)
        return output

    def forget_added(self) -> None:
        """Forget the losses that were added in the latest run."""

    # Shapes.

    def _infer(self, node: Node) -> Any:
        """The shapes and types that a node of this layer gives."""
        args, kwargs = node.arguments
        self._check_names(kwargs)
        shapes = self._shapes_in(args, kwargs)
        self._build_for(shapes)
        first = tree.leaves(args[:1] or list(kwargs.values())[:1])
        kinds = {leaf.dtype for leaf in first if isinstance(leaf, (Symbol, Tensor))}
        kinds = kinds - {TEXT} or kinds
        if self._states_shapes() and kinds:
            kind = functools.reduce(torch.promote_types, kinds)
            return map_shapes_to_specs(self.shape_after(shapes), self._type_after(kind))
        return self.run_on_zeros(node)

    def _type_after(self, kind: torch.dtype) -> torch.dtype:
        """The type of the outputs for the type of the inputs."""
        converted = self.autocast and self.output_type.is_floating_point if kind.is_floating_point else self.floats_only
        return self.output_type if converted else kind

    def _shapes_in(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Shapes:
        """The shapes that the weights follow from: that of the first argument, or those that `build` names."""
        wanted = several_shapes(type(self).build)
        if not wanted:
            return shapes_of(args[0] if args else kwargs.get(next(iter(_parameters(self._computed())), "")))
        given = named_arguments(self._computed(), args, kwargs)
        shapes = {name: shapes_of(given.get(name.removesuffix("_shape"))) for name in wanted}
        return {name: shape for name, shape in shapes.items() if shape is not None}

    def build(self, input_shape: Any) -> None:
        """Make the weights for an input shape."""

    def _build_for(self, shapes: Shapes) -> None:
        """Make the weights for a symbolic call."""

    def _states_shapes(self) -> bool:
        """Whether the class says what shape its outputs have."""
        return self.keeps_shape

    def shape_after(self, input_shape: Shapes) -> Shapes:
        """The shape of the outputs for the shape of the inputs."""
        return input_shape

    def takes_ids(self, count: int) -> list[bool]:
        """Of each of so many inputs, whether it takes whole numbers as ids."""
        return [self.takes_integers] * count

    def _tried(self, node: Node, device: str) -> Any:
        """The shapes and types of a call; of a layer that cannot do without a mask, with one."""
        args, kwargs = node.arguments
        try:
            return symbol.run_on_shapes(node, device, STAND_INS)
        except (RuntimeError, ValueError, IndexError, TypeError, AttributeError, AssertionError):
            if kwargs.get("mask") is not None or "mask" not in _parameters(self._computed()) or not args:
                raise
            masked = kwargs | {"mask": tree.map_leaves(_as_mask, args[0])}
            return symbol.run_on_shapes(Node(self, args, masked), device, STAND_INS)

    def run_on_zeros(self, node: Node) -> Any:
        """The shapes and types of the outputs of a call, from two runs in evaluation mode on zeros."""
        device = next((weight.device.type for weight in self.parameters()), "cpu")
        kept = [(part, part.training) for part in self.modules()]
        self.eval()
        ids = iter(self.takes_ids(len(node.inputs)))
        node = Node(self, *tree.map_leaves(lambda leaf: _as_ids(leaf, ids), node.arguments))
        try:
            return self._tried(node, device)
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            shapes = ", ".join(str(one.shape) for one in node.inputs)
            raise HandsonError(
                f"{type(self).__name__} {self.name!r} does not take inputs of shape {shapes}: "
                f"{str(error).splitlines()[0]}"
            ) from error
        finally:
            for part, mode in kept:
                part.training = mode
                if isinstance(part, Called):
                    part.forget_added()


def _as_ids(leaf: Any, ids: Iterator[bool]) -> Any:
    """A symbol of whole numbers in place of one of floats, if the next of `ids` says so."""
    wanted = isinstance(leaf, Symbol) and next(ids) and leaf.dtype.is_floating_point
    return Symbol(leaf.shape, torch.int64) if wanted else leaf


def _as_mask(leaf: Any) -> Any:
    return Symbol(leaf.shape[:2], torch.bool) if isinstance(leaf, Symbol) else None


def map_shapes_to_specs(shapes: Shapes, dtype: torch.dtype) -> Any:
    """A tree of `Spec` for a tree of shapes."""
    return Spec(shapes, dtype) if is_shape(shapes) else map_shapes(lambda shape: Spec(shape, dtype), shapes)


def shapes_of(values: Any) -> Shapes:
    """The shapes of a tree of tensors or symbols."""
    return tree.map_leaves(lambda leaf: tuple(leaf.shape) if hasattr(leaf, "shape") else None, values)


def _lowered_by_torch(leaf: Tensor) -> bool:
    """Whether torch itself has chosen a lower type for a tensor: inside of `torch.autocast`."""
    return leaf.dtype in (torch.float16, torch.bfloat16) and torch.is_autocast_enabled(leaf.device.type)


def _masks_of(values: Any) -> Any:
    if isinstance(values, Tensor):
        return getattr(values, MASK, None)
    found = tree.map_leaves(lambda leaf: getattr(leaf, MASK, None), values)
    return found if any(mask is not None for mask in tree.leaves(found)) else None


@functools.cache
def _parameters(function: Any) -> tuple[str, ...]:
    """The names of the arguments of a method, without `self`."""
    return tuple(inspect.signature(function).parameters)[1:]


@functools.cache
def _takes_any(function: Any) -> bool:
    """Whether a method takes arguments of any name."""
    return any(one.kind is one.VAR_KEYWORD for one in inspect.signature(function).parameters.values())


@functools.cache
def _masked_arguments(function: Any) -> tuple[str, ...]:
    """The arguments whose masks are arguments of their own: `query` where there is a `query_mask` too."""
    known = _parameters(function)
    return tuple(name for name in known if f"{name}_mask" in known)


def named_arguments(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call of a method by their names."""
    return dict(zip(_parameters(function), args, strict=False)) | kwargs


@functools.cache
def several_shapes(function: Any) -> tuple[str, ...]:
    """The parameters of `build` or of its like where it asks for the shapes of several arguments, as `query_shape`."""
    known = _parameters(function)
    return known if len(known) > 1 and all(name.endswith("_shape") for name in known) else ()


def with_shapes(method: Any, shapes: Shapes) -> Any:
    """What a method such as `build` gives for one shape, or for several by name."""
    return method(**shapes) if several_shapes(method.__func__) else method(shapes)


@functools.cache
def required(function: Any) -> int:
    """How many arguments a method has to be given, itself not counted."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(one.default is one.empty and one.kind in positional for one in parameters)

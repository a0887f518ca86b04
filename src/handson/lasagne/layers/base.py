"""The bases of Lasagne's layers.

A layer knows what it stands behind, its shapes, and its parameters, which are shared variables; `get_output_for` makes
an expression. Layers that handson has too are made of its layers (`parts`), whose weights are the parameters: seen in
Lasagne's layout, kept in handson's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.lasagne.random import get_rng
from handson.lasagne.utils import create_param
from handson.randomness import stream
from handson.theano.plan import leaves_of
from handson.theano.sharing import SharedVariable
from handson.theano.variable import Variable, apply, common

Shape = tuple[Any, ...]
View = Callable[[Tensor], Tensor]


class WeightCell:
    """The value of a parameter, kept as a weight of one of handson's layers.

    Parameters
    ----------
    part : handson.layers.Layer
        The layer.
    weight : str
        The name of its weight.
    to, back : function
        The weight in Lasagne's layout, and a value in that layout as handson keeps it.
    """

    def __init__(self, part: Any, weight: str, to: View, back: View) -> None:
        self.part, self.weight, self.to, self.back = part, weight, to, back

    def read(self) -> Tensor:
        """The value, without a gradient."""
        return self.to(getattr(self.part, self.weight).detach())

    @torch.no_grad()
    def write(self, value: Tensor) -> None:
        """Take another value."""
        held = getattr(self.part, self.weight)
        changed = self.back(value.detach())
        if changed.shape != held.shape:
            raise HandsonError(
                f"the parameter has shape {tuple(self.read().shape)}; got values of shape {tuple(value.shape)}."
            )
        held.copy_(changed)


def same(x: Tensor) -> Tensor:
    """A weight whose layout is that of handson."""
    return x


class Layer:
    """The base of layers with one input. A layer of your own defines `get_output_for`, and a shape if it changes it.

    Parameters
    ----------
    incoming : Layer or tuple
        The layer before, or the shape of the input, None for the rows.
    name : str, optional
        A name.

    Examples
    --------
    >>> from handson.lasagne.layers import InputLayer, get_output
    >>> class Doubled(Layer):
    ...     def get_output_for(self, input, **kwargs):
    ...         return 2 * input
    >>> x = InputLayer((None, 2))
    >>> get_output(Doubled(x)).eval({x.input_var: [[1, 2]]}).tolist()
    [[2.0, 4.0]]
    """

    # handson's layers that compute this one, one after the other; None where `get_output_for` is written out.
    parts: list[Any] | None = None
    # What `parts` are made from, beside the attributes.
    made_for: tuple[Any, ...] = ()

    def __init__(self, incoming: Any, name: str | None = None) -> None:
        self.input_shape, self.input_layer = _taken(type(self).__name__, incoming)
        self._start(name)

    def _start(self, name: str | None) -> None:
        self.name = name
        self.params: OrderedDict[Variable, set[str]] = OrderedDict()
        self.get_output_kwargs: list[str] = []

    @property
    def input_layers(self) -> list[Any]:
        """The layers before."""
        return [self.input_layer]

    @property
    def output_shape(self) -> Shape:
        """The shape of the output, None for the rows."""
        shape = self.get_output_shape_for(self.input_shape)
        if any(isinstance(side, Variable) for side in shape):
            raise HandsonError(f"{self!r}: get_output_shape_for gives numbers and None; got {shape}.")
        return tuple(shape)

    def get_output_shape_for(self, input_shape: Any) -> Shape:
        """The shape of the output for the shape of the input."""
        return input_shape

    def get_output_for(self, *args: Any, **kwargs: Any) -> Any:
        """The output, as an expression of the input: get_output_for(input, **kwargs)."""
        raise NotImplementedError(f"{type(self).__name__} must define get_output_for(input, **kwargs).")

    def get_params(self, unwrap_shared: bool = True, **tags: bool) -> list[Any]:
        """The parameters: with tags those that have them, or with ``trainable=False`` those that have not."""
        wanted = {tag for tag, value in tags.items() if value}
        unwanted = {tag for tag, value in tags.items() if not value}
        found = [one for one, own in self.params.items() if wanted <= own and not unwanted & own]
        if not unwrap_shared:
            return found
        return [leaf for one in found for leaf in _shared_in(one)]

    def add_param(self, spec: Any, shape: Shape, name: str | None = None, **tags: bool) -> Variable:
        """Make a parameter from an initializer, an array, a number or a variable; by default it is trained.

        Parameters
        ----------
        spec : Initializer, array, number, Variable or function
            What it starts from.
        shape : tuple of int
            Its shape.
        name : str, optional
            A name, in front of which that of the layer is put.
        **tags : bool
            'trainable' and 'regularizable' are True unless False is given; others may be added.
        """
        full = f"{self.name}.{name}" if name is not None and self.name is not None else name
        param = create_param(spec, tuple(shape), full)
        tags = {"trainable": True, "regularizable": True} | tags
        self.params[param] = {tag for tag, value in tags.items() if value}
        return param

    def adopt(self, param: Variable | None, part: Any, weight: str, to: View = same, back: View = same) -> None:
        """Keep the value of a parameter as a weight of one of handson's layers."""
        if param is None:
            return
        if not isinstance(param, SharedVariable):
            raise HandsonError(
                f"{self!r}: its parameters are initializers, arrays or shared variables; got {param!r}, an expression. "
                f"Write a layer with get_output_for for it."
            )
        cell = param.cell
        if isinstance(cell, WeightCell):
            held = getattr(cell.part, cell.weight)
            if (cell.to, cell.back) != (to, back) or held.shape != getattr(part, weight).shape:
                raise HandsonError(f"{self!r} cannot share {param!r}: the two layers keep it in other layouts.")
            part._parameters[weight] = held
            return
        home = WeightCell(part, weight, to, back)
        home.write(cell.read().to(home.read().device))
        param.cell = home

    def apply_parts(self, input: Any, deterministic: bool, weights: Sequence[tuple[Any, str, View]]) -> Variable:
        """The expression of `parts`; `weights` says which weight of which part each parameter is."""
        run = _Parts(self, deterministic, [(part, weight, back) for part, weight, back in weights])
        shape = self.output_shape
        values = [self._param_of(part, weight) for part, weight, _ in weights]
        first = input[0] if isinstance(input, (list, tuple)) else input
        kind = common(first) if common(first).startswith("float") else "float32"
        return apply(run, input, values, ndim=len(shape), dtype=kind)

    def _param_of(self, part: Any, weight: str) -> Variable:
        for param in self.params:
            cell = getattr(param, "cell", None)
            if isinstance(cell, WeightCell) and getattr(cell.part, cell.weight) is getattr(part, weight):
                return param
        raise HandsonError(f"{self!r} has no parameter for {weight!r}.")

    def __repr__(self) -> str:
        return f"<{type(self).__name__}{f' {self.name}' if self.name else ''}>"


class MergeLayer(Layer):
    """The base of layers with several inputs.

    Parameters
    ----------
    incomings : list of Layer or tuple
        The layers before, or shapes.
    name : str, optional
        A name.
    """

    def __init__(self, incomings: Sequence[Any], name: str | None = None) -> None:
        taken = [_taken(type(self).__name__, one) for one in incomings]
        self.input_shapes, self._input_layers = [shape for shape, _ in taken], [layer for _, layer in taken]
        self._start(name)

    @property
    def input_layers(self) -> list[Any]:
        """The layers before."""
        return self._input_layers

    @input_layers.setter
    def input_layers(self, layers: list[Any]) -> None:
        self._input_layers = layers

    @property
    def output_shape(self) -> Shape:
        """The shape of the output, None for the rows."""
        return tuple(self.get_output_shape_for(self.input_shapes))

    def get_output_shape_for(self, input_shapes: Any) -> Shape:
        """The shape of the output for the shapes of the inputs."""
        raise NotImplementedError(f"{type(self).__name__} must define get_output_shape_for(input_shapes).")

    def get_output_for(self, *args: Any, **kwargs: Any) -> Any:
        """The output, as an expression of the inputs: get_output_for(inputs, **kwargs)."""
        raise NotImplementedError(f"{type(self).__name__} must define get_output_for(inputs, **kwargs).")


def _taken(owner: str, incoming: Any) -> tuple[Shape, Layer | None]:
    """The shape of what comes in, and the layer that it comes from."""
    if isinstance(incoming, Layer):
        shape: Any = incoming.output_shape
    elif isinstance(incoming, (tuple, list)):
        shape, incoming = tuple(incoming), None
    else:
        raise HandsonError(f"{owner} stands behind a layer, or takes the shape of its input; got {incoming!r}.")
    if any(side is not None and side <= 0 for side in shape):
        raise HandsonError(f"{owner}: the input would have the shape {shape}, in which a size is not positive.")
    return shape, incoming


def _shared_in(param: Variable) -> list[SharedVariable]:
    if isinstance(param, SharedVariable):
        return [param]
    return [leaf for leaf in leaves_of([param]) if isinstance(leaf, SharedVariable)]


@contextmanager
def _in_place(part: Any, values: dict[str, Tensor]) -> Any:
    """While this lasts, a layer computes with other values of its weights, through which gradients flow."""
    held = part._parameters
    kept = {name: held[name] for name in values}
    held.update(values)
    try:
        yield
    finally:
        held.update(kept)


class _Parts:
    """Computes handson's layers on tensors, with the values of parameters in place of their weights."""

    __name__ = "layer"

    def __init__(self, layer: Layer, deterministic: bool, weights: list[tuple[Any, str, View]]) -> None:
        self.layer, self.deterministic, self.weights, self.runs = layer, deterministic, weights, 0
        self.seed = int(get_rng().randint(2**31))

    @property
    def traceable(self) -> bool:
        """Whether nothing is drawn and no state changes."""
        return self.deterministic

    def __call__(self, inputs: Any, values: list[Tensor]) -> Tensor:
        given = [(part, name, back(value)) for (part, name, back), value in zip(self.weights, values, strict=True)]
        first = inputs[0] if isinstance(inputs, (list, tuple)) else inputs
        with self._random(first):
            for part in self.layer.parts or []:
                own = {name: value for owner, name, value in given if owner is part}
                if part.training is self.deterministic:
                    part.train(not self.deterministic)
                with _in_place(part, own):
                    inputs = part(inputs)
        return inputs

    @contextmanager
    def _random(self, x: Tensor) -> Any:
        """What is drawn follows from this layer's seed and how often it ran; in a training, from that training's."""
        if self.deterministic or stream.current() is not None:
            yield
            return
        self.runs += 1
        with stream.active(stream.Stream(self.seed, self.runs)) as own:
            own.rows = torch.arange(len(x), device=x.device)
            yield

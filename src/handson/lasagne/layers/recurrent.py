"""Recurrent layers over sequences (n, steps, features), with Lasagne's gates, peepholes and parameters.

The loop over the steps is one function of tensors, so that an expression holds it as one node.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

import handson.theano.tensor as T
from handson import theano
from handson.core.errors import HandsonError
from handson.lasagne import init, nonlinearities
from handson.lasagne.layers.base import Layer, MergeLayer, Shape
from handson.lasagne.layers.helper import get_output
from handson.lasagne.nonlinearities import as_activation
from handson.theano.variable import apply, common

Step = Callable[[Tensor, list[Tensor]], list[Tensor]]


class Gate:
    """The parameters of a gate.

    Parameters
    ----------
    W_in, W_hid, W_cell, b : Initializer, array or shared variable
        Of the inputs, of the state, of the cell (peepholes; None for none), and the bias.
    nonlinearity : function
        What is applied.
    """

    def __init__(
        self, W_in: Any = init.Normal(0.1), W_hid: Any = init.Normal(0.1), W_cell: Any = init.Normal(0.1),  # noqa: B008
        b: Any = init.Constant(0.0), nonlinearity: Any = nonlinearities.sigmoid,  # noqa: B008
    ) -> None:  # fmt: skip
        self.W_in, self.W_hid, self.W_cell, self.b = W_in, W_hid, W_cell, b
        self.nonlinearity = nonlinearities.identity if nonlinearity is None else nonlinearity


class _Recurrent(MergeLayer):
    """The base: initial states, masks, and which outputs are given."""

    # The states, by the names of what they start from.
    states: ClassVar[tuple[str, ...]] = ("hid",)

    def __init__(
        self, incoming: Any, num_units: int, hid_init: Any = init.Constant(0.0), backwards: bool = False,  # noqa: B008
        learn_init: bool = False, gradient_steps: int = -1, grad_clipping: float = 0, unroll_scan: bool = False,
        precompute_input: bool = True, mask_input: Any = None, only_return_final: bool = False,
        name: str | None = None, cell_init: Any = None,
    ) -> None:  # fmt: skip
        if gradient_steps != -1:
            raise HandsonError(f"{type(self).__name__}: gradient_steps is -1, all steps; got {gradient_steps}.")
        incomings, self._roles = [incoming], ["input"]
        given = {"mask": mask_input, "hid": hid_init, "cell": cell_init}
        for role, one in given.items():
            if isinstance(one, Layer):
                incomings.append(one)
                self._roles.append(role)
        super().__init__(incomings, name)
        self.num_units, self.backwards, self.learn_init = int(num_units), backwards, learn_init
        self.grad_clipping, self.only_return_final = grad_clipping, only_return_final
        self.unroll_scan, self.precompute_input, self.gradient_steps = unroll_scan, precompute_input, gradient_steps
        if len(self.input_shapes[0]) < 3:
            raise HandsonError(f"{type(self).__name__} takes (n, steps, features); got {self.input_shapes[0]}.")
        self._firsts = {state: self._first(state, given[state]) for state in self.states}

    def _first(self, state: str, spec: Any) -> Any:
        """The parameter of a state before the first step; None where a layer gives it."""
        if isinstance(spec, Layer):
            return None
        own = {"trainable": self.learn_init, "regularizable": False}
        param = self.add_param(spec, (1, self.num_units), name=f"{state}_init", **own)
        setattr(self, f"{state}_init", param)
        return param

    @property
    def features(self) -> int:
        """The size of the input at a step."""
        found = 1
        for side in self.input_shapes[0][2:]:
            found *= side
        return found

    def get_output_shape_for(self, input_shapes: Any) -> Shape:
        batch, steps = input_shapes[0][:2]
        return (batch, self.num_units) if self.only_return_final else (batch, steps, self.num_units)

    def _weights(self) -> list[Any]:
        """The parameters that `step` takes, flat."""
        raise NotImplementedError(type(self).__name__)

    def step(self, weights: list[Tensor]) -> tuple[Callable[[Tensor], Tensor], Step]:
        """What the inputs of all steps add, and a step, for values of the parameters."""
        raise NotImplementedError(type(self).__name__)

    def get_output_for(self, inputs: Any, **kwargs: Any) -> Any:
        by_role = dict(zip(self._roles, inputs, strict=True))
        firsts = [by_role.get(state, self._firsts[state]) for state in self.states]
        given = [by_role["input"], by_role.get("mask"), firsts, self._weights()]
        axes = len(self.get_output_shape_for(self.input_shapes))
        return apply(_Loop(self), *given, ndim=axes, dtype=common(by_role["input"]))

    def clipped(self, x: Tensor) -> Tensor:
        """The same values, whose gradient is bounded on the backward pass."""
        if not self.grad_clipping:
            return x
        return theano.gradient._clipped(x, -self.grad_clipping, self.grad_clipping)


class _Loop:
    """Runs a recurrent layer on tensors."""

    __name__ = "recurrent"

    def __init__(self, layer: _Recurrent) -> None:
        self.layer = layer

    def __call__(self, x: Tensor, mask: Tensor | None, firsts: list[Tensor], weights: list[Tensor]) -> Tensor:
        layer = self.layer
        enter, step = layer.step(weights)
        entering = enter(x.flatten(2) if x.dim() > 3 else x)
        states = [first.expand(len(x), -1) for first in firsts]
        order = range(entering.shape[1])
        outputs: list[Any] = [None] * len(order)
        for place in reversed(order) if layer.backwards else order:
            now = step(entering[:, place], states)
            if mask is not None:
                there = mask[:, place, None].to(x.dtype)
                now = [there * new + (1 - there) * old for new, old in zip(now, states, strict=True)]
            states = now
            outputs[place] = states[0]
        return states[0] if layer.only_return_final else torch.stack(outputs, 1)


class RecurrentLayer(_Recurrent):
    """Units whose outputs are fed back: nonlinearity(x W_in_to_hid + b + h W_hid_to_hid).

    Parameters
    ----------
    incoming : Layer or tuple
        The layer before, (n, steps, features).
    num_units : int
        The number of units.
    W_in_to_hid, W_hid_to_hid, b : Initializer, array or shared variable
        What the parameters start from.
    nonlinearity : function
        What is applied.
    hid_init : Initializer, array, shared variable or Layer
        The state before the first step.
    backwards : bool
        Read sequences from their ends; outputs stay where their inputs are.
    learn_init : bool
        Whether the first state is trained.
    grad_clipping : float
        Bounds the gradient at each step of the backward pass; 0 for no bound.
    mask_input : Layer, optional
        (n, steps), 0 where a step is not there.
    only_return_final : bool
        Give the last output alone.
    gradient_steps, unroll_scan, precompute_input
        For programs that name them: gradients flow through all steps.
    name : str, optional
        A name.

    Examples
    --------
    >>> RecurrentLayer((None, 7, 3), 4).output_shape
    (None, 7, 4)
    """

    def __init__(
        self, incoming: Any, num_units: int, W_in_to_hid: Any = init.Uniform(), W_hid_to_hid: Any = init.Uniform(),  # noqa: B008
        b: Any = init.Constant(0.0), nonlinearity: Any = nonlinearities.rectify, **kwargs: Any,  # noqa: B008
    ) -> None:  # fmt: skip
        super().__init__(incoming, num_units, **kwargs)
        self.nonlinearity = nonlinearities.identity if nonlinearity is None else nonlinearity
        self.W_in_to_hid = self.add_param(W_in_to_hid, (self.features, self.num_units), name="input_to_hidden.W")
        name = "input_to_hidden.b"
        self.b = None if b is None else self.add_param(b, (self.num_units,), name, regularizable=False)
        self.W_hid_to_hid = self.add_param(W_hid_to_hid, (self.num_units, self.num_units), name="hidden_to_hidden.W")

    def _weights(self) -> list[Any]:
        return [self.W_in_to_hid, self.W_hid_to_hid, *([] if self.b is None else [self.b])]

    def step(self, weights: list[Tensor]) -> tuple[Callable[[Tensor], Tensor], Step]:
        entering, feeding, *bias = weights
        activation = as_activation(self.nonlinearity)

        def step(x: Tensor, states: list[Tensor]) -> list[Tensor]:
            return [activation(self.clipped(x + states[0] @ feeding))]

        return lambda x: x @ entering + (bias[0] if bias else 0.0), step


class _Gated(_Recurrent):
    """The base of layers with gates."""

    def _gate(self, gate: Gate, name: str, peepholes: bool = False) -> list[Any]:
        """The parameters of a gate, which are attributes too."""
        shapes: dict[str, tuple[Any, tuple[int, ...], bool]] = {
            f"W_in_to_{name}": (gate.W_in, (self.features, self.num_units), True),
            f"W_hid_to_{name}": (gate.W_hid, (self.num_units, self.num_units), True),
            f"b_{name}": (gate.b, (self.num_units,), False),
        }
        if peepholes:
            shapes[f"W_cell_to_{name}"] = (gate.W_cell, (self.num_units,), True)
        made = []
        for attribute, (spec, shape, regularizable) in shapes.items():
            made.append(self.add_param(spec, shape, name=attribute, regularizable=regularizable))
            setattr(self, attribute, made[-1])
        setattr(self, f"nonlinearity_{name}", gate.nonlinearity)
        return made

    def _weights(self) -> list[Any]:
        return [param for gate in self._gates for param in gate]

    _gates: list[list[Any]]


def _joined(gates: list[list[Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    """The weights of all gates beside each other, for one product each."""
    entering, feeding, bias = (torch.cat([gate[part] for gate in gates], -1) for part in range(3))
    return entering, feeding, bias


class LSTMLayer(_Gated):
    """Long short-term memory, with peepholes unless told otherwise (Hochreiter and Schmidhuber, 1997; Graves, 2013).

    Parameters
    ----------
    incoming, num_units, hid_init, backwards, learn_init, grad_clipping, mask_input, only_return_final, name
        As of `RecurrentLayer`.
    ingate, forgetgate, cell, outgate : Gate
        The parameters of the gates; the cell has no peephole.
    nonlinearity : function
        What is applied to the cell, for the output.
    cell_init : Initializer, array, shared variable or Layer
        The cell before the first step.
    peepholes : bool
        Whether gates see the cell.

    Examples
    --------
    >>> LSTMLayer((None, 7, 3), 4, only_return_final=True).output_shape
    (None, 4)
    """

    states = ("hid", "cell")

    def __init__(
        self, incoming: Any, num_units: int, ingate: Gate | None = None, forgetgate: Gate | None = None,
        cell: Gate | None = None, outgate: Gate | None = None, nonlinearity: Any = nonlinearities.tanh,
        cell_init: Any = init.Constant(0.0), hid_init: Any = init.Constant(0.0), backwards: bool = False,  # noqa: B008
        learn_init: bool = False, peepholes: bool = True, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(incoming, num_units, hid_init, backwards, learn_init, cell_init=cell_init, **kwargs)
        self.nonlinearity = nonlinearities.identity if nonlinearity is None else nonlinearity
        self.peepholes = peepholes
        gates = {"ingate": ingate, "forgetgate": forgetgate, "cell": cell, "outgate": outgate}
        filled = {
            name: gate or (Gate(W_cell=None, nonlinearity=nonlinearities.tanh) if name == "cell" else Gate())
            for name, gate in gates.items()
        }
        self._gates = [self._gate(gate, name, peepholes and name != "cell") for name, gate in filled.items()]
        self._activations = [as_activation(gate.nonlinearity) for gate in filled.values()]

    def step(self, weights: list[Tensor]) -> tuple[Callable[[Tensor], Tensor], Step]:
        values = iter(weights)
        gates = [[next(values) for _ in gate] for gate in self._gates]
        entering, feeding, bias = _joined(gates)
        looks: list[Any] = [gate[3] if len(gate) > 3 else None for gate in gates]
        enters, forgets, writes, leaves = self._activations
        final = as_activation(self.nonlinearity)

        def seen(x: Tensor, cell: Tensor, number: int) -> Tensor:
            return x if looks[number] is None else x + cell * looks[number]

        def step(x: Tensor, states: list[Tensor]) -> list[Tensor]:
            hidden, cell = states
            into, keep, write, out = self.clipped(x + hidden @ feeding).chunk(4, -1)
            into, keep = enters(seen(into, cell, 0)), forgets(seen(keep, cell, 1))
            cell = keep * cell + into * writes(write)
            return [leaves(seen(out, cell, 3)) * final(cell), cell]

        return lambda x: x @ entering + bias, step


class GRULayer(_Gated):
    """Gated recurrent unit (Cho et al., 2014), which resets the state after the product with its weights.

    Parameters
    ----------
    incoming, num_units, hid_init, backwards, learn_init, grad_clipping, mask_input, only_return_final, name
        As of `RecurrentLayer`.
    resetgate, updategate, hidden_update : Gate
        The parameters of the gates, which have no peepholes.

    Examples
    --------
    >>> GRULayer((None, 7, 3), 4).output_shape
    (None, 7, 4)
    """

    def __init__(
        self, incoming: Any, num_units: int, resetgate: Gate | None = None, updategate: Gate | None = None,
        hidden_update: Gate | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(incoming, num_units, **kwargs)
        gates = {
            "resetgate": resetgate or Gate(W_cell=None),
            "updategate": updategate or Gate(W_cell=None),
            "hidden_update": hidden_update or Gate(W_cell=None, nonlinearity=nonlinearities.tanh),
        }
        self._gates = [self._gate(gate, name) for name, gate in gates.items()]
        self._activations = [as_activation(gate.nonlinearity) for gate in gates.values()]

    def step(self, weights: list[Tensor]) -> tuple[Callable[[Tensor], Tensor], Step]:
        values = iter(weights)
        entering, feeding, bias = _joined([[next(values) for _ in gate] for gate in self._gates])
        resets, updates, final = self._activations

        def step(x: Tensor, states: list[Tensor]) -> list[Tensor]:
            (hidden,) = states
            into, fed = self.clipped(x).chunk(3, -1), self.clipped(hidden @ feeding).chunk(3, -1)
            reset, update = resets(into[0] + fed[0]), updates(into[1] + fed[1])
            new = final(self.clipped(into[2] + reset * fed[2]))
            return [(1 - update) * hidden + update * new]

        return lambda x: x @ entering + bias, step


class CustomRecurrentLayer(MergeLayer):
    """A recurrence between nets of one's own: nonlinearity(input_to_hidden(x) + hidden_to_hidden(h)).

    Parameters
    ----------
    incoming : Layer or tuple
        The layer before, (n, steps, ...).
    input_to_hidden, hidden_to_hidden : Layer
        The last layers of two nets, each behind an InputLayer for one step; their outputs have one shape.
    nonlinearity : function
        What is applied.
    hid_init : Initializer, array or shared variable
        The state before the first step.
    backwards, learn_init, only_return_final, name
        As of `RecurrentLayer`.
    """

    def __init__(
        self, incoming: Any, input_to_hidden: Any, hidden_to_hidden: Any, nonlinearity: Any = nonlinearities.rectify,
        hid_init: Any = init.Constant(0.0), backwards: bool = False, learn_init: bool = False,  # noqa: B008
        only_return_final: bool = False, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__([incoming], name)
        self.input_to_hidden, self.hidden_to_hidden = input_to_hidden, hidden_to_hidden
        self.nonlinearity = nonlinearities.identity if nonlinearity is None else nonlinearity
        self.backwards, self.learn_init, self.only_return_final = backwards, learn_init, only_return_final
        if input_to_hidden.output_shape[1:] != hidden_to_hidden.output_shape[1:]:
            raise HandsonError(
                f"CustomRecurrentLayer: input_to_hidden gives {input_to_hidden.output_shape}, hidden_to_hidden "
                f"{hidden_to_hidden.output_shape}; they are added."
            )
        shape = (1, *hidden_to_hidden.output_shape[1:])
        self.hid_init = self.add_param(hid_init, shape, "hid_init", trainable=learn_init, regularizable=False)

    def get_params(self, unwrap_shared: bool = True, **tags: bool) -> list[Any]:
        from handson.lasagne.layers.helper import get_all_params

        nets = [self.input_to_hidden, self.hidden_to_hidden]
        return [*super().get_params(unwrap_shared, **tags), *get_all_params(nets, unwrap_shared, **tags)]

    def get_output_shape_for(self, input_shapes: Any) -> Shape:
        batch, steps = input_shapes[0][:2]
        rest = self.hidden_to_hidden.output_shape[1:]
        return (batch, *rest) if self.only_return_final else (batch, steps, *rest)

    def get_output_for(self, inputs: Any, **kwargs: Any) -> Any:
        (x,) = inputs
        steps = x.dimshuffle(1, 0, *range(2, x.ndim))
        axes = len(self.hidden_to_hidden.output_shape)
        first = T.ones((x.shape[0], *(1 for _ in range(axes - 1)))) * self.hid_init

        def step(now: Any, hidden: Any, *weights: Any) -> Any:
            added = get_output(self.input_to_hidden, now, **kwargs) + get_output(
                self.hidden_to_hidden, hidden, **kwargs
            )
            return self.nonlinearity(added)

        found, _ = theano.scan(step, sequences=steps, outputs_info=[first], go_backwards=self.backwards)
        if self.only_return_final:
            return found[-1]
        found = found[::-1] if self.backwards else found
        return found.dimshuffle(1, 0, *range(2, found.ndim))

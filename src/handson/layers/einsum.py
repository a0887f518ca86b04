"""`EinsumDense`: products of inputs and a kernel that letters for axes describe."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from handson import activations, initializers
from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.layers.base import Shape, positive
from handson.layers.low_rank import Adapted, LowRank

FORM = re.compile(r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?")


class Equation(NamedTuple):
    """The letters of an equation such as 'abc,cd->abd', and where it has dots: 'left', 'right' or nowhere, ''."""

    inputs: str
    kernel: str
    outputs: str
    dots: str

    @classmethod
    def parse(cls, text: Any) -> Equation:
        """The equation for a text.

        Raises
        ------
        HandsonError
            When it has another form, or a letter that nothing says the size of.

        Examples
        --------
        >>> Equation.parse("...x,xy->...y")
        Equation(inputs='x', kernel='xy', outputs='y', dots='left')
        """
        found = FORM.fullmatch(text.replace(" ", "")) if isinstance(text, str) else None
        left, inputs, right, kernel, left_again, outputs, right_again = found.groups("") if found else ("",) * 7
        if found is None or left != left_again or right != right_again or (left and right):
            raise HandsonError(
                f"EinsumDense: an equation is written 'ab,bc->ac', '...ab,bc->...ac' or 'ab...,bc->ac...'; got "
                f"{text!r}."
            )
        for letters in (inputs, kernel, outputs):
            if len(set(letters)) < len(letters):
                raise HandsonError(f"EinsumDense: a letter stands once in each part of an equation; got {text!r}.")
        for letter in kernel:
            if letter not in inputs and letter not in outputs:
                raise HandsonError(
                    f"EinsumDense: {letter!r} of the kernel is in neither the inputs nor the outputs of {text!r}."
                )
        for letter in outputs:
            if letter not in inputs and letter not in kernel:
                raise HandsonError(
                    f"EinsumDense: {letter!r} of the outputs is in neither the inputs nor the kernel of {text!r}."
                )
        return cls(inputs, kernel, outputs, "left" if left else "right" if right else "")

    def split(self, shape: Shape) -> tuple[Shape, Shape]:
        """The sizes of the letters of the inputs, and those of the axes that the dots stand for."""
        count = len(shape) - len(self.inputs)
        if count < 0 or (count > 0 and not self.dots):
            raise HandsonError(
                f"EinsumDense: inputs {self.inputs!r} have {len(self.inputs)} axes{' or more' * bool(self.dots)}; got "
                f"the shape {shape}."
            )
        if self.dots == "left":
            return shape[count:], shape[:count]
        return shape[: len(self.inputs)], shape[len(self.inputs) :]

    def outputs_of(self, shape: Shape, given: Sequence[int | None]) -> Shape:
        """The shape of the outputs, for that of the inputs and what is given of the outputs: all but rows and dots."""
        sides, dots = self.split(shape)
        sizes = dict(zip(self.inputs, sides, strict=True))
        # The first axis of the outputs are the rows, of a letter or of the dots.
        rows = not (self.dots == "left" and dots)
        if len(given) != len(self.outputs) - rows:
            raise HandsonError(
                f"EinsumDense: output_shape has a size, or None, for each of {self.outputs[rows:]!r}; got "
                f"{tuple(given)}."
            )
        found = [shape[0]] * rows
        for letter, size in zip(self.outputs[rows:], given, strict=True):
            known = sizes.get(letter)
            if size is not None and known is not None and size != known:
                raise HandsonError(
                    f"EinsumDense: {letter!r} is {known} in inputs of shape {shape}, but {size} in output_shape."
                )
            found.append(known if size is None else size)
        return (*dots, *found) if self.dots == "left" else (*found, *dots)

    def kernel_of(self, shape: Shape, outputs: Shape) -> tuple[int, ...]:
        """The shape of the kernel, for those of the inputs and of the outputs."""
        sides, dots = self.split(shape)
        start = len(dots) if self.dots == "left" else 0
        sizes = dict(zip(self.inputs, sides, strict=True))
        sizes |= {letter: size for letter, size in zip(self.outputs, outputs[start:], strict=False) if size is not None}
        for letter in self.kernel:
            if sizes.get(letter) is None:
                raise HandsonError(
                    f"EinsumDense: the size of {letter!r} in the kernel is not known for inputs of shape {shape}; give "
                    f"it in output_shape, or inputs of known size."
                )
        return tuple(sizes[letter] for letter in self.kernel)  # type: ignore[misc]

    def bias_of(self, axes: str, shape: Shape, outputs: Shape) -> tuple[int, ...]:
        """The shape of the bias over some letters of the outputs."""
        count = len(self.split(shape)[1])
        missing = [letter for letter in axes if letter not in self.outputs]
        if missing or not axes:
            raise HandsonError(f"EinsumDense: bias_axes are letters of the outputs {self.outputs!r}; got {axes!r}.")
        sizes = dict(zip(self.outputs, outputs[count if self.dots == "left" else 0 :], strict=False))
        behind = self.outputs[min(map(self.outputs.index, axes)) :]
        found = [sizes[letter] if letter in axes else 1 for letter in behind]
        if None in found:
            raise HandsonError(f"EinsumDense: a bias needs known sizes of {axes!r}; the outputs have shape {outputs}.")
        return (*found, *(1,) * (count if self.dots == "right" else 0))  # type: ignore[arg-type]

    def inner(self) -> int:
        """How many last axes of the inputs the kernel takes in, if that is all there is to it: a matrix product.

        0 where it is not: the kernel has to have those axes first, and the outputs its others last.
        """
        shared = [letter for letter in self.kernel if letter in self.inputs]
        count = len(shared)
        free, last = self.inputs[: len(self.inputs) - count], self.inputs[len(self.inputs) - count :]
        is_product = self.kernel[:count] == last and self.outputs == free + self.kernel[count:]
        return count if is_product and self.dots != "right" else 0


class Unfolded(initializers.Initializer):
    """Draws a kernel of several axes as the matrix of all inputs and all outputs, by whose numbers it is scaled."""

    def __init__(self, initializer: Any, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        self.initializer, self.inputs, self.outputs = initializer, list(inputs), list(outputs)

    def draw(self, shape: tuple[int, ...], key: int) -> Tensor:
        order = self.inputs + self.outputs
        sizes = [math.prod(shape[axis] for axis in axes) for axes in (self.inputs, self.outputs)]
        values = self.initializer(sizes, key=key).reshape([shape[axis] for axis in order])
        return values.permute([order.index(axis) for axis in range(len(shape))]).contiguous()


@register
class EinsumDense(LowRank):
    """activation(einsum(equation, inputs, kernel) + bias): a dense layer over any axes.

    Parameters
    ----------
    equation : str
        Letters for the axes of the inputs, the kernel and the outputs, as 'ab,bc->ac'; '...' at the beginning or the
        end stands for any number of further axes.
    output_shape : int or tuple of int or None
        The sizes of the outputs without the rows and without what the dots stand for; None for a size of the inputs.
    activation : str or function, optional
        Applied to the outputs; None for none.
    bias_axes : str, optional
        The letters of the outputs that a bias is added over; None for no bias.
    kernel_initializer, bias_initializer : str or Initializer
        What the weights start from. Inputs and outputs of the kernel are counted by the equation.
    kernel_regularizer, bias_regularizer : str or Regularizer, optional
        Penalties added to the loss.
    kernel_constraint, bias_constraint : str or Constraint, optional
        What the weights are made to obey after every step.
    **kwargs
        `lora_rank` and `lora_alpha`, as of `enable_lora`; the arguments of every layer.

    Notes
    -----
    Where the equation is a matrix product over the last axes it is computed as one.

    Examples
    --------
    >>> EinsumDense("abc,cde->abde", (None, 2, 4), bias_axes="de")(torch.zeros(5, 3, 7)).shape
    torch.Size([5, 3, 2, 4])
    """

    floats_only = True
    kernel = Adapted()

    def __init__(
        self,
        equation: str,
        output_shape: Any,
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.equation, self._equation = equation, Equation.parse(equation)
        sizes = [output_shape] if output_shape is None or isinstance(output_shape, (int, np.integer)) else output_shape
        self.partial_output_shape = tuple(
            None if size is None else positive("EinsumDense", "output_shape", size) for size in sizes
        )
        self.activation, self.bias_axes = activations.get(activation), bias_axes
        self.kernel_initializer, self.bias_initializer = kernel_initializer, bias_initializer
        self.kernel_regularizer, self.bias_regularizer = kernel_regularizer, bias_regularizer
        self.kernel_constraint, self.bias_constraint = kernel_constraint, bias_constraint

    def build(self, input_shape: Shape) -> None:
        outputs = self.compute_output_shape(input_shape)
        shape = self._equation.kernel_of(input_shape, outputs)
        self.kernel = self.add_weight(
            shape, self._unfolded(), "kernel", regularizer=self.kernel_regularizer, constraint=self.kernel_constraint
        )
        self.bias = None
        if self.bias_axes is not None:
            self.bias = self.add_weight(
                self._equation.bias_of(self.bias_axes, input_shape, outputs), self.bias_initializer, "bias",
                regularizer=self.bias_regularizer, constraint=self.bias_constraint,
            )  # fmt: skip
        self._inner = self._equation.inner()
        self._outer, self._size = shape[self._inner :], math.prod(shape[: self._inner])
        if self.bias is not None and tuple(self.bias.shape) != self._outer:
            self._inner = 0

    def _unfolded(self) -> Any:
        initializer = initializers.get(self.kernel_initializer)
        if not isinstance(initializer, initializers.VarianceScaling):
            return self.kernel_initializer
        places = range(len(self._equation.kernel))
        outputs = [place for place in places if self._equation.kernel[place] in self._equation.outputs]
        return Unfolded(initializer, [place for place in places if place not in outputs], outputs)

    def _takes(self, shape: Shape) -> bool:
        return self._equation.kernel_of(shape, self.compute_output_shape(shape)) == tuple(self.kernel.shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self._equation.outputs_of(tuple(input_shape), self.partial_output_shape)

    def call(self, inputs: Tensor) -> Tensor:
        if not self._inner:
            outputs = torch.einsum(self.equation.replace(" ", ""), inputs, self.kernel)
            return self.activation(outputs if self.bias is None else outputs + self.bias)
        x = inputs if self._inner == 1 else inputs.flatten(-self._inner)
        bias = None if self.bias is None else self.bias.flatten()
        outputs = F.linear(x, self.kernel.reshape(self._size, -1).t(), bias)
        if len(self._outer) != 1:
            outputs = outputs.view(*x.shape[:-1], *self._outer)
        return self.activation(outputs)

"""Variables: tensors that keep their values between calls, with Keras's way of assigning to them.

`Weight` is a parameter of a `torch.nn.Module`, which the optimizer changes; `State` is a buffer, which a layer changes
itself while it is called: `self.total.assign_add(x)`. In arithmetic both are plain tensors, and so are the results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from handson.core.errors import HandsonError
from handson.graph.conversion import convert, type_name
from handson.graph.symbol import Symbol, is_trial

# Inside of classes that are tensors too; a type checker need not know of both bases.
_Base: Any = Tensor if TYPE_CHECKING else object


class Variable(_Base):
    """What weights and states have in common: a name, and values that can be assigned.

    Examples
    --------
    >>> total = State(torch.zeros(2))
    >>> total.assign_add([1, 2]), total.assign_sub(1)
    (tensor([1., 2.]), tensor([0., 1.]))
    >>> total.numpy(), type(total + 1)
    (array([0., 1.], dtype=float32), <class 'torch.Tensor'>)
    """

    # Takes the place of a name that torch gives to tensors.
    name: str = ""
    # The names of the layers that it lies in, and its own, as 'encoder/dense/kernel'; its net says which.
    path: str = ""

    def assign(self, value: Any) -> Tensor:
        """Take over values of this variable's shape, without a gradient.

        Parameters
        ----------
        value : Tensor, array or number
            The values; they are converted to this variable's type.

        Returns
        -------
        Tensor
            The values, as they were assigned.

        Raises
        ------
        HandsonError
            When the shape is another one.
        """
        if isinstance(value, Symbol):
            raise HandsonError(
                f"{self._label()} is assigned to inside of a layer's `call`, where there are values; got {value!r}."
            )
        found = convert(value).to(device=self.device, dtype=self.dtype)
        if found.shape != self.shape:
            raise HandsonError(
                f"{self._label()} has shape {tuple(self.shape)}; it cannot take values of shape {tuple(found.shape)}."
            )
        if not is_trial():
            with torch.no_grad():
                self.copy_(found)
        return found

    def assign_add(self, value: Any) -> Tensor:
        """Add to the values; returns the sum."""
        return self.assign(self + self._other(value))

    def assign_sub(self, value: Any) -> Tensor:
        """Subtract from the values; returns the difference."""
        return self.assign(self - self._other(value))

    def _other(self, value: Any) -> Any:
        return value if isinstance(value, (bool, int, float, Tensor)) else convert(value, device=self.device)

    def _label(self) -> str:
        return f"the variable {self.name!r}" if self.name else "the variable"

    @property
    def value(self) -> Tensor:
        """The tensor itself, as a variable of Keras has it."""
        return self

    @property
    def trainable(self) -> bool:
        """Whether an optimizer changes it."""
        return bool(self.requires_grad)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self.requires_grad_(bool(value))

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """A copy of the values, which later steps do not change; bfloat16, which NumPy has not, as float32."""
        return as_array(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            copied = self.detach().clone(memory_format=torch.preserve_format)
            memo[id(self)] = _remade(type(self), copied, self.requires_grad, self.name, self.path)
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _remade, (type(self), self.detach(), self.requires_grad, self.name, self.path)

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # as torch declares it
        values = np.array2string(self.numpy(), threshold=6, separator=", ")
        return f"<{type(self).__name__} {self.name!r}, shape={tuple(self.shape)}, {type_name(self.dtype)}, {values}>"


class Weight(Variable, nn.Parameter):  # type: ignore[misc]
    """A variable that optimizers change: a `torch.nn.Parameter`.

    Examples
    --------
    >>> weight = Weight(torch.ones(2))
    >>> isinstance(weight, nn.Parameter), weight.trainable, weight.assign([3, 4])
    (True, True, tensor([3., 4.]))
    """


class State(Variable, Tensor):  # type: ignore[misc]
    """A variable that no optimizer changes: a buffer of a `torch.nn.Module`.

    Examples
    --------
    >>> count = State(torch.tensor(0))
    >>> count.assign_add(1), count.trainable, count.item()
    (tensor(1), False, 1)
    """

    # As in `nn.Parameter`: what is computed from it is a plain tensor.
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    def __new__(cls, data: Tensor, requires_grad: bool = False) -> State:
        return Tensor._make_subclass(cls, data.detach(), requires_grad)


def as_array(tensor: Tensor) -> np.ndarray:
    """A copy of the values of a tensor; bfloat16, which NumPy has not, as float32.

    Examples
    --------
    >>> as_array(torch.ones(2, dtype=torch.bfloat16))
    array([1., 1.], dtype=float32)
    """
    values = tensor.detach()
    values = values.float() if values.dtype == torch.bfloat16 else values
    return values.cpu().numpy().copy()


def _remade(kind: Any, values: Tensor, requires_grad: bool, name: str, path: str = "") -> Any:
    made = kind(values, requires_grad)
    made.name, made.path = name, path
    return made

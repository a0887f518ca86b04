"""The state of a metric of one's own, as Keras has it: numbers that are assigned to, and computed with as tensors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from handson.core.errors import HandsonError


class Variable(Tensor):
    """A tensor that remembers: `assign` gives it new values, everything computed from it is a plain tensor.

    Made by `Metric.add_variable`.

    Examples
    --------
    >>> count = variable(torch.zeros(()), "count")
    >>> count.assign_add(3); (count + 1, count.value)
    (tensor(4.), tensor(3.))
    """

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]
    given_name: str
    aggregation: str

    @property
    def value(self) -> Tensor:
        """The numbers as they are now."""
        return self.detach().as_subclass(Tensor).clone()

    def assign(self, value: Any) -> None:
        """Take new numbers, of the same shape."""
        given = torch.as_tensor(value, dtype=self.dtype).detach().as_subclass(Tensor)
        if given.shape != self.shape:
            raise HandsonError(
                f"the variable {self.given_name!r} has the shape {tuple(self.shape)} and cannot be assigned values of "
                f"shape {tuple(given.shape)}."
            )
        # Not in place: it goes to the device of what it is given, and what was read before stays.
        self.data = given.clone()

    def assign_add(self, value: Any) -> None:
        """Add to the numbers."""
        self.assign(self.value + self._like(value))

    def assign_sub(self, value: Any) -> None:
        """Subtract from the numbers."""
        self.assign(self.value - self._like(value))

    def _like(self, value: Any) -> Tensor:
        return torch.as_tensor(value, dtype=self.dtype, device=self.device).detach()


def variable(values: Tensor, name: str, aggregation: str = "sum") -> Variable:
    """A variable with a copy of some values."""
    made: Variable = values.detach().clone().as_subclass(Variable)
    made.given_name, made.aggregation = name, aggregation
    return made

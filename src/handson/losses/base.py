"""What all losses share: reductions, and the two ways to write one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from handson.averages import Average, Function, of_two, spread_out
from handson.core import registry
from handson.core.errors import HandsonError, listing
from handson.graph.in_place import called

# Keras's fuzz factor: probabilities are kept this far from 0 and 1.
EPSILON = 1e-7
# The mean of all values, which is also what 'mean' means.
MEANS = ("sum_over_batch_size", "mean")
REDUCTIONS = (*MEANS, "mean_with_sample_weight", "sum", "none", None)


class Loss(Average):
    """The base of all losses. A loss of your own defines `values(y_true, y_pred)`, or `call` as in Keras.

    It returns a value for each element or each sample, or one for the whole batch, which then counts as many times as
    there are samples. Called with targets and predictions a loss gives the mean over all present elements, a scalar.

    Parameters
    ----------
    name : str, optional
        Its name in tables; by default the name of the class in snake case.
    reduction : {'sum_over_batch_size', 'mean', 'mean_with_sample_weight', 'sum', 'none', None}
        'sum_over_batch_size' and 'mean': the mean over all present elements, samples times their weights.
        'mean_with_sample_weight': divided by the sum of the weights. 'sum': the sum over the samples. 'none' and None:
        a value for each sample, for use outside of `fit`.
    dtype : str, optional
        Only 'float32': a loss is computed in the type of the outputs, of those of 16 bits in float32.

    Attributes
    ----------
    elementwise : bool
        Whether there is a value for each element, of which Keras takes the mean for each sample.
    activation : str, optional
        'sigmoid' or 'softmax': what made the probabilities that it takes, in place of which it then takes the logits.

    Examples
    --------
    >>> import handson
    >>> @handson.register
    ... class Cubed(Loss):
    ...     def values(self, y_true, y_pred):
    ...         return (y_true - y_pred).abs() ** 3
    >>> Cubed()(torch.tensor([[1.0]]), torch.tensor([[3.0]])).item()
    8.0
    """

    kind = "loss"
    reduction: str | None = "sum_over_batch_size"
    elementwise = False
    activation: str | None = None
    axis: Any = -1

    def __init__(
        self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None
    ) -> None:
        self.name = name or registry.snake_case(type(self).__name__)
        if reduction not in REDUCTIONS:
            raise HandsonError(f"{self.name}: reduction is one of {listing(REDUCTIONS)}; got {reduction!r}.")
        if dtype not in (None, "float32", torch.float32):
            raise HandsonError(f"{self.name}: a loss is computed in the type of the outputs; got dtype={dtype!r}.")
        self.reduction = reduction
        self.divides_by_weights = reduction == "mean_with_sample_weight"

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        if type(self).call is Loss.call:
            name = type(self).__name__
            raise NotImplementedError(f"{name} must define values(y_true, y_pred) or call(y_true, y_pred).")
        return _tensor(self.name, called(self.call, y_true, y_pred))

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """A value for each sample, as Keras has it."""
        return self._per_sample(self.values(y_true, y_pred))

    def _per_sample(self, values: Tensor) -> Tensor:
        return values.mean(self.axis) if self.elementwise else values

    def sums(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None, masked: bool = False
    ) -> tuple[Tensor, Tensor | int]:
        if self.reduction in ("none", None):
            raise HandsonError(
                f"{self.name} has reduction={self.reduction!r}, a value for each sample; training and evaluation want "
                f"one number: leave reduction out, or take 'sum'."
            )
        total, count = super().sums(y_true, y_pred, sample_weight, masked)
        if self.reduction != "sum":
            return total, count
        # The sum of a batch is what is minimized; over batches it is averaged with their sizes, as in Keras.
        elements = self.expected(tuple(y_pred.shape))[self.axis] if self.elementwise else 1
        return total / elements * len(y_pred), len(y_pred)

    def _whole(
        self, value: Tensor, y_pred: Tensor, sample_weight: Tensor | None, present: Tensor | None
    ) -> tuple[Tensor, Tensor | int]:
        found = super()._whole(value, y_pred, sample_weight, present)
        # As in Keras, the sum of one value is that value; with weights it stands for every sample.
        return (value, 1) if self.reduction == "sum" and sample_weight is None else found

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        if self.reduction not in ("none", None):
            return super().__call__(y_true, y_pred, sample_weight)
        y_true, y_pred, sample_weight = self.tensors(y_true, y_pred, sample_weight)
        present = self.present(y_true)
        values = self.values(self.fill(y_true), y_pred)
        values = torch.where(present, values, 0.0) if present.shape == values.shape else values
        values = self._per_sample(values)
        return values if sample_weight is None else values * spread_out(sample_weight, values)


class Standard(Loss):
    """The base of Keras's losses, whose first argument, or the first after their own, is `reduction`."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(name, reduction, dtype)


def _tensor(name: str, result: Any) -> Tensor:
    if not isinstance(result, Tensor):
        raise HandsonError(f"{name} must return a tensor; got {type(result).__name__}.")
    return result


class FunctionLoss(Function, Loss):
    """A loss made of a function of (y_true, y_pred) that returns a value per element or sample, or for the batch."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.function = of_two(function, "a loss")
        self.name = getattr(function, "__name__", "loss")

    def get_config(self, compact: bool = False) -> dict[str, Any]:
        return {"function": registry.name_of("loss", self.function)}

"""Quantities that are averages over samples: what losses and metrics have in common.

Each gives a value for every element or sample; sums of values and counts are added up over batches, so that the
average of an epoch is exact whatever the batches were. A missing target (NaN) counts nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.loss import _Loss as _TorchLoss

from handson.core.described import Noun, why_not
from handson.core.errors import HandsonError
from handson.core.masked import masked_as_missing
from handson.core.pure import is_pure
from handson.graph.conversion import floatx
from handson.graph.in_place import called


class Average(Noun):
    """The base of losses and metrics.

    Attributes
    ----------
    targets : {'values', 'labels', 'distribution', 'free'}
        What a target is: values of the outputs' shape; the number of a class; a probability for each class; or values
        of a shape of their own.
    batchwise : bool
        Whether the value of a sample depends on the others of its batch.
    probabilities : bool
        Whether the predictions must be probabilities.
    """

    targets = "values"
    batchwise = False
    # A label that counts as missing.
    ignore_class: int | None = None
    # Whether the sum of the weights divides, as in a metric, and not the number of values, as in a loss.
    divides_by_weights = False
    name: str

    @property
    def pure(self) -> bool:
        """Whether its values follow from its arguments and settings alone: see `handson.register(pure=True)`."""
        return is_pure(self)

    @property
    def probabilities(self) -> bool:
        """Whether predictions must be probabilities."""
        return False

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """A value for each element of the predictions, or, where classes are compared, for each sample."""
        raise NotImplementedError(f"{type(self).__name__} must define values(y_true, y_pred).")

    def sums(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None, masked: bool = False
    ) -> tuple[Tensor, Tensor | int]:
        """The weighted sum of the values of a batch, and how many of them are present.

        Parameters
        ----------
        y_true, y_pred : Tensor
            Targets and predictions; targets of classes are int64, and -1 where missing.
        sample_weight : Tensor, shape (n,) or (n, ...), optional
            A factor for each sample; or for each step of it, and so on, as many axes as there are.
        masked : bool
            Whether `y_true` may have missing entries. Without them the sum is cheaper.
        """
        present = self.present(y_true) if masked else None
        if present is not None:
            y_true = self.fill(y_true)
        values = self.values(y_true, y_pred)
        if values.dim() == 0:
            return self._whole(values, y_pred, sample_weight, present)
        count: Tensor | int = values.numel()
        if present is not None:
            if present.shape != values.shape:
                raise HandsonError(
                    f"{self.name} gives values of shape {tuple(values.shape)} and cannot mask missing targets of shape "
                    f"{tuple(present.shape)}. Return one value per element, or drop rows with missing targets "
                    f"(missing='drop')."
                )
            values, count = torch.where(present, values, 0.0), present.sum()
        if sample_weight is not None:
            factors = spread_out(sample_weight, values).expand_as(values)
            values = values * factors
            if self.divides_by_weights:
                count = (factors if present is None else torch.where(present, factors, 0.0)).sum()
        return values.sum(), count

    def _whole(
        self, value: Tensor, y_pred: Tensor, sample_weight: Tensor | None, present: Tensor | None
    ) -> tuple[Tensor, Tensor | int]:
        """The sum and count of one value for a whole batch: it counts once for each sample."""
        if present is not None:
            raise HandsonError(
                f"{self.name} gives one value for a whole batch and cannot mask missing targets. Return one value per "
                f"element, or drop rows with missing targets (missing='drop')."
            )
        if sample_weight is None:
            return value * len(y_pred), len(y_pred)
        weights = sample_weight.sum()
        if sample_weight.dim() > 1:  # a sample weighs what its steps do in the mean
            weights = weights * len(sample_weight) / sample_weight.numel()
        return value * weights, weights if self.divides_by_weights else len(y_pred)

    def expected(self, outputs: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the targets for the shape of the predictions."""
        return outputs[:-1] if self.targets == "labels" else outputs

    def classes(self, outputs: int) -> int:
        """How many classes labels can name, for a number of outputs."""
        return outputs

    def present(self, y_true: Tensor) -> Tensor:
        """Which values of `values` have a target."""
        if self.targets == "labels":
            return y_true >= 0
        present = ~torch.isnan(y_true)
        return present.all(-1) if self.targets == "distribution" else present

    def fill(self, y_true: Tensor) -> Tensor:
        """The targets with harmless numbers in place of missing ones."""
        return y_true.clamp(min=0) if self.targets == "labels" else torch.nan_to_num(y_true)

    def measure(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tuple[Tensor, Tensor | int]:
        """`sums` for arrays of any kind, in shapes that belong together; looks for missing targets itself."""
        y_true, y_pred, sample_weight = self.tensors(y_true, y_pred, sample_weight)
        return self.sums(y_true, y_pred, sample_weight, masked=not bool(self.present(y_true).all()))

    @property
    def given_type(self) -> torch.dtype:
        """What arrays are converted to that it is called with: float32, or what `set_floatx` says if that is wider."""
        return torch.promote_types(floatx(), torch.float32)

    def tensors(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Arrays of any kind as what `sums` takes."""
        y_true, y_pred, kind = masked_as_missing(y_true), masked_as_missing(y_pred), self.given_type
        y_pred = torch.as_tensor(y_pred, dtype=kind)
        y_true = align(torch.as_tensor(y_true), y_pred, self)
        if self.ignore_class is not None:
            y_true = torch.where(y_true == self.ignore_class, -1, y_true)
        if self.targets == "labels" and y_true.is_floating_point():
            y_true = torch.nan_to_num(y_true, nan=-1.0)
        y_true = y_true.to(torch.int64 if self.targets == "labels" else kind)
        if sample_weight is not None:
            sample_weight = torch.as_tensor(sample_weight, dtype=kind, device=y_pred.device)
            sample_weight = self.fitting_weights(sample_weight, y_true)
        return y_true, y_pred, sample_weight

    def fitting_weights(self, weights: Tensor, y_true: Any) -> Tensor:
        """Weights, of shape (n,) or with the axes of the targets' steps too.

        Raises
        ------
        HandsonError
            When they are neither.
        """
        shape = tuple(y_true.shape[:-1] if self.targets == "distribution" else y_true.shape)
        weights = weights.reshape(-1) if weights.numel() == shape[0] and weights.dim() else weights
        if not weights.dim() or weights.shape != shape[: weights.dim()]:
            raise HandsonError(
                f"{self.name}: sample_weight has {weights.numel()} entries for {shape[0]} samples; it wants one for "
                f"each sample, or for each of the targets of shape {shape}."
            )
        return weights

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        total, count = self.measure(y_true, y_pred, sample_weight)
        return total / count


def spread_out(weights: Tensor, values: Tensor) -> Tensor:
    """Weights with further axes of one, as many as values have."""
    return weights.view(*weights.shape, *(1,) * (values.dim() - weights.dim()))


class Function:
    """Mixed into a loss or metric made of a user's function of (y_true, y_pred)."""

    function: Callable[[Tensor, Tensor], Tensor]
    name: str

    @property
    def pure(self) -> bool:
        """Whether the function is."""
        return is_pure(self.function)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        first = _takes_outputs_first(self.function)
        result = called(self.function, *((y_pred, y_true) if first else (y_true, y_pred)))
        if not isinstance(result, Tensor):
            raise HandsonError(f"{self.name} must return a tensor; got {type(result).__name__}.")
        return result


def of_two(function: Callable[..., Any], what: str) -> Callable[..., Any]:
    """The function, if it can be called with targets and outputs.

    Raises
    ------
    HandsonError
        When it takes fewer or more arguments.
    """
    if (why := why_not(function, None, None)) is not None:
        raise HandsonError(f"{what} is a function of (y_true, y_pred); {function!r} is not: {why}.")
    return function


def _takes_outputs_first(function: Any) -> bool:
    """Whether this is a loss of torch, which takes (outputs, targets)."""
    return isinstance(function, _TorchLoss) or getattr(function, "__module__", None) == "torch.nn.functional"


def align(y_true: Any, y_pred: Tensor, average: Average) -> Any:
    """Targets in the shape that a loss or metric wants for predictions: (n,) against (n, 1) is aligned.

    Raises
    ------
    HandsonError
        When the shapes do not belong together; both are in the message.
    """
    if average.targets == "free":
        return y_true
    shape = average.expected(tuple(y_pred.shape))
    if y_true.shape == shape:
        return y_true
    if y_true.shape == (*shape, 1):
        return y_true.squeeze(-1)
    if (*y_true.shape, 1) == shape:
        return y_true.unsqueeze(-1)
    raise HandsonError(shape_message(tuple(y_true.shape), tuple(y_pred.shape), average))


def shape_message(y_true: tuple[int, ...], y_pred: tuple[int, ...], average: Average) -> str:
    """Why targets and outputs do not belong together, and what to change."""
    expected = average.expected(y_pred)
    advice = f"The last layer has {y_pred[-1]} outputs"
    if len(y_true) == len(y_pred) and average.targets != "labels":
        advice += f"; for these targets it needs {y_true[-1] * y_pred[-1] // expected[-1]}."
    elif len(y_true) == len(y_pred):
        advice += "; for one-hot targets use loss='categorical_crossentropy'."
    elif average.targets == "distribution":
        advice += "; for integer labels use loss='sparse_categorical_crossentropy'."
    else:
        advice += "."
    return f"{average.name} needs targets of shape {expected} for outputs of shape {y_pred}; got {y_true}. {advice}"

"""What all metrics share: three ways to write one, and Keras's verbs to use one by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from handson import initializers
from handson.averages import Average
from handson.core import registry
from handson.core.errors import HandsonError
from handson.core.masked import masked_as_missing
from handson.metrics import accumulators
from handson.metrics.accumulators import Accumulator
from handson.metrics.variables import Variable, variable

DTYPES = (None, "float32", "float64", torch.float32, torch.float64)


class Metric(Average):
    """The base of all metrics; one of your own is written in one of three ways.

    - A mean: `values(y_true, y_pred)` gives a value for each element or sample, and `finish(mean)`, where it is there,
      the metric.
    - Statistics that add up: `statistics(y_true, y_pred, sample_weight)` gives named tensors of a batch, and
      `finish(statistics)` the metric from their sums. With `keeps_rows = True` they are one behind another instead: all
      rows at once. `sample_weight` has a factor for each target, 0 where it is missing.
    - As in Keras: `update_state(y_true, y_pred, sample_weight=None)` changes what `add_variable` made, and `result()`
      computes from it. In `fit` every epoch and every evaluation has a copy of its own, after `reset_state`.

    All are exact, whatever the batches were; the first two also on any number of workers and for missing targets.

    Parameters
    ----------
    name : str, optional
        Its key in the history; by default the name of the class in snake case.
    dtype : str, optional
        'float32' or 'float64': what arrays are converted to, as in Keras; whatever it is, sums are taken in float64.

    Attributes
    ----------
    direction : {'min', 'max', None}
        Which way is better; None where neither is.
    keeps_rows : bool
        Whether statistics are concatenated instead of added.
    yes_or_no : bool
        Whether targets must be 0 or 1.
    takes_shares : bool
        Whether those between 0 and 1 are taken all the same, and told.

    Examples
    --------
    >>> class Worst(Metric):
    ...     keeps_rows = True
    ...     def statistics(self, y_true, y_pred, sample_weight):
    ...         return {"error": (y_true - y_pred).abs()[sample_weight > 0]}
    ...     def finish(self, statistics):
    ...         return statistics["error"].max()
    >>> metric = Worst()
    >>> metric.update_state([[0.0], [0.0]], [[3.0], [4.0]])
    >>> metric.result().item()
    4.0
    """

    kind = "metric"
    direction: str | None = "min"
    divides_by_weights = True
    keeps_rows = False
    yes_or_no = False
    takes_shares = False
    # Whether predictions are parameters of distributions where the net gives those, and not their means.
    of_distributions = False
    # The result before anything was seen.
    of_nothing: Any = float("nan")
    dtype: str = "float32"
    _seen: Accumulator | None = None

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        if name is not None and not isinstance(name, str):
            raise HandsonError(
                f"{type(self).__name__}: name is text; got {name!r}. Arguments are in Keras's order: give the others "
                f"by name."
            )
        if dtype not in DTYPES:
            raise HandsonError(f"{type(self).__name__}: dtype is 'float32' or 'float64'; got {dtype!r}.")
        self.name = name or registry.snake_case(type(self).__name__)
        self.dtype = str(dtype or super().given_type).removeprefix("torch.")

    # What a metric of one's own defines.

    def statistics(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor) -> dict[str, Tensor]:
        """Named tensors of a batch that add up, for metrics that are no mean."""
        raise NotImplementedError(f"{type(self).__name__} is a mean and has no statistics.")

    def finish(self, found: Any) -> Any:
        """The metric, from the mean of its values, or from its statistics added up: a number, or one for each part."""
        return found

    def numbers(self) -> int:
        """How many numbers a result has, as far as that is known."""
        return 1

    def labels(self, numbers: int) -> list[str]:
        """What several numbers are called in the history, behind the name of the metric."""
        return [str(number) for number in range(numbers)]

    def for_outputs(self, outputs: int | None) -> Metric:
        """The metric for a net with so many outputs."""
        return self

    def for_loss(self, loss: Any) -> Metric:
        """The metric for a net that is trained with a loss."""
        return self

    # How it is added up.

    @property
    def keeps_state(self) -> bool:
        """Whether a class of the user has a state and a result of its own."""
        kind = type(self)
        return kind.update_state is not Metric.update_state or kind.result is not Metric.result

    @property
    def has_statistics(self) -> bool:
        """Whether it is no mean."""
        return type(self).statistics is not Metric.statistics

    @property
    def is_mean(self) -> bool:
        """Whether all that is known of some batches is a sum and a count."""
        return not self.keeps_state and not self.has_statistics

    def present(self, y_true: Tensor) -> Tensor:
        if self.targets == "free" and not y_true.is_floating_point():
            return y_true >= 0
        return super().present(y_true)

    def fill(self, y_true: Tensor) -> Tensor:
        return super().fill(y_true) if y_true.is_floating_point() else y_true.clamp(min=0)

    # Keras's verbs, for use outside of `fit`.

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch, for use outside of `fit`.

        Parameters
        ----------
        y_true, y_pred : array
            Targets and predictions; a target of NaN counts nowhere.
        sample_weight : array, optional
            A factor for each sample, or for each target.
        """
        y_true, y_pred, sample_weight = self.tensors(y_true, y_pred, sample_weight)
        with torch.no_grad():
            accumulators.seen_by(self).update(y_true, y_pred, sample_weight, not bool(self.present(y_true).all()))

    def result(self) -> Any:
        """The metric over all batches since the last `reset_state`, as a tensor."""
        found = accumulators.seen_by(self).result()
        return found if isinstance(found, dict) else torch.as_tensor(found, dtype=torch.float64)

    def reset_state(self) -> None:
        """Forget what `update_state` has seen."""
        self._seen = None
        for each in self.own_variables():
            each.assign(torch.zeros_like(each.value))

    def reset_states(self) -> None:
        """`reset_state`, as older Keras calls it."""
        self.reset_state()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Add a batch; returns the metric over all batches since the last `reset_state`."""
        self.update_state(*args, **kwargs)
        return self.result()

    @property
    def given_type(self) -> torch.dtype:
        found: torch.dtype = getattr(torch, self.dtype)
        return found

    def tensors(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tuple[Tensor, Tensor, Tensor | None]:
        y_true, y_pred = masked_as_missing(y_true), masked_as_missing(y_pred)
        kind = self.given_type
        y_pred = torch.as_tensor(y_pred, dtype=kind).detach()
        y_true, y_pred, _ = super().tensors(torch.as_tensor(y_true).to(y_pred.device), y_pred)
        if sample_weight is None:
            return y_true, y_pred, None
        weights = torch.as_tensor(sample_weight, dtype=kind, device=y_pred.device)
        weights = weights.expand(len(y_pred)) if weights.dim() == 0 else weights
        return y_true, y_pred, self.fitting_weights(weights, y_true)

    # The state of a metric of one's own.

    def add_variable(
        self, shape: Any, initializer: Any, dtype: Any = None, aggregation: str = "sum", name: str | None = None
    ) -> Variable:
        """State for a metric of one's own; `assign`, `assign_add` and `assign_sub` change it.

        Parameters
        ----------
        shape : tuple of int
            () for a number.
        initializer : str or Initializer
            What it begins with, such as 'zeros'.
        dtype : str, optional
            By default 'float32'.
        aggregation : {'sum', 'mean', 'only_first_replica'}
            How the states of several workers become one.
        name : str, optional
            What messages call it.
        """
        if aggregation not in ("sum", "mean", "only_first_replica", "none", None):
            raise HandsonError(f"aggregation is 'sum', 'mean' or 'only_first_replica'; got {aggregation!r}.")
        kind = getattr(torch, str(dtype or "float32").removeprefix("torch."), None)
        if not isinstance(kind, torch.dtype):
            raise HandsonError(f"dtype is the name of a type, such as 'float32' or 'int64'; got {dtype!r}.")
        values = initializers.get("zeros" if initializer is None else initializer)(tuple(shape), kind)
        made = variable(torch.as_tensor(values), name or "variable", aggregation or "none")
        vars(self).setdefault("_variables", []).append(made)
        return made

    def add_weight(
        self, shape: Any = (), initializer: Any = None, dtype: Any = None, name: str | None = None
    ) -> Variable:
        """`add_variable`, as older Keras calls it; there the name may come first."""
        if isinstance(shape, str):
            shape, name = (), shape
        return self.add_variable(shape, initializer, dtype, name=name)

    def own_variables(self) -> list[Variable]:
        """What `add_variable` made, here and in metrics among the attributes."""
        inner = [value for value in vars(self).values() if isinstance(value, Metric)]
        return [*vars(self).get("_variables", []), *(each for metric in inner for each in metric.own_variables())]

    @property
    def variables(self) -> list[Tensor]:
        """The state: what `add_variable` made, and what has been added up."""
        held: Mapping[str, Tensor] = {} if self._seen is None else self._seen.tensors()
        return [*self.own_variables(), *held.values()]

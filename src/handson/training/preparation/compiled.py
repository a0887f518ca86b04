"""What `compile` was given, stored once, and the terms that it means for the outputs of a net."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from handson import losses
from handson import metrics as metrics_of
from handson.core import registry, tree
from handson.core.errors import HandsonError, listing, nearest
from handson.data.rows.scaling import Scaling
from handson.distributions import Distribution
from handson.losses import DistributionLoss, Loss
from handson.metrics import Metric
from handson.optimizers import Optimizer
from handson.state.precision import check_precision


@dataclass(frozen=True)
class Term:
    """What is minimized and measured at one output.

    Attributes
    ----------
    path : str
        The name of the output; '' where there is only one.
    loss : Loss or None
        What is minimized; None for an output that is not trained on.
    weight : float
        Its weight in the sum over the outputs.
    metrics, weighted_metrics : tuple of Metric
        What else is measured, without and with sample weights.
    """

    path: str
    loss: Loss | None
    weight: float = 1.0
    metrics: tuple[Metric, ...] = ()
    weighted_metrics: tuple[Metric, ...] = ()

    def key(self, name: str) -> str:
        """The name of a quantity of this output in the history."""
        return f"{self.path}_{name}" if self.path else name

    @cached_property
    def distribution(self) -> Distribution | None:
        """What the output gives the parameters of; None where it gives the predictions themselves."""
        return self.loss.distribution if isinstance(self.loss, DistributionLoss) else None

    def in_units(self, output: Tensor, scaling: Scaling | None) -> Tensor:
        """What the net gives, in the units of the targets: predictions, or parameters of distributions."""
        family = self.distribution
        if family is None:
            return output if scaling is None else scaling.undo(output)
        parameters = family.constrain(output)
        if scaling is None:
            return parameters
        return family.rescaled(parameters, scaling.undo, scaling.scale.to(parameters.dtype))

    def scaled(self, output: Tensor, scaling: Scaling | None) -> Tensor:
        """What the net would have given, for what `in_units` gave: its inverse."""
        if scaling is None:
            return output
        if self.distribution is None:
            return scaling.apply(output)
        return self.distribution.rescaled(output, scaling.apply, 1 / scaling.scale.to(output.dtype))

    def read_from(self, family: Distribution) -> Term:
        """The term for predictions that are parameters of another distribution, already read."""
        if not isinstance(self.loss, DistributionLoss):
            return self
        loss = self.loss.for_pool(family)
        metrics, weighted = (
            tuple(metric.for_loss(loss) for metric in each) for each in (self.metrics, self.weighted_metrics)
        )
        return replace(self, loss=loss, metrics=metrics, weighted_metrics=weighted)

    def point(self, output: Tensor) -> Tensor:
        """The predictions for what `in_units` gave: of distributions the means."""
        return output if self.distribution is None else self.distribution.moments(output).mean

    def measured(self) -> list[tuple[Metric, bool]]:
        """The metrics, each with whether sample weights count in it."""
        return [*((metric, False) for metric in self.metrics), *((metric, True) for metric in self.weighted_metrics)]


@dataclass(frozen=True)
class Compiled:
    """The arguments of `Model.compile`; names are checked when this is made.

    Where `fine_tune` has put a slower optimizer in its place, `first` is the one that `compile` was given.
    """

    optimizer: Optimizer
    loss: Any
    loss_weights: Any
    metrics: Any
    weighted_metrics: Any
    scale_inputs: Any
    scale_targets: Any
    precision: str
    run_eagerly: bool = False
    first: Optimizer | None = None

    def __post_init__(self) -> None:
        check_precision(self.precision)
        set_once = object.__setattr__
        set_once(self, "loss", _each(losses.get, self.loss))
        # A user's list that changes afterwards changes nothing.
        for name in ("metrics", "weighted_metrics", "loss_weights"):
            set_once(self, name, tree.map_leaves(lambda leaf: leaf, getattr(self, name)))
        _check_weights(self.loss_weights)
        if isinstance(self.loss, Loss):  # unknown names are an error now, not in fit
            metrics_of.several([*_entries(self.metrics), *_entries(self.weighted_metrics)], self.loss)

    def scalings(self) -> tuple[Any, Any]:
        """How inputs and targets are scaled."""
        return self.scale_inputs, self.scale_targets

    def terms(
        self, names: Sequence[str], widths: Sequence[int | None], heads: Sequence[Distribution | None]
    ) -> list[Term]:
        """The terms of a net's outputs: their names, numbers of columns, and what their last layers say they mean."""
        given = _for_outputs("loss", self.loss, names)
        weights = _for_outputs("loss_weights", self.loss_weights, names)
        measured = _for_outputs("metrics", self.metrics, names, lists=True)
        weighted = _for_outputs("weighted_metrics", self.weighted_metrics, names, lists=True)
        terms = []
        for number, (name, width, head) in enumerate(zip(names, widths, heads, strict=True)):
            loss = given[number]
            if isinstance(loss, DistributionLoss):
                loss = loss.for_head(head)
                width = None if width is None else loss.expected((width,))[0]
            elif head is not None and loss is not None:
                raise HandsonError(
                    f"the net ends with parameters of a {type(head).__name__}, which {loss.name!r} does not know: "
                    f"compile(loss={head.loss!r})."
                )
            plain, with_weights = _listed(measured[number]), _listed(weighted[number])
            found = tuple(metrics_of.several([*plain, *with_weights], loss, width))
            path = name if len(names) > 1 else ""
            weight = 1.0 if weights[number] is None else float(weights[number])
            terms.append(Term(path, loss, weight, found[: len(plain)], found[len(plain) :]))
        _check_names(terms)
        return terms


def _each(function: Any, given: Any) -> Any:
    """A function applied to every entry; a configuration is one entry, and None stays None."""
    if given is None:
        return None
    if isinstance(given, dict) and not registry.is_configuration(given):
        return {name: _each(function, entry) for name, entry in given.items()}
    if isinstance(given, (list, tuple)):
        return [_each(function, entry) for entry in given]
    return function(given)


def _entries(given: Any) -> Iterator[Any]:
    """The single entries of what may be a list of lists, or a dictionary by outputs."""
    if isinstance(given, dict) and not registry.is_configuration(given):
        given = list(given.values())
    if isinstance(given, (list, tuple)):
        for branch in given:
            yield from _entries(branch)
    elif given is not None:
        yield given


def _for_outputs(what: str, given: Any, names: Sequence[str], lists: bool = False) -> list[Any]:
    """What an argument of `compile` says for each output.

    Parameters
    ----------
    what : str
        The argument.
    given : object, list or dict
        One for all outputs, one for each in a list, or by name.
    names : sequence of str
        The names of the outputs.
    lists : bool
        Whether each output has a list.
    """
    if isinstance(given, dict) and not (what == "loss" and registry.is_configuration(given)):
        for name in given:
            if name not in names and len(names) > 1:
                raise HandsonError(
                    f"compile({what}=...) names the output {name!r}, which the net has not.{nearest(str(name), names)} "
                    f"Its outputs: {listing(names)}."
                )
        return [
            given.get(name, next(iter(given.values())) if len(names) == len(given) == 1 else None) for name in names
        ]
    several = isinstance(given, (list, tuple))
    if given is None or (lists and several and not given):
        return [None] * len(names)
    if len(names) == 1:
        nested = lists and several and len(given) == 1 and isinstance(given[0], (list, tuple))
        single = several and not lists and len(given) == 1
        if several and not lists and len(given) > 1:
            raise HandsonError(f"compile({what}=...) has {len(given)} entries, and the net has one output. Give one.")
        return [given[0] if nested or single else given]
    if not several:
        return [given] * len(names)
    if len(given) != len(names):
        raise HandsonError(
            f"compile({what}=...) has {len(given)} entries for {len(names)} outputs: {listing(names)}. Give one for "
            f"each, or a dictionary by the names of outputs."
        )
    return list(given)


def _check_weights(given: Any) -> None:
    for value in _entries(given):
        if isinstance(value, str) or not np.isscalar(value):
            raise HandsonError(
                f"compile(loss_weights=...), its third argument, holds numbers, as in Keras; got {value!r}. Metrics "
                f"are named: compile(optimizer, loss, metrics=[...])."
            )


def _listed(given: Any) -> list[Any]:
    return [] if given is None else list(given) if isinstance(given, (list, tuple)) else [given]


def _check_names(terms: Sequence[Term]) -> None:
    """Raise when two quantities have one name in the history."""
    taken = {"loss", *(f"{term.path}_loss" for term in terms if term.path)}
    for term in terms:
        for metric, _ in term.measured():
            if term.key(metric.name) in taken:
                raise HandsonError(
                    f"two quantities are called {term.key(metric.name)!r}, and the history has one place for each "
                    f"name. Give the metric another one: {type(metric).__name__}(name=...)."
                )
            taken.add(term.key(metric.name))
    for name in sorted(taken):
        for prefix, rows in (("val_", "rows that validate"), ("train_", "training rows after an epoch")):
            if name.startswith(prefix) and name.removeprefix(prefix) in taken:
                raise HandsonError(
                    f"{name!r} would be a quantity of an output, and is what {name.removeprefix(prefix)!r} is called "
                    f"on {rows}. Give the output another name."
                )

"""A job: everything an engine needs to know to train, evaluate and predict with one compiled net."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from handson.averages import Function
from handson.core.errors import HandsonError
from handson.core.pure import is_builtin, is_pure
from handson.data.rows.batches import Batches
from handson.data.rows.scaling import Scaling
from handson.layers.base import SETTINGS, Layer
from handson.losses import MeanSquaredError
from handson.optimizers import SGD, Optimizer
from handson.schedules import Position
from handson.state.state import Optimizers, TrainingState, further_optimizers, trainable_weights
from handson.state.sums import Sums
from handson.training.preparation.compiled import Term
from handson.training.preparation.objective import Objective

Found = TypeVar("Found")
# What changes with every step or epoch, and decides nothing in a step.
PASSING = frozenset({"training", "age", "stop_training"})


def _may_write(function: Any) -> bool:
    """Whether a function may change its arguments where they are: a user's, and those of torch whose names say so."""
    return not is_pure(function) or getattr(function, "__name__", "").endswith("_")


class Span(NamedTuple):
    """The steps [first, last) of one epoch.

    Attributes
    ----------
    epoch : int
        The epoch, from 0, in the life of the net: orders and random numbers follow it, so that a second `fit` does not
        repeat those of the first.
    first, last : int
        The first step, and the first after the span.
    steps_per_epoch, epochs : int
        The length of the training, for schedules.
    start : int
        The epoch that this `fit` counts as its first, 0.
    """

    epoch: int
    first: int
    last: int
    steps_per_epoch: int
    epochs: int
    start: int

    @property
    def counted(self) -> int:
        """The epoch as this `fit` counts, from 0: what schedules, callbacks and messages are told."""
        return self.epoch - self.start

    def position(self, step: int, iteration: int) -> Position:
        """The position of one step of this span."""
        return Position(iteration, self.counted, step, self.steps_per_epoch, self.epochs)


class Stretch(NamedTuple):
    """Steps between which nothing is due: of a part of an epoch, or of several whole epochs.

    Attributes
    ----------
    spans : sequence of Span
        The steps, a span for each epoch.
    sums : sequence of Sums
        What they report, for each of these epochs.
    """

    spans: Sequence[Span]
    sums: Sequence[Sums]

    def parts(self) -> Iterator[tuple[Span, Sums]]:
        """Each span with its sums."""
        return zip(self.spans, self.sums, strict=True)

    def finite(self) -> bool:
        """Whether all sums are finite numbers."""
        return all(sums.finite() for sums in self.sums)


@dataclass
class Job:
    """One compiled net and its data.

    Attributes
    ----------
    module : nn.Module
        The net, on `device`.
    terms : sequence of Term
        For each output, what is minimized, on scaled targets, and reported, in the targets' own units.
    optimizer : Optimizer
        Bound to the net's weights by the engine.
    batches : Batches
        The training rows; empty in a job that only predicts.
    augment : function, optional
        Changes a batch: (inputs, targets) -> (inputs, targets), with the current stream's randomness.
    input_scalings, target_scalings : list of Scaling or None
        For each input and output: applied in every step; predictions are unscaled.
    seed : int
        The seed of shuffling, dropout and augmentation.
    foreign_randomness : bool
        Whether the net may draw from torch's own generator, which is then seeded at every step.
    penalized : list of Layer
        The layers that have regularizers.
    precision : str
        What the net computes in: see `handson.state.precision`.
    target_form : tree of int
        The form in which the user gives targets: see `handson.core.tree.spec`.
    """

    module: nn.Module
    device: torch.device
    terms: Sequence[Term] = field(default_factory=lambda: [Term("", MeanSquaredError())])
    optimizer: Optimizer = field(default_factory=SGD)
    batches: Batches = field(default_factory=lambda: Batches([torch.empty(0)], [torch.empty(0)]))
    augment: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None
    input_scalings: Sequence[Scaling | None] = (None,)
    target_scalings: Sequence[Scaling | None] = (None,)
    seed: int = 0
    foreign_randomness: bool = False
    penalized: list[Layer] = field(default_factory=list)
    precision: str = "float32"
    target_form: Any = 0

    @property
    def state(self) -> TrainingState:
        """Everything that training changes: the live tensors."""
        return TrainingState.of(self.module, self.optimizer, self.further)

    def bound(self) -> tuple[list[str], list[Tensor]]:
        """The names of the weights that train, and the weights; the optimizer has slots for them from now on."""
        named = trainable_weights(self.module)
        names, weights = list(named), list(named.values())
        self.optimizer.bind(names, weights)
        return names, weights

    @property
    def several(self) -> bool:
        """Whether the net has several inputs or outputs."""
        return len(self.terms) != 1 or len(self.batches.inputs) != 1

    @cached_property
    def objective(self) -> Objective:
        """What is minimized and reported."""
        scalings = [None if scaling is None else scaling.to(self.device) for scaling in self.target_scalings]
        return Objective(self.terms, scalings)

    @cached_property
    def layers(self) -> list[Layer]:
        """The layers of the net, nets in it included."""
        return [module for module in self._modules if isinstance(module, Layer)]

    @cached_property
    def writes(self) -> bool:
        """Whether a part of the net, a loss or a metric is a user's, and may change what it is given where it lies."""
        functions = [
            function
            for part in self._modules
            for function in (getattr(part, "activation", None), getattr(part, "function", None))
            if callable(function)
        ]
        averages: list[Any] = [
            one for term in self.terms for one in (term.loss, *(each for each, _ in term.measured()))
        ]
        parts = [*self._modules, *(average for average in averages if average is not None)]
        functions += [average.function for average in averages if isinstance(average, Function)]
        return bool(self.own) or self.own_loss or not all(map(is_builtin, parts)) or any(map(_may_write, functions))

    def of_another_type(self) -> str | None:
        """The first layer that computes or keeps its weights in another type than float32, None if there is none."""
        found = next((layer for layer in self.layers if layer.dtype_policy.name != "float32"), None)
        return None if found is None else f"the layer {found.name}, which computes in {found.dtype_policy.name}"

    def watched(self) -> list[nn.Module]:
        """The modules of the net that have hooks."""
        return [module for module in self._modules if watched(module)]

    @cached_property
    def _modules(self) -> list[nn.Module]:
        return list(self.module.modules())

    def settings(self) -> list[Any]:
        """What the layers and the loss are set to now: an engine that prepares steps looks whether it has changed."""
        return [itemgetter(*names)(held) for names, held in self.parts_set]

    def once(self, function: Callable[[nn.Module], Found]) -> Found:
        """What a function gives of the net as it is set now; it runs again when a setting has changed."""
        now = self.settings()
        if self._found.get(function, (None, None))[0] != now:
            self._found[function] = now, function(self.module)
        found: Found = self._found[function][1]
        return found

    @cached_property
    def _found(self) -> dict[Any, tuple[Any, Any]]:
        """What functions have given, and for which settings."""
        return {}

    @cached_property
    def parts_set(self) -> list[tuple[list[str], dict[str, Any]]]:
        """The names of the settings of each part of the net that has any, and where it keeps them."""
        parts = [*self.layers, *(term.loss for term in self.terms if term.loss is not None)]
        kept = [
            (vars(part), [n for n, value in vars(part).items() if isinstance(value, SETTINGS) and n not in PASSING])
            for part in parts
        ]
        return [(names, held) for held, names in kept if names]

    def report(self, sums: Sums) -> dict[str, float]:
        """What the sums say: the mean losses, and the metrics finished from their means."""
        return sums.means() if self.own else self.objective.report(sums)

    def augmented(self, inputs: Sequence[Tensor], targets: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """A batch with the first of its inputs and targets changed by the augmentation.

        Raises
        ------
        HandsonError
            When a function of the user does not return inputs and targets of as many rows.
        """
        found: Any = self.augment and self.augment(inputs[0], targets[0])
        pair = found if isinstance(found, (tuple, list)) and len(found) == 2 else ()
        if not pair or not all(isinstance(leaf, Tensor) and len(leaf) == len(inputs[0]) for leaf in pair):
            name = getattr(self.augment, "__name__", type(self.augment).__name__)
            raise HandsonError(
                f"augment={name}: it must return the changed inputs and targets of all {len(inputs[0])} rows of the "
                f"batch, two tensors; got {_said(found)}."
            )
        return [pair[0], *inputs[1:]], [pair[1], *targets[1:]]

    @cached_property
    def further(self) -> Optimizers:
        """The optimizers that a training step of the net's own uses beside that of `compile`, by name."""
        return further_optimizers(self.module, self.optimizer)

    @cached_property
    def own(self) -> tuple[str, ...]:
        """The steps that the net defines itself, beside its loss."""
        return tuple(name for name in getattr(self.module, "own_steps", ()) if name != "compute_loss")

    @cached_property
    def measures(self) -> bool:
        """Whether there are metrics."""
        return any(term.measured() for term in self.terms)

    @cached_property
    def own_loss(self) -> bool:
        """Whether the net defines its loss itself."""
        return "compute_loss" in getattr(self.module, "own_steps", ())


def watched(module: nn.Module) -> bool:
    """Whether there are hooks, which are called with what goes into a module or comes out of it.

    Examples
    --------
    >>> layer = nn.Linear(1, 1)
    >>> handle = layer.register_forward_hook(lambda layer, inputs, output: None)
    >>> watched(layer), handle.remove(), watched(layer)
    (True, None, False)
    """
    return bool(
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
    )


def _said(found: Any) -> str:
    """What a function returned, in a few words."""
    if isinstance(found, Tensor):
        return f"a tensor of shape {tuple(found.shape)}"
    if isinstance(found, (tuple, list)):
        return f"({', '.join(map(_said, found))})"
    return type(found).__name__

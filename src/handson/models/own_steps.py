"""Steps of one's own: what a subclass of `Model` may define in place of what the verbs do with a batch, as in Keras."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from handson.core import tree
from handson.core.errors import HandsonError
from handson.core.forked import check_threads
from handson.graph import logits
from handson.metrics import Metric
from handson.metrics.reported import parts
from handson.state.sums import Sums
from handson.training.preparation.objective import Objective, value_of

# The methods that a subclass may define, by the verb that calls them.
STEPS = {"fit": "train_step", "evaluate": "test_step", "predict": "predict_step"}
# Methods of Keras and of Lightning that no verb would call.
UNKNOWN = (
    "make_train_function", "make_test_function", "make_predict_function", "compute_gradients", "training_step",
    "validation_step", "configure_optimizers",
)  # fmt: skip


class OwnSteps:
    """What a verb does with a batch, as methods that a subclass may define anew.

    `compute_loss` is called by every training that runs in PyTorch. `train_step`, `test_step` and `predict_step` are
    called batch by batch by the engine 'eager', and by no other: they may do anything.
    """

    optimizer: Any
    terms: Any
    target_scalings: Any

    @property
    def own_steps(self) -> tuple[str, ...]:
        """The names of those of these methods that the class defines."""
        names = ("train_step", "test_step", "predict_step", "compute_loss")
        return tuple(name for name in names if getattr(type(self), name) is not getattr(OwnSteps, name))

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step of training.

        Parameters
        ----------
        data : tensor or tuple
            A batch as `fit` was given it: x, (x, y) or (x, y, sample_weight).

        Returns
        -------
        dict of str to float or scalar tensor
            What is reported; the values of the last batch stand for the epoch, so metrics report their means so far.

        Examples
        --------
        >>> import numpy as np
        >>> from handson import Model
        >>> from handson.layers import Dense
        >>> class Net(Model):
        ...     def __init__(self):
        ...         super().__init__(seed=0)
        ...         self.dense = Dense(1)
        ...     def call(self, inputs):
        ...         return self.dense(inputs)
        ...     def train_step(self, data):
        ...         x, y = data
        ...         loss = torch.mean((self(x, training=True) - y) ** 2)
        ...         gradients = torch.autograd.grad(loss, self.trainable_weights)
        ...         self.optimizer.apply(gradients, self.trainable_weights)
        ...         return {"loss": loss}
        >>> net = Net()
        >>> net.compile("sgd")
        >>> list(net.fit(np.ones((8, 2)), np.ones((8, 1)), verbose=0).history)
        ['loss']
        """
        x, y, weights = _unpacked(data)
        outputs = self(x, training=True)  # type: ignore[operator]
        loss = self.compute_loss(x=x, y=y, y_pred=outputs, sample_weight=weights)
        trained = self.trainable_weights  # type: ignore[attr-defined]
        gradients = torch.autograd.grad(loss, trained, allow_unused=True)
        self.optimizer.apply(gradients, trained)
        self._track_loss(loss)
        return self.compute_metrics(x, y, _detached(outputs), weights)

    def test_step(self, data: Any) -> dict[str, Any]:
        """The measurement of one batch: see `train_step`."""
        x, y, weights = _unpacked(data)
        outputs = self(x, training=False)  # type: ignore[operator]
        self._track_loss(self.loss_of(x, y, outputs, weights, training=False))
        return self.compute_metrics(x, y, outputs, weights)

    def predict_step(self, data: Any) -> Any:
        """The prediction for one batch, from its inputs."""
        return self(_unpacked(data)[0], training=False)  # type: ignore[operator]

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Tensor:
        """The loss of a batch, as a scalar tensor: what `compile` was told, and what the layers add.

        Parameters
        ----------
        x, y, sample_weight
            The batch; y in the user's units.
        y_pred : tensor, or a list or dictionary of them
            The outputs of the net.
        training : bool
            Whether it is a step of training.
        """
        terms, outputs = self.terms, tree.leaves(y_pred)
        targets = _in_order(y, len(terms))
        weights = _in_order(sample_weight, len(terms)) if sample_weight is not None else [None] * len(terms)
        scalings = self.target_scalings or [None] * len(terms)
        added = self.losses  # type: ignore[attr-defined]
        masked = [isinstance(target, Tensor) and target.is_floating_point() for target in targets]
        parts = Objective(terms, scalings).totals(
            targets, outputs, weights, masked, sum(added) if added else None, Sums()
        )
        if not parts:
            raise HandsonError(
                "there is no loss: give compile(loss=...), or let a layer add one with add_loss, or define "
                "compute_loss."
            )
        return value_of(parts)

    def loss_of(self, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool) -> Tensor:
        """What `compute_loss` says of a batch; one of an older program need not take `training`."""
        told = {"training": training} if _takes_training(type(self).compute_loss) else {}
        return self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, **told)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Add a batch to the compiled metrics; all metrics with what they say of the batches so far."""
        outputs = tree.leaves(y_pred)
        for number, (term, target) in enumerate(zip(self.terms, _in_order(y, len(self.terms)), strict=True)):
            for metric, weighted in term.measured():
                output = term.in_units(outputs[number], None)
                seen = output if metric.of_distributions else term.point(output)
                metric.update_state(target, seen, sample_weight if weighted else None)
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict[str, Any]:
        """What each metric says of the batches so far."""
        found: dict[str, Any] = {}
        for metric in self.all_metrics():
            found |= parts(metric, metric.name, metric.result())
        return found

    def reset_metrics(self) -> None:
        """Let every metric begin anew."""
        for metric in self.all_metrics():
            metric.reset_state()

    def all_metrics(self) -> list[Metric]:
        """The metrics: what the class says, or the mean loss, those of `compile`, and those among the attributes."""
        return list(dict.fromkeys(self.metrics))  # type: ignore[attr-defined]

    def _track_loss(self, loss: Tensor) -> None:
        tracker: Any = next((metric for metric in self.all_metrics() if metric.name == "loss"), None)
        if tracker is not None:
            tracker.update_state(loss.detach())


@functools.cache
def _takes_training(function: Any) -> bool:
    parameters = inspect.signature(function).parameters
    return "training" in parameters or any(one.kind is one.VAR_KEYWORD for one in parameters.values())


def _unpacked(data: Any) -> tuple[Any, Any, Any]:
    if not isinstance(data, (tuple, list)):
        return data, None, None
    x, y, weights = (*data, None, None)[:3]
    return x, y, weights


def _in_order(values: Any, count: int) -> Sequence[Any]:
    leaves = tree.leaves(values)
    return leaves * count if len(leaves) == 1 and count > 1 else leaves


def _detached(outputs: Any) -> Any:
    return tree.map_leaves(lambda leaf: logits.like(leaf, Tensor.detach), outputs)


def check_verb(model: Any, verb: str) -> None:
    """Raise where a verb would ignore what a subclass defines, or wait for ever."""
    check_threads()
    for name in UNKNOWN:
        if hasattr(type(model), name):
            raise HandsonError(
                f"{type(model).__name__} defines {name}, which {verb} does not call: it would be ignored. Define "
                f"train_step, test_step, predict_step or compute_loss."
            )

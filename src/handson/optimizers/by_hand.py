"""Steps outside of `fit`, as Keras writes them: for a training step, or a loop, of one's own."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.schedules import Position


class ByHand:
    """Mixed into `Optimizer`: `build`, `apply`, `apply_gradients`, `variables`."""

    iterations: int
    slots: dict[str, dict[str, Tensor]]
    slot_names: Callable[[], list[str]]
    learning_rate: Any
    schedule: Any
    bind: Callable[[Sequence[str], list[Tensor]], None]
    step: Callable[[Sequence[str], list[Tensor], list[Tensor], Position], None]
    _of: Mapping[str, Any]
    _owner: Any

    def build(self, variables: Iterable[Tensor]) -> None:
        """Make ready for weights: what is remembered of them starts here, if it is not there yet."""
        weights = list(variables)
        self.bind(self._names_of(weights), weights)

    def apply(self, grads: Iterable[Tensor | None], trainable_variables: Iterable[Tensor] | None = None) -> None:
        """One step: change weights by their gradients.

        Parameters
        ----------
        grads : list of Tensor or None
            The gradients. A weight with None stays as it is, and a warning names it.
        trainable_variables : list of Tensor, optional
            The weights; by default those that the optimizer was built with.

        Examples
        --------
        >>> from handson.optimizers import SGD
        >>> weight = torch.tensor([1.0])
        >>> SGD(0.5).apply([torch.tensor([1.0])], [weight])
        >>> weight
        tensor([0.5000])
        """
        gradients, weights = list(grads), self._known(trainable_variables)
        if len(gradients) != len(weights):
            raise HandsonError(f"apply: {len(gradients)} gradients for {len(weights)} weights.")
        names = self._names_of(weights)
        found = [place for place, gradient in enumerate(gradients) if gradient is not None]
        if weights and not found:
            raise HandsonError("apply: none of the weights has a gradient. Does the loss depend on them?")
        if len(found) < len(weights):
            without = [name for place, name in enumerate(names) if gradients[place] is None]
            warnings.warn(f"no gradient for the weights {without}: they stay as they are.", stacklevel=2)
        self.bind(names, weights)
        chosen: list[Any] = [torch.as_tensor(gradients[place]).detach().clone() for place in found]
        self.step(
            [names[place] for place in found],
            [weights[place] for place in found],
            chosen,
            Position(iteration=self.iterations),
        )

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Tensor | None, Tensor]]) -> int:
        """One step from pairs of gradient and weight; the number of steps so far.

        Examples
        --------
        >>> from handson.optimizers import SGD
        >>> weight = torch.tensor([1.0])
        >>> SGD(0.5).apply_gradients(zip([torch.tensor([1.0])], [weight]))
        1
        """
        pairs = list(grads_and_vars)
        self.apply([gradient for gradient, _ in pairs], [weight for _, weight in pairs])
        return self.iterations

    @property
    def variables(self) -> list[Tensor]:
        """The steps done, the learning rate if it is a number, and what is remembered of the weights, slot by slot."""
        rate = [torch.tensor(float(self.learning_rate))] if self.schedule is None else []
        held = [tensor for slot in self.slot_names() for tensor in self.slots.get(slot, {}).values()]
        return [torch.tensor(self.iterations), *rate, *held]

    @property
    def built(self) -> bool:
        """Whether the optimizer knows its weights."""
        return bool(self._of)

    @torch.no_grad()
    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set the steps done, the learning rate if it is a number, and the slots, in the order of `variables`."""
        held = self.variables
        values = [torch.as_tensor(value) for value in weights]
        if [tuple(value.shape) for value in values] != [tuple(value.shape) for value in held]:
            raise HandsonError(
                f"the optimizer has {len(held)} variables of shapes {[tuple(value.shape) for value in held]}; got "
                f"{[tuple(value.shape) for value in values]}."
            )
        self.iterations, first = int(values[0]), 1
        if self.schedule is None:
            self.learning_rate, first = float(values[1]), 2
        for slot, value in zip(held[first:], values[first:], strict=True):
            slot.copy_(value)

    @torch.no_grad()
    def finalize_variable_values(self, var_list: Iterable[Tensor]) -> None:
        """After a loop of one's own: with ``use_ema=True`` the weights become their averages."""
        weights, averages = list(var_list), self.slots.get("average", {})
        for name, weight in zip(self._names_of(weights), weights, strict=True):
            if name in averages:
                weight.copy_(averages[name])

    def scale_loss(self, loss: Any) -> Any:
        """The loss as it is: float32 and bfloat16 need no scale."""
        return loss

    def stateless_apply(self, *args: Any, **kwargs: Any) -> None:
        """Not here: raises, with the way out."""
        raise HandsonError(
            "an optimizer has no stateless_apply: apply(gradients, weights) changes the weights in place; "
            "torch.func.functional_call and torch.optim's functional forms compute without changing anything."
        )

    def _known(self, weights: Iterable[Tensor] | None) -> list[Tensor]:
        if weights is not None:
            return list(weights)
        known = [weight for weight in (reference() for reference in self._of.values()) if weight is not None]
        if not known:
            raise HandsonError("apply needs the weights: apply(gradients, weights), or build(weights) before.")
        return known

    def _names_of(self, weights: Sequence[Tensor]) -> list[str]:
        """The names under which the slots of weights are held: those of the net, so that files and `fit` know them."""
        net = self._owner() if self._owner is not None else None
        known = {} if net is None else {id(weight): name for name, weight in net.named_parameters()}
        for name, reference in self._of.items():
            known.setdefault(id(reference()), name)
        taken = set(known.values())
        fresh = (name for name in map("weight_{}".format, range(len(weights) + len(taken))) if name not in taken)
        return [known[id(weight)] if id(weight) in known else next(fresh) for weight in weights]

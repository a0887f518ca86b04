"""The type that a layer computes in, and keeps its weights in."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from handson.core.errors import HandsonError
from handson.graph.conversion import torch_type
from handson.layers import policies
from handson.layers.policies import DTypePolicy
from handson.layers.weight_holder import WeightHolder


class Typed(WeightHolder):
    """The base of layers: what their argument `dtype` means."""

    # Whether the layer computes in the type of its weights, in mixed precision too, and gives the lower type.
    wide: ClassVar[bool] = False

    def _follow(self, policy: DTypePolicy) -> None:
        """Compute as a policy says."""
        before, self._policy = vars(self).get("_policy"), policy
        self.output_type = torch_type(policy.compute_dtype)
        self.input_type = torch_type(policy.variable_dtype) if self.wide and policy.mixed else self.output_type
        if policy.mixed and not (before is not None and before.mixed):
            policies.watch(self)
        if "_arguments" in vars(self):
            vars(self)["_arguments"]["dtype"] = policy.name

    @property
    def dtype_policy(self) -> DTypePolicy:
        """In what the layer computes and keeps its weights; can be set before these are made."""
        return self._policy

    @dtype_policy.setter
    def dtype_policy(self, policy: Any) -> None:
        policy = policies.get(policy)
        if self._starts and policy.variable_dtype != self._policy.variable_dtype:
            raise HandsonError(
                f"layer {self.name!r} has weights of {self._policy.variable_dtype}; for {policy.variable_dtype} make "
                f"it with dtype={policy.name!r}."
            )
        self._follow(policy)

    @property
    def dtype(self) -> str:
        """The type of the weights."""
        return self._policy.variable_dtype

    @property
    def variable_dtype(self) -> str:
        """The type of the weights."""
        return self._policy.variable_dtype

    @property
    def compute_dtype(self) -> str:
        """The type that is computed in."""
        return self._policy.compute_dtype

    @property
    def input_dtype(self) -> str:
        """The type that inputs are converted to."""
        return self._policy.compute_dtype

    def _follow_type(self, fn: Any) -> None:
        if not self._policy.mixed and self.input_type.is_floating_point:
            moved = fn(torch.empty(0, dtype=self.input_type)).dtype
            if moved != self.input_type:
                self._follow(policies.get(moved))

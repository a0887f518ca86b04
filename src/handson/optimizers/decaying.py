"""Weight decay, and the weights that have none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from handson.core.errors import HandsonError


class Decaying:
    """Mixed into optimizers: what decays before an update."""

    weight_decay: float | None
    # Patterns of names, and paths of weights, that do not decay.
    undecayed: tuple[str, ...] = ()

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Any = None) -> None:
        """Let some weights not decay, in place of what an earlier call said. As in Keras, files do not hold it.

        Parameters
        ----------
        var_list : list of weights, optional
            Weights of a built net, such as ``[layer.bias]``.
        var_names : list of str, optional
            Patterns that are looked for in the weights' names and paths, such as 'bias' or 'dense_1/kernel'.

        Examples
        --------
        >>> from handson.optimizers import AdamW
        >>> optimizer = AdamW(weight_decay=0.1)
        >>> optimizer.exclude_from_weight_decay(var_names=["bias", "gamma"])
        >>> optimizer.undecayed
        ('bias', 'gamma')
        """
        paths = [getattr(weight, "path", "") for weight in var_list or ()]
        if "" in paths:
            raise HandsonError(
                "exclude_from_weight_decay: var_list has a weight that is in no net yet; build the net first, or give "
                "its name, var_names=['bias']."
            )
        self.undecayed = (*(f"^{re.escape(path)}$" for path in paths), *(var_names or ()))

    def decays(self, name: str, weight: Tensor) -> bool:
        """Whether a weight decays."""
        names = (getattr(weight, "path", ""), name)
        return not any(re.search(pattern, each) for pattern in self.undecayed for each in names)

    def decay(self, names: Sequence[str], weights: list[Tensor], rate: Any) -> None:
        """The decay of the weights before an update."""
        if self.weight_decay:
            if self.undecayed:
                weights = [weight for name, weight in zip(names, weights, strict=True) if self.decays(name, weight)]
            if weights:
                torch._foreach_mul_(weights, 1.0 - rate * self.weight_decay)

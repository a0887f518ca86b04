"""Replicas of a net that share its weights: layers keep things in the forward pass, and shards must not share them."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

from handson.core.described import Noun

# What replicas share with their net besides weights: what a callback may change in it, and what is about the training.
SHARED = ("weight_regularizers", "_compiled", "_terms", "history")
# What changes all the time.
PASSING = frozenset({"training", "age", "stop_training"})


def replica(module: nn.Module) -> nn.Module:
    """A copy of a net with the same weights, not with equal ones.

    Examples
    --------
    >>> net = nn.Linear(2, 1)
    >>> other = replica(net)
    >>> other is net, other.weight is net.weight
    (False, True)
    """
    shared: dict[int, Any] = {}
    for part in module.modules():
        kept = [*part._parameters.values(), *part._buffers.values(), *(vars(part).get(name) for name in SHARED)]
        nouns = [value for value in vars(part).values() if isinstance(value, Noun)]
        shared |= {id(value): value for value in (*kept, *nouns) if value is not None}
    return copy.deepcopy(module, shared)


class Seen:
    """What a net was made of, to find out whether anything about it has been exchanged since.

    Parameters
    ----------
    module : nn.Module
        The net.

    Examples
    --------
    >>> net = nn.Linear(2, 1)
    >>> seen = Seen(net)
    >>> seen.holds(net), net.register_parameter("bias", None), seen.holds(net)
    (True, None, False)
    """

    def __init__(self, module: nn.Module) -> None:
        self._kept = _contents(module)

    def holds(self, module: nn.Module) -> bool:
        """Whether the net is made of the same objects."""
        now = _contents(module)
        return len(now) == len(self._kept) and all(
            a is b or (type(a) is type(b) and isinstance(a, (int, float, str)) and a == b)
            for a, b in zip(now, self._kept, strict=True)
        )


def _contents(module: nn.Module) -> list[Any]:
    found: list[Any] = []
    for part in module.modules():
        found += [value for name, value in vars(part).items() if name not in PASSING]
        found += [*part._parameters.values(), *part._buffers.values(), *part._modules.values()]
        found += [*part._forward_hooks.values(), *part._forward_pre_hooks.values()]
    return found

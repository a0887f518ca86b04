"""What probabilities were computed from, carried with them: a loss that takes it has a gradient that never dies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

# The attribute of the probabilities.
LOGITS = "_handson_logits"


class Logits(NamedTuple):
    """What probabilities were computed from.

    Attributes
    ----------
    activation : str
        'softmax' or 'sigmoid': which of them.
    values : Tensor
        The logits.
    versions : tuple of int
        How often probabilities and logits had been written to: afterwards they belong together no more.
    """

    activation: str
    values: Tensor
    versions: tuple[int, int]


def with_logits(probabilities: Tensor, activation: str, logits: Tensor) -> Tensor:
    """The probabilities, with the logits that they come from."""
    setattr(probabilities, LOGITS, Logits(activation, logits, _versions(probabilities, logits)))
    return probabilities


def logits_of(probabilities: Tensor, activation: str) -> Tensor | None:
    """The logits that an activation made probabilities of; None where it did not, or where either was changed since.

    Examples
    --------
    >>> p = sigmoid(torch.tensor([2.0]))
    >>> logits_of(p, "sigmoid"), logits_of(p, "softmax"), logits_of(p * 1, "sigmoid"), logits_of(p.mul_(1), "sigmoid")
    (tensor([2.]), None, None, None)
    """
    found: Logits | None = getattr(probabilities, LOGITS, None)
    if found is None or found.activation != activation or found.versions != _versions(probabilities, found.values):
        return None
    return found.values


def _versions(probabilities: Tensor, logits: Tensor) -> tuple[int, int]:
    if probabilities.is_inference() or logits.is_inference():  # these count no versions
        return -1, -1
    return probabilities._version, logits._version


def sigmoid(x: Tensor) -> Tensor:
    """Probabilities of yes, with their logits."""
    return with_logits(torch.sigmoid(x), "sigmoid", x)


def softmax(x: Tensor, dim: int = -1) -> Tensor:
    """Probabilities over an axis; with their logits if it is the last one, where losses look for classes."""
    probabilities = torch.softmax(x, dim=dim)
    return with_logits(probabilities, "softmax", x) if dim in (-1, x.dim() - 1) else probabilities


def like(outputs: Tensor, changed: Callable[[Tensor], Tensor]) -> Tensor:
    """Outputs in another form (another type or shape, without a gradient), their logits likewise.

    Examples
    --------
    >>> p = like(softmax(torch.zeros(2, 1, 3)), lambda leaf: leaf.flatten(1))
    >>> logits_of(p, "softmax").shape, logits_of(like(p, lambda leaf: leaf.reshape(3, 2)), "softmax")
    (torch.Size([2, 3]), None)
    """
    result = changed(outputs)
    found: Logits | None = getattr(outputs, LOGITS, None)
    if result is outputs or found is None or logits_of(outputs, found.activation) is None:
        return result
    if found.activation == "softmax" and result.shape[-1:] != outputs.shape[-1:]:
        return result  # the classes are no longer along the last axis
    return with_logits(result, found.activation, changed(found.values))


def picked(x: Tensor, key: Any) -> Tensor:
    """x[key], with its logits where they say the same: those of a softmax only with all of its classes.

    Examples
    --------
    >>> p = softmax(torch.zeros(2, 4, 3))
    >>> [logits_of(picked(p, key), "softmax") is None for key in (0, (slice(None), -1), (..., 0), (..., slice(2)))]
    [False, False, True, True]
    """
    result = x[key]
    found: Logits | None = getattr(x, LOGITS, None)
    if found is None or logits_of(x, found.activation) is None:
        return result
    if found.activation == "softmax" and not _keeps_last(key, x.dim()):
        return result
    return with_logits(result, found.activation, found.values[key])


def _keeps_last(key: Any, axes: int) -> bool:
    """Whether an index leaves the last axis as it is."""
    entries = key if isinstance(key, tuple) else (key,)
    if not all(isinstance(entry, slice) or entry is ... or type(entry) is int for entry in entries):
        return False
    given = [entry for entry in entries if entry is not ...]
    ends = len(given) == axes or (len(given) < len(entries) and entries[-1] is not ...)  # with the last axis
    return not ends or given[-1] == slice(None)

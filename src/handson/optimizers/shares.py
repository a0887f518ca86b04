"""Learning rates that differ by layer: which share of the rate each weight has."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real

from handson.core.errors import HandsonError, nearest

Shares = tuple[tuple[str, float], ...]


def checked(multipliers: Mapping[str, float] | None) -> dict[str, float] | None:
    """Multipliers of the learning rate by the names of layers, None where there are none.

    Raises
    ------
    HandsonError
        Unless they are positive numbers.
    """
    if multipliers is None:
        return None
    if not isinstance(multipliers, Mapping):
        raise HandsonError(
            f"rate_multipliers has a number for each layer by its name, as {{'conv1': 0.1}}; got {multipliers!r}."
        )
    for name, share in multipliers.items():
        positive = isinstance(share, Real) and not isinstance(share, bool) and 0 < float(share) < float("inf")
        if not positive:
            raise HandsonError(
                f"rate_multipliers[{name!r}] is a positive number; got {share!r}. A layer that does not train is "
                f"frozen: layer.trainable = False."
            )
    return {str(name): float(share) for name, share in multipliers.items()} or None


@functools.lru_cache(maxsize=1 << 14)
def share_of(weight: str, shares: Shares) -> float:
    """The multiplier of a weight: that of the innermost layer on its path which has one, 1 without any.

    Examples
    --------
    >>> shares = (("base", 0.5), ("conv1", 0.1), ("base.conv2", 0.2))
    >>> [share_of(f"{layer}.kernel", shares) for layer in ("base.conv1", "base.conv2", "base.conv3", "conv2")]
    [0.1, 0.2, 0.5, 1.0]
    """
    found = [(end, len(name), share) for name, share in shares if (end := _end(f".{weight}.", f".{name}."))]
    return max(found)[2] if found else 1.0


def _end(path: str, name: str) -> int:
    """Where a name that consists of whole steps of a path ends in it, 0 where it is not in it."""
    place = path.rfind(name)
    return 0 if place < 0 else place + len(name)


def grouped(names: Sequence[str], shares: Shares) -> dict[float, list[int]]:
    """The places of weights with the same multiplier, by it.

    Examples
    --------
    >>> grouped(["a.kernel", "b.kernel", "a.bias"], (("a", 0.1),))
    {0.1: [0, 2], 1.0: [1]}
    """
    found: dict[float, list[int]] = {}
    for place, name in enumerate(names):
        found.setdefault(share_of(name, shares), []).append(place)
    return found


def check_names(multipliers: Mapping[str, float] | None, weights: Iterable[str]) -> None:
    """Raise where a multiplier is for a layer that has no weights, or is not there.

    Examples
    --------
    >>> check_names({"cnov1": 0.1}, ["conv1.kernel", "conv1.bias"])
    Traceback (most recent call last):
    handson.core.errors.HandsonError: rate_multipliers names 'cnov1', and no layer with weights is called that. ...
    """
    paths = [f".{weight}." for weight in weights]
    for name in multipliers or ():
        if not any(_end(path, f".{name}.") for path in paths):
            known = sorted({step for path in paths for step in path.strip(".").split(".")[:-1]})
            raise HandsonError(
                f"rate_multipliers names {name!r}, and no layer with weights is called that."
                f"{nearest(name, known)} Layers: {', '.join(known[:20])}{', ...' if len(known) > 20 else '.'}"
            )

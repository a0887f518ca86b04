"""What the mobile nets share: the sizes of images that they were trained on, and multiples of the number of filters."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from handson.applications.application import Wanted
from handson.core.errors import HandsonError, listing

USUAL = 224


def trained_size(wanted: Wanted, sizes: Collection[int]) -> int:
    """The side of the images that the weights are for: that of the image if there are such, else the usual one."""
    shape = wanted.given_shape() or ()
    side = shape[0] if len(shape) == 3 and shape[0] == shape[1] else None
    return side if side in sizes else USUAL  # type: ignore[return-value]


def chosen_alpha(owner: str, value: Any, known: Collection[float], name: str = "alpha") -> None:
    """Raise unless there are weights of ImageNet for a value."""
    if value not in known:
        raise HandsonError(
            f"{owner}: there are weights of ImageNet for {name} = {listing(known)}; got {value!r}. For others: "
            f"weights=None."
        )

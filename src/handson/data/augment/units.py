"""Whether keypoints are in the units that they are said to be in."""

from __future__ import annotations

from typing import Any

import torch

from handson.core.errors import HandsonError
from handson.data.reading.keypoints import Pairs, edges
from handson.data.rows.stored import Data, pieces

# Keypoints of which a larger share lies outside of the images are measured in something else. Coordinates of at most so
# many pixels, in images that are larger than so many, are fractions of the image.
MOST_OUTSIDE, MOST_FRACTION, LEAST_SIDE = 0.25, 1.5, 4


def check_inside(targets: Data, pairs: Pairs, size: tuple[int, int], units: Any) -> None:
    """Raise where keypoints cannot be in their units: many are outside of the images, or all within a pixel or two.

    Examples
    --------
    >>> check_inside(torch.tensor([[-0.5, 0.25], [0.9, -0.7]]), [(0, 1)], (96, 96), None)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    handson.core.errors.HandsonError: Augment moves keypoints in pixels, and these run from -0.7 to 0.9 in images of ...
    """
    columns = torch.tensor(pairs).flatten()
    low, high = (torch.tensor(edge * len(pairs)) for edge in edges(units, size))
    smallest, largest, outside, count = torch.inf, -torch.inf, 0, 0
    for _, piece in pieces(targets):
        found = piece.cpu().float()[:, columns]
        there = found[~torch.isnan(found)]
        if there.numel():
            smallest, largest = min(smallest, there.min().item()), max(largest, there.max().item())
            outside, count = outside + int(((found < low) | (found > high)).sum()), count + there.numel()
    fractions = units is None and max(abs(smallest), abs(largest)) <= MOST_FRACTION and min(size) > LEAST_SIDE
    if count and (fractions or outside > MOST_OUTSIDE * count):
        said = "pixels" if units in (None, "pixels") else f"units from {units[0]:g} to {units[1]:g}"
        raise HandsonError(
            f"Augment moves keypoints in {said}, and these run from {smallest:.4g} to {largest:.4g} in images of "
            f"{size[1]}x{size[0]} pixels. Say in which units they are: Augment(units=(-1, 1)) if the edges of an image "
            f"are at -1 and 1, units=(0, 1), or units='pixels'."
        )

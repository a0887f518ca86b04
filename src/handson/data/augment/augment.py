"""Augmentation: random changes of whole batches of images while training, on the device, keypoints moved along.

All geometric changes are composed into one affine map per image, and the image is resampled once. The batch is a copy
of the user's rows: their arrays are never written to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from handson.core.described import Noun
from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.data.augment.geometry import flip_images, flip_keypoints, move_keypoints, resample, swap_columns
from handson.data.augment.ranges import factors, is_number, pair, probability, span
from handson.data.augment.units import check_inside
from handson.data.reading import keypoints as points
from handson.data.rows.stored import Data, pieces
from handson.randomness import stream, words

# How many random numbers an image gets, in a fixed order, so that turning one change on does not change the others.
HORIZONTAL, VERTICAL, ANGLE, SHIFT_X, SHIFT_Y, SCALE, SHEAR, STRETCH, BRIGHTNESS, CONTRAST = range(10)


@register
class Augment(Noun):
    """Random changes of images, and of the keypoints in them.

    Parameters
    ----------
    horizontal_flip, vertical_flip : bool or float
        Mirror with this probability; True is 1/2. Columns of the left and right side swap.
    rotation : float or (float, float)
        Degrees, uniform between -rotation and rotation, or between the two.
    translation : float or (float, float)
        Pixels along each axis, uniform.
    rescaling : float or (float, float)
        A factor, log-uniform between 1 / rescaling and rescaling, or between the two.
    shear : float or (float, float)
        Degrees, uniform.
    stretch : float or (float, float)
        A factor by which the width grows and the height shrinks, log-uniform.
    noise : float
        The standard deviation of normal noise, as a share of the range of values.
    brightness : float or (float, float)
        Added, as a share of the range of values, uniform.
    contrast : float or (float, float)
        A factor on the distance from the image's mean, log-uniform.
    keypoints : 'auto', None or list of (x column, y column)
        Target columns that move with the image, by name or position. 'auto': those whose names end in '_x' and '_y'.
        None: the targets stay as they are.
    swaps : list of (column, column), optional
        Target columns that swap in a mirror image; by default those that differ in 'left' and 'right'.
    value_range : (float, float), optional
        The range of pixel values, which changed images stay in; by default read off the training images.
    units : 'pixels' or (float, float), optional
        What keypoints are measured in: pixels, or the two values that the left and right (upper and lower) edges of an
        image have, such as (-1, 1) or (0, 1). By default pixels, unless the targets show that they are something else:
        then it must be said.

    Notes
    -----
    The fourth lecture's ranges are ``Augment(horizontal_flip=True, rotation=180, translation=10, rescaling=1.6,
    shear=20, stretch=1.3)``. A keypoint that leaves the frame becomes missing (NaN). Which change an image gets
    follows from the run's seed, the epoch and the image's row.

    Examples
    --------
    >>> Augment(rotation=20, rescaling=1.2).rotation
    (-20.0, 20.0)
    """

    kind = "augment"

    def __init__(
        self,
        horizontal_flip: Any = False,
        vertical_flip: Any = False,
        rotation: Any = 0.0,
        translation: Any = 0.0,
        rescaling: Any = 1.0,
        shear: Any = 0.0,
        stretch: Any = 1.0,
        noise: float = 0.0,
        brightness: Any = 0.0,
        contrast: Any = 1.0,
        keypoints: Any = "auto",
        swaps: Sequence[Any] | None = None,
        value_range: Sequence[float] | None = None,
        units: Any = None,
    ) -> None:
        self.horizontal_flip = probability("horizontal_flip", horizontal_flip)
        self.vertical_flip = probability("vertical_flip", vertical_flip)
        self.rotation, self.translation = span("rotation", rotation), span("translation", translation)
        self.rescaling, self.stretch = factors("rescaling", rescaling), factors("stretch", stretch)
        self.shear, self.brightness = span("shear", shear), span("brightness", brightness)
        self.contrast = factors("contrast", contrast)
        if not is_number(noise) or noise < 0:
            raise HandsonError(f"Augment: noise is a share of the range of values, not negative; got {noise!r}.")
        self.noise = float(noise)
        self.keypoints, self.swaps = keypoints, swaps
        self.value_range = value_range if value_range is None else pair("value_range", value_range)
        self.units = points.check_units(units)

    @property
    def flips(self) -> bool:
        """Whether images are mirrored."""
        return self.horizontal_flip > 0 or self.vertical_flip > 0

    @property
    def resamples(self) -> bool:
        """Whether images are rotated, shifted or scaled, so that their pixels are interpolated."""
        still = (self.rotation, self.translation, self.shear) == ((0.0, 0.0),) * 3
        return not still or (self.rescaling, self.stretch) != ((1.0, 1.0),) * 2

    def bind(
        self, images: Data, target_columns: int, names: Sequence[str] | None, targets: Data | None = None
    ) -> BoundAugment:
        """This augmentation for one data set.

        Parameters
        ----------
        images : Tensor or StoredRows, shape (n, height, width, channels)
            The training images, for the range of their values.
        target_columns : int
            The number of target columns; 0 for labels of classes.
        names : sequence of str, optional
            The names of the target columns.
        targets : Tensor or StoredRows, optional
            The training targets: keypoints that cannot be in the units that they are said to be in are refused.

        Raises
        ------
        HandsonError
            When the inputs are no images or have their channels first, when it is not clear which targets move along,
            and when keypoints are in other units.
        """
        if images.dim() != 4:
            raise HandsonError(
                f"Augment changes images of shape (n, height, width, channels); got inputs of "
                f"shape {tuple(images.shape)}."
            )
        _check_channels(tuple(images.shape))
        pairs, swaps = self._points(target_columns, names), self._swaps(target_columns, names)
        if targets is not None and pairs and (self.flips or self.resamples):
            check_inside(targets, pairs, (images.shape[2], images.shape[1]), self.units)
        return BoundAugment(self, pairs, swaps, _value_range(self, images))

    def _points(self, target_columns: int, names: Sequence[str] | None) -> points.Pairs:
        if self.keypoints is None or target_columns == 0:
            return []
        if self.keypoints != "auto":
            return points.positions(self.keypoints, names, "Augment: keypoints", target_columns)
        halves = points.find_halves(names or [])
        if halves and (self.flips or self.resamples):
            raise HandsonError(
                f"Augment moves images, and the target column {halves[0]!r} is half a keypoint: its other coordinate "
                f"is no target. Add it, or give keypoints=[(x, y), ...], or keypoints=None if no target moves."
            )
        found = points.find_points(names or [])
        if not found and target_columns > 1 and (self.flips or self.resamples):
            raise HandsonError(
                f"Augment moves images, and it is not clear which of the {target_columns} target columns move along. "
                f"Give targets as a DataFrame with columns like 'nose_x' and 'nose_y', or keypoints=[(0, 1), (2, 3), "
                f"...], or keypoints=None if none does."
            )
        return found

    def _swaps(self, target_columns: int, names: Sequence[str] | None) -> points.Pairs:
        if self.swaps is not None:
            return points.positions(self.swaps, names, "Augment: swaps", target_columns)
        alone = points.unmatched(names or [])
        if alone and self.flips:
            raise HandsonError(
                f"Augment mirrors images, but the column {alone[0]!r} has no partner on the other side among the "
                f"targets. Add it, turn the flip off, or give swaps=[...]."
            )
        return points.find_swaps(names or [])


class BoundAugment:
    """An augmentation that knows its data: called with a batch of images and targets, it gives a changed copy.

    Parameters
    ----------
    augment : Augment
        What is changed.
    pairs : list of (int, int)
        The positions of the x and y columns of each keypoint.
    swaps : list of (int, int)
        The positions of columns that swap in a mirror image.
    value_range : (float, float)
        The range of pixel values.
    """

    def __init__(
        self, augment: Augment, pairs: points.Pairs, swaps: points.Pairs, value_range: tuple[float, float]
    ) -> None:
        self.augment, self.pairs, self.swaps, self.value_range = augment, pairs, swaps, value_range

    @property
    def loses_targets(self) -> bool:
        """Whether keypoints may leave the frame and become missing."""
        return bool(self.pairs) and self.augment.resamples

    def __call__(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        active = stream.current()
        if active is None:
            raise HandsonError(
                "augmentation draws from the stream of a training step; use it through fit(augment=...)."
            )
        fraction = words.uniform(active.key("augment"), active.rows, 10)
        flips = (
            fraction[:, HORIZONTAL] < self.augment.horizontal_flip,
            fraction[:, VERTICAL] < self.augment.vertical_flip,
        )
        images, targets = self._move(images, targets, fraction, flips)
        return self._shade(images, fraction, active.key("augment noise"), active.rows), targets

    def _move(
        self, images: Tensor, targets: Tensor, fraction: Tensor, flips: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        if not (self.augment.flips or self.augment.resamples):
            return images, targets
        matrix, shift = affine_maps(self.augment, fraction, flips)
        size, units = (images.shape[2], images.shape[1]), self.augment.units
        if self.augment.resamples:
            moved = resample(images, matrix, shift)
            targets = move_keypoints(targets, self.pairs, matrix, shift, size, units)
        else:
            moved = flip_images(images, *flips)
            targets = flip_keypoints(targets, self.pairs, matrix, size, units)
        return moved, swap_columns(targets, self.swaps, flips[0] ^ flips[1])

    def _shade(self, images: Tensor, fraction: Tensor, noise_key: words.Key, rows: Tensor) -> Tensor:
        augment, (low, high) = self.augment, self.value_range
        if augment.contrast == (1.0, 1.0) and augment.brightness == (0.0, 0.0) and not augment.noise:
            return images
        shape = (-1, 1, 1, 1)
        if augment.contrast != (1.0, 1.0):
            factor = _between(fraction[:, CONTRAST], *map(math.log, augment.contrast)).exp().view(shape)
            mean = images.mean((1, 2, 3), keepdim=True)
            images = mean + (images - mean) * factor
        if augment.brightness != (0.0, 0.0):
            images = images + _between(fraction[:, BRIGHTNESS], *augment.brightness).view(shape) * (high - low)
        if augment.noise:
            noise = words.normal(noise_key, rows, images[0].numel()).view(images.shape)
            images = images + noise * (augment.noise * (high - low))
        return images.clamp(low, high)


def affine_maps(augment: Augment, fraction: Tensor, flips: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """The map of each image: a point at p from the centre goes to matrix @ p + shift from the centre.

    Returns
    -------
    matrix : Tensor, shape (n, 2, 2)
        Rotation times shear times scales times mirror.
    shift : Tensor, shape (n, 2)
        Pixels, x before y.
    """
    angle = torch.deg2rad(_between(fraction[:, ANGLE], *augment.rotation))
    shear = torch.tan(torch.deg2rad(_between(fraction[:, SHEAR], *augment.shear)))
    scale = _between(fraction[:, SCALE], *map(math.log, augment.rescaling)).exp()
    stretch = _between(fraction[:, STRETCH], *map(math.log, augment.stretch)).exp()
    wide = scale * stretch * (1.0 - 2.0 * flips[0].float())
    tall = scale / stretch * (1.0 - 2.0 * flips[1].float())
    cosine, sine = torch.cos(angle), torch.sin(angle)
    first = torch.stack((cosine * wide, (cosine * shear - sine) * tall), 1)
    second = torch.stack((sine * wide, (sine * shear + cosine) * tall), 1)
    shift = torch.stack([_between(fraction[:, axis], *augment.translation) for axis in (SHIFT_X, SHIFT_Y)], 1)
    return torch.stack((first, second), 1), shift


def _between(fraction: Tensor, low: float, high: float) -> Tensor:
    return low + (high - low) * fraction


def _check_channels(shape: tuple[int, ...]) -> None:
    """Raise for images whose channels come first: few, and then two sides of which neither is much longer."""
    _, first, middle, last = shape
    few = first <= 4 or 2 * first <= middle == last
    if few and first < min(middle, last) and last > 4 and max(middle, last) <= 4 * min(middle, last):
        raise HandsonError(
            f"Augment changes images of shape (n, height, width, channels); inputs of shape {shape} look as if their "
            f"channels came first, so that rows would be moved as columns. Give numpy.moveaxis(x, 1, -1)."
        )


def _value_range(augment: Augment, images: Data) -> tuple[float, float]:
    if augment.value_range is not None:
        return augment.value_range
    if images.dtype == torch.uint8:
        return 0.0, 255.0
    ranges = [(piece.min().item(), piece.max().item()) for _, piece in pieces(images)]
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    if low < 0:
        return low, high
    return 0.0, 1.0 if high <= 1 else max(high, 255.0)

"""What `ImageDataGenerator` does to one image: turned, moved, shorn, enlarged, brightened."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from handson.core.errors import HandsonError, nearest
from handson.randomness.keys import derive, fresh_seed
from handson.utils.pictures import FORMATS, array_to_img, img_to_array

# Where a place outside of an image has its value from: SciPy's names.
FILL_MODES = ("constant", "nearest", "reflect", "wrap", "mirror", "grid-constant", "grid-mirror", "grid-wrap")


class Axes(NamedTuple):
    """Which axes of an image are rows, columns and channels."""

    row: int = 0
    column: int = 1
    channel: int = 2

    @classmethod
    def of(cls, data_format: str) -> Axes:
        """Those of images of a format."""
        return cls() if data_format == FORMATS[0] else cls(1, 2, 0)

    def check(self, x: Any) -> np.ndarray:
        """An image as an array, if its axes are these."""
        x = np.asarray(x)
        if x.ndim != 3 or sorted(self) != [0, 1, 2] or self.channel == 1:
            raise HandsonError(
                f"an image has three axes, channels first or last; got the shape {x.shape} with rows on axis "
                f"{self.row}, columns on {self.column}, channels on {self.channel}."
            )
        return x


def apply_affine_transform(
    x: Any,
    theta: float = 0,
    tx: float = 0,
    ty: float = 0,
    shear: float = 0,
    zx: float = 1,
    zy: float = 1,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    order: int = 1,
) -> np.ndarray:
    """An image turned, moved, shorn and enlarged about its middle.

    What is seen at (row, column) from the middle was at R T S Z (row, column): R turns by `theta`, T adds (tx, ty), S
    is [[cos(shear), 0], [-sin(shear), 1]], and Z multiplies by (zy, zx).

    Parameters
    ----------
    x : array of three axes
        The image.
    theta, shear : float
        Degrees.
    tx, ty : float
        By how many rows, and columns, the image moves up, and to the left. (In Keras 3 the first is columns.)
    zx, zy : float
        How many columns, and rows, are seen in place of one: 0.5 shows the middle at twice its size.
    row_axis, col_axis, channel_axis : int
        Which axes are which; channels are first or last.
    fill_mode : {'constant', 'nearest', 'reflect', 'wrap'}
        What is seen from outside of the image.
    cval : float
        That value, for 'constant'.
    order : int
        0 for the nearest value, 1 for linear interpolation, up to 5 for splines.

    Returns
    -------
    ndarray of the same shape and type

    Examples
    --------
    >>> image = np.arange(6.0).reshape(2, 3, 1)
    >>> apply_affine_transform(image, ty=1, row_axis=0, col_axis=1, channel_axis=2)[..., 0]
    array([[1., 2., 2.],
           [4., 5., 5.]])
    """
    from scipy import ndimage

    axes = Axes(row_axis, col_axis, channel_axis)
    x = axes.check(x)
    if fill_mode not in FILL_MODES:
        raise HandsonError(f"fill_mode is one of {FILL_MODES}; got {fill_mode!r}.{nearest(str(fill_mode), FILL_MODES)}")
    matrix, shift = _map(math.radians(theta), (tx, ty), math.radians(shear), (zy, zx))
    if np.array_equal(matrix, np.eye(2)) and not shift.any():
        return x
    middle = (np.array([x.shape[row_axis], x.shape[col_axis]]) - 1) / 2
    start = middle + shift - matrix @ middle
    planes = np.moveaxis(x, channel_axis, 0)
    moved = [ndimage.affine_transform(plane, matrix, start, order=order, mode=fill_mode, cval=cval) for plane in planes]
    return np.stack(moved, channel_axis)


def _map(angle: float, shift: Any, shear: float, scale: Any) -> tuple[np.ndarray, np.ndarray]:
    """The matrix and the shift of places (row, column) from the middle."""
    cosine, sine = math.cos(angle), math.sin(angle)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    slant = np.array([[math.cos(shear), 0], [-math.sin(shear), 1]])
    return turn @ slant @ np.diag(scale), turn @ np.asarray(shift, float)


def apply_channel_shift(x: Any, intensity: float, channel_axis: int = 0) -> np.ndarray:
    """An image with a number added to its values, which stay between the least and the largest of them."""
    x = np.asarray(x)
    return np.clip(x + intensity, x.min(), x.max()).astype(x.dtype)


def apply_brightness_shift(x: Any, brightness: float, scale: bool = True, data_format: str | None = None) -> np.ndarray:
    """An image whose values, rounded to bytes, are multiplied by a number.

    Parameters
    ----------
    x : array of three axes
        The image.
    brightness : float
        The number; 1 leaves the image as it is.
    scale : bool
        Whether values are stretched to 0 .. 255; without it those outside of that range are for the while.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.

    Returns
    -------
    ndarray of float32
    """
    from PIL import ImageEnhance

    low, high = float(np.min(x)), float(np.max(x))
    outside = low < 0 or high > 255
    image = ImageEnhance.Brightness(array_to_img(x, data_format, scale or outside)).enhance(brightness)
    found = img_to_array(image, data_format)
    return found / 255 * (high - low) + low if outside and not scale else found


# The same with random numbers.


def drawn(seed: int | None = None) -> np.random.RandomState:
    """A generator of random numbers; a seed gives those of NumPy's older functions, as in Keras."""
    return np.random.RandomState(derive(fresh_seed(), "image") & 0xFFFFFFFF if seed is None else seed)


def random_rotation(
    x: Any, rg: float, row_axis: int = 1, col_axis: int = 2, channel_axis: int = 0, fill_mode: str = "nearest",
    cval: float = 0.0, interpolation_order: int = 1,
) -> np.ndarray:  # fmt: skip
    """An image turned by up to `rg` degrees."""
    theta = drawn().uniform(-rg, rg)
    return apply_affine_transform(
        x, theta, 0, 0, 0, 1, 1, row_axis, col_axis, channel_axis, fill_mode, cval, interpolation_order
    )


def random_shift(
    x: Any, wrg: float, hrg: float, row_axis: int = 1, col_axis: int = 2, channel_axis: int = 0,
    fill_mode: str = "nearest", cval: float = 0.0, interpolation_order: int = 1,
) -> np.ndarray:  # fmt: skip
    """An image moved by up to the share `wrg` of its width and `hrg` of its height."""
    random, (high, wide) = drawn(), (np.shape(x)[row_axis], np.shape(x)[col_axis])
    tx, ty = random.uniform(-hrg, hrg) * high, random.uniform(-wrg, wrg) * wide
    return apply_affine_transform(
        x, 0, tx, ty, 0, 1, 1, row_axis, col_axis, channel_axis, fill_mode, cval, interpolation_order
    )


def random_shear(
    x: Any, intensity: float, row_axis: int = 1, col_axis: int = 2, channel_axis: int = 0, fill_mode: str = "nearest",
    cval: float = 0.0, interpolation_order: int = 1,
) -> np.ndarray:  # fmt: skip
    """An image shorn by up to `intensity` degrees."""
    shear = drawn().uniform(-intensity, intensity)
    return apply_affine_transform(
        x, 0, 0, 0, shear, 1, 1, row_axis, col_axis, channel_axis, fill_mode, cval, interpolation_order
    )


def random_zoom(
    x: Any, zoom_range: Any, row_axis: int = 1, col_axis: int = 2, channel_axis: int = 0, fill_mode: str = "nearest",
    cval: float = 0.0, interpolation_order: int = 1,
) -> np.ndarray:  # fmt: skip
    """An image enlarged or made smaller, by two numbers of a range for its height and width."""
    zx, zy = drawn().uniform(*span("zoom_range", zoom_range), 2)
    return apply_affine_transform(
        x, 0, 0, 0, 0, zx, zy, row_axis, col_axis, channel_axis, fill_mode, cval, interpolation_order
    )


def random_channel_shift(x: Any, intensity_range: float, channel_axis: int = 0) -> np.ndarray:
    """An image with a number of up to `intensity_range` added or subtracted."""
    return apply_channel_shift(x, drawn().uniform(-intensity_range, intensity_range), channel_axis)


def random_brightness(x: Any, brightness_range: Any, scale: bool = True) -> np.ndarray:
    """An image multiplied by a number of a range."""
    return apply_brightness_shift(x, drawn().uniform(*span("brightness_range", brightness_range)), scale)


def span(name: str, value: Any) -> tuple[float, float]:
    """Two numbers, or an error that names the argument."""
    if isinstance(value, (tuple, list, np.ndarray)) and len(value) == 2:
        return float(value[0]), float(value[1])
    raise HandsonError(f"{name} is two numbers, such as (0.8, 1.2); got {value!r}.")

"""Scaling of inputs and targets: part of the model, saved with it, undone in predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.core.errors import HandsonError, nearest
from handson.data.rows.stored import Data, pieces

METHODS = ("standard", "minmax")
# A column whose spread is smaller than this share of its size is constant up to rounding.
CONSTANT, CONSTANT_DOUBLE = 2e-7, 1e-14


class Scaling:
    """(x - shift) / scale, per column or per channel, and back.

    Parameters
    ----------
    shift, scale : float or array
        One number, or one for each column or channel (the last axis).

    Examples
    --------
    >>> scaling = Scaling(shift=48.0, scale=48.0)
    >>> scaling.apply(torch.tensor([96.0])).item(), scaling.undo(torch.tensor([1.0])).item()
    (1.0, 96.0)
    """

    def __init__(self, shift: Any = 0.0, scale: Any = 1.0) -> None:
        self.shift, self.scale = _numbers("shift", shift), _numbers("scale", scale)
        if bool((self.scale == 0).any()):
            raise HandsonError("scaling: scale must not be zero.")
        self._shift, self._scale = self.shift.float(), self.scale.float()
        # Whether float32 would round the unscaled values by more than 1e-4 of the scale, as it does Julian dates.
        self.needs_double = bool((self.shift.abs() * 2.0**-24 > 1e-4 * self.scale.abs()).any())

    def to(self, device: torch.device) -> Scaling:
        """This scaling with its numbers on a device."""
        return Scaling(self.shift.to(device), self.scale.to(device))

    def apply(self, x: Tensor) -> Tensor:
        """Scaled values, as float32; worked out in float64 for values of that type, and for whole numbers."""
        if x.dtype == torch.float32:
            return (x - self._shift) / self._scale
        return ((x.double() - self.shift) / self.scale).float()

    def undo(self, x: Tensor) -> Tensor:
        """The values that `apply` would turn into `x`: float64 where float32 could not hold them."""
        if self.needs_double:
            return x.double() * self.scale + self.shift
        return x * self._scale + self._shift

    def get_config(self) -> dict[str, Any]:
        """Shift and scale as JSON."""
        return {"shift": self.shift.tolist(), "scale": self.scale.tolist()}


def _numbers(name: str, value: Any) -> Tensor:
    try:
        tensor = torch.as_tensor(value, dtype=torch.float64)
    except (TypeError, ValueError):
        tensor = torch.tensor(float("nan"))
    if tensor.dim() > 1 or not bool(torch.isfinite(tensor).all()):
        raise HandsonError(f"scaling: {name} is a finite number, or one for each column; got {value!r}.")
    return tensor


def fit_scaling(method: Any, values: Data, what: str) -> Scaling:
    """The scaling that a user asked for, measured on the training rows where it needs data.

    Parameters
    ----------
    method : {'standard', 'minmax'}, dict, (shift, scale) or Scaling
        'standard': each column to mean 0 and standard deviation 1. 'minmax': each to [0, 1]. A dictionary or a pair
        gives shift and scale.
    values : Tensor or StoredRows, shape (n, ..., columns)
        The training rows; NaN is left out.
    what : str
        Their name in errors.

    Examples
    --------
    >>> fit_scaling("standard", torch.tensor([[1.0], [3.0]]), "inputs").get_config()
    {'shift': [2.0], 'scale': [1.0]}
    """
    scaling = given_scaling(method, what)
    if scaling is not None:
        _check_columns(scaling, values.shape[-1], what)
        return scaling
    shift, scale = _measured(values, method, what)
    share = CONSTANT_DOUBLE if values.dtype == torch.float64 else CONSTANT
    constant = scale <= share * np.maximum(np.abs(shift), 1e-30)
    return Scaling(shift, np.where(constant, 1.0, scale))


def given_scaling(method: Any, what: str) -> Scaling | None:
    """The scaling in numbers that a user gave; None where it is one that is measured.

    Raises
    ------
    HandsonError
        When it is neither.

    Examples
    --------
    >>> given_scaling((0, 255), "inputs").get_config(), given_scaling("standard", "inputs")
    ({'shift': 0.0, 'scale': 255.0}, None)
    """
    if isinstance(method, Scaling):
        return method
    if isinstance(method, dict):
        unknown = set(method) - {"shift", "scale"}
        if unknown:
            raise HandsonError(
                f"scaling of {what}: a dictionary has the keys 'shift' and 'scale'; got {sorted(unknown)}."
            )
        return Scaling(**method)
    if isinstance(method, (tuple, list)) and len(method) == 2:
        return Scaling(*method)
    if not isinstance(method, str) or method not in METHODS:
        raise HandsonError(
            f"scaling of {what} is 'standard', 'minmax', or {{'shift': a, 'scale': b}}; got {method!r}."
            f"{nearest(str(method), METHODS)}"
        )
    return None


def _check_columns(scaling: Scaling, columns: int, what: str) -> None:
    """Raise unless a scaling has one number, or one for each column."""
    for name in ("shift", "scale"):
        numbers = getattr(scaling, name)
        if numbers.dim() and len(numbers) not in (1, columns):
            raise HandsonError(f"scaling of {what}: {name} has {len(numbers)} numbers for {columns} columns.")


def _measured(values: Data, method: str, what: str) -> tuple[np.ndarray, np.ndarray]:
    """The mean and standard deviation of each column, or its least value and its range.

    Pieces are merged as by Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    variances" (1979): each brings its own mean and sum of squared deviations.
    """
    count, mean, squares = (np.zeros(values.shape[-1]) for _ in range(3))
    low, high = np.full(len(count), np.inf), np.full(len(count), -np.inf)
    for _, piece in pieces(values):
        flat = piece.reshape(-1, len(count)).double().cpu().numpy()
        present = ~np.isnan(flat)
        if method == "minmax":
            count += present.sum(0)
            low, high = np.fmin(low, np.fmin.reduce(flat)), np.fmax(high, np.fmax.reduce(flat))
            continue
        more = present.sum(0)
        total = np.maximum(count + more, 1)
        own = np.where(present, flat, 0.0).sum(0) / np.maximum(more, 1)
        squares += (np.where(present, flat - own, 0.0) ** 2).sum(0) + (own - mean) ** 2 * count * more / total
        mean += (own - mean) * more / total
        count += more
    if not count.all():
        column = int((count == 0).argmax())
        raise HandsonError(f"scaling of {what}: column {column} has no value; every row is missing there.")
    return (mean, np.sqrt(squares / count)) if method == "standard" else (low, high - low)

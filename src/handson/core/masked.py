"""Masked values are missing ones: what lies under a mask is never trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


def masked_as_missing(data: Any) -> Any:
    """The data with NaN wherever they are masked; data that hold no mask are given back as they are.

    Parameters
    ----------
    data : array, tensor, table or nested list
        Masks of NumPy's masked arrays (also inside lists, and ``numpy.ma.masked`` itself), of classes of arrays that
        have a `mask`, such as those of Astropy, and of torch's masked tensors are known.

    Examples
    --------
    >>> masked_as_missing(np.ma.array([1, 2, 3], mask=[False, True, False]))
    array([ 1., nan,  3.])
    >>> masked_as_missing([1.0, np.ma.masked])
    [1.0, nan]
    """
    if isinstance(data, Tensor):
        return _of_tensor(data)
    if isinstance(data, np.ndarray):
        return _of_array(data)
    if hasattr(data, "iloc"):
        return _of_table(data)
    if isinstance(data, (list, tuple)):
        return _of_list(data)
    return data


def _of_tensor(data: Any) -> Tensor:
    if not hasattr(data, "get_mask"):
        return data
    values, mask = data.get_data(), data.get_mask()
    return torch.where(mask, values if values.is_floating_point() else values.double(), torch.nan)


def _of_array(data: np.ndarray) -> Any:
    mask = getattr(data, "mask", None)
    if mask is None:
        return _of_objects(data) if data.dtype.kind == "O" and data.ndim else data
    values = np.asarray(getattr(data, "unmasked", data))
    if values.dtype.names is not None or not np.any(mask):  # records are refused where numbers are wanted
        return values
    if values.dtype.kind in "biu":
        values = values.astype(np.float64)
    missing: Any = np.nan
    if values.dtype.kind not in "fc":
        values = values.astype(object)
    return np.where(mask, values.dtype.type(missing) if values.dtype.kind in "fc" else missing, values)


def _of_objects(data: np.ndarray) -> np.ndarray:
    """An array of Python objects, some of which may be the constant ``numpy.ma.masked``."""
    if not any(value is np.ma.masked for value in data.flat):
        return data
    values = np.empty(data.size, object)
    values[:] = [np.nan if value is np.ma.masked else value for value in data.flat]
    return values.reshape(data.shape)


def _of_table(data: Any) -> Any:
    """A DataFrame or Series: pandas has its own missing values, and cells may hold ``numpy.ma.masked``."""
    if not hasattr(data, "columns"):
        cells = data.to_numpy()
        known = _of_objects(cells) if cells.dtype == object else cells
        return data if known is cells else type(data)(known, index=data.index, name=data.name)
    found = data
    for place in np.flatnonzero([str(kind) == "object" for kind in data.dtypes]):  # the other columns keep their types
        cells = data.iloc[:, place].to_numpy()
        known = _of_objects(cells)
        if known is not cells:
            found = data.copy() if found is data else found
            found.isetitem(place, known)
    return found


def _of_list(data: Any) -> Any:
    """A nested list: only its own numbers and the lists and arrays in it are looked at."""
    looked = [_of_item(entry) for entry in data]
    return data if all(new is old for new, old in zip(looked, data, strict=True)) else looked


def _of_item(entry: Any) -> Any:
    if entry is np.ma.masked:
        return float("nan")
    return masked_as_missing(entry) if isinstance(entry, (list, tuple, np.ndarray, Tensor)) else entry


def unmasked(data: Any, **arguments: Any) -> np.ndarray:
    """`numpy.asarray`, which forgets masks, but with NaN under them.

    Examples
    --------
    >>> unmasked(np.ma.array([1, 2], mask=[False, True]))
    array([ 1., nan])
    """
    return np.asarray(masked_as_missing(data), **arguments)

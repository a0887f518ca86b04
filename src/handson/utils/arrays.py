"""Arrays as nets take them: one-hot vectors, unit vectors, sequences of one length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.core.errors import HandsonError, whole


def to_categorical(x: Any, num_classes: int | None = None) -> Any:
    """Classes as one-hot vectors.

    Parameters
    ----------
    x : array, list or Tensor of int
        Classes from 0; a last axis of size 1 gives way to the vector.
    num_classes : int, optional
        How many there are; by default the largest and one.

    Returns
    -------
    ndarray of float64, or Tensor of float32 for a tensor

    Raises
    ------
    HandsonError
        For a class below 0 (Keras takes -1 for the last one) or beyond `num_classes`.

    Examples
    --------
    >>> to_categorical([0, 2])
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """
    tensor = isinstance(x, Tensor)
    given = x.detach().cpu().numpy() if tensor else np.asarray(x)
    classes = given.astype(np.int64) if given.dtype.kind in "biuf" else np.zeros(0, np.int64)
    if not np.array_equal(classes, given):
        raise HandsonError(f"to_categorical takes classes as whole numbers; got {given.ravel()[:3].tolist()}.")
    if classes.ndim > 1 and classes.shape[-1] == 1:
        classes = classes[..., 0]
    most = int(classes.max(initial=-1)) + 1
    count = whole("num_classes", num_classes, 1) if num_classes else most
    if classes.min(initial=0) < 0 or most > count:
        raise HandsonError(
            f"to_categorical takes classes from 0 to {count - 1}; got {int(classes.min(initial=0))} to {most - 1}."
        )
    vectors = np.zeros((*classes.shape, count))
    np.put_along_axis(vectors, classes[..., None], 1.0, -1)
    return torch.from_numpy(vectors).to(x.device, torch.float32) if tensor else vectors


def normalize(x: Any, axis: int = -1, order: int = 2) -> Any:
    """Vectors along an axis divided by their norm; vectors of zeros stay.

    Parameters
    ----------
    x : array or Tensor
        The vectors.
    axis : int
        Along which they lie.
    order : int
        2 for Euclidean norms.

    Examples
    --------
    >>> normalize(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    if isinstance(x, Tensor):
        norm = torch.linalg.vector_norm(x, order, axis, keepdim=True)
        return x / torch.where(norm == 0, 1, norm)
    x = np.asarray(x)
    norm = np.linalg.norm(x, order, axis, keepdims=True)
    return x / np.where(norm == 0, 1, norm)


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Sequences of several lengths as one array.

    Parameters
    ----------
    sequences : sequence of sequences
        Numbers, vectors or texts.
    maxlen : int, optional
        The length they get; by default that of the longest.
    dtype : str
        The type of the array; ``object`` for texts.
    padding, truncating : {'pre', 'post'}
        Where they are filled up, and where they are cut.
    value : float or str
        What fills them up.

    Examples
    --------
    >>> pad_sequences([[1], [2, 3, 4]], maxlen=2)
    array([[0, 1],
           [3, 4]], dtype=int32)
    """
    for name, way in (("padding", padding), ("truncating", truncating)):
        if way not in ("pre", "post"):
            raise HandsonError(f"pad_sequences: {name} is 'pre' or 'post'; got {way!r}.")
    rows = _rows(sequences)
    inner = next((np.asarray(row).shape[1:] for row in rows if len(row)), ())
    size = max(map(len, rows), default=0) if maxlen is None else whole("maxlen", maxlen, 0)
    textual = dtype is object or np.dtype(dtype).kind in "OUS"
    if isinstance(value, str) and not textual:
        raise HandsonError(f"pad_sequences: value={value!r} is a text, so dtype is object; got dtype={dtype!r}.")
    out = np.full((len(rows), size, *inner), value, dtype=dtype)
    for place, row in enumerate(rows):
        kept = row[-size:] if truncating == "pre" else row[:size]
        if not len(kept) or not size:
            continue
        values = np.asarray(kept, dtype=dtype)
        if values.shape[1:] != inner:
            raise HandsonError(
                f"pad_sequences: the entries of sequence {place} have the shape {values.shape[1:]}, those before it "
                f"{inner}."
            )
        out[place, slice(size - len(kept), None) if padding == "pre" else slice(len(kept))] = values
    return out


def _rows(sequences: Any) -> list[Any]:
    if not hasattr(sequences, "__len__"):
        raise HandsonError(f"pad_sequences takes a list of sequences; got {type(sequences).__name__}.")
    for place, row in enumerate(sequences):
        if not hasattr(row, "__len__"):
            raise HandsonError(f"pad_sequences takes a list of sequences; entry {place} is {row!r}.")
    return list(sequences)

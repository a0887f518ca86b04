"""`theano.tensor.nnet.neighbours`: windows of images as rows."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from handson.core.errors import HandsonError
from handson.theano.variable import Variable, apply, common

__all__ = ["images2neibs"]


def images2neibs(ten4: Any, neib_shape: Any, neib_step: Any = None, mode: str = "valid") -> Variable:
    """The windows of images as rows of a matrix: by image, by channel, from left to right and from top to bottom.

    Parameters
    ----------
    ten4 : Variable, (n, channels, height, width)
        Images.
    neib_shape : (int, int)
        The window.
    neib_step : (int, int), optional
        Its step; by default its size.
    mode : {'valid', 'ignore_borders'}
        'ignore_borders' leaves out windows that are not whole; with 'valid' there must be none.

    Examples
    --------
    >>> from handson.theano import tensor as T
    >>> x = T.tensor4()
    >>> images2neibs(x, (2, 2)).eval({x: [[[[1, 2, 3, 4], [5, 6, 7, 8]]]]}).tolist()
    [[1.0, 2.0, 5.0, 6.0], [3.0, 4.0, 7.0, 8.0]]
    """
    if mode not in ("valid", "ignore_borders"):
        raise HandsonError(f"images2neibs: mode is 'valid' or 'ignore_borders'; got {mode!r}.")
    step = neib_shape if neib_step is None else neib_step
    return apply(_windows, ten4, tuple(neib_shape), tuple(step), mode == "valid", ndim=2, dtype=common(ten4))


def _windows(x: Tensor, window: tuple[int, int], step: tuple[int, int], whole: bool) -> Tensor:
    if whole and any((side - size) % by for side, size, by in zip(x.shape[2:], window, step, strict=True)):
        raise HandsonError(
            f"images2neibs: windows of {window} with steps of {step} do not fit into images of {tuple(x.shape[2:])}; "
            f"mode='ignore_borders' leaves out what is over."
        )
    rows = F.unfold(x.reshape(-1, 1, *x.shape[2:]), window, stride=step)
    return rows.transpose(1, 2).reshape(-1, window[0] * window[1])

"""How queries attend to keys: softmax(query key' scale) value, over tensors of shape (..., head, place, feature).

Masks are of bool, True where a query may look, and broadcast to (..., head, place of query, place of key).
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from handson.core.errors import HandsonError
from handson.ops.normal import hiding

# What torch may choose from where flash attention is refused.
OTHER_KERNELS = [SDPBackend.CUDNN_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]


def both(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    """Where both masks are True; None is True everywhere."""
    return other if one is None else one if other is None else one & other


def causal(queries: int, keys: int, device: Any = None) -> Tensor:
    """The mask that lets a query see the keys up to its own place.

    Examples
    --------
    >>> causal(2, 3).int().tolist()
    [[1, 0, 0], [1, 1, 0]]
    """
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril()


def within(window: int, queries: int, keys: int, device: Any = None) -> Tensor:
    """The mask that lets a query see keys less than so many places away.

    Examples
    --------
    >>> within(2, 3, 3).int().tolist()
    [[1, 1, 0], [1, 1, 1], [0, 1, 1]]
    """
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(window - 1).triu(1 - window)


def shares(scores: Tensor, visible: Tensor | None) -> Tensor:
    """How much each query looks at each key: the softmax of the scores, over what it may look at."""
    return torch.softmax(scores if visible is None else scores + hiding(visible, scores.dtype), dim=-1)


def attend(
    query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None, scale: float, is_causal: bool = False,
    flash: bool | None = None,
) -> Tensor:  # fmt: skip
    """Attention by torch's fused kernels. Fewer heads of keys and values than of queries are shared.

    Parameters
    ----------
    query, key, value : Tensor
        Shape (..., head, place, feature).
    visible : Tensor of bool, optional
        Where queries may look.
    scale : float
        A factor of the scores.
    is_causal : bool
        Whether queries see only the keys up to their own place; where there is no other mask, none is made for it.
    flash : bool, optional
        True insists on flash attention, False refuses it; None lets torch choose.
    """
    if is_causal and visible is not None:
        visible, is_causal = visible & causal(query.shape[-2], key.shape[-2], query.device), False
    hidden = None if visible is None else hiding(visible, query.dtype)
    arguments = query, key, value, hidden, 0.0, is_causal
    grouped = query.shape[-3] != key.shape[-3]
    if flash is None:
        return F.scaled_dot_product_attention(*arguments, scale=scale, enable_gqa=grouped)
    if not flash:
        with sdpa_kernel(OTHER_KERNELS):
            return F.scaled_dot_product_attention(*arguments, scale=scale, enable_gqa=grouped)
    with warnings.catch_warnings(record=True) as reasons, sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        warnings.simplefilter("always")
        try:
            return F.scaled_dot_product_attention(*arguments, scale=scale, enable_gqa=grouped)
        except RuntimeError as error:
            said = str(reasons[-1].message).partition(" (Triggered")[0] if reasons else str(error)
            raise HandsonError(
                f"flash_attention=True: torch has no flash attention for this: {said.rstrip('.')}. Leave "
                f"flash_attention out: torch then takes the fastest kernel that can."
            ) from error

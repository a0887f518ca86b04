"""Normalization, attention, and losses value by value."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from handson.graph.conversion import as_float, result_type
from handson.graph.operation import operation

Axes = int | Sequence[int]
# Keras's `backend.epsilon()`.
EPSILON = 1e-7


def _axes(x: Tensor, axes: Axes) -> list[int]:
    return sorted(axis % x.dim() for axis in ((axes,) if isinstance(axes, int) else axes))


@operation
def moments(x: Tensor, axes: Axes, keepdims: bool = False, synchronized: bool = False) -> tuple[Tensor, Tensor]:
    """The mean and the variance over axes.

    Examples
    --------
    >>> [part.item() for part in moments([1.0, 3.0], axes=[0])]
    [2.0, 1.0]
    """
    if synchronized:
        raise ValueError("synchronized=True is not here: the moments are those of the values that are given")
    wide = as_float(x).to(torch.float32) if x.dtype in (torch.float16, torch.bfloat16) else as_float(x)
    variance, mean = torch.var_mean(wide, dim=_axes(x, axes), correction=0, keepdim=keepdims)
    kind = result_type(x.dtype, float)
    return mean.to(kind), variance.to(kind)


@operation
def batch_normalization(
    x: Tensor, mean: Tensor, variance: Tensor, axis: int, offset: Tensor | None = None, scale: Tensor | None = None,
    epsilon: float = 1e-3,
) -> Tensor:  # fmt: skip
    """(x - mean) / sqrt(variance + epsilon) scale + offset, with one number of each for each place of an axis."""
    shape = [1] * x.dim()
    shape[axis] = -1
    factor = torch.rsqrt(variance + epsilon) * (1 if scale is None else scale)
    out = (x - mean.reshape(shape)) * factor.reshape(shape)
    return out if offset is None else out + offset.reshape(shape)


@operation
def layer_normalization(
    x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, axis: Axes = -1, epsilon: float | None = None
) -> Tensor:  # fmt: skip
    """x with mean 0 and variance 1 over axes, times gamma, plus beta."""
    axes, wide = _axes(x, axis), x.to(result_type(x.dtype, torch.float32))
    sides = [x.shape[each] for each in axes]
    moved = wide.movedim(axes, list(range(-len(axes), 0)))
    weight, bias = (None if each is None else each.to(wide.dtype).reshape(sides) for each in (gamma, beta))
    out = F.layer_norm(moved, sides, weight, bias, EPSILON if epsilon is None else epsilon)
    return out.movedim(list(range(-len(axes), 0)), axes).to(x.dtype if x.is_floating_point() else wide.dtype)


@operation
def rms_normalization(
    x: Tensor, scale: Tensor | None = None, axis: Axes = -1, epsilon: float | None = None
) -> Tensor:  # fmt: skip
    """x divided by the root of the mean of its squares over axes, times a scale."""
    wide = x.to(result_type(x.dtype, torch.float32))
    squares = wide.square().mean(dim=_axes(x, axis), keepdim=True)
    out = wide * torch.rsqrt(squares + (EPSILON if epsilon is None else epsilon))
    if scale is not None:
        axes = _axes(x, axis)
        sides = [side if i in axes else 1 for i, side in enumerate(x.shape)]
        out = out * (scale.reshape(sides) if scale.dim() == len(axes) else scale).to(out.dtype)
    return out.to(x.dtype if x.is_floating_point() else wide.dtype)


@operation
def normalize(x: Tensor, axis: Axes = -1, order: int = 2, epsilon: float | None = None) -> Tensor:
    """x divided by its norm along an axis.

    Examples
    --------
    >>> normalize([3.0, 4.0]).tolist()
    [0.6..., 0.8...]
    """
    if not isinstance(order, int) or order < 1:
        raise ValueError(f"order is a whole number, at least 1; got {order!r}")
    x = as_float(x)[None] if x.dim() == 0 else as_float(x)
    axes = _axes(x, axis)
    least = EPSILON if epsilon is None else epsilon
    if order == 2:
        return unit(x, axes, least)
    return x / torch.linalg.vector_norm(x, ord=order, dim=axes, keepdim=True).clamp(min=least)


def unit(x: Tensor, axes: Axes, epsilon: float = EPSILON) -> Tensor:
    """x divided by its length over axes; lengths below epsilon count as epsilon, so that zeros have a gradient too."""
    return x * torch.rsqrt(torch.sum(x.square(), _axes(x, axes), keepdim=True).clamp(min=epsilon**2))


@operation
def dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None, mask: Tensor | None = None,
    scale: float | None = None, is_causal: bool = False, flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Tensor:  # fmt: skip
    """Attention: softmax(query key' scale + bias) value, for tensors of shape (batch, place, head, feature).

    Where the mask is False, and with `is_causal` after its own place, a query does not look. Fewer heads of keys and
    values than of queries are shared. torch chooses the fastest kernel; `flash_attention=True` insists on one.
    """
    if not query.dim() == key.dim() == value.dim() == 4:
        raise ValueError("query, key and value have the shape (batch, place, head, feature)")
    kind = result_type(query.dtype, key.dtype, value.dtype)
    q, k, v = (each.to(kind).transpose(1, 2) for each in (query, key, value))
    added = _added(q, k, bias, mask, is_causal and (mask is not None or bias is not None or bool(attn_logits_soft_cap)))
    if attn_logits_soft_cap:
        return _capped(q, k, v, added, scale, float(attn_logits_soft_cap)).transpose(1, 2)
    causal = is_causal and added is None
    grouped = q.shape[1] != k.shape[1]
    if flash_attention:
        backend = torch.nn.attention.SDPBackend.FLASH_ATTENTION
        with torch.nn.attention.sdpa_kernel(backend):
            out = F.scaled_dot_product_attention(q, k, v, added, 0.0, causal, scale=scale, enable_gqa=grouped)
    else:
        out = F.scaled_dot_product_attention(q, k, v, added, 0.0, causal, scale=scale, enable_gqa=grouped)
    return out.transpose(1, 2)


def _added(q: Tensor, k: Tensor, bias: Tensor | None, mask: Tensor | None, causal: bool) -> Tensor | None:
    """What is added to the products of queries and keys: the bias, and a large negative number where none may look."""
    if mask is not None:
        mask = mask.to(torch.bool)
    if causal:
        square = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool, device=q.device).tril()
        mask = square if mask is None else mask & square
    if mask is None:
        return None if bias is None else bias.to(q.dtype)
    hidden = hiding(mask, q.dtype)
    return hidden if bias is None else hidden + bias.to(q.dtype)


def hiding(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """What is added to scores: a large negative number where the mask is False.

    Not minus infinity: a query that may look nowhere would give NaN; so it looks everywhere alike, as in Keras.
    """
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, 0.7 * torch.finfo(dtype).min)


def _capped(q: Tensor, k: Tensor, v: Tensor, added: Tensor | None, scale: float | None, cap: float) -> Tensor:
    """Attention whose products are kept within a cap, which torch's kernels cannot."""
    groups = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
    logits = q @ k.mT * (q.shape[-1] ** -0.5 if scale is None else scale)
    logits = cap * torch.tanh(logits / cap)
    return torch.softmax(logits if added is None else logits + added, dim=-1) @ v


def _alike(target: Tensor, output: Tensor) -> None:
    if target.shape != output.shape:
        raise ValueError("target and output have one shape")


def _log_probabilities(output: Tensor, from_logits: bool, axis: int) -> Tensor:
    if from_logits:
        return torch.log_softmax(output, dim=axis)
    output = output / output.sum(dim=axis, keepdim=True)
    return torch.log(output.clamp(EPSILON, 1 - EPSILON))


@operation
def categorical_crossentropy(target: Tensor, output: Tensor, from_logits: bool = False, axis: int = -1) -> Tensor:
    """Minus the logarithm of the probability of the class, for targets that are probabilities themselves."""
    _alike(target, output)
    return -(target * _log_probabilities(as_float(output), from_logits, axis)).sum(dim=axis)


@operation
def sparse_categorical_crossentropy(
    target: Tensor, output: Tensor, from_logits: bool = False, axis: int = -1
) -> Tensor:  # fmt: skip
    """Minus the logarithm of the probability of the class, for targets that are numbers of classes."""
    target = target.squeeze(axis) if target.dim() == output.dim() and target.shape[axis] == 1 else target
    sides = list(output.shape)
    del sides[axis]
    if list(target.shape) != sides:
        raise ValueError("target has the shape of output without the axis of classes")
    logs = _log_probabilities(as_float(output), from_logits, axis)
    return -torch.gather(logs, axis % output.dim(), target.long().unsqueeze(axis)).squeeze(axis)


@operation
def binary_crossentropy(target: Tensor, output: Tensor, from_logits: bool = False) -> Tensor:
    """Minus the logarithm of the probability of what is the case, for each value."""
    _alike(target, output)
    output = as_float(output)
    target = target.to(output.dtype)
    if from_logits:
        return F.binary_cross_entropy_with_logits(output, target, reduction="none")
    return F.binary_cross_entropy(output.clamp(EPSILON, 1 - EPSILON), target, reduction="none")


@operation
def ctc_loss(
    target: Tensor, output: Tensor, target_length: Tensor, output_length: Tensor, mask_index: int = 0
) -> Tensor:  # fmt: skip
    """The connectionist loss: minus the logarithm of the probability of a row of labels (Graves et al., 2006)."""
    logs = torch.log_softmax(as_float(output), dim=-1).transpose(0, 1)
    if logs.is_meta:
        # torch has no shape for it.
        return logs.new_empty(logs.shape[1])
    return F.ctc_loss(logs, target, output_length, target_length, blank=mask_index, reduction="none")


@operation
def psnr(x1: Tensor, x2: Tensor, max_val: float) -> Tensor:
    """The ratio of the largest possible value to the error of an image, in decibels."""
    _alike(x1, x2)
    error = torch.mean((as_float(x1) - as_float(x2)) ** 2)
    return 20 * torch.log10(torch.as_tensor(max_val, dtype=error.dtype, device=error.device)) - 10 * torch.log10(error)

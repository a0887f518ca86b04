"""The precision that a net computes in, as the argument `precision` of `Model.compile` says.

Weights, what the optimizer remembers, losses, metrics and predictions are float32 in any case.

- 'float32': every operation in float32. PyTorch by itself lets convolutions on a GPU round to TF32; handson does not.
- 'tf32': on a GPU, matrix products and convolutions round their factors to 10 bits of mantissa, and add up in float32.
- 'bfloat16': in the net's layers, matrix products and convolutions, and what follows them, in bfloat16 (8 bits of
  precision), where torch's autocast finds that safe.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from handson.core.errors import HandsonError, nearest

PRECISIONS = ("float32", "tf32", "bfloat16")


def check_precision(value: Any) -> str:
    """The precision, if there is one of this name.

    Examples
    --------
    >>> check_precision("tf23")
    Traceback (most recent call last):
    handson.core.errors.HandsonError: precision is one of float32, tf32, bfloat16; got 'tf23'. Did you mean 'tf32'?
    """
    if value not in PRECISIONS:
        raise HandsonError(
            f"precision is one of {', '.join(PRECISIONS)}; got {value!r}.{nearest(str(value), PRECISIONS)}"
        )
    return str(value)


def note(precision: str, device: torch.device) -> str | None:
    """What a user should know about a precision on a device, None for nothing.

    Examples
    --------
    >>> note("tf32", torch.device("cpu"))
    "precision='tf32': only GPUs have TF32; this computes in float32."
    """
    if precision == "tf32" and device.type != "cuda":
        return "precision='tf32': only GPUs have TF32; this computes in float32."
    return None


@contextmanager
def arithmetic(precision: str, device: torch.device) -> Iterator[None]:
    """While this lasts, a GPU rounds as the precision says, and convolutions give the same numbers again.

    The switches are torch's and hold for the whole process; afterwards they are as they were.
    """
    if device.type != "cuda":
        yield
        return
    kept = [switch.fp32_precision for switch in _switches()]
    name, deterministic = _name_of(kept[0]), torch.backends.cudnn.deterministic
    chosen = "tf32" if precision == "tf32" else "ieee"
    try:
        _turn([chosen] * 3, "high" if chosen == "tf32" else "highest")
        torch.backends.cudnn.deterministic = True
        yield
    finally:
        _turn(kept, name)
        torch.backends.cudnn.deterministic = deterministic


def _switches() -> list[Any]:
    """Of matrix products, convolutions and recurrent layers."""
    cudnn: Any = torch.backends.cudnn
    return [torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn]


def _name_of(products: str) -> str:
    """Torch's older name of the precision of matrix products."""
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:  # set in the newer way only
        return "high" if products == "tf32" else "highest"


def _turn(states: list[str], name: str) -> None:
    """Turn the switches, and the older ones of torch: it raises where they contradict each other."""
    torch.set_float32_matmul_precision(name)
    torch.backends.cudnn.allow_tf32 = states[1] == "tf32"
    for switch, state in zip(_switches(), states, strict=True):
        switch.fp32_precision = state

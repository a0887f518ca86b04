"""What a net remembers outside of its weights: buffers that belong into no file, and what nothing can save."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import Tensor, nn

from handson.state.state import ModuleLike

PREFIX = "hidden/"
GENERATORS = (torch.Generator, random.Random, np.random.Generator, np.random.RandomState)


def hidden_tensors(module: ModuleLike) -> dict[str, Tensor]:
    """The buffers of a net that its `state_dict` leaves out (`persistent=False`), by name.

    Examples
    --------
    >>> net = nn.Module()
    >>> net.register_buffer("seen", torch.zeros(1), persistent=False)
    >>> list(hidden_tensors(net))
    ['hidden/seen']
    """
    saved = set(module.state_dict(keep_vars=True))
    return {f"{PREFIX}{name}": buffer for name, buffer in module.named_buffers() if name not in saved}


@torch.no_grad()
def restore_hidden(module: ModuleLike, tensors: dict[str, Tensor]) -> None:
    """Put back what `hidden_tensors` gave."""
    for name, buffer in hidden_tensors(module).items():
        if name in tensors:
            buffer.copy_(tensors[name])


def unsaved_parts(module: ModuleLike) -> list[str]:
    """A line for each part of a net that a checkpoint does not hold."""
    lines = []
    for name, layer in module.named_modules():
        own = [key for key, value in vars(layer).items() if isinstance(value, GENERATORS)]
        if own:
            lines.append(
                f"{type(layer).__name__} {name!r} has random numbers of its own ({own[0]}), which a checkpoint does "
                f"not hold: after a stop they begin anew. Draw from torch's own generator, which is exact."
            )
        foreign = [key for key, value in vars(layer).items() if isinstance(value, torch.optim.Optimizer)]
        if foreign:
            lines.append(
                f"{type(layer).__name__} {name!r} has an optimizer of PyTorch ({foreign[0]}), which a checkpoint does "
                f"not hold: after a stop it begins anew. One of handson.optimizers is exact."
            )
        if type(layer).get_extra_state is not nn.Module.get_extra_state:
            lines.append(
                f"{type(layer).__name__} {name!r} has an extra state, which a checkpoint does not hold: after a stop "
                f"it begins anew. Keep it in a buffer, which is exact."
            )
    return lines

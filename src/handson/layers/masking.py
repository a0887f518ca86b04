"""`Masking`: which steps of a sequence are there."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from handson import ops
from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.layers.base import Layer
from handson.layers.calling import MASK


@register
class Masking(Layer):
    """Masks the steps of a sequence whose values are all `mask_value`; they become zeros.

    Layers that follow skip them, down to the loss: recurrent layers leave their states as they are.

    Parameters
    ----------
    mask_value : float
        What the values of steps that are not there are filled with.

    Examples
    --------
    >>> import torch
    >>> from handson.layers import LSTM
    >>> x = torch.tensor([[[1.0], [2.0], [-9.0]]])
    >>> layer, masking = LSTM(4), Masking(-9.0)
    >>> torch.allclose(layer(masking(x)), layer(x[:, :2]))
    True
    """

    floats_only, keeps_shape, supports_masking = True, True, True

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(mask_value, bool) or not isinstance(mask_value, (int, float)) or math.isnan(mask_value):
            raise HandsonError(f"Masking: mask_value is a number; got {mask_value!r}.")
        self.mask_value = mask_value

    def call(self, inputs: Tensor) -> Tensor:
        present = self.compute_mask(inputs)
        outputs = inputs.masked_fill(~present[..., None], 0.0)
        setattr(outputs, MASK, present)
        return outputs

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Which steps have a value that is not `mask_value`."""
        return ops.any(ops.not_equal(inputs, self.mask_value), axis=-1)

"""`SpectralNormalization`: keeps the largest singular value of a layer's kernel at 1."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from handson import initializers
from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.layers.base import positive
from handson.layers.shapes import Shapes
from handson.layers.wrappers import Wrapper
from handson.ops.normal import unit


@register
class SpectralNormalization(Wrapper):
    """Divides the kernel of a layer by its largest singular value, at each call in training. Miyato et al. (2018).

    Parameters
    ----------
    layer : Layer
        A layer with a `kernel`, such as `Dense` or `Conv2D`, or with `embeddings`.
    power_iterations : int
        How many steps of the power method estimate the singular value at each call.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    The divided kernel takes the place of the kernel. The layer may be called several times in one step, as on real and
    on generated images. Unlike in Keras, a frozen layer keeps its kernel.

    Examples
    --------
    >>> from handson.layers import Dense
    >>> layer = SpectralNormalization(Dense(4), power_iterations=100).train()
    >>> layer(torch.ones(1, 3)).shape, round(torch.linalg.matrix_norm(layer.kernel, 2).item(), 3)
    (torch.Size([1, 4]), 1.0)
    """

    supports_masking = True
    keras_repeats = ("kernel",)  # it is among the weights of both layers in files of Keras

    def __init__(self, layer: Any, power_iterations: int = 1, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.power_iterations = positive("SpectralNormalization", "power_iterations", power_iterations)

    @property
    def takes_integers(self) -> bool:  # type: ignore[override]
        """Whether the inputs are ids: what the layer inside says."""
        return self.layer.takes_integers

    def build(self, input_shape: Shapes) -> None:
        super().build(input_shape)
        if self._kernel_name is None:
            raise HandsonError(
                f"SpectralNormalization {self.name!r}: {type(self.layer).__name__} has neither a kernel nor embeddings."
            )
        start = initializers.TruncatedNormal(stddev=0.02)
        self.vector_u = self.add_weight((1, self.kernel.shape[-1]), start, "vector_u", trainable=False)

    @property
    def _kernel_name(self) -> str | None:
        return next((name for name in ("kernel", "embeddings") if name in self.layer._parameters), None)

    @property
    def kernel(self) -> Any:
        """The kernel, or the embeddings, of the layer inside."""
        return self.layer._own(self._kernel_name or "kernel")

    @property
    def weights(self) -> list[Tensor]:
        """The weights in Keras's order: the kernel, the vector of the power method, the others."""
        found = super().weights
        return [self.kernel, *(weight for weight in found if weight is not self.kernel)] if self.built else found

    def _takes(self, shape: Shapes) -> bool:
        return self.layer._takes(shape)

    def compute_output_shape(self, input_shape: Shapes) -> Shapes:
        return self.layer.shape_after(input_shape)

    def call(self, inputs: Any) -> Any:
        if not (self.training and self._trainable):
            return self.layer(inputs)
        self._divide()
        # The backward pass needs the kernel of this call, also when a second call has divided it again.
        return functional_call(self.layer, {str(self._kernel_name): self.kernel.clone()}, (inputs,))

    @torch.no_grad()
    def _divide(self) -> None:
        kernel = self.kernel
        matrix, right = kernel.reshape(-1, kernel.shape[-1]), self.vector_u.to(kernel.dtype)
        for _ in range(self.power_iterations):
            left = unit(right @ matrix.T, (0, 1))
            right = unit(left @ matrix, (0, 1))
        largest = left @ matrix @ right.T
        # A kernel of zeros stays as it is; without asking the device for its values.
        zero = (kernel == 0).all()
        self.vector_u.copy_(torch.where(zero, self.vector_u, right))
        kernel.copy_(torch.where(zero, kernel, kernel / largest))

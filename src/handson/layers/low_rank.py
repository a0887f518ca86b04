"""Low-rank adaptation (LoRA): a kernel stays as it is, and a product of two small matrices beside it is trained."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from handson.core.errors import HandsonError, NotBuiltError
from handson.layers.base import Layer, Shapes, positive


class Adapted:
    """An attribute that is a weight of the layer, and with LoRA the weight and the product beside it.

    It only reads: a weight that a subclass or torch puts under the name itself comes first.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, layer: LowRank | None, owner: type | None = None) -> Any:
        if layer is None:
            return self
        weight: Any = nn.Module.__getattr__(layer, self.name)
        return layer._with_product(weight) if layer.lora_enabled else weight


class LowRank(Layer):
    """The base of layers that have LoRA (Hu et al. 2021, arXiv:2106.09685).

    Parameters
    ----------
    lora_rank : int, optional
        Builds the layer as `enable_lora` with this rank leaves it; None for a layer that is trained as a whole.
    lora_alpha : float, optional
        The product counts lora_alpha / lora_rank times; by default once.
    **kwargs
        The arguments of every layer.
    """

    # The weight that stays as it is.
    adapted: ClassVar[str] = "kernel"
    # Whether there is a product beside it.
    lora_enabled: bool = False

    def __init__(self, lora_rank: int | None = None, lora_alpha: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lora_rank = None if lora_rank is None else positive(type(self).__name__, "lora_rank", lora_rank)
        self.lora_alpha = self.lora_rank if lora_alpha is None else lora_alpha

    def _build_once(self, shape: Shapes) -> None:
        super()._build_once(shape)
        if self.lora_rank is not None:
            self.enable_lora(self.lora_rank, self.lora_alpha)

    def enable_lora(
        self,
        rank: int,
        lora_alpha: float | None = None,
        a_initializer: Any = "he_uniform",
        b_initializer: Any = "zeros",
    ) -> None:
        """Freeze the kernel (of `Embedding` the vectors), and train a product of two matrices that is added to it.

        The kernel is used as ``kernel + lora_alpha / rank * (a @ b)``, which is what the attribute `kernel` gives
        from then on. The bias is trained as before.

        Parameters
        ----------
        rank : int
            The columns of `a` and rows of `b`: of a kernel of shape (..., n) they are (..., rank) and (rank, n).
        lora_alpha : float, optional
            The product counts lora_alpha / rank times; by default once.
        a_initializer, b_initializer : str or Initializer
            What the matrices start from; with `b` zero the layer computes what it did.

        Raises
        ------
        HandsonError
            When the layer is not built, has LoRA already, or has a constraint on its kernel.

        Examples
        --------
        >>> import handson
        >>> net = handson.Sequential([handson.layers.Dense(100, input_dim=50)])
        >>> net.layers[0].enable_lora(rank=2)
        >>> [(weight.name, tuple(weight.shape)) for weight in net.trainable_weights]
        [('bias', (100,)), ('lora_kernel_a', (50, 2)), ('lora_kernel_b', (2, 100))]
        """
        self._check_adaptable()
        rank, kernel = positive(type(self).__name__, "rank", rank), self._own(self.adapted)
        regularizer = self.weight_regularizers.get(self.adapted)
        shapes, starts = ((*kernel.shape[:-1], rank), (rank, kernel.shape[-1])), (a_initializer, b_initializer)
        for name, shape, start in zip(self.factors, shapes, starts, strict=True):
            matrix = self.add_weight(shape, start, name, regularizer=regularizer, dtype="float32")
            matrix.requires_grad_(self._trainable)
        kernel.requires_grad_(False)
        self.to(kernel.device)
        self.lora_rank, self.lora_alpha, self.lora_enabled = rank, rank if lora_alpha is None else lora_alpha, True

    def _check_adaptable(self) -> None:
        if not self.built:
            raise NotBuiltError(
                f"layer {self.name!r} is not built yet, so it has no {self.adapted} to adapt: build the net first, or "
                f"give the layer lora_rank=..."
            )
        if self.lora_enabled:
            raise HandsonError(f"layer {self.name!r} has low-rank matrices already, of rank {self.lora_rank}.")
        if self.adapted in self.weight_constraints:
            raise HandsonError(
                f"layer {self.name!r} has a constraint on its {self.adapted}, which low-rank matrices beside it would "
                f"not obey: make it without {self.adapted}_constraint."
            )

    def _free(self, name: str) -> str:
        free = name == self.adapted and name not in (*self.weight_names, *self._modules)
        return name if free else super()._free(name)

    @property
    def factors(self) -> tuple[str, str]:
        """The names of the two matrices."""
        return f"lora_{self.adapted}_a", f"lora_{self.adapted}_b"

    @property
    def fixed_weights(self) -> set[str]:
        """The weights that do not train, whatever `trainable` says."""
        return {self.adapted} if self.lora_enabled else set()

    def _with_product(self, weight: Tensor) -> Tensor:
        first, second = (getattr(self, name) for name in self.factors)
        share: float = self.lora_alpha / self.lora_rank  # type: ignore[operator]
        return (weight + share * torch.matmul(first, second)).to(self.input_type)

    @torch.no_grad()
    def restart_lora(self) -> None:
        """Begin anew with a product of zero: after the kernel was set from a file that holds it with the product."""
        first, second = self.factors
        matrix = getattr(self, first)
        matrix.copy_(self._draw(first, tuple(matrix.shape), self._starts[first], self.drawn.key or 0))
        getattr(self, second).zero_()


def adapted_layers(net: nn.Module) -> list[LowRank]:
    """The layers in a net that have low-rank matrices."""
    return [part for part in net.modules() if isinstance(part, LowRank) and part.lora_enabled]

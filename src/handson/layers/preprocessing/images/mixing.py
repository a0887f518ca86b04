"""Images mixed with others of their batch, and their labels with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.layers.preprocessing.images.base import Drawn, Draws, ImageLayer, each
from handson.layers.preprocessing.images.tones import rectangle


def beta(share: Tensor, alpha: Any) -> Tensor:
    """Numbers of the symmetric beta distribution, from uniform ones."""
    from scipy.special import betaincinv

    found = betaincinv(alpha, alpha, share.double().cpu().numpy())
    return torch.from_numpy(np.nan_to_num(found, nan=0.5)).to(share)


class _Mixing(ImageLayer):
    def change_labels(self, labels: Tensor, drawn: Drawn) -> Tensor:
        if not labels.is_floating_point():
            raise HandsonError(
                f"{type(self).__name__} mixes labels, which are vectors of floats then; got {labels.dtype}. Write "
                f"handson.utils.to_categorical(labels)."
            )
        weight = drawn["weight"].reshape(-1, *(1 for _ in labels.shape[1:]))
        return weight * labels + (1 - weight) * labels[drawn["order"]]


@register
class MixUp(_Mixing):
    """Adds to each image a share of another one of its batch, and to its labels. Zhang et al. (2018).

    Parameters
    ----------
    alpha : float
        Shares are of the beta distribution with this parameter twice.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    seed : int, optional
        A seed of its own, in place of the run's.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> sample = {"images": torch.rand(4, 8, 8, 3), "labels": torch.eye(4)}
    >>> MixUp(seed=0)(sample)["labels"].sum(1).round().tolist()
    [1.0, 1.0, 1.0, 1.0]
    """

    def __init__(
        self, alpha: float = 0.2, data_format: str | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, seed=seed, **kwargs)
        if not alpha > 0:
            raise HandsonError(f"MixUp: alpha is above 0; got {alpha!r}.")
        self.alpha = alpha

    def draw(self, draws: Draws, shape: torch.Size) -> Drawn:
        return {"weight": beta(draws.uniform("weight", 0.0, 1.0), self.alpha), "order": draws.order("order")}

    def change(self, images: Tensor, drawn: Drawn) -> Tensor:
        weight = each(drawn["weight"]).to(images.dtype)
        return weight * images + (1 - weight) * images[drawn["order"]]

    def change_masks(self, masks: Tensor, drawn: Drawn) -> Tensor:
        return self.change(masks.float(), drawn)


@register
class CutMix(_Mixing):
    """Puts into each image a rectangle of another one of its batch, and into its labels their share. Yun et al. (2019).

    Parameters
    ----------
    factor : float or two floats
        The parameter of the beta distribution of shares is drawn between these; f stands for (0, f).
    seed : int, optional
        A seed of its own, in place of the run's.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> sample = {"images": torch.rand(4, 8, 8, 3), "labels": torch.eye(4)}
    >>> CutMix(seed=0)(sample)["images"].shape
    torch.Size([4, 8, 8, 3])
    """

    def __init__(
        self, factor: Any = 1.0, seed: int | None = None, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.factor = self.bounds("factor", factor, 0, 1, mirrored=False)

    def draw(self, draws: Draws, shape: torch.Size) -> Drawn:
        height, width = shape[1:3]
        alpha = draws.uniform("alpha", *self.factor).double().cpu().numpy() + 1e-6
        side = torch.sqrt(1 - beta(draws.uniform("weight", 0.0, 1.0), alpha))
        drawn: Drawn = {"order": draws.order("order")}
        for name, size in (("x", width), ("y", height)):
            length = side * size
            drawn[f"{name}0"] = draws.uniform(name, 0.0, 1.0) * (size - length)
            drawn[f"{name}1"] = drawn[f"{name}0"] + length
        area = (drawn["x1"] - drawn["x0"]) * (drawn["y1"] - drawn["y0"])
        return drawn | {"weight": 1 - area / (width * height)}

    def change(self, images: Tensor, drawn: Drawn) -> Tensor:
        return torch.where(rectangle(images, drawn), images[drawn["order"]], images)

    def change_masks(self, masks: Tensor, drawn: Drawn) -> Tensor:
        return self.change(masks, drawn)

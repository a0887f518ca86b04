"""Several changes of images: some picked at random, or one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from handson.core import registry
from handson.core.errors import HandsonError, whole
from handson.core.registry import register
from handson.layers.base import Layer
from handson.layers.preprocessing.images.base import Drawn, Draws, ImageLayer, each
from handson.layers.preprocessing.images.colors import (
    RandomBrightness,
    RandomColorDegeneration,
    RandomContrast,
    RangedLayer,
)
from handson.layers.preprocessing.images.geometry import RandomRotation, RandomShear, RandomTranslation
from handson.layers.preprocessing.images.mixing import beta
from handson.layers.preprocessing.images.tones import (
    AutoContrast,
    Equalization,
    RandomPosterization,
    RandomSharpness,
    Solarization,
)
from handson.layers.shapes import Shapes

# What `all_ops` adds: changes that are also among the corruptions by which robustness is measured.
COLORS = (RandomBrightness, RandomColorDegeneration, RandomContrast, RandomSharpness)


class _Policy(RangedLayer):
    """The base of layers that pick changes for each image."""

    def _changes(self, factor: tuple[float, float], interpolation: str, value_range: Any) -> tuple[ImageLayer, ...]:
        ranged = {"value_range": value_range}
        moved: dict[str, Any] = {"interpolation": interpolation}
        return (
            RandomShear(factor, factor, **moved),
            RandomTranslation(factor, factor, **moved),
            RandomRotation(factor, **moved),
            RandomPosterization(max(1, int(8 * factor[1])), **ranged),
            Solarization(factor, factor, **ranged),
            AutoContrast(**ranged),
            Equalization(**ranged),
            *(kind(factor, **ranged) for kind in COLORS),
        )

    def _picked(self, draws: Draws, shape: torch.Size, count: int) -> Drawn:
        """Which change each image gets, and what is drawn for all of them."""
        drawn: Drawn = {"which": draws.below("which", count)}
        return drawn | {part.stem: part.draw(draws.part(part.stem), shape) for part in self._parts}

    _parts: tuple[ImageLayer, ...]

    def _apply_picked(self, values: Tensor, drawn: Drawn, method: str) -> Tensor:
        """Each change, to the images that it was picked for."""
        out = values.clone()
        for place, part in enumerate(self._parts):
            rows = torch.nonzero(drawn["which"] == place)[:, 0]
            if len(rows):
                own = {name: number[rows] for name, number in drawn[part.stem].items()}
                out[rows] = getattr(part, method)(values[rows], own)
        return out


@register
class RandAugment(_Policy):
    """Some changes for each image, picked out of eleven. Cubuk et al. (2020).

    They are shear, translation, rotation, brightness, colour degeneration, contrast, sharpness, posterization,
    solarization, auto-contrast and equalization.

    Parameters
    ----------
    value_range : two numbers
        The least and the largest value of images.
    num_ops : int
        How many changes an image gets.
    factor : float or two floats
        How strong they are, from 0 to 1; f stands for (0, f).
    interpolation : {'bilinear', 'nearest'}
        How values between pixels are found.
    seed : int, optional
        A seed of its own, in place of the run's.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    Keras picks the same changes for all images of a batch.

    Examples
    --------
    >>> RandAugment((0, 1))(torch.rand(3, 8, 8, 3)).shape
    torch.Size([3, 8, 8, 3])
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_ops: int = 2,
        factor: Any = 0.5,
        interpolation: str = "bilinear",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, seed=seed, data_format=data_format, **kwargs)
        self.num_ops = whole("num_ops", num_ops, 0)
        self.factor = self.bounds("factor", factor, 0, 1, mirrored=False)
        self._parts = self._changes(self.factor, interpolation, value_range)

    def draw(self, draws: Draws, shape: torch.Size) -> Drawn:
        return {
            str(place): self._picked(draws.part(str(place)), shape, len(self._parts)) for place in range(self.num_ops)
        }

    def change(self, images: Tensor, drawn: Drawn) -> Tensor:
        for place in range(self.num_ops):
            images = self._apply_picked(images, drawn[str(place)], "change")
        return images

    def change_masks(self, masks: Tensor, drawn: Drawn) -> Tensor:
        for place in range(self.num_ops):
            masks = self._apply_picked(masks, drawn[str(place)], "change_masks")
        return masks


@register
class AugMix(_Policy):
    """Each image mixed with several that chains of changes make of it. Hendrycks et al. (2020).

    Parameters
    ----------
    value_range : two numbers
        The least and the largest value of images.
    num_chains, chain_depth : int
        How many chains, and the most changes in each.
    factor : float or two floats
        How strong changes are, from 0 to 1; f stands for (0, f).
    alpha : float
        The parameter of the distributions of weights.
    all_ops : bool
        Whether brightness, colours, contrast and sharpness change too.
    interpolation, seed, data_format
        As in `RandAugment`.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    Changes and weights are drawn for each image; Keras draws them for a batch.

    Examples
    --------
    >>> AugMix((0, 1))(torch.rand(3, 8, 8, 3)).shape
    torch.Size([3, 8, 8, 3])
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_chains: int = 3,
        chain_depth: int = 3,
        factor: Any = 0.3,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: str = "bilinear",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, seed=seed, data_format=data_format, **kwargs)
        self.num_chains, self.chain_depth = whole("num_chains", num_chains, 1), whole("chain_depth", chain_depth, 1)
        if not alpha > 0:
            raise HandsonError(f"AugMix: alpha is above 0; got {alpha!r}.")
        self.alpha, self.all_ops = alpha, all_ops
        self.factor = self.bounds("factor", factor, 0, 1, mirrored=False)
        parts = self._changes(self.factor, interpolation, value_range)
        self._parts = parts if all_ops else tuple(part for part in parts if not isinstance(part, COLORS))

    def draw(self, draws: Draws, shape: torch.Size) -> Drawn:
        from scipy.special import gammaincinv

        share = draws.uniform("chains", 0.0, 1.0, self.num_chains).double().cpu().numpy()
        gamma = torch.from_numpy(gammaincinv(self.alpha, share)).to(draws.rows.device, torch.float32).clamp(min=1e-30)
        drawn: Drawn = {
            "weights": gamma / gamma.sum(1, keepdim=True),
            "weight": beta(draws.uniform("weight", 0.0, 1.0), self.alpha),
        }
        for chain in range(self.num_chains):
            for step in range(self.chain_depth):
                name = f"{chain}.{step}"
                drawn[name] = self._picked(draws.part(name), shape, len(self._parts) + 1)  # the last one is none
        return drawn

    def change(self, images: Tensor, drawn: Drawn) -> Tensor:
        return self.clipped(self._mixed(images, drawn, "change"))

    def change_masks(self, masks: Tensor, drawn: Drawn) -> Tensor:
        return self._mixed(masks.float(), drawn, "change_masks")

    def _mixed(self, values: Tensor, drawn: Drawn, method: str) -> Tensor:
        """Values mixed with what each chain makes of them."""
        mixed = torch.zeros_like(values)
        for chain in range(self.num_chains):
            changed = values
            for step in range(self.chain_depth):
                changed = self._apply_picked(changed, drawn[f"{chain}.{step}"], method)
            mixed = mixed + changed * each(drawn["weights"][:, chain])
        weight = each(drawn["weight"])
        return weight * values + (1 - weight) * mixed


@register
class Pipeline(Layer):
    """Layers one after the other.

    Parameters
    ----------
    layers : list of Layer
        The layers.
    name : str, optional
        The name.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> from handson.layers import RandomFlip, Rescaling
    >>> Pipeline([RandomFlip(), Rescaling(1 / 255)])(torch.ones(1, 2, 2, 3)).shape
    torch.Size([1, 2, 2, 3])
    """

    supports_masking = True

    def __init__(self, layers: Sequence[Any], name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.layers = [layer if isinstance(layer, Layer) else registry.resolve("layer", layer) for layer in layers]
        self.track()

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        for layer in self.layers:
            inputs = layer(inputs, training=training)
        return inputs

    def compute_output_shape(self, input_shape: Shapes) -> Shapes:
        for layer in self.layers:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

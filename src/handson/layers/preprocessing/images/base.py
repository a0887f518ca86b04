"""What layers that change images share: whole samples, layouts, ranges of values, and random numbers for each image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from handson.core.errors import HandsonError, listing, nearest
from handson.layers.base import Layer, Shape
from handson.layers.preprocessing.encoding import chosen
from handson.layers.preprocessing.images.draws import Calls, Draws
from handson.randomness.keys import check_seed

Drawn = dict[str, Any]
# What a sample may hold besides images.
PARTS = ("images", "labels", "segmentation_masks")
Bounds = tuple[float, float]


class ImageLayer(Layer):
    """The base of layers that change images, each in its own way, while training.

    Inputs are images (h, w, c), batches of them, or dictionaries with 'images' and, if they are to change with
    them, 'labels' and 'segmentation_masks'. A layer defines `draw`, which draws what is random for each image, and
    `change`, which applies it.

    Parameters
    ----------
    seed : int, optional
        A seed of its own, in place of the run's.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    bounding_box_format : None
        Boxes are not changed here.
    **kwargs
        The arguments of every layer.
    """

    floats_only = keeps_shape = True
    # Whether it changes images only while training.
    training_only: ClassVar[bool] = True

    def __init__(
        self, seed: int | None = None, data_format: str | None = None, bounding_box_format: str | None = None,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(**kwargs)
        self.seed = None if seed is None else check_seed(seed)
        self.path = self.name
        self.data_format = chosen(
            type(self).__name__, "data_format", data_format or "channels_last", ("channels_last", "channels_first")
        )
        if bounding_box_format is not None:
            raise HandsonError(f"{type(self).__name__} does not change bounding boxes; leave out bounding_box_format.")
        self._calls = Calls()

    # What a layer defines.

    def draw(self, draws: Draws, shape: torch.Size) -> Drawn:
        """What is random, for images of a shape (n, h, w, c)."""
        return {}

    def change(self, images: Tensor, drawn: Drawn) -> Tensor:
        """The images, (n, h, w, c), changed by what was drawn."""
        raise NotImplementedError

    def change_masks(self, masks: Tensor, drawn: Drawn) -> Tensor:
        """Segmentation masks changed with their images; by default they stay."""
        return masks

    def change_labels(self, labels: Tensor, drawn: Drawn) -> Tensor:
        """Labels changed with their images; by default they stay."""
        return labels

    def unchanged(self, images: Tensor) -> Tensor:
        """What images become outside of training."""
        return images

    # What all do.

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        sample = inputs if isinstance(inputs, dict) else {"images": inputs}
        images = self._batch(sample["images"].to(self.input_type), "images")
        active = training or not self.training_only
        drawn = self.draw(self._calls.draws(self, len(images), images.device), images.shape) if active else {}
        found: dict[str, Any] = {"images": self.change(images, drawn) if active else self.unchanged(images)}
        single = sample["images"].dim() == 3
        if "segmentation_masks" in sample:
            masks = self._batch(sample["segmentation_masks"], "segmentation_masks", single)
            found["segmentation_masks"] = self.change_masks(masks, drawn) if active else masks
        out = {name: self._as_given(value, single) for name, value in found.items()}
        if "labels" in sample:
            labels = sample["labels"][None] if single else sample["labels"]
            labels = self.change_labels(labels, drawn) if active else labels
            out["labels"] = labels[0] if single else labels
        return {name: out[name] for name in sample} if isinstance(inputs, dict) else out["images"]

    def _batch(self, images: Tensor, what: str, single: bool | None = None) -> Tensor:
        """A batch of images with channels last."""
        if images.dim() not in (3, 4) or (single and images.dim() != 3):
            raise HandsonError(
                f"{type(self).__name__} {self.name!r} takes {what} of shape (height, width, channels), or a batch of "
                f"them; got {tuple(images.shape)}."
            )
        images = images[None] if images.dim() == 3 else images
        return images.movedim(1, -1) if self.data_format == "channels_first" else images

    def _as_given(self, images: Tensor, single: bool) -> Tensor:
        images = images.movedim(-1, 1) if self.data_format == "channels_first" else images
        return images[0] if single else images

    def _called(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not args or not isinstance(args[0], dict):
            return super()._called(args, kwargs)
        sample = {name: self._entry(name, value) for name, value in args[0].items()}
        if "images" not in sample:
            raise HandsonError(f"{type(self).__name__} takes a dictionary with 'images'; got {listing(sample)}.")
        if not self._ready():
            self._prepare((sample["images"],), {})
        with self._mode(kwargs.get("training")):
            return self.forward(sample)

    def _entry(self, name: str, value: Any) -> Tensor:
        """An entry of a sample as a tensor; labels and masks of whole numbers stay so."""
        if name not in PARTS:
            raise HandsonError(
                f"{type(self).__name__} changes {listing(PARTS)} of a sample; got {name!r}.{nearest(name, PARTS)}"
            )
        return value if isinstance(value, Tensor) else torch.as_tensor(np.asarray(value))

    def bounds(self, name: str, value: Any, low: float, high: float, mirrored: bool = True) -> Bounds:
        """Two numbers that a factor is drawn between; one number f stands for (-f, f), or (0, f)."""
        pair = value if isinstance(value, (tuple, list)) else None
        numbers = pair if pair is not None else (value,)
        fine = all(isinstance(one, (int, float, np.number)) and low <= one <= high for one in numbers)
        if not fine or (pair is not None and len(pair) != 2):
            raise HandsonError(
                f"{type(self).__name__}: {name} is a number from {low:g} to {high:g}, or two of them; got {value!r}."
            )
        if pair is None:
            size = abs(float(value))
            return (max(-size, low) if mirrored else 0.0, size)
        return (float(min(pair)), float(max(pair)))

    def range_of(self, value_range: Any) -> Bounds:
        """The least and the largest value of images."""
        pair = tuple(value_range) if isinstance(value_range, (tuple, list, np.ndarray)) else ()
        if len(pair) != 2 or pair[0] == pair[1]:
            raise HandsonError(
                f"{type(self).__name__}: value_range is the least and the largest value, such as (0, 255) or (0, 1); "
                f"got {value_range!r}."
            )
        return (float(min(pair)), float(max(pair)))


def each(values: Tensor) -> Tensor:
    """A number for each image, beside images (n, h, w, c)."""
    return values.reshape(-1, 1, 1, 1)


def rescaled(images: Tensor, source: Sequence[float], target: Sequence[float]) -> Tensor:
    """Images of one range of values in another."""
    if tuple(source) == tuple(target):
        return images
    return (images - source[0]) / (source[1] - source[0]) * (target[1] - target[0]) + target[0]


__all__ = ["Bounds", "Drawn", "Draws", "ImageLayer", "Shape", "each", "rescaled"]

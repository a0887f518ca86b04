"""What the nets of this room share: Keras's arguments and what they mean, the classifier on top, files of weights.

A net is a function of an image that gives what comes out, as symbols; `application` makes Keras's function of it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from handson.applications.preparation import CHANNELS, Preparation, for_bands
from handson.core.errors import HandsonError, listing, nearest, whole
from handson.graph import Symbol
from handson.layers import Dense, Dropout, GlobalAveragePooling2D, GlobalMaxPooling2D, Input
from handson.layers.blank import blank_weights
from handson.models import Model
from handson.utils.downloads import get_file

SERVER = "https://storage.googleapis.com/tensorflow/keras-applications"
CLASSES = 1000
# More than any net has.
MOST_VALUES = 1 << 40
POOLING = {"avg": (GlobalAveragePooling2D, "avg_pool"), "max": (GlobalMaxPooling2D, "max_pool")}

PARAMETERS = """

    Parameters
    ----------
    include_top : bool
        Whether the classifier is on top; without it the net gives what its last block gives.
    weights : {'imagenet', None} or path
        What the weights are: those of Keras for ImageNet, from its file in ~/.keras/models (see `get_file`); drawn
        anew; or those of a file, which Keras or handson has written.
    input_tensor : Symbol, optional
        What `Input(...)` or another layer gave, to be the image.
    input_shape : tuple of int, optional
        Height, width and channels of an image, without the classifier: None where sizes vary. Of weights for red, green
        and blue the first kernel is adapted to other numbers of channels, so that an image whose channels are alike
        gives what it gives in gray.
    pooling : {None, 'avg', 'max'}
        How the last block is pooled where there is no classifier.
    classes : int
        The number of classes of the classifier.
    classifier_activation : str or callable, optional
        What the classifier ends with; None for logits.
    name : str, optional
        The name of the net.

    Returns
    -------
    Model
        Its attribute `preprocess_input` prepares images of 0 to 255 for it; ``preprocess_input.layer()`` does the same
        as a layer, which goes into files with the net that it is in.

    Raises
    ------
    HandsonError
        When arguments do not fit together, or the file of weights is not there: the message says which to put where.
    """


class File(NamedTuple):
    """A file of weights: its name in the cache, its MD5 or SHA-256 if Keras states it, and where it comes from."""

    name: str
    digest: str | None
    origin: str


class Files(NamedTuple):
    """The weights of a net with its classifier, and without."""

    whole: File
    headless: File


def files(
    folder: str, stem: str, digests: tuple[str | None, str | None] = (None, None), headless: str = "_notop"
) -> Files:
    """Two files of Keras, in a folder of its server; the name of the second one ends with `headless`."""
    found = [
        File(f"{stem}{end}.h5", digest, f"{SERVER}/{folder}/{stem}{end}.h5")
        for end, digest in zip(("", headless), digests, strict=True)
    ]
    return Files(*found)


Body = Callable[[Symbol, "Wanted"], Symbol]


@dataclass(frozen=True)
class Wanted:
    """What is asked of a net: Keras's arguments, checked."""

    name: str | None
    include_top: bool = True
    weights: Any = "imagenet"
    input_tensor: Any = None
    input_shape: Any = None
    pooling: str | None = None
    classes: int = CLASSES
    classifier_activation: Any = "softmax"
    # Whether the weights are those for red, green and blue, adapted to other bands.
    adapted: bool = False

    def __post_init__(self) -> None:
        if self.pooling is not None and self.pooling not in POOLING:
            known = nearest(str(self.pooling), POOLING)
            raise HandsonError(f"pooling is None or one of {listing(POOLING)}; got {self.pooling!r}.{known}")
        whole("classes", self.classes, 1)
        self._check_weights()
        if self.input_tensor is not None and not isinstance(self.input_tensor, Symbol):
            raise HandsonError(
                f"input_tensor is what Input(...) or another layer gave; got {type(self.input_tensor).__name__}. "
                f"Values go into the net when it is there: net.predict(x)."
            )

    def _check_weights(self) -> None:
        weights = self.weights
        if weights is None:
            return
        if not isinstance(weights, (str, os.PathLike)):
            raise HandsonError(f"weights is 'imagenet', None or the path of a file; got {weights!r}.")
        if not self.of_imagenet and not Path(weights).is_file():
            likely = nearest(str(weights), ["imagenet"])
            raise HandsonError(f"weights is 'imagenet', None or a file; there is no file {str(weights)!r}.{likely}")
        if not (self.of_imagenet and self.include_top):
            return
        if self.classes != CLASSES:
            raise HandsonError(
                f"the weights of ImageNet have {CLASSES} classes; got classes={self.classes}. For others leave out the "
                f"classifier: include_top=False, pooling='avg', and put a Dense({self.classes}) on top."
            )
        if self.classifier_activation not in (None, "softmax"):
            raise HandsonError(
                f"the classifier of ImageNet ends with 'softmax', or None for logits; got classifier_activation="
                f"{self.classifier_activation!r}."
            )

    @property
    def of_imagenet(self) -> bool:
        """Whether the weights are those of ImageNet."""
        return isinstance(self.weights, str) and self.weights == "imagenet"

    # The image.

    def given_shape(self) -> tuple[int | None, ...] | None:
        """Height, width and channels where they are given, by a shape or a symbol."""
        shape = None if self.input_shape is None else tuple(self.input_shape)
        if self.input_tensor is None:
            return shape
        of_symbol = tuple(self.input_tensor.shape[1:])
        if shape is not None and shape != of_symbol:
            raise HandsonError(f"input_shape is {shape}, and input_tensor has {of_symbol}: leave out input_shape.")
        return of_symbol

    def image(self, size: int | None, smallest: int) -> Symbol:
        """The symbol of the image, for a net of a usual size, None for any, whose blocks need at least the smallest."""
        usual = (size, size, CHANNELS)
        shape = self.given_shape() or (usual if self.include_top else (None, None, CHANNELS))
        said = f"input_shape={shape}"
        if len(shape) != 3 or not isinstance(shape[2], int):
            raise HandsonError(f"an image has height, width and channels, as {usual}; got {said}.")
        if any(side is not None and whole("the side of an image", side, 1) < smallest for side in shape[:2]):
            raise HandsonError(f"this net takes images of at least {smallest} x {smallest}; got {said}.")
        fixed = self.include_top and size is not None
        if fixed and None in shape:
            raise HandsonError(f"a net with a classifier takes images of one size, as {usual}; got {said}.")
        if self.of_imagenet and fixed and shape[:2] != usual[:2]:
            raise HandsonError(
                f"with the weights of ImageNet and the classifier input_shape is {usual}; got {shape}. The number of "
                f"channels may differ."
            )
        return Input(shape) if self.input_tensor is None else self.input_tensor

    # What is on top.

    def pooled(self, x: Symbol, named: bool = True) -> Symbol:
        """The output of the last block as it is asked for, where there is no classifier."""
        if self.pooling is None:
            return x
        layer, name = POOLING[self.pooling]
        return layer(name=name if named else None)(x)

    def classified(self, x: Symbol, **arguments: Any) -> Symbol:
        """The classes of rows of features."""
        return Dense(self.classes, activation=self.classifier_activation, name="predictions", **arguments)(x)

    def topped(self, x: Symbol, named: bool = True, dropout: float = 0.0, **arguments: Any) -> Symbol:
        """The classes of the averages of the last block, or that block pooled as it is asked for."""
        if not self.include_top:
            return self.pooled(x, named)
        x = GlobalAveragePooling2D(name="avg_pool")(x)
        x = Dropout(dropout, name="top_dropout")(x) if dropout else x
        return self.classified(x, **arguments)

    # The net.

    def called(self, pattern: str, size: int) -> Wanted:
        """The same under the name that says the side of the image, unless it has one."""
        if self.name is not None:
            return self
        shape = self.given_shape()
        side = size if self.of_imagenet or (shape is None and self.include_top) else shape and shape[0]
        return replace(self, name=pattern.format(side=side))

    def file(self, known: Files) -> str | None:
        """The file of weights, None for none.

        Raises
        ------
        HandsonError
            When it is not there and cannot be fetched.
        """
        if not self.of_imagenet:
            return None if self.weights is None else os.fspath(self.weights)
        wanted = known.whole if self.include_top else known.headless
        return get_file(wanted.name, wanted.origin, cache_subdir="models", file_hash=wanted.digest)

    def net(self, body: Body, known: Files, size: int | None = 224, smallest: int = 32) -> Model:
        """The net, with its weights."""
        image = self.image(size, smallest)
        path = self.file(known)
        net = None if path is None or channels_of(image) == CHANNELS else self._from_rgb(body, image, path)
        if net is None:
            net = self._built(body, image, path is not None)
            if path is not None:
                net.load_weights(path)
        net.preprocess_input = preparation_of(body)
        return net

    def _built(self, body: Body, image: Symbol, filled: bool) -> Model:
        # What a file fills need not be drawn, which takes longer than reading.
        with blank_weights(MOST_VALUES) if filled else nullcontext():
            return Model(sources(image), body(image, self), name=self.name)

    def _from_rgb(self, body: Body, image: Symbol, path: str) -> Model | None:
        """The net for other bands with the weights of a file for red, green and blue; None where it is not for these.

        Weights of ImageNet are for these, or the file is damaged.
        """
        wanted = replace(self, adapted=True)
        whole = wanted._built(body, Input((*image.shape[1:3], CHANNELS)), True)
        try:
            whole.load_weights(path)
        except HandsonError:
            if self.of_imagenet:
                raise
            return None
        net = wanted._built(body, image, True)
        prepare, bands = preparation_of(body), channels_of(image)
        net.set_weights(
            [
                _for_bands(weight, tuple(own.shape), prepare, bands)
                for weight, own in zip(whole.weights, net.weights, strict=True)
            ]
        )
        return net

    def standardizes(self, image: Symbol) -> bool:
        """Whether a net that prepares its images has the mean and deviation of ImageNet for them, as in Keras."""
        return self.adapted or image.shape[-1] == CHANNELS


def preparation_of(body: Body) -> Preparation:
    """How the images of a net are prepared: what its module has as `preprocess_input`."""
    written: Any = getattr(body, "func", body)  # of a partial function, the function
    found: Preparation = sys.modules[written.__module__].preprocess_input
    return found


def _for_bands(weight: Tensor, shape: tuple[int, ...], prepare: Preparation, bands: int) -> Tensor:
    """A weight for red, green and blue as one of another shape: the first kernel, or what normalizes the image."""
    weight = weight.detach()
    if tuple(weight.shape) == shape:
        return weight
    if weight.dim() > 1 and weight.shape[-2] == CHANNELS:
        return prepare.kernel(weight, bands)
    return torch.tensor(for_bands(weight.flatten().tolist(), bands)).reshape(shape)


def sources(image: Symbol) -> Any:
    """The inputs that a symbol follows from: one, or a list of them."""
    found: dict[int, Symbol] = {}
    seen: set[int] = set()
    waiting = [image]
    while waiting:
        symbol = waiting.pop()
        if id(symbol) in seen:
            continue
        seen.add(id(symbol))
        before = [] if symbol.node is None else symbol.node.inputs
        waiting += before
        if not before:
            found[id(symbol)] = symbol
    return next(iter(found.values())) if len(found) == 1 else [*found.values()]


def application(name: str, known: Files, size: int = 224, smallest: int = 32) -> Callable[[Body], Callable[..., Model]]:
    """Make Keras's function of a body: the decorator of a function of an image and of what is wanted.

    Parameters
    ----------
    name : str
        The name that the net has by default.
    known : Files
        Its weights.
    size, smallest : int
        The side of the images that it was trained on, and the least that it takes.
    """

    def decorate(body: Body) -> Callable[..., Model]:
        def build(
            include_top: bool = True,
            weights: Any = "imagenet",
            input_tensor: Any = None,
            input_shape: Any = None,
            pooling: str | None = None,
            classes: int = CLASSES,
            classifier_activation: Any = "softmax",
            name: str | None = name,
        ) -> Model:
            wanted = Wanted(
                name, include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation
            )
            return wanted.net(body, known, size, smallest)

        return public(build, body.__name__, body.__module__, body.__doc__)

    return decorate


def public(function: Callable[..., Model], name: str, module: str, says: str | None) -> Callable[..., Model]:
    """A function that is made here under the name that users know."""
    function.__name__ = function.__qualname__ = name
    function.__module__ = module
    function.__doc__ = (says or "").rstrip() + PARAMETERS
    return function


# What several families need.


def divisible(value: float, divisor: int = 8) -> int:
    """The number of filters nearest to a value that can be divided, never less than nine tenths of it.

    Examples
    --------
    >>> [divisible(value) for value in (3, 11, 12, 33.6)]
    [8, 16, 16, 32]
    """
    nearby = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return nearby + divisor if nearby < 0.9 * value else nearby


def channels_of(x: Symbol) -> int:
    """How many channels there are, which is always known."""
    channels = x.shape[-1]
    if channels is None:
        raise HandsonError(f"the number of channels of an image is known; got shape {x.shape}.")
    return channels


def padding_of(x: Symbol, kernel: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """The padding before a kernel with stride 2 that TensorFlow's 'same' has, which follows from the size.

    Examples
    --------
    >>> padding_of(Symbol((None, 8, 9, 3)), 3)
    ((0, 1), (1, 1))
    """
    half = kernel // 2
    rows, columns = (1 if side is None or x.shape[1] is None else 1 - side % 2 for side in x.shape[1:3])
    return (half - rows, half), (half - columns, half)

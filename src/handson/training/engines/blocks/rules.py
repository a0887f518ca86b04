"""Which parts of a net are one kernel: rules over the layers that follow one another in its graph.

Each layer has a letter, which says what the kernels can do with it: '.' is nothing. A rule is a pattern of letters, and
what runs in place of the layers that match.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch import Tensor

from handson import activations
from handson.core.lowering import lowers, rule_of
from handson.layers import GRU, LSTM, Activation, BatchNormalization, Conv2D, Dropout, MaxPooling2D
from handson.training.engines.blocks.pooled import PooledBlock, convolved
from handson.training.preparation.job import watched

Step = Callable[[Tensor], Tensor]
NOTHING = "."


@lowers(Conv2D, engine="blocks")
def _convolution(layer: Conv2D) -> str:
    """Of channels-last images: with ReLU, without activation, with another one."""
    if not layer.last:
        return NOTHING
    return "r" if layer.activation is activations.relu else "c" if layer.activation is activations.linear else "o"


@lowers(BatchNormalization, engine="blocks")
def _normalization(layer: BatchNormalization) -> str:
    return "n" if layer.axis in (-1, 3) and not layer.renorm else NOTHING


@lowers(Activation, engine="blocks")
def _activation(layer: Activation) -> str:
    return "a" if layer.activation is activations.relu else NOTHING


@lowers(MaxPooling2D, engine="blocks")
def _pooling(layer: MaxPooling2D) -> str:
    halved = layer.pool_size == layer.strides == (2, 2)
    return "p" if halved and layer.padding == "valid" and layer.last else NOTHING


@lowers(Dropout, engine="blocks")
def _dropout(layer: Dropout) -> str:
    return "d" if 0 < layer.rate < 1 and layer.noise_shape is None else NOTHING


@lowers(LSTM, GRU, engine="blocks")
def _recurrent(layer: Any) -> str:
    """Of the usual kind."""
    return "l" if layer.fusable and layer.recurrent_dropout == 0 else NOTHING


def _pooled(layers: dict[str, Any]) -> Step:
    return PooledBlock(layers.get("c") or layers.get("r"), layers.get("n"), layers.get("d"))


def _compiled(layers: dict[str, Any]) -> Step:
    step: Step = layers["l"].compiled
    return step


def _alone(layers: dict[str, Any]) -> Step:
    """A convolution that belongs to no block."""
    (layer,) = layers.values()
    return lambda x: layer.activation(convolved(layer, x))


# From the layers that matched, by their letters, to what runs in their place. The first rule that matches is taken.
RULES: tuple[tuple[re.Pattern[str], Callable[[dict[str, Any]], Step]], ...] = (
    (re.compile("c?n?apd?|rpd?"), _pooled),
    (re.compile("l"), _compiled),
    (re.compile("[cro]"), _alone),
)
# What makes it worth while.
PAYS = re.compile("[ar]p|l")


def letters(functions: Sequence[Any]) -> str:
    """The letters of layers, or functions, that follow one another; a layer with a hook is left to itself."""
    return "".join(map(_letter, functions))


def _letter(function: Any) -> str:
    rule = rule_of(type(function), "blocks")
    return NOTHING if rule is None or watched(function) else rule(function)


def replaced(functions: Sequence[Any]) -> Iterator[tuple[int, Step | None]]:
    """How many of some layers are replaced together, and by what; None where a layer stays."""
    text, at = letters(functions), 0
    while at < len(text):
        found = ((match, make) for pattern, make in RULES if (match := pattern.match(text, at)))
        match, make = next(found, (None, None))
        if match is None or make is None:
            yield 1, None
            at += 1
            continue
        layers = dict(zip(match.group(), functions[at : match.end()], strict=True))
        yield match.end() - at, make(layers)
        at = match.end()

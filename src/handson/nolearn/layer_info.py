"""What a layer of a convolutional net sees of an image, and how much it can learn from it.

The *receptive field* of a layer is the size of the part of the image that one of its outputs depends on; its *coverage*
is that over the size of the image. The *real filter* is the size that its window spans in the image; the *capacity* is
that over the receptive field (Cao, 2015): below 1/6 a window sees too little that is new.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from handson.core.errors import HandsonError
from handson.lasagne.layers import InputLayer, count_params
from handson.nolearn.table import table

LEAST_CAPACITY = 100 / 6


class Field(NamedTuple):
    """What one output of a layer sees, along each of the two axes.

    Attributes
    ----------
    size : tuple of int
        The receptive field, in pixels.
    jump : tuple of int
        How many pixels its neighbour is away.
    filter : tuple of int
        The real filter of the layer, in pixels; that of the layer before where it has none.
    """

    size: tuple[int, ...]
    jump: tuple[int, ...]
    filter: tuple[int, ...]


def fields(layers: list[Any]) -> dict[int, Field]:
    """The field of each layer that gives images, by its identity.

    Examples
    --------
    >>> from handson.lasagne.layers import Conv2DLayer, MaxPool2DLayer, get_all_layers
    >>> x = InputLayer((None, 1, 32, 32))
    >>> last = Conv2DLayer(MaxPool2DLayer(Conv2DLayer(x, 4, 3), 2), 4, 3)
    >>> fields(get_all_layers(last))[id(last)]
    Field(size=(8, 8), jump=(2, 2), filter=(6, 6))
    """
    found: dict[int, Field] = {}
    for layer in layers:
        if len(layer.output_shape) != 4:
            continue
        if isinstance(layer, InputLayer):
            found[id(layer)] = Field((1, 1), (1, 1), (1, 1))
            continue
        before = [found[id(one)] for one in layer.input_layers if id(one) in found]
        if before:
            found[id(layer)] = _behind(layer, before)
    return found


def _behind(layer: Any, before: list[Field]) -> Field:
    """The field of a layer behind others: of branches the largest counts."""
    size, jump = (
        tuple(map(max, zip(*(getattr(one, name) for one in before), strict=True))) for name in Field._fields[:2]
    )
    window, stride = _window(layer)
    grown = tuple(s + (w - 1) * j for s, w, j in zip(size, window, jump, strict=True))
    spanned = tuple(w * j for w, j in zip(window, jump, strict=True))
    convolves = hasattr(layer, "filter_size")
    further = tuple(j * step for j, step in zip(jump, stride, strict=True))
    return Field(grown, further, spanned if convolves else before[0].filter)


def _window(layer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The window of a layer, dilation included, and its step."""
    if hasattr(layer, "window"):
        return layer.window, layer.stride
    if hasattr(layer, "pool_size") and isinstance(layer.pool_size, tuple):
        return layer.pool_size, layer.stride
    return (1, 1), (1, 1)


def layer_rows(net: Any) -> list[dict[str, Any]]:
    """For each layer its name, size, and of convolutional nets capacity and coverage in per cent."""
    layers = list(net.layers_.values())
    seen = fields(layers)
    convolves = any(hasattr(layer, "filter_size") and len(layer.output_shape) == 4 for layer in layers)
    image = next((layer.output_shape[2:] for layer in layers if len(layer.output_shape) == 4), None)
    found: list[dict[str, Any]] = []
    for number, (name, layer) in enumerate(net.layers_.items()):
        sides = layer.output_shape[1:]
        row: dict[str, Any] = {"#": number, "name": name, "size": "x".join(map(str, sides))}
        if convolves and image is not None:
            row |= _measures(seen.get(id(layer)), image, int(np.prod([side or 0 for side in sides])))
        found.append(row)
    return found


def _measures(field: Field | None, image: tuple[int, ...], total: int) -> dict[str, Any]:
    """Capacity and coverage; behind the images a layer sees everything."""
    field = field or Field(tuple(image), (1, 1), tuple(image))
    capacity = [100 * own / size for own, size in zip(field.filter, field.size, strict=True)]
    coverage = [100 * size / side for size, side in zip(field.size, image, strict=True)]
    row: dict[str, Any] = {"total": total}
    for what, values in {"cap.": capacity, "cov.": coverage}.items():
        row |= {f"{what}{axis}": f"{value:.2f}" for axis, value in zip("YX", values, strict=True)}
    for what, sizes in {"filter": field.filter, "field": field.size}.items():
        row |= {f"{what} {axis}": size for axis, size in zip("YX", sizes, strict=True)}
    return row


def layer_table(net: Any, detailed: bool = False) -> list[str]:
    """The lines of a table of the layers, with warnings."""
    rows = layer_rows(net)
    if not rows:
        raise HandsonError("this net has no layers.")
    shown = [name for name in rows[0] if detailed or not name.startswith(("filter", "field"))]
    lines = table(shown, [[row[name] for name in shown] for row in rows])
    for row in rows[1:]:
        if "cap.Y" in row and hasattr(net.layers_[row["name"]], "filter_size"):
            if min(float(row["cap.Y"]), float(row["cap.X"])) < LEAST_CAPACITY:
                lines.append(f"{row['name']}: its capacity is below 1/6; its window sees little that is new.")
            if max(float(row["cov.Y"]), float(row["cov.X"])) > 100:
                lines.append(f"{row['name']}: its coverage is above 100 %; it sees more than the image.")
    return lines


def describe(net: Any, detailed: bool = False) -> list[str]:
    """What `PrintLayerInfo` prints."""
    count = count_params(net.output_layers_, trainable=True)
    return [
        f"# Neural Network with {count} learnable parameters",
        "",
        "## Layer information",
        "",
        *layer_table(net, detailed),
    ]

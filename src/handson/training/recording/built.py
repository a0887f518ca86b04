"""What the parts of a net were built for, where a training step of the net's own decides that as it runs.

Of such a net it is not known beforehand which of its parts see inputs of which shapes. A resumed run needs their
weights before its first step: they are built for the shapes that the checkpoint names.
"""

from __future__ import annotations

from typing import Any

from handson.layers.base import Layer
from handson.layers.shapes import map_shapes
from handson.training.preparation.net import Net


def built_shapes(model: Net) -> dict[str, Any]:
    """The input shapes of the parts, by their paths, as JSON; empty for a net without a training step of its own."""
    if "train_step" not in model.own_steps:
        return {}
    parts = [(path, part) for path, part in model.named_modules() if path and isinstance(part, Layer)]
    return {path: map_shapes(list, part.built_shape) for path, part in parts if part.built_shape is not None}


def build_again(model: Net, shapes: dict[str, Any]) -> None:
    """Build the parts that a checkpoint holds weights of, those that are not built yet."""
    if not shapes:
        return
    for path, part in list(model.named_modules()):
        if path in shapes and isinstance(part, Layer) and not part.built:
            part.build_in(map_shapes(tuple, shapes[path]), model.device)

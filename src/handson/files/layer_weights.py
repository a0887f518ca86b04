"""The weights of a net by layer: what weight files of all formats hold, and how they are put back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from handson.core.errors import HandsonError, shortened
from handson.core.registry import snake_case
from handson.state.state import named_weights

# Layers whose weights Keras keeps in a cell of their own.
WITH_CELL = ("lstm", "gru")


class LayerWeights(NamedTuple):
    """One layer's weights.

    Attributes
    ----------
    name : str
        The layer's name; of a layer in a net in the net, both names with a dot between them.
    group : str
        The place in a file of Keras 3: the class in snake case, numbered from the second layer of the class on.
    values : dict of str to array or Tensor
        The weights by name, in the layer's order.
    """

    name: str
    group: str
    values: dict[str, Any]

    def ordered_like(self, layer: LayerWeights) -> LayerWeights:
        """These weights in the order of a layer's, where the file knows their names and not only their order."""
        if self.values.keys() == layer.values.keys():
            return self._replace(values={name: self.values[name] for name in layer.values})
        return self

    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the weights, in order."""
        return [tuple(value.shape) for value in self.values.values()]


def of_model(model: Any) -> list[LayerWeights]:
    """The layers of a net that have weights; the tensors are the live ones."""
    if model.graph is None and "module" in model._modules:
        return _of_module(model)
    model.count_params()  # raises when the net is not built
    return [layer for layer in _of_net(model, "", "") if layer.values]


def _of_net(net: Any, path: str, place: str) -> Iterator[LayerWeights]:
    """The layers of a net, and of the nets in it: these lie in groups of their own, as in Keras's files."""
    named = [(name, layer) for name, layer in net.named_children() if layer in net.layers]
    groups = _group_names(type(layer).__name__ for _, layer in named)
    for (name, layer), group in zip(named, groups, strict=True):
        if hasattr(layer, "graph"):
            yield from _of_net(layer, f"{path}{name}.", f"{place}{group}/layers/")
        else:
            yield LayerWeights(f"{path}{name}", f"{place}{group}", _of_layer(layer))


def _of_layer(layer: Any) -> dict[str, Tensor]:
    names = {id(weight): name for name, weight in named_weights(layer).items()}
    return {names[id(weight)]: weight for weight in layer.weights}


def _of_module(model: Any) -> list[LayerWeights]:
    values: dict[str, dict[str, Tensor]] = {}
    for path, weight in named_weights(model.module).items():
        layer, _, name = path.rpartition(".")
        values.setdefault(layer or model.name, {})[name] = weight
    return [LayerWeights(name, name, weights) for name, weights in values.items()]


def _group_names(kinds: Iterable[str]) -> list[str]:
    """Keras's names of the places of layers, from the names of their classes."""
    seen: dict[str, int] = {}
    names = []
    for kind in kinds:
        stem = snake_case(kind)
        seen[stem] = seen.get(stem, -1) + 1
        number = f"_{seen[stem]}" if seen[stem] else ""
        names.append(f"{stem}{number}" + ("/cell" if stem in WITH_CELL else ""))
    return names


def in_order(model: Any, stored: list[LayerWeights]) -> list[LayerWeights]:
    """The layers of a file of Keras 2, which come in the order of the net, at the places of those of a net."""
    layers = of_model(model)
    if len(layers) != len(stored):
        return stored
    return [source._replace(group=layer.group) for source, layer in zip(stored, layers, strict=True)]


def put_back(model: Any, stored: list[LayerWeights], path: str, key: str, partly: bool) -> dict[str, str]:
    """Copy stored weights into a net.

    Parameters
    ----------
    model : Model
        The net.
    stored : list of LayerWeights
        What a file holds.
    path : str
        The file, for messages.
    key : {'name', 'group'}
        What layers are matched by.
    partly : bool
        Whether layers that do not match may be left out.

    Returns
    -------
    dict of str to str
        The layers that were left out, and why.

    Raises
    ------
    HandsonError
        When something does not match and may not be left out; then no weight is changed.
    """
    layers = of_model(model)
    sources = {getattr(source, key): source for source in stored}
    ours = {getattr(layer, key) for layer in layers}
    skipped = {source.name: "the net has no such layer" for name, source in sources.items() if name not in ours}
    fitting = []
    for layer in layers:
        source = sources.get(getattr(layer, key))
        if source is None:
            skipped[layer.name] = "the file has no such layer"
            continue
        source = source.ordered_like(layer)
        if layer.shapes() != source.shapes():
            skipped[layer.name] = f"its shapes are {_show(layer)}, those in the file {_show(source)}"
        else:
            fitting.append((layer, source))
    if not fitting or (skipped and not partly):
        advice = (
            "Load what fits with by_name=True." if fitting or key != "name" else "The nets have no layer in common."
        )
        reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
        raise HandsonError(f"{path} does not fit this net: {shortened(reasons)}. {advice}")
    values = [
        (weight, _converted(value, weight, f"{path}: {layer.name}.{name}"))
        for layer, source in fitting
        for (name, weight), value in zip(layer.values.items(), source.values.values(), strict=True)
    ]
    with torch.no_grad():
        for weight, value in values:
            weight.copy_(value)
    return skipped


def _converted(value: Any, weight: Tensor, where: str) -> Tensor:
    """A stored weight in the type of the net's.

    Raises
    ------
    HandsonError
        When it is of another kind, or not finite where the net's own is.
    """
    if not isinstance(value, Tensor):
        value = np.asarray(value)
        if value.dtype.kind not in "biufc":
            raise HandsonError(f"{where} is of type {value.dtype}, which no weight is.")
        value = torch.as_tensor(value if value.dtype.isnative else value.astype(value.dtype.newbyteorder("=")))
    kinds = _kind(value.dtype), _kind(weight.dtype)
    if kinds[0] != kinds[1] or kinds[0] == "other":
        raise HandsonError(
            f"{where} is of type {_type(value)}; the net's is {_type(weight)}, and takes {TAKEN[kinds[1]]}."
        )
    converted = value.to(weight.dtype)
    if converted.is_floating_point() and bool((~converted.isfinite() & weight.detach().cpu().isfinite()).any()):
        lost = "is too large for float32" if bool(value.isfinite().all()) else "holds NaN or infinity"
        raise HandsonError(
            f"{where} {lost}, and the net's own values there are finite. To have it anyway: layer.set_weights([...])."
        )
    return converted


TAKEN = {"float": "float16, bfloat16, float32 or float64", "integer": "integers", "bool": "bool", "other": "no file"}
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def _kind(dtype: torch.dtype) -> str:
    if dtype in FLOATS:
        return "float"
    if dtype == torch.bool:
        return "bool"
    return "other" if dtype.is_floating_point or dtype.is_complex else "integer"


def _type(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _show(layer: LayerWeights) -> str:
    return ", ".join(str(shape) for shape in layer.shapes())

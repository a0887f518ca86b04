"""The weights of a net by layer: what weight files of all formats hold, and how they are put back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from handson.core.errors import HandsonError, shortened
from handson.files import keras_places
from handson.layers.low_rank import LowRank, adapted_layers
from handson.state.state import named_weights


class LayerWeights(NamedTuple):
    """One layer's weights.

    Attributes
    ----------
    name : str
        The layer's name; of a layer in a net in the net, both names with a dot between them.
    group : str
        The layer's place in a file of Keras 3, such as 'layers/dense_1' (see `handson.files.keras_places`).
    values : dict of str to array or Tensor
        The weights by name, in the layer's order; of a file of HDF5, by their places below the group.
    places : tuple of str
        Where each weight is below the group, such as 'vars/0' and 'cell/vars/1'.
    repeated : dict of str to str
        Further places where files of Keras have a weight, with its name.
    adapted : dict of str to LowRank
        The layers whose kernels, by name, files of Keras have with the product beside them, and without its matrices.
    """

    name: str
    group: str
    values: dict[str, Any]
    places: tuple[str, ...] = ()
    repeated: Mapping[str, str] = MappingProxyType({})
    adapted: Mapping[str, LowRank] = MappingProxyType({})

    @classmethod
    def of(cls, name: str, group: str, held: Sequence[keras_places.Held]) -> LayerWeights:
        """The weights of a layer, by where `keras_places` finds them."""
        places: dict[str, str] = {}
        repeated = {place: key for key, _, place in held if places.setdefault(key, place) != place}
        return cls(name, group, {key: value for key, value, _ in held}, tuple(places.values()), repeated)

    def ordered_like(self, layer: LayerWeights) -> LayerWeights:
        """These weights in the order of a layer's, where the file knows their names or places, not only their order."""
        values = {name: value for name, value in self.values.items() if name not in layer.repeated}
        for names in (tuple(layer.values), layer.places):
            if values.keys() == set(names):
                return self._replace(values={name: values[name] for name in names})
        return self

    def stored(self, name: str) -> Any:
        """The values of a weight as files have them."""
        layer = self.adapted.get(name)
        return self.values[name] if layer is None else getattr(layer, layer.adapted)

    def without_matrices(self, layers: list[LowRank]) -> LayerWeights:
        """These weights as files of Keras have them: some layers without their low-rank matrices."""
        hidden = {id(layer._own(name)) for layer in layers for name in layer.factors}
        kernels = {id(layer._own(layer.adapted)): layer for layer in layers}
        pairs = zip(self.values.items(), self.places, strict=True)
        kept = [(name, value, place) for (name, value), place in pairs if id(value) not in hidden]
        return self._replace(
            values={name: value for name, value, _ in kept},
            places=tuple(place for *_, place in kept),
            adapted={name: kernels[id(value)] for name, value, _ in kept if id(value) in kernels},
        )

    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the weights, in order."""
        return [tuple(value.shape) for value in self.values.values()]


def of_model(model: Any) -> list[LayerWeights]:
    """The layers of a net that have weights; the tensors are the live ones."""
    if model.graph is None and "module" in model._modules:
        return _of_module(model)
    model.count_params()  # raises when the net is not built
    return [LayerWeights.of(name, group, held) for name, group, held in keras_places.layers(model) if held]


def as_in_keras(model: Any) -> list[LayerWeights]:
    """The layers of a net that have weights, as Keras's files have them."""
    adapted = adapted_layers(model)
    return [layer.without_matrices(adapted) for layer in of_model(model)] if adapted else of_model(model)


def _of_module(model: Any) -> list[LayerWeights]:
    values: dict[str, dict[str, Tensor]] = {}
    for path, weight in named_weights(model.module).items():
        layer, _, name = path.rpartition(".")
        values.setdefault(layer or model.name, {})[name] = weight
    return [
        LayerWeights(name, f"layers/{name}", weights, tuple(f"vars/{number}" for number in range(len(weights))))
        for name, weights in values.items()
    ]


def put_back(
    layers: list[LayerWeights], stored: list[LayerWeights], path: str, key: str, partly: bool
) -> dict[str, str]:
    """Copy stored weights into a net.

    Parameters
    ----------
    layers : list of LayerWeights
        The net's, as `of_model` gives them.
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
    sources = {getattr(source, key): source for source in _joined(stored, layers)}
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
    if (not fitting and (layers or stored)) or (skipped and not partly):
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
    for layer, _ in fitting:
        for adapted in layer.adapted.values():
            adapted.restart_lora()
    return skipped


def _joined(stored: list[LayerWeights], layers: list[LayerWeights]) -> list[LayerWeights]:
    """The stored weights, those of parts of a layer with the layer's own.

    The layers of a net in a layer are parts, and early files of Keras 3 name parts alone.
    """
    known, found = {layer.group for layer in layers}, list[LayerWeights]()
    owners: dict[str, LayerWeights] = {}
    for source in stored:
        group = source.group
        owner = group if group in known else next((above for above in _above(group) if above in known), None)
        if owner is None:
            found.append(source)
            continue
        name = source.name if owner == group else owner.rpartition("/")[2]
        held = owners.setdefault(owner, LayerWeights(name, owner, {}, source.places if owner == group else ()))
        rest = "" if owner == group else f"{group.removeprefix(f'{owner}/')}/"
        held.values.update({f"{rest}{place}": value for place, value in source.values.items()})
    return [*found, *owners.values()]


def _above(group: str) -> list[str]:
    """The groups that a group lies in, the nearest first."""
    parts = group.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts) - 1, 0, -1)]


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

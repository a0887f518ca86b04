"""Where Keras's files keep the weights of each layer: by the attributes that hold layers, in the order of their names.

The layers of a stack or graph are in 'layers', numbered by their classes in snake case; those of a subclass, and parts
of a layer, are under the names of the attributes; those in a list or dictionary under its attribute. What is held
twice is where it is met first; but a weight that a wrapper names in `keras_repeats` is among its own too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor, nn

from handson.core.registry import snake_case
from handson.layers.base import Layer
from handson.layers.weight_holder import named_tensors
from handson.state.state import named_weights

# A weight with its name in its layer, and its place below that of the layer.
Held = tuple[str, Tensor, str]


def layers(net: Any) -> list[tuple[str, str, list[Held]]]:
    """The name, the place and the weights of every layer in a net, and in the nets in it."""
    seen: set[int] = set()
    found = list(_of_net(net, "", "", seen))
    own = _own(net, seen, {id(weight): name for name, weight in named_weights(net).items()})
    return [(net.name, "", own), *found] if own else found


def parts_by_place(owner: Any, place: str = "") -> dict[str, Any]:
    """The layers in a net, and those in them, by their places."""
    found = {}
    for path, part in _parts(owner):
        found[f"{place}{path}"] = part
        found |= parts_by_place(part, f"{place}{path}/")
    return found


def _of_net(net: Any, names: str, place: str, seen: set[int]) -> Iterator[tuple[str, str, list[Held]]]:
    known = {id(part): name for name, part in net.named_children()}
    for path, part in _parts(net):
        if id(part) in seen:
            continue
        seen.add(id(part))
        name, group = f"{names}{known.get(id(part)) or getattr(part, 'name', path)}", f"{place}{path}"
        if hasattr(part, "graph") and "module" not in part._modules:
            own = _own(part, seen, {id(weight): key for key, weight in named_weights(part).items()})
            if own:
                yield name, group, own
            yield from _of_net(part, f"{name}.", f"{group}/", seen)
        else:
            yield name, group, _of_layer(part, seen)


def _of_layer(layer: Any, seen: set[int]) -> list[Held]:
    """The weights of a layer and of its parts, in the layer's own order; one that it repeats, at each place."""
    names = {id(weight): name for name, weight in named_weights(layer).items()}
    held = list(_below(layer, "", seen, names))
    weights = layer.weights if isinstance(layer, Layer) else [weight for _, weight, _ in held]
    order = {id(weight): number for number, weight in enumerate(weights)}
    return sorted((one for one in held if id(one[1]) in order), key=lambda one: order[id(one[1])])


def _below(part: Any, place: str, seen: set[int], names: dict[int, str]) -> Iterator[Held]:
    for name, weight, own in _own(part, seen, names):
        yield name, weight, f"{place}{own}"
    for path, inner in _parts(part):
        if id(inner) not in seen:
            seen.add(id(inner))
            yield from _below(inner, f"{place}{path}/", seen, names)


def _own(part: Any, seen: set[int], names: dict[int, str]) -> list[Held]:
    """The weights that a part holds itself, those that train first."""
    if isinstance(part, Layer):
        held = (part._own(name) for name in part.weight_names)
        weights = [weight for weight in held if weight is not None]  # those of a module of PyTorch are in a part
        weights.sort(key=lambda weight: not isinstance(weight, nn.Parameter))
    else:
        weights = named_tensors(part)
    fresh = [weight for weight in weights if id(weight) not in seen]
    seen |= {id(weight) for weight in fresh}
    fresh = [getattr(part, name) for name in getattr(part, "keras_repeats", ())] + fresh
    inside = getattr(part, "keras_place", "")
    return [(names[id(weight)], weight, f"{inside}vars/{number}") for number, weight in enumerate(fresh)]


def _parts(owner: Any) -> list[tuple[str, Any]]:
    """The layers that an object holds, with their places, in Keras's order."""
    if not isinstance(owner, Layer):  # its own tensors are those of all its parts
        return []
    listed = getattr(owner, "is_stack", False) or getattr(owner, "graph", None) is not None
    layers: Any = owner.layers if listed else []
    first = list(_numbered("layers", layers))
    return first + [entry for name in _attributes(owner) for entry in _in_attribute(owner, name)]


def _attributes(owner: Any) -> list[str]:
    """The names of attributes that may hold layers, private ones last."""
    other: dict[str, str] = getattr(owner, "keras_parts", {})
    public = [name for name, value in vars(owner).items() if type(value) in (list, tuple, dict) and name[0] != "_"]
    names = {*owner._modules, *public, *(("layers",) if hasattr(owner, "graph") else ())}
    return sorted(names, key=lambda name: f"~{name}" if str(other.get(name, name)).startswith("_") else name)


def _in_attribute(owner: Any, name: str) -> Iterator[tuple[str, Any]]:
    if name in owner._modules:
        part = owner._modules[name]
        place = getattr(owner, "keras_parts", {}).get(name, name)
        return iter([(place, part)] if part is not None else [])
    value = owner.layers if name == "layers" else vars(owner)[name]
    return _numbered(name, value.values() if isinstance(value, dict) else value)


def _numbered(place: str, held: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """The layers in a container, and in those in it, numbered by their classes."""
    counts: dict[str, int] = {}
    for one in held:
        nested = type(one) in (list, tuple, dict)
        if not nested and not isinstance(one, nn.Module):
            continue
        stem = "container" if nested else _stem(one)
        counts[stem] = counts.get(stem, -1) + 1
        path = f"{place}/{stem}_{counts[stem]}" if counts[stem] else f"{place}/{stem}"
        if nested:
            yield from _numbered(path, one.values() if isinstance(one, dict) else one)
        else:
            yield path, one


def _stem(part: Any) -> str:
    """The class in snake case, that of graphs under Keras's name for it."""
    name = type(part).__name__
    if name == "Model" and type(part).__module__.startswith("handson.") and getattr(part, "graph", None) is not None:
        return "functional"
    return getattr(part, "automatic_name", "") or snake_case(name)

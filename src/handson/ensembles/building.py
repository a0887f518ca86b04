"""From what a user gives to a member: a function that builds a net, or a net that is copied with another seed."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch

from handson.core import registry
from handson.core.described import Noun
from handson.core.errors import HandsonError
from handson.files.description import describe_compiled
from handson.layers.base import Layer
from handson.models import Model
from handson.randomness.keys import check_seed, derive
from handson.state.state import named_weights

EXPECTED = "a compiled net, or a function that returns one, such as def build(units=64): ...; return net"


def build_net(build: Any, seed: int, settings: Mapping[str, Any] | None = None) -> Model:
    """A net of its own, compiled, with a seed.

    Parameters
    ----------
    build : function or Model
        A function that returns a compiled net; if it has an argument `seed`, it is given it. Or a compiled net, which
        is copied by its configuration: weights are drawn anew, from the seed, but for what does not train (frozen
        weights, what layers were adapted to).
    seed : int
        The member's seed.
    settings : dict, optional
        Arguments of the function; a seed among them takes the place of the member's.

    Raises
    ------
    HandsonError
        When it is neither, or when the net is not compiled.

    Examples
    --------
    >>> from handson import Sequential
    >>> from handson.layers import Dense
    >>> net = Sequential([Dense(1, input_dim=2)], seed=0)
    >>> net.compile("adam", "mse")
    >>> build_net(net, 7).seed
    7
    """
    seed = check_seed((settings or {}).get("seed", seed))
    if isinstance(build, Model):
        net: Any = _copy(build)
    elif callable(build) and not inspect.isclass(build):
        net = _call(build, seed, dict(settings or {}))
    else:
        raise HandsonError(f"build is {EXPECTED}; got {build!r}.")
    if not isinstance(net, Model):
        raise HandsonError(f"build is {EXPECTED}; it returned {net!r}.")
    if not net.compiled:
        raise HandsonError("build must return a compiled net: call net.compile(optimizer='adam', loss=...) in it.")
    net.redraw(seed)
    net.seed, net.seed_given = seed, True
    return net


def parameters_of(build: Callable[..., Any]) -> tuple[list[str], bool]:
    """The names of a function's arguments, and whether it takes any others."""
    found = inspect.signature(build).parameters
    named = [name for name, each in found.items() if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)]
    return named, any(each.kind is each.VAR_KEYWORD for each in found.values())


def _call(build: Callable[..., Any], seed: int, settings: dict[str, Any]) -> Any:
    """Call a function; what it draws from torch's own generator follows the seed too."""
    if "seed" in parameters_of(build)[0]:
        settings.setdefault("seed", seed)
    # An optimizer or layer among the settings belongs to one net.
    own = {key: copy.deepcopy(each) if isinstance(each, (Noun, torch.nn.Module)) else each
           for key, each in settings.items()}  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(derive(seed, "build") >> 1)
        return build(**own)


def _copy(net: Model) -> Model:
    if not net.compiled:
        raise HandsonError("the net is not compiled: call net.compile(optimizer='adam', loss=...) first.")
    if net.graph is None and type(net).get_config is Model.get_config and "module" in net._modules:
        raise HandsonError(
            f"this net cannot be copied with another seed: nothing describes the {type(net.module).__name__} of "
            f"PyTorch in it. Give a function that builds and compiles it."
        )
    try:
        made: Any = registry.from_config("model", registry.to_config("model", net))
        made.compile(**(describe_compiled(net) or {}))
    except HandsonError as error:
        raise HandsonError(
            f"this net cannot be copied with another seed: {error} Or give a function that builds and compiles it."
        ) from None
    if net.built_shape is not None:
        made.ready_for(net.built_shape)
        weights = dict(net.named_parameters())
        for name, weight in made.named_parameters():
            weight.requires_grad_(weights[name].requires_grad if name in weights else True)
    _take_what_does_not_train(made, net)
    return made


@torch.no_grad()
def _take_what_does_not_train(made: Model, net: Model) -> None:
    """Give a copy the weights that a training would leave as they are, unless they are as the net drew them."""
    parts = {path: part for path, part in net.named_modules() if path and isinstance(part, Layer)}
    found = [path for path, part in parts.items() if not part.trainable or hasattr(part, "adapt")]
    for path in found:  # of a net that is not built yet, such a layer may be
        if parts[path].built:
            made.get_submodule(path).ensure_built(parts[path].built_shape)  # type: ignore[operator]
    settled = tuple(f"{path}." for path in found)
    copies, parameters = named_weights(made), dict(net.named_parameters())
    for name, weight in named_weights(net).items():
        path, _, own = name.rpartition(".")
        stays = name.startswith(settled) or (name in parameters and not weight.requires_grad)
        fresh = path in parts and parts[path].drawn.unwritten(own, weight)
        if stays and not fresh and name in copies:
            copies[name].copy_(weight)

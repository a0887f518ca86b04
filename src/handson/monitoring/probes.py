"""Probes: what the layers of a net put out in one step, summed where the net computes and read in one transfer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from handson.core import tree
from handson.layers.base import Layer
from handson.layers.core import InputLayer

# A unit is dead when it was silent in so many looks one after another: one batch may just not interest it.
DEAD_LOOKS = 4
# The values that an activation cannot leave, by its name.
BOUNDS = {"sigmoid": (0.0, 1.0), "hard_sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "hard_tanh": (-1.0, 1.0)}
OF_TORCH: dict[type, str] = {nn.Sigmoid: "sigmoid", nn.Tanh: "tanh", nn.Hardtanh: "hard_tanh"}
# As near to a bound as this share of their distance is at the bound; so many of a unit's values are at one when it is
# saturated.
NEAR, MOSTLY = 0.01, 0.95


def probed_layers(net: nn.Module) -> dict[str, nn.Module]:
    """The layers of a net that probes look at, by name: those of nets inside it too, cells of recurrent layers not.

    Examples
    --------
    >>> list(probed_layers(nn.Sequential(nn.Linear(2, 3), nn.ReLU())))
    ['0', '1']
    """
    return dict(_walk(net, ""))


def _walk(module: nn.Module, path: str) -> Iterator[tuple[str, nn.Module]]:
    is_layer = isinstance(module, Layer) and module.kind == "layer"
    parts = [(name, part) for name, part in module.named_children()]
    if isinstance(module, InputLayer):
        return
    if path and (is_layer or not parts):
        yield path, module
        return
    for name, part in parts:
        yield from _walk(part, f"{path}.{name}" if path else name)


class Probe:
    """What one layer puts out: summed over the calls of a step; silence is remembered from look to look.

    Parameters
    ----------
    layer : nn.Module
        The layer.
    """

    def __init__(self, layer: nn.Module) -> None:
        self.layer = layer
        self.bounds = _bounds(layer)
        self.silence: Tensor | None = None
        self._sums: list[Tensor] = []
        self._fired: Tensor | None = None
        self._bound: Tensor | None = None
        self._count = self._rows = 0

    @torch.no_grad()
    def see(self, layer: nn.Module, inputs: Any, output: Any) -> None:
        """Take up an output; what forward hooks are called with."""
        leaves = [leaf for leaf in tree.leaves(output) if isinstance(leaf, Tensor) and leaf.is_floating_point()]
        if not leaves or not leaves[0].numel():
            return
        values = leaves[0].detach().float()
        units = _by_unit(values, self.layer)
        self._sums.append(torch.stack([units.sum(), units.square().sum()]))
        fired = units.ne(0).any(0)
        if self._fired is not None and self._fired.shape != fired.shape:  # another width in another call
            return
        self._count, self._rows = self._count + units.numel(), self._rows + len(units)
        self._fired = fired if self._fired is None else self._fired | fired
        if self.bounds is not None:
            low, high = self.bounds
            margin = NEAR * (high - low)
            bound = ((units < low + margin) | (units > high - margin)).sum(0)
            self._bound = bound if self._bound is None else self._bound + bound

    def numbers(self) -> dict[str, Tensor]:
        """What was seen since the last time, as scalars on the device."""
        if self._fired is None:
            return {}
        total, squares = torch.stack(self._sums).double().sum(0) / self._count
        silent = ~self._fired
        before = self.silence if self.silence is not None and self.silence.shape == silent.shape else 0
        self.silence = torch.where(silent, before + 1, 0)
        found = {
            "mean": total,
            "spread": (squares - total.square()).clamp(min=0).sqrt(),
            "silent": silent.double().mean(),
            "dead": (self.silence >= DEAD_LOOKS).double().mean(),
        }
        if self._bound is not None:
            found["saturated"] = (self._bound > MOSTLY * self._rows).double().mean()
        self._sums, self._fired, self._bound, self._count, self._rows = [], None, None, 0, 0
        return found


class Probes:
    """Probes at all layers of a net; they see its steps as long as it is entered.

    Parameters
    ----------
    net : nn.Module
        The net.
    """

    def __init__(self, net: nn.Module) -> None:
        self.probes = {name: Probe(layer) for name, layer in probed_layers(net).items()}
        self._handles: list[Any] = []

    def __enter__(self) -> Probes:
        self._handles = [probe.layer.register_forward_hook(probe.see) for probe in self.probes.values()]
        return self

    def __exit__(self, *exception: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def numbers(self) -> dict[str, dict[str, Tensor]]:
        """What every layer did since the last time."""
        return {name: probe.numbers() for name, probe in self.probes.items()}


def to_host(numbers: Sequence[Any]) -> list[float]:
    """Scalars on a device, and numbers, as floats: one transfer."""
    device = next((number.device for number in numbers if isinstance(number, Tensor)), None)
    held = [torch.as_tensor(number, dtype=torch.float64, device=device).reshape(()) for number in numbers]
    return torch.stack(held).tolist() if held else []


def _by_unit(values: Tensor, layer: nn.Module) -> Tensor:
    """Outputs with one column for each unit: channels are last in handson's layers, first in those of PyTorch."""
    if values.dim() < 2:
        return values.reshape(-1, 1)
    first = not getattr(layer, "last", True) if isinstance(layer, Layer) else values.dim() > 3
    return (values.movedim(1, -1) if first else values).reshape(-1, values.shape[1 if first else -1])


def _bounds(layer: nn.Module) -> tuple[float, float] | None:
    """The values between which the outputs of a layer stay, where an activation is the last that it applies."""
    if hasattr(layer, "recurrent_activation"):
        return None
    activation = getattr(layer, "activation", None)
    name = OF_TORCH.get(type(layer)) or str(getattr(activation, "__name__", ""))
    return BOUNDS.get(name)

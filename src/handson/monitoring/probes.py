"""Probes: what the layers of a net put out in one step, summed where the net computes and read in one transfer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

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
# On a CPU so many numbers are taken at once, which stay in its cache.
PIECE = 1 << 17
MEASURED = ("mean", "spread", "silent", "dead", "saturated")


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
    """What one layer puts out, summed over the calls of a step.

    Parameters
    ----------
    layer : nn.Module
        The layer.
    """

    def __init__(self, layer: nn.Module) -> None:
        self.layer = layer
        self.bounds = _bounds(layer)
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.moments: list[tuple[Tensor, Tensor, int]] = []
        self.fired: Tensor | None = None
        self.bound: Tensor | None = None
        self.rows = 0

    @torch.no_grad()
    def see(self, layer: nn.Module, inputs: Any, output: Any) -> None:
        """Take up an output; what forward hooks are called with."""
        leaves = [output] if isinstance(output, Tensor) else tree.leaves(output)
        leaf = next((leaf for leaf in leaves if isinstance(leaf, Tensor) and leaf.is_floating_point()), None)
        if leaf is None or not leaf.numel():
            return
        units = _by_unit(leaf.detach().float(), self.layer)
        fired = (units.amax(0) != 0) | (units.amin(0) != 0)
        if self.fired is not None and self.fired.shape != fired.shape:  # another width in another call
            return
        self.moments.append((*_moments(units), units.numel()))
        self.fired = fired if self.fired is None else self.fired | fired
        self.rows += len(units)
        if self.bounds is not None:
            low, high = self.bounds
            bound = (units - (low + high) / 2).abs_().gt_((0.5 - NEAR) * (high - low)).sum(0)
            self.bound = bound if self.bound is None else self.bound + bound

    def mean_and_spread(self) -> tuple[Tensor, Tensor]:
        """Of all outputs since `forget`."""
        if len(self.moments) == 1:
            variance, mean, _ = self.moments[0]
            return mean, variance.sqrt()
        variances, means, counts = zip(*self.moments, strict=True)
        shares = torch.tensor(counts, device=means[0].device) / sum(counts)
        mean = (shares * torch.stack(means)).sum()
        return mean, (shares * (torch.stack(variances) + (torch.stack(means) - mean).square())).sum().sqrt()


class Seen(NamedTuple):
    """What the layers put out.

    Attributes
    ----------
    names : list of str
        The layers that put out numbers.
    values : Tensor, shape (layers, 5)
        For each, the quantities of `MEASURED`; NaN where there is none.
    """

    names: list[str]
    values: Tensor


class Probes:
    """Probes at all layers of a net; they see its steps as long as it is entered.

    Parameters
    ----------
    net : nn.Module
        The net.

    Examples
    --------
    >>> net = nn.Linear(2, 2)
    >>> with Probes(nn.Sequential(net, nn.ReLU())) as probes:
    ...     output = net(torch.zeros(1, 2))
    >>> probes.read().names
    ['0']
    """

    def __init__(self, net: nn.Module) -> None:
        self.probes = {name: Probe(layer) for name, layer in probed_layers(net).items()}
        self._handles: list[Any] = []
        # For how many looks each unit of each layer has been silent.
        self._silence: Tensor | None = None

    def __enter__(self) -> Probes:
        self._handles = [probe.layer.register_forward_hook(probe.see) for probe in self.probes.values()]
        return self

    def __exit__(self, *exception: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []

    @torch.no_grad()
    def read(self) -> Seen:
        """What every layer did since the last time."""
        seen = [(name, probe) for name, probe in self.probes.items() if probe.fired is not None]
        if not seen:
            return Seen([], torch.zeros(0, len(MEASURED)))
        values = torch.stack([torch.stack(probe.mean_and_spread()) for _, probe in seen])
        values = torch.cat([values, *self._shares([probe for _, probe in seen])], 1)
        for _, probe in seen:
            probe.forget()
        return Seen([name for name, _ in seen], values)

    def _shares(self, probes: list[Probe]) -> list[Tensor]:
        """Of each layer, the shares of units that are silent, dead and saturated, a column each."""
        fired = [probe.fired for probe in probes if probe.fired is not None]
        silent = ~torch.cat(fired)
        before = 0 if self._silence is None or self._silence.shape != silent.shape else self._silence
        self._silence = torch.where(silent, before + 1, 0)
        widths = torch.tensor([len(units) for units in fired], device=silent.device)
        owner = torch.repeat_interleave(torch.arange(len(fired), device=silent.device), widths)
        nothing = torch.full((1,), float("nan"), device=silent.device)
        saturated = [
            nothing.expand(len(units)) if probe.bound is None else (probe.bound > MOSTLY * probe.rows).float()
            for probe, units in zip(probes, fired, strict=True)
        ]
        flags = torch.stack([silent.float(), (self._silence >= DEAD_LOOKS).float(), torch.cat(saturated)], 1)
        return [torch.zeros(len(fired), 3, device=silent.device).index_add_(0, owner, flags) / widths[:, None]]


def _moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """The variance and the mean: on a CPU in a tenth of the time that `torch.var_mean` takes for large tensors."""
    mean = values.mean()
    pieces = values.split(max(1, PIECE // values.shape[1])) if values.device.type == "cpu" else (values,)
    return torch.stack([(piece - mean).square_().sum() for piece in pieces]).sum() / values.numel(), mean


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

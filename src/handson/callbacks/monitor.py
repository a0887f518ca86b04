"""The callback that looks into a net while it trains."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from handson import monitoring
from handson.callbacks.base import Callback, Logs
from handson.core import console
from handson.core.errors import whole
from handson.core.registry import register
from handson.monitoring.probes import MEASURED, Probes

# The share of the time of a training that looks may take, after the first seconds of looking, which are free.
SHARE, FREE = 0.015, 0.01
# The steps up to which every stretch is looked at, however long that takes: at most so many, and only so large a part
# of the training, since a look takes as long as a few steps.
DENSE_STEPS, DENSE_PART = 64, 0.01
# Later looks are as rare as 1/200 of the time so far: a week has a few thousand of them.
PER_SPAN = 200


class Rehearsed(NamedTuple):
    """What a step would do to the weights.

    Attributes
    ----------
    epoch : int
        The epoch that it belongs to.
    loss : Tensor or float
        The loss of its rows.
    names : list of str
        The weights that train.
    sizes : list of int
        How many values each of them has.
    norms : Tensor, shape (3, weights)
        The Euclidean norms of the values of each, of its gradient and of its update.
    """

    epoch: int
    loss: Any
    names: Sequence[str]
    sizes: Sequence[int]
    norms: Tensor


@register
class Monitor(Callback):
    """Looks into the net: activations, gradients, weights and updates of every layer, over the training.

    A look runs the next step on the reference engine, sees what the layers put out and what the optimizer would do, and
    takes everything back: the training has the same numbers, bit for bit, with and without. In the first steps looks
    are dense; later they come so rarely that they take about 2 % of the time.

    Parameters
    ----------
    every : int, optional
        Look after every so many steps, however long that takes. None: as often as it costs little.
    path : str or path, optional
        A file to write the looks to. A recorded training (`fit(run=...)`) writes `journal.jsonl` into its folder.

    Attributes
    ----------
    journal : Journal
        What was seen so far.
    seconds : float
        How long the looks of this training have taken.

    Examples
    --------
    >>> import handson
    >>> import numpy as np
    >>> net = handson.Sequential([handson.layers.Dense(4, activation="relu", input_dim=3), handson.layers.Dense(1)])
    >>> net.compile("adam", "mse")
    >>> monitor = Monitor()
    >>> history = net.fit(np.ones((64, 3)), np.ones(64), epochs=2, verbose=0, callbacks=[monitor])
    >>> monitor.journal.layers
    ['dense', 'dense_1']
    """

    passive: ClassVar[bool] = True

    def __init__(self, every: int | None = None, path: str | os.PathLike[str] | None = None) -> None:
        self.every = None if every is None else whole("Monitor: every", every, 1)
        self.path = None if path is None else os.fspath(path)
        self.journal = monitoring.Journal()
        self._writes = False
        self._probes: Probes | None = None
        self._latest: Callable[[], Rehearsed] | None = None
        self._begun = self.seconds = self._last = 0.0
        self._last_step, self._first_step, self._dense_steps = -1, 0, DENSE_STEPS

    @property
    def step_interval(self) -> int | None:
        return self.every

    def write_to(self, folder: Path) -> None:
        """Write the looks into a run folder, unless a file was given."""
        self.path = self.path or os.fspath(folder / monitoring.Journal.file)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.journal, self._probes, self._latest = monitoring.Journal(), None, None
        self._begun, self.seconds, self._last, self._last_step = time.perf_counter(), 0.0, 0.0, -1
        self._first_step = self.model.optimizer.iterations
        steps = self.params.get("steps")
        total = DENSE_STEPS / DENSE_PART if steps is None else steps * self.params["epochs"]
        self._dense_steps = max(1, min(DENSE_STEPS, int(DENSE_PART * total)))
        self._begin()

    def _begin(self) -> None:
        """What an earlier part of the training wrote comes first."""
        self._writes = self.path is not None
        try:
            if self.path is not None and Path(self.path).exists():
                self.journal = monitoring.Journal.read(self.path)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._writes = False
        console.say(f"{self.path}: {error.strerror or error}. The training goes on, and its journal is not written.")

    def on_look_inside(self, step: int, look: Callable[[], Rehearsed]) -> None:
        self._latest = look
        if self._is_due(step):
            self._look(step, look)

    def on_train_end(self, logs: Logs | None = None) -> None:
        step = self.model.optimizer.iterations
        if self._latest is not None and step > self._last_step:
            self._look(step, self._latest)
        self._latest = None

    def _is_due(self, step: int) -> bool:
        if self.every is not None:
            return self._last_step < 0 or step - self._last_step >= self.every
        elapsed = time.perf_counter() - self._begun
        affordable = self.seconds <= FREE + SHARE * elapsed and elapsed >= self._last * (1 + 1 / PER_SPAN)
        return step - self._first_step < self._dense_steps or affordable

    def _look(self, step: int, look: Callable[[], Rehearsed]) -> None:
        started = time.perf_counter()
        if self._probes is None:
            self._probes = Probes(self.model)  # type: ignore[arg-type]
        with self._probes:
            rehearsed = look()
        seen = self._as_look(step, rehearsed, self._probes)
        self.journal.add(seen)
        try:
            if self._writes and self.path is not None:
                seen.append_to(Path(self.path))
        except OSError as error:
            self._give_up(error)
        now = time.perf_counter()
        self.seconds, self._last, self._last_step = self.seconds + now - started, now - self._begun, step

    def _as_look(self, step: int, rehearsed: Rehearsed, probes: Probes) -> monitoring.Look:
        """Everything that was seen, as numbers on the host: one transfer."""
        seen, norms = probes.read(), rehearsed.norms
        loss = torch.as_tensor(rehearsed.loss, dtype=torch.float32, device=norms.device)
        flat = torch.cat([seen.values.to(norms.device).reshape(-1), norms.reshape(-1), loss.reshape(1)]).cpu().numpy()
        outputs = flat[: seen.values.numel()].reshape(-1, len(MEASURED))
        layers = {name: _named(MEASURED, row) for name, row in zip(seen.names, outputs, strict=True)}
        for owner, found in _by_layer(rehearsed, flat[outputs.size : -1].reshape(3, -1), layers).items():
            layers.setdefault(owner, {}).update(found)
        kinds = {name: type(probe.layer).__name__ for name, probe in probes.probes.items()}
        return monitoring.Look(
            step=step,
            epoch=rehearsed.epoch,
            seconds=round(time.perf_counter() - self._begun, 4),
            loss=_short(flat[-1]),
            layers={name: monitoring.LayerLook(kind=kinds.get(name, ""), **found) for name, found in layers.items()},
        )


def _by_layer(rehearsed: Rehearsed, norms: np.ndarray, layers: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The norms of all weights of a layer together, from those of each."""
    owners = [_owner(name, layers) for name in rehearsed.names]
    places = {owner: place for place, owner in enumerate(dict.fromkeys(owners))}
    numbers = np.array([places[owner] for owner in owners], int)
    squares, sizes = np.zeros((len(places), 3)), np.zeros(len(places), int)
    np.add.at(squares, numbers, np.square(norms.T.astype(np.float64)))
    np.add.at(sizes, numbers, np.array(rehearsed.sizes, int))
    return {
        owner: _named(("weight", "gradient", "update"), np.sqrt(squares[place])) | {"size": int(sizes[place])}
        for owner, place in places.items()
    }


def _named(names: Sequence[str], values: np.ndarray) -> dict[str, Any]:
    return {name: _short(value) for name, value in zip(names, values, strict=True)}


def _owner(weight: str, layers: Mapping[str, Any]) -> str:
    """The layer that a weight belongs to: of cells and layers inside others, the outer one that was probed."""
    parts = weight.split(".")
    prefixes = (".".join(parts[:length]) for length in range(1, len(parts)))
    return next((name for name in prefixes if name in layers), ".".join(parts[:-1]) or weight)


def _short(value: float) -> float | None:
    """A number with the digits that matter; None for one that is not finite, which JSON does not have."""
    return float(f"{value:.5g}") if np.isfinite(value) else None

"""The callback that looks into a net while it trains."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from handson import monitoring
from handson.callbacks.base import Callback, Logs
from handson.core import console
from handson.core.errors import whole
from handson.core.registry import register
from handson.monitoring.probes import MEASURED, Probes

# The share of the time of a training that looks may take, beside the first seconds of looking, which are free.
SHARE, FREE = 0.02, 0.03
# The steps up to which every stretch is looked at, however long that takes: at most so many, and only so large a part
# of the training, since a look takes as long as a few steps.
DENSE_STEPS, DENSE_PART = 64, 0.01
# Later looks are as rare as 1/200 of the time so far: a week has a few thousand of them.
PER_SPAN = 200


class Update(NamedTuple):
    """What a step does to the weights.

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
    trained : float
        How many seconds the step itself took, where it is one of the training.
    """

    epoch: int
    loss: Any
    names: Sequence[str]
    sizes: Sequence[int]
    norms: Tensor
    trained: float = 0.0


class NextStep(Protocol):
    """The step that comes next, for callbacks to look into; `last` says whether it is the last of the training."""

    last: bool

    def __call__(self, hooks: AbstractContextManager[Any]) -> Update:
        """What the step does; the hooks are entered while its forward pass runs."""


@register
class Monitor(Callback):
    """Looks into the net: activations, gradients, weights and updates of every layer, over the training.

    A look sees the next step: what the layers put out in a forward pass of the reference engine, which is taken back,
    the gradients, and what the optimizer does. The training has the same numbers, bit for bit, with and without. In the
    first steps looks are dense; later they come so rarely that they take about 2 % of the time. The last step is looked
    into if there is time for it.

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
        self._begun = self.seconds = self._last = self._took = 0.0
        self._last_step, self._first_step, self._dense_steps = -1, 0, DENSE_STEPS

    @property
    def step_interval(self) -> int | None:
        return self.every

    def write_to(self, folder: Path) -> None:
        """Write the looks into a run folder, unless a file was given."""
        self.path = self.path or os.fspath(folder / monitoring.Journal.file)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.journal, self._probes, self._last_step = monitoring.Journal(), None, -1
        self._begun, self.seconds, self._last, self._took = time.perf_counter(), 0.0, 0.0, 0.0
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

    def on_look_inside(self, step: int, look: NextStep) -> None:
        if self._is_due(step, look.last):
            self._look(step, look)

    def _is_due(self, step: int, last: bool) -> bool:
        if self.every is not None:
            return last or self._last_step < 0 or step - self._last_step >= self.every
        if step - self._first_step < self._dense_steps:
            return True
        elapsed = time.perf_counter() - self._begun
        affordable = self.seconds + self._took <= FREE + SHARE * elapsed
        return affordable and (last or elapsed >= self._last * (1 + 1 / PER_SPAN))

    def _look(self, step: int, look: NextStep) -> None:
        started = time.perf_counter()
        if self._probes is None:
            self._probes = Probes(self.model)  # type: ignore[arg-type]
        update = look(self._probes)
        seen = self._as_look(step, update, self._probes)
        self.journal.add(seen)
        try:
            if self._writes and self.path is not None:
                seen.append_to(Path(self.path))
        except OSError as error:
            self._give_up(error)
        now = time.perf_counter()
        self._took, self._last, self._last_step = now - started - update.trained, now - self._begun, step
        self.seconds += self._took

    def _as_look(self, step: int, update: Update, probes: Probes) -> monitoring.Look:
        """Everything that was seen, as numbers on the host: one transfer."""
        seen, norms = probes.read(), update.norms
        loss = torch.as_tensor(update.loss, dtype=torch.float32, device=norms.device)
        flat = torch.cat([seen.values.to(norms.device).reshape(-1), norms.reshape(-1), loss.reshape(1)]).cpu().numpy()
        outputs = flat[: seen.values.numel()].reshape(-1, len(MEASURED))
        layers = {name: _named(MEASURED, row) for name, row in zip(seen.names, outputs, strict=True)}
        for owner, found in _by_layer(update, flat[outputs.size : -1].reshape(3, -1), layers).items():
            layers.setdefault(owner, {}).update(found)
        kinds = {name: type(probe.layer).__name__ for name, probe in probes.probes.items()}
        return monitoring.Look(
            step=step,
            epoch=update.epoch,
            seconds=round(time.perf_counter() - self._begun, 4),
            loss=_short(flat[-1]),
            layers={name: monitoring.LayerLook(kind=kinds.get(name, ""), **found) for name, found in layers.items()},
        )


def _by_layer(update: Update, norms: np.ndarray, layers: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The norms of all weights of a layer together, from those of each."""
    owners = [_owner(name, layers) for name in update.names]
    places = {owner: place for place, owner in enumerate(dict.fromkeys(owners))}
    numbers = np.array([places[owner] for owner in owners], int)
    squares, sizes = np.zeros((len(places), 3)), np.zeros(len(places), int)
    np.add.at(squares, numbers, np.square(norms.T.astype(np.float64)))
    np.add.at(sizes, numbers, np.array(update.sizes, int))
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

"""The journal of a training: one line of JSON for each look into the net, readable while the training runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from handson.core import regular
from handson.core.errors import HandsonError, listing, nearest
from handson.files import atomic, strict_json

# Ten thousand looks into a net of two hundred layers.
MOST_BYTES = 1 << 30
# What is known of a layer, and what follows from it.
RATIO = "ratio"


class LayerLook(BaseModel):
    """What a layer did in one step.

    Attributes
    ----------
    kind : str
        The class of the layer.
    mean, spread : float, optional
        Mean and standard deviation of its outputs; NaN where they are NaN or infinite, None where it has none.
    silent : float, optional
        The share of its units whose output is 0 for every row of the step.
    dead : float, optional
        The share of its units that were silent in this look and in the last ones, `probes.DEAD_LOOKS` together.
    saturated : float, optional
        The share of its units whose output is within 1 % of a bound of its activation for more than 95 % of the rows.
    weight, gradient, update : float, optional
        The Euclidean norms of its weights, of their gradient, and of what the step adds to them.
    size : int
        How many weights it trains.
    """

    model_config = ConfigDict(extra="ignore")

    kind: str = ""
    mean: float | None = None
    spread: float | None = None
    silent: float | None = None
    dead: float | None = None
    saturated: float | None = None
    weight: float | None = None
    gradient: float | None = None
    update: float | None = None
    size: int = 0

    @property
    def ratio(self) -> float | None:
        """The norm of the update divided by that of the weights; healthy trainings are near 1e-3."""
        if self.update is None or self.weight is None:
            return None
        return self.update / self.weight if self.weight else float("nan")

    @property
    def gradient_rms(self) -> float | None:
        """The root mean square of the gradient: layers of different size are comparable."""
        return None if self.gradient is None or not self.size else self.gradient / self.size**0.5


class Look(BaseModel):
    """One look into a net: what step number `step` would do, counted from 0 over all trainings of the net.

    Attributes
    ----------
    step, epoch : int
        The step, over all trainings of the net, and the epoch that it belongs to.
    seconds : float
        Since the training began.
    loss : float, optional
        The loss of the step's rows.
    layers : dict of str to LayerLook
        By the names of the layers, from the input to the output.
    """

    model_config = ConfigDict(extra="ignore")

    step: int
    epoch: int = 0
    seconds: float = 0.0
    loss: float | None = None
    layers: dict[str, LayerLook] = {}

    def append_to(self, path: Path) -> None:
        """Add the look to a file, on a line of its own; the file is made if it is not there.

        The line is handed to the operating system but not forced onto the disk, which would take longer than the look
        itself: a power failure may take the last lines, a killed process at most a part of one.

        Raises
        ------
        OSError
            When it cannot be written, or leads through a link.
        """
        line = strict_json.dumps(self.model_dump(exclude_none=True)).encode() + b"\n"
        atomic.check_unlinked(path)
        with regular.open_to_change(path) as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
                line = line if file.read(1) == b"\n" else b"\n" + line  # a crash cut off the last line
            file.write(line)


QUANTITIES = (*(name for name in LayerLook.model_fields if name not in ("kind", "size")), RATIO, "gradient_rms")


class Journal:
    """The looks into a net, in the order of the steps.

    Parameters
    ----------
    looks : list of Look, optional
        What was seen so far.

    Attributes
    ----------
    file : str
        Its name in a run folder.

    Examples
    --------
    >>> journal = Journal([Look(step=0, layers={"dense": {"weight": 2.0, "update": 0.002}})])
    >>> steps, ratios = journal.series("dense", "ratio")
    >>> steps.tolist(), ratios.tolist()
    ([0], [0.001])
    """

    file = "journal.jsonl"

    def __init__(self, looks: list[Look] | None = None) -> None:
        self.looks = list(looks or [])

    def __len__(self) -> int:
        return len(self.looks)

    def __iter__(self) -> Iterator[Look]:
        return iter(self.looks)

    def add(self, look: Look) -> None:
        """Add a look; those at the same step and later ones are of a training that went back, and are left out."""
        while self.looks and self.looks[-1].step >= look.step:
            self.looks.pop()
        self.looks.append(look)

    @property
    def layers(self) -> list[str]:
        """The names of the layers, from the input to the output."""
        return list(dict.fromkeys(name for look in self.looks for name in look.layers))

    @property
    def steps(self) -> np.ndarray:
        """The steps that were looked at."""
        return np.array([look.step for look in self.looks], int)

    def series(self, layer: str, quantity: str) -> tuple[np.ndarray, np.ndarray]:
        """A quantity of a layer over the training.

        Parameters
        ----------
        layer : str
            The name of the layer.
        quantity : str
            'mean', 'spread', 'silent', 'dead', 'saturated', 'weight', 'gradient', 'gradient_rms', 'update', 'ratio'.

        Returns
        -------
        (ndarray of int, ndarray of float)
            The steps, and the quantity at each of them; NaN where it was not measured or not finite.
        """
        if layer not in self.layers:
            raise HandsonError(
                f"the journal knows no layer {layer!r}.{nearest(layer, self.layers)} Layers: {listing(self.layers)}."
            )
        if quantity not in QUANTITIES:
            raise HandsonError(
                f"the journal knows no {quantity!r}.{nearest(quantity, QUANTITIES)} There are: {listing(QUANTITIES)}."
            )
        found = [getattr(look.layers.get(layer), quantity, None) for look in self.looks]
        return self.steps, np.array([np.nan if value is None else value for value in found], float)

    def measured(self, quantity: str) -> list[str]:
        """The layers of which a quantity was measured."""
        return [name for name in self.layers if np.isfinite(self.series(name, quantity)[1]).any()]

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Journal:
        """The journal in a file or a run folder, also while the training writes it.

        Lines that a crash cut off are left out.

        Raises
        ------
        FileNotFoundError
            When there is none.
        """
        path = Path(path)
        path = path / cls.file if path.is_dir() else path
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is not there: the training was not monitored. Train with fit(..., monitor=True), or "
                f"handson fit --monitor."
            )
        journal = cls()
        for line in regular.read_bytes(path, MOST_BYTES).splitlines():
            look = _parsed(line)
            if look is not None:
                journal.add(look)
        return journal


def _parsed(line: bytes) -> Look | None:
    """The look on a line; None for a torn line."""
    try:
        return Look.model_validate(strict_json.loads(line))
    except (HandsonError, ValidationError):
        return None

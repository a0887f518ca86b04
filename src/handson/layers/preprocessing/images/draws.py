"""Random numbers for the images of a batch: functions of a key and of the id of each sample."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from handson.randomness import derive, fresh_seed, stream, words
from handson.randomness.words import Key


class Draws:
    """The random numbers of one call of a layer; each purpose has a name.

    Parameters
    ----------
    keys : function of str
        Gives the key of a purpose.
    rows : Tensor of int, shape (n,)
        The ids of the samples.

    Examples
    --------
    >>> draws = Draws(lambda purpose: derive(0, purpose), torch.arange(2))
    >>> draws.uniform("angle", 0.0, 1.0).shape, draws.uniform("noise", 0.0, 1.0, 4, 4).shape
    (torch.Size([2]), torch.Size([2, 4, 4]))
    """

    def __init__(self, keys: Any, rows: Tensor, prefix: str = "") -> None:
        self._keys, self.rows, self._prefix = keys, rows, prefix

    def part(self, name: str) -> Draws:
        """Other numbers for the same samples."""
        return Draws(self._keys, self.rows, f"{self._prefix}{name}/")

    def _key(self, name: str) -> Key:
        return self._keys(self._prefix + name)

    def uniform(self, name: str, low: float, high: float, *shape: int) -> Tensor:
        """Numbers between two others, of shape (n, *shape)."""
        count = torch.Size(shape).numel()
        share = words.uniform(self._key(name), self.rows, count).view(-1, *shape)
        return share * (high - low) + low if high > low else share.new_full(share.shape, low)

    def normal(self, name: str, *shape: int) -> Tensor:
        """Standard normal numbers of shape (n, *shape)."""
        return words.normal(self._key(name), self.rows, torch.Size(shape).numel()).view(-1, *shape)

    def below(self, name: str, count: int) -> Tensor:
        """Whole numbers from 0 to ``count - 1``, of shape (n,)."""
        return (self.uniform(name, 0.0, 1.0) * count).long().clamp(max=count - 1)

    def chance(self, name: str, factor: tuple[float, float]) -> Tensor:
        """Whether something happens, of shape (n,): the probability lies between two numbers."""
        return self.uniform(f"{name}.threshold", 0.0, 1.0) < self.uniform(f"{name}.probability", *factor)

    def order(self, name: str) -> Tensor:
        """A random order of the samples."""
        return torch.argsort(self.uniform(name, 0.0, 1.0))


class Calls:
    """Where a layer is in its random numbers: in a training step those of the run, else those of its own calls."""

    def __init__(self) -> None:
        self.own: int | None = None
        self.count = 0

    def draws(self, layer: Any, count: int, device: torch.device) -> Draws:
        """The numbers of the next call, for `count` samples."""
        active = stream.current()
        if active is None:
            return self._outside(layer, count, device)
        rows = active.rows if len(active.rows) == count else torch.arange(count)
        call = active.call(layer.path)
        return Draws(lambda name: active.key(f"{call}/{name}", layer.seed), rows.to(device))

    def _outside(self, layer: Any, count: int, device: torch.device) -> Draws:
        if self.own is None:
            self.own = fresh_seed() if layer.seed is None else layer.seed
        self.count += 1
        start = (self.own, layer.path, self.count)
        return Draws(lambda name: derive(*start, name), torch.arange(count, device=device))

"""Where the key of a draw comes from: a number, a generator that counts its draws, or the training that is running."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.randomness import stream, words
from handson.randomness.keys import check_seed, derive, fresh_seed

_serials = itertools.count()


class Draw(NamedTuple):
    """One draw: its key, and the ids of the samples that it is for, where a net is trained."""

    key: words.Key
    rows: Tensor | None = None

    def spread(self, shape: tuple[int, ...]) -> tuple[Tensor, int]:
        """The ids of the rows of a shape, and how many numbers each has.

        Where the first axis is that of the batch, a row's numbers depend on its own id alone.
        """
        count = 1
        for size in shape:
            count *= size
        if self.rows is None:
            return torch.zeros(1, dtype=torch.int64), count
        if shape and len(self.rows) == shape[0] and shape[0]:
            return self.rows, count // shape[0]
        return self.rows[:1], count

    def whole_key(self) -> int | None:
        """The key as a number that is of this draw alone; None in a step that is recorded."""
        if isinstance(self.key, Tensor):
            return None
        return self.key if self.rows is None else derive(self.key, *self.rows[:1].tolist())

    def generator(self) -> torch.Generator:
        """A generator of torch for this draw alone."""
        key = self.whole_key()
        if key is None:
            raise HandsonError(
                "gamma, beta and binomial draw again and again until a value fits, which a recorded step cannot: use "
                "fit(engine='eager')."
            )
        return torch.Generator().manual_seed(key & (2**63 - 1))


class SeedGenerator:
    """Other random numbers at each draw, from one seed.

    Parameters
    ----------
    seed : int, optional
        The seed; by default a fresh one, which `handson.set_random_seed` fixes.
    name : str, optional
        A name.

    Notes
    -----
    While a net trains, draws are counted within a step, and a value is a function of the run's seed (or the one that
    was given), the epoch, the row and the draw's number.

    Examples
    --------
    >>> from handson.random import uniform
    >>> seeds = SeedGenerator(1)
    >>> first, second = uniform((3,), seed=seeds), uniform((3,), seed=seeds)
    >>> bool((first == second).any()), bool((first == uniform((3,), seed=SeedGenerator(1))).all())
    (False, True)
    """

    def __init__(self, seed: int | None = None, name: str | None = None) -> None:
        self.given = None if seed is None else check_seed(seed)
        self.seed = fresh_seed() if self.given is None else self.given
        self.name = name or "seed_generator"
        self.serial = next(_serials) if self.given is None else 0
        self.count = 0

    def draw(self) -> Draw:
        """The next draw."""
        running = stream.current()
        if running is None:
            self.count += 1
            return Draw(derive(self.seed, "draw", self.count))
        return Draw(running.key(f"random.{self.serial}.{running.number(self)}", self.given), running.rows)

    def next(self, ordered: bool = True) -> Tensor:
        """The seed of the next draw, as two numbers; `ordered` changes nothing."""
        self.count += 1
        return torch.tensor(words.halves(derive(self.seed, "draw", self.count)), dtype=torch.int64)

    def get_config(self) -> dict[str, Any]:
        """The arguments, as JSON."""
        return {"seed": self.given}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        """Make the generator that `get_config` told of."""
        return cls(**config)


_anonymous: list[SeedGenerator] = []


def draw_of(seed: Any) -> Draw:
    """The draw for what a user gave as `seed`."""
    if isinstance(seed, SeedGenerator):
        return seed.draw()
    if seed is not None:
        values = seed.tolist() if isinstance(seed, Tensor) else seed
        if isinstance(values, (list, tuple)):  # what SeedGenerator.next() gave
            return Draw(derive("draw", *values))
        return Draw(derive(check_seed(values), "draw"))
    if stream.current() is None:
        return Draw(derive(fresh_seed(), "draw"))
    if not _anonymous:
        _anonymous.append(SeedGenerator())
        _anonymous[0].serial = -1  # whatever else was made in this process: a resumed run is another one
    return _anonymous[0].draw()

"""Random variables: expressions that are drawn anew whenever a function runs.

In a training they follow its seed, as everything random does; in functions of one's own, the seed of their stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.graph import Node
from handson.models.device import default_device
from handson.randomness import stream
from handson.randomness.keys import check_seed, derive, fresh_seed
from handson.theano.configuration import config
from handson.theano.variable import Variable, apply, rank


class RandomStreams:
    """A source of random variables.

    Parameters
    ----------
    seed : int, optional
        Where it starts.

    Examples
    --------
    >>> from handson.theano import function
    >>> coin = function([], RandomStreams(1).binomial((4,), p=0.5))
    >>> coin().shape, set(coin()) <= {0.0, 1.0}
    ((4,), True)
    """

    def __init__(self, seed: int | None = None, use_cuda: Any = None) -> None:
        self._seed, self._made = 0, 0
        self.seed(seed)

    def seed(self, seed: int | None = None) -> None:
        """Start again, from another seed."""
        self._seed = fresh_seed() if seed is None else check_seed(int(np.asarray(seed).reshape(-1)[0]))
        self._made = 0

    def _drawn(self, what: str, size: Any, numbers: tuple[Any, ...], dtype: Any) -> Variable:
        kind = config.floatX if dtype in (None, "floatX") else str(np.dtype(dtype)) if dtype != "bfloat16" else dtype
        size = size if isinstance(size, (tuple, list, Variable)) else (size,)
        ndim = len(size) if isinstance(size, (tuple, list)) else self._length(size)
        self._made += 1
        draw = _Draw(what, derive(self._seed, what, self._made), kind)
        return apply(draw, tuple(size) if isinstance(size, list) else size, *numbers, ndim=ndim, dtype=kind)

    def _length(self, size: Variable) -> int:
        """The number of axes of a shape that is an expression: `x.shape` knows it."""
        found = getattr(size, "length", None)
        if found is None:
            raise HandsonError(f"size is a tuple, or x.shape of a variable; got {size!r}.")
        return int(found)

    def uniform(
        self, size: Any = (), low: Any = 0.0, high: Any = 1.0, ndim: Any = None, dtype: Any = None, **_: Any
    ) -> Variable:
        """Numbers between two bounds."""
        return self._drawn("uniform", size, (low, high), dtype)

    def normal(
        self, size: Any = (), avg: Any = 0.0, std: Any = 1.0, ndim: Any = None, dtype: Any = None, **_: Any
    ) -> Variable:
        """Normal numbers."""
        return self._drawn("normal", size, (avg, std), dtype)

    def binomial(
        self, size: Any = (), n: int = 1, p: Any = 0.5, ndim: Any = None, dtype: Any = "int64", **_: Any
    ) -> Variable:
        """How many of n trials succeed."""
        return self._drawn("binomial", size, (n, p), dtype)

    def random_integers(
        self, size: Any = (), low: int = 0, high: int = 1, ndim: Any = None, dtype: Any = "int64"
    ) -> Variable:
        """Whole numbers from low to high, both included."""
        return self._drawn("integers", size, (low, high + 1), dtype)

    def choice(
        self, size: Any = (), a: int = 2, replace: bool = True, p: Any = None, dtype: Any = "int64", **_: Any
    ) -> Variable:
        """Whole numbers below `a`."""
        if not replace or p is not None:
            raise HandsonError("choice draws with equal probabilities, with replacement; draw others with NumPy.")
        return self._drawn("integers", size, (0, a), dtype)

    def multinomial(
        self, size: Any = None, n: int = 1, pvals: Any = None, ndim: Any = None, dtype: Any = "int64", **_: Any
    ) -> Variable:
        """How often each class is drawn in n draws; each row of `pvals` has the probabilities of a draw.

        Examples
        --------
        >>> from handson.theano import function, tensor as T
        >>> function([], RandomStreams(1).multinomial(pvals=T.constant([[0.0, 1.0, 0.0]])))().tolist()
        [[0, 1, 0]]
        """
        if size is not None or pvals is None:
            raise HandsonError("multinomial takes pvals, a row of probabilities for each draw, and no size.")
        self._made += 1
        draw = _Draw("multinomial", derive(self._seed, "multinomial", self._made), str(np.dtype(dtype)))
        return apply(draw, (), n, pvals, ndim=rank(pvals), dtype=str(np.dtype(dtype)))


MRG_RandomStreams = RandomStreams


class _Draw:
    """What draws one random variable."""

    def __init__(self, what: str, key: int, dtype: str) -> None:
        self.what, self.key, self.dtype, self.runs = what, key, getattr(torch, dtype), 0
        self.__name__ = what

    def _generator(self) -> torch.Generator:
        """In a training a function of its seed, the epoch and the rows; else of this stream and how often it drew."""
        active = stream.current()
        if active is None:
            seed, self.runs = derive(self.key, self.runs), self.runs + 1
        else:
            first = int(active.rows[0]) if len(active.rows) else 0
            seed = derive(active.seed, "theano", self.key, active.epoch, first)
        return torch.Generator().manual_seed(seed >> 1)

    def __call__(self, size: Any, first: Any, second: Any) -> Tensor:
        sides = [int(side) for side in (size.tolist() if isinstance(size, Tensor) else size)]
        generator, device = self._generator(), default_device()
        if self.what == "normal":
            found = torch.randn(sides, generator=generator)
        elif self.what == "integers":
            return torch.randint(int(first), int(second), sides, generator=generator).to(device, self.dtype)
        elif self.what == "multinomial":
            chances = torch.as_tensor(second, dtype=torch.float64).cpu()
            picked = torch.multinomial(chances, int(first), replacement=True, generator=generator)
            counts = torch.zeros(chances.shape, dtype=torch.int64).scatter_add_(-1, picked, torch.ones_like(picked))
            return counts.to(device, self.dtype)
        elif self.what == "binomial":
            chance = torch.as_tensor(second, dtype=torch.float32).cpu()
            draws = torch.rand([int(first), *sides], generator=generator)
            return (draws < chance).sum(0).to(device, self.dtype)
        else:
            found = torch.rand(sides, generator=generator)
        found = found.to(device, self.dtype)
        return first + (second if self.what == "normal" else second - first) * found


def draws(nodes: Sequence[Node]) -> list[_Draw]:
    """What draws random variables among nodes, in loops too."""
    found: list[_Draw] = []
    for node in nodes:
        if isinstance(node.function, _Draw):
            found.append(node.function)
        elif hasattr(node.function, "body"):
            found += draws(node.function.body.plan.nodes)
    return found

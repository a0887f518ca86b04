"""What `predict` makes of what a net says: a point, a spread, or quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.core.errors import HandsonError, nearest
from handson.distributions import Distribution, Empirical, Moments, pool
from handson.distributions.pools import mixed_moments
from handson.distributions.tables import several

# What `spread=` may be, and how many runs with dropout there are by default.
SPREADS, RUNS = (False, True, "dropout"), 50


class Prediction(tuple[Any, Any]):
    """Mean and spread: ``mean, spread = net.predict(x, spread=True)``.

    Attributes
    ----------
    mean : ndarray, shape (n, ...)
        The predictions.
    spread : ndarray, shape (n, ...)
        Standard deviations, in the same units: the square root of the variances of both parts together.
    aleatoric : ndarray or None
        The part of the data: how far targets are from the mean, however well that is known.
    epistemic : ndarray or None
        The part of the net: how far members of an ensemble, or runs with other dropout, disagree.

    Notes
    -----
    Of a net with several outputs each is a list or dictionary of arrays, with None where there is none.

    Examples
    --------
    >>> mean, spread = found = Prediction(np.zeros(2), np.ones(2), aleatoric=np.ones(2))
    >>> found.spread is spread, found.epistemic
    (True, None)
    """

    aleatoric: Any
    epistemic: Any

    def __new__(cls, mean: Any, spread: Any, aleatoric: Any = None, epistemic: Any = None) -> Prediction:
        found = super().__new__(cls, (mean, spread))
        found.aleatoric, found.epistemic = aleatoric, epistemic
        return found

    def __getnewargs__(self) -> tuple[Any, ...]:
        return (*self, self.aleatoric, self.epistemic)

    @property
    def mean(self) -> Any:
        """The predictions."""
        return self[0]

    @property
    def spread(self) -> Any:
        """Standard deviations."""
        return self[1]


@dataclass(frozen=True)
class PredictOptions:
    """What `Model.predict` was told: what a user wants to know, checked, and how the rows are taken."""

    spread: bool | str = False
    quantiles: Any = None
    samples: int = RUNS
    batch_size: int | None = None
    steps: int | None = None
    callbacks: Any = None

    def __post_init__(self) -> None:
        if self.spread not in SPREADS:
            raise HandsonError(
                f"predict(spread=...) is True, or 'dropout' for Monte-Carlo dropout; got {self.spread!r}."
                f"{nearest(str(self.spread), ['dropout'])}"
            )
        if self.samples != RUNS and self.spread != "dropout":
            raise HandsonError(
                f"predict(samples={self.samples!r}) is the number of runs with spread='dropout': ask for it."
            )
        if self.quantiles is not None:
            object.__setattr__(self, "quantiles", several(self.quantiles))
            if self.spread is True:
                raise HandsonError("predict gives a spread or quantiles: ask for one of the two.")

    @property
    def plain(self) -> bool:
        """Whether only predictions are wanted."""
        return not self.spread and self.quantiles is None


@dataclass(frozen=True)
class RawOutput:
    """What one or several nets say of one output.

    Attributes
    ----------
    families : list of Distribution or None
        Of each net what the output gives the parameters of; None where it gives the predictions.
    parameters : list of Tensor
        Of each net the output, in the units of the targets.
    """

    families: list[Distribution | None]
    parameters: list[Tensor]

    @property
    def known(self) -> bool:
        """Whether there is anything to tell of the spread."""
        return len(self.families) > 1 or self.families[0] is not None

    def moments(self) -> Moments:
        """Mean and variances."""
        each = [
            Moments(leaf) if family is None else family.moments(leaf)
            for family, leaf in zip(self.families, self.parameters, strict=True)
        ]
        return each[0] if len(each) == 1 else mixed_moments(each)

    def mean(self) -> np.ndarray:
        """The prediction."""
        if not self.known:
            return self.parameters[0].numpy()
        return _array(self.moments().mean, self.parameters[0])

    def pooled(self) -> tuple[Distribution, Tensor]:
        """The distribution that the nets predict together."""
        families = [Empirical(1) if family is None else family.as_read() for family in self.families]
        return pool(families, self.parameters)

    def spread(self) -> tuple[np.ndarray | None, ...]:
        """Mean, standard deviation, and the parts of that, each None where it is not known."""
        found, like = self.moments(), self.parameters[0]
        parts = [found.aleatoric, found.epistemic]
        if not self.known or parts == [None, None]:
            return _array(found.mean, like), None, None, None
        each = (found.variance, *parts)
        return _array(found.mean, like), *(None if one is None else _array(one.sqrt(), like) for one in each)

    def quantiles(self, levels: Sequence[float]) -> np.ndarray | None:
        """The quantiles at some levels, of shape (levels, n, columns)."""
        if not self.known:
            return None
        family, parameters = self.pooled()
        for level in levels:
            family.check_level(level)
        return np.stack([_array(family.quantile(parameters, level), parameters) for level in levels])


def _array(values: Tensor, like: Tensor) -> np.ndarray:
    return values.to(like.dtype if like.is_floating_point() else torch.float32).numpy()


def answer(options: PredictOptions, outputs: Sequence[RawOutput], arranged: Any) -> Any:
    """What `predict` returns.

    Parameters
    ----------
    options : PredictOptions
        What the user wants to know.
    outputs : sequence of RawOutput
        What there is, for each output.
    arranged : function
        Puts leaves into the form of the outputs.
    """
    if options.plain:
        return arranged([one.mean() for one in outputs])
    if options.quantiles is not None:
        found: list[Any] = [one.quantiles(options.quantiles) for one in outputs]
        _refuse_nothing(found)
        return arranged(found)
    mean, spread, aleatoric, epistemic = zip(*(one.spread() for one in outputs), strict=True)
    _refuse_nothing(spread)
    parts = [None if all(leaf is None for leaf in part) else arranged(part) for part in (aleatoric, epistemic)]
    return Prediction(arranged(mean), arranged(spread), *parts)


def _refuse_nothing(leaves: Sequence[Any]) -> None:
    if all(leaf is None for leaf in leaves):
        raise HandsonError(
            "the net predicts no spread. End it with a head, such as layers.GaussianDensity(), and train it with "
            "loss='nll'; or train several, handson.deep_ensemble(...); or, if it has dropout, ask for "
            "predict(x, spread='dropout'). Quantiles that do not reach one standard deviation have none either: "
            "give QuantileHead levels from 0.15 to 0.85."
        )

"""Distributions of targets that a net predicts: how its outputs are read, and what can be asked of them.

A head (`handson.layers.GaussianDensity` and its kin) and a loss share one of these. `Model.predict` gives its mean,
with ``spread=True`` its standard deviation, and with ``quantiles=[...]`` its quantiles.
"""

from __future__ import annotations

from typing import Any

from handson.core import registry
from handson.distributions.base import Distribution, Moments
from handson.distributions.locations import SPREADS, Laplace, Normal
from handson.distributions.mixture import Mixture
from handson.distributions.pools import Empirical, Pool, pool
from handson.distributions.student import NormalInverseGamma, StudentT
from handson.distributions.tables import Histogram, Quantiles

__all__ = [
    "SPREADS",
    "Distribution",
    "Empirical",
    "Histogram",
    "Laplace",
    "Mixture",
    "Moments",
    "Normal",
    "NormalInverseGamma",
    "Pool",
    "Quantiles",
    "StudentT",
    "get",
    "pool",
]


def get(identifier: Any) -> Distribution | None:
    """The distribution for a name, a configuration or an object; None stays None.

    Examples
    --------
    >>> get("Laplace").size
    2
    """
    return None if identifier is None else registry.resolve("distribution", identifier)

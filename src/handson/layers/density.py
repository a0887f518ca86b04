"""Heads: last layers that say how sure they are. Each is a Dense layer that knows what its outputs mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.distributions import (
    Distribution,
    Histogram,
    Laplace,
    Mixture,
    Normal,
    NormalInverseGamma,
    Quantiles,
    StudentT,
)
from handson.layers.base import positive
from handson.layers.core import Dense


class Density(Dense):
    """The base of heads: a Dense layer with as many outputs as the distributions of the targets have parameters.

    The outputs are any numbers; `distribution` says how the loss and `Model.predict` read them.
    """

    def __init__(self, distribution: Distribution, units: int, **kwargs: Any) -> None:
        wanted = positive(type(self).__name__, "units", units)
        if kwargs.get("activation") is not None:
            raise HandsonError(f"{type(self).__name__} makes its outputs positive where they must be: no activation.")
        super().__init__(distribution.size * wanted, **kwargs)
        self.distribution = distribution

    @staticmethod
    def kept_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
        """What is remembered of the arguments: the distribution is part of the class."""
        return Dense.kept_arguments({name: value for name, value in arguments.items() if name != "distribution"})


class _FamilyDensity(Density):
    """The base of heads whose distribution has nothing to choose."""

    family: type[Distribution]

    def __init__(self, units: int = 1, **kwargs: Any) -> None:
        super().__init__(self.family(), units, **kwargs)


@register
class GaussianDensity(_FamilyDensity):
    """A normal distribution for each target: mean and standard deviation.

    Train it with 'nll', which is 'gaussian_nll' here, or with 'crps'.

    Parameters
    ----------
    units : int
        The number of columns of the targets.
    **kwargs
        The arguments of `Dense`, but for its activation.

    Notes
    -----
    The outputs are the means of all columns, then numbers whose softplus is the standard deviation. `Model.predict`
    gives the means, with ``spread=True`` the standard deviations too. Scale the targets
    (``compile(scale_targets='standard')``) unless they are about as large as 1.

    Examples
    --------
    >>> import numpy as np
    >>> from handson import Sequential
    >>> net = Sequential([Dense(8, activation="relu"), GaussianDensity()], seed=0)
    >>> net.compile("adam", "gaussian_nll", metrics=["mae"])
    >>> history = net.fit(np.ones((20, 3)), np.ones(20), verbose=0)
    >>> mean, spread = net.predict(np.ones((5, 3)), spread=True)
    >>> mean.shape, spread.shape
    ((5, 1), (5, 1))
    """

    family = Normal


@register
class LaplaceDensity(_FamilyDensity):
    """A Laplace distribution for each target, whose likelihood is that of absolute errors.

    Train it with 'nll' or 'crps'.

    Parameters
    ----------
    units : int
        The number of columns of the targets.
    **kwargs
        The arguments of `Dense`, but for its activation.

    Examples
    --------
    >>> LaplaceDensity(2).compute_output_shape((None, 5))
    (None, 4)
    """

    family = Laplace


@register
class StudentTDensity(_FamilyDensity):
    """A t distribution for each target, which learns how heavy its tails are. Train it with 'nll' or 'crps'.

    Parameters
    ----------
    units : int
        The number of columns of the targets.
    **kwargs
        The arguments of `Dense`, but for its activation.

    Examples
    --------
    >>> StudentTDensity(2).compute_output_shape((None, 5))
    (None, 6)
    """

    family = StudentT


@register
class MixtureDensity(Density):
    """A mixture of normal distributions for each target (Bishop, 1994), which may have several peaks.

    Train it with 'nll' or 'crps'.

    Parameters
    ----------
    components : int
        How many normal distributions are mixed.
    units : int
        The number of columns of the targets; each has a mixture of its own.
    **kwargs
        The arguments of `Dense`, but for its activation.

    Examples
    --------
    >>> import numpy as np
    >>> from handson import Sequential
    >>> net = Sequential([Dense(8, activation="tanh"), MixtureDensity(5)], seed=0)
    >>> net.compile("adam", "nll", scale_targets="standard")
    >>> x = np.linspace(0, 1, 20)[:, None]
    >>> history = net.fit(x, x + 100, verbose=0)
    >>> low, high = net.predict(x, quantiles=[0.05, 0.95])
    >>> bool((low < high).all())
    True
    """

    def __init__(self, components: int = 5, units: int = 1, **kwargs: Any) -> None:
        super().__init__(Mixture(components), units, **kwargs)


@register
class EvidentialDensity(_FamilyDensity):
    """Evidential regression (Amini et al., 2020): mean, and the spread of data and of the mean apart.

    Train it with 'evidential'. ``predict(x, spread=True)`` gives both parts, as `aleatoric` and `epistemic`.

    Parameters
    ----------
    units : int
        The number of columns of the targets.
    **kwargs
        The arguments of `Dense`, but for its activation.

    Examples
    --------
    >>> EvidentialDensity(2).compute_output_shape((None, 5))
    (None, 8)
    """

    family = NormalInverseGamma


@register
class OrdinalBins(Density):
    """The shares of bins in an order, a density of any shape: photometric redshifts are often predicted so.

    Train it with 'crps', for which a miss by one bin costs less than one by ten, or with 'nll', the crossentropy of
    bins and the logarithms of their widths. See Pasquet et al. (2019).

    Parameters
    ----------
    edges : sequence of float
        The edges of the bins, increasing, in the units of the targets: they are not scaled.
    units : int
        The number of columns of the targets; all have the same bins.
    **kwargs
        The arguments of `Dense`, but for its activation.

    Examples
    --------
    >>> import numpy as np
    >>> OrdinalBins(np.linspace(0, 0.4, 181)).compute_output_shape((None, 5))
    (None, 180)
    """

    def __init__(self, edges: Sequence[float], units: int = 1, **kwargs: Any) -> None:
        super().__init__(Histogram(edges), units, **kwargs)


@register
class QuantileHead(Density):
    """Quantiles of each target, which never cross. Train it with 'pinball'.

    Parameters
    ----------
    levels : sequence of float
        The levels, increasing, between 0 and 1.
    units : int
        The number of columns of the targets.
    **kwargs
        The arguments of `Dense`, but for its activation.

    Notes
    -----
    `Model.predict` gives the median, ``predict(x, quantiles=[...])`` the quantiles at any levels between the outermost,
    and ``spread=True`` half the distance of those one standard deviation around the median, at 0.1587 and 0.8413.

    Examples
    --------
    >>> import numpy as np
    >>> from handson import Sequential
    >>> net = Sequential([Dense(8, activation="relu"), QuantileHead([0.1, 0.5, 0.9])], seed=0)
    >>> net.compile("adam", "pinball")
    >>> history = net.fit(np.ones((20, 3)), np.ones(20), verbose=0)
    >>> net.predict(np.ones((5, 3)), quantiles=[0.1, 0.5, 0.9]).shape
    (3, 5, 1)
    """

    def __init__(self, levels: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95), units: int = 1, **kwargs: Any) -> None:
        super().__init__(Quantiles(levels, ordered=True), units, **kwargs)

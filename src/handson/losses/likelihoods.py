"""Losses of nets that predict distributions: how little they expected the targets."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from handson import distributions
from handson.core import registry
from handson.core.errors import HandsonError
from handson.distributions import Distribution, Normal, NormalInverseGamma, Quantiles
from handson.losses.base import Standard


class DistributionLoss(Standard):
    """The base of losses whose predictions are parameters of distributions.

    Attributes
    ----------
    distribution : Distribution or None
        How outputs are read: that of the net's head, or else of the loss. None until one of them says.
    """

    elementwise = True
    distribution: Distribution | None = None

    def for_head(self, distribution: Distribution | None) -> DistributionLoss:
        """The loss for a net whose last layer gives parameters of a distribution; None: the layer does not say."""
        if distribution is None:
            return self
        self.check_head(distribution)
        found = copy.copy(self)
        found.distribution = distribution
        return found

    def for_pool(self, distribution: Distribution) -> DistributionLoss:
        """The loss of what several nets say together, of which the parameters are read already."""
        found = copy.copy(self)
        found.distribution = distribution.as_read()
        return found

    def check_head(self, distribution: Distribution) -> None:
        """Raise when the loss cannot be computed from a distribution."""

    def family(self) -> Distribution:
        """The distribution.

        Raises
        ------
        HandsonError
            When neither the net nor the loss has said which.
        """
        if self.distribution is None:
            raise HandsonError(
                f"{self.name} does not know what the outputs mean: end the net with a head, such as "
                f"layers.GaussianDensity() or layers.MixtureDensity(5), or name the distribution: "
                f"{type(self).__name__}(distribution=handson.distributions.Mixture(5))."
            )
        return self.distribution

    def expected(self, outputs: tuple[int, ...]) -> tuple[int, ...]:
        return (*outputs[:-1], self.family().columns(outputs[-1]))

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        family = self.family()
        return self.scores(family, family.constrain(y_pred), y_true)

    def scores(self, family: Distribution, parameters: Tensor, y_true: Tensor) -> Tensor:
        """A value for each target."""
        raise NotImplementedError(f"{type(self).__name__} must define scores(family, parameters, y_true).")


@registry.register(aliases=("nll",))
class NegativeLogLikelihood(DistributionLoss):
    """-log p(y_true): for a net that ends with any density head of `handson.layers`, or predicts a distribution named.

    Parameters
    ----------
    distribution : str or Distribution, optional
        How outputs are read, where the last layer is no head: one of `handson.distributions`.
    **kwargs
        `reduction`, `name`: see `Loss`.

    Examples
    --------
    >>> import torch
    >>> loss = NegativeLogLikelihood(Normal("std"))
    >>> round(loss([[1.0]], [[1.0, 1.0]]).item(), 4)  # log(2 pi) / 2
    0.9189
    """

    def __init__(self, distribution: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.distribution = distributions.get(distribution)

    def check_head(self, distribution: Distribution) -> None:
        if isinstance(distribution, Quantiles):
            raise HandsonError("quantiles have no density: compile(loss='pinball').")

    def scores(self, family: Distribution, parameters: Tensor, y_true: Tensor) -> Tensor:
        return -family.log_density(parameters, y_true)


@registry.register(aliases=("gaussian_nll",))
class GaussianNLL(NegativeLogLikelihood):
    """log(s) + (y_true - mean)^2 / (2 s^2) + log(2 pi) / 2 of predicted normal distributions.

    The net ends with `GaussianDensity()`; or with ``Dense(2 * columns)``, whose outputs are the means of all columns of
    the targets, then the logarithms of their variances (Nix & Weigend, 1994).

    Parameters
    ----------
    spread : {'log_variance', 'softplus', 'std', 'variance'}
        What the second half of the outputs is, where the last layer is no head: see `handson.distributions.Normal`.
    beta : float
        With 0 the likelihood. Else values are multiplied by ``s ** (2 * beta)``, which is not differentiated: 0.5 keeps
        targets that are hard to fit from being given up early (Seitzer et al., 2022).
    **kwargs
        `reduction`, `name`: see `Loss`.

    Examples
    --------
    >>> round(GaussianNLL()([[1.0]], [[1.0, 0.0]]).item(), 4)
    0.9189
    """

    def __init__(self, spread: str = "log_variance", beta: float = 0.0, **kwargs: Any) -> None:
        super().__init__(distribution=Normal(spread), **kwargs)
        if not 0 <= beta <= 1:
            raise HandsonError(f"GaussianNLL: beta lies between 0 and 1; got {beta!r}.")
        self.spread, self.beta = spread, float(beta)

    @staticmethod
    def kept_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
        """What is remembered of the arguments: the distribution follows from the spread."""
        return {name: value for name, value in arguments.items() if name != "distribution"}

    def check_head(self, distribution: Distribution) -> None:
        if not isinstance(distribution, Normal):
            raise HandsonError(
                f"gaussian_nll is for normal distributions, and the net ends with the parameters of a "
                f"{type(distribution).__name__}: compile(loss='nll') takes any density."
            )

    def scores(self, family: Distribution, parameters: Tensor, y_true: Tensor) -> Tensor:
        values = super().scores(family, parameters, y_true)
        return values * family.moments(parameters).variance.detach() ** self.beta if self.beta else values


@registry.register(aliases=("evidential",))
class Evidential(DistributionLoss):
    """Evidential regression, for a net that ends with `EvidentialDensity()`: Amini et al. (2020), equations 8 to 10.

    The likelihood of a t distribution, and ``coefficient * abs(y_true - gamma) * (2 nu + alpha)``, which takes evidence
    away where the mean is wrong. How far the epistemic part can be trusted is debated (Meinert et al., 2023): compare
    with an ensemble.

    Parameters
    ----------
    coefficient : float
        The weight of the second part.
    **kwargs
        `reduction`, `name`: see `Loss`.

    Examples
    --------
    >>> import torch
    >>> loss = Evidential(coefficient=0.1)
    >>> loss([[1.0]], torch.zeros(1, 4)).item() > 0
    True
    """

    def __init__(self, coefficient: float = 0.01, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not coefficient >= 0:
            raise HandsonError(f"Evidential: coefficient is not negative; got {coefficient!r}.")
        self.coefficient = float(coefficient)
        self.distribution = NormalInverseGamma()

    def check_head(self, distribution: Distribution) -> None:
        if not isinstance(distribution, NormalInverseGamma):
            raise HandsonError(
                f"evidential regression ends with layers.EvidentialDensity(); this net ends with the parameters of a "
                f"{type(distribution).__name__}."
            )

    def for_pool(self, distribution: Distribution) -> DistributionLoss:
        """The likelihood alone: a mixture has no evidence to take away."""
        return NegativeLogLikelihood(reduction=self.reduction, name=self.name).for_pool(distribution)

    def scores(self, family: Distribution, parameters: Tensor, y_true: Tensor) -> Tensor:
        gamma, nu, alpha, _ = parameters.chunk(4, -1)
        evidence = 2 * nu + alpha
        return self.coefficient * (y_true - gamma).abs() * evidence - family.log_density(parameters, y_true)


@registry.register(aliases=("crps",))
class CRPS(DistributionLoss):
    """The continuous ranked probability score: as the likelihood for any density head, but in the units of the targets.

    The integral of ``(F(x) - [x >= y_true])^2`` over x, for a predicted distribution function F: a miss by little costs
    little, which the likelihood of bins does not know, and an outlier no more than its distance.

    Parameters
    ----------
    distribution : str or Distribution, optional
        How outputs are read, where the last layer is no head.
    **kwargs
        `reduction`, `name`: see `Loss`.

    References
    ----------
    T. Gneiting, A. Raftery, "Strictly proper scoring rules, prediction, and estimation", JASA 102 (2007).

    Examples
    --------
    >>> round(CRPS(Normal("std"))([[0.0]], [[0.0, 1.0]]).item(), 4)
    0.2337
    """

    def __init__(self, distribution: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.distribution = distributions.get(distribution)
        if self.distribution is not None:
            self.check_head(self.distribution)

    def check_head(self, distribution: Distribution) -> None:
        if not distribution.exact_crps:
            raise HandsonError(
                f"the CRPS of {type(distribution).__name__} has no formula to train with: see 'pinball'."
            )

    def scores(self, family: Distribution, parameters: Tensor, y_true: Tensor) -> Tensor:
        return family.crps(parameters, y_true)


@registry.register(aliases=("pinball", "quantile"))
class Pinball(DistributionLoss):
    """max(q (y_true - y_pred), (q - 1) (y_true - y_pred)) for quantiles at levels q: Koenker & Bassett (1978).

    The mean over the levels. The net ends with `QuantileHead(levels)`; or with a layer that gives, for each level in
    turn, the quantiles of all columns of the targets.

    Parameters
    ----------
    levels : float or sequence of float, optional
        The levels, increasing, between 0 and 1; those of the head where there is one.
    **kwargs
        `reduction`, `name`: see `Loss`.

    Examples
    --------
    >>> round(Pinball(0.9)([[1.0]], [[0.0]]).item(), 4), round(Pinball(0.9)([[0.0]], [[1.0]]).item(), 4)
    (0.9, 0.1)
    """

    def __init__(self, levels: float | Sequence[float] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if levels is not None:
            self.distribution = Quantiles([levels] if isinstance(levels, (int, float)) else levels)

    def check_head(self, distribution: Distribution) -> None:
        if not isinstance(distribution, Quantiles):
            raise HandsonError(
                f"the net ends with the parameters of a {type(distribution).__name__}, and pinball wants quantiles: "
                f"compile(loss='nll'), or end the net with layers.QuantileHead()."
            )
        if self.distribution is not None and self.distribution.levels != distribution.levels:  # type: ignore[attr-defined]
            raise HandsonError(f"pinball has other levels than the net's head, {distribution.levels}: leave them out.")

    def family(self) -> Distribution:
        if self.distribution is None:
            raise HandsonError(
                f"{self.name} does not know its levels: end the net with layers.QuantileHead(levels=[0.1, 0.5, 0.9]), "
                f"or compile with losses.Pinball(levels=[0.1, 0.5, 0.9])."
            )
        return self.distribution

    def scores(self, family: Any, parameters: Tensor, y_true: Tensor) -> Tensor:
        error = y_true.unsqueeze(-2) - family.parts(parameters)
        levels = error.new_tensor(family.levels)[:, None]
        return (error * (levels - (error < 0).to(error.dtype))).mean(-2)

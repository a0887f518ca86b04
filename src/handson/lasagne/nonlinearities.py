"""Lasagne's nonlinearities, on variables and on tensors: those of `handson.activations`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handson import activations
from handson.theano.plan import Plan
from handson.theano.variable import Variable, apply, common, of_fractions, rank


class Nonlinearity:
    """A nonlinearity, which is called with variables or tensors.

    Parameters
    ----------
    name : str
        Its name.
    compute : function
        What it does with a tensor.
    """

    def __init__(self, name: str, compute: Callable[[Tensor], Tensor]) -> None:
        self.__name__, self.compute = name, compute

    def __call__(self, x: Any) -> Any:
        if isinstance(x, Tensor):
            return self.compute(x)
        return apply(self.compute, x, ndim=rank(x), dtype=of_fractions(common(x)))

    def __reduce__(self) -> str:
        return self.__name__

    def __deepcopy__(self, memo: dict[int, Any]) -> Nonlinearity:
        return self

    def __repr__(self) -> str:
        return self.__name__


def _leaky(slope: float) -> Callable[[Tensor], Tensor]:
    return lambda x: F.leaky_relu(x, slope)


sigmoid = Nonlinearity("sigmoid", activations.sigmoid)
softmax = Nonlinearity("softmax", activations.softmax)
tanh = Nonlinearity("tanh", activations.tanh)
rectify = Nonlinearity("rectify", activations.relu)
leaky_rectify = Nonlinearity("leaky_rectify", _leaky(0.01))
very_leaky_rectify = Nonlinearity("very_leaky_rectify", _leaky(1 / 3))
elu = Nonlinearity("elu", activations.elu)
selu = Nonlinearity("selu", activations.selu)
softplus = Nonlinearity("softplus", activations.softplus)
linear = identity = Nonlinearity("linear", activations.linear)


class LeakyRectify(Nonlinearity):
    """x where positive, `leakiness` times x elsewhere."""

    def __init__(self, leakiness: float = 0.01) -> None:
        super().__init__("LeakyRectify", _leaky(leakiness))
        self.leakiness = leakiness

    def __reduce__(self) -> Any:
        return LeakyRectify, (self.leakiness,)


class ScaledTanH(Nonlinearity):
    """scale_out * tanh(scale_in * x) (LeCun et al., 1998).

    Examples
    --------
    >>> round(ScaledTanH(2 / 3, 1.7159)(torch.tensor(1.0)).item(), 3)
    1.0
    """

    def __init__(self, scale_in: float = 1, scale_out: float = 1) -> None:
        super().__init__("ScaledTanH", lambda x: scale_out * torch.tanh(scale_in * x))
        self.scale_in, self.scale_out = scale_in, scale_out

    def __reduce__(self) -> Any:
        return ScaledTanH, (self.scale_in, self.scale_out)


ScaledTanh = ScaledTanH


class SELU(Nonlinearity):
    """scale * x where positive, scale * scale_neg * (exp(x) - 1) elsewhere."""

    def __init__(self, scale: float = 1, scale_neg: float = 1) -> None:
        super().__init__("SELU", lambda x: scale * torch.where(x > 0, x, scale_neg * torch.expm1(x)))
        self.scale, self.scale_neg = scale, scale_neg

    def __reduce__(self) -> Any:
        return SELU, (self.scale, self.scale_neg)


class _Compiled:
    """A nonlinearity of one's own, written for variables, as a function of tensors."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function, self.__name__ = function, getattr(function, "__name__", type(function).__name__)
        self._plans: dict[int, Plan] = {}

    def __call__(self, x: Tensor) -> Tensor:
        if x.dim() not in self._plans:
            symbol = Variable(x.dim(), "float32")
            self._plans[x.dim()] = Plan([symbol], [self.function(symbol)])
        return self._plans[x.dim()].run([x])[0]


def as_activation(nonlinearity: Any) -> Callable[[Tensor], Tensor]:
    """A nonlinearity as a function of tensors.

    Examples
    --------
    >>> as_activation(rectify) is activations.relu, as_activation(None) is activations.linear
    (True, True)
    >>> as_activation(lambda x: 0.5 * (x + abs(x)))(torch.tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    if nonlinearity is None:
        return activations.linear
    return nonlinearity.compute if isinstance(nonlinearity, Nonlinearity) else _Compiled(nonlinearity)

"""Lasagne's update rules: new values of parameters as expressions, for `theano.function(updates=...)`.

Each function takes a loss, or a list of gradients, the parameters and a learning rate (a number or a variable), and
gives an ordered dictionary of new values, of the parameters and of what the rule remembers.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

import handson.theano.tensor as T
from handson import theano
from handson.core.errors import HandsonError
from handson.lasagne.utils import floatX
from handson.theano.sharing import SharedVariable
from handson.theano.variable import Variable

Updates = OrderedDict


def get_or_compute_grads(loss_or_grads: Any, params: Any) -> list[Any]:
    """The gradients of a loss by parameters; gradients that are given already are returned.

    Examples
    --------
    >>> w = theano.shared(3.0)
    >>> float(get_or_compute_grads(w ** 2, [w])[0].eval())
    6.0
    """
    if any(not isinstance(param, SharedVariable) for param in params):
        raise HandsonError("params holds shared variables alone, such as lasagne.layers.get_all_params gives.")
    if isinstance(loss_or_grads, list):
        if len(loss_or_grads) != len(params):
            raise HandsonError(f"got {len(loss_or_grads)} gradients for {len(params)} parameters.")
        return loss_or_grads
    return theano.grad(loss_or_grads, list(params))


def _zeros(param: Any) -> SharedVariable:
    value = param.get_value(borrow=True)
    return theano.shared(np.zeros(value.shape, dtype=value.dtype))


def sgd(loss_or_grads: Any, params: Any, learning_rate: Any) -> Updates:
    """param := param - learning_rate * gradient."""
    grads = get_or_compute_grads(loss_or_grads, params)
    return OrderedDict((param, param - learning_rate * grad) for param, grad in zip(params, grads, strict=True))


def apply_momentum(updates: Any, params: Any = None, momentum: Any = 0.9) -> Updates:
    """velocity := momentum * velocity + updates[param] - param; param := param + velocity."""
    updates = OrderedDict(updates)
    for param in list(updates) if params is None else params:
        velocity = _zeros(param)
        x = momentum * velocity + updates[param]
        updates[velocity] = x - param
        updates[param] = x
    return updates


def momentum(loss_or_grads: Any, params: Any, learning_rate: Any, momentum: Any = 0.9) -> Updates:
    """velocity := momentum * velocity - learning_rate * gradient; param := param + velocity."""
    return apply_momentum(sgd(loss_or_grads, params, learning_rate), momentum=momentum)


def apply_nesterov_momentum(updates: Any, params: Any = None, momentum: Any = 0.9) -> Updates:
    """velocity := momentum * velocity + updates[param] - param; param := updates[param] + momentum * velocity."""
    updates = OrderedDict(updates)
    for param in list(updates) if params is None else params:
        velocity = _zeros(param)
        x = momentum * velocity + updates[param] - param
        updates[velocity] = x
        updates[param] = momentum * x + updates[param]
    return updates


def nesterov_momentum(loss_or_grads: Any, params: Any, learning_rate: Any, momentum: Any = 0.9) -> Updates:
    """velocity := momentum * velocity - learning_rate * gradient; param := param + momentum * velocity - rate * g."""
    return apply_nesterov_momentum(sgd(loss_or_grads, params, learning_rate), momentum=momentum)


def adagrad(loss_or_grads: Any, params: Any, learning_rate: Any = 1.0, epsilon: float = 1e-6) -> Updates:
    """Steps divided by the root of the sum of squared gradients (Duchi et al., 2011)."""
    updates: Updates = OrderedDict()
    for param, grad in zip(params, get_or_compute_grads(loss_or_grads, params), strict=True):
        total = _zeros(param)
        updates[total] = new = total + grad**2
        updates[param] = param - learning_rate * grad / T.sqrt(new + epsilon)
    return updates


def rmsprop(
    loss_or_grads: Any, params: Any, learning_rate: Any = 1.0, rho: float = 0.9, epsilon: float = 1e-6
) -> Updates:
    """Steps divided by the root of a moving average of squared gradients (Tieleman and Hinton, 2012)."""
    updates: Updates = OrderedDict()
    for param, grad in zip(params, get_or_compute_grads(loss_or_grads, params), strict=True):
        mean = _zeros(param)
        updates[mean] = new = rho * mean + (1 - rho) * grad**2
        updates[param] = param - learning_rate * grad / T.sqrt(new + epsilon)
    return updates


def adadelta(
    loss_or_grads: Any, params: Any, learning_rate: Any = 1.0, rho: float = 0.95, epsilon: float = 1e-6
) -> Updates:
    """Steps in the units of the weights (Zeiler, 2012)."""
    updates: Updates = OrderedDict()
    for param, grad in zip(params, get_or_compute_grads(loss_or_grads, params), strict=True):
        squares, steps = _zeros(param), _zeros(param)
        updates[squares] = new = rho * squares + (1 - rho) * grad**2
        step = grad * T.sqrt(steps + epsilon) / T.sqrt(new + epsilon)
        updates[param] = param - learning_rate * step
        updates[steps] = rho * steps + (1 - rho) * step**2
    return updates


def adam(
    loss_or_grads: Any, params: Any, learning_rate: Any = 0.001, beta1: Any = 0.9, beta2: Any = 0.999,
    epsilon: float = 1e-8,
) -> Updates:  # fmt: skip
    """Steps along a moving average of gradients, divided by that of their squares (Kingma and Ba, 2015)."""
    return _adam(loss_or_grads, params, learning_rate, beta1, beta2, epsilon, largest=False)


def amsgrad(
    loss_or_grads: Any, params: Any, learning_rate: Any = 0.001, beta1: Any = 0.9, beta2: Any = 0.999,
    epsilon: float = 1e-8,
) -> Updates:  # fmt: skip
    """`adam` whose divisor never shrinks (Reddi et al., 2018)."""
    return _adam(loss_or_grads, params, learning_rate, beta1, beta2, epsilon, largest=True)


def _adam(loss_or_grads: Any, params: Any, rate: Any, beta1: Any, beta2: Any, epsilon: float, largest: bool) -> Updates:
    updates: Updates = OrderedDict()
    before = theano.shared(floatX(0.0))
    t = before + 1
    a_t = rate * T.sqrt(1 - beta2**t) / (1 - beta1**t)
    for param, grad in zip(params, get_or_compute_grads(loss_or_grads, params), strict=True):
        means, squares = _zeros(param), _zeros(param)
        updates[means] = m = beta1 * means + (1 - beta1) * grad
        updates[squares] = v = beta2 * squares + (1 - beta2) * grad**2
        if largest:
            most = _zeros(param)
            updates[most] = v = T.maximum(most, v)
        updates[param] = param - a_t * m / (T.sqrt(v) + epsilon)
    updates[before] = t
    return updates


def adamax(
    loss_or_grads: Any, params: Any, learning_rate: Any = 0.002, beta1: Any = 0.9, beta2: Any = 0.999,
    epsilon: float = 1e-8,
) -> Updates:  # fmt: skip
    """`adam` with the largest gradient in place of the mean square."""
    updates: Updates = OrderedDict()
    before = theano.shared(floatX(0.0))
    t = before + 1
    a_t = learning_rate / (1 - beta1**t)
    for param, grad in zip(params, get_or_compute_grads(loss_or_grads, params), strict=True):
        means, largest = _zeros(param), _zeros(param)
        updates[means] = m = beta1 * means + (1 - beta1) * grad
        updates[largest] = u = T.maximum(beta2 * largest, abs(grad))
        updates[param] = param - a_t * m / (u + epsilon)
    updates[before] = t
    return updates


def norm_constraint(tensor_var: Any, max_norm: Any, norm_axes: Any = None, epsilon: float = 1e-7) -> Variable:
    """A weight whose units (columns, filters) have at most a norm.

    Examples
    --------
    >>> w = T.matrix()
    >>> norm_constraint(w, 1.0).eval({w: [[3.0], [4.0]]}).round(4).tolist()
    [[0.6000000238418579], [0.800000011920929]]
    """
    ndim = tensor_var.ndim
    if norm_axes is not None:
        axes = tuple(norm_axes)
    elif ndim == 2:
        axes = (0,)
    elif ndim in (3, 4, 5):
        axes = tuple(range(1, ndim))
    else:
        raise HandsonError(f"norm_constraint: say over which axes of {tensor_var!r} a norm is taken, norm_axes=(...).")
    norms = T.sqrt(T.sum(T.sqr(tensor_var), axis=axes, keepdims=True))
    return tensor_var * (T.clip(norms, 0, max_norm) / (epsilon + norms))


def total_norm_constraint(tensor_vars: Any, max_norm: Any, epsilon: float = 1e-7, return_norm: bool = False) -> Any:
    """Gradients that together have at most a norm."""
    norm = T.sqrt(sum(T.sum(tensor**2) for tensor in tensor_vars))
    factor = T.clip(norm, 0, max_norm) / (epsilon + norm)
    scaled = [tensor * factor for tensor in tensor_vars]
    return (scaled, norm) if return_norm else scaled

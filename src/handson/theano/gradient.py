"""`theano.grad` and its kin: derivatives of expressions, computed by PyTorch's autograd when a function runs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.theano.plan import differentiate, differentiate_rows
from handson.theano.variable import Variable, apply, apply_several, rank


def grad(
    cost: Variable | None,
    wrt: Any,
    consider_constant: Any = None,
    disconnected_inputs: str = "raise",
    known_grads: dict[Variable, Any] | None = None,
    **kwargs: Any,
) -> Any:
    """The gradient of a scalar expression.

    Parameters
    ----------
    cost : Variable
        A scalar; None where `known_grads` says where the derivatives come from.
    wrt : Variable or list of Variable
        What it is differentiated by.
    consider_constant : optional
        Only None: use `disconnected_grad`.
    disconnected_inputs : {'raise', 'ignore', 'warn'}
        What to do about a variable that the cost does not depend on; 'ignore' gives zeros.
    known_grads : dict of Variable to Variable, optional
        The gradients with respect to some expressions, in place of a cost.

    Returns
    -------
    Variable or list of Variable
        Expressions, which may be differentiated again.

    Examples
    --------
    >>> from handson.theano import tensor as T
    >>> x = T.scalar("x")
    >>> float(grad(x ** 3, x).eval({x: 2.0})), float(grad(grad(x ** 3, x), x).eval({x: 2.0}))
    (12.0, 12.0)
    """
    if consider_constant or set(kwargs) - {"add_names", "null_gradients", "return_disconnected"}:
        raise HandsonError("grad takes cost, wrt, disconnected_inputs and known_grads; see disconnected_grad.")
    if disconnected_inputs not in ("raise", "ignore", "warn"):
        raise HandsonError(f"disconnected_inputs is 'raise', 'ignore' or 'warn'; got {disconnected_inputs!r}.")
    several = isinstance(wrt, (list, tuple))
    variables = list(wrt) if several else [wrt]
    costs, known = _costs(cost, known_grads)
    for variable in variables:
        if not isinstance(variable, Variable):
            raise HandsonError(f"wrt is a variable, or a list of variables; got {variable!r}.")
    missing = "raise" if disconnected_inputs == "raise" else "ignore"
    kinds = [(variable.ndim, variable.dtype) for variable in variables]
    found = apply_several(differentiate, (costs, variables, known, missing), kinds)
    return found if several else found[0]


def _costs(cost: Any, known_grads: dict[Variable, Any] | None) -> tuple[Any, Any]:
    if cost is None:
        if not known_grads:
            raise HandsonError("grad needs a cost, or known_grads.")
        return list(known_grads), list(known_grads.values())
    if not isinstance(cost, Variable):
        raise HandsonError(f"the cost is an expression; got {cost!r}.")
    if rank(cost) != 0:
        raise HandsonError(
            f"the cost is a scalar; {cost!r} has {cost.ndim} axes. Take its mean: T.mean(cost), or see T.jacobian."
        )
    if known_grads:
        return [cost, *known_grads], [1.0, *known_grads.values()]
    return cost, None


def _detached(x: Tensor) -> Tensor:
    return x.detach()


def disconnected_grad(x: Variable) -> Variable:
    """The same values, through which no gradient flows."""
    return apply(_detached, x, ndim=x.ndim, dtype=x.dtype)


zero_grad = consider_constant = disconnected_grad


class _Clipped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, low: float, high: float) -> Tensor:
        ctx.bounds = low, high
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return gradients[0].clamp(*ctx.bounds), None, None


def _clipped(x: Tensor, low: float, high: float) -> Tensor:
    return _Clipped.apply(x, low, high)


def grad_clip(x: Variable, lower_bound: float, upper_bound: float) -> Variable:
    """The same values, whose gradient is kept between bounds on the backward pass."""
    return apply(_clipped, x, lower_bound, upper_bound, ndim=x.ndim, dtype=x.dtype)


def jacobian(expression: Variable, wrt: Any, disconnected_inputs: str = "raise") -> Any:
    """The derivatives of each entry of a vector.

    Examples
    --------
    >>> from handson.theano import tensor as T
    >>> x = T.vector("x")
    >>> jacobian(x ** 2, x).eval({x: [1.0, 3.0]}).tolist()
    [[2.0, 0.0], [0.0, 6.0]]
    """
    if rank(expression) != 1:
        raise HandsonError(f"jacobian takes an expression with one axis; got {expression!r}.")
    several = isinstance(wrt, (list, tuple))
    variables = list(wrt) if several else [wrt]
    missing = "raise" if disconnected_inputs == "raise" else "ignore"
    kinds = [(variable.ndim + 1, variable.dtype) for variable in variables]
    found = apply_several(differentiate_rows, (expression, variables, missing), kinds)
    return found if several else found[0]


def hessian(cost: Variable, wrt: Any) -> Any:
    """The second derivatives of a scalar by a vector, or by each of several."""
    several = isinstance(wrt, (list, tuple))
    found = [jacobian(grad(cost, variable), variable) for variable in (wrt if several else [wrt])]
    return found if several else found[0]


def Lop(f: Any, wrt: Any, eval_points: Any, **kwargs: Any) -> Any:
    """The product of a vector with the Jacobian, `eval_points` * df/dwrt: one backward pass.

    Examples
    --------
    >>> from handson.theano import tensor as T
    >>> x, v = T.vectors("x", "v")
    >>> Lop(x ** 2, x, v).eval({x: [1.0, 3.0], v: [1.0, 1.0]}).tolist()
    [2.0, 6.0]
    """
    outputs, points = _listed(f), _listed(eval_points)
    if len(outputs) != len(points):
        raise HandsonError(f"Lop: {len(points)} eval_points for {len(outputs)} expressions.")
    return grad(None, wrt, known_grads=dict(zip(outputs, points, strict=True)), **kwargs)


def Rop(f: Any, wrt: Any, eval_points: Any) -> Any:
    """The product of the Jacobian with a vector, df/dwrt * `eval_points`: two backward passes.

    Examples
    --------
    >>> from handson.theano import tensor as T
    >>> x, v = T.vectors("x", "v")
    >>> Rop(x ** 2, x, v).eval({x: [1.0, 3.0], v: [1.0, 1.0]}).tolist()
    [2.0, 6.0]
    """
    outputs, inputs, points = _listed(f), _listed(wrt), _listed(eval_points)
    if len(inputs) != len(points):
        raise HandsonError(f"Rop: {len(points)} eval_points for {len(inputs)} variables in wrt.")
    # The product with a vector u is linear in u: its derivative by u is the product from the other side.
    ones = [apply(torch.ones_like, one, ndim=one.ndim, dtype=one.dtype) for one in outputs]
    backward = Lop(outputs, inputs, ones)
    pairs = zip(backward, points, strict=True)
    products = [apply(_inner, one, point, ndim=0, dtype=one.dtype) for one, point in pairs]
    total = products[0]
    for product in products[1:]:
        total = apply(torch.add, total, product, ndim=0, dtype=total.dtype)
    found = grad(total, ones)
    return found if isinstance(f, (list, tuple)) else found[0]


def _inner(x: Tensor, y: Any) -> Tensor:
    return (x * y).sum()


def _listed(given: Any) -> list[Any]:
    return list(given) if isinstance(given, (list, tuple)) else [given]

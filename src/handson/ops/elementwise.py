"""Functions of each value: roots, logarithms, angles, rounding, and questions about values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from handson.graph.conversion import as_float, convert, result_type, torch_type, type_name
from handson.graph.operation import Operand, operation
from handson.graph.operators import absolute, true_divide

Function = Callable[..., Any]


def _unary(name: str, function: Function, says: str, *, floats: bool = False, bools: bool = True) -> Function:
    """An operation from a function of torch; `floats` of integers makes fractions first, `bools` takes truth values."""

    def called(x: Tensor) -> Tensor:
        if floats:
            x = as_float(x)
        return function(x if bools or x.dtype is not torch.bool else x.to(torch.int32))

    called.__name__ = called.__qualname__ = name
    called.__doc__ = says
    return operation(called)


sqrt = _unary("sqrt", torch.sqrt, "The square root.")
rsqrt = _unary("rsqrt", torch.rsqrt, "1 divided by the square root.")
cbrt = _unary("cbrt", lambda x: torch.sign(x) * torch.abs(x) ** (1 / 3), "The cube root.", floats=True)
square = _unary("square", torch.square, "x times x.", bools=False)
reciprocal = _unary("reciprocal", torch.reciprocal, "1 / x.")
exp = _unary("exp", torch.exp, "e to the power of x.", floats=True)
exp2 = _unary("exp2", torch.exp2, "2 to the power of x.", floats=True)
expm1 = _unary("expm1", torch.expm1, "exp(x) - 1, exact near 0.", floats=True)
log = _unary("log", torch.log, "The natural logarithm.")
log10 = _unary("log10", torch.log10, "The logarithm to the base of 10.")
log1p = _unary("log1p", torch.log1p, "log(1 + x), exact near 0.")
log2 = _unary("log2", torch.log2, "The logarithm to the base of 2.")
sin = _unary("sin", torch.sin, "The sine of an angle in radians.")
cos = _unary("cos", torch.cos, "The cosine of an angle in radians.")
tan = _unary("tan", torch.tan, "The tangent of an angle in radians.")
arcsin = _unary("arcsin", torch.arcsin, "The angle whose sine is x.")
arccos = _unary("arccos", torch.arccos, "The angle whose cosine is x.")
arctan = _unary("arctan", torch.arctan, "The angle whose tangent is x.")
sinh = _unary("sinh", torch.sinh, "The hyperbolic sine.")
cosh = _unary("cosh", torch.cosh, "The hyperbolic cosine.")
tanh = _unary("tanh", torch.tanh, "The hyperbolic tangent.")
arcsinh = _unary("arcsinh", torch.arcsinh, "The inverse of the hyperbolic sine.")
arccosh = _unary("arccosh", torch.arccosh, "The inverse of the hyperbolic cosine.")
arctanh = _unary("arctanh", torch.arctanh, "The inverse of the hyperbolic tangent.")
sinc = _unary("sinc", torch.sinc, "sin(pi x) / (pi x).")
deg2rad = _unary("deg2rad", torch.deg2rad, "Degrees as radians.", floats=True)
rad2deg = _unary("rad2deg", torch.rad2deg, "Radians as degrees.", floats=True)
i0 = _unary("i0", torch.i0, "The modified Bessel function of order 0.", floats=True)
erf = _unary("erf", torch.erf, "The error function.")
erfc = _unary("erfc", torch.erfc, "1 minus the error function.")
erfinv = _unary("erfinv", torch.erfinv, "The inverse of the error function.")
floor = _unary("floor", torch.floor, "The largest whole number that is not above x.", floats=True)
ceil = _unary("ceil", torch.ceil, "The smallest whole number that is not below x.", floats=True)
trunc = _unary("trunc", lambda x: x if x.dtype is torch.bool else torch.trunc(x), "x without its fraction.")
sign = _unary("sign", torch.sign, "-1, 0 or 1.")
signbit = _unary("signbit", torch.signbit, "Whether the sign is minus, that of -0.0 too.")
fabs = _unary("fabs", torch.abs, "The absolute value, as a fraction.", floats=True)
angle = _unary("angle", torch.angle, "The angle of a complex number; of a real one 0 or pi.")
conj = _unary("conj", lambda x: torch.conj(x).resolve_conj(), "The complex conjugate.")
real = _unary("real", torch.real, "The real part.")
imag = _unary("imag", lambda x: torch.imag(x) if x.is_complex() else torch.zeros_like(x), "The imaginary part.")
isfinite = _unary("isfinite", torch.isfinite, "Whether a value is neither NaN nor infinite.")
isinf = _unary("isinf", torch.isinf, "Whether a value is infinite.")
isnan = _unary("isnan", torch.isnan, "Whether a value is NaN.")
isneginf = _unary("isneginf", torch.isneginf, "Whether a value is minus infinity.")
isposinf = _unary("isposinf", torch.isposinf, "Whether a value is plus infinity.")
isreal = _unary("isreal", torch.isreal, "Whether a value has no imaginary part.")
logical_not = _unary("logical_not", torch.logical_not, "Whether a value is 0 or False.")
bitwise_not = _unary("bitwise_not", torch.bitwise_not, "Each bit turned over.")
copy = _unary("copy", torch.clone, "The same values in memory of their own.")
view_as_complex = _unary("view_as_complex", torch.view_as_complex, "Pairs (real, imaginary) as complex numbers.")
view_as_real = _unary("view_as_real", torch.view_as_real, "Complex numbers as pairs (real, imaginary).")
abs = absolute
conjugate = conj
bitwise_invert = bitwise_not


def _binary(name: str, function: Function, says: str, *, floats: bool = False, same: bool = False) -> Function:
    """An operation on two tensors; `floats` makes fractions of integers, `same` gives both one type."""

    def called(x1: Operand, x2: Operand) -> Tensor:
        if floats or same:
            kind = result_type(x1.dtype, x2.dtype, float) if floats else torch.result_type(x1, x2)
            x1, x2 = _beside(x1, x2, kind), _beside(x2, x1, kind)
        return function(x1, x2)

    called.__name__ = called.__qualname__ = name
    called.__doc__ = says
    return operation(called)


def _beside(x: Tensor, other: Tensor, kind: torch.dtype) -> Tensor:
    """A tensor with a type and, as not all functions of torch take numbers from elsewhere, on the other's device."""
    if x.device == other.device or x.dim() or x.requires_grad:
        return x.to(other.device if not x.dim() and other.dim() else x.device, kind)
    return torch.full((), x.item(), dtype=kind, device=other.device) if other.dim() else x.to(kind)


maximum = _binary("maximum", torch.maximum, "The larger of two values; NaN if one is.", same=True)
minimum = _binary("minimum", torch.minimum, "The smaller of two values; NaN if one is.", same=True)
fmax = _binary("fmax", torch.fmax, "The larger of two values; a NaN is passed over.", same=True)
fmin = _binary("fmin", torch.fmin, "The smaller of two values; a NaN is passed over.", same=True)
arctan2 = _binary("arctan2", torch.arctan2, "The angle of the point (x2, x1).", floats=True)
hypot = _binary("hypot", torch.hypot, "The square root of x1² + x2².", floats=True)
logaddexp = _binary("logaddexp", torch.logaddexp, "log(exp(x1) + exp(x2)).", floats=True)
logaddexp2 = _binary("logaddexp2", torch.logaddexp2, "log2(2**x1 + 2**x2).", floats=True)
heaviside = _binary("heaviside", torch.heaviside, "0 below 0, x2 at 0, 1 above.", floats=True)
nextafter = _binary("nextafter", torch.nextafter, "The number after x1, towards x2.", floats=True)
logical_and = _binary("logical_and", torch.logical_and, "Whether both are true.")
logical_or = _binary("logical_or", torch.logical_or, "Whether one or both are true.")
logical_xor = _binary("logical_xor", torch.logical_xor, "Whether exactly one is true.")
gcd = _binary("gcd", torch.gcd, "The greatest common divisor.", same=True)
lcm = _binary("lcm", torch.lcm, "The least common multiple.", same=True)


def _on_bits(name: str, function: Function, says: str) -> Function:
    def called(x: Operand, y: Operand) -> Tensor:
        return function(x, y)

    called.__name__ = called.__qualname__ = name
    called.__doc__ = says
    return operation(called)


bitwise_and = _on_bits("bitwise_and", torch.bitwise_and, "The bits that both have.")
bitwise_or = _on_bits("bitwise_or", torch.bitwise_or, "The bits that one or both have.")
bitwise_xor = _on_bits("bitwise_xor", torch.bitwise_xor, "The bits that exactly one has.")
bitwise_left_shift = _on_bits("bitwise_left_shift", torch.bitwise_left_shift, "x times 2**y.")
bitwise_right_shift = _on_bits("bitwise_right_shift", torch.bitwise_right_shift, "x divided by 2**y, rounded down.")
left_shift, right_shift = bitwise_left_shift, bitwise_right_shift
divide = true_divide


@operation
def stop_gradient(variable: Tensor) -> Tensor:
    """The same values; no gradient goes through them."""
    return variable.detach()


@operation
def fmod(x1: Operand, x2: Operand) -> Tensor:
    """What truncated division leaves over; it has the sign of x1."""
    both = x1.dtype is torch.bool and x2.dtype is torch.bool
    return torch.fmod(x1.to(torch.int32), x2.to(torch.int32)) if both else torch.fmod(x1, x2)


@operation
def ldexp(x1: Operand, x2: Operand) -> Tensor:
    """x1 times 2 to the power of an integer x2."""
    if x2.is_floating_point() or x2.dtype is torch.bool:
        raise TypeError(f"the exponent is an integer; got {type_name(x2.dtype)}")
    return torch.ldexp(as_float(x1), x2).to(result_type(x1.dtype, float))


@operation
def divide_no_nan(x1: Operand, x2: Operand) -> Tensor:
    """x1 / x2, and 0 where x2 is 0.

    Examples
    --------
    >>> divide_no_nan([1.0, 2.0], [0.0, 4.0]).tolist()
    [0.0, 0.5]
    """
    kind = result_type(torch.result_type(x1, x2), float)
    x1, x2 = _beside(x1, x2, kind), _beside(x2, x1, kind)
    zero = x2 == 0
    # Not divided by 0 and replaced: the gradient of that is NaN.
    return torch.where(zero, torch.zeros((), dtype=kind, device=x2.device), x1 / torch.where(zero, 1, x2))


@operation
def clip(x: Tensor, x_min: Tensor | None, x_max: Tensor | None) -> Tensor:
    """x, but not below x_min and not above x_max; None is no bound.

    Examples
    --------
    >>> clip([-1, 0, 5], 0, 2).tolist()
    [0, 0, 2]
    """
    x = x.to(torch.int32) if x.dtype is torch.bool else x
    return torch.clip(x, x_min, x_max)


@operation
def round(x: Tensor, decimals: int = 0) -> Tensor:
    """To the nearest number with so many decimals; halves to the even one."""
    if x.is_floating_point():
        return torch.round(x, decimals=decimals)
    return torch.round(as_float(x), decimals=decimals).to(x.dtype)


@operation
def nan_to_num(x: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """Numbers in place of NaN and infinities; None is the largest, or smallest, that there is."""
    return torch.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


@operation
def isclose(x1: Tensor, x2: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Whether two values differ by at most atol + rtol abs(x2)."""
    kind = result_type(x1.dtype, x2.dtype)
    x1, x2 = x1.to(kind), x2.to(kind)
    return torch.isclose(x1, x2, rtol, atol, equal_nan) if kind.is_floating_point else torch.eq(x1, x2)


@operation
def allclose(x1: Tensor, x2: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Whether `isclose` holds for all values."""
    return torch.all(isclose(x1, x2, rtol, atol, equal_nan))


@operation
def isin(x1: Tensor, x2: Tensor, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Whether each value of x1 is among those of x2."""
    kind = result_type(x1.dtype, x2.dtype, int)
    return torch.isin(x1.to(kind), x2.to(kind), assume_unique=assume_unique, invert=invert)


@operation
def where(condition: Tensor, x1: Operand | None = None, x2: Operand | None = None) -> Tensor:
    """x1 where the condition holds, x2 elsewhere; with the condition alone, the indices where it holds.

    Examples
    --------
    >>> where([True, False], 1, 2.5).tolist()
    [1.0, 2.5]
    """
    condition = condition.to(torch.bool)
    if x1 is None and x2 is None:
        return torch.stack(torch.where(condition))
    if x1 is None or x2 is None:
        raise TypeError("x1 and x2 come together, or neither")
    return torch.where(condition, x1, x2)


@operation
def cast(x: Tensor, dtype: Any) -> Tensor:
    """The values as another type.

    Examples
    --------
    >>> cast([1.9, 2.1], "int32").tolist()
    [1, 2]
    """
    return x.to(torch_type(dtype))


@operation
def saturate_cast(x: Tensor, dtype: Any) -> Tensor:
    """The values as another type; those that it cannot hold become its largest or smallest.

    Examples
    --------
    >>> saturate_cast([-5, 300], "uint8").tolist()
    [0, 255]
    """
    kind = torch_type(dtype)
    if kind is torch.bool:
        return x.clamp(0, 1).to(kind)
    bounds = [torch.finfo(k) if k.is_floating_point else torch.iinfo(k) for k in (x.dtype, kind) if k is not torch.bool]
    least, most = max(b.min for b in bounds), min(b.max for b in bounds)
    low, high = (torch.tensor(bound, dtype=torch.float64).to(x.dtype).item() for bound in (least, most))
    if x.is_floating_point() and not kind.is_floating_point:
        # The bounds of integers may be rounded outward.
        zero = torch.zeros((), dtype=x.dtype)
        low = torch.nextafter(torch.tensor(low, dtype=x.dtype), zero).item() if low < least else low
        high = torch.nextafter(torch.tensor(high, dtype=x.dtype), zero).item() if high > most else high
        return x.clamp(low, high).to(kind)
    return (x if x.dtype is torch.bool else x.clamp(least, most)).to(kind)


@operation
def view(x: Tensor, dtype: Any = None) -> Tensor:
    """The same memory read as another type."""
    return x if dtype is None else x.view(torch_type(dtype))


@operation
def polar(abs_: Tensor, angle: Tensor) -> Tensor:
    """Complex numbers of an absolute value and an angle."""
    return torch.complex(abs_ * torch.cos(angle), abs_ * torch.sin(angle))


@operation
def select(condlist: list[Any], choicelist: list[Any], default: Any = 0) -> Tensor:
    """For each value the choice whose condition is the first to hold, else the default."""
    out = convert(default)
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        out = where(condition, choice, out)
    return out

"""Variables, symbols, and the state of the process, as `keras.backend` has them."""

from __future__ import annotations

import gc
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, cast

import numpy as np
import torch

from handson import ops
from handson.core.errors import HandsonError
from handson.graph import Symbol
from handson.graph.conversion import type_name
from handson.keras.phases import given_phase
from handson.keras.variable import Variable

_numbers: dict[str, Any] = defaultdict(itertools.count)


def eval(x: Any) -> np.ndarray:
    """The values of a tensor as an array."""
    return np.asarray(ops.convert_to_numpy(x))


def get_value(x: Any) -> Any:
    """The values of a tensor or variable as an array; a number stays one."""
    return x if isinstance(x, (int, float)) else eval(x)


def batch_get_value(tensors: Iterable[Any]) -> list[Any]:
    """The values of several tensors."""
    return [get_value(x) for x in tensors]


def set_value(x: Any, value: Any) -> None:
    """Give a tensor or variable other values.

    Examples
    --------
    >>> kept = variable(0.0)
    >>> set_value(kept, 2.0); get_value(kept).item()
    2.0
    """
    if hasattr(x, "assign"):
        x.assign(value)
        return
    if isinstance(x, (int, float)):
        raise HandsonError(f"set_value changes tensors, variables and learning rates; {x!r} is a plain number.")
    with torch.no_grad():
        x.copy_(ops.convert_to_tensor(value, type_name(x.dtype)))


def batch_set_value(tuples: Iterable[tuple[Any, Any]]) -> None:
    """Give several tensors other values, from pairs (tensor, values)."""
    for x, value in tuples:
        set_value(x, value)


def update(x: Any, new_x: Any) -> Any:
    """Assign to a variable."""
    return x.assign(new_x)


def update_add(x: Any, increment: Any) -> Any:
    """Add to a variable."""
    return x.assign_add(increment)


def update_sub(x: Any, decrement: Any) -> Any:
    """Subtract from a variable."""
    return x.assign_sub(decrement)


def moving_average_update(x: Any, value: Any, momentum: float) -> Any:
    """Move a variable towards a value: x * momentum + value * (1 - momentum)."""
    return x.assign(x * momentum + value * (1.0 - momentum))


def random_normal_variable(
    shape: Any, mean: float, scale: float, dtype: Any = None, name: str | None = None, seed: Any = None
) -> Any:  # fmt: skip
    """A variable of normal numbers."""
    from handson import random

    return variable(random.normal(shape, mean, scale, dtype, seed), dtype, name)


def random_uniform_variable(
    shape: Any, low: float, high: float, dtype: Any = None, name: str | None = None, seed: Any = None
) -> Any:  # fmt: skip
    """A variable of uniform numbers."""
    from handson import random

    return variable(random.uniform(shape, low, high, dtype, seed), dtype, name)


def variable(value: Any, dtype: Any = None, name: str | None = None, constraint: Any = None) -> Any:
    """A variable: a tensor that can be assigned to."""
    made: Any = cast(Any, Variable)(value, dtype=dtype or (None if hasattr(value, "dtype") else "float32"), name=name)
    if constraint is not None:
        made.constraint = constraint
    return made


def placeholder(
    shape: Any = None, ndim: int | None = None, dtype: Any = None, sparse: bool = False, name: str | None = None
) -> Symbol:  # fmt: skip
    """A symbol for a tensor of a shape, the axis of the rows included."""
    from handson.layers import Input

    if sparse:
        raise HandsonError("placeholder: sparse tensors are not here; leave out sparse=True.")
    found: Symbol = Input(batch_shape=tuple(shape) if shape is not None else (None,) * int(ndim or 0), name=name)
    return found


def function(inputs: Any, outputs: Any, updates: Any = None, **kwargs: Any) -> Callable[..., Any]:
    """A function of arrays that gives the values of symbols.

    Parameters
    ----------
    inputs, outputs : Symbol or list of Symbol
        Such as `net.inputs` and the `output` of a layer. `learning_phase()` among the inputs is 1 or 0: as in training,
        or not.
    updates : None
        Keras 1 assigned to variables by it; it is refused.

    Examples
    --------
    >>> from handson.keras.layers import Dense, Input
    >>> x = Input((3,))
    >>> inside = function([x], [Dense(2)(x)])
    >>> inside([np.ones((5, 3))])[0].shape
    (5, 2)
    """
    from handson.models import Model

    if updates or kwargs:
        raise HandsonError("function takes inputs and outputs; assign to variables in a layer's call, without updates.")
    net, single = Model(given_phase(inputs, None)[0], outputs), not isinstance(outputs, (list, tuple))

    def called(values: Any) -> Any:
        symbols, values, phase = given_phase(inputs, values)
        values = values if hasattr(values, "shape") else [v if hasattr(v, "shape") else np.asarray(v) for v in values]
        given = list(values) if isinstance(symbols, (list, tuple)) else values
        given = given[0] if isinstance(given, list) and len(given) == 1 else given
        with torch.no_grad():
            found = net(given) if phase is None else net(given, training=phase)
        return eval(found) if single else [eval(each) for each in (found if isinstance(found, list) else [found])]

    return called


def get_uid(prefix: str = "") -> int:
    """A number, counted from 1 for each prefix."""
    return int(next(_numbers[prefix])) + 1


def reset_uids() -> None:
    """Count from 1 again."""
    _numbers.clear()


def clear_session(free_memory: bool = True) -> None:
    """Give memory back. There is nothing else to clear: names of layers are counted in each net for itself."""
    reset_uids()
    if free_memory:
        gc.collect()
        torch.cuda.empty_cache()

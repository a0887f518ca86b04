"""Keras 1's function that merges tensors in a way that it names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from handson import layers
from handson.core import older
from handson.core.errors import HandsonError, listing
from handson.layers import Lambda
from handson.models import Model

MODES = {"ave": "average", "concat": "concatenate", "max": "maximum", "min": "minimum", "mul": "multiply", "sum": "add"}


def merge(
    inputs: Sequence[Any], mode: str = "sum", dot_axes: Any = -1, concat_axis: int = -1, name: str | None = None
) -> Any:  # fmt: skip
    """Several tensors as one.

    Parameters
    ----------
    inputs : list of Symbol
        What layers gave.
    mode : {'sum', 'mul', 'ave', 'max', 'min', 'concat', 'dot', 'cos'}
        How: see `layers.add`, `multiply`, `average`, `maximum`, `minimum`, `concatenate` and `dot`.
    dot_axes : int or tuple of int
        For 'dot' and 'cos'.
    concat_axis : int
        For 'concat'.
    name : str, optional
        The name of the layer.

    Examples
    --------
    >>> import contextlib
    >>> import io
    >>> from handson.keras.layers import Input
    >>> with contextlib.redirect_stdout(io.StringIO()):  # once it says that this is `concatenate` since Keras 2
    ...     merged = merge([Input((2,)), Input((3,))], mode="concat")
    >>> merged.shape
    (None, 5)
    """
    if mode in ("dot", "cos"):
        older.say_once(f"merge(mode={mode!r})", "dot")
        return layers.dot(inputs, axes=dot_axes, normalize=mode == "cos", name=name)
    if mode not in MODES:
        raise HandsonError(f"merge: mode is one of {listing([*MODES, 'dot', 'cos'])}; got {mode!r}.")
    older.say_once(f"merge(mode={mode!r})", MODES[mode])
    further = {"axis": concat_axis} if mode == "concat" else {}
    return getattr(layers, MODES[mode])(inputs, **further, name=name)


def Merge(
    layers: Sequence[Any], mode: Any = "sum", concat_axis: int = -1, dot_axes: Any = -1, name: str | None = None
) -> Any:  # fmt: skip
    """Keras 1's first layer of a stack that takes what several nets give: a net with the inputs of all of them.

    Parameters
    ----------
    layers : list of Model
        Nets whose input shapes are known.
    mode : str or function
        See `merge`; or a function of the list of their outputs.
    concat_axis, dot_axes, name
        See `merge`.

    Examples
    --------
    >>> from handson import Sequential
    >>> from handson.keras.layers import Dense
    >>> nets = Sequential([Dense(2, input_dim=3)]), Sequential([Dense(2, input_dim=4)])
    >>> both = Merge(nets, mode=lambda pair: pair[0] * pair[1])
    >>> [symbol.shape for symbol in both.inputs], both.output_shape
    ([(None, 3), (None, 4)], (None, 2))
    """
    nets = list(layers)
    if len(nets) < 2 or not all(isinstance(net, Model) and net.graph is not None for net in nets):
        raise HandsonError("Merge takes two or more nets whose input shapes are known: give their first layer one.")
    inputs = [symbol for net in nets for symbol in net.inputs]
    outputs = [net.output for net in nets]
    merged = Lambda(mode)(outputs) if callable(mode) else merge(outputs, mode, dot_axes, concat_axis)
    return Model(inputs, merged, name=name)

"""`InputSpec`: what a layer of one's own takes, checked whenever it is called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from handson.core import tree
from handson.core.errors import HandsonError
from handson.graph.conversion import torch_type, type_name


class InputSpec:
    """The rank, the sizes and the type of an input of a layer; assigned to `layer.input_spec`, alone or in a list.

    Parameters
    ----------
    dtype : str, optional
        The type.
    shape : tuple of int or None, optional
        The shape, the batch included; None for what may be any.
    ndim, min_ndim, max_ndim : int, optional
        How many axes there are, the batch's too: exactly, at least, at most.
    axes : dict of int to int, optional
        The sizes of some axes.
    allow_last_axis_squeeze : bool
        Whether a last axis of size 1 may be missing, or be there, beside `shape`.
    name : str, optional
        The key of the input in a dictionary.
    optional : bool
        Whether the input may be None.

    Examples
    --------
    >>> InputSpec(ndim=4, axes={-1: 3})
    InputSpec(ndim=4, axes={-1: 3})
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Sequence[int | None] | None = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: dict[int, int | None] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.dtype = None if dtype is None else type_name(torch_type(dtype))
        self.shape = None if shape is None else tuple(shape)
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.axes = {int(axis): size for axis, size in (axes or {}).items()}
        self.allow_last_axis_squeeze, self.name, self.optional = allow_last_axis_squeeze, name, optional

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again."""
        return dict(vars(self))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InputSpec:
        """What `get_config` gave, as an object."""
        return cls(**config)

    def __repr__(self) -> str:
        said = {key: value for key, value in vars(self).items() if value not in (None, {}, False)}
        return f"InputSpec({', '.join(f'{key}={value!r}' for key, value in said.items())})"

    def why_not(self, shape: tuple[int | None, ...], dtype: Any) -> str | None:
        """Why an input of a shape and type is none of these; None where it is one."""
        rank, fixed = len(shape), self.shape
        if fixed is not None and self.allow_last_axis_squeeze and abs(rank - len(fixed)) == 1:
            longer = shape if rank > len(fixed) else fixed
            if longer[-1] == 1:
                shape, fixed = shape[: min(rank, len(fixed))], fixed[: min(rank, len(fixed))]
                rank = len(shape)
        expected = self.ndim if fixed is None else len(fixed)
        if expected is not None and rank != expected:
            return f"it takes {expected} axes, the batch's included"
        if self.min_ndim is not None and rank < self.min_ndim:
            return f"it takes {self.min_ndim} axes at least, the batch's included"
        if self.max_ndim is not None and rank > self.max_ndim:
            return f"it takes {self.max_ndim} axes at most, the batch's included"
        if self.dtype is not None and isinstance(dtype, torch.dtype) and type_name(dtype) != self.dtype:
            return f"it takes {self.dtype}, and this is {type_name(dtype)}"
        sizes = self.axes | ({} if fixed is None else dict(enumerate(fixed)))
        for axis, size in sizes.items():
            if not -rank <= axis < rank or (None not in (size, shape[axis]) and shape[axis] != size):
                return f"its axis {axis} has the size {size}"
        return None


def check(layer: Any, specs: Any, inputs: Any) -> None:
    """Raise unless the inputs of a layer are what its `input_spec` says.

    Raises
    ------
    HandsonError
        With the shape that came, and what was expected.
    """
    pairs: list[Any]
    if isinstance(specs, dict):
        pairs = [(spec, inputs.get(name)) for name, spec in specs.items()] if isinstance(inputs, dict) else []
    elif isinstance(specs, (list, tuple)):
        leaves = tree.leaves(inputs)
        if len(leaves) != len(specs):
            raise HandsonError(f"layer {layer.name!r} takes {len(specs)} inputs (input_spec); got {len(leaves)}.")
        pairs = list(zip(specs, leaves, strict=True))
    else:
        pairs = [(specs, inputs)]
    for spec, one in pairs:
        if spec is None or not hasattr(one, "shape"):
            continue
        why = spec.why_not(tuple(one.shape), one.dtype)
        if why is not None:
            raise HandsonError(
                f"layer {layer.name!r} cannot take inputs of shape {tuple(one.shape)}: {why} (input_spec={spec!r})."
            )

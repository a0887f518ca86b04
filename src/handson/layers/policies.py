"""The types that layers compute in and keep their weights in: what the argument `dtype` of a layer means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from handson.core import tree
from handson.core.errors import HandsonError, listing, nearest
from handson.graph.conversion import TYPES, floatx, type_name

# What is computed in, and what weights are kept in.
MIXED = {"mixed_float16": ("float16", "float32"), "mixed_bfloat16": ("bfloat16", "float32")}
LOW = (torch.float16, torch.bfloat16)
KNOWN = ("float32", "float64", "float16", "bfloat16", *MIXED)


class DTypePolicy:
    """In what type a layer computes, and in what type it keeps its weights.

    Parameters
    ----------
    name : str, optional
        A type, such as 'float64', for both; 'mixed_float16' or 'mixed_bfloat16' to compute in 16 bits with weights in
        float32. By default torch's default type, float32.

    Attributes
    ----------
    compute_dtype, variable_dtype : str
        The two types.

    Examples
    --------
    >>> DTypePolicy("mixed_bfloat16").compute_dtype, DTypePolicy("mixed_bfloat16").variable_dtype
    ('bfloat16', 'float32')
    >>> DTypePolicy("float23")
    Traceback (most recent call last):
    handson.core.errors.HandsonError: unknown dtype 'float23'. Did you mean 'float32' or 'float16'? A layer ...
    """

    quantization_mode: ClassVar[None] = None

    def __init__(self, name: str | None = None) -> None:
        self.name = type_name(floatx()) if name is None else str(name)
        if self.name not in TYPES and self.name not in MIXED:
            raise HandsonError(
                f"unknown dtype {self.name!r}.{nearest(self.name, KNOWN)} A layer computes in {listing(KNOWN)}."
            )
        self.compute_dtype, self.variable_dtype = MIXED.get(self.name, (self.name, self.name))

    @property
    def mixed(self) -> bool:
        """Whether weights are kept in another type than is computed in."""
        return self.compute_dtype != self.variable_dtype

    def get_config(self) -> dict[str, Any]:
        """The name, as JSON."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicy:
        """The policy that `get_config` described."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"<DTypePolicy {self.name!r}>"


# What `set_usual` was told.
_usual: list[DTypePolicy] = []
_described: ContextVar[bool] = ContextVar("handson_described", default=False)


def usual() -> DTypePolicy:
    """The policy of layers that are not given one: that of `set_usual`, or else the type of fractions."""
    if _described.get():
        return DTypePolicy("float32")
    return _usual[0] if _usual else DTypePolicy()


def set_usual(policy: DTypePolicy | None) -> None:
    """Name the policy of layers that are made afterwards and not given one; None for the type of fractions."""
    _usual[:] = [] if policy is None else [policy]


@contextmanager
def as_described() -> Iterator[None]:
    """While this lasts, a layer whose description names no policy is one of float32, whatever `set_usual` says."""
    token = _described.set(True)
    try:
        yield
    finally:
        _described.reset(token)


def get(identifier: Any) -> DTypePolicy:
    """The policy for a name, a type, a configuration or a policy; None for the usual one.

    Examples
    --------
    >>> get("float64"), get(torch.float16), get({"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}})
    (<DTypePolicy 'float64'>, <DTypePolicy 'float16'>, <DTypePolicy 'mixed_float16'>)
    """
    if identifier is None or isinstance(identifier, DTypePolicy):
        return identifier or usual()
    if isinstance(identifier, dict):
        return get(identifier.get("config", identifier).get("name"))
    if isinstance(identifier, str):
        return DTypePolicy(identifier)
    name = getattr(identifier, "name", None)  # a policy of Keras
    return DTypePolicy(name if isinstance(name, str) and name in KNOWN else type_name(identifier))


def name_of(identifier: Any) -> str | None:
    """What a file says of the argument `dtype`: None for float32, which every layer has that is not told otherwise."""
    name = get(identifier).name
    return None if identifier is None and name == "float32" else name


# Weights in a lower type while a layer is called.


def watch(layer: Any) -> None:
    """Let a layer whose policy is mixed see its weights in the type that it computes in, while it is called."""
    layer.register_forward_pre_hook(_lower)
    layer.register_forward_hook(_restore, always_call=True)


def _lower(layer: Any, args: Any) -> None:
    if layer.wide:
        return
    for held in (layer._parameters, vars(layer)):  # under their names, and under other attributes
        weights = {name: weight for name, weight in held.items() if isinstance(weight, nn.Parameter)}
        lowered = {name: weight for name, weight in weights.items() if not layer.keeps_type(weight)}
        layer._lowered.append((held, lowered))
    for held, lowered in layer._lowered[-2:]:
        held.update({name: weight.to(layer.input_type) for name, weight in lowered.items()})


def _restore(layer: Any, args: Any, output: Any) -> Any:
    if layer.wide:
        return tree.map_leaves(lambda leaf: leaf.to(layer.output_type) if isinstance(leaf, Tensor) else leaf, output)
    for _ in range(2):
        held, weights = layer._lowered.pop()
        held.update(weights)
    return None

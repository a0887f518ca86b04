"""Policies of types: what the weights and the computations of a layer are in."""

from __future__ import annotations

from typing import Any

from handson.core.errors import HandsonError, listing
from handson.graph.conversion import type_name
from handson.keras.mirror import mirror

MIXED = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}

mirror(__name__)


class DTypePolicy:
    """The type of the weights and that of the computations.

    Parameters
    ----------
    name : str
        A type, such as 'float32', or 'mixed_bfloat16' and 'mixed_float16': computations in the lower type, weights in
        float32.

    Examples
    --------
    >>> policy = DTypePolicy("mixed_bfloat16")
    >>> policy.compute_dtype, policy.variable_dtype
    ('bfloat16', 'float32')
    """

    def __init__(self, name: str = "float32") -> None:
        self.name = name if name in MIXED else type_name(name)

    @property
    def compute_dtype(self) -> str:
        """What is computed in."""
        return MIXED.get(self.name, self.name)

    @property
    def variable_dtype(self) -> str:
        """What weights are in."""
        return "float32" if self.name in MIXED else self.name

    def get_config(self) -> dict[str, Any]:
        """The arguments, as JSON."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicy:
        """Make the policy that `get_config` told of."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"DTypePolicy({self.name!r})"


FloatDTypePolicy = DTypePolicy


def get(identifier: Any) -> DTypePolicy:
    """The policy for a name, a configuration or a policy; that of Keras's default for None.

    Examples
    --------
    >>> get("float64"), get(None)
    (DTypePolicy('float64'), DTypePolicy('float32'))
    """
    if identifier is None:
        return DTypePolicy()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, dict):
        return deserialize(identifier)
    return DTypePolicy(identifier)


def serialize(dtype_policy: DTypePolicy) -> dict[str, Any]:
    """The class and the arguments of a policy, as JSON."""
    return {"class_name": "DTypePolicy", "config": dtype_policy.get_config()}


def deserialize(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> DTypePolicy:
    """The policy for what `serialize` gave.

    Examples
    --------
    >>> deserialize(serialize(DTypePolicy("bfloat16")))
    DTypePolicy('bfloat16')
    """
    known = {"DTypePolicy": DTypePolicy, "FloatDTypePolicy": DTypePolicy} | (custom_objects or {})
    name = config.get("class_name")
    if name not in known:
        raise HandsonError(f"a policy of types is one of {listing(known)}; got {name!r}.")
    policy: DTypePolicy = known[name].from_config(config["config"])
    return policy

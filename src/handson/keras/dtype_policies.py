"""Policies of types: what the weights and the computations of a layer are in."""

from __future__ import annotations

from typing import Any

from handson.core.errors import HandsonError, listing
from handson.keras.mirror import mirror
from handson.layers.policies import DTypePolicy

mirror(
    __name__,
    DTypePolicy="handson.layers.policies:DTypePolicy",
    FloatDTypePolicy="handson.layers.policies:DTypePolicy",
    get="handson.layers.policies:get",
)


def serialize(dtype_policy: DTypePolicy) -> dict[str, Any]:
    """The class and the arguments of a policy, as JSON."""
    return {"class_name": "DTypePolicy", "config": dtype_policy.get_config()}


def deserialize(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> DTypePolicy:
    """The policy for what `serialize` gave.

    Examples
    --------
    >>> deserialize(serialize(DTypePolicy("bfloat16")))
    <DTypePolicy 'bfloat16'>
    """
    known = {"DTypePolicy": DTypePolicy, "FloatDTypePolicy": DTypePolicy} | (custom_objects or {})
    name = config.get("class_name")
    if name not in known:
        raise HandsonError(f"a policy of types is one of {listing(known)}; got {name!r}.")
    policy: DTypePolicy = known[name].from_config(config["config"])
    return policy

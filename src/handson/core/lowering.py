"""Lowerings: what engines other than the reference need to know to run a layer, a loss, an optimizer, a regularizer.

A rule stands in a table under the engine and the class of the part. A class without one, a subclass of the user's too,
runs in `eager`: it may compute anything.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeVar

# Which registers handson's own rules.
ENGINES = "handson.training.engines"
Rule = TypeVar("Rule", bound=Callable[..., Any])
_rules: dict[tuple[str, type], Callable[..., Any]] = {}


class NoLowering(Exception):
    """An engine cannot run something; the message names it, as in 'the layer lstm'."""


def lowers(*kinds: type, engine: str) -> Callable[[Rule], Rule]:
    """Register the rule by which an engine runs parts of some classes.

    Parameters
    ----------
    *kinds : type
        The classes.
    engine : {'dense', 'blocks'}
        The engine: what its rules take and give is in `handson.training.engines`.

    Examples
    --------
    A layer that computes what `Dense` does, with arguments of its own, runs by the rule of `Dense`:

    >>> import handson
    >>> from handson.layers import Dense
    >>> class Hidden(Dense):
    ...     def __init__(self, units=64, **kwargs):
    ...         super().__init__(units, activation="relu", **kwargs)
    >>> rule = handson.lowers(Hidden, engine="dense")(rule_of(Dense, "dense"))
    >>> rule_of(Hidden, "dense") is rule
    True
    """

    def register(rule: Rule) -> Rule:
        _rules.update({(engine, kind): rule for kind in kinds})
        return rule

    return register


def rule_of(kind: type, engine: str) -> Callable[..., Any] | None:
    """The rule by which an engine runs parts of a class, None where there is none."""
    if (engine, kind) not in _rules:
        importlib.import_module(ENGINES)
    return _rules.get((engine, kind))


def lowered(part: Any, engine: str, *context: Any) -> Any:
    """What an engine runs in place of a part.

    Raises
    ------
    NoLowering
        When the engine has no rule for the class of the part, or the rule refuses this one.
    """
    rule = rule_of(type(part), engine)
    if rule is None:
        raise NoLowering(described(part))
    return rule(part, *context)


def described(part: Any) -> str:
    """A part in words.

    Examples
    --------
    >>> from handson.layers import LSTM
    >>> described(LSTM(3))
    'the layer lstm (LSTM)'
    """
    kind, name = getattr(part, "kind", "function"), getattr(part, "name", None)
    of = type(part).__name__
    return f"the {kind} {name} ({of})" if kind == "layer" else f"the {kind} {name or of}"

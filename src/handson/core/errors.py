"""Errors that say what came, what was expected, and what to type."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from itertools import islice
from numbers import Integral, Real
from typing import Any

# More names than anybody misspelt one of, and longer ones.
MOST_COMPARED, MOST_LETTERS = 1000, 100


class HandsonError(ValueError):
    """Something the user gave cannot be used; the message says what to give instead.

    Control characters, which may come with the name of a file, are shown and do not reach the terminal.

    Examples
    --------
    >>> issubclass(HandsonError, ValueError)
    True
    >>> HandsonError(f"no file {chr(27)}[31m").args[0].isprintable()
    True
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(printable(str(message)))


class NotBuiltError(HandsonError):
    """A net was asked for its weights or shapes before its input shape was known."""


class TrainingError(HandsonError):
    """Training stopped because it cannot go on, for example at a loss that is not a number."""


def printable(text: str) -> str:
    """A text for a terminal: control characters, which a file may bring along, are shown and do not reach it.

    Examples
    --------
    >>> printable(f"a{chr(27)}[31mb").isprintable()
    True
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(letter: str) -> str:
    return letter if letter.isprintable() or letter == "\n" else ascii(letter)[1:-1]


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence naming the known names nearest to a misspelt one, never that name itself, or the empty string.

    Parameters
    ----------
    name : str
        The name that came.
    known : iterable of str
        The names that would have been accepted.

    Examples
    --------
    >>> nearest("epoch", ["epochs", "batch_size"])
    " Did you mean 'epochs'?"
    >>> nearest("zzz", ["epochs"])
    ''
    """
    likeness: dict[str, float] = {}
    known = (entry for entry in map(str, known) if entry != str(name))
    for entry in sorted(map(str, islice(known, MOST_COMPARED)), key=str.swapcase):
        matcher = SequenceMatcher(None, str(name)[:MOST_LETTERS].casefold(), entry[:MOST_LETTERS].casefold())
        ratio = matcher.ratio() if min(matcher.real_quick_ratio(), matcher.quick_ratio()) >= 0.6 else 0.0
        if ratio >= 0.6 and entry.casefold() not in map(str.casefold, likeness):
            likeness[entry] = ratio
    best = sorted(likeness, key=lambda entry: (-likeness[entry], entry))[:2]
    return f" Did you mean {' or '.join(map(repr, best))}?" if best else ""


def listing(names: Iterable[object], limit: int = 12) -> str:
    """Names as quoted text, cut after `limit` of them.

    Examples
    --------
    >>> listing(["a", "b", "c"], limit=2)
    "'a', 'b' and 1 more"
    """
    names = list(names)
    shown = ", ".join(repr(name) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def shortened(text: object, most: int = 1000) -> str:
    """A text, cut where it becomes longer than a message should be.

    Examples
    --------
    >>> shortened("abcdefgh", most=5)
    'abcde ...'
    """
    text = str(text)
    return text if len(text) <= most else f"{text[:most]} ..."


def number(name: str, value: Any) -> float:
    """The value as a number, or an error that names the argument.

    Examples
    --------
    >>> number("min_delta", "small")
    Traceback (most recent call last):
    handson.core.errors.HandsonError: min_delta is a number; got 'small'.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise HandsonError(f"{name} is a number; got {value!r}.")
    return float(value)


def whole(name: str, value: Any, least: int) -> int:
    """The value as a whole number, or an error that names the argument.

    Examples
    --------
    >>> whole("epochs", -1, 0)
    Traceback (most recent call last):
    handson.core.errors.HandsonError: epochs is a whole number, at least 0; got -1.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise HandsonError(f"{name} is a whole number, at least {least}; got {value!r}.")
    return int(value)

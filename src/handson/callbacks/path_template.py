"""Paths with names in braces, as in 'net-{epoch:02d}-{val_loss:.3f}.handson': a closed little language.

Python's own format language looks up attributes, and writes numbers a billion digits wide if it is asked to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from handson.core.errors import HandsonError, listing, nearest

# A brace that is written twice, a name in braces, or a brace that stands alone.
PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
NAME = re.compile(r"[^\W\d][^.\[\]!]*")
# Sign of zeros, width, digits after the point, and how the number is written.
FORMAT = re.compile(r"0?\d{0,2}(\.\d{1,2})?[defgEFG%]?")
HOW = "A name may be followed by a format such as :02d, :.3f or :.2%, as in 'net-{epoch:02d}-{val_loss:.3f}.handson'"


class PathTemplate:
    """A path with names of measured quantities in braces.

    Parameters
    ----------
    text : str
        The path.

    Raises
    ------
    HandsonError
        When a brace is not closed, or something else than a name and a format is in it.

    Examples
    --------
    >>> PathTemplate("net-{epoch:02d}-{val_loss:.3f}.handson").fill({"epoch": 3, "val_loss": 0.25})
    'net-03-0.250.handson'
    """

    def __init__(self, text: str) -> None:
        self.text = text
        for match in PART.finditer(text):
            if match[0] not in ("{{", "}}"):
                self._check(match)

    def _check(self, match: re.Match[str]) -> None:
        if match[1] is None:
            place = f"the brace at {self.text[match.start() :][:20]!r}"
            reason = f"{place} is not closed" if match[0] == "{" else f"{place} closes none"
            raise HandsonError(f"{self.text!r}: {reason}; a brace that is meant is written twice. {HOW}.")
        name, _, form = match[1].partition(":")
        if not NAME.fullmatch(name):
            raise HandsonError(f"{self.text!r}: {match[0]!r} is no name of a measured quantity. {HOW}.")
        if not FORMAT.fullmatch(form):
            raise HandsonError(f"{self.text!r}: the format of {match[0]!r} is not known. {HOW}.")
        self._show(1 if name == "epoch" else 1.0, match)

    def _show(self, value: float, match: re.Match[str]) -> str:
        try:
            return format(value, match[1].partition(":")[2])
        except ValueError:
            raise HandsonError(
                f"{self.text!r}: {match[0]!r} asks for a whole number, which it is not. {HOW}."
            ) from None

    def fill(self, values: Mapping[str, float]) -> str:
        """The path with values in place of the names.

        Raises
        ------
        HandsonError
            When a quantity is not measured; the message names the nearest one.
        """

        def put(match: re.Match[str]) -> str:
            if match[1] is None:
                return match[0][0]
            name = match[1].partition(":")[0]
            if name not in values:
                raise HandsonError(
                    f"{self.text!r} names {name!r}, which is not measured.{nearest(name, values)} "
                    f"Known: {listing(values)}."
                )
            return self._show(values[name], match)

        return PART.sub(put, self.text)

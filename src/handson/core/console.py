"""Where text goes: plain lines, or above a progress bar that is being drawn."""

from __future__ import annotations

import sys
from typing import Any

from handson.core.errors import printable

_live: list[Any] = []


def shown(text: str) -> str:
    """A text as the terminal can show it: control characters, and letters that it does not know, as their codes.

    Names of columns and files come from elsewhere, and the terminal would obey the escape sequences in them.

    Examples
    --------
    >>> shown(f"a{chr(27)}[2J").isprintable()
    True
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return printable(text).encode(encoding, "backslashreplace").decode(encoding)


def say(text: str) -> None:
    """Print a line; above the bar if one is being drawn."""
    text = shown(text)
    if _live:
        _live[-1].print(text, highlight=False, markup=False)
    else:
        print(text, flush=True)


def is_terminal() -> bool:
    """Whether the output is a terminal that can redraw a line."""
    return sys.stdout.isatty()


def redirect(console: Any | None) -> None:
    """Send lines to a rich console from now on, or with None back to where they went before."""
    if console is None:
        _live.pop()
    else:
        _live.append(console)

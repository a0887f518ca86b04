"""Where text goes: plain lines, or above a progress bar that is being drawn."""

from __future__ import annotations

import sys
from typing import Any

_live: list[Any] = []


def say(text: str) -> None:
    """Print a line; above the bar if one is being drawn."""
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

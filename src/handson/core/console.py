"""Where text goes: plain lines, or above a progress bar that is being drawn.

Output never ends the work it is about: a reader that went away, a full disk or a closed output lose lines and nothing
else.
"""

from __future__ import annotations

import atexit
import os
import sys
from typing import Any

from handson.core.errors import printable

_live: list[Any] = []


class Stream:
    """An output of this process that cannot fail: 'stdout' or 'stderr', whatever they are when something is written."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def _target(self) -> Any:
        return getattr(sys, self.name)

    @property
    def encoding(self) -> str:
        """How text is written as bytes."""
        return getattr(self._target, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        try:
            return bool(self._target.isatty())
        except (AttributeError, OSError, ValueError):
            return False

    def fileno(self) -> int:
        """The descriptor, where there is one."""
        if self._target is None:
            raise OSError("there is no output")
        return int(self._target.fileno())

    def write(self, text: str) -> int:
        """Write a text, or lose it."""
        try:
            self._target.write(text)
        except UnicodeError:
            self.write(text.encode(self.encoding, "backslashreplace").decode(self.encoding))
        except (OSError, ValueError, AttributeError):
            self._lost()
        return len(text)

    def flush(self) -> None:
        """Send on what was written, or lose it."""
        try:
            self._target.flush()
        except (OSError, ValueError, AttributeError):
            self._lost()

    def _lost(self) -> None:
        """Python writes what is left when it ends, and would fail then."""
        atexit.unregister(_settle)
        atexit.register(_settle)


output: Any = Stream("stdout")  # what libraries take for a file
errors = Stream("stderr")


def _settle() -> None:
    """Let what could not be written go to nowhere."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            try:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
            except (OSError, ValueError, AttributeError):
                continue


def shown(text: object) -> str:
    """A text as the terminal can show it: control characters, and letters that it does not know, as their codes.

    Names of columns and files come from elsewhere, and the terminal would obey the escape sequences in them.

    Examples
    --------
    >>> shown(f"a{chr(27)}[2J").isprintable()
    True
    """
    encoding = output.encoding
    return printable(str(text)).encode(encoding, "backslashreplace").decode(encoding)


def say(text: object) -> None:
    """Print a line; above the bar if one is being drawn."""
    line = shown(text)
    if _live:
        _live[-1].print(line, highlight=False, markup=False)
    else:
        output.write(f"{line}\n")
        output.flush()


def warn(text: object) -> None:
    """Print a line where errors go."""
    errors.write(f"{shown(text)}\n")
    errors.flush()


def is_terminal() -> bool:
    """Whether the output is a terminal that can redraw a line."""
    return output.isatty()


def redirect(console: Any | None) -> None:
    """Send lines to a rich console from now on, or with None back to where they went before."""
    if console is None:
        _live.pop()
    else:
        _live.append(console)

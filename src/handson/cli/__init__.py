"""The command line: every job as a command."""

from __future__ import annotations

import io
import sys
from typing import NoReturn


def main() -> None:
    """Run the command line; errors that a user can mend are shown without a traceback."""
    import typer

    from handson.cli.commands import app
    from handson.core.errors import HandsonError

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that does not know a letter shows its code
    try:
        app(standalone_mode=True)
    except KeyboardInterrupt:
        _stop("stopped", 130)
    except HandsonError as error:
        _stop(f"error: {error}", 2)
    except SystemExit as leave:
        _stop(getattr(leave, "reason", ""), leave.code)
    except OSError as error:
        _stop(f"error: {_without_number(error)}", 2)
    except typer.Exit as leave:
        sys.exit(leave.exit_code)


def _without_number(error: OSError) -> str:
    """What an error of the system says, without '[Errno 21]'."""
    text = error.strerror or str(error)
    return f"{error.filename}: {text}" if error.filename else text


def _stop(text: str, code: int | str | None) -> NoReturn:
    from handson.core.errors import printable

    if text:
        print(printable(text), file=sys.stderr)
    sys.exit(code)

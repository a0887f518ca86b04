"""The command line: every job as a command."""

from __future__ import annotations

import io
import itertools
import os
import sys
from typing import NoReturn

# What a shell takes for the end by Ctrl-C; typer turns the exception into this status.
CONTROL_C = 130
# What torchrun and Slurm set in each of the processes that they start.
LAUNCHED = {"RANK", "SLURM_PROCID"}


def main() -> None:
    """Run the command line; errors that a user can mend are shown without a traceback."""
    import typer

    _open_closed()
    _leave_errors_to_handson()
    from handson.core.errors import HandsonError

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that does not know a letter shows its code
    try:
        _check_given()
        from handson.cli.commands import app

        app(standalone_mode=True)
    except KeyboardInterrupt:
        _stop("stopped", CONTROL_C)
    except HandsonError as error:
        _stop(f"error: {error}", 2)
    except SystemExit as leave:
        _stop("stopped" if leave.code == CONTROL_C else "", leave.code)
    except OSError as error:
        _stop(f"error: {_without_number(error)}", 2)
    except typer.Exit as leave:
        sys.exit(leave.exit_code)


def _check_given() -> None:
    """Raise for an argument that is empty, as a variable of the shell that is not set: it would be ignored."""
    from handson.core.errors import HandsonError

    for before, given in itertools.pairwise(sys.argv):
        if given == "" or (given.startswith("--") and given.endswith("=")):
            what = given[:-1] or (f"what follows {before}" if before.startswith("-") else "an argument")
            raise HandsonError(f"{what} is empty.")


def _open_closed() -> None:
    """Outputs that are closed go to nowhere: else the next file that is opened would take their place."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _leave_errors_to_handson() -> None:
    """One of several processes says that another one is gone in a line; torch would print stacks of C++ before it."""
    if LAUNCHED & os.environ.keys():
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


def _without_number(error: OSError) -> str:
    """What an error of the system says, without '[Errno 21]'."""
    text = error.strerror or str(error)
    return f"{error.filename}: {text}" if error.filename else text


def _stop(text: str, code: int | str | None) -> NoReturn:
    from handson.core import console
    from handson.core.errors import printable

    if text:
        console.warn(printable(text))
    sys.exit(code)

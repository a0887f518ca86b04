"""A watch over readers of files: how long they take, how much memory, and what else they touch."""

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from .files import trained

SERVER = Path(__file__).with_name("server.py")
MOST_SECONDS, MOST_BYTES, MOST_CHARACTERS, ATTEMPTS = 1.0, 200 << 20, 5_000, 3


@dataclass
class Outcome:
    """What came of reading a file.

    Attributes
    ----------
    value : str or None
        What was read, as text.
    error : str or None
        The class of the error.
    message, printed : str
        What the error says, and what was printed.
    bases : list of str
        The classes that the error is of.
    seconds, bytes : float, int
        What it took, beyond what the process had.
    found : list of str
        What was done that must not be done.
    """

    error: str | None
    bases: list[str]
    message: str
    seconds: float
    bytes: int
    found: list[str]
    value: str | None = None
    printed: str = ""


class Watch:
    """Reads files in another process (see `server.py`), and checks what that did."""

    def __init__(self):
        self.server = subprocess.Popen(
            [sys.executable, "-W", "error", str(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.server.stdout.readline() == "ready\n"

    def close(self):
        """End the other process."""
        self.server.stdin.close()
        self.server.stdout.close()
        self.server.wait(20)

    def ask(self, cases, folder, may_start=False):
        """Read files one after another in one process; nothing is checked."""
        request = {"cases": cases, "folder": folder, "may_start": may_start}
        self.server.stdin.write(json.dumps(request, default=str) + "\n")
        self.server.stdin.flush()
        return [Outcome(**outcome) for outcome in json.loads(self.server.stdout.readline())]

    def __call__(self, loader, paths, *arguments, folder, may_start=False, **named):
        """Read files, and check that it was quick and frugal and touched nothing; what came of each."""
        before = fingerprint(folder)
        cases = [{"loader": loader, "arguments": [path, *arguments], "named": named} for path in paths]
        outcomes = self.ask(cases, folder, may_start)
        for number, outcome in enumerate(outcomes):
            # On a busy machine the best of several tries counts.
            for _ in range(ATTEMPTS):
                if outcome.seconds < MOST_SECONDS or not outcome.bases:
                    break
                outcome = outcomes[number] = self.ask([cases[number]], folder, may_start)[0]
            assert outcome.seconds < MOST_SECONDS, (paths[number], outcome)
            assert outcome.bytes < MOST_BYTES, (paths[number], outcome)
            assert not outcome.found, (paths[number], outcome)
        assert len(outcomes) == len(cases)
        assert fingerprint(folder) == before, "files were changed"
        return outcomes


def fingerprint(folder):
    """What is in a folder: names, and the content of plain files that are not large."""
    found = {}
    for entry in sorted(Path(folder).rglob("*")):
        plain = entry.is_file() and not entry.is_symlink() and entry.stat().st_size < 1 << 20
        found[str(entry)] = hashlib.sha256(entry.read_bytes()).hexdigest() if plain else ""
    return found


@pytest.fixture(scope="session")
def good():
    """The bytes of a good model file."""
    from handson.files import model_file

    return b"".join(model_file.pieces(trained()))


@pytest.fixture(scope="session")
def watch():
    """The watch of this session."""
    found = Watch()
    yield found
    found.close()


def listed(paths):
    """One path or several, as a list."""
    return list(paths) if isinstance(paths, (list, tuple)) else [paths]


@pytest.fixture
def refused(watch, tmp_path):
    """Read hostile files: all are refused with an expected error that names the file; gives what the first says."""

    def refuse(loader, paths, *arguments, **named):
        outcomes = watch(loader, listed(paths), *arguments, folder=tmp_path, **named)
        for path, outcome in zip(listed(paths), outcomes, strict=True):
            assert {"HandsonError", "OSError"} & set(outcome.bases), (path, outcome)
            assert Path(path).name in outcome.message, (path, outcome)
            assert len(outcome.message) < MOST_CHARACTERS, (path, len(outcome.message))
        return outcomes[0].message

    return refuse


@pytest.fixture
def survived(watch, tmp_path):
    """Read hostile files: each is read, or refused with an error that can be expected."""

    def survive(loader, paths, *arguments, **named):
        outcomes = watch(loader, listed(paths), *arguments, folder=tmp_path, **named)
        for path, outcome in zip(listed(paths), outcomes, strict=True):
            assert outcome.error is None or {"HandsonError", "OSError"} & set(outcome.bases), (path, outcome)
            assert len(outcome.message) < MOST_CHARACTERS, (path, len(outcome.message))
        return outcomes

    return survive

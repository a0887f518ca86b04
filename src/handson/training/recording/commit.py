"""The commit of a working folder, read from the files of its repository.

Git itself is not called: the configuration of a repository that somebody else has packed can name programs that it
runs (core.fsmonitor, filters). Which files were changed since the commit is therefore not known.
"""

from __future__ import annotations

import re
from pathlib import Path

from handson.core import regular

COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
REFERENCE = re.compile(r"refs/[\w./@+-]+")
# References of a hundred thousand branches are smaller.
MOST_LINE, MOST_PACKED = 4096, 1 << 24


def commit_of(folder: Path) -> dict[str, str | None] | None:
    """Commit and branch of the repository around a folder; None where there is none, or it has no commit.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     commit_of(Path(folder))
    """
    try:
        for place in (folder, *folder.parents):
            if (place / ".git").exists():
                return _head(_repository(place / ".git"))
    except (OSError, ValueError):
        return None
    return None


def _line(path: Path) -> str:
    return regular.read_bytes(path, MOST_LINE).decode().strip()


def _repository(place: Path) -> Path:
    """The folder of a repository; in a second working tree a file says where it is."""
    if place.is_dir():
        return place
    return place.parent / _line(place).removeprefix("gitdir:").strip()


def _head(repository: Path) -> dict[str, str | None] | None:
    head = _line(repository / "HEAD")
    name = head.removeprefix("ref:").strip() if head.startswith("ref:") else None
    if name is None:
        return {"commit": head, "branch": None} if COMMIT.fullmatch(head) else None
    if not REFERENCE.fullmatch(name) or ".." in name:
        return None
    shared = repository / "commondir"
    homes = [repository, repository / _line(shared)] if shared.is_file() else [repository]
    for home in homes:
        commit = _reference(home, name)
        if commit is not None:
            return {"commit": commit, "branch": name.removeprefix("refs/heads/")}
    return None


def _reference(home: Path, name: str) -> str | None:
    """The commit of a reference, in a file of its own or among the packed ones."""
    if (home / name).is_file():
        commit = _line(home / name)
        return commit if COMMIT.fullmatch(commit) else None
    if not (home / "packed-refs").is_file():
        return None
    for line in regular.read_bytes(home / "packed-refs", MOST_PACKED).decode().splitlines():
        commit, _, packed = line.partition(" ")
        if packed == name and COMMIT.fullmatch(commit):
            return commit
    return None

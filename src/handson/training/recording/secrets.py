"""Command lines without the passwords and keys in them, for files that others may read."""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "***"
# The name of an option, or of a variable, whose value is a secret: one of its words, or its end.
WORDS = {
    "key", "token", "secret", "secrets", "password", "passwd", "passphrase", "pass", "pwd", "pw", "pin", "auth",
    "authorization", "bearer", "credential", "credentials", "cookie", "apikey",
}  # fmt: skip
ENDS = ("apikey", "accesskey", "secretkey", "privatekey", "token", "secret", "password", "passwd", "passphrase")
# What well-known services call their keys, JSON web tokens, `Bearer ...`, and the password in an address.
SHAPES = re.compile(
    r"\b(?:sk|pk|rk)-[\w-]{16,}|\bgh[pousr]_\w{16,}|\bgithub_pat_\w{16,}|\bglpat-[\w-]{16,}|\bhf_\w{16,}"
    r"|\bxox[abprs]-[\w-]{8,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[\w-]{30,}|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"
    r"|(?<=://)[^/@\s]*:[^/@\s]*(?=@)|(?i:(?<=bearer )|(?<=basic ))\S+"
)


def redacted(command: Iterable[str]) -> list[str]:
    """A command line with its secrets hidden.

    Examples
    --------
    >>> redacted(["train.py", "--api-key", "X", "--token=Y", "--epochs", "3"])
    ['train.py', '--api-key', '***', '--token=***', '--epochs', '3']
    """
    shown: list[str] = []
    expected = False
    for word in map(str, command):
        option, mark, _ = word.partition("=")
        if expected and not word.startswith("--"):
            shown.append(HIDDEN)
            expected = False
            continue
        expected = False
        if _is_secret(option) and mark:
            shown.append(f"{option}={HIDDEN}")
            continue
        if not mark and option.startswith("-") and _is_secret(option):
            expected = True
        shown.append(SHAPES.sub(HIDDEN, _headers(word)))
    return shown


def _is_secret(name: str) -> bool:
    """Whether a name is that of a secret.

    Examples
    --------
    >>> [_is_secret(name) for name in ("--apiKey", "HF_TOKEN", "--keypoints", "--max-tokens")]
    [True, True, False, False]
    """
    words = re.split(r"[^a-z0-9]+", re.sub(r"([a-z])([A-Z])", r"\1-\2", name).lower())
    return not WORDS.isdisjoint(words) or any(word.endswith(ENDS) for word in words)


def _headers(word: str) -> str:
    """A word such as 'X-Api-Key: abc' without what follows the colon."""
    name, mark, value = word.partition(":")
    return f"{name}: {HIDDEN}" if mark and value[:1] == " " and _is_secret(name) else word

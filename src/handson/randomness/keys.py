"""Keys: 64-bit numbers derived from a seed and the names of what they are for."""

from __future__ import annotations

import hashlib
import secrets

import numpy as np

from handson.core.errors import HandsonError

# The increment and the two multipliers of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
GAMMA = np.uint64(0x9E3779B97F4A7C15)
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)

_session: list[int] = []


def derive(*parts: int | str) -> int:
    """A 64-bit key from a seed and the names and numbers that say what it is for.

    Examples
    --------
    >>> derive(0, "shuffle", 3) == derive(0, "shuffle", 3), derive(0, "shuffle", 3) == derive(0, "shuffle", 4)
    (True, False)
    """
    text = "\x1f".join(_written(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _written(part: int | str) -> str:
    """A part as text that no other part or sequence of parts has; numbers of NumPy as Python's."""
    return "str:" + part.replace("\x1f", "\x1f\x1f") if isinstance(part, str) else f"int:{int(part)}"


def words64(key: int, count: int) -> np.ndarray:
    """`count` random 64-bit words: SplitMix64 started at the key."""
    with np.errstate(over="ignore"):
        state = np.arange(1, count + 1, dtype=np.uint64)
        state *= GAMMA
        state += np.uint64(key)
        for bits, factor in ((np.uint64(30), FIRST), (np.uint64(27), SECOND)):
            state ^= state >> bits
            state *= factor
    state ^= state >> np.uint64(31)
    return state


def permutation(key: int, count: int) -> np.ndarray:
    """A random order of ``range(count)``, as int64; every order is equally likely.

    Examples
    --------
    >>> sorted(permutation(derive(0, "shuffle"), 5).tolist())
    [0, 1, 2, 3, 4]
    """
    # No two words are alike (SplitMix64 has a period of 2**64), so every sort gives the same order.
    return np.argsort(words64(key, count))


def set_random_seed(seed: int) -> None:
    """Fix the seed of everything made afterwards in this process that names no seed of its own.

    The k-th such net or fit after this call gets the seed ``derive(seed, k)``.

    Examples
    --------
    >>> set_random_seed(1)
    >>> first = fresh_seed(); set_random_seed(1); fresh_seed() == first
    True
    """
    _session[:] = [check_seed(seed), 0]


def fresh_seed() -> int:
    """A seed for something that names none: from `set_random_seed`, else from the operating system."""
    if not _session:
        return secrets.randbits(32)
    _session[1] += 1
    return derive("session", *_session) >> 32


def check_seed(seed: object) -> int:
    """The seed as a Python integer of at most 64 bits, or an error that says what a seed is."""
    if isinstance(seed, (bool, np.bool_)) or not isinstance(seed, (int, np.integer)):
        raise HandsonError(f"a seed is a whole number, such as seed=0; got {seed!r}.")
    if not 0 <= int(seed) < 2**64:
        raise HandsonError(f"a seed lies between 0 and 2**64 - 1; got {seed}.")
    return int(seed)

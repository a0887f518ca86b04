"""Hashes of texts, the same as TensorFlow's: FarmHash (Fingerprint64), SipHash with a salt, and hashes of crosses.

All are computed for many texts at once, in NumPy: texts of a kind of length together, modulo 2**64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

# The constants of farmhashna (Google, 2014) and of TensorFlow's FingerprintCat64 and cross_hashed.
K0, K1, K2 = (np.uint64(value) for value in (0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F))
CAT, CROSS_KEY = np.uint64(0xC6A4A7935BD1E995), 0xDECAFCAFFE
# The initial state of SipHash (Aumasson and Bernstein, 2012).
SIP = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)

Words = Any  # arrays of uint64, one word for each text


def _rotated(x: Words, bits: int) -> Words:
    """Bits turned to the right."""
    return (x >> np.uint64(bits)) | (x << np.uint64(64 - bits))


def _shifted(x: Words) -> Words:
    return x ^ (x >> np.uint64(47))


def _mixed(u: Words, v: Words, factor: Words) -> Words:
    a = _shifted((u ^ v) * factor)
    return _shifted((v ^ a) * factor) * factor


class _Texts:
    """Texts as one array of bytes, padded with zeros; words are read from it at any place."""

    def __init__(self, texts: Sequence[bytes], room: int = 8) -> None:
        self.lengths = np.array([len(text) for text in texts], dtype=np.int64)
        width = int(self.lengths.max()) + room
        joined = b"".join(text.ljust(width, b"\0") for text in texts)
        self.bytes = np.frombuffer(joined, np.uint8).reshape(len(texts), width)
        self.size = self.lengths.astype(np.uint64)

    def word(self, start: Any, count: int = 8) -> Words:
        """The little-endian number in `count` bytes from a place on, one place or one for each text."""
        places = np.broadcast_to(np.asarray(start), self.lengths.shape)[:, None] + np.arange(count)
        taken = np.zeros((len(self.lengths), 8), np.uint8)
        taken[:, :count] = np.take_along_axis(self.bytes, places, 1)
        return taken.view("<u8")[:, 0]

    def last(self, back: int, count: int = 8) -> Words:
        """The number that begins `back` bytes before the end."""
        return self.word(self.lengths - back, count)


def _upto_3(texts: _Texts) -> Words:
    first, middle, last = (texts.word(place, 1) for place in (0, texts.lengths >> 1, texts.lengths - 1))
    y, z = first + (middle << np.uint64(8)), texts.size + (last << np.uint64(2))
    return _shifted((y * K2) ^ (z * K0)) * K2


def _upto_7(texts: _Texts) -> Words:
    first = texts.size + (texts.word(0, 4) << np.uint64(3))
    return _mixed(first, texts.last(4, 4), K2 + texts.size * np.uint64(2))


def _upto_16(texts: _Texts) -> Words:
    factor = K2 + texts.size * np.uint64(2)
    a, b = texts.word(0) + K2, texts.last(8)
    return _mixed(_rotated(b, 37) * factor + a, (_rotated(a, 25) + b) * factor, factor)


def _upto_32(texts: _Texts) -> Words:
    factor = K2 + texts.size * np.uint64(2)
    a, b, c, d = texts.word(0) * K1, texts.word(8), texts.last(8) * factor, texts.last(16) * K2
    return _mixed(_rotated(a + b, 43) + _rotated(c, 30) + d, a + _rotated(b + K2, 18) + c, factor)


def _upto_64(texts: _Texts) -> Words:
    factor = K2 + texts.size * np.uint64(2)
    a, b, c, d = texts.word(0) * K2, texts.word(8), texts.last(8) * factor, texts.last(16) * K2
    y = _rotated(a + b, 43) + _rotated(c, 30) + d
    z = _mixed(y, a + _rotated(b + K2, 18) + c, factor)
    e, f = texts.word(16) * factor, texts.word(24)
    g, h = (y + texts.last(32)) * factor, (z + texts.last(24)) * factor
    return _mixed(_rotated(e + f, 43) + _rotated(g, 30) + h, e + _rotated(f + a, 18) + g, factor)


def _weak(texts: _Texts, place: Any, a: Words, b: Words) -> tuple[Words, Words]:
    w, x, y, z = (texts.word(place + step) for step in (0, 8, 16, 24))
    a = a + w
    b = _rotated(b + a + z, 21)
    total = a + x + y
    return total + z, b + _rotated(total, 44) + a


def _round(texts: _Texts, at: Any, state: tuple[Words, ...], factors: tuple[Words, ...]) -> tuple[Words, ...]:
    """One block of 64 bytes: (x, y, z, v, w) before and after it."""
    x, y, z, v0, v1, w0, w1 = state
    factor, by = factors
    x = _rotated(x + y + v0 + texts.word(at + 8), 37) * factor
    y = _rotated(y + v1 + texts.word(at + 48), 42) * factor
    x = x ^ (w1 * by)
    y = y + v0 * by + texts.word(at + 40)
    z = _rotated(z + w0, 33) * factor
    v0, v1 = _weak(texts, at, v1 * factor, x + w0)
    w0, w1 = _weak(texts, at + 32, z + w1, y + texts.word(at + 16))
    return z, y, x, v0, v1, w0, w1


def _long(texts: _Texts) -> Words:
    """Texts with the same number of blocks."""
    zeros = np.zeros(len(texts.lengths), np.uint64)
    seed = zeros + np.uint64(81)
    y = seed * K1 + np.uint64(113)
    state = (seed * K2 + texts.word(0), y, _shifted(y * K2 + np.uint64(113)) * K2, zeros, zeros, zeros, zeros)
    for block in range(int(texts.lengths[0] - 1) // 64):
        state = _round(texts, 64 * block, state, (K1, np.uint64(1)))
    x, y, z, v0, v1, w0, w1 = state
    factor = K1 + ((z & np.uint64(0xFF)) << np.uint64(1))
    w0 = w0 + ((texts.size - np.uint64(1)) & np.uint64(63))
    v0 = v0 + w0
    w0 = w0 + v0
    x, y, z, v0, v1, w0, w1 = _round(texts, texts.lengths - 64, (x, y, z, v0, v1, w0, w1), (factor, np.uint64(9)))
    return _mixed(_mixed(v0, w0, factor) + _shifted(y) * K0 + z, _mixed(v1, w1, factor) + x, factor)


# Up to which length, in bytes, a text is hashed by which function.
KINDS: tuple[tuple[int, Callable[[_Texts], Words]], ...] = (
    (3, _upto_3), (7, _upto_7), (16, _upto_16), (32, _upto_32), (64, _upto_64),
)  # fmt: skip
FARM_ENDS = np.array([0, *(end for end, _ in KINDS)])


def _by_kind(texts: Sequence[bytes], kinds: np.ndarray, hashed: Callable[[int, Sequence[bytes]], Words]) -> np.ndarray:
    """The hashes of texts, each kind of them by one call."""
    out = np.empty(len(texts), np.uint64)
    with np.errstate(over="ignore"):
        for kind in np.unique(kinds):
            places = np.flatnonzero(kinds == kind).tolist()
            out[places] = hashed(int(kind), [texts[place] for place in places])
    return out


def fingerprint(texts: Iterable[str | bytes]) -> np.ndarray:
    """FarmHash's Fingerprint64 of texts, as uint64 of shape (n,).

    Examples
    --------
    >>> fingerprint(["A", "B"]) % np.uint64(3)
    array([1, 0], dtype=uint64)
    """
    coded = _coded(texts)
    lengths = np.array([len(text) for text in coded], dtype=np.int64)
    kinds = np.where(lengths > 64, 100 + (lengths - 1) // 64, np.searchsorted(FARM_ENDS, lengths))

    def hashed(kind: int, some: Sequence[bytes]) -> Words:
        if kind == 0:
            return K2
        return _long(_Texts(some)) if kind >= 100 else KINDS[kind - 1][1](_Texts(some))

    return _by_kind(coded, kinds, hashed)


def siphash(texts: Iterable[str | bytes], salt: Sequence[int]) -> np.ndarray:
    """SipHash-2-4 of texts under two numbers, as uint64 of shape (n,).

    Examples
    --------
    >>> siphash(["A", "B"], (133, 137)) % np.uint64(3)
    array([1, 2], dtype=uint64)
    """
    coded = _coded(texts)
    keys = [np.uint64(number % 2**64) for number in salt]
    kinds = np.array([len(text) // 8 for text in coded], dtype=np.int64)
    return _by_kind(coded, kinds, lambda blocks, some: _sip(_Texts(some, 16), blocks, keys))


def _sip(texts: _Texts, blocks: int, keys: list[np.uint64]) -> Words:
    state = [np.full(len(texts.lengths), np.uint64(one) ^ keys[place % 2]) for place, one in enumerate(SIP)]
    for block in range(blocks + 1):
        word = texts.word(8 * block)
        if block == blocks:
            word = word | (texts.size << np.uint64(56))
        state[3] ^= word
        _sip_rounds(state, 2)
        state[0] ^= word
    state[2] ^= np.uint64(0xFF)
    _sip_rounds(state, 4)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _sip_rounds(v: list[Words], count: int) -> None:
    for _ in range(count):
        for a, b, c, d, one, two in ((0, 1, 2, 3, 13, 16), (2, 1, 0, 3, 17, 21)):
            v[a] = v[a] + v[b]
            v[b] = _rotated(v[b], 64 - one) ^ v[a]
            if a == 0:
                v[a] = _rotated(v[a], 32)
            v[c] = v[c] + v[d]
            v[d] = _rotated(v[d], 64 - two) ^ v[c]
        v[2] = _rotated(v[2], 32)


def crossed(columns: Sequence[np.ndarray]) -> np.ndarray:
    """TensorFlow's hash of a cross of features: uint64 words of several columns, each of shape (n,), as one."""
    with np.errstate(over="ignore"):
        total = np.full(columns[0].shape, CROSS_KEY, np.uint64)
        for column in columns:
            total = (total ^ CAT ^ (_shifted(column * CAT) * CAT)) * CAT
            total = _shifted(_shifted(total) * CAT)
    return total


def _coded(texts: Iterable[str | bytes]) -> list[bytes]:
    return [text.encode() if isinstance(text, str) else text for text in texts]

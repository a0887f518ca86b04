"""Texts as lists of the ranks of words, as IMDB and Reuters are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from handson.core.errors import HandsonError, whole


@dataclass
class Words:
    """How ranks of words become the numbers of a sequence.

    Attributes
    ----------
    num_words : int, optional
        Only words of a number below this are kept.
    skip_top : int
        And not below this.
    maxlen : int, optional
        Only sequences that are shorter are kept.
    start_char : int, optional
        What each begins with.
    oov_char : int, optional
        What stands for words that are not kept; None leaves them out.
    index_from : int
        Added to ranks.
    """

    num_words: int | None = None
    skip_top: int = 0
    maxlen: int | None = None
    start_char: int | None = 1
    oov_char: int | None = 2
    index_from: int = 3

    def shifted(self, rows: Any, labels: np.ndarray) -> tuple[list[list[int]], np.ndarray]:
        """Sequences with their beginning, without those that are too long."""
        begin = [] if self.start_char is None else [self.start_char]
        found = [begin + [word + self.index_from for word in row] for row in rows]
        if not self.maxlen:
            return found, labels
        short = [place for place, row in enumerate(found) if len(row) < whole("maxlen", self.maxlen, 1)]
        if not short:
            raise HandsonError(f"no sequence is shorter than maxlen={self.maxlen}.")
        return [found[place] for place in short], labels[short]

    def kept(self, rows: list[list[int]]) -> list[list[int]]:
        """Sequences of the words that are kept."""
        most = self.num_words or max(max(row) for row in rows if row)
        if self.oov_char is not None:
            other = self.oov_char
            return [[word if self.skip_top <= word < most else other for word in row] for row in rows]
        return [[word for word in row if self.skip_top <= word < most] for row in rows]


def ragged(rows: list[list[int]]) -> np.ndarray:
    """Lists of several lengths as an array of lists."""
    out = np.empty(len(rows), dtype=object)
    out[:] = rows
    return out

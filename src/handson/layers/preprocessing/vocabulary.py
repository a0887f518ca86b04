"""Vocabularies: which tokens there are, in which order, with which weights; counted, checked, and read from files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handson.core.errors import HandsonError, listing


class TokenCounts:
    """How often tokens occur, and in how many documents.

    Examples
    --------
    >>> counts = TokenCounts()
    >>> counts.add([["a", "b"], ["a", "a"]])
    >>> counts.most_common(2), counts.idf(["a"]).round(2).tolist()
    (['a', 'b'], [0.51])
    """

    def __init__(self) -> None:
        self.tokens: Counter[Any] = Counter()
        self.documents: Counter[Any] = Counter()
        self.count = 0

    def add(self, documents: Iterable[Sequence[Any]]) -> None:
        """Take in documents, each a sequence of tokens."""
        for document in documents:
            self.tokens.update(document)
            self.documents.update(set(document))
            self.count += 1

    def most_common(self, most: int | None, without: Sequence[Any] = ()) -> list[Any]:
        """The tokens, the most frequent first, and of equally frequent ones the last in the alphabet."""
        known = (entry for entry in self.tokens.items() if entry[0] not in without)
        return [token for token, _ in sorted(known, key=lambda entry: (entry[1], entry[0]), reverse=True)[:most]]

    def idf(self, tokens: Sequence[Any]) -> np.ndarray:
        """The inverse document frequency of tokens: log(1 + documents / (1 + documents with it))."""
        found = np.array([self.documents[token] for token in tokens], dtype=float)
        return np.log(1 + self.count / (1 + found))


def read_vocabulary(path: str | Path) -> list[str]:
    """The lines of a text file."""
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise HandsonError(
            f"vocabulary={str(path)!r} names no file that can be read ({error.strerror}); a vocabulary is a list of "
            f"tokens, or the path of a text file with one on each line."
        ) from None


def check_tokens(name: str, tokens: Sequence[Any], special: Sequence[Any], reserved: Sequence[Any]) -> None:
    """Raise unless tokens are there, each once, and none has a special meaning."""
    if not len(tokens):
        raise HandsonError(f"{name}: a vocabulary has at least one token; got none.")
    repeated = [token for token, count in Counter(tokens).items() if count > 1]
    if repeated:
        raise HandsonError(f"{name}: a vocabulary has each token once; repeated: {listing(repeated)}.")
    for token in reserved:
        if token in set(tokens):
            raise HandsonError(
                f"{name}: the token {token!r} has a meaning of its own. A vocabulary leaves out the mask and the "
                f"out-of-vocabulary token, or begins with exactly {list(special)}."
            )

"""Reviews of films: 25000 and 25000 texts, for or against, as ranks of words (Maas et al., 2011)."""

from __future__ import annotations

import json
from pathlib import Path

from handson.datasets.arrays import BASE, Pair, fetched, shuffled
from handson.datasets.sequences import Words, ragged
from handson.utils.downloads import get_file

HASH = "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"
INDEX_HASH = "bfafd718b763782e994055a2d397834f"


def load_data(
    path: str = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
) -> tuple[Pair, Pair]:
    """(x_train, y_train), (x_test, y_test), from Keras's file in ~/.keras/datasets.

    Parameters
    ----------
    path : str
        Its name there.
    num_words, skip_top, maxlen, start_char, oov_char, index_from
        See `handson.datasets.sequences.Words`.
    seed : int
        The seed of the order.
    """
    words = Words(num_words, skip_top, maxlen, start_char, oov_char, index_from)
    found = fetched(path, HASH)
    first, second = shuffled(seed, len(found["x_train"]), len(found["x_test"]))
    train, y_train = words.shifted(found["x_train"][first], found["y_train"][first])
    test, y_test = words.shifted(found["x_test"][second], found["y_test"][second])
    rows = words.kept(train + test)
    return (ragged(rows[: len(train)]), y_train), (ragged(rows[len(train) :]), y_test)


def get_word_index(path: str = "imdb_word_index.json") -> dict[str, int]:
    """The rank of each word.

    Parameters
    ----------
    path : str
        The name of Keras's file in ~/.keras/datasets.
    """
    file = get_file(path, f"{BASE}imdb_word_index.json", file_hash=INDEX_HASH)
    return json.loads(Path(file).read_text(encoding="utf-8"))

"""Short news: 11228 texts in 46 topics, as ranks of words (Reuters, 1987)."""

from __future__ import annotations

import json
from pathlib import Path

from handson.datasets.arrays import BASE, Pair, fetched, shuffled
from handson.datasets.sequences import Words, ragged
from handson.utils.downloads import get_file

HASH = "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916"
INDEX_HASH = "4d44cc38712099c9e383dc6e5f11a921"
TOPICS = (
    "cocoa", "grain", "veg-oil", "earn", "acq", "wheat", "copper", "housing", "money-supply", "coffee", "sugar",
    "trade", "reserves", "ship", "cotton", "carcass", "crude", "nat-gas", "cpi", "money-fx", "interest", "gnp",
    "meal-feed", "alum", "oilseed", "gold", "tin", "strategic-metal", "livestock", "retail", "ipi", "iron-steel",
    "rubber", "heat", "jobs", "lei", "bop", "zinc", "orange", "pet-chem", "dlr", "gas", "silver", "wpi", "hog", "lead",
)  # fmt: skip


def load_data(
    path: str = "reuters.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    test_split: float = 0.2,
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
    test_split : float
        The share of the second part.
    seed : int
        The seed of the order.
    """
    words = Words(num_words, skip_top, maxlen, start_char, oov_char, index_from)
    found = fetched(path, HASH)
    (order,) = shuffled(seed, len(found["x"]))
    rows, labels = words.shifted(found["x"][order], found["y"][order])
    rows = words.kept(rows)
    count = int(len(rows) * (1 - test_split))
    return (ragged(rows[:count]), labels[:count]), (ragged(rows[count:]), labels[count:])


def get_word_index(path: str = "reuters_word_index.json") -> dict[str, int]:
    """The rank of each word.

    Parameters
    ----------
    path : str
        The name of Keras's file in ~/.keras/datasets.
    """
    file = get_file(path, f"{BASE}reuters_word_index.json", file_hash=INDEX_HASH)
    return json.loads(Path(file).read_text(encoding="utf-8"))


def get_label_names() -> tuple[str, ...]:
    """The topics in the order of their numbers.

    Examples
    --------
    >>> len(get_label_names())
    46
    """
    return TOPICS

"""Sequences: `pad_sequences`, and what makes samples of a series or of the words of a text."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from handson.core.errors import HandsonError, whole
from handson.keras.mirror import mirror
from handson.randomness.keys import check_seed, derive, fresh_seed

_SERIES = f"{__package__}.timeseries_generator"

mirror(
    __name__,
    pad_sequences="handson.utils:pad_sequences",
    TimeseriesGenerator=f"{_SERIES}:TimeseriesGenerator",
    timeseries_generator_from_json=f"{_SERIES}:timeseries_generator_from_json",
)


def make_sampling_table(size: int, sampling_factor: float = 1e-5) -> np.ndarray:
    """With which probability `skipgrams` keeps the word of each rank: frequent ones less often.

    It is min(1, sqrt(factor / frequency)) (Mikolov et al., 2013), the frequency of rank r by Zipf's law:
    1 / (r (log r + 0.577) + 1/2 - 1 / (12 r)).

    Parameters
    ----------
    size : int
        How many ranks there are; rank 0, which stands for no word, gets that of rank 1.
    sampling_factor : float
        The factor.

    Examples
    --------
    >>> make_sampling_table(3).round(5)
    array([0.00315, 0.00315, 0.00548])
    """
    rank = np.maximum(np.arange(whole("size", size, 1)), 1)
    seldom = rank * (np.log(rank) + 0.577) + 0.5 - 1.0 / (12.0 * rank)
    return np.minimum(1.0, np.sqrt(sampling_factor * seldom))


def skipgrams(
    sequence: Sequence[int],
    vocabulary_size: int,
    window_size: int = 4,
    negative_samples: float = 1.0,
    shuffle: bool = True,
    categorical: bool = False,
    sampling_table: Any = None,
    seed: int | None = None,
) -> tuple[list[list[int]], list[Any]]:
    """Pairs of a word and another near it, with label 1, and pairs with a random word, with label 0.

    Parameters
    ----------
    sequence : sequence of int
        The words of a text by their numbers; 0 stands for no word.
    vocabulary_size : int
        The largest number and one.
    window_size : int
        How many words away another is near.
    negative_samples : float
        How many pairs with a random word there are for each pair of near ones.
    shuffle : bool
        Whether pairs are shuffled.
    categorical : bool
        Whether labels are [0, 1] and [1, 0].
    sampling_table : array of shape (vocabulary_size,), optional
        With which probability a word is taken: `make_sampling_table`.
    seed : int, optional
        The seed of all that is random. (Keras's fixes the order alone.)

    Returns
    -------
    couples : list of [int, int]
        The pairs.
    labels : list of int, or of lists
        Their labels.

    Examples
    --------
    >>> skipgrams([3, 1, 2], 4, window_size=1, negative_samples=0, shuffle=False)
    ([[3, 1], [1, 3], [1, 2], [2, 1]], [1, 1, 1, 1])
    """
    seed = fresh_seed() if seed is None else check_seed(seed)
    chance = random.Random(derive(seed, "skipgrams"))
    taken = [place for place, word in enumerate(sequence) if word and _is_taken(word, sampling_table, chance)]
    couples = [[sequence[place], other] for place in taken for other in _near(sequence, place, window_size)]
    others = [word for word, _ in couples]
    chance.shuffle(others)
    count = int(len(couples) * negative_samples)
    if count and vocabulary_size < 2:
        raise HandsonError(f"skipgrams draws random words from 1 to {vocabulary_size - 1}: there are none.")
    negative = [[others[n % len(others)], chance.randint(1, vocabulary_size - 1)] for n in range(count)]
    labels: list[Any] = [[0, 1] if categorical else 1] * len(couples) + [[1, 0] if categorical else 0] * count
    couples += negative
    if shuffle:
        order = list(range(len(couples)))
        random.Random(seed).shuffle(order)
        couples, labels = [couples[place] for place in order], [labels[place] for place in order]
    return couples, labels


def _is_taken(word: int, table: Any, chance: random.Random) -> bool:
    return table is None or table[word] >= chance.random()


def _near(sequence: Sequence[int], place: int, reach: int) -> Iterator[int]:
    """The words around a place."""
    for other in range(max(0, place - reach), min(len(sequence), place + reach + 1)):
        if other != place and sequence[other]:
            yield sequence[other]

"""Texts as sequences of numbers, as older programs make them; `handson.layers.TextVectorization` is the newer way."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from handson.core import older
from handson.core.errors import HandsonError, nearest, whole
from handson.keras.mirror import mirror
from handson.keras.preprocessing.descriptions import described

mirror(__name__)

FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
MODES = ("binary", "count", "tfidf", "freq")
Words = Iterable[str]


def text_to_word_sequence(
    input_text: str, filters: str = FILTERS, lower: bool = True, split: str = " "
) -> list[str]:  # fmt: skip
    """The words of a text.

    Parameters
    ----------
    input_text : str
        The text.
    filters : str
        Characters that are taken for `split`.
    lower : bool
        Whether words are in small letters.
    split : str
        What is between words.

    Examples
    --------
    >>> text_to_word_sequence("A good film: good!")
    ['a', 'good', 'film', 'good']
    """
    text = input_text.lower() if lower else input_text
    text = text.translate({ord(letter): split for letter in filters})
    return [word for word in text.split(split) if word]


def one_hot(
    input_text: str, n: int, filters: str = FILTERS, lower: bool = True, split: str = " ",
    analyzer: Callable[[str], Words] | None = None,
) -> list[int]:  # fmt: skip
    """`hashing_trick` under the name that Keras gave it; no vector is made."""
    return hashing_trick(input_text, n, None, filters, lower, split, analyzer)


def hashing_trick(
    text: str, n: int, hash_function: Any = None, filters: str = FILTERS, lower: bool = True, split: str = " ",
    analyzer: Callable[[str], Words] | None = None,
) -> list[int]:  # fmt: skip
    """The words of a text as numbers from 1 to n - 1; different words may have the same.

    Parameters
    ----------
    text : str
        The text.
    n : int
        One more than the largest number.
    hash_function : function of str or 'md5', optional
        Gives a whole number for a word. By default MD5: Keras takes Python's `hash`, which gives other numbers in every
        process.
    filters, lower, split
        As in `text_to_word_sequence`.
    analyzer : function of str, optional
        Gives the words of a text.

    Examples
    --------
    >>> hashing_trick("good, good film", 50)
    [17, 17, 39]
    """
    whole("n", n, 2)
    if isinstance(hash_function, str) and hash_function != "md5":
        raise HandsonError(f"hashing_trick: hash_function is 'md5' or a function; got {hash_function!r}.")
    function = hash_function if callable(hash_function) else _md5
    words = analyzer(text) if analyzer else text_to_word_sequence(text, filters, lower, split)
    return [function(word) % (n - 1) + 1 for word in words]


def _md5(word: str) -> int:
    return int(hashlib.md5(word.encode(), usedforsecurity=False).hexdigest(), 16)


class Tokenizer:
    """Numbers the words of texts, the most frequent one with 1, and writes texts as sequences of them or as vectors.

    Parameters
    ----------
    num_words : int, optional
        Only words with a smaller number are kept.
    filters, lower, split
        As in `text_to_word_sequence`.
    char_level : bool
        Whether every character is a word.
    oov_token : str, optional
        Stands for words that are not known or kept, and has the number 1.
    analyzer : function of str, optional
        Gives the words of a text.
    document_count : int
        How many texts were seen before.

    Attributes
    ----------
    word_index, index_word : dict
        The number of each word, and the word of each number.
    word_counts, word_docs : dict of str to int
        How often each word was seen, and in how many texts.
    index_docs : dict of int to int
        In how many texts the word of each number was seen.

    Examples
    --------
    >>> words = Tokenizer(num_words=4)
    >>> words.fit_on_texts(["a good film", "a good actor"])
    >>> words.texts_to_sequences(["A good, good actor"])
    [[1, 2, 2]]
    >>> words.texts_to_matrix(["good, good"], mode="count")
    array([[0., 0., 2., 0.]])
    """

    @older.accepting(nb_words="num_words")
    def __init__(
        self,
        num_words: int | None = None,
        filters: str = FILTERS,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: str | None = None,
        analyzer: Callable[[str], Words] | None = None,
        *,
        document_count: int = 0,
    ) -> None:
        self.num_words = None if num_words is None else whole("num_words", num_words, 0)
        self.filters, self.lower, self.split, self.char_level = filters, lower, split, char_level
        self.oov_token, self.analyzer, self.document_count = oov_token, analyzer, document_count
        self.word_counts: dict[str, int] = {}
        self.word_docs: dict[str, int] = {}
        self.index_docs: dict[int, int] = {}
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}

    def words_of(self, text: str | list[str]) -> list[str]:
        """The words of a text; a list of words is one."""
        if isinstance(text, list):
            return [word.lower() for word in text] if self.lower else text
        if self.char_level:
            return list(text.lower() if self.lower else text)
        if self.analyzer is not None:
            return list(self.analyzer(text))
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    def fit_on_texts(self, texts: Iterable[Any]) -> None:
        """Count the words of texts, besides those that were counted before, and number them anew."""
        if isinstance(texts, str):
            raise HandsonError("fit_on_texts takes a list of texts; got one text: fit_on_texts([text]).")
        counts, documents = Counter(self.word_counts), Counter(self.word_docs)
        for text in texts:
            words = self.words_of(text)
            counts.update(words)
            documents.update(set(words))
            self.document_count += 1
        self.word_counts, self.word_docs = dict(counts), dict(documents)
        first = [] if self.oov_token is None else [self.oov_token]
        # Words that are as frequent as others keep the order in which they were seen.
        ordered = first + sorted(counts, key=lambda word: -counts[word])
        self.word_index = {word: number for number, word in enumerate(ordered, 1)}
        self.index_word = {number: word for word, number in self.word_index.items()}
        self.index_docs.update({self.word_index[word]: count for word, count in documents.items()})

    def fit_on_sequences(self, sequences: Sequence[Sequence[int]]) -> None:
        """Count in how many sequences each number is, for 'tfidf'."""
        self.document_count += len(sequences)
        for sequence in sequences:
            for number in set(sequence):
                self.index_docs[number] = self.index_docs.get(number, 0) + 1

    def texts_to_sequences(self, texts: Iterable[Any]) -> list[list[int]]:
        """The numbers of the words of texts; words that are not known are left out, or have that of `oov_token`."""
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable[Any]) -> Iterator[list[int]]:
        """As `texts_to_sequences`, one after the other."""
        unknown = self._unknown()
        for text in texts:
            found = (self.word_index.get(word) for word in self.words_of(text))
            numbers = (number if self._is_kept(number) else unknown for number in found)
            yield [number for number in numbers if number is not None]

    def sequences_to_texts(self, sequences: Iterable[Sequence[int]]) -> list[str]:
        """The words of sequences of numbers, with spaces between them."""
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences: Iterable[Sequence[int]]) -> Iterator[str]:
        """As `sequences_to_texts`, one after the other."""
        unknown = self.index_word.get(self._unknown() or 0)
        for sequence in sequences:
            words = (self.index_word.get(number) if self._is_kept(number) else unknown for number in sequence)
            yield " ".join(word for word in (unknown if word is None else word for word in words) if word is not None)

    def _unknown(self) -> int | None:
        """The number of words that are not known or kept."""
        return None if self.oov_token is None else self.word_index.get(self.oov_token)

    def _is_kept(self, number: int | None) -> bool:
        return number is not None and not (self.num_words and number >= self.num_words)

    def texts_to_matrix(self, texts: Iterable[Any], mode: str = "binary") -> np.ndarray:
        """Texts as vectors, of shape (texts, num_words); `mode` as in `sequences_to_matrix`."""
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode)

    def sequences_to_matrix(self, sequences: Sequence[Sequence[int]], mode: str = "binary") -> np.ndarray:
        """Sequences as vectors with an entry for each word.

        Parameters
        ----------
        sequences : list of sequences of int
            The numbers of words.
        mode : {'binary', 'count', 'freq', 'tfidf'}
            Whether a word is there; how often; with which share; or (1 + log count) log(1 + texts / (1 + texts with
            the word)).

        Returns
        -------
        ndarray of float64, shape (sequences, num_words)
            Without `num_words`, with as many columns as there are words, and one for the number 0.
        """
        if mode not in MODES:
            raise HandsonError(f"mode is one of {MODES}; got {mode!r}.{nearest(str(mode), MODES)}")
        columns = self.num_words or (len(self.word_index) + 1 if self.word_index else 0)
        if not columns:
            raise HandsonError("how many words there are is not known: give num_words, or call fit_on_texts first.")
        if mode == "tfidf" and not self.document_count:
            raise HandsonError("mode='tfidf' compares with other texts: call fit_on_texts or fit_on_sequences first.")
        counts = np.zeros((len(sequences), columns))
        for row, sequence in enumerate(sequences):
            known = np.asarray(sequence, dtype=np.int64)
            if (known < 0).any():
                raise HandsonError(f"sequence {row} has {known.min()}; the numbers of words are not negative.")
            np.add.at(counts[row], known[known < columns], 1)
        return self._weighted(counts, np.array([[len(sequence)] for sequence in sequences]), mode)

    def _weighted(self, counts: np.ndarray, lengths: np.ndarray, mode: str) -> np.ndarray:
        """Counts of words as what `mode` says."""
        if mode == "count":
            return counts
        if mode == "freq":
            return counts / np.maximum(lengths, 1)
        if mode == "binary":
            return (counts > 0).astype(np.float64)
        documents = np.array([self.index_docs.get(number, 0) for number in range(counts.shape[1])])
        rarity = np.log(1 + self.document_count / (1 + documents))
        return np.where(counts > 0, (1 + np.log(np.maximum(counts, 1))) * rarity, 0)

    def get_config(self) -> dict[str, Any]:
        """The arguments and what was counted, as JSON; dictionaries as JSON texts, as in Keras."""
        if self.analyzer is not None:
            raise HandsonError("a Tokenizer with an analyzer, which is code, cannot be written as JSON.")
        names = ("num_words", "filters", "lower", "split", "char_level", "oov_token", "document_count")
        counted = ("word_counts", "word_docs", "index_docs", "index_word", "word_index")
        texts = {name: json.dumps(getattr(self, name)) for name in counted}
        return {name: getattr(self, name) for name in names} | texts

    def to_json(self, **kwargs: Any) -> str:
        """The class, its arguments and what was counted as JSON text; `kwargs` are those of `json.dumps`."""
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)


def tokenizer_from_json(json_string: str) -> Tokenizer:
    """The `Tokenizer` whose `to_json` this is; Keras's may have written it.

    Examples
    --------
    >>> words = Tokenizer()
    >>> words.fit_on_texts(["a good film"])
    >>> tokenizer_from_json(words.to_json()).texts_to_sequences(["good film"])
    [[2, 3]]
    """
    words, numbers = ("word_counts", "word_docs", "word_index"), ("index_docs", "index_word")
    config, found = described("Tokenizer", json_string, (*words, *numbers))
    counted, numbered = ({name: found[name] for name in names} for names in (words, numbers))
    tokenizer = Tokenizer(**config)
    vars(tokenizer).update(counted)
    vars(tokenizer).update({name: {int(number): entry for number, entry in d.items()} for name, d in numbered.items()})
    return tokenizer

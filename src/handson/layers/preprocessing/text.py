"""Texts as sequences of indices, or as counts of words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.core import registry
from handson.core.errors import HandsonError, whole
from handson.core.registry import register
from handson.graph import Node
from handson.layers.base import Layer
from handson.layers.preprocessing.encoding import Encoder, chosen
from handson.layers.preprocessing.given import batches, check_symbols, given, texts
from handson.layers.preprocessing.index_lookup import without_paths
from handson.layers.preprocessing.lookup import StringLookup
from handson.layers.shapes import Shape

# As TensorFlow's, whose case and white space are those of ASCII.
PUNCTUATION = "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'"
LOWER = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
REMOVED = dict.fromkeys(map(ord, PUNCTUATION))
STANDARDS: dict[str, dict[int, Any]] = {
    "lower": LOWER, "strip_punctuation": REMOVED, "lower_and_strip_punctuation": LOWER | REMOVED,
}  # fmt: skip
WORD = re.compile(r"[^ \t\n\r\x0b\x0c]+")
SPLITS: dict[str, Callable[[str], list[str]]] = {"whitespace": WORD.findall, "character": list}
TEXT_MODES = ("int", "multi_hot", "count", "tf_idf")
# So many texts are split at a time where a vocabulary is found.
AT_ONCE = 4096


def _function(argument: str, value: Any, known: Sequence[str]) -> Any:
    """A name of a way, a function, or one that was registered as an op."""
    if value is None or callable(value) or value in known:
        return value
    if isinstance(value, str) and value in registry.names("op"):
        return registry.find("op", value)
    return chosen("TextVectorization", argument, value, (*known, None))  # type: ignore[arg-type]


def _widths(ngrams: Any) -> tuple[int, ...] | None:
    if ngrams is None:
        return None
    if isinstance(ngrams, int):
        return tuple(range(1, whole("ngrams", ngrams, 1) + 1))
    return tuple(whole("ngrams", width, 1) for width in ngrams)


def _grams(words: Sequence[str], widths: Sequence[int]) -> list[str]:
    """The sequences of neighbouring words, of each width after the other."""
    return [" ".join(words[at : at + width]) for width in widths for at in range(len(words) - width + 1)]


@register
class TextVectorization(Encoder):
    """Texts as indices of their words, or as vectors of counts.

    A text is standardized, split, its words are joined to n-grams if that is asked for, and looked up.

    Parameters
    ----------
    max_tokens : int, optional
        The most indices there are, special ones included.
    standardize : {'lower_and_strip_punctuation', 'lower', 'strip_punctuation'} or function, optional
        What is done to texts first; a function gets an array of them and gives one of the same shape. Case is that of
        ASCII letters, as in Keras.
    split : {'whitespace', 'character'} or function, optional
        How a text is split; a function gets an array of texts and gives a list of words for each. With None, the last
        axis of the inputs has words.
    ngrams : int or tuple of int, optional
        Sequences of up to so many words, or of these numbers of words, are looked up.
    output_mode : {'int', 'multi_hot', 'count', 'tf_idf'}
        Indices, filled up with 0; or one vector for each text.
    output_sequence_length : int, optional
        How many indices a text has, filled up or cut; by default as many as the longest text of the batch.
    pad_to_max_tokens : bool
        Whether vectors have the length `max_tokens` whatever the vocabulary is.
    vocabulary : sequence of str, or path of a text file, optional
        The words; else `adapt` finds them. Index 0 is the filling and 1 stands for unknown words; in vectors, 0 does.
    idf_weights : sequence of float, optional
        A weight for each word, for 'tf_idf'.
    sparse, ragged : bool
        Only False.
    encoding : str
        How bytes are read.
    name : str, optional
        The layer's name.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    In a net it is the first layer, or stands behind ``Input((1,), dtype="string")``, and reads the texts before the net
    runs. The vocabulary is part of the configuration. Keras needs TensorFlow for this layer; indices are the same.

    Examples
    --------
    >>> layer = TextVectorization(output_sequence_length=4)
    >>> layer.adapt(["foo bar", "bar baz", "baz bada boom"])
    >>> layer.get_vocabulary()
    ['', '[UNK]', 'baz', 'bar', 'foo', 'boom', 'bada']
    >>> layer(["Foo qux, bar!", "qux baz"]).tolist()
    [[4, 1, 3, 0], [1, 2, 0, 0]]
    """

    takes_texts = reads_texts = True

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: Any = "lower_and_strip_punctuation",
        split: Any = "whitespace",
        ngrams: Any = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Any = None,
        idf_weights: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(sparse, name=name, **kwargs)
        if ragged:
            raise HandsonError(
                "TextVectorization: there are no ragged tensors here, as in Keras on PyTorch; leave out ragged=True: "
                "rows are filled up with 0."
            )
        self.output_mode = chosen(
            type(self).__name__, "output_mode", output_mode, ("int", "multi_hot", "count", "tf_idf")
        )
        self.standardize = _function("standardize", standardize, tuple(STANDARDS))
        self.split = _function("split", split, tuple(SPLITS))
        self.widths = _widths(ngrams)
        self.length = output_sequence_length
        if output_sequence_length is not None:
            self.length = whole("output_sequence_length", output_sequence_length, 1)
            if self.output_mode != "int":
                raise HandsonError(
                    f"output_sequence_length is for output_mode='int'; vectors ({self.output_mode!r}) have the length "
                    f"of the vocabulary."
                )
        self.lookup = StringLookup(
            max_tokens, mask_token="", vocabulary=vocabulary, idf_weights=idf_weights, output_mode=self.output_mode,
            pad_to_max_tokens=pad_to_max_tokens, encoding=encoding,
        )  # fmt: skip
        self.encoding = encoding

    # The vocabulary.

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """The words in the order of their indices (see `StringLookup.get_vocabulary`)."""
        return self.lookup.get_vocabulary(include_special_tokens)

    def vocabulary_size(self) -> int:
        """The number of indices, special ones too."""
        return self.lookup.vocabulary_size()

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Set the words (see `StringLookup.set_vocabulary`)."""
        self.lookup.set_vocabulary(vocabulary, idf_weights)

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Find the vocabulary: the words of texts, the most frequent first, at most `max_tokens`.

        Parameters
        ----------
        data : array, list, table or iterable of batches
            Texts.
        batch_size : int, optional
            How many of them are split at a time; the vocabulary does not depend on it.
        steps : int, optional
            How many batches of an iterable are used.
        """
        self.reset_state()
        size = AT_ONCE if batch_size is None else whole("batch_size", batch_size, 1)
        for batch in batches("TextVectorization", data, steps):
            rows = batch if getattr(batch, "ndim", 0) else [batch]
            for start in range(0, len(rows), size):
                self.update_state(rows[start : start + size])
        self.finalize_state()

    def reset_state(self) -> None:
        """Forget what `update_state` has seen."""
        self.lookup.reset_state()

    def update_state(self, data: Any) -> None:
        """Take in a batch of texts."""
        self.lookup.count_documents(self._documents(given("TextVectorization", data)))

    def finalize_state(self) -> None:
        """Set the vocabulary to what was taken in."""
        self.lookup.finalize_state()

    # Words.

    def _standardized(self, inputs: np.ndarray) -> list[str]:
        found = texts("TextVectorization", inputs, self.encoding)
        if self.standardize is None:
            return found
        if not callable(self.standardize):
            table = STANDARDS[self.standardize]
            return [text.translate(table) for text in found]
        result = np.asarray(self.standardize(np.array(found, dtype=str).reshape(inputs.shape)))
        if result.shape != inputs.shape:
            raise HandsonError(
                f"standardize takes an array of texts and gives one of the same shape; for {inputs.shape} it gave "
                f"{result.shape}. Of a function of one text: numpy.vectorize(function)."
            )
        return texts("standardize", result, self.encoding)

    def _documents(self, inputs: np.ndarray) -> Iterator[list[str]]:
        """The words of each text."""
        found = self._standardized(inputs)
        for words in self._split(found, inputs.shape):
            yield words if self.widths is None else _grams(words, self.widths)

    def _split(self, found: list[str], shape: tuple[int, ...]) -> Iterator[list[str]]:
        if self.split is None:
            size = shape[-1] if len(shape) > 1 else 1
            return (found[start : start + size] for start in range(0, len(found), size))
        if len(shape) > 1 and shape[-1] != 1:
            raise HandsonError(
                f"TextVectorization splits texts of shape (n,) or (n, 1); got {shape}. With split=None the last axis "
                f"has words."
            )
        if callable(self.split):
            return (list(map(str, words)) for words in self.split(np.array(found, dtype=str)))
        return map(SPLITS[self.split], found)

    # Looking up.

    def build(self, input_shape: Shape) -> None:
        self.lookup.ensure_built((None,), self.drawn.key)

    def depth(self) -> int | None:
        return self.lookup.depth()

    def ready_to_look_up(self) -> None:
        """Raise unless there is a vocabulary."""
        self.lookup.ready_to_look_up()

    def call(self, inputs: Any) -> Tensor:
        self.ready_to_look_up()
        documents = list(self._documents(np.asarray(inputs)))
        lengths = np.array([len(words) for words in documents], dtype=np.int64)
        places = self.lookup.indices([word for words in documents for word in words])
        rows = np.repeat(np.arange(len(documents)), lengths)
        if self.output_mode == "int":
            table = self._padded(places, rows, lengths)
        else:
            table = self._counted(places, rows, len(documents))
        out = torch.from_numpy(table).to(self.code_type)
        return out[:, 0] if self._single(inputs.shape) else out.reshape(*self._leading(inputs.shape), table.shape[1])

    def _single(self, shape: Shape) -> bool:
        """Whether each input is one word, which gives one index."""
        return self.split is None and len(shape) == 1 and self.output_mode == "int" and self.length is None

    def _leading(self, shape: Shape) -> Any:
        """The axes of texts among those of the inputs."""
        return shape[:-1] if len(shape) > 1 else shape

    def _padded(self, places: np.ndarray, rows: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        width = self.length if self.length is not None else int(lengths.max(initial=0))
        columns = np.arange(len(places)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        kept = columns < width
        table = np.zeros((len(lengths), width), np.int64)
        table[rows[kept], columns[kept]] = places[kept]
        return table

    def _counted(self, places: np.ndarray, rows: np.ndarray, texts: int) -> np.ndarray:
        depth = self.lookup.depth() or 0
        known = places >= 0
        counts = np.bincount(rows[known] * depth + places[known], minlength=texts * depth).reshape(texts, depth)
        if self.output_mode == "multi_hot":
            return counts.clip(max=1)
        return counts * self.lookup.idf() if self.output_mode == "tf_idf" else counts

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if self._single(input_shape):
            return tuple(input_shape)
        return (*self._leading(tuple(input_shape)), self.length if self.output_mode == "int" else self.depth())

    def _infer(self, node: Node) -> Any:
        check_symbols(self, node)
        return super()._infer(node)

    # Configuration.

    def get_config(self, compact: bool = False) -> dict[str, Any]:
        known = self.lookup.get_config(compact)
        return super().get_config(compact) | {key: known[key] for key in ("vocabulary", "idf_weights") if key in known}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Layer:
        return cls(**without_paths("TextVectorization", config))

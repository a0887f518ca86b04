"""What the look-ups of texts and of numbers share: a vocabulary, special indices, and `adapt`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.core.errors import HandsonError, listing, nearest, shortened, whole
from handson.layers.preprocessing.encoding import DROPPED, MODES, Encoder, chosen, encode
from handson.layers.preprocessing.given import batches, given
from handson.layers.preprocessing.hashes import fingerprint, siphash
from handson.layers.preprocessing.vocabulary import TokenCounts, check_tokens, read_vocabulary

WEIGHTED_MODES = (*MODES, "tf_idf")


def salted(salt: Any) -> tuple[int, int] | None:
    """A salt as two numbers; one number stands for both."""
    if salt is None:
        return None
    numbers = (salt, salt) if isinstance(salt, (int, np.integer)) else tuple(salt)
    if len(numbers) != 2:
        raise HandsonError(f"salt is a whole number or two of them; got {salt!r}.")
    return whole("salt", numbers[0], 0), whole("salt", numbers[1], 0)


class IndexLookup(Encoder):
    """What the look-ups of texts and of numbers share.

    An index begins with the mask, if there is one and indices are asked for, and with `num_oov_indices` places for
    tokens that are not in the vocabulary.
    """

    def __init__(
        self, max_tokens: int | None, num_oov_indices: int, mask_token: Any, oov_token: Any, invert: bool,
        output_mode: str, pad_to_max_tokens: bool, salt: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(**kwargs)
        kind = type(self).__name__
        self.max_tokens = None if max_tokens is None else whole("max_tokens", max_tokens, 2)
        self.num_oov_indices = whole("num_oov_indices", num_oov_indices, 0)
        self.mask_token, self.oov_token, self.invert = mask_token, oov_token, invert
        self.output_mode = chosen(type(self).__name__, "output_mode", output_mode, WEIGHTED_MODES)
        self.pad_to_max_tokens, self.salt = pad_to_max_tokens, salted(salt)
        if pad_to_max_tokens and max_tokens is None:
            raise HandsonError(f"{kind}: pad_to_max_tokens=True needs max_tokens.")
        if invert and self.output_mode != "int":
            raise HandsonError(f"{kind}: invert=True takes indices: output_mode is 'int'; got {output_mode!r}.")
        self._tokens: list[Any] = []
        self._weights: np.ndarray | None = None  # of all indices, special ones too
        self._counts = TokenCounts()
        self.fixed = False

    def _start(self, vocabulary: Any, idf_weights: Any) -> None:
        if idf_weights is not None and vocabulary is None:
            raise HandsonError(f"{type(self).__name__}: idf_weights are those of a vocabulary; give both.")
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)
        self.fixed = vocabulary is not None

    # The vocabulary.

    @property
    def special_tokens(self) -> list[Any]:
        """What stands before the tokens of the vocabulary."""
        mask = [self.mask_token] if self.mask_token is not None and self.output_mode == "int" else []
        return mask + [self.oov_token] * self.num_oov_indices

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """The tokens in the order of their indices.

        Parameters
        ----------
        include_special_tokens : bool
            Whether the mask and the out-of-vocabulary token stand before them: then an index is a place in the list.
        """
        return (self.special_tokens if include_special_tokens else []) + self._tokens

    def vocabulary_size(self) -> int:
        """The number of indices, special ones too."""
        return len(self.special_tokens) + len(self._tokens)

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Set the tokens.

        Parameters
        ----------
        vocabulary : sequence, or path of a text file
            The tokens, with all special ones at its beginning or without any; in a file one on each line.
        idf_weights : sequence of float, optional
            A weight for each of them, for ``output_mode="tf_idf"``.
        """
        kind = type(self).__name__
        if (idf_weights is not None) != (self.output_mode == "tf_idf"):
            raise HandsonError(f"{kind}: a vocabulary has idf_weights where output_mode is 'tf_idf', and only there.")
        tokens = self._read(vocabulary)
        special = self.special_tokens
        whole_index = tokens[: len(special)] == special
        if idf_weights is not None:
            self._weights = self._checked_weights(idf_weights, len(tokens), 0 if whole_index else len(special))
        tokens = tokens[len(special) :] if whole_index else tokens
        reserved = [self.mask_token, self.oov_token if self.invert else None]
        check_tokens(kind, tokens, special, [token for token in reserved if token is not None])
        if self.max_tokens is not None and len(special) + len(tokens) > self.max_tokens:
            raise HandsonError(
                f"{kind}: max_tokens={self.max_tokens}, special ones included; got {len(special) + len(tokens)}."
            )
        self._settle(tokens)

    def _read(self, vocabulary: Any) -> list[Any]:
        if isinstance(vocabulary, (str, Path)):
            vocabulary = read_vocabulary(vocabulary)
        return [self._token(token) for token in np.asarray(vocabulary, dtype=object).ravel().tolist()]

    def _token(self, token: Any) -> Any:
        """One token of a vocabulary in the type that it has here."""
        raise NotImplementedError

    def _checked_weights(self, weights: Any, tokens: int, missing: int) -> np.ndarray:
        found = np.asarray(weights, dtype=np.float32)
        if found.shape != (tokens,):
            raise HandsonError(
                f"{type(self).__name__}: idf_weights has a number for each of the {tokens} tokens; got the shape "
                f"{found.shape}."
            )
        # Keras gives special tokens, whose frequency is not known, the mean.
        return np.concatenate([np.full(missing, found.mean() if tokens else 0.0, np.float32), found])

    def _settle(self, tokens: list[Any]) -> None:
        """Build the tables for new tokens."""
        self._tokens = tokens

    # Adapting.

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Find the vocabulary: the tokens of data, the most frequent first, at most `max_tokens`.

        Parameters
        ----------
        data : array, list, table or iterable of batches
            Tokens; each row is a document where documents are counted.
        steps : int, optional
            How many batches of an iterable are used.
        """
        self.reset_state()
        for batch in batches(type(self).__name__, data, steps):
            self.update_state(batch)
        self.finalize_state()

    def reset_state(self) -> None:
        """Forget what `update_state` has seen."""
        if self.fixed:
            raise HandsonError(
                f"{type(self).__name__} {self.name!r} was made with a vocabulary and does not adapt; leave out "
                f"vocabulary=... ."
            )
        self._counts = TokenCounts()

    def update_state(self, data: Any) -> None:
        """Take in a batch of tokens."""
        data = given(type(self).__name__, data)
        rows = len(data) if getattr(data, "ndim", 0) else 1
        flat = self._all_tokens(data)
        size = len(flat) // max(rows, 1)
        self.count_documents(flat[row * size : (row + 1) * size] for row in range(rows))

    def count_documents(self, documents: Iterable[Sequence[Any]]) -> None:
        """Take in documents, each a sequence of tokens, which may differ in length."""
        self._counts.add(documents)

    def finalize_state(self) -> None:
        """Set the vocabulary to what was taken in."""
        room = None if self.max_tokens is None else max(self.max_tokens - len(self.special_tokens), 0)
        tokens = self._counts.most_common(room, [self.mask_token, self.oov_token])
        if self.output_mode == "tf_idf":
            idf = self._counts.idf(tokens)
            self._weights = self._checked_weights(idf, len(tokens), len(self.special_tokens))
        self._settle(tokens)
        self._counts = TokenCounts()

    def _all_tokens(self, data: Any) -> list[Any]:
        raise NotImplementedError

    # Looking up.

    def depth(self) -> int | None:
        return self.max_tokens if self.pad_to_max_tokens else self.vocabulary_size()

    def ready_to_look_up(self) -> None:
        """Raise unless there is a vocabulary."""
        if not self._tokens:
            raise HandsonError(
                f"{type(self).__name__} {self.name!r} has no vocabulary: call adapt(data), or give vocabulary=[...]."
            )

    def encoded(self, indices: Tensor, weights: Tensor | None = None) -> Tensor:
        if self.output_mode != "tf_idf":
            return super().encoded(indices, weights)
        idf = torch.as_tensor(self.idf(), device=indices.device)
        return (encode(indices, "count", self.depth() or 0) * idf).to(self.code_type)

    def idf(self) -> np.ndarray:
        """The weight of each index, 0 where none stands."""
        weights = np.zeros(self.depth() or 0, np.float32)
        if self._weights is not None:
            weights[: len(self._weights)] = self._weights
        return weights

    @property
    def masked_index(self) -> int:
        """Where the mask goes."""
        return 0 if self.output_mode == "int" else DROPPED

    @property
    def first_unknown(self) -> int:
        """Where tokens that are not in the vocabulary go, or the first of several places."""
        return int(self.mask_token is not None and self.output_mode == "int")

    def _refuse_unknown(self, tokens: Sequence[Any]) -> None:
        known = nearest(tokens[0], self._tokens) if isinstance(tokens[0], str) else ""
        raise HandsonError(
            f"{type(self).__name__} {self.name!r} has num_oov_indices=0, and these are not in its vocabulary: "
            f"{shortened(listing(dict.fromkeys(tokens)))}.{known} num_oov_indices=1 gives them an index of their own."
        )

    def _buckets(self, unknown: Sequence[str]) -> np.ndarray:
        """Which of several places each token goes to that is not known."""
        words = fingerprint(unknown) if self.salt is None else siphash(unknown, self.salt)
        return (words % np.uint64(self.num_oov_indices)).astype(np.int64)

    def _inverted(self, indices: Tensor) -> np.ndarray:
        """The tokens of indices."""
        table = np.array([*self.get_vocabulary(), self.oov_token], dtype=None if self._tokens else object)
        places = indices.detach().cpu().long().numpy()
        return table[np.where((places < 0) | (places >= len(table)), len(table) - 1, places)]

    # Configuration: the vocabulary is part of it.

    def get_config(self, compact: bool = False) -> dict[str, Any]:
        config = super().get_config(compact)
        if self._tokens:
            config["vocabulary"] = self.get_vocabulary(include_special_tokens=self.output_mode == "tf_idf")
        if self._weights is not None:
            config["idf_weights"] = self._weights.tolist()
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**without_paths(cls.__name__, config))


def without_paths(kind: str, config: dict[str, Any]) -> dict[str, Any]:
    """A configuration, Keras's too, that names no file to read."""
    if isinstance(config.get("vocabulary"), str):
        raise HandsonError(
            f"{kind}: the configuration names a file, {config['vocabulary']!r}. Files may not make others be read; "
            f"read it yourself and call set_vocabulary."
        )
    return {key: value for key, value in config.items() if key not in ("vocabulary_size", "has_input_vocabulary")}

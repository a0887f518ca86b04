"""`Embedding`: a vector for each of a number of ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handson import ops
from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.layers.base import Shape, positive
from handson.layers.calling import MASK, is_on_zeros
from handson.layers.low_rank import Adapted, LowRank
from handson.randomness import stream


@register
class Embedding(LowRank):
    """A vector for each id, which training changes.

    Ids (n, ...) from 0 to input_dim - 1 give vectors (n, ..., output_dim).

    Parameters
    ----------
    input_dim : int
        How many ids there are: the largest one, and one more.
    output_dim : int
        The size of the vectors.
    embeddings_initializer : str or Initializer
        What the vectors start from.
    embeddings_regularizer, embeddings_constraint : optional
        A penalty on the vectors, and what they are made to obey.
    mask_zero : bool
        Whether the id 0 fills up sequences: the steps that have it are masked.
    weights : array, optional
        The vectors to start from, (input_dim, output_dim), also in a list of one.
    input_length : int, optional
        The number of ids of a sample, for the first layer of a net: short for ``input_shape=(input_length,)``.
    lora_rank, lora_alpha : optional
        As of `enable_lora`.
    **kwargs
        The arguments of every layer, without `input_dim` in its other meaning.

    Raises
    ------
    HandsonError
        When an id lies outside of the range: Keras counts negative ones from the end, and on a GPU stops the process.
        In a training step on a GPU, where nothing can be asked without waiting, the vectors of such ids are NaN.

    Examples
    --------
    >>> Embedding(1000, 8)(torch.tensor([[4, 20], [0, 999]])).shape
    torch.Size([2, 2, 8])
    """

    takes_integers = True
    adapted = "embeddings"
    embeddings = Adapted()

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        *,
        input_length: int | None = None,
        input_shape: Sequence[int | None] | None = None,
        **kwargs: Any,
    ) -> None:
        if input_length is not None and input_shape is None:
            input_shape = (positive("Embedding", "input_length", input_length),)
        super().__init__(lora_rank, lora_alpha, input_shape=input_shape, **kwargs)
        self.input_dim = positive("Embedding", "input_dim", input_dim)
        self.output_dim = positive("Embedding", "output_dim", output_dim)
        self.embeddings_initializer, self.embeddings_regularizer = embeddings_initializer, embeddings_regularizer
        self.embeddings_constraint = embeddings_constraint
        self.mask_zero = self.supports_masking = mask_zero
        if weights is not None:
            self.ensure_built((None, None))
            self.set_weights(list(weights) if isinstance(weights, (list, tuple)) and len(weights) == 1 else [weights])

    @staticmethod
    def kept_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
        """What the layer remembers of its arguments: the vectors are in its weights."""
        return arguments | {"weights": None}

    def build(self, input_shape: Shape) -> None:
        self.embeddings = self.add_weight(
            (self.input_dim, self.output_dim), self.embeddings_initializer, "embeddings",
            regularizer=self.embeddings_regularizer, constraint=self.embeddings_constraint,
        )  # fmt: skip

    def ensure_built(self, input_shape: Any, key: int | None = None) -> None:
        """Build the layer unless that has happened: it takes ids of any shape."""
        super().ensure_built(self.built_shape or input_shape, key)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the vectors for the shape of the ids."""
        return (*input_shape, self.output_dim)

    def call(self, inputs: Tensor) -> Tensor:
        ids = inputs if inputs.dtype in (torch.int64, torch.int32) else self._whole(inputs)
        outputs = self._on_gpu(ids) if ids.device.type != "cpu" else self._on_cpu(ids)
        if self.mask_zero:
            setattr(outputs, MASK, ids != 0)
        return outputs

    def _whole(self, ids: Tensor) -> Tensor:
        if ids.is_floating_point() and _may_ask(ids) and not torch.equal(ids, ids.trunc()):
            wrong = ids[ids != ids.trunc()][0].item()
            raise HandsonError(f"Embedding {self.name!r}: ids are whole numbers; got {wrong}.")
        return ids.to(torch.int64)

    def _on_cpu(self, ids: Tensor) -> Tensor:
        try:
            return F.embedding(ids, self.embeddings)
        except IndexError:  # which costs nothing where all is well
            if is_on_zeros():  # a stand-in for the length of sequences may be more than there are positions
                return F.embedding(ids.clamp(0, self.input_dim - 1), self.embeddings)
            raise self._outside(ids) from None

    def _on_gpu(self, ids: Tensor) -> Tensor:
        inside = (ids >= 0) & (ids < self.input_dim)
        if _may_ask(ids) and not bool(inside.all()):
            raise self._outside(ids)
        vectors = F.embedding(torch.where(inside, ids, 0), self.embeddings)
        return torch.where(inside[..., None], vectors, torch.nan)

    def _outside(self, ids: Tensor) -> HandsonError:
        wrong = ids[(ids < 0) | (ids >= self.input_dim)]
        return HandsonError(
            f"Embedding {self.name!r} takes ids from 0 to {self.input_dim - 1}; got {wrong[0].item()}. Give it a "
            f"larger input_dim: the largest id, and one more."
        )

    def check_ids(self, ids: Any) -> None:
        """Raise unless all ids of an array or tensor are in the range: for data, before the first step."""
        known = torch.as_tensor(ids)
        whole = known if known.dtype in (torch.int64, torch.int32) else self._whole(known)
        if whole.numel() and not (int(whole.min()) >= 0 and int(whole.max()) < self.input_dim):
            raise self._outside(whole)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Which ids are not 0, with `mask_zero`."""
        return ops.not_equal(inputs, 0) if self.mask_zero else None


def _may_ask(ids: Tensor) -> bool:
    """Whether values may be looked at: not in a training step on a GPU, which does not wait for anything."""
    return ids.device.type == "cpu" or (stream.current() is None and not torch.cuda.is_current_stream_capturing())

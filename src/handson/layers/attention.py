"""`Attention` and `AdditiveAttention`: queries look at values through scores of dot products or of sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.graph import Node
from handson.graph.symbol import Spec
from handson.layers.attending import attend, both, causal, shares
from handson.layers.base import Layer, Shape, fraction
from handson.layers.dropout import dropout_mask
from handson.layers.shapes import Shapes, is_shape
from handson.randomness.keys import check_seed


class _Attention(Layer):
    """softmax(scores of queries and keys) values; a class says what the scores are."""

    floats_only = supports_masking = True

    def __init__(self, use_scale: bool, dropout: float = 0.0, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.use_scale = use_scale
        self.dropout = fraction(type(self).__name__, "dropout", dropout)
        self.seed = None if seed is None else check_seed(seed)
        self.path = self.name

    def scores(self, query: Tensor, key: Tensor) -> Tensor:
        """How well each key fits each query: (..., place of query, place of key)."""
        raise NotImplementedError

    def fused(self, query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None, is_causal: bool) -> Any:
        """The output by a fused kernel, None where there is none for these scores."""
        return None

    def compute_output_shape(self, input_shape: Shapes) -> Shape:
        query, value, _ = self._three(input_shape)
        return (*query[:-1], value[-1])

    def _three(self, shapes: Any) -> tuple[Shape, Shape, Shape]:
        """The shapes of query, value and key, if they fit."""
        if not isinstance(shapes, (list, tuple)) or is_shape(shapes) or len(shapes) not in (2, 3):
            raise HandsonError(
                f"{type(self).__name__} {self.name!r} takes a list [query, value] or [query, value, key]; got "
                f"{f'{len(shapes)} inputs' if isinstance(shapes, (list, tuple)) and not is_shape(shapes) else 'one'}."
            )
        query, value, key = (tuple(shape) for shape in (*shapes, shapes[1])[:3])
        fits = len(query) == len(value) == len(key) >= 3
        alike = ((query[-1], key[-1]), (value[-2], key[-2])) if fits else ()
        if not fits or any(None not in pair and pair[0] != pair[1] for pair in alike):
            raise HandsonError(
                f"{type(self).__name__} {self.name!r} takes a query (n, places, features), a value (n, steps, size) "
                f"and a key (n, steps, features), by default the value; got the shapes {query}, {value}, {key}."
            )
        return query, value, key

    def _takes(self, shape: Shapes) -> bool:
        query, *_ = self._three(shape)
        return all(weight.dim() == 0 or weight.shape[-1] == query[-1] for weight in self.weights)

    def _infer(self, node: Node) -> Any:
        found = super()._infer(node)
        if not node.arguments[1].get("return_attention_scores"):
            return found
        query, _, key = self._three(self._shapes_in(*node.arguments))
        return found, Spec((*query[:-1], key[-2]), found.dtype)

    def call(
        self,
        inputs: Sequence[Tensor],
        mask: Any = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        self._three([tuple(x.shape) for x in inputs] if isinstance(inputs, (list, tuple)) else inputs)
        query, value, key = (*inputs, inputs[1])[:3]
        query_mask, steps = self._masks(mask)
        visible = None if steps is None else steps.unsqueeze(-2)
        drops = self.training and self.dropout > 0
        found = None
        if not (drops or return_attention_scores):
            found, weights = self.fused(query, key, value, visible, use_causal_mask), None
        if found is None:
            weights = self._weights(query, key, visible, use_causal_mask)
            if drops:
                weights = weights * dropout_mask(self, tuple(weights.shape), weights, share=self.dropout)
            found = torch.matmul(weights, value)
        if query_mask is not None:
            found = torch.where(query_mask.unsqueeze(-1), found, 0.0)
        return (found, weights) if return_attention_scores else found

    def _weights(self, query: Tensor, key: Tensor, visible: Tensor | None, is_causal: bool) -> Tensor:
        scores = self.scores(query, key)
        if is_causal:
            visible = both(visible, causal(query.shape[-2], key.shape[-2], query.device))
        return shares(scores, visible)

    def _masks(self, mask: Any) -> tuple[Tensor | None, Tensor | None]:
        """The masks of the query, and of the steps: those of value and key."""
        if mask is None:
            return None, None
        if not isinstance(mask, (list, tuple)) or len(mask) not in (2, 3):
            raise HandsonError(
                f"{type(self).__name__} {self.name!r} takes a list of masks, [query_mask, value_mask]; got "
                f"{f'{len(mask)} of them' if isinstance(mask, (list, tuple)) else 'one mask'}."
            )
        query, value, *key = (None if one is None else one.to(torch.bool) for one in mask)
        return query, both(value, key[0] if key else None)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return self._masks(mask)[0]


@register
class Attention(_Attention):
    """Dot-product attention: softmax(query key') value. Luong et al. (2015).

    It is called on a list, ``layer([query, value])`` or ``layer([query, value, key])``, of shapes (n, places,
    features), (n, steps, size) and (n, steps, features); the output has shape (n, places, size). With
    ``return_attention_scores=True`` the weights (n, places, steps) come too, after dropout; with
    ``use_causal_mask=True`` a query sees only the steps up to its own place. Steps that the mask of the value, or of
    the key, leaves out are not looked at; where the mask of the query is False the output is 0, and this mask travels
    on.

    Parameters
    ----------
    use_scale : bool
        Whether the scores are multiplied by a learned number.
    score_mode : {'dot', 'concat'}
        'dot' for query key', 'concat' for a learned number times the sum of tanh(query + key) over the features.
    dropout : float
        The share of weights that is dropped while training.
    seed : int, optional
        A seed of its own for the dropout, in place of the run's.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    Without dropout and where the weights are not asked for, torch's fused attention computes it. In Keras the mask of
    the key counts for nothing.

    Examples
    --------
    >>> query, value = torch.ones(1, 2, 3), torch.arange(12.0).reshape(1, 4, 3)
    >>> Attention()([query, value]).shape
    torch.Size([1, 2, 3])
    """

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(use_scale, dropout, seed, **kwargs)
        if score_mode not in ("dot", "concat"):
            raise HandsonError(f"Attention: score_mode is 'dot' or 'concat'; got {score_mode!r}.")
        self.score_mode = score_mode

    def build(self, input_shape: Shapes) -> None:
        self._three(input_shape)
        self.scale = self.add_weight((), "ones", "scale") if self.use_scale else None
        self.concat_score_weight = None
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight((), "ones", "concat_score_weight")

    def scores(self, query: Tensor, key: Tensor) -> Tensor:
        if self.score_mode == "dot":
            return torch.matmul(query if self.scale is None else query * self.scale, key.mT)
        sums = query.unsqueeze(-2) + key.unsqueeze(-3)
        sums = torch.tanh(sums if self.scale is None else sums * self.scale).sum(dim=-1)
        return sums * self.concat_score_weight  # type: ignore[operator]

    def fused(self, query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None, is_causal: bool) -> Any:
        if self.score_mode != "dot":
            return None
        query = query if self.scale is None else query * self.scale
        query, key, value = (x.unsqueeze(-3) for x in (query, key, value))
        visible = None if visible is None else visible.unsqueeze(-3)
        return attend(query, key, value, visible, 1.0, is_causal).squeeze(-3)


@register
class AdditiveAttention(_Attention):
    """Additive attention: the scores are the sum of scale tanh(query + key) over the features. Bahdanau et al. (2014).

    It is called as `Attention` is, on ``[query, value]`` or ``[query, value, key]``, with the same arguments and masks.

    Parameters
    ----------
    use_scale : bool
        Whether `scale` is learned, a number for each feature; else it is 1.
    dropout : float
        The share of weights that is dropped while training.
    seed : int, optional
        A seed of its own for the dropout, in place of the run's.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> query, value = torch.ones(1, 2, 3), torch.arange(12.0).reshape(1, 4, 3)
    >>> output, weights = AdditiveAttention()([query, value], return_attention_scores=True)
    >>> output.shape, weights.shape
    (torch.Size([1, 2, 3]), torch.Size([1, 2, 4]))
    """

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(use_scale, dropout, seed, **kwargs)

    def build(self, input_shape: Shapes) -> None:
        query, *_ = self._three(input_shape)
        self.scale = None
        if self.use_scale:
            if query[-1] is None:
                raise HandsonError(f"AdditiveAttention {self.name!r} needs a known number of features; got {query}.")
            self.scale = self.add_weight((query[-1],), "glorot_uniform", "scale")

    def scores(self, query: Tensor, key: Tensor) -> Tensor:
        sums = torch.tanh(query.unsqueeze(-2) + key.unsqueeze(-3))
        return sums.sum(dim=-1) if self.scale is None else torch.matmul(sums, self.scale)

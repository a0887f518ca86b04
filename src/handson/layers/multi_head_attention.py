"""`MultiHeadAttention` and `GroupQueryAttention`: several heads of dot-product attention between projections."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.layers.base import positive
from handson.layers.heads import Heads


@register
class MultiHeadAttention(Heads):
    """Attention of several heads, each with projections of its own. Vaswani et al. (2017).

    It is called as ``layer(query, value, key=None)`` on shapes (n, places, features), (n, steps, features), the key by
    default the value. Further arguments of the call: `attention_mask` of shape (n, places, steps), True where a query
    may look; ``use_causal_mask=True``, by which a query sees only the steps up to its own place;
    ``return_attention_scores=True``, which gives the weights (n, heads, places, steps) too. The masks of query, value
    and key, which travel with them or are given as `query_mask`, `value_mask` and `key_mask`, hold too.

    Parameters
    ----------
    num_heads : int
        The number of heads.
    key_dim : int
        The size of queries and keys in each head.
    value_dim : int, optional
        The size of values in each head; by default `key_dim`.
    dropout : float
        The share of weights that is dropped while training.
    use_bias : bool
        Whether the projections have biases.
    output_shape : int or tuple of int, optional
        The sizes of the output behind the places; by default the number of features of the query.
    attention_axes : int or sequence of int, optional
        The axes that are attended over; by default all between the rows and the features.
    sliding_window : int, optional
        A query sees only steps less than so many places away.
    flash_attention : bool, optional
        True insists on torch's flash attention, and is an error where there is none; False refuses it; by default torch
        chooses the fastest kernel.
    kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, activity_regularizer, \
kernel_constraint, bias_constraint
        As of `EinsumDense`, for each projection.
    use_gate : bool
        Whether what the heads give is multiplied by a sigmoid of a projection of the query (arXiv:2505.06708).
    seed : int, optional
        A seed of its own for the dropout, in place of the run's.
    **kwargs
        The arguments of every layer.

    Notes
    -----
    Without dropout and where the weights are not asked for, torch's fused attention computes it; where the causal mask
    is the only one, no mask is made. A query that may look nowhere looks everywhere alike, as in Keras. Unlike in
    Keras, a `query_mask` that is given counts, and causal masks and sliding windows go by the attended axes.

    Examples
    --------
    >>> import torch
    >>> layer, x = MultiHeadAttention(num_heads=2, key_dim=3), torch.ones(5, 4, 8)
    >>> layer(x, x, use_causal_mask=True).shape
    torch.Size([5, 4, 8])
    >>> layer(x, x, return_attention_scores=True)[1].shape
    torch.Size([5, 2, 4, 4])
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        arguments = dict(locals())
        super().__init__(**kwargs)
        self.num_heads = self.heads = self.shared_heads = positive("MultiHeadAttention", "num_heads", num_heads)
        self.key_dim = self.key_size = positive("MultiHeadAttention", "key_dim", key_dim)
        value_dim = key_dim if value_dim is None else value_dim
        self.value_dim = self.value_size = positive("MultiHeadAttention", "value_dim", value_dim)
        sizes = () if output_shape is None else _several("output_shape", output_shape)
        self.outputs = tuple(positive("MultiHeadAttention", "output_shape", size) for size in sizes) or None
        self.attention_axes = None if attention_axes is None else _several("attention_axes", attention_axes)
        self.set_up(arguments)


def _several(argument: str, value: Any) -> tuple[int, ...]:
    """One or several whole numbers."""
    values = value if isinstance(value, (list, tuple)) else (value,)
    if not values or not all(isinstance(one, (int, np.integer)) and not isinstance(one, bool) for one in values):
        raise HandsonError(f"MultiHeadAttention: {argument} is a whole number or several; got {value!r}.")
    return tuple(map(int, values))


@register(aliases=("GroupedQueryAttention",))
class GroupQueryAttention(Heads):
    """Attention whose heads of queries share heads of keys and values, in groups. Ainslie et al. (2023).

    It is called as `MultiHeadAttention` is, on inputs of three axes. With one head of keys and values it is multi-query
    attention, with as many as of queries multi-head attention.

    Parameters
    ----------
    head_dim : int
        The size of each head.
    num_query_heads, num_key_value_heads : int
        The numbers of heads of queries, and of keys and values, which divides it.
    dropout, use_bias, sliding_window, flash_attention, kernel_initializer, bias_initializer, kernel_regularizer, \
bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint, use_gate, seed
        As of `MultiHeadAttention`.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> import torch
    >>> layer, x = GroupQueryAttention(head_dim=3, num_query_heads=4, num_key_value_heads=2), torch.ones(5, 4, 8)
    >>> layer(x, x).shape, layer.key_dense.kernel.shape
    (torch.Size([5, 4, 8]), torch.Size([8, 2, 3]))
    """

    automatic_name = "grouped_query_attention"  # as in Keras
    keras_parts: ClassVar = {
        name: f"_{name}" for name in ("query_dense", "key_dense", "value_dense", "gate_dense", "output_dense")
    }

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        arguments = dict(locals())
        super().__init__(**kwargs)
        owner = "GroupQueryAttention"
        self.head_dim = self.key_size = self.value_size = positive(owner, "head_dim", head_dim)
        self.num_query_heads = self.heads = positive(owner, "num_query_heads", num_query_heads)
        self.num_key_value_heads = self.shared_heads = positive(owner, "num_key_value_heads", num_key_value_heads)
        if num_query_heads % num_key_value_heads:
            raise HandsonError(
                f"{owner}: num_key_value_heads divides num_query_heads; got {num_key_value_heads} and "
                f"{num_query_heads}."
            )
        self.set_up(arguments)

    def _axes(self, rank: int) -> tuple[int, ...]:
        if rank != 3:
            raise HandsonError(
                f"GroupQueryAttention {self.name!r} takes inputs (n, places, features); got {rank} axes."
            )
        return (1,)

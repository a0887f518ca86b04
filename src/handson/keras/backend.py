"""The functions of tensors of Keras 2, under `keras.backend`; most have other names in `keras.ops`.

Those of Keras 3, such as `floatx`, are here too. They work on tensors, arrays and symbols.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from handson import ops
from handson.core.errors import HandsonError
from handson.graph.conversion import type_name
from handson.keras.mirror import mirror
from handson.keras.variables import variable

if TYPE_CHECKING:
    from handson.keras.images import *  # noqa: F403
    from handson.keras.variables import *  # noqa: F403

_SAME = (
    "abs", "all", "any", "binary_crossentropy", "cast", "categorical_crossentropy", "cos", "cumprod", "cumsum", "elu",
    "equal", "exp", "greater", "greater_equal", "hard_sigmoid", "less", "less_equal", "log", "max", "maximum", "mean",
    "min", "minimum", "ndim", "not_equal", "prod", "reshape", "round", "shape", "sigmoid", "sign", "sin", "softmax",
    "softplus", "softsign", "sqrt", "square", "squeeze", "stack", "std", "stop_gradient", "sum", "tanh", "tile",
    "transpose", "var",
)  # fmt: skip
_RENAMED = {
    "identity": "copy", "logsumexp": "logsumexp", "pow": "power", "reverse": "flip",
}  # fmt: skip
_IMAGES = (
    "conv1d", "conv2d", "conv2d_transpose", "conv3d", "depthwise_conv2d", "pool2d", "pool3d", "resize_images",
    "resize_volumes", "separable_conv2d", "spatial_2d_padding", "spatial_3d_padding", "temporal_padding",
)  # fmt: skip
_VARIABLES = (
    "batch_get_value", "batch_set_value", "clear_session", "eval", "function", "get_uid", "get_value",
    "moving_average_update", "placeholder", "random_normal_variable", "random_uniform_variable", "reset_uids",
    "set_value", "update", "update_add", "update_sub", "variable",
)  # fmt: skip
_CONFIG = (
    "backend", "epsilon", "floatx", "image_data_format", "set_epsilon", "set_floatx", "set_image_data_format",
)  # fmt: skip

_PHASES = ("gradients", "in_test_phase", "in_train_phase", "learning_phase", "rnn")

mirror(
    __name__,
    **{name: f"handson.keras.phases:{name}" for name in _PHASES},
    **{name: f"handson.ops:{name}" for name in _SAME},
    **{name: f"handson.ops:{home}" for name, home in _RENAMED.items()},
    **{name: f"handson.keras.images:{name}" for name in _IMAGES},
    **{name: f"handson.keras.config:{name}" for name in _CONFIG},
    **{name: f"handson.keras.variables:{name}" for name in _VARIABLES},
    image_dim_ordering="handson.keras.config:image_data_format",
    set_image_dim_ordering="handson.keras.config:set_image_data_format",
    is_keras_tensor="handson.utils:is_keras_tensor",
    random_normal="handson.random:normal",
    random_uniform="handson.random:uniform",
    standardize_dtype="handson.utils:standardize_dtype",
    truncated_normal="handson.random:truncated_normal",
    Variable="handson.keras.variable:Variable",
)


# What is not called as it is in `keras.ops`.


def argmax(x: Any, axis: int = -1) -> Any:
    """Where along an axis the largest value is."""
    return ops.argmax(x, axis)


def argmin(x: Any, axis: int = -1) -> Any:
    """Where along an axis the smallest value is."""
    return ops.argmin(x, axis)


def arange(start: int, stop: int | None = None, step: int = 1, dtype: str = "int32") -> Any:
    """Numbers from a start up to a stop."""
    return ops.arange(start, stop, step, dtype)


def batch_dot(x: Any, y: Any, axes: Any = None) -> Any:
    """The product of each row of x with that of y, summed over one axis of each.

    Parameters
    ----------
    x, y : tensor, shape (n, ...)
        At least of two axes.
    axes : int or (int, int), optional
        The axis of each; by default the last of x, and of y the one before its last, or its only one.

    Examples
    --------
    >>> batch_dot(ops.ones((5, 3)), ops.ones((5, 3))).shape, batch_dot(ops.ones((5, 2, 3)), ops.ones((5, 3, 4))).shape
    (torch.Size([5, 1]), torch.Size([5, 2, 4]))
    """
    ranks = len(x.shape), len(y.shape)
    if min(ranks) < 2:
        raise HandsonError(f"batch_dot takes tensors of at least two axes; got {tuple(x.shape)} and {tuple(y.shape)}.")
    default = (ranks[0] - 1, ranks[1] - (1 if ranks[1] == 2 else 2))
    given = default if axes is None else (axes, axes) if isinstance(axes, int) else tuple(axes)
    first, second = (axis % rank for axis, rank in zip(given, ranks, strict=True))
    if 0 in (first, second):
        raise HandsonError("batch_dot sums over axes within a row, and axis 0 is that of the rows.")
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    left = ["z", *(next(letters) for _ in range(ranks[0] - 1))]
    right = ["z", *(next(letters) for _ in range(ranks[1] - 1))]
    right[second] = left[first]
    kept = [letter for letter in left + right[1:] if letter != left[first]]
    product = ops.einsum(f"{''.join(left)},{''.join(right)}->{''.join(kept)}", x, y)
    return ops.expand_dims(product, -1) if len(kept) == 1 else product


def batch_flatten(x: Any) -> Any:
    """Each row as one axis."""
    return ops.reshape(x, (-1, int(np.prod(x.shape[1:]))))


def batch_normalization(
    x: Any, mean: Any, var: Any, beta: Any, gamma: Any, axis: int = -1, epsilon: float = 1e-3
) -> Any:  # fmt: skip
    """(x - mean) / sqrt(var + epsilon) * gamma + beta, along an axis."""
    return ops.batch_normalization(x, mean, var, axis, beta, gamma, epsilon)


def bias_add(x: Any, bias: Any, data_format: str | None = None) -> Any:
    """x plus a value for each channel, or for each place."""
    if data_format == "channels_first" and len(bias.shape) == 1:
        bias = ops.reshape(bias, (1, -1) + (1,) * (len(x.shape) - 2))
    return ops.add(x, bias)


def binary_focal_crossentropy(
    target: Any, output: Any, apply_class_balancing: bool = False, alpha: float = 0.25, gamma: float = 2.0,
    from_logits: bool = False,
) -> Any:  # fmt: skip
    """Of each value, the cross-entropy times (1 - p)**gamma, p the probability of what is the case."""
    target = ops.cast(target, "float32")
    output = ops.sigmoid(output) if from_logits else ops.cast(output, "float32")
    sure = target * output + (1 - target) * (1 - output)
    loss = (1 - sure) ** gamma * ops.binary_crossentropy(target, output)
    return (target * alpha + (1 - target) * (1 - alpha)) * loss if apply_class_balancing else loss


def categorical_focal_crossentropy(
    target: Any, output: Any, alpha: Any = 0.25, gamma: float = 2.0, from_logits: bool = False, axis: int = -1
) -> Any:  # fmt: skip
    """The cross-entropy of classes, each times alpha (1 - p)**gamma."""
    output = ops.softmax(output, axis) if from_logits else ops.divide(output, ops.sum(output, axis, keepdims=True))
    output = ops.clip(output, 1e-7, 1 - 1e-7)
    return ops.sum(-ops.cast(target, "float32") * ops.log(output) * alpha * (1 - output) ** gamma, axis)


def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1, ignore_class: int | None = None
) -> Any:  # fmt: skip
    """Minus the logarithm of the probability of the class with a number; 0 for a class that is ignored."""
    if ignore_class is None:
        return ops.sparse_categorical_crossentropy(target, output, from_logits, axis)
    kept = ops.not_equal(target, ignore_class)
    loss = ops.sparse_categorical_crossentropy(ops.where(kept, target, 0), output, from_logits, axis)
    return ops.where(kept, loss, 0.0)


def cast_to_floatx(x: Any) -> Any:
    """x in float32; an array stays an array."""
    return np.asarray(x, dtype=np.float32) if isinstance(x, (np.ndarray, list)) else ops.cast(x, "float32")


def clip(x: Any, min_value: Any = None, max_value: Any = None) -> Any:
    """x, not below one value nor above another."""
    return ops.clip(x, min_value, max_value)


def concatenate(tensors: Sequence[Any], axis: int = -1) -> Any:
    """Tensors one after the other along an axis."""
    return ops.concatenate(tensors, axis)


def constant(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None) -> Tensor:
    """A tensor of a value."""
    filled = ops.convert_to_tensor(value, dtype or "float32")
    return filled if shape is None else ops.broadcast_to(filled, shape)


def count_params(x: Any) -> int:
    """How many values a tensor has."""
    return int(np.prod(x.shape))


def ctc_batch_cost(y_true: Any, y_pred: Any, input_length: Any, label_length: Any) -> Any:
    """The connectionist loss of each row, shape (n, 1); the last class is the blank one.

    Parameters
    ----------
    y_true : tensor of int, shape (n, labels)
        Labels.
    y_pred : tensor, shape (n, steps, classes)
        Probabilities.
    input_length, label_length : tensor of int, shape (n, 1)
        How many steps and labels count in each row.
    """
    logits = ops.log(ops.add(y_pred, 1e-7))
    lengths = (ops.reshape(length, (-1,)) for length in (label_length, input_length))
    return ops.expand_dims(ops.ctc_loss(y_true, logits, *lengths, mask_index=y_pred.shape[-1] - 1), -1)


def dot(x: Any, y: Any) -> Any:
    """The matrix product; of more axes, that over the last of x and the one before the last of y."""
    return ops.dot(x, y)


def dropout(x: Any, level: float, noise_shape: Any = None, seed: Any = None) -> Any:
    """x with a share of its values dropped: see `handson.random.dropout`."""
    from handson import random

    return random.dropout(x, level, noise_shape, seed)


def dtype(x: Any) -> str:
    """The name of a tensor's type."""
    return type_name(x.dtype)


def expand_dims(x: Any, axis: int = -1) -> Any:
    """x with another axis of size 1."""
    return ops.expand_dims(x, axis)


def eye(size: int | Sequence[int], dtype: Any = None, name: str | None = None) -> Tensor:
    """Ones on the diagonal of a matrix."""
    sides = (size, size) if isinstance(size, int) else tuple(size)
    return ops.eye(*sides, dtype=dtype or "float32")


def flatten(x: Any) -> Any:
    """All values along one axis, the rows' too."""
    return ops.reshape(x, (-1,))


def foldl(fn: Callable[..., Any], elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """What a function of what it gave before and of a row gives at the last row."""
    return _folded(fn, ops.unstack(ops.convert_to_tensor(elems)), initializer)


def foldr(fn: Callable[..., Any], elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """As `foldl`, from the last row to the first."""
    return _folded(fn, ops.unstack(ops.convert_to_tensor(elems))[::-1], initializer)


def _folded(function: Callable[..., Any], rows: list[Any], start: Any) -> Any:
    held, rest = (rows[0], rows[1:]) if start is None else (start, rows)
    for row in rest:
        held = function(held, row)
    return held


def map_fn(fn: Callable[..., Any], elems: Any, name: str | None = None, dtype: Any = None) -> Any:
    """What a function gives for each row."""
    mapped = ops.map(fn, elems)
    return mapped if dtype is None else ops.cast(mapped, dtype)


def gather(reference: Any, indices: Any) -> Any:
    """The rows of some numbers."""
    return ops.take(reference, indices, axis=0)


def hard_sigmoid(x: Any) -> Any:
    """Keras 2's piecewise linear sigmoid min(max(0.2 x + 0.5, 0), 1)."""
    return ops.clip(ops.multiply(x, 0.2) + 0.5, 0.0, 1.0)


def in_top_k(predictions: Any, targets: Any, k: int) -> Any:
    """Whether the class with a number is among the k likeliest."""
    return ops.in_top_k(targets, predictions, k)


def int_shape(x: Any) -> tuple[int | None, ...]:
    """The shape, None for what is not known."""
    return tuple(x.shape)


def is_sparse(tensor: Any) -> bool:
    """Whether a tensor is sparse."""
    return bool(getattr(tensor, "is_sparse", False))


def to_dense(tensor: Any) -> Any:
    """A sparse tensor as a dense one."""
    return tensor.to_dense() if is_sparse(tensor) else tensor


def l2_normalize(x: Any, axis: Any = None) -> Any:
    """x over the root of the sum of its squares along an axis."""
    return ops.divide(x, ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis, keepdims=True), 1e-12)))


def one_hot(indices: Any, num_classes: int) -> Any:
    """1 at the place that an integer names along a new axis, 0 elsewhere."""
    return ops.one_hot(indices, num_classes)


def ones(shape: Any, dtype: Any = None, name: str | None = None) -> Any:
    """A variable of ones."""
    return variable(ops.ones(shape, dtype), dtype, name)


def ones_like(x: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Ones of a tensor's shape."""
    return ops.ones_like(x, dtype)


def zeros(shape: Any, dtype: Any = None, name: str | None = None) -> Any:
    """A variable of zeros."""
    return variable(ops.zeros(shape, dtype), dtype, name)


def zeros_like(x: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Zeros of a tensor's shape."""
    return ops.zeros_like(x, dtype)


def permute_dimensions(x: Any, pattern: Sequence[int]) -> Any:
    """The axes in another order."""
    return ops.transpose(x, pattern)


def random_bernoulli(shape: Any, p: float = 0.0, dtype: Any = None, seed: Any = None) -> Tensor:
    """1 with a probability, 0 else."""
    from handson import random

    return ops.cast(random.uniform(shape, seed=seed) < p, dtype or "float32")


random_binomial = random_bernoulli


def relu(x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """x above a threshold up to a largest value, and a slope below."""
    from handson import activations

    return activations.relu(x, alpha, max_value, threshold)


def repeat(x: Any, n: int) -> Any:
    """Each row, of one axis, n times: (rows, features) gives (rows, n, features)."""
    return ops.repeat(ops.expand_dims(x, 1), n, axis=1)


def repeat_elements(x: Any, rep: int, axis: int) -> Any:
    """Each entry of an axis several times."""
    return ops.repeat(x, rep, axis=axis)


def switch(condition: Any, then_expression: Any, else_expression: Any) -> Any:
    """One of two tensors, chosen as a whole or value by value; functions that give them are called.

    Examples
    --------
    >>> switch(ops.convert_to_tensor([True, False]), ops.ones((2, 2)), ops.zeros((2, 2))).tolist()
    [[1.0, 1.0], [0.0, 0.0]]
    """
    values = [each() if callable(each) else each for each in (then_expression, else_expression)]
    missing = max(len(ops.shape(each)) for each in values) - len(ops.shape(condition))
    for _ in range(missing):
        condition = ops.expand_dims(condition, -1)
    return ops.where(ops.cast(condition, "bool"), *values)


def print_tensor(x: Any, message: str = "", summarize: int = 3) -> Any:
    """Print a tensor, and give it back."""
    print(message, x)
    return x


def is_float_dtype(dtype: Any) -> bool:
    """Whether a type is one of fractions."""
    return "float" in type_name(dtype)


def is_int_dtype(dtype: Any) -> bool:
    """Whether a type is one of whole numbers."""
    return "int" in type_name(dtype)


def result_type(*dtypes: Any) -> str:
    """The type that holds values of some types."""
    from handson.graph import conversion

    return type_name(conversion.result_type(*(conversion.torch_type(dtype) for dtype in dtypes)))

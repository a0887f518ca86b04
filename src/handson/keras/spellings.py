"""The arguments of layers, nets and callbacks in Keras 1 and 2 whose names have changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handson.core import older
from handson.core.errors import HandsonError
from handson.core.older import Spelling

FORMATS = {"tf": "channels_last", "th": "channels_first", "default": None}


def data_format(dim_ordering: str) -> str | None:
    """The format of images for what Keras 1 called their ordering.

    Examples
    --------
    >>> data_format("tf")
    'channels_last'
    """
    if dim_ordering not in FORMATS:
        raise HandsonError(f"dim_ordering is 'tf' or 'th'; got {dim_ordering!r}. Use data_format.")
    return FORMATS[dim_ordering]


def _only_features(mode: int) -> None:
    """Raise unless Keras 1's mode of BatchNormalization is the one that there is still."""
    if mode != 0:
        raise HandsonError(f"BatchNormalization: mode is 0, a mean for each feature, or left out; got {mode!r}.")


def _no_number(consume_less: str) -> None:
    """Raise unless this is one of the ways of Keras 1 to the same numbers."""
    if consume_less not in ("cpu", "mem", "gpu"):
        raise HandsonError(f"consume_less is 'cpu', 'mem' or 'gpu', and changes no number; got {consume_less!r}.")


_KERNEL = {
    "init": "kernel_initializer", "W_regularizer": "kernel_regularizer", "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint", "b_constraint": "bias_constraint", "bias": "use_bias",
}  # fmt: skip
_CONVOLUTION = _KERNEL | {"nb_filter": "filters", "border_mode": "padding", "subsample": "strides"}
_RECURRENT = {
    "output_dim": "units", "init": "kernel_initializer", "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation", "W_regularizer": "kernel_regularizer",
    "U_regularizer": "recurrent_regularizer", "b_regularizer": "bias_regularizer", "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
}  # fmt: skip
_POOLING = {"border_mode": "padding", "pool_length": "pool_size", "stride": "strides"}
_OF_IMAGES = ("Conv2D", "Conv3D", "MaxPooling2D", "AveragePooling2D", "UpSampling2D", "ZeroPadding2D", "Cropping2D")

NAMES: dict[str, dict[str, str]] = {
    "Dense": _KERNEL | {"output_dim": "units"},
    "Conv1D": _CONVOLUTION
    | {"filter_length": "kernel_size", "subsample_length": "strides", "atrous_rate": "dilation_rate"},
    "Conv2D": _CONVOLUTION | {"nb_row": "kernel_size", "nb_col": "kernel_size", "atrous_rate": "dilation_rate"},
    "Conv3D": _CONVOLUTION
    | {"kernel_dim1": "kernel_size", "kernel_dim2": "kernel_size", "kernel_dim3": "kernel_size"},
    "Embedding": {
        "init": "embeddings_initializer", "W_regularizer": "embeddings_regularizer",
        "W_constraint": "embeddings_constraint",
    },
    "BatchNormalization": {
        "beta_init": "beta_initializer", "gamma_init": "gamma_initializer",
    },
    **dict.fromkeys(("SimpleRNN", "LSTM", "GRU"), _RECURRENT),
    **{f"{kind}Pooling{count}D": _POOLING for kind in ("Max", "Average") for count in (1, 2, 3)},
    "UpSampling1D": {"length": "size"},
    "GaussianNoise": {"sigma": "stddev"},
    "LeakyReLU": {"alpha": "negative_slope"},
    **{name: {"p": "rate"} for name in ("Dropout", "GaussianDropout", "SpatialDropout1D", "SpatialDropout2D")},
    "Model": {"input": "inputs", "output": "outputs"},
    "Bidirectional": {"wrapper": "layer"},
    "ReduceLROnPlateau": {"epsilon": "min_delta"},
}  # fmt: skip


def teach() -> None:
    """Let classes take their older arguments."""
    for name, spellings in NAMES.items():
        older.classes[name] = {old: Spelling(new) for old, new in spellings.items()}
    for name in _OF_IMAGES:
        older.classes.setdefault(name, {})["dim_ordering"] = Spelling("data_format", data_format)
    older.classes["BatchNormalization"]["mode"] = Spelling("", _only_features)
    for name in ("SimpleRNN", "LSTM", "GRU"):
        older.classes[name]["consume_less"] = Spelling("", _no_number)


class _ByRows(type):
    """A class of Keras 1: called with its kernel's sides one by one it makes a layer of today's class."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        filters, *sides = args or (None,)
        if len(sides) == cls.sides and all(isinstance(side, int) for side in sides):
            older.say_once(f"{cls.__name__}(n, {', '.join(map(str, sides))})", f"Conv{cls.sides}D(n, {tuple(sides)})")
            args = (filters, tuple(sides))
        return cls.layer()(*args, **kwargs)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.layer())

    sides: int
    layer: Callable[[], Any]


class Convolution2D(metaclass=_ByRows):
    """`Conv2D` under its name in Keras 1, whose second and third argument are the rows and columns of the kernel.

    In Keras 3 the third is the strides; give them by name.

    Examples
    --------
    >>> Convolution2D(8, 7, 1).kernel_size
    `Convolution2D(n, 7, 1)` is `Conv2D(n, (7, 1))` since Keras 2
    (7, 1)
    """

    sides = 2

    @staticmethod
    def layer() -> Any:
        """The class of today."""
        from handson.layers import Conv2D

        return Conv2D


class Convolution3D(metaclass=_ByRows):
    """`Conv3D` under its name in Keras 1, whose second to fourth argument are the sides of the kernel."""

    sides = 3

    @staticmethod
    def layer() -> Any:
        """The class of today."""
        from handson import layers

        found: Any = layers
        return found.Conv3D

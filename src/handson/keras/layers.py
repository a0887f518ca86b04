"""Layers: those of `handson.layers`, and the ways in which older programs write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handson.keras.mirror import mirror

if TYPE_CHECKING:
    from handson.layers import *  # noqa: F403

_TRANSPOSED = {f"Convolution{count}DTranspose": f"Conv{count}DTranspose" for count in (1, 2, 3)}
_SEPARABLE = {f"SeparableConvolution{count}D": f"SeparableConv{count}D" for count in (1, 2)}
_POOLINGS = {
    f"{prefix}{short}Pool{count}D": f"{prefix}{long}Pooling{count}D"
    for prefix in ("", "Global")
    for short, long in (("Avg", "Average"), ("Max", "Max"))
    for count in (1, 2, 3)
}

mirror(
    __name__,
    "handson.layers",
    AtrousConvolution1D="handson.layers:Conv1D",
    AtrousConvolution2D="handson.keras.spellings:Convolution2D",
    Convolution1D="handson.layers:Conv1D",
    Convolution2D="handson.keras.spellings:Convolution2D",
    Convolution3D="handson.keras.spellings:Convolution3D",
    CuDNNGRU="handson.layers:GRU",  # whose fast way is chosen by `use_cudnn`
    CuDNNLSTM="handson.layers:LSTM",
    Merge="handson.keras.merging:Merge",
    InputSpec="handson.layers.input_spec:InputSpec",
    deserialize="handson.utils.objects:deserialize_keras_object",
    merge="handson.keras.merging:merge",
    serialize="handson.utils.objects:serialize_keras_object",
    **{name: f"handson.layers:{home}" for name, home in (_TRANSPOSED | _SEPARABLE | _POOLINGS).items()},
)

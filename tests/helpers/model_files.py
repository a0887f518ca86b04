"""Small nets of several kinds, and what is in their files."""

import numpy as np
from safetensors import safe_open

from handson import Sequential
from handson.layers import (
    GRU,
    LSTM,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    LayerNormalization,
    MaxPooling2D,
    Rescaling,
    Reshape,
)
from handson.optimizers import Adam

NETS = {
    "dense": (lambda: [Dense(8, activation="relu"), Dropout(0.3), Dense(2)], (6,)),
    "images": (
        lambda: [Conv2D(4, 3), BatchNormalization(), MaxPooling2D(), Flatten(), Rescaling(0.5), Dense(2)], (6, 6, 1),
    ),
    "sequences": (
        lambda: [Reshape((3, 2)), LSTM(4, return_sequences=True), GRU(3), LayerNormalization(), Dense(2)], (6,),
    ),
}  # fmt: skip


def net_of(kind="dense", optimizer=None, **compiled):
    layers, shape = NETS[kind]
    net = Sequential(layers(), name=kind, seed=5)
    compiled = {"metrics": ["mae", "rmse"], "scale_inputs": "standard", "scale_targets": "minmax"} | compiled
    net.compile(optimizer or Adam(0.01), "mse", **compiled)
    return net, shape


def data_of(shape, rows=40):
    rng = np.random.default_rng(1)
    return rng.normal(3, 2, size=(rows, *shape)).astype(np.float32), rng.normal(50, 9, size=(rows, 2)).astype("f4")


def contents(path):
    """What a file says, and the tensors it holds."""
    with safe_open(path, framework="pt") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118

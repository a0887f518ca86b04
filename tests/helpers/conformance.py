"""Random nets, losses and optimizers that every engine is trained on beside the reference."""

import numpy as np
import torch
from hypothesis import strategies as st

import handson
from handson.core.pure import declare
from handson.layers import Activation, BatchNormalization, Dense, Dropout, Flatten
from handson.losses import BinaryCrossentropy, CategoricalCrossentropy, Huber, Loss, SparseCategoricalCrossentropy
from handson.optimizers import SGD, Adadelta, Adagrad, Adam, AdamW, RMSprop
from handson.regularizers import L1L2
from handson.schedules import InverseTimeDecay, LinearRamp, OneCycle

ACTIVATIONS = [
    "linear", "relu", "tanh", "sigmoid", "softmax", "leaky_relu", "elu", "selu", "relu6", "hard_sigmoid", "softplus",
    "softsign", "exponential", "silu", "gelu",
]  # fmt: skip
OPTIMIZERS = {
    "sgd": lambda: SGD(0.05),
    "momentum": lambda: SGD(0.02, momentum=0.9, weight_decay=0.1),
    "nesterov": lambda: SGD(LinearRamp(0.03, 0.001), momentum=LinearRamp(0.5, 0.9), nesterov=True),
    "rmsprop": lambda: RMSprop(0.003),
    "adam": lambda: Adam(OneCycle(0.01)),
    "adamw": lambda: AdamW(0.003, weight_decay=0.1),
    "adagrad": lambda: Adagrad(0.05),
    "adadelta": lambda: Adadelta(1.0),
}
# Those that not every engine has a program for.
MORE_OPTIMIZERS = {
    "clipped by value": lambda: SGD(0.05, momentum=0.5, clipvalue=0.1),
    "clipped by norm": lambda: Adam(0.01, clipnorm=0.1, weight_decay=0.1),
    "clipped together": lambda: RMSprop(0.003, momentum=0.8, global_clipnorm=0.5),
    "averaged": lambda: SGD(OneCycle(0.1), momentum=0.5, use_ema=True, ema_momentum=0.8),
    "centered": lambda: RMSprop(LinearRamp(0.01, 0.001), centered=True, weight_decay=0.1),
    "amsgrad": lambda: Adam(InverseTimeDecay(0.01, 1, 0.1), amsgrad=True, use_ema=True),
}


@declare
def pinball(y_true, y_pred):
    error = y_true - y_pred
    return torch.maximum(0.3 * error, -0.7 * error)


@declare
class Focal(Loss):
    """Crossentropy that asks less of classes that are right already."""

    targets, name = "labels", "focal"

    def values(self, y_true, y_pred):
        right = y_pred.gather(-1, y_true[:, None])[:, 0].clamp(1e-6, 1.0)
        return -((1.0 - right) ** 2) * torch.log(right)


PENALTIES = {"l1": "l1", "l2": "l2", "both": L1L2(0.02, 0.03)}
# A loss with the activation of its output, and what its targets are.
LOSSES = {
    "mse": ("mse", None, "values"),
    "mae": ("mae", "tanh", "values"),
    "huber": (Huber(0.7), None, "values"),
    "binary": ("binary_crossentropy", "sigmoid", "yes or no"),
    "binary logits": (BinaryCrossentropy(from_logits=True, label_smoothing=0.1), None, "yes or no"),
    "categorical": ("categorical_crossentropy", "softmax", "one hot"),
    "categorical logits": (CategoricalCrossentropy(from_logits=True, label_smoothing=0.1), None, "one hot"),
    "sparse": ("sparse_categorical_crossentropy", "softmax", "labels"),
    "a function": (pinball, None, "values"),
    "a class": (Focal(), "softmax", "labels"),
    "sparse logits": (SparseCategoricalCrossentropy(from_logits=True), None, "labels"),
}
METRICS = {"values": ["mae", "rmse"], "yes or no": ["binary_accuracy"], "one hot": ["accuracy"], "labels": ["accuracy"]}


def targets_of(kind, rows, outputs, missing, rng):
    if kind == "values":
        y = rng.normal(size=(rows, outputs)).astype(np.float32)
        return np.where(rng.random(y.shape) < 0.3, np.nan, y) if missing else y
    if kind == "yes or no":
        y = rng.integers(0, 2, size=(rows, outputs)).astype(np.float32)
        return np.where(rng.random(y.shape) < 0.3, np.nan, y) if missing else y
    labels = rng.integers(0, outputs, size=rows)
    if kind == "labels":
        return np.where(rng.random(rows) < 0.3, np.nan, labels) if missing else labels
    y = np.eye(outputs, dtype=np.float32)[labels]
    return np.where(rng.random((rows, 1)) < 0.3, np.nan, y) if missing else y


hidden = st.one_of(
    st.builds(lambda *given: ("dense", *given), st.integers(1, 9), st.sampled_from(ACTIVATIONS), st.booleans(),
              st.sampled_from([True, True, True, False]), st.sampled_from([None, None, "l1", "l2", "both"])),
    st.builds(lambda rate, seed: ("dropout", rate, seed), st.sampled_from([0.0, 0.2, 0.5]), st.sampled_from([None, 3])),
    st.builds(lambda center, scale: ("norm", center, scale), st.booleans(), st.booleans()),
    st.builds(lambda kind: ("activation", kind), st.sampled_from(ACTIVATIONS)),
)  # fmt: skip


def layer_of(description):
    kind, *arguments = description
    if kind == "dense":
        units, activation, bias, trainable, penalty = (*arguments, True, None)[:5]
        penalties = {} if penalty is None else {"kernel_regularizer": PENALTIES[penalty], "bias_regularizer": "l2"}
        return Dense(units, activation=activation, use_bias=bias, trainable=trainable, **penalties)
    if kind == "dropout":
        return Dropout(arguments[0], seed=arguments[1])
    if kind == "norm":
        return BatchNormalization(center=arguments[0], scale=arguments[1], momentum=0.8)
    return Activation(arguments[0])


def jobs(optimizers=OPTIMIZERS):
    """A strategy: the arguments of `check_against_reference`."""
    return st.fixed_dictionaries({
        "descriptions": st.lists(hidden, max_size=4), "loss": st.sampled_from(sorted(LOSSES)),
        "optimizer": st.sampled_from(sorted(optimizers)), "outputs": st.integers(1, 3),
        "rows": st.sampled_from([7, 14, 21]), "missing": st.booleans(), "weighted": st.booleans(),
        "images": st.booleans(), "seed": st.integers(0, 99),
    })  # fmt: skip


def trained(engine, descriptions, loss, optimizer, outputs, x, y, weights, epochs=2, **compiled):
    loss, activation, kind = LOSSES[loss]
    flat = [Flatten()] if x.ndim > 2 else []
    net = handson.Sequential([*flat, *map(layer_of, descriptions), Dense(outputs, activation=activation)], seed=4)
    net.compile((OPTIMIZERS | MORE_OPTIMIZERS)[optimizer](), loss, metrics=METRICS[kind], **compiled)
    history = net.fit(
        x,
        y,
        epochs=epochs,
        batch_size=8,
        verbose=0,
        seed=9,
        sample_weight=weights,
        engine=engine,
        validation_data=(x, y) if weights is None else (x, y, weights),
    )
    return net, history


def close(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-5)


def check_against_reference(engine, descriptions, loss, optimizer, outputs, rows, missing, weighted, images, seed):
    """Weights, slots, history and iterations are those of the reference within rounding."""
    rng = np.random.default_rng(seed)
    kind = LOSSES[loss][2]
    if any(kind == "norm" for kind, *_ in descriptions):
        # A bias before it has no gradient but rounding, which these optimizers would make as large as any other.
        optimizer = {"adam": "nesterov", "adamw": "momentum", "averaged": "averaged"}.get(optimizer, "sgd")
    outputs = max(outputs, 2) if kind in ("one hot", "labels") else outputs
    x = rng.normal(size=(rows, 2, 3) if images else (rows, 5)).astype(np.float32)
    y = targets_of(kind, rows, outputs, missing, rng)
    y.flat[:outputs] = targets_of(kind, rows, outputs, False, rng).flat[:outputs]  # at least one is there
    weights = rng.uniform(0, 2, size=rows) if weighted else None
    scaled = {"scale_inputs": "standard"} | ({"scale_targets": (0.5, 2.0)} if kind == "values" else {})
    (ours, told), (theirs, expected) = (
        trained(name, descriptions, loss, optimizer, outputs, x, y, weights, **scaled) for name in (engine, "eager")
    )
    close(ours.get_weights(), theirs.get_weights())
    assert told.history.keys() == expected.history.keys()
    for name, values in told.history.items():
        if "accuracy" not in name:  # an output near the threshold may fall on either side
            np.testing.assert_allclose(values, expected.history[name], rtol=2e-3, atol=2e-5)
    assert ours.optimizer.iterations == theirs.optimizer.iterations
    for slot, held in theirs.optimizer.slots.items():
        close([ours.optimizer.slots[slot][name].numpy() for name in held], [tensor.numpy() for tensor in held.values()])

"""Losses, initializers, regularizers, constraints, schedules and activations of Keras, with arguments from a seed.

Each entry says for a name of Keras what arguments it is made with; of losses, also for which targets and outputs.
"""

import numpy as np
from random_layers import Draw

CLASSES = 5
REDUCTIONS = ["sum", "mean", "sum_over_batch_size", "none", None]


# Targets and outputs of losses: numbers of the shape (n, ..., columns).


def normal(d, shape, given):
    return d.rng.normal(size=shape), d.rng.normal(size=shape) * d.one(0.1, 1.0, 5.0)


def positive(d, shape, given):
    return d.rng.poisson(2.0, size=shape), d.rng.uniform(0.01, 4, shape)


def signs(d, shape, given):
    return d.rng.integers(0, 2, shape) * 2 - d.one(0, 1), d.rng.normal(size=shape)


def yes_or_no(d, shape, given):
    logits = d.rng.normal(size=shape) * 3
    y = d.rng.integers(0, 2, shape) if d.one(True, False) else d.rng.random(shape)
    return y, logits if given.get("from_logits") else 1 / (1 + np.exp(-logits))


def classes(d, shape, given):
    logits = d.rng.normal(size=shape) * 3
    odds = np.exp(logits)
    return np.eye(shape[-1])[d.rng.integers(0, shape[-1], shape[:-1])], (
        logits if given.get("from_logits") else odds / odds.sum(-1, keepdims=True)
    )


def labels(d, shape, given):
    one_hot, outputs = classes(d, shape, given)
    return one_hot.argmax(-1), outputs


SMOOTH = {"label_smoothing": [0.0, 0.1, 0.4], "from_logits": [True, False]}
FOCAL = SMOOTH | {"gamma": [0.0, 1.0, 2.5], "alpha": [0.1, 0.7]}
LOSSES = {
    "MeanSquaredError": (normal, {}),
    "MeanAbsoluteError": (normal, {}),
    "MeanAbsolutePercentageError": (normal, {}),
    "MeanSquaredLogarithmicError": (positive, {}),
    "LogCosh": (normal, {}),
    "Huber": (normal, {"delta": [0.1, 1.0, 3.0]}),
    "CosineSimilarity": (normal, {"axis": [-1, 1]}),
    "Poisson": (positive, {}),
    "KLDivergence": (classes, {}),
    "Hinge": (signs, {}),
    "SquaredHinge": (signs, {}),
    "CategoricalHinge": (classes, {}),
    "BinaryCrossentropy": (yes_or_no, SMOOTH),
    "BinaryFocalCrossentropy": (yes_or_no, FOCAL | {"apply_class_balancing": [True, False]}),
    "CategoricalCrossentropy": (classes, SMOOTH),
    "CategoricalFocalCrossentropy": (classes, FOCAL),
    "SparseCategoricalCrossentropy": (labels, {"from_logits": [True, False], "ignore_class": [None, 0, 2, -1]}),
    "CategoricalGeneralizedCrossEntropy": (labels, {"q": [0.2, 0.5, 0.9]}),
    "Dice": (yes_or_no, {"axis": [None, -1]}),
    "Tversky": (yes_or_no, {"alpha": [0.2, 0.5], "beta": [0.1, 0.9], "axis": [None, -1]}),
}


class LossCase:
    """A loss with arguments, targets, outputs and weights."""

    def __init__(self, name, seed):
        d = Draw(seed)
        make, choices = LOSSES[name]
        self.name, self.arguments = name, d.some(**choices)
        inner = d.one((), (), (3,))
        rows, columns = d.number(1, 8), d.number(2, 6)
        self.y_true, y_pred = make(d, (rows, *inner, columns), self.arguments)
        self.y_pred = y_pred.astype("float32")
        if self.y_true.dtype.kind == "f":
            self.y_true = self.y_true.astype("float32")
        self.reduction = d.one(*REDUCTIONS)
        # Of sequences Keras takes weights of steps alone; values of a loss with an axis need not stand for rows.
        weighted = "axis" not in choices and d.one(True, False)
        self.weights = d.rng.uniform(0, 2, (rows, *inner)).astype("float32") if weighted else None

    def of(self, losses):
        return getattr(losses, self.name)(**self.arguments, reduction=self.reduction)


SCALE = {"scale": [0.3, 1.0, 2.0], "mode": ["fan_in", "fan_out", "fan_avg"],
         "distribution": ["truncated_normal", "untruncated_normal", "uniform"]}  # fmt: skip
INITIALIZERS = {
    "Zeros": {}, "Ones": {}, "Constant": {"value": [0.0, -1.5, 7]}, "Identity": {"gain": [1.0, 0.3]},
    "RandomNormal": {"mean": [0.0, 2.0], "stddev": [0.05, 0.7]},
    "TruncatedNormal": {"mean": [0.0, 2.0], "stddev": [0.05, 0.7]},
    "RandomUniform": {"minval": [-0.05, -2.0], "maxval": [0.05, 3.0]},
    "VarianceScaling": SCALE, "Orthogonal": {"gain": [1.0, 0.4]},
    "GlorotNormal": {}, "GlorotUniform": {}, "HeNormal": {}, "HeUniform": {}, "LecunNormal": {}, "LecunUniform": {},
}  # fmt: skip
EXACT = ("Zeros", "Ones", "Constant", "Identity")
REGULARIZERS = {
    "L1": {"l1": [0.01, 0.3]}, "L2": {"l2": [0.01, 0.3]}, "L1L2": {"l1": [0.0, 0.3], "l2": [0.0, 0.2]},
    "OrthogonalRegularizer": {"factor": [0.01, 0.5], "mode": ["rows", "columns"]},
}  # fmt: skip
CONSTRAINTS = {
    "MaxNorm": {"max_value": [0.5, 2], "axis": [0, 1, [0, 1]]}, "NonNeg": {}, "UnitNorm": {"axis": [0, -1, [0, 1]]},
    "MinMaxNorm": {"min_value": [0.0, 0.4], "max_value": [0.8, 2.0], "rate": [1.0, 0.3], "axis": [0, 1]},
}  # fmt: skip
SCHEDULES = {
    "ExponentialDecay": {"decay_steps": [3, 9], "decay_rate": [0.5, 0.96], "staircase": [True, False]},
    "InverseTimeDecay": {"decay_steps": [3, 9], "decay_rate": [0.5, 2.0], "staircase": [True, False]},
    "PolynomialDecay": {"decay_steps": [4, 13], "end_learning_rate": [0.0, 0.3], "power": [0.5, 1.0, 3.0],
                        "cycle": [True, False]},
    "CosineDecay": {"decay_steps": [4, 13], "alpha": [0.0, 0.2], "warmup_target": [None, 0.9], "warmup_steps": [0, 5]},
    "CosineDecayRestarts": {"first_decay_steps": [3, 8], "t_mul": [1.0, 1.5, 2.0], "m_mul": [0.7, 1.0],
                            "alpha": [0.0, 0.2]},
    "PiecewiseConstantDecay": {"boundaries": [[2, 5]], "values": [[0.5, 0.1, 0.03]]},
}  # fmt: skip
# Arguments of schedules that have no default.
NEEDED = {"decay_steps": 6, "decay_rate": 0.8, "first_decay_steps": 5, "boundaries": [1, 4], "values": [1.0, 0.5, 0.2]}
SLOPE = {"negative_slope": [0.0, 0.3], "max_value": [None, 0.7, 6], "threshold": [0.0, 0.4, -0.4]}
PLAIN = [
    "exponential", "hard_sigmoid", "hard_silu", "hard_tanh", "linear", "log_sigmoid", "mish", "relu6", "selu",
    "sigmoid", "silu", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "swish", "tanh", "tanh_shrink",
]  # fmt: skip
ACTIVATIONS = {name: {} for name in PLAIN} | {
    "relu": SLOPE, "leaky_relu": {"negative_slope": [0.05, 0.5]}, "elu": {"alpha": [0.3, 2.0]},
    "celu": {"alpha": [0.3, 2.0]}, "gelu": {"approximate": [True, False]}, "glu": {"axis": [-1, 0]},
    "hard_shrink": {"threshold": [0.2, 0.9]}, "soft_shrink": {"threshold": [0.2, 0.9]},
    "squareplus": {"b": [1.0, 4]}, "softmax": {"axis": [0, 1, -1]}, "log_softmax": {"axis": [0, 1, -1]},
    "threshold": {"threshold": [0.3, -1.0], "default_value": [0.0, -2.0]},
}  # fmt: skip


def arguments(choices, d, needed=()):
    """Arguments from a seed; those that have no default too."""
    given = d.some(**choices)
    return {name: NEEDED[name] for name in choices if name in needed} | given

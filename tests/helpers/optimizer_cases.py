"""Optimizers with arguments, and their steps on gradients of a noisy quadratic, here and in Keras."""

import numpy as np
import torch
from hypothesis import strategies as st

from handson.schedules import Position

STEPS = 15
SHAPES = {"kernel": (4, 3), "bias": (3,), "factor": ()}
COMMON = [
    {},
    {"weight_decay": 0.1},
    {"gradient_accumulation_steps": 3},
    {"gradient_accumulation_steps": 2, "clipnorm": 0.4, "use_ema": True, "weight_decay": 0.1},
    {"use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": 4},
    {"clipnorm": 0.7},
    {"clipvalue": 0.3},
    {"global_clipnorm": 0.9},
]
OWN_ARGUMENTS = {
    "SGD": [{"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}, {"nesterov": True}],
    "RMSprop": [
        {"rho": 0.5},
        {"momentum": 0.8},
        {"centered": True},
        {"centered": True, "momentum": 0.8, "epsilon": 1e-3},
    ],
    "Adam": [{"beta_1": 0.5, "beta_2": 0.9}, {"amsgrad": True}, {"epsilon": 0.1}],
    "AdamW": [{"weight_decay": 0.3}, {"amsgrad": True, "weight_decay": 0.0}],
    "Adagrad": [{"initial_accumulator_value": 1.0}, {"epsilon": 0.1}],
    "Adadelta": [{"rho": 0.5}, {"epsilon": 1e-3}],
    "Adamax": [{"beta_1": 0.5, "beta_2": 0.9}, {"epsilon": 0.1}],
    "Nadam": [{"beta_1": 0.5, "beta_2": 0.9}, {"epsilon": 0.1}],
    "Lamb": [{"beta_1": 0.5, "beta_2": 0.9}, {"epsilon": 0.1}],
    "Lion": [{"beta_1": 0.5, "beta_2": 0.9}],
    "Adafactor": [{"beta_2_decay": -0.5, "clip_threshold": 0.5}, {"relative_step": False, "epsilon_2": 0.5}],
    "Ftrl": [
        {"l1_regularization_strength": 0.3, "l2_regularization_strength": 0.2, "beta": 0.4},
        {"learning_rate_power": -0.3, "l2_shrinkage_regularization_strength": 0.1, "initial_accumulator_value": 0.5},
    ],
    "Muon": [
        {"nesterov": False, "ns_steps": 3, "rms_rate": None},
        {"exclude_layers": ["kernel"], "adam_beta_1": 0.5, "adam_lr_ratio": 0.5, "adam_weight_decay": None},
        {"momentum": 0.5, "weight_decay": None},
    ],
}
CASES = [(name, arguments) for name, own in OWN_ARGUMENTS.items() for arguments in [*COMMON, *own]]
EAGER_ONLY = {"gradient_accumulation_steps", "ema_overwrite_frequency"}
MIXED = st.fixed_dictionaries(
    {},
    optional={
        "momentum": st.sampled_from([0.0, 0.3, 0.99]),
        "nesterov": st.booleans(),
        "weight_decay": st.floats(0, 0.5),
    },
)


def described(case):
    name, arguments = case
    return "-".join([name, *(f"{key}={value}" for key, value in arguments.items())])


def start(seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype("float32") for shape in SHAPES.values()]


def slopes(seed, step, weights):
    """Gradients of a noisy quadratic: they depend on the weights, so that a difference once made would grow."""
    rng = np.random.default_rng([seed, step])
    return [(weight * 0.5 + rng.normal(size=np.shape(weight))).astype("float32") for weight in weights]


def run(optimizer, seed=0, steps=STEPS, epochs=1):
    """Our weights after each step."""
    weights, names, path = [torch.tensor(weight) for weight in start(seed)], list(SHAPES), []
    optimizer.bind(names, weights)
    for step in range(steps * epochs):
        gradients = [torch.tensor(slope) for slope in slopes(seed, step, [weight.numpy() for weight in weights])]
        position = Position(step, step // steps, step % steps, steps, epochs)
        optimizer.step(names, weights, gradients, position)
        path.append([weight.numpy().copy() for weight in weights])
    return path


def run_keras(keras, optimizer, seed=0, steps=STEPS):
    """Keras's weights after each step."""
    variables = [keras.Variable(weight, name=name) for name, weight in zip(SHAPES, start(seed), strict=True)]
    path = []
    optimizer.build(variables)
    for step in range(steps):
        weights = [variable.value.detach().numpy() for variable in variables]
        gradients = [torch.tensor(slope) for slope in slopes(seed, step, weights)]
        optimizer.apply(gradients, variables)
        path.append([variable.value.detach().numpy().copy() for variable in variables])
    return path


def check_same(ours, theirs):
    # Keras computes Adam's 1 - beta_2^t in float32, which is good to 6e-5 at the first step.
    for step, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        for name, one, two in zip(SHAPES, mine, other, strict=True):
            np.testing.assert_allclose(one, two, rtol=2e-5, atol=1e-5, err_msg=f"{name} after step {step + 1}")

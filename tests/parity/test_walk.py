"""Every name of Keras's nouns has a case that compares it with Keras, or a reason to have none."""

import inspect
import re
from pathlib import Path

import metric_cases
import optimizer_cases
import pytest
import random_layers
import random_nouns as nouns

from handson.core import registry
from handson.keras import missing

TESTS = Path(__file__).resolve().parents[1]
CASES = {
    "layers": set(random_layers.CASES),
    "losses": set(nouns.LOSSES),
    "metrics": {name for name, *_ in metric_cases.CASES},
    "initializers": set(nouns.INITIALIZERS),
    "regularizers": set(nouns.REGULARIZERS),
    "constraints": set(nouns.CONSTRAINTS),
    "activations": set(nouns.ACTIVATIONS),
    "optimizers": set(optimizer_cases.OWN_ARGUMENTS),
    "optimizers.schedules": set(nouns.SCHEDULES),
}
# Tests of another kind, which compare with Keras what has no random case.
ELSEWHERE = {
    "layers": [
        "layers/test_dropout.py", "layers/test_noise.py", "layers/test_cells.py", "layers/test_embedding.py",
        "layers/test_lambda.py", "layers/test_core.py", "layers/test_wrappers.py",
        "layers/preprocessing/test_images.py", "layers/preprocessing/test_categories.py", "files/test_keras_models.py",
    ],
    "losses": ["test_losses.py"], "metrics": ["metrics/test_by_hand.py"], "optimizers": ["test_optimizers.py"],
}  # fmt: skip
NO_NUMBERS = {
    "activations.sparsemax": "Keras 3.15 gives probabilities that do not add up to 1",
    "initializers.STFT": "refused: a window of a transform is data, no start of a training",
    "layers.Input": "gives a symbol",
    "layers.InputSpec": "says shapes",
    "layers.TorchModuleWrapper": "runs a module of PyTorch as it is: layers/test_foreign.py",
    "layers.Wrapper": "the base",
    "optimizers.LossScaleOptimizer": "refused: float32 and bfloat16 need no scale",
    "losses.Loss": "the base, whose reductions are those of every loss",
    "initializers.Initializer": "the base",
    "regularizers.Regularizer": "the base",
    "constraints.Constraint": "the base",
    "optimizers.schedules.LearningRateSchedule": "the base",
}
ALIASES = {"KLDivergence": "kl_divergence", "L1L2": "l1_l2"}


def names_of(keras, module):
    """The classes and functions of a module of Keras, without those that look up others."""
    found = keras
    for part in module.split("."):
        found = getattr(found, part)
    kept = {name: value for name, value in vars(found).items() if name not in ("get", "serialize", "deserialize")}
    return {name: value for name, value in kept.items() if name[0] != "_" and not inspect.ismodule(value)}


def has_another_test(module, name):
    texts = ((TESTS / file).read_text("utf-8") for file in ELSEWHERE.get(module, ()))
    return any(re.search(rf"\b{name}\b", text) and "keras" in text for text in texts)


@pytest.mark.parametrize("module", CASES)
def test_every_name_has_a_case_or_a_reason(keras, module):
    found = names_of(keras, module)
    compared = {name for cases in CASES.values() for name in cases}
    compared |= {ALIASES.get(name, registry.snake_case(name)) for name in compared}
    # The same class or function by another name.
    same = {id(value) for name, value in found.items() if name in compared or f"{module}.{name}" in NO_NUMBERS}
    places = {name: f"{module}.{name}" for name, value in found.items() if id(value) not in same}
    assert [
        name for name, place in places.items() if not (has_another_test(module, name) or missing.reason(place))
    ] == []  # fmt: skip


def test_no_case_is_left_of_a_name_that_keras_has_no_more(keras):
    for module, cases in CASES.items():
        assert cases <= {*names_of(keras, module), "StackedRNNCells"}, module

"""scikit-learn's own checks of an estimator, all of them, with no exceptions."""

import os
import subprocess
import sys

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from handson import NeuralNetClassifier, NeuralNetRegressor

ESTIMATORS = [NeuralNetClassifier(), NeuralNetRegressor()]


@parametrize_with_checks(ESTIMATORS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learn_finds_nothing(estimator, check):
    check(estimator)


@parametrize_with_checks([NeuralNetClassifier(early_stopping=True, epochs=20)])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_rows_that_are_held_out_follow_the_weights_too(estimator, check):
    name = getattr(check, "func", check).__name__
    if "equivalence" in name or "idempotent" in name:
        check(estimator)


def test_the_array_api_changes_nothing():
    """It has to be asked for before scipy is imported."""
    code = """
from sklearn.utils.estimator_checks import check_array_api_input
from handson import NeuralNetClassifier, NeuralNetRegressor
for kind in (NeuralNetClassifier, NeuralNetRegressor):
    check_array_api_input(kind.__name__, kind(epochs=2), array_namespace="numpy", expect_only_array_outputs=False)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"SCIPY_ARRAY_API": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr

"""scikit-learn's own net beside handson's, both with their defaults, on scikit-learn's data sets.

    python benchmarks/sklearn_mlp.py [--repeats 4] [--out FILE]

Inputs are scaled for `MLPClassifier` and `MLPRegressor` by a `StandardScaler`, and for the regressor the targets too:
`NeuralNetClassifier` and `NeuralNetRegressor` do that themselves. Every fold of every repeat trains both on the same
rows. Times are those on a processor, of one thread. A net is ahead in score at equal time where its score is higher and
it needed no more time. '± of it' is the standard error of the difference, corrected for the rows that folds share
(Nadeau and Bengio, 2003).

`--tuned` adds scikit-learn's net with the best of four penalties, found by cross-validation inside each fold.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import sklearn
from sklearn import datasets
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FOLDS = 5
CLASSES = {
    "digits": lambda: datasets.load_digits(return_X_y=True),
    "breast cancer": lambda: datasets.load_breast_cancer(return_X_y=True),
    "wine": lambda: datasets.load_wine(return_X_y=True),
    "iris": lambda: datasets.load_iris(return_X_y=True),
    "moons (made, 600 rows, noise 0.25)": lambda: datasets.make_moons(600, noise=0.25, random_state=0),
    "classification (made, 1,000 rows, 3 classes)": lambda: datasets.make_classification(
        1000, 20, n_informative=8, n_redundant=2, n_classes=3, flip_y=0.05, random_state=0
    ),
}
VALUES = {
    "diabetes": lambda: datasets.load_diabetes(return_X_y=True),
    "friedman1 (made, 500 rows, noise 1)": lambda: datasets.make_friedman1(500, noise=1.0, random_state=0),
    "friedman2 (made, 500 rows, noise 100)": lambda: datasets.make_friedman2(500, noise=100.0, random_state=0),
    "friedman3 (made, 500 rows, noise 0.1)": lambda: datasets.make_friedman3(500, noise=0.1, random_state=0),
}


def ours(classes: bool) -> Any:
    from handson import NeuralNetClassifier, NeuralNetRegressor

    return (NeuralNetClassifier if classes else NeuralNetRegressor)(random_state=0)


def theirs(classes: bool) -> Any:
    net = (MLPClassifier if classes else MLPRegressor)(random_state=0)
    return make_pipeline(StandardScaler(), net if classes else scaled_targets(net))


def scaled_targets(net: Any) -> Any:
    return TransformedTargetRegressor(net, transformer=StandardScaler())


def tuned(classes: bool) -> Any:
    search = GridSearchCV(
        (MLPClassifier if classes else MLPRegressor)(random_state=0), {"alpha": [1e-4, 1e-2, 1, 10]}, cv=3
    )
    return make_pipeline(StandardScaler(), search if classes else scaled_targets(search))


def measured(make: Any, x: Any, y: Any, classes: bool, repeats: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores and seconds of every fold of every repeat."""
    scores, seconds = [], []
    for repeat in range(repeats):
        splitter = (StratifiedKFold if classes else KFold)(FOLDS, shuffle=True, random_state=repeat)
        for train, held_out in splitter.split(x, y):
            net, started = make(classes), time.process_time()
            net.fit(x[train], y[train])
            seconds.append(time.process_time() - started)
            scores.append(net.score(x[held_out], y[held_out]))
    return np.array(scores), np.array(seconds)


def line(name: str, x: Any, y: Any, classes: bool, repeats: int, with_tuned: bool) -> str:
    """A row of the table."""
    own, own_time = measured(ours, x, y, classes, repeats)
    other, other_time = measured(theirs, x, y, classes, repeats)
    difference = own - other
    error = np.sqrt(difference.var(ddof=1) * (1 / len(own) + 1 / (FOLDS - 1)))
    ahead = difference.mean() > 0 and np.median(own_time) <= np.median(other_time)
    cells = [
        name, spread(own), spread(other), f"{difference.mean():+.3f} ± {error:.3f}", times(own_time), times(other_time),
        "yes" if ahead else "no",
    ]  # fmt: skip
    if with_tuned:
        best, best_time = measured(tuned, x, y, classes, repeats)
        cells += [spread(best), times(best_time)]
    return f"| {' | '.join(cells)} |"


def spread(values: np.ndarray) -> str:
    return f"{values.mean():.3f} ± {values.std(ddof=1):.3f}"


def times(values: np.ndarray) -> str:
    return f"{np.median(values):.2f} s ({values.min():.2f} to {values.max():.2f})"


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--tuned", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    import torch

    import handson

    ours(True).fit(*datasets.load_iris(return_X_y=True))  # what is loaded once
    heads = ["data", "handson", "scikit-learn", "ahead by", "time", "time of scikit-learn", "ahead at equal time"]
    heads += ["scikit-learn, penalty tuned", "time"] if given.tuned else []
    lines = [
        "# handson's net beside scikit-learn's",
        "",
        f"{platform.machine()}, {os.cpu_count()} processors, one thread; Python {platform.python_version()}, "
        f"handson {handson.__version__}, scikit-learn {sklearn.__version__}, PyTorch {torch.__version__}.",
        f"Accuracy, for values R²: mean and standard deviation of {given.repeats} × {FOLDS} folds; time to train on a "
        f"processor, median (lowest to highest). `python benchmarks/sklearn_mlp.py` says how.",
        "",
        f"| {' | '.join(heads)} |",
        f"|{' --- |' * len(heads)}",
    ]
    print("\n".join(lines))
    for name, load in (CLASSES | VALUES).items():
        lines.append(line(name, *load(), name in CLASSES, given.repeats, given.tuned))
        print(lines[-1], flush=True)
    if given.out:
        given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

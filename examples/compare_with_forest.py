"""Train the net of an experiment and a random forest on the same split, and print both.

    python examples/compare_with_forest.py examples/digits.yaml path/to/digits.npz

The forest is scikit-learn's with 500 trees and its other defaults, on the same inputs, flattened. Each figure is the
mean over the seeds (which also decide the split), with the lowest and the highest.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from handson.data.rows.split import split
from handson.workflow.experiment import Experiment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment")
    parser.add_argument("data")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    experiment = Experiment.from_yaml(arguments.experiment)
    data = experiment.read_data(arguments.data)
    rows: dict[str, list[tuple[float, float, float]]] = {"net": [], "forest": []}
    for seed in range(arguments.seeds):
        parts = split(len(data), experiment.split.validation, seed, data.targets, data.groups)
        train, held_out = data.rows(parts.train), data.rows(parts.validation)
        started = time.perf_counter()
        net = experiment.build()
        settings = experiment.fit.model_dump() | {"seed": seed}
        settings.pop("callbacks")
        net.fit(train.inputs, train.targets, augment=experiment.build_augment(), verbose=0, **settings)
        rows["net"].append(_score(held_out.targets, net.predict(held_out.inputs).argmax(1), started))
        started = time.perf_counter()
        forest = RandomForestClassifier(500, random_state=seed, n_jobs=-1)
        forest.fit(train.inputs.reshape(len(train), -1), train.targets)
        rows["forest"].append(
            _score(held_out.targets, forest.predict(held_out.inputs.reshape(len(held_out), -1)), started)
        )
    print(f"{experiment.name}: {len(train)} rows train, {len(held_out)} validate, {arguments.seeds} seeds")
    for name, scores in rows.items():
        accuracy, balanced, seconds = zip(*scores, strict=True)
        print(f"{name:8} accuracy {_show(accuracy)}   mean recall of the classes {_show(balanced)}   "
              f"{np.median(seconds):.0f} s")  # fmt: skip


def _score(truth: np.ndarray, predicted: np.ndarray, started: float) -> tuple[float, float, float]:
    seconds = time.perf_counter() - started
    return accuracy_score(truth, predicted), balanced_accuracy_score(truth, predicted), seconds


def _show(values: tuple[float, ...]) -> str:
    return f"{np.mean(values):.4f} ({min(values):.4f} to {max(values):.4f})"


if __name__ == "__main__":
    main()

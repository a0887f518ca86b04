"""The faces job measured: recipes, seeds, specialists and an ensemble, on one split of the competition's rows.

    python benchmarks/faces.py --data training.csv --groups groups.npy --out results

Each recipe is a built-in experiment. All train on the same rows and are measured on the same validation rows, in pixels
of the 96x96 image: the root mean square error over all landmarks that are there. The rows of the table are printed as
they come, with the seconds of the training; the run folders stay in `--out`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import torch

import handson
from handson.data.reading.dataset import Dataset
from handson.faces import EXPERIMENTS
from handson.workflow.experiment import Experiment
from handson.workflow.runs import Run, errors


def trained(recipe: str, seed: int, data: Dataset, out: Path) -> Run:
    """A run of a recipe with a seed; one that was begun before goes on, one that is finished is taken as it is."""
    name = f"{recipe}-{seed}"
    if (out / name).exists():
        run = Run(out / name)
    else:
        experiment = Experiment.from_yaml(EXPERIMENTS[recipe])
        experiment.name, experiment.fit.seed = name, seed
        run = Run.create(experiment, out)
    if not run.finished:
        run.fit(data, verbose=0)
    return run


def row(name: str, seconds: float, error: float) -> float:
    print(f"| {name} | {seconds:.0f} | {error:.3f} |", flush=True)
    return error


def measure(recipe: str, seeds: list[int], data: Dataset, out: Path) -> list[Run]:
    """Train a recipe with some seeds; the runs."""
    runs, found = [], []
    for seed in seeds:
        run = trained(recipe, seed, data, out)
        _, validation = run.split(data, verbose=0)
        assert validation is not None
        error = errors(run.net().predict(validation.inputs), validation)["rmse"]
        found.append(row(f"{recipe}, seed {seed}", run.history().seconds, error))
        runs.append(run)
    if len(found) > 1:
        print(f"{recipe}: mean {statistics.mean(found):.3f}, spread {min(found):.3f} to {max(found):.3f}")
    return runs


def ensemble(runs: list[Run], data: Dataset) -> None:
    """The mean of the predictions of several nets."""
    _, validation = runs[0].split(data, verbose=0)
    assert validation is not None
    started = time.perf_counter()
    mean = np.mean([run.net().predict(validation.inputs) for run in runs], axis=0)
    row(f"mean of {len(runs)} nets", time.perf_counter() - started, errors(mean, validation)["rmse"])


def specialists(run: Run, data: Dataset) -> None:
    """Specialists that start from a run's net."""
    started = time.perf_counter()
    found = run.fit_specialists(data, verbose=0, on_group=None)
    seconds = time.perf_counter() - started
    _, validation = run.split(data, verbose=0)
    assert validation is not None
    row(f"specialists of {run.folder.name}", seconds, errors(found.predict(validation.inputs), validation)["rmse"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--groups", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--recipes", nargs="*", default=["faces", "faces-masked", "faces-lecture"])
    arguments = parser.parse_args()
    print(f"handson {handson.__version__}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    print("| recipe | seconds | error [px] |\n|---|---|---|")
    for recipe in arguments.recipes:
        experiment = Experiment.from_yaml(EXPERIMENTS[recipe])
        experiment.data.groups = arguments.groups
        data = experiment.read_data(arguments.data)
        runs = measure(recipe, list(range(arguments.seeds if recipe == "faces" else 1)), data, arguments.out)
        if recipe == "faces":
            specialists(runs[0], data)
            ensemble(runs, data)


if __name__ == "__main__":
    main()

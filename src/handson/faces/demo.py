"""The whole job on simulated faces: from a CSV in the competition's format to a submission, with pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from handson.cli.predictions import write_predictions
from handson.cli.tables import show_exploration
from handson.core import console
from handson.data.reading.explore import explore
from handson.faces import COLUMNS, EXPERIMENTS
from handson.faces.simulator import SimulatedFaces, simulate
from handson.faces.submission import write_table
from handson.plots import plot_exploration
from handson.workflow.experiment import Experiment
from handson.workflow.runs import Run

# The share of simulated faces that only the submission is about.
TEST_SHARE = 0.2


def run_demo(folder: Path, count: int, quiet: bool) -> None:
    """Simulate faces and run the whole job on them.

    Parameters
    ----------
    folder : Path
        Where data and results go.
    count : int
        How many faces.
    quiet : bool
        Leave out the lines of each epoch.
    """
    verbose = 0 if quiet else "auto"
    console.say(f"1. {count} simulated faces")
    faces = simulate_with_progress(count)
    write_competition(faces, folder / "data")
    experiment = Experiment.from_yaml(EXPERIMENTS["faces-demo"])
    experiment.data.path, experiment.data.groups = str(folder / "data/training.csv"), str(folder / "data/groups.npy")
    data = experiment.read_data()
    found = explore(data)
    show_exploration(found)
    plot_exploration(found, folder / "data/sheet.png")
    console.say("\n2. one net for all landmarks")
    run = Run.create(experiment, folder)
    run.fit(data, verbose=verbose)
    console.say("\n3. a specialist for each group of landmarks")
    run.fit_specialists(data, verbose=0)
    console.say("\n4. the submission")
    submission = write_predictions(run, str(folder / "data/test.csv"), folder / "data/IdLookupTable.csv", None, False)
    error = submission_error(pd.read_csv(submission), pd.read_csv(folder / "data/truth.csv"))
    console.say(f"its root mean square error, people not seen before: {error:.2f} pixels\n")
    show_places(run, folder)


def simulate_with_progress(count: int) -> SimulatedFaces:
    """Simulated faces, with a bar on a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(file=console.output), transient=True, disable=not console.is_terminal()) as bar:
        task = bar.add_task("simulating", total=count)
        return simulate(count, seed=1, progress=lambda done, _: bar.update(task, completed=done))


def write_competition(faces: SimulatedFaces, folder: Path) -> None:
    """Write training.csv, test.csv and IdLookupTable.csv as the competition has them, and what it does not give away.

    Parameters
    ----------
    faces : SimulatedFaces
        The last people go into test.csv.
    folder : Path
        Where; also groups.npy (the person of each training row) and truth.csv (the answers to the look-up table).
    """
    folder.mkdir(parents=True, exist_ok=True)
    people = np.unique(faces.groups)
    test = np.isin(faces.groups, people[int(len(people) * (1 - TEST_SHARE)) :])
    images = np.array([" ".join(map(str, image.ravel())) for image in faces.images], object)
    training = pd.DataFrame(faces.landmarks[~test].astype(float), columns=list(COLUMNS))
    write_table(training.assign(Image=images[~test]), folder / "training.csv")
    np.save(folder / "groups.npy", faces.groups[~test])
    write_table(pd.DataFrame({"ImageId": np.arange(1, test.sum() + 1), "Image": images[test]}), folder / "test.csv")
    truth = faces.landmarks[test]
    row, column = np.nonzero(np.isfinite(truth))
    number = np.arange(1, len(row) + 1)
    lookup = pd.DataFrame({"RowId": number, "ImageId": row + 1, "FeatureName": np.array(COLUMNS)[column]})
    write_table(lookup.assign(Location=""), folder / "IdLookupTable.csv")
    write_table(pd.DataFrame({"RowId": number, "Location": truth[row, column].astype(float)}), folder / "truth.csv")


def submission_error(submission: pd.DataFrame, truth: pd.DataFrame) -> float:
    """The competition's score: the root mean square error over all rows that are asked for."""
    both = submission.merge(truth, on="RowId", suffixes=("", "_true"), validate="one_to_one")
    return float(np.sqrt(np.square(both["Location"] - both["Location_true"]).mean()))


def show_places(run: Run, folder: Path) -> None:
    """Print where everything is."""
    places = {
        "the faces": folder / "data/sheet.png",
        "truth and prediction": run.folder / "predictions.png",
        "curves": run.folder / "curves.png",
        "specialists' curves": run.folder / "specialists/curves.png",
        "specialists' predictions": run.folder / "specialists/predictions.png",
        "submission": run.folder / "submission.csv",
        "everything else": run.folder,
    }
    for name, path in places.items():
        console.say(f"{name:>26}: {path}")

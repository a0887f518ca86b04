"""Run folders: what an experiment leaves on the disk, and what can be done with it afterwards.

A run folder holds experiment.yaml, data.json (the columns), split.npz (the rows that train and validate), net.handson,
history.json and history.csv, report.json, pictures, of a monitored training journal.jsonl, the folder tensorboard if it
was asked for and, once they are trained, the folder specialists. What a training needs to go on is there too: run.json
(what it was begun with), starts.jsonl (on which machines) and checkpoints.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from handson.core import console
from handson.core.errors import HandsonError, listing, nearest
from handson.core.version import __version__
from handson.data.reading.dataset import Dataset
from handson.data.reading.keypoints import find_points
from handson.data.reading.sources import holds_arrays, is_table
from handson.files import atomic, strict_json
from handson.files.stored_history import StoredHistory
from handson.monitoring.journal import Journal
from handson.training.recording.pausing import PAUSE, Paused
from handson.workflow.experiment import Experiment
from handson.workflow.run_files import Columns, Report, kept_split, write_history_table, write_npz
from handson.workflow.run_states import FAILURE, failures_written
from handson.workflow.trainings import rooted, split_for, train, train_specialists

if TYPE_CHECKING:
    from handson.ensembles.specialists import Specialists
    from handson.models import Model
    from handson.state.history import History

# How many validation images the picture of predictions shows.
SHOWN = 24
# What is in a run folder before the first epoch.
BEFORE_TRAINING = {
    "experiment.yaml", "data.json", "split.npz", "lock", "run.json", "starts.jsonl", "checkpoints",
    Journal.file, PAUSE, FAILURE,
}  # fmt: skip


def say_notes(data: Dataset, tell: Callable[[object], None] = console.say) -> None:
    """Print what was decided while data were read, such as what was left out of a folder."""
    for note in data.notes:
        tell(f"note: {note}")


def say_specialist(name: str, rows: int) -> None:
    """Print which specialist is trained next."""
    console.say(f"specialist {name}: {rows} rows")


def check_holds(folder: Path, file: str, what: str) -> None:
    """Raise where a folder has not the file of a run, or of a sweep; the nearest folder that has it is given."""
    if (folder / file).is_file():
        return
    others = sorted(entry.parent.name for entry in folder.parent.glob(f"*/{file}"))
    raise FileNotFoundError(
        f"there is no {what} in {folder}.{nearest(folder.name, others)}"
        + (f" {what.capitalize()}s in {folder.parent}: {listing(others)}." if others else "")
    )


class Run:
    """A folder with everything about one training.

    Parameters
    ----------
    folder : str or path
        An existing run folder, such as 'runs/faces'.

    Raises
    ------
    FileNotFoundError
        When there is no run in the folder; the nearest name is given.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        check_holds(self.folder, "experiment.yaml", "run")
        atomic.guard(self.folder)
        self.experiment = Experiment.from_yaml(self.folder / "experiment.yaml")

    @classmethod
    def create(cls, experiment: Experiment, parent: str | os.PathLike[str] = "runs") -> Run:
        """A new run folder for an experiment; a number is added to its name when that is taken.

        The paths of its data are kept from the root, so that they are found from any working folder.
        """
        folder = cls.free_place(experiment, parent)
        folder.mkdir(parents=True)
        return cls.begin(experiment, folder)

    @staticmethod
    def free_place(experiment: Experiment, parent: str | os.PathLike[str] = "runs") -> Path:
        """The folder that the next run of an experiment will have."""
        parent = Path(parent)
        above = next((place for place in (parent, *parent.parents) if place.exists()), parent)
        if above.exists() and not above.is_dir():
            raise NotADirectoryError(f"{above} is a file, and runs go into a folder.")
        names = (experiment.name if number == 1 else f"{experiment.name}-{number}" for number in range(1, 10_000))
        return next(parent / name for name in names if not (parent / name).exists())

    @classmethod
    def begin(cls, experiment: Experiment, folder: Path) -> Run:
        """The run of an experiment in a folder that is there, before its training."""
        rooted(experiment).to_yaml(folder / "experiment.yaml")
        return cls(folder)

    def remove_if_untrained(self) -> None:
        """Remove the folder, if nothing is in it but what precedes a training."""
        from handson.training.recording import checkpoint

        begun = any(checkpoint.step_of(folder) for folder in checkpoint.generations(self.folder / "checkpoints"))
        if not begun and {entry.name for entry in self.folder.iterdir()} <= BEFORE_TRAINING:
            shutil.rmtree(self.folder)

    @property
    def finished(self) -> bool:
        """Whether the training has come to its end, and everything about it is written."""
        from handson.training.recording import checkpoint

        newest = checkpoint.generations(self.folder / "checkpoints")[:1]
        return (self.folder / "report.json").is_file() and all(path.name.endswith("finished") for path in newest)

    def rewind(self, step: int) -> int:
        """Set aside all checkpoints after a step, so that the training goes on from before it.

        Parameters
        ----------
        step : int
            An optimizer step.

        Returns
        -------
        int
            The step of the checkpoint from which the training will go on.

        Raises
        ------
        HandsonError
            When no checkpoint is that old; the message lists those there are.
        """
        from handson.training.recording import checkpoint
        from handson.training.recording.interruption import locked

        with locked(self.folder):
            return checkpoint.rewind(self.folder / "checkpoints", step)

    def fit(self, data: Dataset, verbose: Any = "auto", resume: str = "auto", devices: int | None = None) -> History:
        """Train the experiment's net on a data set, and write everything into the folder.

        A training that was stopped goes on where it was.

        Parameters
        ----------
        data : Dataset
            The rows; the experiment says how they are split.
        verbose, resume, devices
            As in `Model.fit`.

        Raises
        ------
        Paused
            When it was trained as far as its pause.json says.
        """
        # What the end needs is imported now: handson may be upgraded while this trains.
        import handson.files.model_file
        import handson.plots  # noqa: F401

        if verbose:
            say_notes(data)
        training, validation = self.split(data, verbose, again=resume == "force")
        data = data if self.parent is None else self._of_group(data)
        if not (self.folder / "data.json").is_file():
            self._write_columns(data)
        how: dict[str, Any] = {"verbose": verbose, "run": self.folder, "resume": resume}
        if self.parent is not None and devices not in (None, 1):
            raise HandsonError("a specialist is trained by one process: leave --devices out.")
        try:
            with failures_written(self.folder):
                if self.parent is None:
                    net, history = train(self.experiment, training, validation, devices=devices, **how)
                else:
                    net, history = self._specialize(self.parent, **how)
        except Paused as paused:
            self._write_history(paused.history)
            raise
        history.notes = [*data.notes, *history.notes]
        if resume == "force":
            self._write_columns(data)
        net.save(self.folder / "net.handson")
        self._write_history(history)
        self._write_report(net, data, validation, history)
        if history.epoch:
            history.plot(self.folder / "curves.png")
        if validation is not None:
            self.draw_predictions(net.predict, validation)
        return history

    @property
    def parent(self) -> Run | None:
        """Of the run of a specialist, the run whose net it starts from."""
        place = self.experiment.specialists.of
        if place is None:
            return None
        found = Run(place)
        if found.experiment.specialists.of is not None:
            raise HandsonError(f"{self.folder} is a specialist of {place}, which is the run of a specialist itself.")
        return found

    def _specialize(self, parent: Run, **how: Any) -> tuple[Model, History]:
        """Train the one specialist that this is the run of, on the rows of its parent."""
        only = self.experiment.specialists.only
        training, validation = parent.split(parent.read_data(), verbose=0)
        how |= {"only": only, "on_group": None, "checkpoint_seconds": self.experiment.fit.checkpoint_seconds}
        found = train_specialists(parent.net(), self.experiment, training, validation, **how)
        ((name, net),) = found.models.items()
        return net, found.histories[name]

    def _of_group(self, data: Dataset) -> Dataset:
        """Of the run of a specialist, the rows that have all of its columns, and those."""
        groups, only = self.experiment.specialists.groups, str(self.experiment.specialists.only)
        if isinstance(groups, str) or only not in groups:
            raise HandsonError(f"specialists: only: {only!r} is no group of {groups!r}.")
        own = data.columns(groups[only])
        return own.rows(np.isfinite(np.asarray(own.targets)).all(1))

    def _write_columns(self, data: Dataset) -> None:
        columns = {"inputs": data.input_names, "targets": data.target_names, "classes": data.classes}
        atomic.write_text(self.folder / "data.json", json.dumps({"source": data.source, "rows": len(data)} | columns))

    def split(self, data: Dataset, verbose: Any = "auto", again: bool = False) -> tuple[Dataset, Dataset | None]:
        """The training and the validation part of a data set: made once, and the same ever after.

        Parameters
        ----------
        data : Dataset
            The rows.
        verbose : {'auto', 0, 1, 2}
            0: silent.
        again : bool
            Split anew, rather than raise, when the number of rows has changed.
        """
        if data.targets is None:
            raise HandsonError(f"{data.source} has no targets to train on: say data: {{targets: ...}}.")
        if self.parent is not None:
            training, validation = self.parent.split(data, verbose=0)
            return self._of_group(training), None if validation is None else self._of_group(validation)
        if not self.experiment.split.holds_out:
            return data, None
        kept = self.folder / "split.npz"
        if kept.is_file():
            train, held_out = kept_split(kept)
            rows_before = len(train) + len(held_out)
            if rows_before == len(data):
                return data.rows(train), data.rows(held_out)
            if not again:
                raise HandsonError(f"{data.source} has {len(data)} rows, but the run was split on {rows_before}.")
            console.say(f"{data.source} has {len(data)} rows, {rows_before} before: they are split anew.")
        parts = split_for(self.experiment, data)
        if verbose:
            console.say(parts.description)
        atomic.write(kept, lambda place: write_npz(place, train=parts.train, validation=parts.validation))
        return data.rows(parts.train), data.rows(parts.validation)

    def columns(self) -> dict[str, Any]:
        """The columns that the net was trained on: 'inputs', 'targets', and the names of 'classes' or None."""
        return strict_json.read(self._trained("data.json"), Columns).model_dump()

    def read_data(self, path: str | os.PathLike[str] | None = None) -> Dataset:
        """Data with targets, by default the experiment's: the columns and classes that the net was trained on.

        Of the run of a specialist, those of the net that it starts from.
        """
        if self.parent is not None:
            return self.parent.read_data(path)
        if not (self.folder / "data.json").is_file():
            return self.experiment.read_data(path)
        columns = self.columns()
        named = {"inputs": columns["inputs"] or None, "targets": columns["targets"]}
        place = Path(path or self.experiment.data.path or "")
        data = self.experiment.read_data(path, **(named if is_table(place) else {}))
        return data if columns["classes"] is None else _numbered(data, columns["classes"])

    def read_inputs(self, path: str | os.PathLike[str], ids: str | None = None) -> Dataset:
        """Data to predict: the columns that the net was trained on, without targets."""
        arguments: dict[str, Any] = dict.fromkeys(("targets", "groups", "input_names", "target_names", "classes"))
        if not holds_arrays(Path(path)):
            arguments |= {"inputs": self.columns()["inputs"] or None, "targets": []}
        return self.experiment.read_data(path, ids=ids if is_table(Path(path)) else None, **arguments)

    def net(self) -> Model:
        """The trained net."""
        from handson.models import load_model

        return load_model(self._trained("net.handson"))

    def history(self) -> History:
        """The history of the training."""
        from handson.state.history import History

        return History().take(strict_json.read(self._trained("history.json"), StoredHistory).model_dump())

    def report(self, name: str = "report.json") -> Report | None:
        """The report of the training, or of its specialists; None before there is one."""
        path = self.folder / name
        return strict_json.read(path, Report) if path.is_file() else None

    def fit_specialists(
        self, data: Dataset, verbose: Any = "auto", on_group: Callable[[str, int], None] | None = say_specialist
    ) -> Specialists:
        """Train specialists from the run's net, on the same split, and write them into the folder.

        Parameters
        ----------
        data : Dataset
            The data that the run was trained on.
        verbose
            As in `Model.fit`.
        on_group : function of (name, rows), optional
            Called before each specialist is trained; by default it is announced.
        """
        if verbose:
            say_notes(data)
        training, validation = self.split(data, verbose)
        started = time.perf_counter()
        specialists = train_specialists(
            self.net(), self.experiment, training, validation, verbose=verbose, on_group=on_group
        )
        self.keep_specialists(specialists, validation, time.perf_counter() - started)
        return specialists

    def keep_specialists(self, specialists: Specialists, validation: Dataset | None, seconds: float) -> None:
        """Write trained specialists into the folder, and what they are worth on the rows that validate."""
        specialists.save(self.folder / "specialists")
        if validation is not None:
            report = {"seconds": seconds} | errors(specialists.predict(validation.inputs), validation)
            atomic.write_text(self.folder / "specialists" / "report.json", json.dumps(report, indent=1))
            self.draw_predictions(specialists.predict, validation, "specialists/predictions.png")
        self.draw_curves()

    def specialists(self) -> Specialists | None:
        """The run's specialists, if they are trained."""
        from handson.ensembles.specialists import Specialists

        folder = self.folder / "specialists"
        return Specialists.load(folder) if (folder / "specialists.json").is_file() else None

    def draw_curves(self) -> list[Path]:
        """Draw the curves of the net, and of the specialists if there are any; the paths of the pictures."""
        from handson.plots import plot_specialists

        history, paths = self.history(), [self.folder / "curves.png"]
        if not history.epoch:
            raise HandsonError(f"{self.folder} was trained for no epoch, so it has no curves.")
        history.plot(paths[0])
        specialists = self.specialists()
        if specialists is not None:
            paths.append(self.folder / "specialists" / "curves.png")
            weights = {name: len(columns) for name, columns in specialists.groups.items()}
            plot_specialists(specialists.curves(), weights, path=paths[1])
        return paths

    def draw_predictions(self, predict: Any, data: Dataset, name: str = "predictions.png") -> Path | None:
        """Draw predicted and true keypoints on some images; None for other kinds of data."""
        from handson.plots import plot_keypoints

        points = find_points(data.target_names)
        if data.kind != "images" or data.task != "regression" or not points or data.targets is None:
            return None
        chosen = data.rows(np.unique(np.linspace(0, len(data) - 1, SHOWN).astype(int)))
        path = self.folder / name
        plot_keypoints(np.asarray(chosen.inputs), predict(chosen.inputs), chosen.targets, points, path=path)
        return path

    def _trained(self, name: str) -> Path:
        """The path of a file that a training leaves."""
        path = self.folder / name
        if not path.is_file():
            raise FileNotFoundError(f"{self.folder} holds no trained net yet: {name} is missing.")
        return path

    def _write_history(self, history: History) -> None:
        atomic.write_text(self.folder / "history.json", strict_json.dumps(history.to_json(), indent=1))
        atomic.write(self.folder / "history.csv", lambda place: write_history_table(place, history))

    def _write_report(self, net: Model, data: Dataset, validation: Dataset | None, history: History) -> None:
        import torch

        report: dict[str, Any] = {
            "data": data.source,
            "rows": len(data),
            "seconds": history.seconds,
            "parameters": net.count_params(),
            "versions": {"handson": __version__, "torch": torch.__version__, "numpy": np.__version__},
            "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, {net.device}",
        }
        if validation is not None:
            report["validation"] = net.evaluate(*validation.arrays(), return_dict=True)
            if data.task == "regression":
                report |= errors(net.predict(validation.inputs), validation)
        atomic.write_text(self.folder / "report.json", json.dumps(report, indent=1))


def probabilities(net: Model, predicted: np.ndarray) -> np.ndarray:
    """Predictions of a net, as probabilities where its loss takes logits: of one class of two, or of each class."""
    import torch

    if not getattr(net.loss, "from_logits", False):
        return predicted
    values = torch.from_numpy(predicted)
    found: np.ndarray = (values.sigmoid() if values.shape[1] == 1 else values.softmax(-1)).numpy()
    return found


def errors(predicted: np.ndarray, data: Dataset) -> dict[str, Any]:
    """Root mean square errors over all present targets, and column by column, in the targets' units."""
    squares = np.square(predicted.astype(np.float64) - np.asarray(data.targets))
    columns = {
        name: float(np.sqrt(np.nanmean(squares[:, position])))
        for position, name in enumerate(data.target_names)
        if np.isfinite(squares[:, position]).any()
    }
    return {"rmse": float(np.sqrt(np.nanmean(squares))), "rmse_of_columns": columns}


def _numbered(data: Dataset, classes: list[str]) -> Dataset:
    """The data with the numbers that a net gave to its classes."""
    strangers = [name for name in data.classes or [] if name not in classes]
    if strangers:
        raise HandsonError(
            f"{data.source} has the class {strangers[0]!r}, which the net was not trained on."
            f"{nearest(strangers[0], classes)} Its classes: {listing(classes)}."
        )
    numbers = np.array([*(classes.index(name) for name in data.classes or []), -1])
    return replace(data, targets=None if data.targets is None else numbers[data.targets], classes=classes)

"""What commands are given: an experiment by its name or file, a run by its name or folder, a file to write."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handson.workflow.experiment import Experiment
    from handson.workflow.runs import Run


def find_experiment(name: str) -> Experiment:
    """The experiment in a YAML file, or a built-in one."""
    from handson.core.errors import HandsonError, nearest
    from handson.data.reading.sources import ENDINGS
    from handson.faces import EXPERIMENTS
    from handson.workflow.experiment import Experiment

    if name in EXPERIMENTS:
        return Experiment.from_yaml(EXPERIMENTS[name])
    if not name.endswith((".yaml", ".yml")) and not Path(name).exists():
        files = [path for suffix in (".yaml", ".yml") if (path := f"{name}{suffix}") and Path(path).is_file()]
        close = f" Did you mean {files[0]!r}?" if files else nearest(name, EXPERIMENTS)
        raise HandsonError(
            f"no experiment is called {name!r}.{close} Give a .yaml file, or a name: {', '.join(EXPERIMENTS)}."
        )
    if Path(name).suffix.lower() in ENDINGS:
        raise HandsonError(
            f"{name} is {ENDINGS[Path(name).suffix.lower()]}, no experiment. To write one: handson new "
            f"NAME --data {name} --targets COLUMN; to use one: handson fit EXPERIMENT --data {name}."
        )
    return Experiment.from_yaml(name)


def find_run(name: str, runs: Path) -> Run:
    """The run in a folder, or of a name in the folder of runs."""
    from handson.workflow.runs import Run

    is_folder = len(Path(name).parts) > 1 or Path(name, "experiment.yaml").is_file()
    return Run(name if is_folder else runs / name)


def check_writable(path: Path | None, *read: Any) -> None:
    """Raise, before anything is computed, when a file cannot be written there, or is one of those that are read."""
    there = [each for each in read if each and Path(each).exists()] if path is not None and path.is_file() else []
    if path is not None and any(path.samefile(each) for each in there):
        from handson.core.errors import HandsonError

        raise HandsonError(f"{path} holds the data that are read, and would be overwritten: write to another file.")
    if path is not None and not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: the folder {path.parent} is not there. Make it first.")
    if path is not None and path.is_dir():
        raise IsADirectoryError(f"cannot write {path}: Is a directory.")


def refuse(given: bool, why: str) -> None:
    """Raise for an option that would do nothing."""
    from handson.core.errors import HandsonError

    if given:
        raise HandsonError(f"{why}.")

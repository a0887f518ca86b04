"""What commands are given: an experiment by its name or file, a run by its name or folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from handson.workflow.experiment import Experiment
    from handson.workflow.runs import Run


def find_experiment(name: str) -> Experiment:
    """The experiment in a YAML file, or a built-in one."""
    from handson.core.errors import HandsonError, nearest
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
    return Experiment.from_yaml(name)


def find_run(name: str, runs: Path) -> Run:
    """The run in a folder, or of a name in the folder of runs."""
    from handson.workflow.runs import Run

    is_folder = len(Path(name).parts) > 1 or Path(name, "experiment.yaml").is_file()
    return Run(name if is_folder else runs / name)

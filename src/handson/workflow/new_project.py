"""A new project: options, dataset, model, train and test, a short file each, and an experiment."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from handson.core.errors import HandsonError
from handson.workflow.experiment import folder_name

FILES = ("options.py", "dataset.py", "model.py", "train.py", "test.py", "experiment.yaml")


def write_project(folder: Path) -> list[Path]:
    """Write the files of a project that runs at once into a new folder, whose name becomes that of the project.

    Parameters
    ----------
    folder : Path
        A folder that is not there yet, or is empty.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    HandsonError
        When there is something in the folder, or its name cannot be that of a project.
    """
    name = folder_name(folder.name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise HandsonError(f"{folder} is there already, and nothing in it is overwritten: choose another name.")
    folder.mkdir(parents=True, exist_ok=True)
    templates = resources.files("handson.workflow") / "project"
    for file in FILES:
        text = (templates / f"{file}.txt").read_text(encoding="utf-8")
        (folder / file).write_text(text.replace("PROJECT", name), encoding="utf-8")
    return [folder / file for file in FILES]

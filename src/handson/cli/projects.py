"""What `handson new NAME --data FILE` does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from handson.core import console
from handson.core.errors import HandsonError
from handson.workflow.first_experiment import first_experiment


def write_experiment(name: Path, data: Path, reading: dict[str, Any]) -> None:
    """Write an experiment for some data into a file that is not there yet."""
    place = name if name.suffix in (".yaml", ".yml") else name.with_name(f"{name.name}.yaml")
    if place.exists():
        raise HandsonError(f"{place} is there already, and is not overwritten: choose another name.")
    experiment, read = first_experiment(place.stem, data, reading)
    experiment.to_yaml(place)
    for note in read.notes:
        console.say(f"note: {note}")
    console.say(f"{place}: a net for {len(read):,} rows, {read.task}. To train it: handson fit {place}")

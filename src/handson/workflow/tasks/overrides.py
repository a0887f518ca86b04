"""Overrides: one experiment with other values, each under the path that leads to it.

A path is the keys from the outside in, with dots between them: ``fit.epochs``, ``compile.optimizer.learning_rate``,
``model.0.units``. An entry of a list is named by its number, by the ``name`` that it was given, or by its class in
snake case, of several the second as ``dense_1``. The name of the section may be left out: the first of `SHORT` that has
the key is meant.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from handson.core.errors import HandsonError, nearest
from handson.core.registry import free_name, snake_case
from handson.workflow import yaml_file
from handson.workflow.experiment import Experiment

# Sections whose keys may stand without the section's name; the first that has the key is meant.
SHORT = ("compile", "fit", "split", "data")


def values_of(text: str) -> list[Any]:
    """The values in a text, separated by commas, as YAML understands each.

    Examples
    --------
    >>> values_of("0.1, 1e-3, relu")
    [0.1, 0.001, 'relu']
    >>> values_of("Adam, {SGD: {momentum: 0.9}}")
    ['Adam', {'SGD': {'momentum': 0.9}}]
    """
    value: Any = yaml_file.Document(f"values: [{text}]", repr(text)).value
    found: list[Any] = value["values"]
    return found


def overridden(experiment: Experiment, changes: Mapping[str, Any]) -> Experiment:
    """A copy of an experiment with other values.

    Parameters
    ----------
    experiment : Experiment
        The experiment; it stays as it is.
    changes : dict of str to value
        Values by their paths.

    Raises
    ------
    HandsonError
        For a path that leads nowhere, with the nearest name, and for a value that cannot be there.

    Examples
    --------
    >>> from handson.workflow.experiment import Experiment
    >>> line = Experiment(name="line", model=[{"Dense": {"units": 4}}, {"Dense": {"units": 1}}])
    >>> changed = overridden(line, {"optimizer.learning_rate": 0.1, "model.dense.units": 8, "fit.epochs": 3})
    >>> print(changed.to_yaml(), end="")
    name: line
    model:
    - Dense: {units: 8}
    - Dense: {units: 1}
    compile:
      optimizer:
        Adam: {learning_rate: 0.1}
    fit: {epochs: 3}
    """
    sections = copy.deepcopy(experiment.model_dump())
    for path, value in changes.items():
        _put(sections, path, value)
    try:
        return Experiment(**sections)
    except HandsonError as error:
        raise HandsonError(f"{shown(changes)}: {error}") from None


def full_path(path: str) -> str:
    """A path with the name of its section.

    Examples
    --------
    >>> full_path("optimizer.learning_rate"), full_path("fit.epochs")
    ('compile.optimizer.learning_rate', 'fit.epochs')
    """
    first = path.partition(".")[0]
    if first in Experiment.model_fields:
        return path
    for section in SHORT:
        if first in _keys(section):
            return f"{section}.{path}"
    known = [*Experiment.model_fields, *(key for section in SHORT for key in _keys(section))]
    raise HandsonError(
        f"{path!r} leads to nothing in an experiment: there is no {first!r}.{nearest(first, known)} "
        f"Sections: {', '.join(Experiment.model_fields)}."
    )


def _keys(section: str) -> list[str]:
    fields: Mapping[str, Any] = Experiment.model_fields
    return list(getattr(fields[section].annotation, "model_fields", {}))


def shown(changes: Mapping[str, Any]) -> str:
    """Overrides in a line.

    Examples
    --------
    >>> shown({"fit.epochs": 3, "model.0.units": 8})
    'fit.epochs=3, model.0.units=8'
    """
    return ", ".join(f"{path}={value!r}" for path, value in changes.items())


def _put(sections: dict[str, Any], path: str, value: Any) -> None:
    """Put a value at the end of a path into the sections of an experiment."""
    keys = full_path(path).split(".")
    _check_key(keys, path)
    holder: Any = sections
    for position, key in enumerate(keys[:-1]):
        holder = _within(holder, key, path, optional=position == 0)
    if isinstance(holder, list):
        holder[_place(holder, keys[-1], path)] = value
    else:
        holder[keys[-1]] = value


def _check_key(keys: Sequence[str], path: str) -> None:
    """Raise for a key that its section does not have."""
    known = _keys(keys[0])
    if known and len(keys) > 1 and keys[1] not in known:
        raise HandsonError(
            f"{path!r}: {keys[0]} has no key {keys[1]!r}.{nearest(keys[1], known)} Known: {', '.join(known)}."
        )
    if known and len(keys) == 1:
        raise HandsonError(f"{path!r} is a whole section: name one of its keys: {', '.join(known)}.")


def _within(holder: Any, key: str, path: str, optional: bool) -> Any:
    """What a key leads to, ready to be changed: of a layer or another noun, its arguments."""
    if isinstance(holder, list):
        key = _place(holder, key, path)  # type: ignore[assignment]
    elif key not in holder and not optional:
        holder[key] = {}  # an argument at its default
    found = holder[key]
    if found is None and optional:
        found = holder[key] = {}
    if isinstance(found, str):
        found = holder[key] = {found: {}}
    if isinstance(found, dict) and len(found) == 1 and not optional:
        ((name, arguments),) = found.items()
        if name[:1].isupper():
            found[name] = arguments or {}
            return found[name]
    if not isinstance(found, (dict, list)):
        raise HandsonError(f"{path!r}: {key!r} is the value {found!r}, which has no parts.")
    return found


def _place(entries: list[Any], key: str, path: str) -> int:
    """The position of an entry in a list, by its number or name."""
    if key.isdigit():
        if int(key) < len(entries):
            return int(key)
        raise HandsonError(f"{path!r}: there are {len(entries)} entries, numbered from 0; got {key}.")
    names = _names(entries)
    if key not in names:
        raise HandsonError(f"{path!r}: there is no entry {key!r}.{nearest(key, names)} Entries: {', '.join(names)}.")
    return names.index(key)


def _names(entries: list[Any]) -> list[str]:
    """What the entries of a list are called: by their 'name', or by their class in snake case."""
    names: list[str] = []
    for entry in entries:
        (kind, arguments), *_ = entry.items() if isinstance(entry, dict) and entry else [(str(entry), None)]
        given = arguments.get("name") if isinstance(arguments, dict) else None
        names.append(given or free_name(snake_case(kind), names))
    return names

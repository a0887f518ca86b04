"""Input columns of categories: in their place a column of zeros and ones for each value, called COLUMN=VALUE."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from handson.core.errors import HandsonError, listing, nearest, shortened
from handson.data.reading.classes import alike_names, class_name, sorted_names
from handson.data.reading.columns import holds_words

# A column with more values names its rows, or is for an embedding.
MOST = 1000


def base_of(name: str, columns: Collection[str]) -> str | None:
    """The column of categories that an input such as 'town=Lyon' stands for; None where it is a column itself.

    Examples
    --------
    >>> base_of("town=Lyon", ["town", "price"]), base_of("price", ["town", "price"])
    ('town', None)
    """
    if name in columns or "=" not in name:
        return None
    ends = [place for place, letter in enumerate(name) if letter == "="]
    return next((name[:end] for end in ends if name[:end] in columns), None)


class Coded(NamedTuple):
    """A table that has all inputs as numbers or texts of numbers, their names in order, and what is to be told."""

    frame: pd.DataFrame
    names: list[str]
    notes: list[str]


def coded(frame: pd.DataFrame, names: list[str], chosen: Any, path: Path) -> Coded:
    """The inputs of a table, with a column for each value of those that are categories.

    Parameters
    ----------
    frame : DataFrame
        The table.
    names : list of str
        The inputs; 'town=Lyon' is 1 where the column 'town' holds 'Lyon', and 0 elsewhere.
    chosen : str, list of str or 'auto', optional
        Which of them are categories; 'auto': those that hold words.
    path : Path
        For messages.
    """
    columns = set(frame.columns)
    if chosen == "auto":
        chosen = [name for name in names if name in columns and holds_words(frame[name], path)]
    chosen = [chosen] if isinstance(chosen, str) else list(chosen or [])
    for name in chosen:
        _check_input(name, names, path)
    asked = {name: base for name in names if (base := base_of(name, columns)) is not None}
    values = {base: _as_names(frame[base]) for base in dict.fromkeys([*chosen, *asked.values()])}
    if not values:
        return Coded(frame, names, [])
    notes: list[str] = []
    made: dict[str, Any] = {}
    for name in names:
        if name in asked:
            made[name] = values[asked[name]] == name[len(asked[name]) + 1 :]
        elif name in values:
            made |= {f"{name}={value}": values[name] == value for value in _all(values[name], path, notes)}
        else:
            made[name] = frame[name]
    for base, found in values.items():
        notes += _in_none(found, [name[len(base) + 1 :] for name in made if name.startswith(f"{base}=")])
    return Coded(pd.DataFrame(made, copy=False), list(made), notes)


def _check_input(name: str, names: list[str], path: Path) -> None:
    if name not in names:
        raise HandsonError(
            f"{path}: categories name {name!r}, which is no input.{nearest(name, names)} "
            f"Inputs: {shortened(listing(names))}."
        )


def _as_names(column: pd.Series) -> pd.Series:
    """The values of a column as classes are named; empty ones are missing."""
    entries = column.astype(object)
    empty = entries.isna() | entries.map(lambda entry: isinstance(entry, str) and not entry.strip())
    return entries.mask(empty, None).map(class_name, na_action="ignore")


def _all(values: pd.Series, path: Path, notes: list[str]) -> list[str]:
    """All values of a column, in rising order."""
    found = values.dropna().unique().tolist()
    if not found or len(found) > MOST:
        count = f"{len(found):,} different values" if found else "no value"
        raise HandsonError(
            f"{path}, column {values.name!r} has {count}, and categories have 1 to {MOST:,}. Leave it out with "
            f"inputs=[...], or group its values."
        )
    notes += alike_names(found, str(path))
    return sorted_names(found)


def _in_none(values: pd.Series, known: list[str]) -> list[str]:
    """What is to be told of rows that are 0 in all columns of a category."""
    missing, strange = int(values.isna().sum()), values[values.notna() & ~values.isin(known)]
    notes = []
    if missing:
        notes.append(
            f"column {values.name!r}: empty rows are in none of its categories ({missing:,} of {len(values):,})."
        )
    if len(strange):
        notes.append(
            f"column {values.name!r}, row {strange.index[0]}: {shortened(strange.iloc[0], 60)!r} is none of its "
            f"categories ({shortened(listing(known), 200)}), nor is the value of {len(strange) - 1:,} other rows: they "
            f"are in none."
        )
    return notes

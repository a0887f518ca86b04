"""Columns of a table: as numbers, as the texts of classes, and those that only number the rows."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from handson.core.errors import HandsonError, shortened
from handson.data.reading.csv_layout import MISSING, NUMBER
from handson.data.rows.digits import LAST_WHOLE_OF_FLOAT64, losses, narrowed

# What pandas calls a column without a name, and the names that it gives to the numbers of the rows.
UNNAMED = re.compile(r"\s*|Unnamed: \d+(\.\d+)?|__index_level_\d+__")
ROW_NUMBERS = ("index", "level_0")
TRUTH = {"True": 1, "TRUE": 1, "true": 1, "False": 0, "FALSE": 0, "false": 0}
WHOLE = re.compile(r"0|-?[1-9]\d{0,17}")
# How quantities are written that are not plain numbers, and what to do about each.
QUANTITIES = [
    (r"\s*[+-]?\d{39,}.*", "It is too large for one: float32 ends at 3.4e38. "),
    (r"\s*[+-]?\d{1,3}(,\d{3})+(\.\d*)?\s*", "If commas group thousands, say csv={'thousands': ','}. "),
    (r"\s*[+-]?\d{1,3}(\.\d{3})+(,\d*)?\s*", "If points group thousands, say csv={'thousands': '.', 'decimal': ','}. "),
    (r"\s*[+-]?\d{1,3}([ '’_\u00a0\u202f]\d{3})+([.,]\d*)?\s*", "If that sign groups thousands, give it: "
     "csv={'thousands': ' '}. "),
    (r"\s*[+-]?\d*,\d+\s*", "If a comma stands before decimals, say csv={'decimal': ','}. "),
    (r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?|\d{1,2}:\d{2}(:\d{2}.*)?", "A date or time becomes a number such as "
     "the days since the first one: (pd.to_datetime(dates) - start).dt.days. "),
    (r"\s*[+-]?[\d.]+\s*(%|[^\W\d]+|[$€£])\s*|\s*[$€£]\s*[\d.,]+\s*", "Write the number without its unit. "),
]  # fmt: skip
# What other texts that are no numbers may be.
CURES = [
    *QUANTITIES,
    (r"(?i)y|n|t|f|yes|no|on|off", "Write yes and no as 1 and 0. "),
    (r"(?i)\s*|[?*.-]+|n\.?a\.?|missing|unknown", "If a value is missing there, leave the field empty. "),
]  # fmt: skip


def as_numbers(frame: pd.DataFrame, names: list[str], path: Path, cure: str, notes: list[str]) -> np.ndarray:
    """Columns of numbers as float32, as float64 if their digits need that, NaN where they are missing.

    What is lost of a number all the same is added to the notes.

    Raises
    ------
    HandsonError
        At the first value that is not a number, or too large for one, with its row, its column and what to do; `cure`
        says what else can be done.
    """
    chosen = frame[names]
    if all(isinstance(kind, np.dtype) and kind.kind in "biuf" for kind in chosen.dtypes):
        values = chosen.to_numpy()
        values = values if values.dtype.kind in "iuf" else chosen.to_numpy(np.float64)
    else:
        values = np.stack([_as_numbers(column, path, cure) for _, column in chosen.items()], 1)
    with np.errstate(over="ignore"):
        infinite = np.isinf(values.astype(np.float32))
    if infinite.any():
        _check_size(chosen, infinite, path)
    kept = narrowed(values)
    for name, column in zip(names, values.T, strict=True):
        notes += losses(_before_floats(chosen[name], column), kept.dtype, f"column {name!r}")
    return kept


def _before_floats(column: pd.Series, values: np.ndarray) -> np.ndarray:
    """The values of a column; as whole numbers, as which they were written, if they are so large that this counts."""
    if values.dtype.kind != "f" or not (np.abs(values.astype(np.float64)) >= LAST_WHOLE_OF_FLOAT64).any():
        return values
    present = column.dropna()
    present = (present if pd.api.types.is_numeric_dtype(present) else parsed(present)).dropna()
    kind: Any = present.dtype
    return present.to_numpy(getattr(kind, "numpy_dtype", kind))


def _as_numbers(column: pd.Series, path: Path, cure: str) -> np.ndarray:
    if column.dtype.kind in "mM":
        raise HandsonError(
            f"{path}, column {column.name!r} holds dates or times. Make numbers of them, such as days, "
            f"(dates - start).dt.days, or {cure}."
        )
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(np.float64, na_value=np.nan)
    numbers = parsed(column)
    words = np.flatnonzero(numbers.isna() & column.notna() & ~column.isin(MISSING))
    if len(words):
        text = str(column.iloc[words[0]])
        advice = next((advice for pattern, advice in CURES if re.fullmatch(pattern, text[:60])), "")
        raise HandsonError(
            f"{path}, row {words[0]}, column {shortened(column.name, 100)!r}: {text[:60]!r} is not a number. {advice}"
            f"Code it as numbers, or {cure}."
        )
    return numbers.to_numpy(np.float64, na_value=np.nan)


def parsed(column: pd.Series) -> pd.Series:
    """The numbers in a column of texts or objects, NaN where something else stands; True is 1."""
    entries = column.astype(object).map(lambda entry: TRUTH.get(entry, entry) if isinstance(entry, str) else entry)
    try:
        return pd.to_numeric(entries, errors="coerce")
    except OverflowError:  # a whole number of hundreds of digits
        return pd.to_numeric(entries.where(~entries.map(_is_huge), np.inf), errors="coerce")


def _is_huge(entry: Any) -> bool:
    return isinstance(entry, int) and abs(entry) >= 1 << 1000


def with_points(column: pd.Series, decimal: str, thousands: str | None) -> pd.Series:
    """A column of texts, with points before decimals and without signs between thousands where all are such numbers.

    Examples
    --------
    >>> with_points(pd.Series(["1.234,5", "2,5"]), ",", ".").tolist(), with_points(pd.Series(["a,b"]), ",", None)[0]
    (['1234.5', '2.5'], 'a,b')
    """
    if decimal == "." and thousands is None:
        return column
    sign, point = re.escape(thousands or ""), re.escape(decimal)
    number = re.compile(rf"\s*[+-]?[\d{sign}]+({point}\d*)?([eE][+-]?\d+)?\s*")
    if not column.map(lambda text: text in MISSING or bool(number.fullmatch(text))).all():
        return column
    plain = column.str.replace(thousands, "", regex=False) if thousands else column
    return plain.str.replace(decimal, ".", regex=False)


def _check_size(chosen: pd.DataFrame, infinite: np.ndarray, path: Path) -> None:
    """Raise for a number that float32 has no place for; an infinity that stands in the file is left to others."""
    for row, place in np.argwhere(infinite):
        text = _text(chosen.iloc[row, place])
        if "inf" not in text.lower() or len(text) > 20:
            raise HandsonError(
                f"{path}, row {row}, column {chosen.columns[place]!r}: {shortened(text, 40)} is too large for a number "
                f"(float32 ends at 3.4e38). Scale the column, or read it as classes or ids."
            )


def _text(value: Any) -> str:
    """A value as text; Python writes no whole number of thousands of digits."""
    return f"a number of about {round(value.bit_length() * 0.30103)} digits" if _is_huge(value) else str(value)


def as_targets(frame: pd.DataFrame, names: list[str], path: Path, classes: Any, notes: list[str]) -> np.ndarray | None:
    """Targets as numbers; one column of classes as it is written, if it is said that they are some, or are words."""
    if not names:
        return None
    if len(names) == 1 and (classes is not None or holds_words(frame[names[0]], path)):
        return _without_blank(frame[names[0]])
    return as_numbers(frame, names, path, "say classes='auto' if these are classes", notes)


def holds_words(column: pd.Series, path: Path) -> bool:
    """Whether most values are not numbers, or all are codes such as '007', whose zeros count."""
    if pd.api.types.is_numeric_dtype(column) or column.dtype.kind in "mM":
        return False
    texts = column.dropna().astype(str)
    present = texts[~texts.isin(MISSING)]
    if not len(present):
        return texts[texts != ""].nunique() > 1
    if bool(present.str.fullmatch(r"\d+").all() and present.str.match(r"0\d").any()):
        if present.str.len().nunique() == 1:
            return True
        code = present[present.str.match(r"0\d")].iloc[0]
        raise HandsonError(
            f"{path}, column {column.name!r} holds {code!r}: as a number it would lose its zero. Say classes='auto' if "
            f"these are classes, or write numbers without it."
        )
    return bool(parsed(present).notna().mean() < 0.5) and not present.map(_is_quantity).all()


def _is_quantity(text: str) -> bool:
    """Whether a text is a number, '12 %', '5 kg' or a date, and no name of a class."""
    return NUMBER.fullmatch(text) is not None or any(re.fullmatch(pattern, text[:60]) for pattern, _ in QUANTITIES)


def _without_blank(column: pd.Series) -> np.ndarray:
    """The values of a column; blank texts are missing."""
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy() if isinstance(column.dtype, np.dtype) else column.to_numpy(object)
    entries = column.astype(object)
    return entries.where(~entries.map(lambda entry: isinstance(entry, str) and not entry.strip()), None).to_numpy(
        object
    )


def as_labels(column: pd.Series) -> np.ndarray:
    """Names or numbers of rows: whole numbers if all are, else as they are written.

    Examples
    --------
    >>> as_labels(pd.Series(["7", "12"])).tolist(), as_labels(pd.Series(["007", "012"])).tolist()
    ([7, 12], ['007', '012'])
    """
    values = _without_blank(column)
    if values.dtype == object and len(values) and all(isinstance(v, str) and WHOLE.fullmatch(v) for v in values):
        return values.astype(np.int64)
    return values


class Apart(NamedTuple):
    """A table without columns that number its rows, these numbers or None, and notes on what was done."""

    frame: pd.DataFrame
    numbers: pd.Series | None
    notes: list[str]


def set_apart(frame: pd.DataFrame, path: Path, named: Collection[str], strict: bool) -> Apart:
    """Take columns that number the rows out of a table.

    Parameters
    ----------
    frame : DataFrame
        The table.
    path : Path
        For messages.
    named : collection of str
        Columns that the user named, which stay.
    strict : bool
        Whether another column without a name is an error.
    """
    gone: list[str] = []
    numbers, notes = None, []
    for place, name in enumerate(frame.columns):
        unnamed = bool(UNNAMED.fullmatch(name))
        if name in named or not (unnamed or name in ROW_NUMBERS):
            continue
        column = frame[name]
        if unnamed and column.isna().all():
            notes.append(f"column {place + 1} has no name and no values, and is left out.")
        elif place == len(gone) and (_names_rows(column) if unnamed else _counts(column)):
            numbers = column if numbers is None else numbers
            shown = repr(name) if name.strip() else "without a name"
            notes.append(f"the first column, {shown}, only names the rows: it is no input, and taken for their ids.")
        elif unnamed and strict:
            raise HandsonError(
                f"{path}: column {place + 1} has no name (its first value is {str(column.iloc[0])[:40]!r}). Name it in "
                f"the header, or say which columns are inputs, inputs=[...]."
            )
        else:
            continue
        gone.append(name)
    return Apart(frame.drop(columns=gone) if gone else frame, numbers, notes)


def _names_rows(column: pd.Series) -> bool:
    """Whether values are names or whole numbers, all of them different."""
    if not column.is_unique or column.isna().any():
        return False
    if pd.api.types.is_numeric_dtype(column):
        return bool((column == column.round()).all())
    return bool(parsed(column).isna().all() or column.astype(str).str.fullmatch(WHOLE).all())


def _counts(column: pd.Series) -> bool:
    """Whether values are 0, 1, 2, ... or 1, 2, 3, ..."""
    if not pd.api.types.is_numeric_dtype(column) or column.isna().any() or not len(column):
        return False
    first = column.iloc[0]
    return first in (0, 1) and bool((column.to_numpy(np.float64) == np.arange(len(column)) + float(first)).all())

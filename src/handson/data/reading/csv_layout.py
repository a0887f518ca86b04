"""What a CSV file says of itself in its first lines (separator, decimal sign, header), and what a user says of it."""

from __future__ import annotations

import codecs
import csv
import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from itertools import islice
from pathlib import Path
from typing import Any

from handson.core.errors import HandsonError, listing, nearest, shortened
from handson.data.reading.damage import reading
from handson.data.reading.unpacked import LONGEST_LINE, MOST_COLUMNS, OPENERS

SEPARATORS = (",", ";", "\t", "|")
# So many rows, and about so many bytes, are looked at before a table is read.
SAMPLED_ROWS, SAMPLED_BYTES = 50, 1 << 16
TABLE = "a table that can be read"
# Texts that are no value in a column of numbers: those of pandas.
MISSING = frozenset(
    (
        "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
        "NULL", "NaN", "None", "n/a", "nan", "null",
    )
)  # fmt: skip
NUMBER = re.compile(r"\s*[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?\s*")
COMMA = re.compile(r"\s*[+-]?\d+,\d+([eE][+-]?\d+)?\s*")
THREE_AFTER_COMMA = re.compile(r"\s*[+-]?[1-9]\d{0,2},\d{3}\s*")
CODE = re.compile(r"\s*0\d+\s*")
POINT = re.compile(r"\s*[+-]?\d*\.\d+([eE][+-]?\d+)?\s*")

Rows = list[list[str]]


@dataclass(frozen=True)
class CsvFormat:
    """How a CSV file is written, where it does not show.

    Parameters
    ----------
    separator : str, optional
        Between columns: one character, ' ' for any number of spaces and tabs; found in the first lines by default.
    decimal : {'.', ','}, optional
        Before the decimals; by default found in the first lines.
    thousands : str, optional
        What groups the digits of large numbers, such as the comma in '1,234.5'.
    encoding : str
        Of the text: 'utf-8', 'utf-16', 'latin-1' and others that Python knows.
    header : bool or list of str, optional
        Whether the first row holds the names of the columns; False names them 'column_0', 'column_1', ..., and a list
        gives their names. By default it does, and a first row that looks like data is an error.

    Examples
    --------
    >>> CsvFormat(separator=";", decimal=",").separator
    ';'
    """

    separator: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    encoding: str = "utf-8"
    header: bool | list[str] | None = None

    def __post_init__(self) -> None:
        for name in ("separator", "decimal", "thousands"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or len(value) != 1 or value in '"\r\n\0'):
                raise HandsonError(f"csv: {name} is one character; got {value!r}.")
        if self.decimal is not None and self.decimal == self.thousands:
            raise HandsonError(f"csv: decimal and thousands differ; both are {self.decimal!r}.")
        names = isinstance(self.header, (list, tuple)) and all(isinstance(name, str) and name for name in self.header)
        if not (self.header is None or isinstance(self.header, bool) or names):
            raise HandsonError(f"csv: header is True, False, or a list with a name for each column; got {self.header}.")
        try:
            usable = isinstance(self.encoding, str) and codecs.lookup(self.encoding)._is_text_encoding
        except (LookupError, ValueError):
            usable = False
        if not usable:
            raise HandsonError(f"csv: there is no text encoding {self.encoding!r}. Use 'utf-8', 'utf-16' or 'latin-1'.")

    @classmethod
    def of(cls, given: Any) -> CsvFormat:
        """The format that a user gave: None, a dictionary, or a format."""
        if isinstance(given, CsvFormat):
            return given
        if given is not None and not isinstance(given, Mapping):
            raise HandsonError(f"csv is a mapping such as {{'separator': ';', 'decimal': ','}}; got {given!r}.")
        known = [field.name for field in fields(cls)]
        for key in given or {}:
            if key not in known:
                raise HandsonError(f"csv: unknown key {key!r}.{nearest(str(key), known)} Known: {', '.join(known)}.")
        return cls(**(given or {}))

    def to_dict(self) -> dict[str, Any]:
        """What is not at its default."""
        return {name: value for name, value in asdict(self).items() if value != getattr(CsvFormat, name)}


@dataclass(frozen=True)
class Layout:
    """How a CSV file is read.

    Attributes
    ----------
    names : list of str
        The columns, without spaces around them.
    has_header : bool
        Whether the first row holds their names.
    separator, decimal, thousands, encoding
        As in `CsvFormat`, found where they were not given.
    codes : dict
        Of columns that hold digits after a zero in the first rows, such as '007', the first of these.
    """

    names: list[str]
    has_header: bool
    separator: str
    decimal: str
    thousands: str | None
    encoding: str
    codes: dict[str, str] = field(default_factory=dict)

    @property
    def is_plain(self) -> bool:
        """Whether it is what the compiled reader of images knows."""
        return self.has_header and self.arguments() == Layout([], True, ",", ".", None, "utf-8").arguments()

    def arguments(self) -> dict[str, Any]:
        """The arguments of `pandas.read_csv`; the first column never becomes the rows' names."""
        names = {} if self.has_header else {"header": None, "names": self.names}
        return {
            "sep": r"\s+" if self.separator == " " else self.separator,
            "decimal": self.decimal,
            "thousands": self.thousands,
            "encoding": self.encoding,
            "index_col": False,
            **names,
        }


def look(path: Path, given: CsvFormat) -> Layout:
    """How a CSV file is read, from its first lines and what the user said.

    Raises
    ------
    HandsonError
        For another encoding, too many columns, a first row that is no header, and names that are there twice.
    """
    csv.field_size_limit(1 << 26)
    with reading(path, TABLE):
        text = _first_text(path, given.encoding)
        separator = given.separator or _separator(text)
        _check_width(text, separator, path)
        rows = _rows(text, separator)
    if not rows:
        raise HandsonError(f"{path} is empty: it has no columns.")
    if any("\0" in name for name in rows[0]):
        raise HandsonError(
            f"{path} has zero bytes in its first line, so it is no text in {given.encoding}. If it is UTF-16, say "
            f"csv={{'encoding': 'utf-16-le'}} (or 'utf-16-be')."
        )
    names, has_header = _names(rows, given.header, path)
    if separator == "," and len(names) == 1 and len(names[0].split()) > 1 and len(rows) > 1:
        _check_spaces(rows, path)
    below = [field for row in (rows[1:] if has_header else rows) for field in row]
    decimal, thousands = _number_signs(below, given, path)
    codes = _codes(names, rows[1:] if has_header else rows)
    return Layout(names, has_header, separator, decimal, thousands, given.encoding, codes)


def _codes(names: list[str], rows: Rows) -> dict[str, str]:
    """Of columns that hold digits after a zero the first of these: as numbers they lose it."""
    found = {
        name: text for row in reversed(rows) for name, text in zip(names, row, strict=False) if CODE.fullmatch(text)
    }
    return {name.strip(): text.strip() for name, text in found.items()}


def _open(path: Path) -> Any:
    suffix = path.suffix.lower()
    if suffix != ".zip":
        return OPENERS[suffix](path) if suffix in OPENERS else path.open("rb")
    archive = zipfile.ZipFile(path)
    if len(archive.namelist()) != 1:
        raise HandsonError(f"{path} holds {len(archive.namelist())} files; expected one table.")
    return archive.open(archive.namelist()[0])


def _first_text(path: Path, encoding: str) -> str:
    """The first lines, whole ones unless the file ends."""
    with _open(path) as file:
        content = file.read(SAMPLED_BYTES)
        while b"\n" not in content and b"\r" not in content and len(content) <= LONGEST_LINE:
            if not (piece := file.read(SAMPLED_BYTES)):
                break
            content += piece
        final = not file.read(1)
    if encoding == "utf-8" and content.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise HandsonError(f"{path} is text in UTF-32, not UTF-8: say csv={{'encoding': 'utf-32'}}.")
    if encoding == "utf-8" and content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise HandsonError(f"{path} is text in UTF-16, not UTF-8: say csv={{'encoding': 'utf-16'}}.")
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(content, final)
    except UnicodeError as error:
        raise not_decoded(path, error) from None
    text = text.removeprefix("\ufeff")
    return text if final else text[: max(text.rfind("\n"), text.rfind("\r")) + 1] or text


def not_decoded(path: Path, error: UnicodeError) -> HandsonError:
    """What to say of text in another encoding."""
    return HandsonError(
        f"{path} is not {TABLE}: {error}. If it was saved in another encoding, say which: "
        f"csv={{'encoding': 'latin-1'}}, for example, or 'cp1252', 'utf-16'."
    )


def _rows(text: str, separator: str) -> Rows:
    """The fields of the first rows that are not blank."""
    lines = io.StringIO(text, newline="")
    if separator == " ":
        return list(islice((fields for line in lines if (fields := line.split())), SAMPLED_ROWS))
    return list(islice(without_blank(csv.reader(lines, delimiter=separator)), SAMPLED_ROWS))


def without_blank(lines: Iterator[list[str]]) -> Iterator[list[str]]:
    """The rows of lines that are not blank."""
    return (line for line in lines if len(line) > 1 or any(map(str.strip, line)))


def check_whole(path: Path, layout: Layout) -> None:
    """Raise for a row with fewer fields than there are columns, which pandas fills up as if they were empty.

    Raises
    ------
    HandsonError
        With the line of the first such row, blank lines and those in quotes counted.
    """
    columns, separator = len(layout.names), layout.separator
    with reading(path, TABLE), _open(path) as file:
        lines = io.TextIOWrapper(file, layout.encoding, newline="")
        parsed = None if separator == " " else csv.reader(lines, delimiter=separator)
        rows = (line.split() for line in lines if line.strip()) if parsed is None else without_blank(parsed)
        for number, row in enumerate(rows, 1):
            if len(row) < columns:
                where = f"row {number} of the file" if parsed is None else f"line {parsed.line_num}"
                cure = "" if parsed is None else f" Empty fields have separators too: {separator * (columns - 1)!r}."
                raise HandsonError(
                    f"{path}, {where} has {len(row)} of {columns} fields, and ends with {shortened(row[-1], 40)!r}: "
                    f"was it cut off?{cure}"
                )


def _separator(text: str) -> str:
    """The separator that divides the header and the rows alike, and leaves the most numbers."""
    header = next((line for line in io.StringIO(text) if line.strip()), "")
    there = [separator for separator in SEPARATORS if separator in header]
    if len(there) < 2:
        return there[0] if there else ","
    return max(there, key=lambda separator: _fitness(_rows(text, separator)))


def _fitness(rows: Rows) -> tuple[bool, float, int]:
    """Whether the header is divided, the share of rows divided as it is, how many numbers, and how many columns."""
    columns, below = len(rows[0]) if rows else 0, rows[1:]
    alike = sum(len(row) == columns for row in below) / max(len(below), 1)
    numbers = sum(bool(NUMBER.fullmatch(field)) for row in below for field in row)
    return columns > 1, alike, numbers


def _check_width(text: str, separator: str, path: Path) -> None:
    """Raise for more columns than any table has, before they are divided."""
    end = re.search(r"[\r\n]", text.lstrip())
    columns = text.lstrip()[: end.start() if end else None].count(separator) + 1
    if columns > MOST_COLUMNS:
        raise HandsonError(
            f"{path} has about {columns:,} columns; {MOST_COLUMNS:,} are read. Save many values of a row as an array, "
            f"in an '.npy' or '.npz' file."
        )


def _check_spaces(rows: Rows, path: Path) -> None:
    """Raise for columns that are divided by spaces."""
    divided = [len(row[0].split()) for row in rows if row]
    if len(set(divided)) == 1 and all(NUMBER.fullmatch(word) for row in rows[1:] for word in row[0].split()):
        raise HandsonError(
            f"{path} has one column, {shortened(rows[0][0], 60)!r}. If spaces divide its columns, say "
            f"csv={{'separator': ' '}}."
        )


def _names(rows: Rows, header: bool | list[str] | None, path: Path) -> tuple[list[str], bool]:
    """The names of the columns, and whether the first row holds them."""
    if header is False:
        return [f"column_{position}" for position in range(len(rows[0]))], False
    if isinstance(header, (list, tuple)):
        if len(header) != len(rows[0]):
            raise HandsonError(
                f"{path}: csv gives {len(header)} names in header, and the first row has {len(rows[0])} fields."
            )
        check_names(header, str(path))
        return list(header), False
    if header is None and _looks_like_data(rows):
        raise HandsonError(
            f"{path}: the first row looks like data and not like the names of columns: "
            f"{shortened(listing(rows[0], 6), 200)}. A file "
            f"without a header: csv={{'header': False}}, or with names, csv={{'header': ['a', 'b', ...]}}. If these "
            f"are the names: csv={{'header': True}}."
        )
    check_names(rows[0], str(path))
    return rows[0], True


def _looks_like_data(rows: Rows) -> bool:
    """Whether the first row is one of values: all numbers, or nothing that shows that they are names."""
    first, below = rows[0], [row for row in rows[1:] if row != rows[0]]
    given = [name for name in first if not _is_missing(name)]
    numbers = [name.strip() for name in given if NUMBER.fullmatch(name)]
    if len(numbers) == len(given):
        return bool(numbers)
    texts = [place for place, name in enumerate(first) if not _is_missing(name) and not NUMBER.fullmatch(name)]
    columns = {place: [row[place] for row in below if place < len(row)] for place in texts}
    if any(_all_numbers(values) for values in columns.values()):
        return False  # a word above numbers is a name
    if any(not name.isdigit() for name in numbers):
        return True
    counted = [int(name) for name in numbers if len(name) < 20]
    if counted != sorted(set(counted)) and counted != sorted(set(counted), reverse=True):
        return True
    return any(first[place] in values for place, values in columns.items())


def _is_missing(text: str) -> bool:
    return text.strip() in MISSING or text.strip() == "?"


def _all_numbers(values: list[str]) -> bool:
    present = [value for value in values if not _is_missing(value)]
    return bool(present) and all(map(NUMBER.fullmatch, present))


def check_names(names: Any, where: str) -> None:
    """Raise when a name is there twice, or two differ only in the spaces around them."""
    plain = [name.strip() for name in names]
    twice = next((name for name, count in Counter(plain).items() if count > 1 and name), None)
    if twice is not None:
        places = [str(place + 1) for place, name in enumerate(plain) if name == twice]
        raise HandsonError(
            f"{where}: {len(places)} columns have the name {shortened(twice, 60)!r}: "
            f"columns {shortened(' and '.join(places), 60)}. Give every column a name of its own."
        )


def _number_signs(values: list[str], given: CsvFormat, path: Path) -> tuple[str, str | None]:
    """What stands before decimals, and what groups digits: this only if the user says so.

    pandas leaves out such signs wherever they stand, so that a guess would make 15 of '1,5'.
    """
    if given.decimal is not None or given.thousands is not None:
        decimal = given.decimal or ("," if given.thousands == "." else ".")
        _check_groups(values, decimal, given.thousands, path)
        return decimal, given.thousands
    commas = [value for value in values if COMMA.fullmatch(value)]
    if not commas or any(map(POINT.fullmatch, values)):
        return ".", None
    if all(map(THREE_AFTER_COMMA.fullmatch, commas)):
        raise HandsonError(
            f"{path}: {shortened(commas[0].strip(), 60)!r} may be a number with decimals, or one with its "
            f"thousands grouped. Say csv={{'decimal': ','}} or csv={{'thousands': ','}}."
        )
    return ",", None


def _check_groups(values: list[str], decimal: str, thousands: str | None, path: Path) -> None:
    """Raise when the sign that groups thousands stands elsewhere in a number."""
    if thousands is None:
        return
    sign, point = re.escape(thousands), re.escape(decimal)
    number = re.compile(rf"[+-]?[\d{sign}]+({point}\d*)?")
    grouped = re.compile(rf"[+-]?(\d+|\d{{1,3}}({sign}\d{{3}})+)({point}\d*)?")
    wrong = next(
        (value for value in values if number.fullmatch(value.strip()) and not grouped.fullmatch(value.strip())), None
    )
    if wrong is not None:
        raise HandsonError(
            f"{path}: csv says that {thousands!r} groups thousands, which it does not in {shortened(wrong, 60)!r}."
        )

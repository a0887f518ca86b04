"""Parquet and Arrow files, one or a folder of them, in blocks of row groups and record batches."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from handson.core.errors import HandsonError, listing
from handson.data.reading.containers.endings import ARROW, PARQUET
from handson.data.reading.containers.tables import Column, columns_of
from handson.data.reading.csv_layout import check_names
from handson.data.reading.damage import reading
from handson.data.reading.unpacked import check_unpacked

FILE = "a Parquet or Arrow file, or is damaged"


class Files:
    """The rows of some files of one schema.

    Parameters
    ----------
    path : Path
        The file or folder, for messages.
    files : list of Path
        The files, in the order of their rows.
    """

    def __init__(self, path: Path, files: Sequence[Path]) -> None:
        self.path, self._files = path, list(files)
        self._start()
        # Of each block: the file, the row group or batch in it, and its rows.
        self._blocks: list[tuple[Path, int, int]] = []
        schema: Any = None
        for file in self._files:
            if file.stat().st_size == 0:
                raise HandsonError(f"{file} is empty.")
            if file.suffix.lower() in PARQUET:
                check_unpacked(file)
            with reading(file, FILE):
                opened = _opened(file)
                own = opened.schema
                if schema is not None and not own.equals(schema):
                    raise HandsonError(f"{file} has other columns than {self._files[0]}: {_difference(schema, own)}.")
                schema = own if schema is None else schema
                self._blocks += [(file, group, count) for group, count in enumerate(opened.counts) if count]
                opened.close()
        check_names(schema.names, str(path))
        with reading(path, FILE):
            # What pandas keeps of the names of its rows is no column.
            index = (schema.pandas_metadata or {}).get("index_columns", ())
            self.columns = {field.name: _column(field.type) for field in schema if field.name not in index}
        self.bounds = np.cumsum([0, *(count for *_, count in self._blocks)]).astype(np.int64)
        self._widths()

    def _start(self) -> None:
        self._lock = threading.Lock()
        self._open: tuple[Path, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_lock", "_open")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start()

    def _widths(self) -> None:
        """How long the lists of a column are: as long as the first."""
        for name, column in self.columns.items():
            if column.width == 0 and self._blocks:
                first = self._group(0, [name]).column(0).slice(0, 1).combine_chunks()
                self.columns[name] = Column(column.dtype, len(first[0]) if first[0].is_valid else 0)

    def file(self, number: int) -> Path:
        return self._blocks[number][0]

    def read(self, number: int, names: Sequence[str], out: np.ndarray) -> None:
        group = self._group(number, names)
        for name, column in zip(names, columns_of(out, names), strict=True):
            column[:] = self._values(group.column(name), name, out.dtype)

    def _group(self, number: int, names: Sequence[str]) -> Any:
        file, group, _ = self._blocks[number]
        with self._lock:
            if self._open is None or self._open[0] != file:
                self._release()
                self._open = file, _opened(file)
            return self._open[1].group(group, list(names))

    def _values(self, column: Any, name: str, dtype: np.dtype) -> np.ndarray:
        import pyarrow as pa
        import pyarrow.compute as pc

        width = self.columns[name].width
        if width is None:
            if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
                column = pc.cast(column, pa.from_numpy_dtype(dtype), safe=False)
            # A missing value is NaN. A column's own method takes as long as reading it, when there are a thousand.
            return np.concatenate([chunk.to_numpy(zero_copy_only=False) for chunk in column.chunks])
        lengths = set(pc.unique(pc.fill_null(pc.list_value_length(column), -1)).to_pylist())
        if lengths - {width}:
            raise HandsonError(f"{self.path}, column {name!r} holds lists of {listing(sorted(lengths))} numbers.")
        flat = pc.list_flatten(column)
        return np.asarray(pc.cast(flat, pa.from_numpy_dtype(dtype), safe=False).to_numpy(), dtype).reshape(-1, width)

    def frame(self, names: Sequence[str]) -> pd.DataFrame:
        """Some columns of all rows; whole numbers stay so where some are missing."""
        import pyarrow as pa

        numbers = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float32", "Float64")
        types = {pa.from_numpy_dtype(name.lower()): getattr(pd, f"{name}Dtype")() for name in numbers}
        types |= {pa.bool_(): pd.BooleanDtype()}
        parts = []
        for file in self._files:
            with reading(file, FILE):
                opened = _opened(file)
                parts.append(opened.table(list(names)))
                opened.close()
        with reading(self.path, FILE):
            return pa.concat_tables(parts).to_pandas(types_mapper=types.get, ignore_metadata=True)

    @property
    def size(self) -> int:
        """Bytes of all rows in memory, at most eight a value."""
        return int(self.bounds[-1]) * sum(8 * (column.width or 1) for column in self.columns.values())

    def close(self) -> None:
        with self._lock:
            self._release()

    def _release(self) -> None:
        if self._open is not None:
            self._open[1].close()
        self._open = None


class _Parquet:
    """A Parquet file, open to be read."""

    def __init__(self, file: Path) -> None:
        from pyarrow.parquet import ParquetFile

        self._file = ParquetFile(file)
        self.schema = self._file.schema_arrow

    @property
    def counts(self) -> list[int]:
        """The rows of each group."""
        metadata = self._file.metadata
        return [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]

    def group(self, number: int, names: list[str]) -> Any:
        # The threads that read ahead of the training are enough.
        return self._file.read_row_group(number, columns=names, use_threads=False)

    def table(self, names: list[str]) -> Any:
        return self._file.read(columns=names)

    def close(self) -> None:
        self._file.close()


class _Arrow:
    """An Arrow file, or a stream in a file, mapped to be read."""

    def __init__(self, file: Path) -> None:
        import pyarrow as pa

        self._map = pa.memory_map(str(file), "r")
        try:
            self._file = pa.ipc.open_file(self._map)
            self._batches = None
        except pa.ArrowInvalid:
            self._map.seek(0)
            self._file = pa.ipc.open_stream(self._map)
            self._batches = list(self._file)  # they lie in the map
        self.schema = self._file.schema

    @property
    def counts(self) -> list[int]:
        """The rows of each batch."""
        if self._batches is not None:
            return [batch.num_rows for batch in self._batches]
        return [self._file.get_batch(number).num_rows for number in range(self._file.num_record_batches)]

    def group(self, number: int, names: list[str]) -> Any:
        import pyarrow as pa

        batch = self._file.get_batch(number) if self._batches is None else self._batches[number]
        return pa.Table.from_batches([batch]).select(names)

    def table(self, names: list[str]) -> Any:
        import pyarrow as pa

        return pa.concat_tables([self.group(number, names) for number in range(len(self.counts))]).combine_chunks()

    def close(self) -> None:
        self._map.close()


def _opened(file: Path) -> Any:
    try:
        return (_Parquet if file.suffix.lower() in PARQUET else _Arrow)(file)
    except ImportError:
        raise HandsonError("Parquet and Arrow files need pyarrow: pip install 'handson[parquet]'.") from None


def _column(kind: Any) -> Column:
    """What a type of Arrow holds; lists of a length that is not known have the width 0."""
    import pyarrow.types as types

    if types.is_fixed_size_list(kind):
        return Column(_dtype(kind.value_type), kind.list_size) if _dtype(kind.value_type) else Column(None)
    if types.is_list(kind) or types.is_large_list(kind):
        return Column(_dtype(kind.value_type), 0) if _dtype(kind.value_type) else Column(None)
    return Column(_dtype(kind))


def _dtype(kind: Any) -> np.dtype | None:
    import pyarrow.types as types

    if types.is_decimal(kind):
        return np.dtype(np.float64)
    return np.dtype(kind.to_pandas_dtype()) if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(
        kind) else None  # fmt: skip


def _difference(first: Any, other: Any) -> str:
    missing, more = [set(a.names) - set(b.names) for a, b in ((first, other), (other, first))]
    if missing or more:
        return f"without {listing(sorted(missing))}" if missing else f"with {listing(sorted(more))}"
    return listing(f"{a.name} is {b.type}, not {a.type}" for a, b in zip(first, other, strict=True) if a != b)


def find_files(path: Path) -> list[Path]:
    """The Parquet or Arrow files in a folder and those below it, by name.

    Raises
    ------
    HandsonError
        When it holds none, or files of both kinds, and for a link that leads out of it.
    """
    root = path.resolve()
    hidden = ("_", ".")
    found = [
        file
        for file in sorted(path.rglob("*"))
        if file.suffix.lower() in (*PARQUET, *ARROW)
        and not any(part.startswith(hidden) for part in file.relative_to(path).parts)
    ]
    for file in found:
        if root not in file.resolve().parents:
            raise HandsonError(f"{file} is a link that leads out of the folder. Copy what it leads to.")
        if not file.is_file():
            raise HandsonError(f"{file} is not a plain file.")
    kinds = {file.suffix.lower() in PARQUET for file in found}
    if not found:
        raise HandsonError(
            f"{path} holds Parquet or Arrow files only where names begin with '_' or '.', which are left out."
        )
    if len(kinds) > 1:
        raise HandsonError(f"{path} holds Parquet and Arrow files. Give one of the files, or a folder of one kind.")
    return found

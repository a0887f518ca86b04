"""From what a user passes (arrays, tensors, tables, lists) to tensors that are never written to."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.core.errors import HandsonError, listing, nearest
from handson.core.masked import masked_as_missing
from handson.data.rows.mapped import LEAST_BYTES, MappedRows, is_mapped
from handson.data.rows.stored import Data, StoredRows, pieces

# Types of NumPy that torch does little with, and those that hold their values.
KNOWN_TO_TORCH = {
    np.dtype(kind): np.dtype(known)
    for kind, known in (("u2", "i4"), ("u4", "i8"), ("u8", "f8"), ("f2", "f4"), (np.longdouble, "f8"))
}

# Whole numbers of float64 above it are no ids: not all of those between them can be written.
LAST_ID = 2.0**53


def columns_of(data: Any) -> list[str] | None:
    """The column names of a DataFrame or Series, or None."""
    if is_table(data):
        return [str(column) for column in data.columns]
    name = getattr(data, "name", None)
    return [str(name)] if name is not None and hasattr(data, "iloc") else None


def is_table(data: Any) -> bool:
    """Whether data have named columns, as a DataFrame has."""
    return hasattr(data, "columns") and not callable(data.columns)


def _are_numbered(data: Any) -> bool:
    """Whether the columns of a table have the numbers from 0 on, in any order."""
    whole = all(isinstance(column, (int, np.integer)) and not isinstance(column, bool) for column in data.columns)
    return whole and sorted(data.columns) == list(range(len(data.columns)))


def input_names(data: Any) -> list[str] | None:
    """The names of a DataFrame's columns, by which they are known from then on; None where columns are only counted.

    Raises
    ------
    HandsonError
        For a name that is there twice, and for the saved numbers of the rows.
    """
    if not is_table(data):
        return None
    names = columns_of(data) or []
    if _are_numbered(data) and list(data.columns) == sorted(data.columns):
        return None
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise HandsonError(f"inputs have the column {twice!r} twice. Give every column a name of its own.")
    index = next((name for name in names if name.startswith("Unnamed: 0")), None)
    if index is not None:
        raise HandsonError(
            f"inputs have the column {index!r}: the numbers of the rows, which a file was saved with. Leave it out, "
            f"x.drop(columns={index!r}), or read the file with pd.read_csv(..., index_col=0)."
        )
    return names


def check_numbered(data: Any, what: str) -> None:
    """Raise for a table whose columns are numbered in another order than they lie, where they have no names.

    Examples
    --------
    >>> import pandas as pd
    >>> check_numbered(pd.DataFrame([[1, 2]])[[1, 0]], "inputs")
    Traceback (most recent call last):
        ...
    handson.core.errors.HandsonError: inputs have columns that are numbered in another order, '1', '0', ...
    """
    if is_table(data) and _are_numbered(data) and list(data.columns) != sorted(data.columns):
        raise HandsonError(
            f"{what} have columns that are numbered in another order, {listing(columns_of(data) or [], 6)}, and the "
            f"net was fitted on columns without names: x.sort_index(axis=1), or x.to_numpy() if they count as they lie."
        )


def by_name(data: Any, names: Sequence[str] | None, what: str) -> Any:
    """The columns of a DataFrame that a net knows by name, in its order; other data as they are.

    Parameters
    ----------
    data : array or DataFrame
        What the user gave.
    names : sequence of str, optional
        The columns that the net was fitted on.
    what : str
        The name of the data in errors.

    Raises
    ------
    HandsonError
        When columns are missing; the message names them.

    Examples
    --------
    >>> import pandas as pd
    >>> list(by_name(pd.DataFrame({"b": [1], "c": [2], "a": [3]}), ["a", "b"], "inputs"))
    ['a', 'b']
    """
    found = columns_of(data) if is_table(data) else None
    if names is None or found is None or found == list(names):
        return data
    gone = [name for name in names if name not in found]
    if gone:
        raise HandsonError(
            f"{what} have no column {listing(gone, 6)}, which the net was fitted on.{nearest(gone[0], found)} "
            f"Columns: {listing(found)}. Without names, columns count as they lie: x.to_numpy()."
        )
    twice = next((name for name in names if found.count(name) > 1), None)
    if twice is not None:
        raise HandsonError(f"{what} have the column {twice!r} twice. Give every column a name of its own.")
    places = [found.index(name) for name in names]
    return data.iloc[:, places] if hasattr(data, "iloc") else data[[data.columns[place] for place in places]]


def targets_by_name(y: Any, names: Sequence[str] | None) -> Any:
    """Targets in the order of the columns that a net was fitted on, where there are several and they have names."""
    found = columns_of(y) or []
    if names is None or len(names) < 2 or not all(isinstance(name, str) for name in names):
        return y  # of several outputs, each has names of its own
    if all(map(str.isdigit, names)) or all(map(str.isdigit, found)):
        return y
    return by_name(y, names, "targets")


def in_known_order(y: Any, names: Sequence[str] | None) -> Any:
    """The columns of targets in the order that a net knows, if they are those; else as they lie.

    Examples
    --------
    >>> import pandas as pd
    >>> list(in_known_order(pd.DataFrame({"b": [1], "a": [2]}), ["a", "b"]))
    ['a', 'b']
    """
    found = columns_of(y)
    return by_name(y, names, "targets") if names and found and sorted(names) == sorted(found) else y


def as_tensor(data: Any, what: str) -> Tensor:
    """The data as a tensor on its device, without a copy where that is possible; integers of 8 bits stay so.

    Parameters
    ----------
    data : array, tensor, DataFrame, Series or nested list
        Numbers. NumPy arrays are shared, not copied, and must not change while they are used. What is masked becomes
        NaN.
    what : str
        Its name in errors.

    Raises
    ------
    HandsonError
        When something is not a number; the message says where.

    Examples
    --------
    >>> as_tensor([[1, 2], [3, 4]], "inputs").dtype
    torch.float32
    """
    tensor = _checked(data, what)
    if tensor.dtype == torch.bool:
        return tensor.to(torch.uint8)
    if tensor.dtype in (torch.uint8, torch.float32):
        return tensor
    # The columns of a table lie apart in memory; sums over its rows are to round as those of an array do.
    return tensor.to(torch.float32, memory_format=torch.contiguous_format)


def as_rows(data: Any, what: str, double: bool = False) -> Data:
    """Like `as_tensor`, but large memory-mapped arrays stay in their files; `double` keeps all digits, as float64."""
    if isinstance(data, StoredRows):
        return data.to(torch.float64) if double and data.is_wide else data
    data = masked_as_missing(data)
    if is_mapped(data) and data.size * 4 > LEAST_BYTES:
        array = _as_numpy(data, what)
        if is_mapped(array):
            return as_rows(MappedRows(array, what), what, double)
    if double:
        exact = _checked(data, what)
        wide = exact.dtype in (torch.float64, torch.int64, torch.int32)
        return exact.to(torch.float64) if wide else as_tensor(data, what)
    return as_tensor(data, what)


def as_ids(data: Any, what: str) -> Data | None:
    """Whole numbers as int64, also those of float64, as which tables have them; None for other data.

    Examples
    --------
    >>> as_ids(np.array([[16777217]]), "inputs"), as_ids(np.array([0.5]), "inputs")
    (tensor([[16777217]]), None)
    >>> as_ids(np.array([16777217.0]), "inputs")
    tensor([16777217])
    """
    if isinstance(data, StoredRows):
        return None if data.is_floating_point() else data.to(torch.int64)
    data = masked_as_missing(data)
    values = data if isinstance(data, Tensor) else np.asarray(data)
    if isinstance(values, Tensor):
        whole = not values.is_floating_point() and not values.is_complex()
        exact = values.dtype == torch.float64 and bool(((values == values.round()) & (values.abs() < LAST_ID)).all())
        return values.to(torch.int64) if whole or exact else None
    whole = values.dtype.kind in "iub"
    exact = values.dtype == np.float64 and bool(((values == np.rint(values)) & (np.abs(values) < LAST_ID)).all())
    return torch.from_numpy(values.astype(np.int64, copy=False)) if whole or exact else None


def as_labels(data: Any, what: str, ignored: int | None = None) -> Data:
    """Integer labels as int64, with -1 where they are missing (NaN, masked or ignored); fractions are an error."""
    data = masked_as_missing(data)
    rows = as_rows(data, what) if is_mapped(data) or isinstance(data, StoredRows) else None
    if not isinstance(rows, StoredRows):
        return _whole(_checked(data, what), what, ignored=ignored)
    if ignored is not None:
        raise HandsonError(f"ignore_class={ignored} needs {what} in memory: copy them with numpy.array({what}).")
    for first, piece in pieces(rows):
        _whole(piece, what, first)
    return rows.to(torch.int64)


def _whole(values: Tensor, what: str, first: int = 0, ignored: int | None = None) -> Tensor:
    """Whole numbers from values of which the first is that of a row."""
    values = values if values.is_floating_point() else values.to(torch.int64)
    missing = torch.isnan(values) if ignored is None else torch.isnan(values) | (values == ignored)
    whole = torch.where(missing, -1, values)
    wrong = torch.isinf(values) | (whole != whole.round())
    if bool(wrong.any()):
        row = int(wrong.reshape(len(values), -1).any(1).nonzero()[0])
        raise HandsonError(f"{what} are whole numbers 0, 1, 2, ...; row {first + row} has {values[row].tolist()}.")
    if bool(((values < 0) & ~missing).any()):
        raise HandsonError(f"{what} start at 0; the smallest is {values[~missing].min().item():g}.")
    return whole.to(torch.int64)


def _checked(data: Any, what: str) -> Tensor:
    """The data as a tensor of real numbers with rows; what is masked is NaN."""
    data = masked_as_missing(data)
    if not isinstance(data, Tensor):
        return _from_numpy(_as_numpy(data, what))
    if data.is_complex():
        raise HandsonError(f"{what} must be numbers; got values of type {data.dtype}.")
    if data.dim() == 0:
        raise HandsonError(f"{what} must have one row for each sample; got the single value {data.item()!r}.")
    return data.detach()


def _as_numpy(data: Any, what: str) -> np.ndarray:
    if data is None:
        raise HandsonError(f"{what} are missing: got None.")
    if hasattr(data, "inputs") and hasattr(data, "targets"):
        raise HandsonError(
            f"{what} are arrays; got a {type(data).__name__} that holds both. Pass data.inputs and data.targets."
        )
    if hasattr(data, "to_numpy"):
        array = data.to_numpy()
    else:
        try:
            array = np.asarray(data)
        except ValueError:
            raise HandsonError(f"{what} are ragged: their rows have different lengths.") from None
    if array.dtype.kind in "OUS":
        if array.ndim == 0:
            sparse = hasattr(data, "toarray")
            kind = f"a sparse matrix, {type(data).__name__}; pass x.toarray()" if sparse else repr(data)
            raise HandsonError(f"{what} must be arrays of numbers, with one row for each sample; got {kind}.")
        array = _numbers(array, data, what)
    if array.dtype.kind not in "biuf":
        raise HandsonError(f"{what} must be numbers; got values of type {array.dtype}.")
    if array.ndim == 0:
        raise HandsonError(f"{what} must have one row for each sample; got the single value {array.item()!r}.")
    return array


def _numbers(array: np.ndarray, data: Any, what: str) -> np.ndarray:
    """Objects and text as float64, or an error that points at the first value that is not a number."""
    if array.dtype.kind == "O":
        import pandas as pd  # it takes a quarter of a second to load

        array = np.where(pd.isna(array), np.nan, array)
    try:
        return array.astype(np.float64)
    except (ValueError, TypeError):
        columns = columns_of(data)
        for index in np.ndindex(array.shape):
            try:
                float(array[index])
            except (ValueError, TypeError):
                column = f", column {columns[index[1]]!r}" if columns and len(index) == 2 else ""
                raise HandsonError(
                    f"{what} must be numbers; row {index[0]}{column} has {array[index]!r}. "
                    f"Leave the column out, or code it as numbers: pd.get_dummies(x, prefix_sep='=')."
                ) from None
        raise


def _from_numpy(array: np.ndarray) -> Tensor:
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype in KNOWN_TO_TORCH:
        array = array.astype(KNOWN_TO_TORCH[array.dtype])
    if any(stride < 0 for stride in array.strides):
        array = array.copy()
    with warnings.catch_warnings():
        # Read-only arrays and memory maps are welcome: nothing here writes to them.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(array)


def check_finite(x: Data, what: str, columns: Sequence[str] | None = None) -> None:
    """Raise when there is a NaN or an infinity; the message says where the first one is."""
    if not x.is_floating_point():
        return
    for start, piece in pieces(x):
        if _sum_is_finite(piece):
            continue
        bad = ~torch.isfinite(piece)
        if bool(bad.any()):
            where = [int(index) for index in bad.nonzero()[0]]
            value = float(piece[tuple(where)])
            where[0] += start
            place = f"row {where[0]}"
            if columns is not None and len(where) == 2:
                place += f", column {columns[where[1]]!r}"
            elif len(where) > 1:
                place += f", position {tuple(where[1:])}"
            raise HandsonError(
                f"{what} hold {value} in {place}. Fill in or leave out such values: only targets may be missing."
            )


def _sum_is_finite(values: Tensor) -> bool:
    """Whether the sum is a finite number, so that every value is; the sum of finite numbers may be too large for one.

    NumPy adds on one core, in one pass: threads that train beside this one do not wait for another core.
    """
    if values.device.type != "cpu" or values.dtype not in (torch.float32, torch.float64):
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.detach().numpy().sum()))


def check_order(first: Any, what: str, other: Any) -> None:
    """Raise where two tables hold the same rows in different orders: rows are paired as they lie, as those of arrays.

    Examples
    --------
    >>> import pandas as pd
    >>> x, y = pd.DataFrame({"a": [1, 2]}), pd.Series([5, 6], index=[1, 0])
    >>> check_order(x, "targets", y.sort_index())
    >>> check_order(x, "targets", y)
    Traceback (most recent call last):
        ...
    handson.core.errors.HandsonError: targets have the rows of the inputs in another order: ...
    """
    rows: Any = getattr(first, "index", None)
    found: Any = getattr(other, "index", None)
    if not (hasattr(rows, "equals") and hasattr(found, "equals")) or len(rows) != len(found) or rows.equals(found):
        return
    if rows.is_unique and found.is_unique and bool(found.isin(rows).all()):
        raise HandsonError(
            f"{what} have the rows of the inputs in another order: inputs begin with row {rows[0]}, {what} with row "
            f"{found[0]}. Put them in order with .loc[x.index], or pass .to_numpy() if they belong together as they "
            f"lie."
        )


def check_rows(x: Data, others: dict[str, Any]) -> None:
    """Raise unless everything has as many rows as the inputs, and at least one."""
    if len(x) == 0:
        raise HandsonError("there are no rows: the inputs are empty.")
    for name, other in others.items():
        if other is not None and len(other) != len(x):
            raise HandsonError(f"inputs have {len(x)} rows and {name} {len(other)}; they must have the same number.")

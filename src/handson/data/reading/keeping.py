"""What a user said about where rows are kept while a net is trained."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from handson.core.errors import HandsonError, whole
from handson.data.reading.dataset import Dataset
from handson.data.rows.digits import narrowed
from handson.data.rows.free_memory import is_large


@dataclass(frozen=True)
class Keeping:
    """Where rows are kept.

    Parameters
    ----------
    in_memory : bool, optional
        True: all of them are read at once. False: they stay in their files. By default each kind of data decides.
    window : int, optional
        Rows among which those that stay in their files are shuffled.
    skip_broken : bool
        Whether rows that cannot be read are left out, and counted.

    Examples
    --------
    >>> Keeping().stays(10 << 30, free=24 << 30), Keeping(in_memory=True).stays(10 << 30, free=24 << 30)
    (True, False)
    """

    in_memory: bool | None = None
    window: int | None = None
    skip_broken: bool = False

    def __post_init__(self) -> None:
        if self.in_memory not in (None, True, False):
            raise HandsonError(f"in_memory is True or False, or left out; got {self.in_memory!r}.")
        if not isinstance(self.skip_broken, bool):
            raise HandsonError(f"skip_broken is True or False; got {self.skip_broken!r}.")
        if self.window is not None:
            whole("window", self.window, 1)
            if self.in_memory:
                raise HandsonError("window is for rows that stay in their file: leave it out, or in_memory=True.")

    def stays(self, size: int, free: int | None) -> bool:
        """Whether data of so many bytes stay in their file, of a kind that is read at once if it is small.

        Where a window is given they do, so that the order does not depend on how much memory is free.
        """
        if self.in_memory is None and self.window is None:
            return is_large(size, free)
        return not self.in_memory


def kept(data: Dataset, keeping: Keeping) -> Dataset:
    """The data without rows that cannot be read, and in memory, where that was asked for."""
    if isinstance(data.inputs, np.ndarray):
        return data
    find = getattr(data.inputs.source, "broken", None)
    if keeping.skip_broken and find is not None:
        data = _without_broken(data, find())
    if keeping.in_memory and not isinstance(data.inputs, np.ndarray):
        array = data.inputs.array()
        data.inputs.close()
        data = replace(data, inputs=array if array.dtype == np.uint8 else narrowed(array))
    return data


def _without_broken(data: Dataset, broken: dict[int, str]) -> Dataset:
    """The rows that can be read; a note counts the others, and names the first."""
    if not broken:
        return data
    whole_rows = np.ones(len(data), bool)
    whole_rows[list(broken)] = False
    if not whole_rows.any():
        raise HandsonError(f"{data.source}: no row can be read; the first: {broken[min(broken)]}")
    note = f"left out {len(broken):,} of {len(data):,} rows, which cannot be read; the first: {broken[min(broken)]}"
    data = data.rows(whole_rows)
    return replace(data, notes=[*data.notes, note])

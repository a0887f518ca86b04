"""The table that `summary()` prints: layers, output shapes, parameters, totals, as in the lectures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

# The columns of Keras 2's table: where they end, as shares of the line.
LINE_LENGTH, COLUMN_ENDS = 65, (0.45, 0.85, 1.0)


class Row(NamedTuple):
    """One layer of the table."""

    name: str
    kind: str
    shape: str
    parameters: int


def table(rows: Sequence[Row], trainable: int, frozen: int, line_length: int | None = None) -> str:
    """The table as text.

    Parameters
    ----------
    rows : sequence of Row
        One for each layer.
    trainable, frozen : int
        The numbers of parameters that training changes and does not change.
    line_length : int, optional
        The width; by default 65, or more where a name needs it.

    Examples
    --------
    >>> print(table([Row("dense", "Dense", "(None, 4)", 16)], 16, 0, line_length=40))
    ________________________________________
    Layer (type)      Output Shape    Param #
    ========================================
    dense (Dense)   (None, 4)       16
    ========================================
    Total params: 16
    Trainable params: 16
    Non-trainable params: 0
    ________________________________________
    """
    cells = [("Layer (type)", "Output Shape", "Param #")]
    cells += [(f"{row.name} ({row.kind})", row.shape, f"{row.parameters}") for row in rows]
    length = line_length or _needed(cells)
    ends = [int(length * share) for share in COLUMN_ENDS]
    lines = [_line(entry, ends) for entry in cells]
    body = f"\n{'_' * length}\n".join(lines[1:])
    totals = f"Total params: {trainable + frozen:,}\nTrainable params: {trainable:,}\nNon-trainable params: {frozen:,}"
    return f"{'_' * length}\n{lines[0]}\n{'=' * length}\n{body}\n{'=' * length}\n{totals}\n{'_' * length}"


def _needed(cells: Sequence[tuple[str, str, str]]) -> int:
    widths = [max(len(row[column]) for row in cells) + 1 for column in range(3)]
    starts = (0.0, *COLUMN_ENDS[:-1])
    shares = [end - start for start, end in zip(starts, COLUMN_ENDS, strict=True)]
    return max(LINE_LENGTH, *(math.ceil(width / share) for width, share in zip(widths, shares, strict=True)))


def _line(entry: tuple[str, str, str], ends: Sequence[int]) -> str:
    line = ""
    for cell, end in zip(entry, ends, strict=True):
        line = f"{line}{cell}"
        line = line + " " * (end - len(line)) if len(line) < end else line + " "
    return line.rstrip()

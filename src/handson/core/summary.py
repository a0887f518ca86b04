"""The table that `summary()` prints: layers, output shapes, parameters, totals, as in the lectures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from handson.core.errors import HandsonError

# The columns of Keras 2's table: where they end, as shares of the line.
LINE_LENGTH, COLUMN_ENDS = 65, (0.45, 0.85, 1.0)
# Those of a net that is no stack, which also say what goes into a layer.
LINKED_LENGTH, LINKED_ENDS = 98, (0.33, 0.55, 0.67, 1.0)


class Row(NamedTuple):
    """One layer of the table."""

    name: str
    kind: str
    shape: str
    parameters: int
    links: str = ""


def table(
    rows: Sequence[Row],
    trainable: int,
    frozen: int,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
) -> str:
    """The table as text.

    Parameters
    ----------
    rows : sequence of Row
        One for each layer.
    trainable, frozen : int
        The numbers of parameters that training changes and does not change.
    line_length : int, optional
        The width; by default 65, or more where a name needs it.
    positions : sequence of float, optional
        Where the columns end: places in the line, or shares of it if the last is 1.

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
    linked = any(row.links for row in rows)
    cells: list[tuple[str, ...]] = [("Layer (type)", "Output Shape", "Param #", "Connected to")]
    cells += [(f"{row.name} ({row.kind})", row.shape, f"{row.parameters}", row.links) for row in rows]
    cells = cells if linked else [entry[:3] for entry in cells]
    shares: tuple[float, ...] = LINKED_ENDS if linked else COLUMN_ENDS
    if positions is not None:
        if len(positions) < len(cells[0]):
            raise HandsonError(
                f"summary: positions has one number for each of {len(cells[0])} columns; got {positions}."
            )
        length = line_length or max(LINE_LENGTH, int(positions[-1]))
        shares = tuple(place if positions[-1] <= 1 else place / length for place in positions[: len(cells[0])])
    length = line_length or max(LINKED_LENGTH if linked else LINE_LENGTH, _needed(cells, shares))
    ends = [int(length * share) for share in shares]
    lines = [_line(entry, ends) for entry in cells]
    body = f"\n{'_' * length}\n".join(lines[1:])
    totals = f"Total params: {trainable + frozen:,}\nTrainable params: {trainable:,}\nNon-trainable params: {frozen:,}"
    return f"{'_' * length}\n{lines[0]}\n{'=' * length}\n{body}\n{'=' * length}\n{totals}\n{'_' * length}"


def _needed(cells: Sequence[tuple[str, ...]], column_ends: Sequence[float]) -> int:
    widths = [max(len(row[column]) for row in cells) + 1 for column in range(len(column_ends))]
    starts = (0.0, *column_ends[:-1])
    shares = [end - start for start, end in zip(starts, column_ends, strict=True)]
    return max(math.ceil(width / share) for width, share in zip(widths, shares, strict=True))


def _line(entry: tuple[str, ...], ends: Sequence[int]) -> str:
    line = ""
    for cell, end in zip(entry, ends, strict=True):
        line = f"{line}{cell}"
        line = line + " " * (end - len(line)) if len(line) < end else line + " "
    return line.rstrip()

"""Tables as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def _text(value: Any) -> str:
    return f"{value:.5f}" if isinstance(value, float) else str(value)


def table(headers: Sequence[str], rows: Sequence[Sequence[Any]], left: Sequence[str] = ("name", "size")) -> list[str]:
    """The lines of a table, columns under each other.

    Examples
    --------
    >>> for line in table(["#", "name"], [[0, "input"], [10, "out"]]):
    ...     print(line)
      #  name
    ---  -----
      0  input
     10  out
    """
    texts = [[_text(value) for value in row] for row in rows]
    widths = [max(3, len(header), *(len(row[column]) for row in texts)) for column, header in enumerate(headers)]
    widths = [width if header not in left else max(width, 4) for width, header in zip(widths, headers, strict=True)]

    def line(cells: Sequence[str]) -> str:
        pairs = zip(cells, widths, headers, strict=True)
        return "  ".join(c.ljust(w) if header in left else c.rjust(w) for c, w, header in pairs).rstrip()

    return [line(headers), "  ".join("-" * width for width in widths), *map(line, texts)]

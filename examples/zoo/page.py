"""What the pages of the zoo share: their command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

Found = dict[str, Any]


def main(train: Callable[[], Found], draw: Callable[[Found], Figure]) -> None:
    """Train a net, print what was measured, and draw the picture if a path is given."""
    text = train.__globals__["__doc__"]
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, help="where to write the picture, such as gan.png")
    arguments = parser.parse_args()
    found = train()
    for name, value in found.items():
        if isinstance(value, float):
            print(f"{name}: {value:.3g}")
    if arguments.picture is not None:
        draw(found).savefig(arguments.picture, dpi=80)


def bare(axes: Any) -> None:
    """Axes of an image: no ticks, no frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_frame_on(False)

"""The worked application: facial keypoints, as in the fourth lecture and the competition it is about.

`COLUMNS` are the competition's 30 columns, `GROUPS` the lecture's six specialists, `EXPERIMENTS` the files of the
built-in experiments; `simulate` makes faces with exact landmarks.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from handson.core.lazy import lazy
from handson.faces.landmarks import COLUMNS, CORE, GROUPS, LANDMARKS

if TYPE_CHECKING:
    from handson.faces.simulator import simulate as simulate

EXPERIMENTS = {
    path.stem: path for path in sorted(Path(__file__).parent.glob("*.yaml"))
}  # 'faces' is the default; 'faces-lecture' the lecture's own recipe; 'faces-masked' the same on all rows

_HOMES = {"simulate": "handson.faces.simulator:simulate"}
__all__ = ["COLUMNS", "CORE", "EXPERIMENTS", "GROUPS", "LANDMARKS", "simulate"]
__getattr__ = lazy(__name__, _HOMES)

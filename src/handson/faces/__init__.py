"""The worked application: facial keypoints, as in the fourth lecture and the competition it is about.

`COLUMNS` are the competition's 30 columns, `GROUPS` the lecture's six specialists, `EXPERIMENTS` the files of the
built-in experiments; `simulate` makes faces with exact landmarks.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from handson.lazy import lazy

if TYPE_CHECKING:
    from handson.faces.simulator import simulate as simulate

# The competition's landmarks, in its order; left and right are the subject's own.
LANDMARKS = (
    "left_eye_center",
    "right_eye_center",
    "left_eye_inner_corner",
    "left_eye_outer_corner",
    "right_eye_inner_corner",
    "right_eye_outer_corner",
    "left_eyebrow_inner_end",
    "left_eyebrow_outer_end",
    "right_eyebrow_inner_end",
    "right_eyebrow_outer_end",
    "nose_tip",
    "mouth_left_corner",
    "mouth_right_corner",
    "mouth_center_top_lip",
    "mouth_center_bottom_lip",
)

COLUMNS = tuple(f"{landmark}_{axis}" for landmark in LANDMARKS for axis in "xy")

# The four landmarks that every image of the competition has.
CORE = ("left_eye_center", "right_eye_center", "nose_tip", "mouth_center_bottom_lip")


def _columns(*landmarks: str) -> list[str]:
    return [f"{landmark}_{axis}" for landmark in landmarks for axis in "xy"]


# The fourth lecture's specialists.
GROUPS = {
    "eyes": _columns("left_eye_center", "right_eye_center"),
    "nose": _columns("nose_tip"),
    "mouth": _columns("mouth_left_corner", "mouth_right_corner", "mouth_center_top_lip"),
    "lower_lip": _columns("mouth_center_bottom_lip"),
    "eye_corners": _columns(*LANDMARKS[2:6]),
    "eyebrows": _columns(*LANDMARKS[6:10]),
}

EXPERIMENTS = {
    path.stem: path for path in sorted(Path(__file__).parent.glob("*.yaml"))
}  # 'faces' is the default; 'faces-lecture' the lecture's own recipe; 'faces-masked' the same on all rows

_HOMES = {"simulate": "handson.faces.simulator:simulate"}
__all__ = ["COLUMNS", "CORE", "EXPERIMENTS", "GROUPS", "LANDMARKS", "simulate"]
__getattr__ = lazy(__name__, _HOMES)

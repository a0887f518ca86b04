"""The landmarks of the competition "Facial Keypoints Detection", and the groups that get a specialist each."""

from __future__ import annotations

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

"""Which target columns are the x and y of a point, and which swap in a mirror, against names made on purpose."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.core.errors import HandsonError
from handson.data.reading.keypoints import find_halves, find_points, find_swaps, positions, unmatched
from handson.faces import COLUMNS, LANDMARKS

words = st.text("abcdefgh", min_size=1, max_size=6).filter(lambda word: word not in ("left", "right"))


def test_the_points_of_the_competition_are_its_fifteen_landmarks():
    assert find_points(COLUMNS) == [(2 * number, 2 * number + 1) for number in range(len(LANDMARKS))]


def test_the_swaps_of_the_competition_are_those_of_its_tutorial():
    """The flip_indices of D. Nouri's tutorial (2014), which the fourth lecture walks through."""
    tutorial = [
        (0, 2), (1, 3), (4, 8), (5, 9), (6, 10), (7, 11), (12, 16), (13, 17), (14, 18), (15, 19), (22, 24), (23, 25),
    ]  # fmt: skip
    assert sorted(map(tuple, map(sorted, find_swaps(COLUMNS)))) == tutorial
    assert unmatched(COLUMNS) == []


@settings(deadline=None, max_examples=40)
@given(stems=st.lists(words, min_size=1, max_size=6, unique=True), random=st.randoms(use_true_random=False))
def test_points_are_found_in_any_order_of_columns(stems, random):
    names = [f"{stem}_{axis}" for stem in stems for axis in "xy"] + ["age"]
    random.shuffle(names)
    pairs = find_points(names)
    assert {(names[x], names[y]) for x, y in pairs} == {(f"{stem}_x", f"{stem}_y") for stem in stems}


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["x", "y"], [(0, 1)]),
        (["y", "x"], [(1, 0)]),
        (["Nose_X", "Nose_Y"], [(0, 1)]),
        (["nose.x", "nose.y"], [(0, 1)]),
        (["nose x", "nose y"], [(0, 1)]),
        (["nose_x", "mouth_y"], []),
        (["box", "boy"], []),
        (["max", "may"], []),
        (["nose_x"], []),
        ([], []),
    ],
)
def test_a_point_is_two_names_that_differ_in_a_separate_x_and_y(names, pairs):
    assert find_points(names) == pairs


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["left_eye_x", "right_eye_x"], [(0, 1)]),
        (["right_eye_x", "left_eye_x"], [(1, 0)]),
        (["Left_eye", "Right_eye"], [(0, 1)]),
        (["mouth_left_corner", "mouth_right_corner"], [(0, 1)]),
        (["eye_left", "eye_right"], [(0, 1)]),
        (["left_eye_x", "right_eye_y"], []),
        (["cleft_x", "cright_x"], []),
        (["bright", "bleft"], []),
        (["nose_x", "nose_y"], []),
    ],
)
def test_a_swap_is_two_names_that_differ_in_the_words_left_and_right(names, pairs):
    assert find_swaps(names) == pairs


def test_camel_case_names_have_sides_and_axes_too():
    """A mirror image of such columns would otherwise be trained on silently wrong sides."""
    names = ["leftEye_x", "leftEye_y", "rightEye_x", "rightEye_y"]
    assert find_swaps(names) == [(0, 2), (1, 3)]
    assert find_points(["noseX", "noseY", "MAX", "MAY"]) == [(0, 1)]


def test_a_coordinate_without_the_other_is_half_a_keypoint():
    assert find_halves(["nose_x", "nose_y", "mouth_y", "box", "age"]) == ["mouth_y"]


def test_names_that_differ_only_in_case_are_different_columns():
    assert find_points(["a_x", "a_y", "A_x", "A_y"]) == [(0, 1), (2, 3)]


@settings(deadline=None, max_examples=40)
@given(stems=st.lists(words, min_size=1, max_size=5, unique=True), axes=st.sampled_from(["x", "y", "xy"]))
def test_a_column_is_matched_or_unmatched_and_never_both(stems, axes):
    names = [f"left_{stem}_{axis}" for stem in stems for axis in axes]
    names += [f"right_{stem}_{axis}" for stem in stems[: len(stems) // 2] for axis in axes]
    matched = {names[index] for pair in find_swaps(names) for index in pair}
    alone = set(unmatched(names))
    assert matched | alone == set(names)
    assert not matched & alone
    assert all(name.removeprefix("left_").split("_")[0] in stems[len(stems) // 2 :] for name in alone)


def test_columns_without_a_side_are_never_unmatched():
    assert unmatched(["nose_x", "brightness", "cleft", "left_eye_x"]) == ["left_eye_x"]


def test_pairs_are_given_by_name_or_position():
    names = ["a", "b", "c"]
    assert positions([("a", "c"), (2, 0)], names, "swaps") == [(0, 2), (2, 0)]
    assert positions([(0, 1)], None, "swaps") == [(0, 1)]


def test_an_unknown_name_in_a_pair_is_named_with_the_nearest():
    with pytest.raises(HandsonError, match="keypoints names the column 'nose_z', which is not there. Did you mean"):
        positions([("nose_x", "nose_z")], ["nose_x", "nose_y"], "keypoints")


def test_names_for_targets_without_names_are_refused():
    with pytest.raises(HandsonError, match="swaps names the column 'a', but the targets have no column names; give"):
        positions([("a", "b")], None, "swaps")


@pytest.mark.parametrize("pair", [(0, 7), (-1, 0)])
def test_a_position_that_is_no_column_is_refused(pair):
    with pytest.raises(HandsonError, match="keypoints"):
        positions([pair], ["a", "b"], "keypoints")


@pytest.mark.parametrize("given", [[0, 1], ["a", "b", "c"], [("a", "b", "c")]])
def test_something_that_is_no_list_of_pairs_is_refused(given):
    with pytest.raises(HandsonError, match="keypoints"):
        positions(given, ["a", "b", "c"], "keypoints")

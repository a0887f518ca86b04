"""The competition's columns, and the submission against a join of pandas."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.core.errors import HandsonError
from handson.data.reading.keypoints import unmatched
from handson.faces import COLUMNS, CORE, EXPERIMENTS, GROUPS, LANDMARKS
from handson.faces.submission import FRAME, read_lookup, submission, write_table

FEATURES = ["nose_x", "nose_y", "left_eye_x"]


def lookup_of(pairs):
    rows = [(number + 1, image, feature) for number, (image, feature) in enumerate(pairs)]
    return pd.DataFrame(rows, columns=["RowId", "ImageId", "FeatureName"])


@pytest.fixture
def write(tmp_path):
    def put(text):
        (tmp_path / "lookup.csv").write_text(text)
        return tmp_path / "lookup.csv"

    return put


# The submission


@settings(deadline=None, max_examples=40)
@given(data=st.data(), images=st.integers(1, 12), seed=st.integers(0, 10**6))
def test_every_row_gets_the_prediction_for_its_image_and_feature(data, images, seed):
    rng = np.random.default_rng(seed)
    predicted = rng.uniform(-20, 120, (images, 3)).astype(np.float32)
    ids = rng.permutation(1000)[:images]
    pairs = data.draw(st.lists(st.tuples(st.sampled_from(ids.tolist()), st.sampled_from(FEATURES)), min_size=1))
    lookup = lookup_of(pairs).sample(frac=1, random_state=seed)
    table = pd.DataFrame(predicted, columns=FEATURES).assign(ImageId=ids)
    expected = lookup.merge(table.melt("ImageId", var_name="FeatureName", value_name="Location"), how="left")
    found = submission(predicted, FEATURES, ids, lookup)
    assert list(found.columns) == ["RowId", "Location"]
    np.testing.assert_array_equal(found["RowId"], lookup["RowId"])
    np.testing.assert_allclose(found["Location"], expected["Location"].clip(0, 96))


def test_locations_are_clipped_to_the_frame():
    predicted = np.array([[-3.0, 50.0, 200.0]])
    found = submission(predicted, FEATURES, np.array([1]), lookup_of([(1, feature) for feature in FEATURES]))
    assert found["Location"].tolist() == [0, 50, FRAME]


def test_an_unknown_feature_is_named_with_the_nearest():
    with pytest.raises(HandsonError, match="asks for 'nose_z', which the net does not predict. Did you mean 'nose_x'"):
        submission(np.zeros((1, 3)), FEATURES, np.array([1]), lookup_of([(1, "nose_z")]))


def test_an_image_that_was_not_predicted_is_named():
    with pytest.raises(HandsonError, match="asks for the image 7, which the test data do not hold"):
        submission(np.zeros((1, 3)), FEATURES, np.array([1]), lookup_of([(1, "nose_x"), (7, "nose_x")]))


def test_an_image_that_is_there_twice_is_refused():
    """Which of the two predictions is meant?"""
    with pytest.raises(HandsonError, match="7"):
        submission(np.zeros((2, 3)), FEATURES, np.array([7, 7]), lookup_of([(7, "nose_x")]))


@pytest.mark.parametrize("row", ["2,,nose_x", "2,1,"])
def test_a_gap_in_the_look_up_table_is_named(write, row):
    path = write(f"RowId,ImageId,FeatureName\n1,1,nose_x\n{row}\n")
    with pytest.raises(HandsonError, match=r"(lookup|look-up)"):
        submission(np.zeros((1, 3)), FEATURES, np.array([1]), read_lookup(path))


def test_names_of_files_are_identities_too():
    found = submission(
        np.arange(6.0).reshape(2, 3), FEATURES, np.array(["a.png", "b.png"]), lookup_of([("b.png", "nose_y")])
    )
    assert found["Location"].tolist() == [4]


# The look-up table


def test_the_competitions_look_up_table_is_read(write):
    table = read_lookup(write("RowId,ImageId,FeatureName,Location\n1,1,nose_x,\n2,1,nose_y,\n"))
    assert table[["RowId", "ImageId", "FeatureName"]].to_numpy().tolist() == [[1, 1, "nose_x"], [2, 1, "nose_y"]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("RowId,ImageID,FeatureName\n1,1,nose_x\n", r"no column 'ImageId' \(of the look-up table\). Did you mean 'Ima"),
        ("a,b\n1,2\n", "no column 'RowId'"),
        ("", "lookup.csv is not a table that can be read"),
        ("RowId,ImageId,FeatureName\n1,2,3\n4,5,6,7\n", "lookup.csv is not a table that can be read"),
        ("RowId,ImageId,FeatureName\n", "lookup.csv"),
    ],
)
def test_another_table_is_refused(write, text, message):
    with pytest.raises(HandsonError, match=message):
        read_lookup(write(text))


def test_a_look_up_table_that_is_not_there_is_named_with_the_nearest(write):
    path = write("RowId,ImageId,FeatureName\n1,1,nose_x\n")
    with pytest.raises(FileNotFoundError, match=r"lokup.csv. Did you mean 'lookup.csv'"):
        read_lookup(path.with_name("lokup.csv"))


# Files


def test_a_submission_is_written_as_the_competition_wants_it(tmp_path):
    write_table(pd.DataFrame({"RowId": [1, 2], "Location": [3.5, 96.0]}), tmp_path / "submission.csv")
    assert (tmp_path / "submission.csv").read_text().splitlines() == ["RowId,Location", "1,3.5", "2,96"]


@pytest.mark.parametrize("value", [1.23456789e-9, 1.2345678e12, 0.1, -3.0])
def test_the_numbers_of_a_table_keep_the_digits_of_the_net(tmp_path, value):
    write_table(pd.DataFrame({"flux": np.array([value], np.float32)}), tmp_path / "predictions.csv")
    assert pd.read_csv(tmp_path / "predictions.csv")["flux"][0] == pytest.approx(np.float32(value), rel=1e-6)


def test_the_older_file_stays_when_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / "submission.csv"
    path.write_text("older")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="submission.csv: No space left on device. The older file is as it was"):
        write_table(pd.DataFrame({"RowId": [1]}), path)
    assert path.read_text() == "older"


# The competition


def test_the_columns_are_those_of_the_competition():
    assert len(LANDMARKS) == 15
    assert COLUMNS[:4] == ("left_eye_center_x", "left_eye_center_y", "right_eye_center_x", "right_eye_center_y")
    assert COLUMNS[-2:] == ("mouth_center_bottom_lip_x", "mouth_center_bottom_lip_y")
    assert set(CORE) <= set(LANDMARKS)


def test_the_columns_are_those_of_the_real_data(shared):
    with np.load(shared("data", "faces", "train.npz")) as faces:
        assert tuple(faces["columns"]) == COLUMNS


def test_the_six_groups_hold_every_column_once():
    assert len(GROUPS) == 6
    assert sorted(column for columns in GROUPS.values() for column in columns) == sorted(COLUMNS)


@pytest.mark.parametrize("name", GROUPS)
def test_no_group_divides_left_from_right(name):
    """So each of the lecture's specialists can be trained with mirror images."""
    assert unmatched(GROUPS[name]) == []


def test_the_built_in_experiments_are_files():
    assert {"faces", "faces-lecture", "faces-masked"} <= set(EXPERIMENTS)
    assert all(path.is_file() for path in EXPERIMENTS.values())

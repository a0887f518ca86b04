"""`explore`: what it says of a data set, against pandas and counting."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.data.reading.dataset import Dataset
from handson.data.reading.explore import explore, find_duplicates, missing_patterns
from handson.data.reading.sources import read


def table(inputs, targets=None, **kwargs):
    """A data set of a table with columns x0, x1, ... and y0, y1, ..."""
    inputs = np.asarray(inputs, np.float32)
    names = [f"x{number}" for number in range(inputs.shape[1])]
    if targets is not None:
        targets = np.asarray(targets, np.float32)
        kwargs.setdefault("target_names", [f"y{number}" for number in range(targets.shape[1])])
    return Dataset(inputs, targets, names, source="table", **kwargs)


def images(rng, rows=6, **kwargs):
    return Dataset(rng.integers(0, 256, (rows, 5, 4, 1)).astype(np.uint8), source="images", **kwargs)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), rows=st.integers(2, 40), missing=st.floats(0, 0.6))
def test_columns_have_the_statistics_of_pandas(seed, rows, missing):
    rng = np.random.default_rng(seed)
    values = rng.normal(10, 3, size=(rows, 2)).astype(np.float32).round(1)
    values[rng.random(values.shape) < missing] = np.nan
    values[0] = 1.5
    frame = pd.DataFrame(values, columns=["y0", "y1"]).astype(float)
    for column in explore(table(np.zeros((rows, 1)), values)).columns[1:]:
        series = frame[column.name]
        assert (column.role, column.present, column.distinct) == ("target", series.count(), series.nunique())
        found = [column.low, column.mean, column.high, column.deviation]
        np.testing.assert_allclose(found, [series.min(), series.mean(), series.max(), series.std(ddof=0)], atol=1e-6)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1.5, 2, 3], "number"), ([1, 2, 3], "integer"), ([0, 1, 1], "yes/no"), ([7, 7, 7], "constant"),
        ([np.nan] * 3, "empty"), ([0, 1, np.nan], "yes/no"), ([0, 2, 2], "integer"), ([np.nan, 4, np.nan], "constant"),
    ],
)  # fmt: skip
def test_columns_have_a_type(values, kind):
    assert explore(table(np.array(values)[:, None])).columns[0].type == kind


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=30))
def test_patterns_count_every_row_once_and_the_largest_comes_first(missing):
    missing = np.array(missing)
    patterns = missing_patterns(np.where(missing, np.nan, 1.0), ["a", "b", "c"])
    counted = pd.Series(map(tuple, missing)).value_counts()
    assert [pattern.rows for pattern in patterns] == sorted(counted, reverse=True)
    for pattern in patterns:
        assert sorted(pattern.present + pattern.missing) == ["a", "b", "c"]
        assert counted[tuple(name in pattern.missing for name in "abc")] == pattern.rows


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=20))
def test_duplicates_are_those_of_pandas(values):
    rows = np.array(values, np.float32)[:, None] * [1, 2]
    found = find_duplicates(rows)
    repeated = pd.DataFrame(rows).duplicated()
    assert [row for row, _ in found] == list(np.flatnonzero(repeated))
    assert all(values[row] == values[first] and first == values.index(values[row]) for row, first in found)


def test_images_have_their_statistics(rng):
    data = images(rng)
    data.inputs[3] = 9
    found = explore(data).images
    brightness = data.inputs.reshape(6, -1).mean(1)
    assert (found["size"], found["channels"], found["type"], found["constant images"]) == ("5x4", 1, "uint8", 1)
    assert (found["low"], found["high"]) == (data.inputs.min(), data.inputs.max())
    assert found["mean"] == pytest.approx(data.inputs.mean())
    assert found["mean brightness of the darkest"] == pytest.approx(brightness.min())
    assert found["mean brightness of the brightest"] == pytest.approx(brightness.max())
    assert found["mean contrast"] == pytest.approx(data.inputs.reshape(6, -1).std(1).mean())


def test_repeated_images_are_found(rng):
    data = images(rng)
    data.inputs[4] = data.inputs[1]
    assert explore(data).duplicates == [(4, 1)]


def test_classes_are_counted_also_those_without_rows(rng):
    data = images(rng, targets=np.array([0, 2, 2, -1, 0, 0]), target_names=["kind"], classes=["a", "b", "c"])
    assert explore(data).classes == {"a": 3, "b": 0, "c": 2}


def test_columns_of_sequences_are_all_their_values(rng):
    """Steps times features, each with its own statistics."""
    values = rng.normal(size=(8, 3, 2)).astype(np.float32)
    found = explore(Dataset(values, np.zeros((8, 1), np.float32), ["u", "v"], ["y"])).columns
    means = {round(float(column.mean), 4) for column in found if column.role == "input"}
    assert means in ({round(float(mean), 4) for mean in values.mean(axes).ravel()} for axes in (0, (0, 1)))


def test_one_row_can_be_explored():
    found = explore(table([[1.0, 2.0]], [[3.0]]))
    assert [(column.name, column.type) for column in found.columns] == [
        ("x0", "constant"), ("x1", "constant"), ("y0", "constant"),
    ]  # fmt: skip
    assert [pattern.rows for pattern in found.patterns] == [1]


@pytest.mark.parametrize(
    ("data", "remark"),
    [
        (table([[1, 2], [3, 4], [1, 2]]), r"1 rows repeat the inputs of an earlier row \(row 2 repeats 0\)"),
        (table([[1, 2], [1, 4]]), "input 'x0' is constant: it carries no information"),
        (table([[1], [2]], [[np.nan], [np.nan]]), "target 'y0' is empty: it carries no information"),
        (table([[0, 1000], [1, 3000]]), "differ in scale by a factor of 2000: compile.*scale_inputs='standard'"),
        (table([[1, np.nan], [2, 3], [4, 5]]), "1 rows have missing inputs: fill them in"),
    ],
)
def test_what_deserves_attention_is_remarked(data, remark):
    assert any(pd.Series([text]).str.contains(remark)[0] for text in explore(data).remarks)


def test_unbalanced_classes_are_remarked(rng):
    data = Dataset(rng.normal(size=(60, 1)), np.array([0] * 57 + [1] * 3), ["a"], ["kind"], ["common", "rare"])
    assert "the classes are not balanced: 'rare' has 3 rows of 60" in " ".join(explore(data).remarks)


def test_constant_images_are_remarked(rng):
    data = images(rng)
    data.inputs[2] = 0
    assert "1 images have one value everywhere." in explore(data).remarks


def test_an_ordinary_data_set_has_no_remarks(rng):
    data = table(rng.normal(size=(50, 3)), rng.normal(size=(50, 2)))
    data.targets[::3, 1] = np.nan
    assert explore(data).remarks == []


def test_notes_of_the_reader_are_passed_on():
    assert explore(table([[1], [2]], notes=["half of the file was skipped"])).remarks == [
        "half of the file was skipped"
    ]


def test_nothing_is_written_to(rng):
    data = table(rng.normal(size=(9, 2)), rng.normal(size=(9, 1)))
    inputs, targets = data.inputs.copy(), data.targets.copy()
    data.inputs.flags.writeable = data.targets.flags.writeable = False
    explore(data)
    np.testing.assert_array_equal(data.inputs, inputs)
    np.testing.assert_array_equal(data.targets, targets)


def test_the_columns_of_a_file_keep_their_names(tmp_path):
    (tmp_path / "a.csv").write_text("age,height,y\n1,2,3\n4,5,6\n7,8,\n")
    found = explore(read(tmp_path / "a.csv", targets="y"))
    assert [(column.name, column.role, column.present) for column in found.columns] == [
        ("age", "input", 3), ("height", "input", 3), ("y", "target", 2),
    ]  # fmt: skip

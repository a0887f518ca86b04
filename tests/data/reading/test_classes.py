"""Classes keep their names, in every kind of file."""

import numpy as np
import pandas as pd
import pytest

from handson.core.errors import HandsonError
from handson.data import read


@pytest.fixture(params=["csv", "tsv", "csv.gz", "parquet", "npz"])
def stored(request, tmp_path):
    """Save targets in a file of each kind; gives how it is read."""

    def put(values):
        path = tmp_path / f"a.{request.param}"
        frame = pd.DataFrame({"a": np.arange(len(values)) + 0.5, "y": values})
        if request.param == "npz":
            np.savez(path, x=frame[["a"]].to_numpy(), y=np.array(values))
        elif request.param == "parquet":
            frame.to_parquet(path)
        else:
            frame.to_csv(path, index=False, sep="\t" if request.param == "tsv" else ",")
        return path

    return put


@pytest.mark.parametrize("classes", [None, "auto"])
@pytest.mark.parametrize(
    "names", [["None", "NA", "dog"], ["null", "nan", "n/a"], ["001", "010", "100"], ["-", "?", "x"]]
)
def test_names_of_classes_are_texts(stored, names, classes):
    data = read(stored([*names, names[0]]), targets="y", classes=classes)
    assert data.classes == sorted(names)
    assert [data.classes[place] for place in data.targets] == [*names, names[0]]


@pytest.mark.parametrize("first", [2**24, 2**53, 2**62])
def test_large_ids_stay_apart(stored, first):
    values = [first + 1, first, first + 2]
    data = read(stored(values), targets="y", classes="auto")
    assert data.classes == [str(value) for value in sorted(values)]
    assert data.targets.tolist() == [1, 0, 2]


def test_numbers_are_in_the_order_of_numbers(stored):
    assert read(stored([10, 9, 100, -1]), targets="y", classes="auto").classes == ["-1", "9", "10", "100"]


def test_numbers_are_looked_up_among_the_names_before_they_count(stored):
    path = stored([1, 2, 1])
    assert read(path, targets="y", classes=["2", "1"]).targets.tolist() == [1, 0, 1]
    assert read(path, targets="y", classes=["u", "v", "w"]).targets.tolist() == [1, 2, 1]
    with pytest.raises(HandsonError, match="class 2 has no name; 2 classes are named"):
        read(path, targets="y", classes=["u", "v"])


def test_missing_large_ids_in_parquet_do_not_make_floats_of_the_others(tmp_path):
    values = pd.array([2**53 + 1, 2**53, None], dtype="Int64")
    pd.DataFrame({"a": [1, 2, 3], "y": values}).to_parquet(tmp_path / "a.parquet")
    data = read(tmp_path / "a.parquet", targets="y", classes="auto")
    assert (data.classes, data.targets.tolist()) == ([str(2**53), str(2**53 + 1)], [1, 0, -1])


def test_in_a_column_of_numbers_na_is_missing(tmp_path):
    (tmp_path / "a.csv").write_text("a,y\n1,2.5\n2,NA\n3,\n")
    np.testing.assert_array_equal(read(tmp_path / "a.csv", targets="y").targets, [[2.5], [np.nan], [np.nan]])


def test_codes_that_are_half_numbers_are_asked_about(tmp_path):
    (tmp_path / "a.csv").write_text("a,y\n1,01\n2,10\n3,1\n")
    with pytest.raises(HandsonError, match="holds '01': as a number it would lose its zero"):
        read(tmp_path / "a.csv", targets="y")
    assert read(tmp_path / "a.csv", targets="y", classes="auto").classes == ["01", "1", "10"]


def test_ids_and_groups_keep_their_zeros(tmp_path):
    (tmp_path / "a.csv").write_text("id,g,a,y\n007,NA,1,2\n010,u,2,3\n")
    data = read(tmp_path / "a.csv", targets="y", ids="id", groups="g")
    assert (data.ids.tolist(), data.groups.tolist()) == (["007", "010"], ["NA", "u"])


@pytest.mark.parametrize(
    ("array", "message"), [(np.ones((3, 0)), "holds nothing"), (np.zeros((3, 2, 0)), "holds nothing")]
)
def test_rows_without_values_are_refused(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(HandsonError, match=f"a.npy {message}"):
        read(tmp_path / "a.npy")


def test_texts_without_letters_are_refused(tmp_path):
    header = b"{'descr': '|S0', 'fortran_order': False, 'shape': (999999999999,), }"
    header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(HandsonError, match="a.npy"):
        read(tmp_path / "a.npy")


# Names that look the same, and quantities that are no names


@pytest.mark.parametrize("names", [("cat", " cat"), ("cat", "cat "), ("a b", "a\u00a0b"), ("caf\u00e9", "cafe\u0301")])
def test_classes_that_look_the_same_are_refused(tmp_path, names):
    pd.DataFrame({"x": [1, 2, 3], "y": [*names, "dog"]}).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(HandsonError, match="look the same: they differ in spaces, or in how a letter is written"):
        read(tmp_path / "a.csv", targets="y")
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 1)), y=np.array([*names, "dog"]))
    with pytest.raises(HandsonError, match="look the same"):
        read(tmp_path / "a.npz", targets="y")


@pytest.mark.parametrize("names", [("Cat", "cat"), ("1", "1.0"), ("07", "7"), ("0", "-0")])
def test_classes_that_may_be_one_are_told(tmp_path, names):
    pd.DataFrame({"x": [1, 2, 3], "y": [*names, "5"]}).to_csv(tmp_path / "a.csv", index=False)
    data = read(tmp_path / "a.csv", targets="y", classes="auto")
    first, second = sorted(names)
    assert (len(data.classes), data.notes) == (3, [f"the classes {first!r} and {second!r} count as two."])


@pytest.mark.parametrize(
    ("values", "cure"),
    [
        (["12%", "13 %", "0.5"], "without its unit"), (["12 kg", "5kg", "7 g"], "without its unit"),
        (["$12", "13€", "4"], "without its unit"), (["2020-01-01", "2020-01-02", ""], "days since the first"),
        (["1 200", "13 000", "7"], "thousands"), (["1'200", "13'000", "7"], "thousands"),
    ],
)  # fmt: skip
def test_quantities_are_no_classes_unless_that_is_said(tmp_path, values, cure):
    pd.DataFrame({"x": [1, 2, 3], "y": values}).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(HandsonError, match=f"(?s){cure}.*say classes='auto' if these are classes"):
        read(tmp_path / "a.csv", targets="y")
    assert len(read(tmp_path / "a.csv", targets="y", classes="auto").classes) == len(set(values) - {""})


def test_words_with_digits_stay_classes(tmp_path):
    pd.DataFrame({"x": [1, 2, 3], "y": ["A0", "12 kg or so", "M5"]}).to_csv(tmp_path / "a.csv", index=False)
    assert read(tmp_path / "a.csv", targets="y").classes == ["12 kg or so", "A0", "M5"]

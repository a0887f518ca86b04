"""What CSV files say of themselves: headers, separators, encodings; each is read, or refused with its cure."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.core.errors import HandsonError
from handson.data import read
from handson.data.reading.csv_layout import CsvFormat


@pytest.fixture
def write(tmp_path):
    """Write a table; gives its path."""

    def put(text, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return put


# Headers


@pytest.mark.parametrize(
    "text",
    [
        "1,2,3\n4,5,6\n",
        "0,1\n1,0\n",
        "5.1,3.5,setosa\n4.9,3.0,setosa\n7.0,3.2,versicolor\n",
        "39,State-gov,77516\n50,Private,83311\n38,State-gov,215646\n",
        "red,small,1\nblue,big,2\nred,small,3\n",
        "?,2,3\n4,5,6\n",
        "2020-01-01,3.5\n2020-01-02,4.5\n",
        "1;2;3\n4;5;6\n",
    ],
)
def test_a_file_without_a_header_is_refused_and_read_when_that_is_said(write, text):
    path = write(text)
    with pytest.raises(HandsonError, match=r"looks like data.*csv=\{'header': False\}"):
        read(path)
    separator = ";" if ";" in text else ","
    expected = pd.read_csv(path, header=None, sep=separator)
    column = int(np.flatnonzero([kind.kind in "if" for kind in expected.dtypes])[-1])
    data = read(path, inputs=f"column_{column}", csv={"header": False})
    np.testing.assert_array_equal(data.inputs[:, 0], expected[column].astype(np.float32))


@pytest.mark.parametrize(
    "header", ["a,b,y", "0,1,y", "name,1990,1991", "y,2020,2021", "label,0.5,1.5", "x 1,x 2,x 3", '"a","b","c"']
)
def test_names_of_columns_are_names(write, header):
    assert len(read(write(f"{header}\n7,2,3\n8,5,6\n")).input_names) == 3


def test_names_can_be_given(write):
    data = read(write("1,2,3\n4,5,6\n"), targets="y", csv={"header": ["a", "b", "y"]})
    assert (data.input_names, data.targets.tolist()) == (["a", "b"], [[3], [6]])
    with pytest.raises(HandsonError, match="2 names in header, and the first row has 3 fields"):
        read(write("1,2,3\n4,5,6\n"), csv={"header": ["a", "b"]})


def test_numbers_are_names_when_that_is_said(write):
    assert read(write("1,2\n3,4\n"), csv={"header": True}).input_names == ["1", "2"]


@pytest.mark.parametrize("name", ["table.csv", "table.tsv", "table.csv.gz", "table.parquet"])
def test_a_name_that_is_there_twice_is_refused(tmp_path, name):
    """pandas calls the second one y.1, and takes it for an input."""
    frame = pd.DataFrame([[1, 2, 3], [4, 5, 6]], columns=["y", "a", "y"])
    if name.endswith("parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table([[1], [2], [3]], names=["y", "a", "y"]), tmp_path / name)
    else:
        frame.to_csv(tmp_path / name, index=False, sep="\t" if "tsv" in name else ",")
    with pytest.raises(HandsonError, match="2 columns have the name 'y': columns 1 and 3"):
        read(tmp_path / name, targets="y")


def test_names_that_differ_only_in_spaces_around_them_are_refused(write):
    with pytest.raises(HandsonError, match="2 columns have the name 'y': columns 1 and 3"):
        read(write(" y,a,y \n1,2,3\n4,5,6\n"), targets=" y")


@pytest.mark.parametrize("text", [",a,y\n0.5,1,2\n1.5,3,4\n", "a,,y\n0,1,2\n1,3,4\n"])
def test_a_column_without_a_name_is_refused(write, text):
    with pytest.raises(HandsonError, match=r"column \d has no name"):
        read(write(text), targets="y")
    assert read(write(text), targets="y", inputs="a").input_names == ["a"]


def test_an_empty_column_at_the_end_is_left_out_and_said(write):
    data = read(write("a,y,\n1,2,\n3,4,\n"), targets="y")
    assert data.input_names == ["a"]
    assert "column 3 has no name and no values" in data.notes[0]


# The saved numbers of the rows


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("index", [[0, 1, 2], [7, 3, 5], ["u", "v", "w"]])
def test_the_saved_index_names_the_rows_and_is_no_input(tmp_path, suffix, index):
    frame, path = pd.DataFrame({"a": [1.0, 2, 3], "y": [4.0, 5, 6]}, index=index), tmp_path / f"a.{suffix}"
    if suffix == "csv":
        frame.to_csv(path)
    else:
        frame.reset_index().rename(columns={"index": "Unnamed: 0"}).to_parquet(path)
    data = read(path, targets="y")
    assert (data.input_names, data.ids.tolist()) == (["a"], index)
    assert "only names the rows" in data.notes[0]
    assert read(path, targets="y", ids="Unnamed: 0").ids.tolist() == index


def test_an_index_that_was_saved_twice_or_reset_is_no_input(write):
    assert read(write("Unnamed: 0.1,Unnamed: 0,a,y\n5,0,1,2\n3,1,3,4\n"), targets="y").input_names == ["a"]
    assert read(write("index,a,y\n0,1,2\n1,3,4\n"), targets="y").input_names == ["a"]
    assert read(write("index,a,y\n3,1,2\n9,3,4\n"), targets="y").input_names == ["index", "a"]


# Separators and numbers


@settings(deadline=None)
@given(
    values=st.lists(st.tuples(*[st.floats(-1e6, 1e6).map(lambda value: round(value, 2))] * 3), min_size=2, max_size=9),
    separator=st.sampled_from(",;\t|"),
    decimal=st.sampled_from(".,"),
)
def test_tables_are_those_of_pandas_whatever_divides_them(tmp_path_factory, values, separator, decimal):
    frame, path = pd.DataFrame(values, columns=["a", "b", "y"]), tmp_path_factory.mktemp("t") / "table.csv"
    frame.to_csv(path, index=False, sep=separator, decimal=decimal)
    data = read(path, targets="y")
    np.testing.assert_array_equal(data.inputs, frame[["a", "b"]].astype(np.float32))
    np.testing.assert_array_equal(data.targets, frame[["y"]].astype(np.float32))


def test_commas_in_names_divide_nothing(write):
    data = read(write("mass, kg;length, m;y\n1,5;2,5;3\n2,5;2,25;4\n"), targets="y")
    assert data.input_names == ["mass, kg", "length, m"]
    assert data.inputs.tolist() == [[1.5, 2.5], [2.5, 2.25]]


def test_spaces_divide_when_that_is_said(write):
    path = write("a b  y\n1 2 3\n4  5 6\n")
    with pytest.raises(HandsonError, match=r"say csv=\{'separator': ' '\}"):
        read(path)
    assert read(path, targets="y", csv={"separator": " "}).inputs.tolist() == [[1, 2], [4, 5]]


def test_a_comma_that_may_mean_two_things_is_asked_about(write):
    path = write("a;y\n1,500;2\n3,250;4\n")
    with pytest.raises(HandsonError, match=r"csv=\{'decimal': ','\} or csv=\{'thousands': ','\}"):
        read(path, targets="y")
    assert read(path, targets="y", csv={"decimal": ","}).inputs.ravel().tolist() == [1.5, 3.25]
    assert read(path, targets="y", csv={"thousands": ","}).inputs.ravel().tolist() == [1500, 3250]


@pytest.mark.parametrize(
    ("value", "cure"),
    [
        ("1.234,5", "csv={'thousands': '.', 'decimal': ','}"),
        ('"1,234.5"', "csv={'thousands': ','}"),
        ("2020-01-01", "A date or time becomes a number"),
        ("12:30", "A date or time"),
        ("yes", "1 and 0"),
        ("?", "leave the field empty"),
        ("3 kg", "without its unit"),
        ("5%", "without its unit"),
        ("x", "Code it as numbers"),
    ],
)
def test_what_is_no_number_is_refused_with_its_cure(write, value, cure):
    with pytest.raises(HandsonError) as caught:
        read(write(f"a;y\n1;2\n{value};3\n"), targets="y")
    assert "row 1, column 'a'" in str(caught.value)
    assert cure in str(caught.value)


def test_targets_have_decimal_commas_too(write):
    data = read(write("a;y\n1,5;2,5\n2,25;3,75\n"), targets="y")
    assert data.targets.tolist() == [[2.5], [3.75]]


def test_a_sign_of_thousands_elsewhere_is_refused(write):
    """pandas makes 15 of '1,5' then."""
    with pytest.raises(HandsonError, match="',' groups thousands, which it does not in '1,5'"):
        read(write("a;y\n1,5;2\n1,234;3\n"), targets="y", csv={"thousands": ","})


@pytest.mark.parametrize("digits", ["9" * 400, "9" * 5000, "1e39", "-1e39"])
@pytest.mark.parametrize("column", ["a", "y"])
def test_numbers_that_are_too_large_are_named(write, digits, column):
    row = f"{digits},3" if column == "a" else f"3,{digits}"
    with pytest.raises(HandsonError, match=f"row 1, column '{column}': .*too large"):
        read(write(f"a,y\n1,2\n{row}\n"), targets="y")


def test_dates_in_parquet_are_refused_with_their_cure(tmp_path):
    frame = pd.DataFrame({"a": pd.to_datetime(["2020-01-01", "2020-01-02"]), "y": [1.0, 2.0]})
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(HandsonError, match=r"column 'a' holds dates or times.*dt\.days"):
        read(tmp_path / "a.parquet", targets="y")


# Encodings


def test_encodings_are_read_or_asked_for(write):
    text = "é,y\n1,2\n"
    for encoding in ("utf-8", "utf-8-sig"):
        assert read(write(text.encode(encoding)), targets="y").input_names == ["é"]
    for encoding in ("latin-1", "utf-16", "utf-16-le", "utf-32"):
        path = write(text.encode(encoding))
        with pytest.raises(HandsonError, match=r"csv=\{'encoding': '"):
            read(path, targets="y")
        assert read(path, targets="y", csv={"encoding": encoding}).input_names == ["é"]


def test_another_encoding_behind_the_first_lines_is_named(write):
    with pytest.raises(HandsonError, match=r"csv=\{'encoding': 'latin-1'\}"):
        read(write(("a,y\n" + "1,2\n" * 40_000 + "3,é\n").encode("latin-1")), targets="y")


# Size, and what is said of a file


@pytest.mark.parametrize("separator", [",", ";"])
def test_too_many_columns_are_refused_before_they_are_parsed(write, monkeypatch, separator):
    monkeypatch.setattr("handson.data.reading.tables.pd.read_csv", None)
    with pytest.raises(HandsonError, match="about 200,000 columns"):
        read(write(separator.join(f"c{number}" for number in range(200_000)) + "\n1\n"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seperator": ";"}, "unknown key 'seperator'. Did you mean 'separator'"),
        ({"separator": ";;"}, "separator is one character"),
        ({"header": "a"}, "header is True, False, or a list"),
        ({"encoding": "latin-0"}, "no text encoding 'latin-0'"),
        ({"encoding": "hex"}, "no text encoding 'hex'"),
        ({"decimal": ",", "thousands": ","}, "decimal and thousands differ"),
        ("semicolon", "csv is a mapping"),
    ],
)
def test_what_is_said_wrongly_is_named(given, message):
    with pytest.raises(HandsonError, match=message):
        CsvFormat.of(given)


def test_other_files_are_no_csv_files(tmp_path):
    pd.DataFrame({"a": [1.0], "y": [2.0]}).to_parquet(tmp_path / "a.parquet")
    np.save(tmp_path / "a.npy", np.ones((2, 2)))
    for name in ("a.parquet", "a.npy"):
        with pytest.raises(HandsonError, match="csv="):
            read(tmp_path / name, csv={"decimal": ","})


def test_spaces_around_names_are_none_of_them(write):
    data = read(write("id , a, b ,y \n1,2,3,007\n2,4,5,8\n"), targets="y", ids="id", classes="auto")
    assert (data.input_names, data.target_names) == (["a", "b"], ["y"])
    assert (data.classes, data.ids.tolist()) == (["007", "8"], [1, 2])


def test_several_names_of_blanks_are_no_names(write):
    with pytest.raises(HandsonError, match="column 1 has no name"):
        read(write("\x1f;\x1e;y\n1;3;4\n1;3;5\n"), targets="y")
    assert read(write("\x1f;\x1e;y\n1;3;4\n2;3;5\n"), targets="y", inputs="Unnamed: 1").inputs.tolist() == [[3], [3]]


def test_codes_that_are_read_as_numbers_are_told(write):
    text = "zip,n,y\n501,0.5,1\n00502,0,2\n00503,0,3\n"
    (told,) = read(write(text), targets="y").notes
    assert told.startswith("column 'zip': '00502' is read as the number 502. If these are codes, name the column in")
    assert read(write(text), targets="y", inputs=["n"]).notes == []
    assert read(write(text), targets="y", ids="zip").ids.tolist() == ["501", "00502", "00503"]


@pytest.mark.parametrize("value", [{"a": 1}, [1, 2], np.zeros(2)])
def test_columns_of_other_things_in_parquet_are_refused(tmp_path, value):
    pd.DataFrame({"x": [value, value], "y": [1.0, 2.0]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(HandsonError, match="row 0.* (is not a number|is no square)"):
        read(tmp_path / "a.parquet", targets="y")


@pytest.mark.parametrize(
    ("text", "where", "csv"),
    [
        ("a,b,y\n1,2,3\n4,5\n6,7,8\n", r"line 3 has 2 of 3 fields, and ends with '5'", None),
        ("a,b,y\n\n1,2,3\n4,5,6\n6,", r"line 5 has 2 of 3 fields", None),
        ('a,b,y\n"1\n",2,3\n1\n', r"line 4 has 1 of 3 fields", None),
        ("a;b;y\n1,5;2;3\n4,5;5\n", r"line 3 .*Empty fields have separators too: ';;'", None),
        ("1,2,3\n4,5\n", r"line 2 has 2 of 3", {"header": ["a", "b", "y"]}),
        ("a b y\n1 2 3\n4 5\n", r"row 3 of the file has 2 of 3", {"separator": " "}),
    ],
)
@pytest.mark.parametrize("classes", [None, "auto"])
def test_a_row_that_ends_early_is_refused_with_its_line(write, text, where, csv, classes):
    with pytest.raises(HandsonError, match=f"table.csv, {where}"):
        read(write(text), targets="y", inputs=["b"], csv=csv, classes=classes)


def test_an_empty_last_field_is_a_missing_target(write):
    data = read(write("a,b,y\n1,2,\n4,5,6\n"), targets="y")
    np.testing.assert_array_equal(data.targets[:, 0], [np.nan, 6])

"""Input columns of categories: against pandas' and scikit-learn's one-hot codes, and from a table to predictions."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import OneHotEncoder

from handson.core.errors import HandsonError
from handson.data.reading.categories import base_of
from handson.data.reading.sources import read
from handson.workflow.experiment import Experiment
from handson.workflow.runs import Run

TABLE = "area,town,rooms,price\n30,Lyon,1,5\n40,Paris,2,6\n50,Lyon,2,7\n"


@pytest.fixture
def write(tmp_path):
    """Write a table; gives its path."""

    def put(text, name="houses.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return put


@pytest.mark.parametrize("chosen", ["auto", "town", ["town"]])
def test_each_value_becomes_an_input_in_the_place_of_the_column(write, chosen):
    data = read(write(TABLE), targets="price", categories=chosen)
    assert data.input_names == ["area", "town=Lyon", "town=Paris", "rooms"]
    assert data.inputs.tolist() == [[30, 1, 0, 1], [40, 0, 1, 2], [50, 1, 0, 2]]
    assert data.inputs.dtype == np.float32
    assert not data.notes


def test_values_are_inputs_by_their_names(write):
    data = read(write(TABLE), targets="price", inputs=["town=Paris", "area", "town=Lyon"])
    assert data.input_names == ["town=Paris", "area", "town=Lyon"]
    assert data.inputs.tolist() == [[0, 30, 1], [1, 40, 0], [0, 50, 1]]


@given(
    words=st.lists(st.text("ab=é 0.", min_size=1, max_size=4).filter(str.strip), min_size=1, max_size=8),
    suffix=st.sampled_from([".csv", ".parquet"]),
)
def test_codes_are_those_of_scikit_learn_and_are_found_again_by_name(tmp_path_factory, words, suffix):
    values = [f"w{word.strip()}" for word in words]
    frame = pd.DataFrame({"a": values, "b": np.arange(len(words)) + 0.5, "y": 1.0})
    path = tmp_path_factory.mktemp("tables") / f"table{suffix}"
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    encoder = OneHotEncoder(sparse_output=False).fit(frame[["a"]])
    data = read(path, targets="y", categories=["a"])
    assert data.input_names == [*(f"a={value}" for value in encoder.categories_[0]), "b"]
    np.testing.assert_array_equal(data.inputs[:, :-1], encoder.transform(frame[["a"]]))
    again = read(path, targets=[], inputs=data.input_names)
    np.testing.assert_array_equal(again.inputs, data.inputs)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_numbers_and_codes_are_categories_as_they_are_written(write, tmp_path, suffix):
    frame = pd.DataFrame({"code": ["007", "07", "12"], "size": [2, 10, 2], "y": [1, 2, 3]})
    path = tmp_path / f"table{suffix}"
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    data = read(path, targets="y", categories=["code", "size"])
    assert data.input_names == ["code=007", "code=07", "code=12", "size=2", "size=10"]
    assert data.inputs.tolist() == [[1, 0, 0, 1, 0], [0, 1, 0, 0, 1], [0, 0, 1, 1, 0]]


def test_what_is_in_no_category_is_told(write):
    path = write("town,y\nLyon,1\n,2\nNice,3\nNice,4\nNA,5\n")
    data = read(path, targets="y", inputs=["town=Lyon", "town=Paris"])
    assert data.inputs.tolist() == [[1, 0], [0, 0], [0, 0], [0, 0], [0, 0]]
    assert data.notes == [
        "column 'town': empty rows are in none of its categories (1 of 5).",
        "column 'town', row 2: 'Nice' is none of its categories ('Lyon', 'Paris'), nor is the value of 2 other rows: "
        "they are in none.",
    ]


@pytest.mark.parametrize(
    ("text", "said", "message"),
    [
        (TABLE, {}, "'Lyon' is not a number. Code it as numbers, or name it in categories"),
        (TABLE, {"categories": ["twn"]}, "categories name 'twn', which is no input. Did you mean 'town'"),
        (TABLE, {"categories": ["price"]}, "categories name 'price', which is no input"),
        (TABLE, {"inputs": ["twn=Lyon"]}, "no column 'twn=Lyon'"),
        ("town,y\n" + "".join(f"t{n},1\n" for n in range(1001)), {"categories": "auto"}, "has 1,001 different values"),
        ("town,x,y\n,1,2\n,2,3\n", {"categories": ["town"]}, "has no value"),
        ("town,x,y\nA b,1,2\nA  b,2,3\n", {"categories": ["town"]}, "look the same"),
        ("i,y\n1 2 3 4,1\n1 2 3 4,2\n", {"categories": "auto", "image": "i"}, "its inputs are images"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_an_error_that_says_what_to_do(write, text, said, message):
    with pytest.raises(HandsonError, match=message):
        read(write(text), targets="price" if "price" in text else "y", **said)


def test_tables_that_stay_in_their_file_and_arrays_have_none(tmp_path):
    pd.DataFrame({"town": ["a", "b"], "y": [1.0, 2.0]}).to_parquet(tmp_path / "a.parquet")
    for said in ({"categories": ["town"]}, {"inputs": ["town=a"]}):
        with pytest.raises(HandsonError, match="tables that are read at once, in_memory=True"):
            read(tmp_path / "a.parquet", targets="y", in_memory=False, **said)
    np.save(tmp_path / "a.npy", np.ones((2, 2)))
    with pytest.raises(HandsonError, match="'.npy' file, for which categories='auto' has no meaning"):
        read(tmp_path / "a.npy", categories="auto")


@pytest.mark.parametrize(
    ("name", "columns", "base"),
    [
        ("a=b", ["a"], "a"),
        ("a=b", ["a=b", "a"], None),
        ("a=b=c", ["a=b"], "a=b"),
        ("ab", ["a"], None),
        ("=b", [], None),
    ],
)
def test_the_column_of_a_name(name, columns, base):
    assert base_of(name, columns) == base


def test_a_run_finds_the_categories_of_its_training_in_other_tables(tmp_path, write):
    experiment = Experiment(
        name="houses",
        data={"path": str(write(TABLE + "60,Nice,3,8\n70,Nice,1,9\n")), "targets": "price", "categories": "auto"},
        split={"validation": 0.2, "seed": 0},
        model=[{"Dense": {"units": 1}}],
        fit={"epochs": 1},
    )
    run = Run.create(experiment, tmp_path)
    run.fit(run.read_data(), verbose=0)
    assert run.columns()["inputs"] == ["area", "town=Lyon", "town=Nice", "town=Paris", "rooms"]
    other = write("town,area,rooms\nParis,30,2\nNice,30,2\n", "other.csv")
    rows = run.read_inputs(other)
    assert rows.inputs.tolist() == [[30, 0, 0, 1, 2], [30, 0, 1, 0, 2]]
    assert run.read_data().inputs.shape == (5, 5)

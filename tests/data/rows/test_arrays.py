"""From what a user passes to tensors, and errors that say where a value is wrong."""

import warnings
from itertools import product

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.core.errors import HandsonError
from handson.data.rows import stored
from handson.data.rows.arrays import as_labels, as_tensor, check_finite, check_rows, columns_of

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
TYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u2", "u4", "u8", ">f4", ">f8", ">i4", "g"]


@pytest.mark.parametrize("dtype", TYPES)
def test_numbers_of_every_type_become_float32(dtype):
    data = np.array([[0, 1, 2], [3, 100, 127]], dtype=dtype)
    tensor = as_tensor(data, "inputs")
    assert tensor.dtype == torch.float32
    assert tensor.tolist() == [[0, 1, 2], [3, 100, 127]]


def test_bytes_stay_bytes_and_truth_values_become_bytes():
    assert as_tensor(np.array([0, 255], "uint8"), "inputs").dtype == torch.uint8
    for truth in (np.array([True, False]), torch.tensor([True, False]), [True, False]):
        tensor = as_tensor(truth, "inputs")
        assert (tensor.dtype, tensor.tolist()) == (torch.uint8, [1, 0])


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_arrays_of_the_right_type_are_shared_and_not_copied(dtype):
    data = np.zeros((2, 3), dtype)
    tensor = as_tensor(data, "inputs")
    data[1, 2] = 7
    assert tensor[1, 2] == 7


@settings(max_examples=25, deadline=None)
@given(shape=SHAPES, data=st.data())
def test_views_of_any_order_give_their_values(shape, data):
    values = np.random.default_rng(0).normal(size=shape).astype("float32")
    steps = tuple(slice(None, None, data.draw(st.sampled_from([1, 2, -1, -2]))) for _ in shape)
    view = values[steps].transpose(data.draw(st.permutations(range(len(shape)))))
    assert np.array_equal(as_tensor(view, "inputs").numpy(), view)


def test_an_array_that_cannot_be_written_to_is_taken_without_a_warning():
    data = np.ones(3, "float32")
    data.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert as_tensor(data, "inputs").tolist() == [1, 1, 1]


def test_a_memory_map_is_read_where_it_lies(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(6, dtype="float32").reshape(2, 3))
    tensor = as_tensor(np.load(tmp_path / "x.npy", mmap_mode="r"), "inputs")
    assert tensor.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_tensor_loses_its_history_and_not_its_memory():
    data = torch.ones(3, requires_grad=True)
    tensor = as_tensor(data, "inputs")
    assert not tensor.requires_grad
    assert tensor.data_ptr() == data.data_ptr()
    assert as_tensor(torch.ones(3, dtype=torch.float64), "inputs").dtype == torch.float32


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame({"a": [1.0, 3.0], "b": [2, 4]}),
        pd.DataFrame({"a": [1, 3], "b": [2, 4]}, dtype="Int64"),
        pd.DataFrame({"a": [True, 3], "b": [2.0, "4"]}, dtype=object),
        [[1, 2], [3, 4]],
        ((1.0, 2.0), (3.0, 4.0)),
        np.array([["1", "2"], ["3", "4e0"]]),
        [torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])],
    ],
    ids=["mixed", "nullable", "objects", "lists", "tuples", "text", "tensors"],
)
def test_tables_lists_and_numbers_in_text_are_taken(data):
    assert as_tensor(data, "inputs").tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    "data",
    [
        [1.0, None],
        np.array([1.0, None], dtype=object),
        pd.Series([1.0, None]),
        pd.Series([1, None], dtype="Int64"),
        pd.Series([1.0, None], dtype="Float64"),
        pd.Series([1.0, pd.NA], dtype=object),
    ],
    ids=["list", "objects", "series", "Int64", "Float64", "NA"],
)
def test_a_missing_number_becomes_nan(data):
    tensor = as_tensor(data, "targets")
    assert tensor[0] == 1
    assert torch.isnan(tensor[1])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, r"^inputs are missing: got None\.$"),
        ([[1, 2], [3]], r"^inputs are ragged: their rows have different lengths\.$"),
        (np.array(["2020-01-01"], "M8[D]"), r"^inputs must be numbers; got values of type datetime64\[D\]\.$"),
        (np.array([1j]), r"^inputs must be numbers; got values of type complex128\.$"),
        (torch.tensor([1j]), r"^inputs must be numbers; got values of type .*complex64\.$"),
        (3.0, r"^inputs must have one row for each sample; got the single value 3\.0\.$"),
        (torch.tensor(3.0), r"^inputs must have one row for each sample; got the single value 3\.0\.$"),
        ("data.csv", r"^inputs must .*'data\.csv'"),
        ([[1, "red"]], r"^inputs must be numbers; row 0 has .*'red'.*\. Leave the column out, or code"),
        ([1, 2, {}], r"^inputs must be numbers; row 2 has \{\}\. Leave the column out"),
        (scipy.sparse.csr_array(np.eye(3)), r"^inputs .*sparse"),
    ],
    ids=["none", "ragged", "dates", "complex", "complex_tensor", "scalar", "scalar_tensor", "path", "text", "object",
         "sparse"],
)  # fmt: skip
def test_what_is_not_numbers_is_an_error(data, message):
    with pytest.raises(HandsonError, match=message):
        as_tensor(data, "inputs")


def test_the_error_names_the_row_and_the_column_of_a_table():
    table = pd.DataFrame({"age": [30, 40, 50], "colour": [1, "red", "blue"]})
    with pytest.raises(
        HandsonError, match=r"^inputs must be numbers; row 1, column 'colour' has 'red'\. Leave the column"
    ):
        as_tensor(table, "inputs")


def test_columns_are_those_of_a_table_or_the_name_of_a_series():
    assert columns_of(pd.DataFrame({"a": [1], 2: [3]})) == ["a", "2"]
    assert columns_of(pd.Series([1], name="a")) == ["a"]
    assert columns_of(pd.Series([1])) is None
    assert columns_of(np.zeros((2, 2))) is None


@pytest.mark.parametrize(
    "data",
    [
        np.array([0, 2, 1]),
        np.array([0, 2, 1], "uint8"),
        np.array([0.0, 2.0, 1.0]),
        torch.tensor([0, 2, 1]),
        torch.tensor([0.0, 2.0, 1.0]),
        [0, 2, 1],
        pd.Series([0, 2, 1]),
        np.array(["0", "2", "1"]),
    ],
)
def test_labels_become_whole_numbers(data):
    labels = as_labels(data, "labels")
    assert labels.dtype == torch.int64
    assert labels.tolist() == [0, 2, 1]


def test_truth_values_are_labels():
    assert as_labels([True, False], "labels").tolist() == [1, 0]


@pytest.mark.parametrize("data", [[0.0, np.nan, 2.0], pd.Series([0, None, 2], dtype="Int64"), [0, None, 2]])
def test_a_missing_label_is_minus_one(data):
    assert as_labels(data, "labels").tolist() == [0, -1, 2]


@pytest.mark.parametrize("ignored", [-1, 0, 255])
@pytest.mark.parametrize("make", [np.array, torch.tensor, pd.Series, lambda labels: [float(label) for label in labels]])
def test_an_ignored_label_is_a_missing_one(make, ignored):
    assert as_labels(make([3, ignored, 1]), "labels", ignored).tolist() == [3, -1, 1]


def test_ignored_labels_in_bytes_and_under_masks_are_missing():
    in_bytes = np.array([255, 3, 0], "uint8")
    assert as_labels(in_bytes, "labels", 255).tolist() == [-1, 3, 0]
    assert as_labels(in_bytes, "labels", -1).tolist() == [255, 3, 0]
    assert as_labels(np.ma.array([7, 3, 0], mask=[False, True, False]), "labels", 7).tolist() == [-1, -1, 0]


def test_large_labels_are_exact():
    assert as_labels(np.array([2**24 + 1]), "labels").tolist() == [2**24 + 1]
    assert as_labels(np.array([2.0**24 + 1]), "labels").tolist() == [2**24 + 1]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([0.0, 1.0, 1.5], r"^labels are whole numbers 0, 1, 2, \.\.\.; row 2 has 1\.5\.$"),
        ([[0.0, 1.0], [0.5, 1.0]], r"row 1 has \[0\.5, 1\.0\]\.$"),
        ([0.0, -1.0], r"^labels start at 0; the smallest is -1\.$"),
        ([0, -1], r"^labels start at 0; the smallest is -1\.$"),
        (np.array([-1, 1, -3], "int8"), r"^labels start at 0; the smallest is -3\.$"),
        (torch.tensor([1, -1]), r"^labels start at 0; the smallest is -1\.$"),
        ([0.0, np.inf], r"^labels .*row 1 has inf"),
    ],
)
def test_labels_that_are_none_are_errors(data, message):
    with pytest.raises(HandsonError, match=message):
        as_labels(data, "labels")


@settings(max_examples=40, deadline=None)
@given(shape=SHAPES, data=st.data(), value=st.sampled_from([np.nan, np.inf, -np.inf]))
def test_the_place_of_the_first_value_that_is_not_finite_is_named(shape, data, value):
    bad = sorted(data.draw(st.sets(st.sampled_from(list(product(*map(range, shape)))), min_size=1, max_size=3)))
    x = np.zeros(shape, "float32")
    for place in bad:
        x[place] = value
    where = f"row {bad[0][0]}" + (f", position {tuple(bad[0][1:])}" if len(shape) > 1 else "")
    with pytest.raises(HandsonError) as error:
        check_finite(torch.tensor(x), "inputs")
    expected = f"inputs hold {float(value)} in {where}. Fill in or leave out such values: only targets may be missing."
    assert str(error.value) == expected


@pytest.mark.parametrize("piece", [1, 2, 6, 7, 1000])
def test_large_inputs_are_checked_piece_by_piece(monkeypatch, piece):
    monkeypatch.setattr(stored, "PIECE", piece)
    x = torch.zeros(20, 3)
    check_finite(x, "inputs")
    x[17, 2] = np.nan
    with pytest.raises(HandsonError, match=r"inputs hold nan in row 17, position \(2,\)\."):
        check_finite(x, "inputs")


def test_the_column_is_named_where_columns_have_names():
    x = torch.tensor([[1.0, 2.0], [3.0, float("inf")]])
    with pytest.raises(HandsonError, match=r"inputs hold inf in row 1, column 'height'\."):
        check_finite(x, "inputs", ["width", "height"])


@pytest.mark.parametrize(
    "x",
    [
        *(torch.zeros(3, 2), torch.zeros(0, 2), torch.ones(3, dtype=torch.uint8), torch.zeros(2, 0)),
        *(torch.full((3, 2), 3e38), torch.ones(3, dtype=torch.bfloat16)),  # the sum of the first is infinite
    ],
)
def test_finite_values_and_bytes_pass(x):
    check_finite(x, "inputs")


def test_other_numbers_of_rows_are_an_error():
    check_rows(torch.zeros(3, 2), {"targets": np.zeros(3), "sample_weight": None})
    with pytest.raises(HandsonError, match=r"^inputs have 3 rows and targets 4; they must have the same number\.$"):
        check_rows(torch.zeros(3, 2), {"targets": np.zeros(4)})


def test_no_rows_are_an_error():
    with pytest.raises(HandsonError, match=r"^there are no rows: the inputs are empty\.$"):
        check_rows(torch.zeros(0, 2), {})

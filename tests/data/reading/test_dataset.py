"""Data sets: rows and columns of what was read."""

import numpy as np
import pytest

from handson.core.errors import HandsonError
from handson.data.reading.dataset import Dataset


def test_rows_are_taken_by_mask_or_number():
    data = Dataset(np.arange(8).reshape(4, 2), np.arange(4)[:, None], groups=np.array(list("aabb")), ids=np.arange(4))
    for chosen in (np.array([False, True, False, True]), [1, 3]):
        part = data.rows(chosen)
        assert (part.inputs.tolist(), part.groups.tolist(), part.ids.tolist()) == ([[2, 3], [6, 7]], ["a", "b"], [1, 3])


def test_target_columns_are_taken_by_name():
    data = Dataset(np.zeros((2, 1)), np.array([[1, 2, 3], [4, 5, 6]]), [], ["a", "b", "c"])
    part = data.columns(["c", "a"])
    assert (part.targets.tolist(), part.target_names) == ([[3, 1], [6, 4]], ["c", "a"])


def test_unknown_target_columns_are_named_with_the_nearest():
    data = Dataset(np.zeros((2, 1)), np.zeros((2, 2)), [], ["alpha", "beta"])
    with pytest.raises(HandsonError, match="'alfa'.*Did you mean 'alpha'"):
        data.columns(["alfa"])


def test_a_data_set_without_targets_has_no_target_columns():
    with pytest.raises(HandsonError, match="table.csv has no targets"):
        Dataset(np.zeros((2, 1)), source="table.csv").columns(["a"])

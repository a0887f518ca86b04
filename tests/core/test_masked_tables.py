"""Masked cells of tables are missing, and nothing else of a table changes."""

import numpy as np
import pandas as pd
import pytest

from handson import Sequential
from handson.core.errors import HandsonError
from handson.core.masked import masked_as_missing
from handson.layers import Dense


def test_the_other_columns_keep_their_types_and_the_table_is_not_written_to():
    table = pd.DataFrame({"id": np.array([2**53 + 1, 2]), "single": np.ones(2, np.float32), "mixed": ["a", 1]})
    table["masked"] = pd.Series([1, np.ma.masked], dtype=object)
    table.columns = ["id", "id", "mixed", "masked"]  # places count, and not names
    found = masked_as_missing(table)
    assert found.dtypes.tolist()[:2] == [np.int64, np.float32]
    assert found.iloc[0].tolist() == [2**53 + 1, 1, "a", 1]
    assert np.isnan(found.iloc[1, 3])
    assert table.iloc[1, 3] is np.ma.masked


@pytest.mark.parametrize("data", [pd.DataFrame({"a": [1, "b"]}), pd.Series([1, 2]), pd.Series(["a", None])])
def test_tables_without_a_mask_are_given_back_as_they_are(data):
    assert masked_as_missing(data) is data


def test_masked_records_are_refused_as_records_are():
    records = np.ma.array([(1, 2.0)] * 4, dtype=[("a", int), ("b", float)], mask=[(True, False)] * 4)
    net = Sequential([Dense(1)])
    net.compile("sgd", "mse")
    with pytest.raises(HandsonError, match="inputs must be numbers; got values of type"):
        net.fit(records, np.ones(4), verbose=0)

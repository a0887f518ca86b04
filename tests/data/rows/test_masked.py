"""Masked values, in every kind of array that has masks, against the same data with NaN."""

import numpy as np
import pandas as pd
import pytest
import torch

import handson
from handson import NeuralNetClassifier, NeuralNetRegressor, Sequential
from handson.core.errors import HandsonError
from handson.data import Dataflow
from handson.data.rows.arrays import as_labels, as_rows, as_tensor
from handson.ensembles.cross_validation import taken
from handson.lasagne.layers import DenseLayer, InputLayer
from handson.layers import Dense, Embedding, Flatten, IntegerLookup, Normalization
from handson.nolearn.lasagne import NeuralNet, TrainSplit

MASK = np.array([[False, True], [True, False], [False, False]])
VALUES = np.array([[1, 99], [99, 4], [5, 6]])
EXPECTED = np.where(MASK, np.nan, VALUES)


def frame(kind):
    table = pd.DataFrame(VALUES, columns=["a", "b"]).astype(kind)
    return table.mask(MASK, pd.NA)


MASKED = {
    "integers": lambda: np.ma.array(VALUES, mask=MASK),
    "bytes": lambda: np.ma.array(VALUES.astype(np.uint8), mask=MASK),
    "float32": lambda: np.ma.array(VALUES.astype(np.float32), mask=MASK),
    "objects": lambda: np.ma.array(VALUES.astype(object), mask=MASK),
    "a hard mask": lambda: np.ma.array(VALUES, mask=MASK, hard_mask=True, fill_value=0),
    "masked where": lambda: np.ma.masked_equal(VALUES, 99),
    "a list of arrays": lambda: list(np.ma.array(VALUES, mask=MASK)),
    "a tuple of arrays": lambda: tuple(np.ma.array(VALUES, mask=MASK)),
    "a list of lists": lambda: [[1, np.ma.masked], [np.ma.masked, 4], [5, 6]],
    "an array of objects": lambda: np.array([[1, np.ma.masked], [np.ma.masked, 4], [5, 6]], dtype=object),
    "Int64": lambda: frame("Int64"),
    "UInt8": lambda: frame("UInt8"),
    "Float32": lambda: frame("Float32"),
    "a list of missing values": lambda: [[1, pd.NA], [None, 4], [5, 6]],
    "a table of objects": lambda: pd.DataFrame([[1, np.ma.masked], [np.ma.masked, 4], [5, 6]], columns=["a", "b"]),
    "a table of a masked array": lambda: pd.DataFrame(np.ma.array(VALUES, mask=MASK)),
}


@pytest.mark.parametrize("kind", MASKED)
def test_what_is_masked_is_missing(kind):
    np.testing.assert_array_equal(as_tensor(MASKED[kind](), "targets"), EXPECTED)
    np.testing.assert_array_equal(as_rows(MASKED[kind](), "targets"), EXPECTED)


@pytest.mark.parametrize("kind", MASKED)
def test_masked_labels_are_missing(kind):
    np.testing.assert_array_equal(as_labels(MASKED[kind](), "labels"), np.where(MASK, -1, VALUES))


@pytest.mark.parametrize("kind", MASKED)
def test_masked_inputs_are_refused_as_nan_is(kind):
    net = Sequential([Dense(1, input_dim=2)], seed=0)
    net.compile("sgd", "mse")
    with pytest.raises(HandsonError, match="inputs hold nan in row 0"):
        net.fit(MASKED[kind](), np.zeros(3), verbose=0)
    with pytest.raises(HandsonError, match="inputs hold nan in row 0"):
        net.predict(MASKED[kind]())


@pytest.mark.parametrize("kind", MASKED)
def test_a_training_on_masked_targets_is_that_on_nan(kind):
    x = np.random.default_rng(0).normal(size=(3, 4))
    results = []
    for y in (MASKED[kind](), EXPECTED):
        net = Sequential([Dense(2, input_dim=4)], seed=0)
        net.compile("sgd", "mse", metrics=["mae"])
        history = net.fit(x, y, epochs=2, verbose=0, validation_data=(x, y)).history
        results.append((*history["loss"], *history["val_mae"], net.evaluate(x, y, verbose=0)[0]))
    assert results[0] == results[1]


def test_masked_truth_and_torch_masks():
    mask = torch.from_numpy(~MASK)

    class Masked(torch.Tensor):
        def get_mask(self):
            return mask

        def get_data(self):
            return self.as_subclass(torch.Tensor)

    np.testing.assert_array_equal(as_tensor(torch.from_numpy(VALUES).as_subclass(Masked), "targets"), EXPECTED)


def test_one_masked_column_of_labels():
    labels = np.ma.array([0, 7, 1], mask=[False, True, False])
    np.testing.assert_array_equal(as_labels(labels, "labels"), [0, -1, 1])
    np.testing.assert_array_equal(as_labels(pd.Series([0, pd.NA, 1], dtype="Int64"), "labels"), [0, -1, 1])
    np.testing.assert_array_equal(as_labels(np.ma.array([True, False], mask=[False, True]), "labels"), [1, -1])


def test_a_mapped_array_under_a_mask(tmp_path):
    values = np.memmap(tmp_path / "a.bin", np.float32, "w+", shape=(5_000_000, 2))
    values[:3] = VALUES
    mask = np.zeros(values.shape, bool)
    mask[:3] = MASK
    np.testing.assert_array_equal(as_rows(np.ma.array(values, mask=mask), "inputs")[:3], EXPECTED)


def test_an_array_whose_mask_hides_nothing_is_shared():
    values = np.ones((3, 2), np.float32)
    assert as_tensor(np.ma.array(values), "inputs").data_ptr() == values.ctypes.data


def test_rows_of_a_masked_array_stay_masked():
    found = taken({"y": np.ma.array(VALUES, mask=MASK)}, np.array([1, 0]))["y"]
    np.testing.assert_array_equal(found, EXPECTED[[1, 0]])


def test_masked_sample_weights_are_refused():
    net = Sequential([Dense(1, input_dim=2)], seed=0)
    net.compile("sgd", "mse")
    with pytest.raises(HandsonError, match="sample weights are finite"):
        net.fit(np.ones((3, 2)), np.ones(3), sample_weight=np.ma.array([1, 1, 1], mask=[0, 1, 0]), verbose=0)


# Wherever data come in, not only in fit

HIDDEN = np.ma.array(np.full((6, 2), 1e6), mask=np.arange(12).reshape(6, 2) % 5 == 0)


def test_layers_operations_losses_and_metrics_see_nothing_under_a_mask():
    bare = np.where(HIDDEN.mask, np.nan, HIDDEN.data)
    assert torch.equal(torch.isnan(handson.ops.convert_to_tensor(HIDDEN)), torch.from_numpy(HIDDEN.mask))
    assert torch.equal(torch.isnan(Dense(1)(HIDDEN))[:, 0], torch.from_numpy(HIDDEN.mask.any(1)))
    for make in (handson.losses.MeanSquaredError, handson.metrics.MeanAbsoluteError):
        assert float(make()(HIDDEN, np.zeros((6, 2)))) == float(make()(bare, np.zeros((6, 2))))


@pytest.mark.parametrize("layer", [Normalization(), IntegerLookup()])
def test_layers_are_not_adapted_to_what_is_masked(layer):
    with pytest.raises(HandsonError, match=r"finite numbers; got NaN|whole numbers"):
        layer.adapt(HIDDEN)


def test_masked_ids_are_refused():
    net = Sequential([Embedding(9, 2), Flatten(), Dense(1)])
    net.compile("adam", "mse")
    with pytest.raises(HandsonError, match="inputs hold nan in row 0"):
        net.fit(np.ma.array([[7, 1], [2, 3]], mask=[[True, False], [False, False]]), [0.0, 1.0], verbose=0)


def test_flows_train_on_nothing_masked():
    x, y = np.eye(6), HIDDEN[:, :1]
    found = []
    for targets in (y, np.where(y.mask, np.nan, y.data)):
        net = Sequential([Dense(1)], seed=0)
        net.compile("sgd", "mse")
        found.append(net.fit(Dataflow.from_tensor_slices((x, targets)).batch(3), verbose=0).history["loss"])
    assert found[0] == found[1]


def test_nets_of_nolearn_train_on_nothing_masked():
    net = NeuralNet(
        [("input", InputLayer), ("output", DenseLayer)], input_shape=(None, 6), regression=True, output_num_units=1,
        output_nonlinearity=None, update_learning_rate=0.1, max_epochs=1, train_split=TrainSplit(0),
    )  # fmt: skip
    y = np.ma.array(np.where(np.arange(6) > 3, 1e9, 0)[:, None], mask=np.arange(6)[:, None] > 3, dtype=np.float32)
    net.fit(np.eye(6, dtype=np.float32), y)
    assert net.train_history_[0]["train_loss"] < 100


@pytest.mark.parametrize("estimator", [NeuralNetRegressor, NeuralNetClassifier])
def test_estimators_take_masked_values_for_missing_ones(estimator):
    with pytest.raises(ValueError, match="Input X contains NaN"):
        estimator(epochs=1).fit(HIDDEN, np.arange(6) % 2)
    with pytest.raises(ValueError, match="Input y contains NaN"):
        estimator(epochs=1).fit(np.eye(6), np.ma.array(np.arange(6) % 2, mask=np.arange(6) > 4))
    fitted = estimator(epochs=1).fit(np.eye(6)[:, :2], np.arange(6) % 2)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        fitted.predict(HIDDEN)

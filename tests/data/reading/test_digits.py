"""Values that float32 would round or merge keep their digits from the file to the net; all others are float32."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from handson import Ensemble, Sequential, cross_validate, sweep
from handson.data import read
from handson.data.rows.arrays import as_ids, as_rows
from handson.data.rows.digits import narrowed
from handson.data.rows.mapped import MappedRows
from handson.ensembles.specialists import Specialists
from handson.layers import Dense, Embedding, Flatten
from handson.optimizers import SGD, Adam
from handson.workflow.experiment import Experiment

DATES = 2458849.5 + 0.1 * np.arange(200)
IDS = 16777216 + np.arange(200)


def written(folder, kind, x, y):
    """A file with one input and one target."""
    path = folder / f"a.{kind}"
    frame = pd.DataFrame({"x": x, "y": y})
    if kind in ("csv", "tsv"):
        frame.to_csv(path, index=False, sep="," if kind == "csv" else "\t")
    elif kind == "parquet":
        frame.to_parquet(path)
    else:
        np.savez(path, x=x[:, None], y=y)
    return path


@pytest.mark.parametrize("values", [DATES, IDS], ids=["dates", "ids"])
@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "npz"])
def test_every_reader_keeps_the_digits(tmp_path, kind, values):
    data = read(written(tmp_path, kind, values, values), targets="y")
    np.testing.assert_array_equal(data.inputs[:, 0], values)
    np.testing.assert_array_equal(data.targets[:, 0], values)


@pytest.mark.parametrize("values", [np.arange(200), np.arange(200) / 7, 1e6 + np.arange(200)])
@pytest.mark.parametrize("kind", ["csv", "parquet", "npz"])
def test_other_values_are_float32(tmp_path, kind, values):
    data = read(written(tmp_path, kind, values, values), targets="y")
    assert data.inputs.dtype == data.targets.dtype == np.float32


@settings(deadline=None)
@given(arrays(np.int64, st.integers(1, 20), elements=st.integers(-(1 << 53), 1 << 53)))
def test_whole_numbers_are_never_merged(values):
    np.testing.assert_array_equal(narrowed(values).astype(np.int64), values)


@settings(deadline=None)
@given(arrays(np.float64, st.tuples(st.integers(1, 20), st.integers(1, 3)), elements=st.floats(-1e300, 1e300)))
def test_what_is_narrowed_moves_by_little_of_the_spread(values):
    found = narrowed(values)
    if found.dtype == np.float64:
        assert found is values
        return
    with np.errstate(all="ignore"):
        moved, spread = np.abs(found - values).max(0), np.std(values, 0)
    assert (np.isinf(found).any(0) | np.isinf(spread) | (spread == 0) | (moved <= 1e-3 * spread + 1e-44)).all()


def test_missing_values_and_infinities_count_nowhere():
    values = DATES.copy()
    values[::3] = np.nan
    np.testing.assert_array_equal(narrowed(values), values)
    assert narrowed(np.array([np.nan, np.inf, 1.0])).dtype == np.float32


def test_an_experiment_learns_dates_by_their_differences(tmp_path):
    path = written(tmp_path, "csv", np.arange(200) / 100, DATES)
    experiment = Experiment(
        data={"path": str(path), "targets": "y"},
        model=[Dense(1)],
        compile={"scale_targets": "standard", "optimizer": Adam(0.1)},
    )
    data, net = experiment.read_data(), experiment.build()
    net.fit(data.inputs, data.targets, epochs=100, batch_size=200, seed=0, verbose=0)
    assert len(np.unique(net.predict(data.inputs))) == 200
    assert np.abs(net.predict(data.inputs) - data.targets).max() < 2


def line(scaled=True):
    net = Sequential([Dense(1, input_dim=1)], seed=0)
    net.compile(Adam(0.1), "mse", **({"scale_inputs": "standard", "scale_targets": "standard"} if scaled else {}))
    return net


def test_several_nets_keep_the_digits_of_one(tmp_path):
    x = DATES[:, None]
    alone = line()
    alone.fit(x, DATES, epochs=3, verbose=0)
    together = Ensemble([line()]).fit(x, DATES, epochs=3, verbose=0)
    np.testing.assert_array_equal(together.predict(x), alone.predict(x))
    assert together.evaluate(x, DATES) == pytest.approx(alone.evaluate(x, DATES), rel=1e-4)
    swept = sweep(line, {"scaled": [True]}, x, DATES, seed=0, monitor="loss", epochs=3, verbose=0)
    assert len(np.unique(swept.best.predict(x))) == len(x)
    found = cross_validate(line, x, DATES, folds=2, seed=0, epochs=3, verbose=0)
    assert len(np.unique(found.predictions)) == len(x)


def test_specialists_keep_the_digits_of_the_net_they_start_from():
    x, y = DATES[:, None], pd.DataFrame({"a": DATES, "b": DATES})
    net = Sequential([Dense(2, input_dim=1)], seed=0)
    net.compile(Adam(0.1), "mse", scale_inputs="standard", scale_targets="standard")
    net.fit(x, y, epochs=100, batch_size=200, verbose=0)
    special = Specialists(net, {"a": ["a"], "b": ["b"]}).fit(x, y, epochs=2, verbose=0)
    predicted = special.predict(x)
    assert len(np.unique(predicted[:, 0])) == len(x)
    assert np.abs(predicted - y.to_numpy()).max() < 2


@pytest.mark.parametrize("form", [np.array, torch.tensor, lambda ids: ids.astype(float), lambda ids: pd.DataFrame(ids)])
def test_ids_arrive_at_an_embedding_as_they_are(form):
    net = Sequential([Embedding(16777220, 1, input_length=1), Flatten(), Dense(1)], seed=0)
    found = net.predict(form(np.array([[16777216], [16777217]])))
    assert found[0] != found[1]


def test_ids_of_a_mapped_file_stay_whole_and_wide_values_wide(tmp_path):
    np.save(tmp_path / "ids.npy", IDS[:, None])
    np.save(tmp_path / "dates.npy", DATES[:, None])
    ids, dates = (MappedRows(np.load(tmp_path / f"{name}.npy", mmap_mode="r"), "inputs") for name in ("ids", "dates"))
    assert as_ids(ids, "inputs")[:2].tolist() == [[16777216], [16777217]]
    assert as_ids(dates, "inputs") is None
    assert as_rows(dates, "inputs", double=True)[:2].tolist() == DATES[:2, None].tolist()


# What no float holds is told

LARGE = np.array([2**53 + 1, 2**53, 2**53 + 3])


@pytest.mark.parametrize("role", ["x", "y"])
@pytest.mark.parametrize("kind", ["csv", "parquet", "npz"])
def test_whole_numbers_that_no_float_holds_are_told(tmp_path, kind, role):
    small = np.arange(3)
    x, y = (LARGE, small) if role == "x" else (small, LARGE)
    (told,) = read(written(tmp_path, kind, x, y), targets="y").notes
    assert told.startswith(f"column '{role}': 9007199254740993 becomes 9007199254740992, for floats hold")
    assert read(written(tmp_path, kind, LARGE - 3, small), targets="y").notes == []


def test_such_numbers_are_told_where_some_are_missing_or_only_positive(tmp_path):
    pd.DataFrame({"x": pd.array([LARGE[0], None], "Int64"), "y": [1.0, 2.0]}).to_parquet(tmp_path / "a.parquet")
    assert "9007199254740993 becomes" in read(tmp_path / "a.parquet", targets="y").notes[0]
    pd.DataFrame({"x": np.array([2**64 - 1, 1], "u8"), "y": [1.0, 2.0]}).to_csv(tmp_path / "a.csv", index=False)
    assert "18446744073709551615 becomes 18446744073709551616" in read(tmp_path / "a.csv", targets="y").notes[0]


def test_ids_groups_and_classes_keep_such_numbers(tmp_path):
    frame = pd.DataFrame({"i": LARGE, "g": LARGE, "x": [1, 2, 3], "y": LARGE})
    frame.to_csv(tmp_path / "a.csv", index=False)
    data = read(tmp_path / "a.csv", targets="y", classes="auto", ids="i", groups="g")
    assert data.ids.tolist() == data.groups.tolist() == LARGE.tolist()
    assert (data.classes, data.notes) == ([str(number) for number in sorted(LARGE)], [])


@pytest.mark.parametrize("kind", ["csv", "parquet", "npz"])
def test_dates_beside_a_number_for_missing_ones_are_told(tmp_path, kind):
    dates = np.where(np.arange(200) % 9 == 0, -999.0, DATES)
    (told,) = read(written(tmp_path, kind, dates, np.arange(200)), targets="y").notes
    assert told.startswith("column 'x': most of its values lie so close together")
    assert "write NaN" in told


def test_fit_tells_the_same_of_arrays_and_tables(capsys):
    dates = np.where(np.arange(200) % 9 == 0, -999.0, DATES)
    net = Sequential([Dense(1, input_dim=1)])
    net.compile(SGD(1e-30), "mse")
    net.fit(pd.DataFrame({"day": dates}), np.zeros(200), verbose=2)
    assert "inputs: column 'day': most of its values lie so close" in capsys.readouterr().out
    net.fit(np.exp(np.linspace(0, 40, 200))[:, None] * 1e-20, np.zeros(200), verbose=2)
    assert "values lie so close" not in capsys.readouterr().out

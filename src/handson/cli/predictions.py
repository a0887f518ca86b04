"""What `handson predict` writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from handson.core import console
from handson.core.errors import HandsonError
from handson.faces.submission import read_lookup, submission, write_table
from handson.files import atomic
from handson.workflow.runs import probabilities, say_notes

if TYPE_CHECKING:
    from handson.data.reading.dataset import Dataset
    from handson.workflow.runs import Run

# Endings of tables and arrays that are no plain CSV.
OTHER_FORMATS = {".tsv", ".gz", ".bz2", ".xz", ".zip", ".parquet", ".npy", ".npz", ".xlsx", ".json", ".h5"}


def check_csv(path: Path | None) -> None:
    """Raise for a name that says another format than the one that is written."""
    if path is not None and path.suffix.lower() in OTHER_FORMATS:
        raise HandsonError(f"predictions are written as CSV, not as {path.suffix}: give --out {path.stem}.csv.")


def write_predictions(
    run: Run, data: str, lookup: Path | None, out: Path | None, net_only: bool, spread: bool = False
) -> Path:
    """Predict, and write a table of predictions or, with a look-up table, a submission; returns its path."""
    asked = None if lookup is None else read_lookup(lookup)
    rows = run.read_inputs(data, ids=run.experiment.data.ids or (None if asked is None else "ImageId"))
    path = out or run.folder / ("predictions.csv" if asked is None else "submission.csv")
    # What goes to a pipe or to the output itself is not mixed with words.
    tell = console.warn if atomic.is_special(path) else console.say
    say_notes(rows, tell)
    net, special = run.net(), None if net_only else run.specialists()
    predictor: Any = net if special is None else special
    if spread:
        _check_spread(run, lookup, special)
        predicted, deviations = net.predict(rows.inputs, spread=True)
    else:
        predicted, deviations = probabilities(net, predictor.predict(rows.inputs)), None
    if asked is None:
        table = prediction_table(run, rows, predicted)
        if deviations is not None:
            names = [f"spread of {name}" for name in run.columns()["targets"]]
            table = table.join(pd.DataFrame(deviations, columns=names))
    else:
        columns = run.columns()["targets"]
        identities = np.arange(1, len(rows) + 1) if rows.ids is None else rows.ids
        table = submission(predicted, columns, identities, asked)
    write_table(table, path, all_digits=predicted.dtype == np.float64)
    by = "the net" if special is None else "the specialists"
    tell(f"{len(rows)} rows predicted by {by}: {path} ({len(table)} lines)")
    return path


def _check_spread(run: Run, lookup: Path | None, special: Any) -> None:
    """Raise where there is no place for a spread, or it is not known."""
    if lookup is not None:
        raise HandsonError("a submission has no column for --spread: leave it or --lookup out.")
    if special is not None:
        raise HandsonError("specialists predict no spread: add --net-only.")
    if run.columns()["classes"] is not None:
        raise HandsonError("--spread is for values: of classes the table has the probability of each.")


def prediction_table(run: Run, rows: Dataset, predicted: np.ndarray) -> pd.DataFrame:
    """Predictions with the names of their columns; of classes, the likeliest and the probability of each."""
    columns = run.columns()
    table = pd.DataFrame({"id": np.arange(len(rows)) if rows.ids is None else rows.ids})
    if columns["classes"] is None:
        return table.join(pd.DataFrame(predicted, columns=columns["targets"]))
    if predicted.shape[1] == 1:
        predicted = np.concatenate([1 - predicted, predicted], 1)
    table["class"] = np.array(columns["classes"])[predicted.argmax(1)]
    return table.join(pd.DataFrame(predicted, columns=[f"probability of {name}" for name in columns["classes"]]))

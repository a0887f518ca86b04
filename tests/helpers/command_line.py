"""Commands as from a shell, in a folder with data of every kind."""

import contextlib
import io
import os
import sys
from unittest.mock import patch

import numpy as np
import pandas as pd

from handson.cli import main

NAMES = ["left_eye_x", "left_eye_y", "right_eye_x", "right_eye_y", "nose_x", "nose_y"]
FACES = """
name: tiny
data: {path: train.csv}
augment: {horizontal_flip: true, rotation: 10}
model:
  - Flatten
  - Dense: {units: 8, activation: relu}
  - Dense: {units: 6}
compile:
  optimizer: {Adam: {learning_rate: 1e-2}}
  metrics: [rmse]
  scale_inputs: {shift: 0, scale: 255}
  scale_targets: {shift: 4, scale: 4}
fit: {epochs: 2, batch_size: 8}
specialists:
  epochs: 2
  groups: {eyes: [left_eye_x, left_eye_y, right_eye_x, right_eye_y], nose: [nose_x, nose_y]}
"""
TABLE = """
name: table
data: {path: table.csv, targets: y}
model: [{Dense: {units: 1}}]
compile: {optimizer: adam}
fit: {epochs: 2}
"""
KINDS = """
name: kinds
data: {path: kinds.csv, targets: kind}
model: [{Dense: {units: 3, activation: softmax}}]
compile: {optimizer: {Adam: {learning_rate: 0.1}}, loss: sparse_categorical_crossentropy, metrics: [acc]}
fit: {epochs: 30}
"""
LOGITS = """
name: logits
data: {path: two.csv, targets: kind}
model: [{Dense: {units: 1}}]
compile: {optimizer: adam, loss: {BinaryCrossentropy: {from_logits: true}}}
fit: {epochs: 1}
"""


def faces(rows, size=8, seed=0):
    """Images with three bright spots, and where they are; the nose is missing in every third."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(1, size - 1, (rows, 3, 2)).round(2)
    y, x = np.mgrid[:size, :size] + 0.5
    distances = (x - points[..., 0, None, None]) ** 2 + (y - points[..., 1, None, None]) ** 2
    images = (200 * np.exp(-distances / 2)).sum(1).clip(0, 255).astype(int)
    frame = pd.DataFrame(points.reshape(rows, 6), columns=NAMES)
    frame.loc[::3, NAMES[4:]] = np.nan
    frame["Image"] = [" ".join(map(str, image.ravel())) for image in images]
    return frame


def write_data(folder):
    """The competition's files, a table, and classes."""
    faces(40).to_csv(folder / "train.csv", index=False)
    for name, size in (("test.csv", 8), ("large.csv", 10)):
        test = faces(10, size, seed=1)[["Image"]]
        test.insert(0, "ImageId", range(1, 11))
        test.to_csv(folder / name, index=False)
    asked = [(7, "nose_x"), (7, "left_eye_y"), (2, "right_eye_x"), (1, "nose_y")]
    lookup = pd.DataFrame([(row + 1, *pair, "") for row, pair in enumerate(asked)])
    lookup.columns = ["RowId", "ImageId", "FeatureName", "Location"]
    lookup.to_csv(folder / "lookup.csv", index=False)
    lookup.replace("nose_x", "nose_z").to_csv(folder / "wrong_feature.csv", index=False)
    lookup.replace(7, 77).to_csv(folder / "wrong_image.csv", index=False)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2)).round(3)
    pd.DataFrame({"flux [mag]": x[:, 0], "b": x[:, 1], "y": x.sum(1)}).to_csv(folder / "table.csv", index=False)
    kinds = np.array(["galaxy", "quasar", "star"])[np.digitize(x[:, 0], [-0.5, 0.5])]
    classes = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "kind": kinds})
    classes.to_csv(folder / "kinds.csv", index=False)
    classes[classes["kind"] != "galaxy"].to_csv(folder / "two.csv", index=False)
    for name, text in {"faces": FACES, "table": TABLE, "kinds": KINDS, "logits": LOGITS}.items():
        (folder / f"{name}.yaml").write_text(text)
    (folder / "broken.yaml").write_text("name: a\n\tb: c\n")
    (folder / "bytes.yaml").write_bytes("name: größe\n".encode("latin-1"))
    (folder / "misspelt.yaml").write_text(TABLE.replace("fit: {epochs: 2}", "fit:\n\n  epoch: 2"))
    (folder / "empty.csv").touch()


class Result:
    """The exit code of a command and what it printed."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err


def call(folder, *arguments):
    """Run a command in a folder, as from a shell."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        patch.object(sys, "argv", ["handson", *map(str, arguments)]),
        patch.dict(os.environ, {"COLUMNS": "120"}),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
            code = 0
        except SystemExit as left:
            code = left.code
    return Result(code, out.getvalue(), err.getvalue())


def ok(folder, *arguments):
    result = call(folder, *arguments)
    assert (result.code, result.err) == (0, "")
    return result.out

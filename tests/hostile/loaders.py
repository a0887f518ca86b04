"""What reads files in handson, each under a name, so that the server of the hostile tests can be asked for it."""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import handson
import handson.cli.commands
import handson.cli.exploration
import handson.cli.tables
from handson import Sequential
from handson.cli import main as command_line
from handson.data import read
from handson.data.reading import tables
from handson.data.reading.dataset import Dataset
from handson.ensembles import specialists
from handson.kernels import image_text
from handson.layers import Dense
from handson.training.recording import checkpoint
from handson.workflow import runs
from handson.workflow.experiment import Experiment


def small_net():
    """A net that is trained for one step."""
    net = Sequential(
        [Dense(3, activation="relu", name="first", input_dim=2), Dense(1, name="last")], name="net", seed=0
    )
    net.compile("adam", "mse", scale_inputs="standard")
    net.fit(np.ones((4, 2), np.float32), np.ones(4, np.float32), epochs=1, verbose=0)
    return net


def weights(path, **arguments):
    """The values of a net's weights, which a file may fill."""
    return small_net().load_weights(path, **arguments)


def table(path, compiled=False, **arguments):
    """A table, by the compiled or by the plain way."""
    tables.WORTH_A_KERNEL = 0 if compiled else 1 << 60
    data = read(path, **arguments)
    return [list(np.shape(data.inputs)), str(data.inputs.dtype)]


def array(path, **arguments):
    """A data set of any kind."""
    data = read(path, **arguments)
    return [list(np.shape(data.inputs)), str(data.inputs.dtype)]


def experiment(path, build=False):
    """An experiment, and its net."""
    found = Experiment.from_yaml(path)
    return found.build().name if build else found.name


def run_folder(path, what):
    """Something of a run: columns, history, split, net or specialists."""
    run = runs.Run(path)
    if what == "split":
        rows = Dataset(np.zeros((4, 2), np.float32), np.zeros((4, 1), np.float32), target_names=["y"])
        return [len(part) for part in run.split(rows, verbose=0)]
    return str(getattr(run, what)())


def command(arguments, where):
    """A command line, in a folder."""
    os.chdir(where)
    sys.argv = ["handson", *arguments]
    command_line()


LOADERS = {
    "model": lambda path: handson.load(path).name,
    "predict": lambda path: handson.load(path).predict(np.ones((1, 2))).tolist(),
    "weights": weights,
    "checkpoint": lambda path: checkpoint.read(Path(path)).step,
    "newest": lambda path: getattr(checkpoint.newest(Path(path)), "step", None),
    "table": table,
    "array": array,
    "experiment": experiment,
    "run": run_folder,
    "specialists": lambda path: list(specialists.Specialists.load(path).models),
    "command": command,
}


def warm_up(folder):
    """Read a good file of every kind, so that nothing is imported or compiled later."""
    import threadpoolctl  # noqa: F401  (imported in a fork)
    from PIL import Image

    net = small_net()
    net.save(folder / "a.handson")
    LOADERS["predict"](folder / "a.handson")
    for suffix in (".h5", ".safetensors"):
        net.save_weights(folder / f"a{suffix}")
        weights(folder / f"a{suffix}")
    snapshot = checkpoint.Snapshot(1, "", {"weights/a": torch.zeros(1)}, {"a": 1})
    LOADERS["checkpoint"](checkpoint.write(folder, snapshot))
    (folder / "a.csv").write_text("x,y\n1,2\n3,4\n")
    table(folder / "a.csv", targets="y")
    np.save(folder / "a.npy", np.zeros((2, 2)))
    np.savez(folder / "a.npz", x=np.zeros((2, 2)))
    array(folder / "a.npy")
    array(folder / "a.npz")
    pd.DataFrame({"x": [1.0], "y": [2.0]}).to_parquet(folder / "a.parquet")
    table(folder / "a.parquet", targets="y")
    image_text.find_lines(np.zeros(2, np.uint8), 0, 44, True)
    (folder / "images").mkdir()
    for suffix in ("png", "jpg", "gif", "tif", "bmp", "webp"):
        Image.new("L", (4, 4)).save(folder / "images" / f"a.{suffix}")
    array(folder / "images", image_shape=(4, 4))
    (folder / "a.yaml").write_text("model:\n- Dense: {units: 1}\naugment: {}\nfit: {callbacks: [EarlyStopping]}\n")
    experiment(folder / "a.yaml", build=True)

"""An experiment, its YAML and its program are three forms of one thing; a new project runs at once."""

import importlib
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import handson
from handson import HandsonError, Model, Sequential, ops
from handson.callbacks import EarlyStopping
from handson.cli.commands import app
from handson.faces import EXPERIMENTS
from handson.layers import Concatenate, Dense, Input
from handson.losses import Huber
from handson.optimizers import SGD
from handson.schedules import Cosine
from handson.workflow.code import to_code
from handson.workflow.experiment import Experiment
from handson.workflow.new_project import FILES, write_project
from handson.workflow.runs import Run

ROOT = Path(__file__).resolve().parents[2]
WRITTEN = [*sorted((ROOT / "examples").glob("*.yaml")), *EXPERIMENTS.values()]


def program(experiment):
    """The names that the program of an experiment defines."""
    names = {"__name__": "program"}
    exec(compile(to_code(experiment), "program.py", "exec"), names)
    return names


def described(net):
    return Experiment.from_model(net).model_dump()


def branches():
    one, other = Input((2,), name="class"), Input((2,), name="2nd")
    tower = Sequential([Dense(4, "relu"), Dense(3, kernel_regularizer="l2")], name="tower")
    x = ops.abs(tower(one) - tower(other))
    net = Model([one, other], Dense(1, "sigmoid", name="net")(Concatenate()([x, one[:, :1]])), name="like")
    net.compile(SGD(Cosine(0.1), momentum=0.9), Huber(0.5), metrics=["mae", "rmse"], scale_inputs="standard")
    return net


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.stem)
def test_the_program_of_an_experiment_builds_its_net(path):
    experiment = Experiment.from_yaml(path)
    assert described(program(experiment)["build"]()) == described(experiment.build())


def test_a_net_with_branches_goes_through_yaml_and_code():
    first = Experiment.from_model(branches(), data={"path": "a.csv"}, fit={"callbacks": [EarlyStopping(patience=3)]})
    assert Experiment.from_yaml_text(first.to_yaml()) == first
    assert Experiment.from_model(first.build(), data=first.data, fit=first.fit) == first
    made = program(first)["build"]()
    assert made.input_names == ["class", "2nd"]
    assert described(made)["compile"] == described(first.build())["compile"]
    made.load_state_dict(branches().state_dict())  # weights have the same names and shapes


def test_a_program_holds_out_the_fold_of_its_experiment(tmp_path, monkeypatch):
    rows = np.random.default_rng(0).normal(size=(30, 3)).round(3)
    np.savetxt(tmp_path / "rows.csv", rows, delimiter=",", header="a,b,y", comments="")
    monkeypatch.chdir(tmp_path)
    experiment = Experiment(
        name="fold",
        data={"path": "rows.csv", "targets": "y"},
        split={"folds": 4, "fold": 2, "seed": 7},
        model=[{"Dense": {"units": 1}}],
        fit={"epochs": 1},
    )
    assert Experiment.from_yaml_text(experiment.to_yaml()) == experiment
    run = Run.create(experiment)
    run.fit(run.read_data(), verbose=0)
    exec(compile(to_code(experiment), "program.py", "exec"), {"__name__": "__main__"})
    for one, other in zip(run.net().get_weights(), handson.load("fold.handson").get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(HandsonError, match="fold 5 of 4: folds are numbered from 1 to 4"):
        run.read_data().fold(5, of=4)


def test_a_net_of_several_outputs_without_metrics_is_built_again():
    x = Input((4,))
    a, b = ops.split(x, 2, axis=-1)
    net = Model(x, [a + b, a * b])
    net.compile("adam", "mse", metrics=[])
    z, first = np.arange(8.0).reshape(2, 4), Experiment.from_model(net)
    for made in (first.build(), program(first)["build"]()):
        for found, truth in zip(made.predict(z), net.predict(z), strict=True):
            np.testing.assert_array_equal(found, truth)


@pytest.mark.parametrize(
    ("step", "match"),
    [
        ("{op: add, args: [{symbol: input_layer}, 1], inputs: input_layer}", "'inputs' or 'args'"),
        ("{Input: {shape: [3]}, inputs: input_layer}", "applied to nothing: leave inputs out"),
    ],
)
def test_a_step_that_would_be_ignored_in_part_is_refused(step, match):
    with pytest.raises(HandsonError, match=match):
        Experiment.from_yaml_text(f"model:\n  - Input: {{shape: [3]}}\n  - {step}\n")


def test_steps_in_yaml_are_checked_with_their_line():
    text = "model:\n  - Input: {shape: [3]}\n  - Dense: {unist: 1}\n    inputs: input_layer\n"
    with pytest.raises(HandsonError, match=r"line 3: .*no argument 'unist'\. Did you mean 'units'"):
        Experiment.from_yaml_text(text)


def test_a_user_may_write_input_and_the_inputs_of_a_step(tmp_path):
    text = """
    model:
      - Input: {shape: [3], name: x}
      - Dense: {units: 3}
      - Add: {}
        inputs: [x, dense]
      - {op: relu}
    """
    net = Experiment.from_yaml_text(text).build()
    assert [type(layer).__name__ for layer in net.layers] == ["InputLayer", "Dense", "Add"]
    assert net.predict(np.full((2, 3), -50.0)).min() >= 0


BRANCHES = [
    {"Input": {"shape": [2], "name": "x"}},
    {"Dense": {"units": 2, "activation": "relu"}},
    {"Dropout": {"rate": 0.2}},
    {"Add": {}, "inputs": ["x", "dropout"]},
    {"Dense": {"units": 2, "activation": "softmax"}},
]
STACK = [{"Dense": {"units": 4, "activation": "relu"}}, {"Dropout": {"rate": 0.2}}, BRANCHES[-1]]


@pytest.mark.parametrize(("model", "seed"), [(STACK, None), (STACK, 7), (BRANCHES, None)])
def test_the_program_trains_as_the_run_does(tmp_path, monkeypatch, model, seed):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = "\n".join(f"{a:.3f},{b:.3f},{'yes' if a > b else 'no'}" for a, b in rng.normal(size=(60, 2)))
    Path("a.csv").write_text(f"a,b,kind\n{rows}\n")
    experiment = Experiment(
        name="small", data={"path": "a.csv", "targets": "kind", "classes": "auto"}, split={"seed": seed},
        model=model,
        compile={"loss": "sparse_categorical_crossentropy", "scale_inputs": "standard"},
        fit={"epochs": 3, "batch_size": 8, "callbacks": [{"EarlyStopping": {"patience": 5}}], "seed": 3},
    )  # fmt: skip
    run = Run.create(experiment)
    run.fit(experiment.read_data(), verbose=0)
    exec(compile(to_code(experiment), "program.py", "exec"), {"__name__": "__main__"})
    net = handson.load("small.handson")
    for a, b in zip(run.net().get_weights(), net.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert net.input_columns == run.net().input_columns == ["a", "b"]


def test_the_command_shows_or_writes_the_program(tmp_path):
    shown = CliRunner().invoke(app, ["code", str(ROOT / "examples" / "digits.yaml")])
    assert shown.exit_code == 0
    compile(shown.stdout, "digits.py", "exec")
    CliRunner().invoke(app, ["code", "faces", "--out", str(tmp_path / "faces.py")])
    assert (tmp_path / "faces.py").read_text() == to_code(Experiment.from_yaml(EXPERIMENTS["faces"]))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda net: net.compile("adam", lambda y, p: abs(y - p)), "compile.loss: .*not registered"),
        (lambda net: net.compile("adam", None), "an experiment has a loss"),
        (lambda net: net.compile("adam", "mse", loss_weights=[2.0]), "no loss_weights"),
    ],
)
def test_what_an_experiment_cannot_say_is_refused(change, match):
    net = Sequential([Dense(1)])
    change(net)
    with pytest.raises(HandsonError, match=match):
        Experiment.from_model(net)


@pytest.fixture
def stars(tmp_path, monkeypatch):
    """A new project, as the working folder; its modules are gone after the test."""
    files = write_project(tmp_path / "stars")
    monkeypatch.chdir(tmp_path / "stars")
    monkeypatch.syspath_prepend(tmp_path / "stars")
    yield files
    for name in ("options", "dataset", "model"):
        sys.modules.pop(name, None)


def test_a_new_project_runs_at_once(stars, monkeypatch, capsys):
    assert [file.name for file in stars] == list(FILES)
    assert max(len(file.read_text().splitlines()) for file in stars) <= 40
    monkeypatch.setattr(sys, "argv", ["train.py", "--epochs", "40"])
    runpy.run_path("train.py", run_name="__main__")
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["test.py"])
    runpy.run_path("test.py", run_name="__main__")
    assert float(capsys.readouterr().out.split("accuracy:")[1]) > 0.85
    assert {"net.handson", "curves.png"} <= {path.name for path in Path("runs/stars").iterdir()}


def test_the_experiment_of_a_new_project_is_its_model(stars):
    model, options, dataset = map(importlib.import_module, ("model", "options", "dataset"))
    experiment = Experiment.from_yaml("experiment.yaml")
    assert described(model.build(options.Options())) == described(experiment.build())
    dataset.make(experiment.data.path, 40)
    assert experiment.read_data().classes == ["left", "right"]


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "kept.txt").touch()
    with pytest.raises(HandsonError, match="is there already, and nothing in it is overwritten"):
        write_project(tmp_path / "a")
    with pytest.raises(HandsonError, match="a name becomes a folder"):
        write_project(tmp_path / "a b")
    result = CliRunner().invoke(app, ["new", str(tmp_path / "fresh")])
    assert result.exit_code == 0
    assert "train.py" in result.stdout


def test_event_files_are_a_callback_of_the_program():
    experiment = Experiment(model=[{"Dense": {"units": 1}}], name="line", fit={"tensorboard": True})
    code = to_code(experiment).replace('"', "'")
    assert "TensorBoard(log_dir='runs/line/tensorboard', histogram_freq=1, write_images=True)" in code

"""The commands. What they need is imported when they run, so that `--help` answers at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from handson.cli import clusters
from handson.cli.clusters import DataPath, ExperimentName
from handson.cli.found import check_writable, find_experiment, find_run, refuse
from handson.core import console
from handson.core.version import __version__


class _Commands(TyperGroup):
    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command; for a name that is none an error with the nearest."""
        found = super().get_command(ctx, cmd_name)
        if found is None and not cmd_name.startswith("-"):
            from handson.core.errors import nearest

            names = self.list_commands(ctx)
            self.suggest_commands = False  # newer versions of typer would add the nearest once more
            ctx.fail(f"there is no command {cmd_name!r}.{nearest(cmd_name, names)} There are: {', '.join(names)}.")
        return found


app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog="Example: handson fit faces --data training.csv",
)

RunName = Annotated[str, typer.Argument(help="A run folder, such as runs/faces, or its name.")]
RunsFolder = Annotated[Path, typer.Option("--runs", help="Where run folders are.")]
Devices = Annotated[
    int | None, typer.Option(min=1, help="Workers that train the net together, with the same bits on any number.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results only.")]


def _show_version(asked: bool) -> None:
    if asked:
        console.say(f"handson {__version__}")
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Hands-on deep learning: train nets on tables, arrays and images, and see what happens inside."""


@app.command()
def explore(
    data: Annotated[str, typer.Argument(help="A table, an array file or a folder of images.")],
    targets: Annotated[str | None, typer.Option(help="Target columns, separated by commas.")] = None,
    inputs: Annotated[str | None, typer.Option(help="Of an .npz file: the name of the array of inputs.")] = None,
    classes: Annotated[bool, typer.Option(help="The targets are classes, also when they are numbers.")] = False,
    image: Annotated[str | None, typer.Option(help="The column that holds images.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Where to write a sheet of pictures (.png).")] = None,
    csv: Annotated[
        list[str] | None,
        typer.Option(help="How a CSV file is written, such as separator=';', header=false or encoding=latin-1."),
    ] = None,
) -> None:
    """Show what is in a data set.

    Columns with their ranges, which values are missing together, duplicates, the balance of classes, images.
    """
    from handson.cli.exploration import csv_format, read_to_explore
    from handson.cli.tables import show_exploration
    from handson.data.reading.explore import explore as look

    check_writable(picture, data)
    source, words = read_to_explore(
        Path(data), _names(targets, data), inputs, image, "auto" if classes else None, csv_format(csv or [])
    )
    found = look(source)
    found.remarks += [
        f"column {name!r} holds words and is left out; for classes: --targets {name}; as an input of a net: "
        f"categories: [{name}]."
        for name in words
    ]
    show_exploration(found)
    if picture is not None:
        from handson.plots import plot_exploration

        plot_exploration(found, picture)
        console.say(f"pictures: {picture}")


@app.command()
def fit(
    experiment: ExperimentName,
    data: DataPath = None,
    name: Annotated[str | None, typer.Option(help="The name of the run; by default the experiment's.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="In place of the experiment's.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="In place of the experiment's.")] = None,
    groups: Annotated[
        str | None, typer.Option(help="A column or .npy file: rows that stay together in the split.")
    ] = None,
    monitor: Annotated[
        bool, typer.Option("--monitor", help="Look into the net while it trains: handson plot shows what was seen.")
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write what TensorBoard shows into the run's folder 'tensorboard'.")
    ] = False,
    devices: Devices = None,
    runs: RunsFolder = Path("runs"),
    quiet: Quiet = False,
) -> None:
    """Train the net of an experiment.

    Everything about it goes into a new run folder: the experiment, the split, the net, the history, pictures.
    """
    from handson.cli.tables import show_report
    from handson.cli.workers import group, run_of
    from handson.data.reading.sources import check_exists
    from handson.randomness.keys import check_seed
    from handson.workflow.experiment import folder_name
    from handson.workflow.trainings import follow

    if data is not None:
        check_exists(Path(data))
    if seed is not None:
        check_seed(seed)
    chosen = find_experiment(experiment)
    chosen.name = chosen.name if name is None else folder_name(name)
    chosen.data.path = data or chosen.data.path
    chosen.data.groups = groups or chosen.data.groups
    chosen.fit.epochs = epochs or chosen.fit.epochs
    chosen.fit.seed = chosen.fit.seed if seed is None else seed
    chosen.fit.monitor = chosen.fit.monitor or monitor
    chosen.fit.tensorboard = chosen.fit.tensorboard or tensorboard
    workers = group(devices, chosen)
    source = chosen.read_data()
    if workers.follows:
        return follow(chosen, source, devices=workers.size)
    run = run_of(chosen, runs, workers)
    try:
        run.fit(source, verbose=0 if quiet else "auto", devices=workers.size)
    finally:
        run.remove_if_untrained()
    show_report(run, "report.json")


@app.command()
def check(
    experiment: ExperimentName,
    data: DataPath = None,
    what: Annotated[
        str | None, typer.Option(help="Checks, separated by commas: see below; by default all but initialization.")
    ] = None,
    pictures: Annotated[Path | None, typer.Option(help="A folder for pictures of rates and initialization.")] = None,
) -> None:
    """Check an experiment before a long training, on copies of its net.

    initial_loss: is the first loss that of a guess? overfit: can the net learn 16 rows by heart? regularization: do
    penalties reach the loss? rates: which learning rates suit it? initialization: the lecture's two rules for initial
    weights, side by side. The status is 1 if a check fails.
    """
    from handson.workflow.checking import check as run_checks

    chosen = find_experiment(experiment)
    if pictures is not None and not pictures.is_dir():
        raise FileNotFoundError(f"cannot write into {pictures}: the folder is not there. Make it first.")
    found = run_checks(chosen, chosen.read_data(data), _chosen(what) or [], pictures)
    for each in found:
        console.say(each)
    if not all(found):
        raise typer.Exit(1)


@app.command()
def resume(
    run: RunName,
    data: DataPath = None,
    force: Annotated[bool, typer.Option(help="Go on although data or experiment have changed.")] = False,
    failed: Annotated[bool, typer.Option(help="Of a sweep: also train again what has failed.")] = True,
    scheduler: Annotated[
        str | None, typer.Option(help="Of a sweep: train on the workers of this dask scheduler.")
    ] = None,
    devices: Devices = None,
    runs: RunsFolder = Path("runs"),
    quiet: Quiet = False,
) -> None:
    """Go on with a run or a sweep that was stopped.

    It ends with the same numbers as if nothing had happened. A run that was finished is left as it is. With --devices
    another number of workers goes on. Of a sweep, what has not ended is trained: on the cluster where it was begun, on
    --scheduler, or here.
    """
    from handson.workflow.tasks.folder import is_sweep

    if is_sweep(Path(run)):
        from handson.cli.swept import resume_sweep

        given = (("--data", data), ("--force", force), ("--devices", devices), ("--quiet", quiet))
        for option, value in given:
            refuse(bool(value), f"{option} is for a run, and {run} is a sweep")
        return resume_sweep(Path(run), failed, scheduler)
    refuse(scheduler is not None, f"--scheduler is for a sweep, and {run} is a run")
    from handson.cli.tables import show_report
    from handson.cli.workers import group
    from handson.workflow.trainings import follow

    found = find_run(run, runs)
    refuse(not failed, f"--no-failed is for a sweep, and {run} is a run")
    workers = group(devices, found.experiment)
    if workers.follows and not found.finished:
        return follow(found.experiment, found.read_data(data), devices=workers.size)
    if workers.follows:
        return None
    if found.finished and not force:
        console.say(f"{found.folder} is finished; there is nothing to do.")
    else:
        found.fit(
            found.read_data(data),
            verbose=0 if quiet else "auto",
            resume="force" if force else "auto",
            devices=workers.size,
        )
    show_report(found, "report.json")


@app.command()
def join(run: RunName, data: DataPath = None, runs: RunsFolder = Path("runs")) -> None:
    """Help a training that runs with --devices, torchrun or srun, as one more worker.

    Here or on another machine that sees the run folder. It is taken in between two steps, and may leave again: the
    numbers do not depend on it. While there are as many workers as shards it waits to take the place of one.
    """
    from handson.workflow.trainings import follow

    found = find_run(run, runs)
    if found.finished:
        return console.say(f"{found.folder} is finished; there is nothing to do.")
    follow(found.experiment, found.read_data(data), run=found.folder, resume="join")
    console.say(f"the training in {found.folder} has ended.")


@app.command()
def rewind(
    run: RunName,
    to: Annotated[int, typer.Option(min=0, help="A step of the optimizer.", show_default=False)],
    runs: RunsFolder = Path("runs"),
) -> None:
    """Bring a run back to an earlier step.

    Later checkpoints are set aside; handson resume goes on from there.
    """
    found = find_run(run, runs)
    console.say(f"{found.folder} is at step {found.rewind(to)}. To go on: handson resume {found.folder}")


@app.command()
def curves(run: RunName, runs: RunsFolder = Path("runs")) -> None:
    """Draw the curves of a run and its specialists.

    Training and validation error by epoch; of specialists also the weighted mean.
    """
    for path in find_run(run, runs).draw_curves():
        console.say(path)


@app.command()
def plot(
    run: Annotated[list[str], typer.Argument(help="A run folder or its name; of several, the curves side by side.")],
    what: Annotated[str, typer.Option(help="Pictures, separated by commas; 'all' for all there are.")] = "curves",
    data: DataPath = None,
    out: Annotated[
        Path | None, typer.Option(help="A folder, by default the run's; of several runs, a picture.")
    ] = None,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Draw what happened in a run.

    curves; of a monitored run activations, gradients, updates; the net: graph, weights, activity; what it looks at:
    saliency, integrated_gradients, occlusion, grad_cam; rows: pca, tsne, predictions, worst, confusion, calibration,
    residuals, missing. Several runs: their learning curves in one picture.
    """
    from handson.workflow.pictures import draw, draw_runs

    found = [find_run(name, runs) for name in run]
    if len(found) == 1:
        if out is not None and not out.is_dir():
            raise FileNotFoundError(f"cannot write into {out}: the folder is not there. Make it first.")
        for path in draw(found[0], _chosen(what) or [], data, out):
            console.say(path)
        return
    from handson.core.errors import HandsonError

    if what != "curves":
        raise HandsonError(f"of several runs, the curves are drawn; --what {what} is for one run.")
    path = out or found[0].folder.parent / "curves.png"
    check_writable(path)
    console.say(draw_runs(found, path))


@app.command()
def evaluate(run: RunName, data: DataPath = None, runs: RunsFolder = Path("runs")) -> None:
    """Measure a run on data with targets.

    By default on its validation rows; its net and, if there are any, its specialists.
    """
    from handson.cli.tables import show_errors, show_means
    from handson.core.errors import HandsonError
    from handson.workflow.runs import errors, say_notes

    found = find_run(run, runs)
    source = found.read_data(data)
    say_notes(source)
    rows = source if data else found.split(source)[1]
    if rows is None:
        raise HandsonError(f"{found.folder} has no validation rows: give --data.")
    net, special = found.net(), found.specialists()
    show_means(net.evaluate(*rows.arrays(), return_dict=True), len(rows))
    if rows.task == "regression":
        tables = {"net": errors(net.predict(rows.inputs), rows)}
        if special is not None:
            tables["specialists"] = errors(special.predict(rows.inputs), rows)
        show_errors(tables)


@app.command()
def predict(
    run: RunName,
    data: Annotated[str, typer.Option("--data", help="A table, an array file or a folder of images.")],
    lookup: Annotated[
        Path | None, typer.Option(help="The competition's IdLookupTable.csv: writes a submission.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write; by default into the run folder.")] = None,
    net_only: Annotated[bool, typer.Option("--net-only", help="Leave the run's specialists out.")] = False,
    spread: Annotated[
        bool, typer.Option("--spread", help="Also write standard deviations, of a net that predicts them.")
    ] = False,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Predict with a run's net.

    Writes a table of predictions or, with --lookup, the competition's submission.
    """
    from handson.cli.predictions import check_csv, write_predictions
    from handson.data.reading.sources import check_exists

    check_exists(Path(data))
    if lookup is not None:
        check_exists(lookup)
    check_writable(out, data, lookup)
    check_csv(out)
    found = find_run(run, runs)
    check_writable(out, found.experiment.data.path)
    write_predictions(found, data, lookup, out, net_only, spread)


@app.command()
def new(
    name: Annotated[Path, typer.Argument(help="A folder that is not there yet.", show_default=False)],
    data: Annotated[str | None, typer.Option(help="Write NAME.yaml alone: an experiment for these data.")] = None,
    targets: Annotated[str | None, typer.Option(help="Of the data: target columns, separated by commas.")] = None,
    inputs: Annotated[str | None, typer.Option(help="Of the data: input columns, or the array of inputs.")] = None,
    classes: Annotated[bool, typer.Option(help="The targets are classes, also when they are numbers.")] = False,
) -> None:
    """Write a new project that runs at once.

    Options, dataset, model, train and test, a short file each, and the same as an experiment. With --data an experiment
    for some data instead, its net sized to them.
    """
    from handson.cli.projects import write_experiment
    from handson.workflow.new_project import write_project

    if data is not None:
        reading = {
            "targets": _names(targets, data),
            "inputs": _names(inputs, data),
            "classes": "auto" if classes else None,
        }
        write_experiment(name, Path(data), reading)
        return
    refuse(bool(targets or inputs or classes), "without --data there is nothing to choose from: leave the options out")
    for path in write_project(name):
        console.say(path)
    console.say(f"To train and to test it: cd {name}; python train.py; python test.py")


@app.command()
def code(
    experiment: ExperimentName,
    out: Annotated[
        Path | None, typer.Option(help="A file to write to, such as stars.py; by default it is shown.")
    ] = None,
) -> None:
    """Show an experiment as a Python program.

    It reads the same data, splits them alike, builds the same net and trains it.
    """
    from handson.core.errors import HandsonError
    from handson.files import atomic
    from handson.workflow.code import to_code

    check_writable(out)
    if out is not None and out.is_file() and out.suffix != ".py":
        raise HandsonError(f"{out} is there already, and is no Python program: give --out {out.stem}.py.")
    text = to_code(find_experiment(experiment))
    if out is None:
        console.say(text.rstrip())
    else:
        atomic.write_text(out, text)


@app.command()
def baseline(
    data: Annotated[str, typer.Argument(help="A table, an array file or a folder of images.")],
    targets: Annotated[str | None, typer.Option(help="Target columns, separated by commas.")] = None,
    inputs: Annotated[
        str | None, typer.Option(help="Input columns, separated by commas; of an .npz file its name.")
    ] = None,
    categories: Annotated[
        str | None, typer.Option(help="Inputs that are categories, separated by commas; auto: those that hold words.")
    ] = None,
    classes: Annotated[bool, typer.Option(help="The targets are classes, also when they are numbers.")] = False,
    image: Annotated[str | None, typer.Option(help="The column that holds images.")] = None,
    groups: Annotated[
        str | None, typer.Option(help="A column or .npy file: rows that stay together in the folds.")
    ] = None,
    models: Annotated[str | None, typer.Option(help="The models beside the net, separated by commas.")] = None,
    folds: Annotated[int, typer.Option(min=2, help="How many folds.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of the folds and of the models.")] = 0,
    csv: Annotated[list[str] | None, typer.Option(help="How a CSV file is written: see explore.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write the scores of every fold (.csv).")] = None,
    quiet: Quiet = False,
) -> None:
    """Compare a net with the usual models.

    A linear model, a random forest, gradient boosting and an SVM on the same folds: does a net pay here?
    """
    from handson.cli.baselines import run_baseline
    from handson.data.reading.sources import check_exists
    from handson.faces.submission import write_table

    check_exists(Path(data))
    check_writable(out, data)
    reading = {
        "targets": _names(targets, data), "inputs": _names(inputs, data), "classes": "auto" if classes else None,
        "image": image, "groups": groups, "categories": _names(categories, data),
    }  # fmt: skip
    comparing = {"folds": folds, "seed": seed, "only": _chosen(models)}
    found = run_baseline(Path(data), reading, csv or [], comparing, quiet)
    if out is not None:
        write_table(found.folds, out, all_digits=True)
        console.say(f"scores: {out}")


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where data and results go.")] = Path("runs/demo"),
    faces: Annotated[int, typer.Option(min=40, help="How many faces to simulate.")] = 1600,
    quiet: Quiet = False,
) -> None:
    """The whole job on simulated faces.

    Explore, fit, specialists, curves, submission: about three minutes on two cores.
    """
    from handson.faces.demo import run_demo

    run_demo(folder, faces, quiet)


for each in clusters.COMMANDS:
    app.command()(each)


def _chosen(given: str | None) -> list[str] | None:
    """Our own names, separated by commas, with or without spaces."""
    return None if given is None else [name.strip() for name in given.split(",")]


def _names(given: str | None, data: str) -> Any:
    """Columns that were separated by commas; one as it is, such as the name of an array in an .npz file."""
    names = given.split(",") if given else None
    return given if names is None or data.endswith(".npz") or len(names) == 1 else names

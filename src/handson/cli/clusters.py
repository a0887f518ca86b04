"""The commands for many nets, and for machines of a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from handson.cli.found import check_writable, find_experiment, find_run, refuse
from handson.core import console

if TYPE_CHECKING:
    from handson.cli.swept import Place
    from handson.workflow.experiment import Experiment

SweepName = Annotated[Path, typer.Argument(help="A sweep's folder, such as sweeps/stars.", show_default=False)]
SiteName = Annotated[
    str | None, typer.Option("--site", help="Where jobs run: jean-zay, cc-in2p3, local or a file of your own.")
]
Account = Annotated[str | None, typer.Option(help="Who pays for the jobs.")]
Kind = Annotated[str | None, typer.Option(help="The kind of machine, such as a100: see the site's file.")]
Qos = Annotated[str | None, typer.Option(help="The quality of service, which limits the time.")]
Time = Annotated[str | None, typer.Option("--time", help="The time of a job: HH:MM:SS, D-HH:MM:SS or minutes.")]
Gpus = Annotated[int | None, typer.Option(min=0, help="GPUs of a job.")]
AtOnce = Annotated[int | None, typer.Option(min=1, help="So many jobs run at a time; by default as many as there are.")]
RunsFolder = Annotated[Path, typer.Option("--runs", help="Where run folders are.")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="How many train at a time here; by default one for each processor.")
]
Scheduler = Annotated[str | None, typer.Option(help="The address of a dask scheduler: tcp://HOST:8786.")]
Sweeps = Annotated[Path, typer.Option(help="Where folders of sweeps are.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the script, and do nothing.")]
DataPath = Annotated[str | None, typer.Option("--data", help="A table, an array file or a folder of images.")]
ExperimentName = Annotated[str, typer.Argument(help="A YAML file, or the name of a built-in experiment: faces.")]


def sweep(
    experiment: ExperimentName,
    grid: Annotated[
        list[str] | None,
        typer.Option("--grid", "-g", help="What varies: optimizer.learning_rate=0.1,0.01 or log:1e-4..0.1."),
    ] = None,
    search: Annotated[str, typer.Option(help="grid, random, halving or bayesian.")] = "grid",
    trials: Annotated[
        int | None, typer.Option(min=1, help="How many combinations are tried, if not all of a grid; by default 20.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Train every combination with so many seeds.")] = 1,
    folds: Annotated[int, typer.Option(min=1, help="Train every combination on so many folds.")] = 1,
    monitor: Annotated[str, typer.Option(help="The quantity to compare by.")] = "val_loss",
    specialists: Annotated[bool, typer.Option("--specialists", help="Train each run's specialists, too.")] = False,
    on: Annotated[
        str, typer.Option(help="local: on this machine. slurm: an array of jobs. dask: its workers.")
    ] = "local",
    workers: Workers = None,
    scheduler: Scheduler = None,
    site: SiteName = None,
    account: Account = None,
    kind: Kind = None,
    qos: Qos = None,
    time: Time = None,
    gpus: Gpus = None,
    at_once: AtOnce = None,
    data: DataPath = None,
    name: Annotated[str | None, typer.Option(help="The name of the sweep; by default the experiment's.")] = None,
    sweeps: Sweeps = Path("sweeps"),
    dry_run: DryRun = False,
) -> None:
    """Train an experiment with other values, seeds or folds.

    Each task becomes a run folder. A grid takes all combinations, random some of them, halving trains the best third
    of some longer and longer, bayesian learns from what came out (it needs optuna). What was stopped goes on with
    handson resume.
    """
    from handson.cli.swept import Asked, begin_sweep, show_sweep
    from handson.workflow.experiment import folder_name
    from handson.workflow.tasks.axes import axis_of, distinct
    from handson.workflow.tasks.searches import Search

    refuse(search == "grid" and trials is not None, "--trials is for other searches: a grid takes all combinations")
    chosen = _with_data(find_experiment(experiment), data)
    looked_for = Search(
        kind=search, axes=distinct(map(axis_of, grid or [])), trials=trials or 20, epochs=max(1, chosen.fit.epochs),
        seeds=seeds, folds=folds, seed=chosen.fit.seed,
    )  # fmt: skip
    resources = {
        "site": site,
        "kind": kind,
        "account": account,
        "qos": qos,
        "time": time,
        "gpus": gpus,
        "at_once": at_once,
    }
    where = _where(_Asked(on, workers, scheduler), resources)
    folder = sweeps / (chosen.name if name is None else folder_name(name))
    asked = Asked(chosen, looked_for, folder, monitor, specialists)
    if dry_run:
        show_sweep(asked, where.site)
    else:
        begin_sweep(asked, where)


def specialists(
    run: Annotated[str, typer.Argument(help="A run folder, such as runs/faces, or its name.")],
    data: DataPath = None,
    on: Annotated[
        str | None,
        typer.Option(help="local, slurm or dask: a process each. By default all in this process."),
    ] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    site: SiteName = None,
    account: Account = None,
    kind: Kind = None,
    qos: Qos = None,
    time: Time = None,
    gpus: Gpus = None,
    at_once: AtOnce = None,
    name: Annotated[str | None, typer.Option(help="With --on, the name of the sweep.")] = None,
    sweeps: Sweeps = Path("sweeps"),
    dry_run: DryRun = False,
    runs: RunsFolder = Path("runs"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print results only.")] = False,
) -> None:
    """Train specialists, started from a run's net.

    One for each group of target columns that the run's experiment names. With --on each is a task with a run folder of
    its own, as in a sweep; when all are trained, handson collect puts them into the run.
    """
    from handson.cli.swept import Asked, begin_sweep, show_sweep, train_specialists
    from handson.workflow.experiment import folder_name
    from handson.workflow.tasks.together import of_specialists

    found = find_run(run, runs)
    resources = {
        "site": site,
        "kind": kind,
        "account": account,
        "qos": qos,
        "time": time,
        "gpus": gpus,
        "at_once": at_once,
    }
    if on is None:
        refuse(dry_run or name is not None, f"{'--dry-run' if dry_run else '--name'} is for tasks: add --on slurm")
        refuse(workers is not None, "--workers is for processes: add --on local")
        _where(_Asked("local", None, scheduler), resources)
        return train_specialists(found, data, quiet)
    refuse(data is not None, f"--data is for this process; tasks train on the data of {found.folder}")
    where = _where(_Asked(on, workers, scheduler), resources)
    base, search = of_specialists(found)
    folder = sweeps / (f"{found.folder.name}-specialists" if name is None else folder_name(name))
    asked = Asked(base, search, folder, "val_loss" if base.split.holds_out else "loss", False)
    if dry_run:
        show_sweep(asked, where.site)
    else:
        begin_sweep(asked, where)


def status(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders of runs and sweeps; by default all.", show_default=False)
    ] = None,
    runs: RunsFolder = Path("runs"),
    sweeps: Sweeps = Path("sweeps"),
) -> None:
    """Show where runs, and the tasks of sweeps, stand.

    Which wait, run, were stopped or lost, have failed and why, are finished: right also while they train.
    """
    from handson.cli.submitted import everything, found, show_runs
    from handson.cli.swept import show_status
    from handson.workflow.tasks.folder import Sweep, is_sweep

    asked = [found(folder, runs) for folder in folders or everything([runs, sweeps])]
    show_runs(folder for folder in asked if not is_sweep(folder))
    for folder in filter(is_sweep, asked):
        show_status(Sweep(folder))
    if not asked:
        console.say(f"there are no runs in {runs}, and no sweeps in {sweeps}.")


def collect(
    folder: SweepName,
    out: Annotated[Path | None, typer.Option(help="Where to write the whole table (.csv).")] = None,
    ensemble: Annotated[int | None, typer.Option(min=1, help="Make an ensemble of the best so many nets.")] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Of folds: where to write predictions of the rows held out (.csv).")
    ] = None,
) -> None:
    """Show what came out of a sweep, the best first.

    Tasks that are not finished are in the table, too, with their state and without numbers. Over seeds and folds also
    the mean and the standard deviation. Specialists go into their run, once all are trained.
    """
    from handson.cli.swept import collect_sweep
    from handson.workflow.tasks.folder import Sweep

    check_writable(out)
    check_writable(predictions)
    collect_sweep(Sweep(folder), out, ensemble, predictions)


def cancel(
    folder: Annotated[Path, typer.Argument(help="The folder of a sweep or a run.", show_default=False)],
    runs: RunsFolder = Path("runs"),
) -> None:
    """Cancel all jobs of a sweep, or that of a run.

    What they have saved stays: handson resume goes on with it.
    """
    from handson.cli.submitted import cancel as cancel_jobs
    from handson.cli.submitted import found

    jobs = cancel_jobs(found(folder, runs))
    console.say(f"cancelled: {', '.join(jobs)}" if jobs else f"no job of {folder} is in the queue.")


def task(
    folder: SweepName,
    numbers: Annotated[
        list[int] | None, typer.Argument(help="Numbers of tasks; by default all that nobody has.", show_default=False)
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print results only.")] = False,
    attended: Annotated[bool, typer.Option("--attended", hidden=True, help="Stop when the input is closed.")] = False,
) -> None:
    """Train tasks of a sweep: what a job runs.

    Any number of these may run, on any machines that share the folder: each takes what no other one has. The status is
    1 if a task failed, 75 if one was stopped and saved.
    """
    from handson.workflow.tasks.attempts import work, work_on
    from handson.workflow.tasks.folder import Sweep

    if attended:
        from handson.workflow.executors.dask_workers import stop_with_input

        stop_with_input()
    found, verbose = Sweep(folder), 0 if quiet else "auto"
    if not (work_on(found, numbers, verbose) if numbers else work(found, verbose)):
        raise typer.Exit(1)


def submit(
    experiment: Annotated[str, typer.Argument(help="A YAML file, a built-in experiment, or the folder of a run.")],
    site: Annotated[str, typer.Option(help="jean-zay, cc-in2p3, local or a file of your own.")] = "local",
    account: Account = None,
    kind: Kind = None,
    qos: Qos = None,
    time: Time = None,
    gpus: Gpus = None,
    devices: Annotated[int, typer.Option(min=1, help="Workers that train the net together.")] = 1,
    data: DataPath = None,
    name: Annotated[str | None, typer.Option(help="The name of the run; by default the experiment's.")] = None,
    runs: RunsFolder = Path("runs"),
    dry_run: DryRun = False,
) -> None:
    """Submit a training to a Slurm cluster.

    Shows the script and sends it. The run saves before its time is over, or when it is preempted, and goes on in the
    next job until it is finished. The folder of a run that was stopped is submitted again.
    """
    from handson.cli.submitted import submit_run
    from handson.workflow.executors.site import Site
    from handson.workflow.experiment import folder_name

    where = Site.find(site).asked(kind, account, qos, time, gpus)
    if (Path(experiment) / "experiment.yaml").is_file():
        refuse(name is not None, f"--name is for a new run; {experiment} has its name")
        refuse(data is not None, f"--data is for a new run; {experiment} has its data")
        run = find_run(experiment, runs)
        submit_run(run.experiment, run.folder, where, devices, dry_run)
        return
    chosen = _with_data(find_experiment(experiment), data)
    chosen.name = chosen.name if name is None else folder_name(name)
    submit_run(chosen, runs, where, devices, dry_run)


PLACES = ("local", "slurm", "dask")
INSTEAD = {"slurm": ": --at-once limits jobs", "dask": ": start as many workers of dask"}


class _Asked(NamedTuple):
    """What a command was told about where tasks are trained."""

    on: str
    workers: int | None
    scheduler: str | None


COMMANDS = (sweep, specialists, status, collect, cancel, task, submit)


def _with_data(experiment: Experiment, data: str | None) -> Experiment:
    """The experiment with the path of its data, which is there."""
    from handson.core.errors import HandsonError
    from handson.data.reading.sources import check_exists

    experiment.data.path = data or experiment.data.path
    if experiment.data.path is None:
        raise HandsonError("the experiment names no data: give data: {path: ...}, or --data on the command line.")
    check_exists(Path(experiment.data.path))
    return experiment


def _where(asked: _Asked, resources: dict[str, Any]) -> Place:
    """Where tasks are to be trained.

    Raises
    ------
    HandsonError
        For a place that is not known, and for options of another one.
    """
    from handson.cli.swept import Place
    from handson.core.errors import HandsonError, nearest
    from handson.workflow.executors.site import Site

    if asked.on not in PLACES:
        raise HandsonError(f"--on is {', '.join(PLACES)}; got {asked.on!r}.{nearest(asked.on, PLACES)}")
    given = [f"--{name.replace('_', '-')}" for name, value in resources.items() if value is not None]
    refuse(bool(given) and asked.on != "slurm", f"{given[0] if given else ''} is for jobs: add --on slurm")
    refuse(asked.workers is not None and asked.on != "local", f"--workers is for --on local{INSTEAD.get(asked.on, '')}")
    refuse(asked.scheduler is not None and asked.on != "dask", "--scheduler is for dask: add --on dask")
    if asked.on == "dask":
        refuse(asked.scheduler is None, "--on dask needs the address of its scheduler: --scheduler tcp://HOST:8786")
        return Place(scheduler=asked.scheduler)
    if asked.on == "local":
        return Place(workers=asked.workers)
    return Place(Site.find(resources.pop("site") or "local").asked(**resources))

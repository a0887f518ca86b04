"""What the commands for sweeps and clusters do and show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from handson.cli.tables import show_frame
from handson.core import console
from handson.core.errors import HandsonError
from handson.workflow.executors import dask_workers, due, local, slurm
from handson.workflow.executors.script import script
from handson.workflow.runs import Run, say_specialist
from handson.workflow.tasks.folder import Sweep, Task, checked, comparable
from handson.workflow.tasks.searches import means
from handson.workflow.tasks.states import ENDED, Queue, Standing, counted, results, standings, summary, table
from handson.workflow.tasks.together import are_specialists, held_out_predictions, keep_specialists, save_ensemble

if TYPE_CHECKING:
    from handson.workflow.executors.site import Site
    from handson.workflow.experiment import Experiment
    from handson.workflow.tasks.searches import Search

# Longer tables are for --out.
MOST_ROWS = 20


class Asked(NamedTuple):
    """What a sweep is to be: the arguments of `Sweep.create`."""

    experiment: Experiment
    search: Search
    folder: Path
    monitor: str
    specialists: bool


def train_specialists(run: Run, data: str | None, quiet: bool) -> None:
    """Train the specialists of a run in this process."""
    from handson.cli.tables import show_report

    on_group = None if quiet else say_specialist
    run.fit_specialists(run.read_data(data), verbose=0 if quiet else "auto", on_group=on_group)
    show_report(run, "specialists/report.json")


class Place(NamedTuple):
    """Where tasks are trained: on this machine, unless there is a site or the address of a dask scheduler."""

    site: Site | None = None
    scheduler: str | None = None
    workers: int | None = None


def begin_sweep(asked: Asked, place: Place) -> None:
    """Make a sweep and train it, here or on a cluster."""
    if place.scheduler is not None:
        dask_workers.client_of(place.scheduler).close()  # before anything is made
    found = Sweep.create(*asked)
    console.say(f"{found.folder}: {_tasks(asked, len(found.tasks))}")
    if place.site is not None:
        slurm.keep_site(found, place.site)
    go_on(found, place)


def show_sweep(asked: Asked, site: Site | None) -> None:
    """Print what would be submitted, and make nothing."""
    experiment = comparable(asked.experiment, asked.search)
    changes, _ = checked(experiment, asked.search, asked.folder, asked.monitor)
    console.say(f"{asked.folder}: {_tasks(asked, len(changes))}")
    if site is not None:
        for job in slurm.jobs_for(asked.folder, f"handson-{asked.folder.name}", range(len(changes))):
            console.say(script(site, job).rstrip())


def _tasks(asked: Asked, count: int) -> str:
    return f"{count} tasks" + (" in the first round" if asked.search.has_rounds else "")


def resume_sweep(folder: Path, failed: bool, scheduler: str | None = None) -> None:
    """Go on with a sweep: on its cluster, on workers of dask, or here."""
    found = Sweep(folder)
    if failed:
        due.try_again(found, slurm.queue_of(found))
    go_on(found, Place(slurm.kept_site(found) if scheduler is None else None, scheduler))


def go_on(found: Sweep, place: Place) -> None:
    """Train what is left of a sweep."""
    if place.site is None:
        if place.scheduler is None:
            local.run(found, place.workers, verbose=0)
        else:
            dask_workers.run(found, place.scheduler)
        collect_sweep(found)
        return
    jobs = slurm.run(found, place.site)
    say = f"submitted: {', '.join(jobs)}" if jobs else "nothing to submit"
    console.say(f"{say}. handson status {found.folder}; to cancel: handson cancel {found.folder}")


def show_status(found: Sweep) -> None:
    """Print where the tasks stand."""
    queue = _queue(found)
    where = standings(found, queue)
    counts = ", ".join(f"{count} {state}" for state, count in counted(where).items())
    console.say(f"{found.folder}: {len(where)} tasks: {counts}")
    for reason, count in (queue.reasons if queue is not None else {}).items():
        console.say(f"{count} jobs wait: {reason}")
    quiet = ("finished", "paused", "waiting", "queued")
    shown = [one for one in where if one.state not in quiet or one.reason]
    for one in shown[:MOST_ROWS]:
        console.say(_line(one))
    if len(shown) > MOST_ROWS:
        console.say(f"... and {len(shown) - MOST_ROWS} more")
    if any(one.state in ("stopped", "lost", "failed") or (one.state == "waiting" and one.reason) for one in where):
        console.say(f"to train what has not ended: handson resume {found.folder}")


def _queue(found: Sweep) -> Queue | None:
    """What the scheduler says; where it does not answer, files alone have to do."""
    try:
        return slurm.queue_of(found)
    except HandsonError as error:
        console.warn(f"{error} What follows is from the files alone: what runs elsewhere may have ended.")
        return None


def _line(one: Standing) -> str:
    changes = ", ".join(f"{path}={value}" for path, value in one.task.overrides.items())
    begun = f", step {one.step}" * bool(one.step) + f", begun {one.attempts} times" * (one.attempts > 1)
    return f"task {one.task.number} ({changes}): {one.state}{begun}" + (f": {one.reason}" if one.reason else "")


def collect_sweep(
    found: Sweep, out: Path | None = None, members: int | None = None, predictions: Path | None = None
) -> None:
    """Print the table of a sweep; write what is asked for: it, an ensemble of its best nets, predictions by folds."""
    from handson.faces.submission import write_table

    if members is not None and are_specialists(found):
        raise HandsonError("--ensemble is for nets that predict the same; specialists predict columns of their own.")
    where = standings(found, _queue(found))
    frame = table(found, where)
    done = [one for one in where if one.state == "finished"]
    title = f"{found.folder}: {len(done)} of {len(where)} tasks are finished, by {found.monitor}"
    shown = frame.drop(columns="state") if len(done) == len(where) else frame
    show_frame(shown.reset_index().head(MOST_ROWS), title)
    if len(frame) > MOST_ROWS:
        console.say(f"... and {len(frame) - MOST_ROWS} more; all of them with --out table.csv")
    if found.search.repeats > 1:
        show_frame(summary(found, where).head(MOST_ROWS), "\nover seeds and folds")
    if out is not None:
        write_table(frame.reset_index(), out, all_digits=True)
        console.say(f"table: {out}")
    if members is not None:
        console.say(f"ensemble: {save_ensemble(found, _best(found, frame, members))}")
    if predictions is not None:
        _write_held_out(found, where, predictions)
    if are_specialists(found) and len(done) == len(where):
        console.say(f"specialists: {keep_specialists(found)}")
    if not all(one.state in ENDED for one in where):
        console.say(f"not all have ended: handson status {found.folder}")


def _best(found: Sweep, frame: Any, members: int) -> list[Task]:
    """The best so many tasks."""
    best = frame[frame["state"] == "finished"].index[:members]
    if len(best) < members:
        raise HandsonError(f"an ensemble of {members} nets: {len(best)} tasks are finished so far.")
    return [found.task(int(number)) for number in best]


def _write_held_out(found: Sweep, where: list[Standing], out: Path) -> None:
    """Write for every row the prediction of the net that has not seen it, by the best combination."""
    from handson.cli.predictions import prediction_table
    from handson.faces.submission import write_table

    best = means(results(found, [one for one in where if one.state == "finished"]))
    best.sort(key=lambda one: (one.value != one.value, one.value))
    run, data, predicted = held_out_predictions([found.task(number) for number in best[0].tasks] if best else [])
    write_table(prediction_table(run, data, predicted), out, all_digits=predicted.dtype == np.float64)
    console.say(f"predictions of rows that were held out: {out}")

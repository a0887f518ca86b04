"""Tasks as arrays of jobs on a Slurm cluster: submitted, looked at and cancelled by Slurm's own commands."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from handson.core.errors import HandsonError, shortened
from handson.files import atomic, strict_json
from handson.workflow.executors.due import due
from handson.workflow.executors.script import Job, script
from handson.workflow.executors.site import Site
from handson.workflow.tasks.folder import Sweep
from handson.workflow.tasks.states import LOGS, Queue

# An array has at most 1,001 numbers on many sites (MaxArraySize); tasks beyond go into further arrays.
IN_ARRAY = 1000
SMALLEST_ARRAY = 10
JOBS, SITE = "jobs", "site.json"
# Seconds until a command of Slurm counts as hung.
PATIENCE = 60


def available() -> bool:
    """Whether Slurm's commands are here."""
    return shutil.which("sbatch") is not None


def call(*words: str) -> str:
    """What a command of Slurm prints.

    Raises
    ------
    HandsonError
        When it is not there, or when it fails, with what it said.
    """
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except FileNotFoundError:
        raise HandsonError(
            f"{words[0]} is not here: run this on a machine of the cluster, or train on this one with --on local."
        ) from None
    except subprocess.TimeoutExpired:
        raise HandsonError(f"{words[0]} did not answer within {PATIENCE} s: try again later.") from None
    if done.returncode:
        raise HandsonError(f"{words[0]}: {shortened(done.stderr.strip() or done.stdout.strip())}")
    return done.stdout


def array_size() -> int:
    """How many numbers an array may have here: a power of ten, so that the names of logs stay those of the tasks.

    Raises
    ------
    HandsonError
        Where the scheduler takes no arrays.
    """
    try:
        found = re.search(r"MaxArraySize\s*=\s*(\d+)", call("scontrol", "show", "config")) if available() else None
    except HandsonError:
        found = None
    if found is None:
        return IN_ARRAY
    if int(found[1]) < SMALLEST_ARRAY:
        raise HandsonError(
            f"this cluster takes no arrays of jobs (MaxArraySize is {found[1]}): submit runs one by one."
        )
    return min(IN_ARRAY, 10 ** (len(found[1]) - 1))


def arrays(numbers: Iterable[int], size: int = IN_ARRAY) -> dict[int, str]:
    """The arrays for the numbers of tasks: the numbers in each as sbatch takes them, by what is added to them.

    Examples
    --------
    >>> arrays([0, 1, 2, 5, 1000, 1001])
    {0: '0-2,5', 1000: '0-1'}
    """
    found: dict[int, str] = {}
    for offset, group in itertools.groupby(sorted(numbers), key=lambda number: number - number % size):
        places = [number - offset for number in group]
        runs = itertools.groupby(enumerate(places), key=lambda pair: pair[1] - pair[0])
        spans = [[place for _, place in run] for _, run in runs]
        found[offset] = ",".join(str(span[0]) if len(span) == 1 else f"{span[0]}-{span[-1]}" for span in spans)
    return found


def jobs_for(folder: Path, name: str, numbers: Iterable[int]) -> list[Job]:
    """The arrays of jobs that train some tasks of the sweep in a folder; `name` is that of its jobs."""
    folder, size = folder.absolute(), array_size()
    digits = len(str(size)) - 1
    return [
        Job(
            name=f"{name}.{offset}",
            command=["task", str(folder), "$task"],
            log=folder / LOGS / f"{offset // size:0{4 - digits}d}%{digits}a.txt",
            script=folder / JOBS / f"{offset}.sh",
            array=array,
            offset=offset,
        )
        for offset, array in arrays(numbers, size).items()
    ]


def submit(site: Site, job: Job, after: str = "") -> str:
    """Submit a job; its number. `after`: the number of one that must have ended before."""
    job.script.parent.mkdir(parents=True, exist_ok=True)
    job.log.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(job.script, script(site, job))
    waits = [f"--dependency=afterany:{after}"] if after else []
    return call("sbatch", "--parsable", *waits, str(job.script)).strip().partition(";")[0]


def queue_of(sweep: Sweep) -> Queue | None:
    """What the scheduler says of the jobs of a sweep; None where it cannot be asked."""
    return _queue(sweep) if available() and _has_jobs(sweep) else None


def _has_jobs(sweep: Sweep) -> bool:
    """Whether a job was ever submitted."""
    return (sweep.folder / JOBS).is_dir()


def _queue(sweep: Sweep) -> Queue:
    found = Queue()
    for line in call("squeue", "--me", "-h", "-r", "-o", "%i|%T|%r|%j").splitlines():
        job, state, reason, name = line.split("|", 3)
        if name.rpartition(".")[0] != sweep.job:
            continue
        found.jobs[job] = state
        offset, place = name.rpartition(".")[2], job.rpartition("_")[2]
        if offset.isdigit() and place.isdigit():
            found.tasks[int(offset) + int(place)] = job
        if state == "PENDING":
            found.reasons[reason] = found.reasons.get(reason, 0) + 1
    return found


def cancel(sweep: Sweep) -> list[str]:
    """Cancel all jobs of a sweep; their numbers. What they have saved stays."""
    jobs = sorted({job.partition("_")[0] for job in _queue(sweep).jobs}) if _has_jobs(sweep) else []
    if jobs:
        call("scancel", *jobs)
    return jobs


def run_name(folder: Path) -> str:
    """What the jobs of a run are called: no run of another folder has that name."""
    place = folder.absolute()
    return f"handson-{place.name}-{hashlib.blake2b(os.fsencode(place), digest_size=4).hexdigest()}"


def jobs_by_name() -> dict[str, tuple[str, str, str]]:
    """All jobs of this user by their names: number, state, and why it waits or where it is."""
    lines = call("squeue", "--me", "-h", "-o", "%i|%T|%R|%j").splitlines()
    fields = [line.split("|", 3) for line in lines]
    return {name: (job, state, reason.strip("()")) for job, state, reason, name in fields}


def run(sweep: Sweep, site: Site) -> list[str]:
    """Submit all tasks of a sweep that nobody trains and that have not ended; the numbers of the jobs.

    A search that goes on in rounds gets one more job, which waits for the others and submits the next round.
    """
    queue = queue_of(sweep)
    numbers = [task.number for task in due(sweep, queue)]
    jobs = [submit(site, job) for job in jobs_for(sweep.folder, sweep.job, numbers)]
    before = {job.partition("_")[0] for job in queue.tasks.values()} if queue is not None else set()
    if sweep.search.has_rounds and (jobs or before):
        submit(site, next_job(sweep), ":".join(sorted({*jobs, *before})))
    return jobs


def next_job(sweep: Sweep) -> Job:
    """The job that submits the next round."""
    folder = sweep.folder.absolute()
    command = ["resume", str(folder), "--no-failed"]
    return Job(f"{sweep.job}.next", command, folder / LOGS / "next.txt", folder / JOBS / "next.sh")


def keep_site(sweep: Sweep, site: Site) -> None:
    """Write down where the jobs of a sweep run, for when it goes on."""
    atomic.write_text(sweep.folder / SITE, json.dumps(site.model_dump(), indent=1))


def kept_site(sweep: Sweep) -> Site | None:
    """Where the jobs of a sweep run; None for one that trains on this machine."""
    path = sweep.folder / SITE
    return strict_json.read(path, Site) if path.is_file() else None

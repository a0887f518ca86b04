"""Scripts for sbatch: what is asked for, the environment, and one command that begins a training or goes on with it."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from handson.core.errors import HandsonError
from handson.workflow.executors.site import Site

# A job that was stopped so often without an end does not go on by itself.
MOST_RESTARTS = 1000


class Job(NamedTuple):
    """What a script is for.

    Attributes
    ----------
    name : str
        What squeue calls it.
    command : sequence of str
        Arguments of handson; a variable of the shell, such as '$task', stays one.
    log : Path
        Where everything goes that it prints; it grows over restarts. '%3a' in its name is the number in the array.
    script : Path
        Where the script itself lies.
    array : str
        The numbers of an array, such as '0-7,9'; empty for a single job.
    offset : int
        What is added to a number of the array to make that of a task.
    devices : int
        How many workers train the net together.
    """

    name: str
    command: Sequence[str]
    log: Path
    script: Path
    array: str = ""
    offset: int = 0
    devices: int = 1


def script(site: Site, job: Job) -> str:
    """The text of a script.

    Examples
    --------
    >>> from handson.workflow.executors.site import Site
    >>> site = Site(python="python").asked(time="30")
    >>> job = Job("handson-stars", ["resume", "runs/stars"], Path("runs/stars/log.txt"), Path("runs/stars/job.sh"))
    >>> print(script(site, job), end="")
    #!/bin/bash
    #SBATCH --job-name=handson-stars
    #SBATCH --time=30
    #SBATCH --ntasks=1
    #SBATCH --cpus-per-task=1
    #SBATCH --output=runs/stars/log.txt
    #SBATCH --open-mode=append
    #SBATCH --signal=USR1@120
    #SBATCH --requeue
    <BLANKLINE>
    # Signals reach the training, which saves and ends with status 75; the shell waits for it.
    trap : TERM USR1
    job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
    job=${job:-$SLURM_JOB_ID}
    export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK
    <BLANKLINE>
    srun python -m handson resume runs/stars
    status=$?
    # Saved before the end (75), or signalled before there was anything to save; and not cancelled: it goes on.
    restarts=$((${SLURM_RESTART_COUNT:-0} + ${HANDSON_RESTARTS:-0}))
    if [[ $status =~ ^(75|138|143)$ && $restarts -lt 1000 && $(squeue -h -j "$job" -o %T) = RUNNING ]]; then
        scontrol requeue "$job" && sleep 60
    fi
    exit $status
    """
    site.check_workers(job.devices)
    lines = ["#!/bin/bash", *(f"#SBATCH {option}" for option in _options(site, job)), ""]
    lines += ["# Signals reach the training, which saves and ends with status 75; the shell waits for it."]
    lines += ["trap : TERM USR1", *_names(job), *(f"module {each}" for each in site.modules), *site.prepare, ""]
    lines += [" ".join(["srun", *_command(site, job)]), "status=$?", *_again(site, job), "exit $status", ""]
    return "\n".join(lines)


def _options(site: Site, job: Job) -> list[str]:
    given = {
        "job-name": job.name,
        "account": site.account,
        "partition": site.partition,
        "constraint": site.constraint,
        "qos": site.qos,
        "time": site.time,
        "ntasks": job.devices,
        "cpus-per-task": site.processors,
        "mem": site.memory,
        "hint": site.hint,
        "array": f"{job.array}%{site.most_at_once}" if job.array and site.most_at_once else job.array or None,
        # In an ordinary name of a folder '%' begins no pattern.
        "output": f"{job.log.parent}".replace("%", "%%") + f"/{job.log.name}",
        "open-mode": "append",
        "signal": f"{site.signal}@{site.margin}",
    }
    gpus = [f"--{site.gpu_option.format(gpus=site.gpus)}"] if site.gpu_option and site.gpus else []
    flags = ["--requeue" if site.again == "requeue" else "--no-requeue"]
    options = [f"--{name}={_quoted(str(value))}" for name, value in given.items() if value is not None]
    return options + gpus + flags + site.options


def _quoted(value: str) -> str:
    """A value as sbatch reads it in a script: in quotes where it has spaces.

    Raises
    ------
    HandsonError
        For what sbatch has no way to write.
    """
    if re.search(r'["\\]', value) or not value.isprintable():
        raise HandsonError(f"sbatch takes no quotes, backslashes and line breaks in {value!r}: choose another folder.")
    return f'"{value}"' if re.search(r"[\s'#]", value) else value


def _names(job: Job) -> list[str]:
    task = [f"task=$((SLURM_ARRAY_TASK_ID + {job.offset}))"] if job.array else []
    return [
        "job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}",
        "job=${job:-$SLURM_JOB_ID}",
        *task,
        # srun does not take the processors of the job by itself since Slurm 22.05.
        "export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK",
    ]


def _command(site: Site, job: Job) -> list[str]:
    words = [site.python or sys.executable, "-m", "handson", *job.command]
    quoted = [word if word.startswith("$") else shlex.quote(word) for word in words]
    return [site.container, *quoted] if site.container else quoted


def _again(site: Site, job: Job) -> list[str]:
    """The lines that let a training go on that was stopped before its end."""
    if site.again == "requeue":
        act = 'scontrol requeue "$job" && sleep 60'
    else:
        array = "--array=$SLURM_ARRAY_TASK_ID " if job.array else ""
        act = f"sbatch {array}--export=ALL,HANDSON_RESTARTS=$((restarts + 1)) {shlex.quote(str(job.script))}"
    return [
        "# Saved before the end (75), or signalled before there was anything to save; and not cancelled: it goes on.",
        "restarts=$((${SLURM_RESTART_COUNT:-0} + ${HANDSON_RESTARTS:-0}))",
        f"if [[ $status =~ ^(75|138|143)$ && $restarts -lt {MOST_RESTARTS} && "
        '$(squeue -h -j "$job" -o %T) = RUNNING ]]; then',
        f"    {act}",
        "fi",
    ]

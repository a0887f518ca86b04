"""Workers that were not started by worker 0: those that a launcher has started with it, and those that come later.

Who comes later finds the training in its run folder, where worker 0 leaves word of where it can be reached.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist

from handson.core import regular
from handson.core.errors import HandsonError, TrainingError
from handson.data.rows.batches import Batches
from handson.files import atomic, strict_json
from handson.parallel.guest import Guest
from handson.parallel.launch import Launch, Place, launched
from handson.parallel.world import Lost, World
from handson.training.engines.shards.engine import Shards
from handson.training.engines.shards.leading import follow
from handson.training.preparation.job import Job
from handson.training.recording.environment import environment
from handson.training.recording.fingerprint import differences
from handson.training.recording.interruption import Interruption, Stopped
from handson.training.recording.record import WORKERS

if TYPE_CHECKING:
    from handson.training.preparation.arguments import Arguments

# How long worker 0 may take to answer.
ANSWER_SECONDS = 10.0
# Differences between workers that are listed.
MOST_SHOWN = 10
# What must be alike on all workers for the same bits.
ALIKE = ("handson", "torch", "numpy", "processor", "instructions", "kernels", "device")


# How many trainings of this process had workers: all workers count alike.
_turns = [0]


@contextmanager
def workers_of(arguments: Arguments) -> Iterator[World | None]:
    """The workers that this process is one of, for one training; None where it was started by itself."""
    launch = arguments.launch
    if arguments.joins:
        with _joined_late(Path(arguments.run)) as guest:
            yield guest
    elif launch is None or launch.size == 1:
        yield None
    else:
        with _launched_together(launch) as world:
            yield world


@contextmanager
def _launched_together(launch: Launch) -> Iterator[World]:
    own_store = launch.by != "torchrun" or os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    turn = _turns[0] = _turns[0] + 1
    place = Place(launch.host, launch.port, f"handson/{turn}")
    store = place.store(own_store and launch.rank == 0)
    world = World(store, launch.rank, launch.size, launch.host, threads_of(launch))
    world.place = place
    try:
        yield world
    except BaseException as error:
        if world.leads:  # the others may not have heard of it yet
            with suppress(Lost):
                world.order({"do": "end", "error": f"{type(error).__name__}: {error}"})
        raise
    finally:
        world.close()


def threads_of(launch: Launch) -> int:
    """How many threads a worker computes with: what the launcher gave it, or its part of the machine.

    Examples
    --------
    >>> threads_of(Launch("torchrun", 0, 64, 0, 64, "127.0.0.1", 29500)) >= 1
    True
    """
    given = os.environ.get("SLURM_CPUS_PER_TASK" if launch.by == "srun" else "OMP_NUM_THREADS")
    if given is not None and given.isdecimal():
        return max(1, int(given))
    return max(1, torch.get_num_threads() // launch.local_size)


# Workers that come later.


@contextmanager
def opened(folder: Path, world: World, begin: dict[str, Any]) -> Iterator[None]:
    """While this lasts, workers may join a training: they find its workers in the run folder.

    Parameters
    ----------
    folder : Path
        The run folder.
    world : World
        The workers there are.
    begin : dict
        What is trained, as those who were there from the beginning are told.
    """
    if world.place is None or (world.size == 1 and dist.is_initialized()):  # by the user, who has other plans
        yield
        return
    path, word = folder / WORKERS, secrets.token_hex(8)
    world.open(begin | {"word": word})
    atomic.write_text(path, json.dumps(world.place._asdict() | {"node": platform.node(), "word": word}))
    try:
        yield
    finally:
        with suppress(OSError):
            atomic.check_unlinked(path)
            path.unlink()


@contextmanager
def _joined_late(folder: Path) -> Iterator[Guest]:
    """A worker of the training that runs in a folder.

    Raises
    ------
    HandsonError
        When none runs there, or it cannot be reached.
    """
    place, node, word = _found(folder)
    here = node == platform.node()
    if place.is_local and not here:
        raise HandsonError(
            f"the training in {folder} takes workers on {node} only, where it was started. Start it with torchrun, or "
            f"with srun and MASTER_ADDR={node}, to take workers from other machines too."
        )
    launch = launched()
    # Beside worker 0, this one takes a half of the threads.
    threads = threads_of(launch) if launch else max(1, torch.get_num_threads() // (2 if here else 1))
    world = Guest(_reached(folder, place), place.host, threads)
    try:
        if world.beginning()["word"] != word:
            raise HandsonError(_ended(folder))
        yield world
    finally:
        world.close()


def _found(folder: Path) -> tuple[Place, str, str]:
    """Where the workers of a training meet, the machine of worker 0, and a word that only this training knows."""
    path = folder / WORKERS
    try:
        known = json.loads(regular.read_bytes(path, strict_json.MOST_BYTES, follow=False))
        return Place(str(known["host"]), int(known["port"]), str(known["prefix"])), str(known["node"]), known["word"]
    except FileNotFoundError:
        raise HandsonError(
            f"no training in {folder} takes workers now: only one that runs with devices=, torchrun or srun does. One "
            f"that was stopped goes on with handson resume {folder}."
        ) from None
    except (ValueError, TypeError, KeyError, RecursionError):
        raise HandsonError(f"{path} is damaged: it does not say where the workers of the training are.") from None


def _reached(folder: Path, place: Place) -> Any:
    """The store of a training."""
    try:
        socket.create_connection((place.host, place.port), ANSWER_SECONDS).close()
        return place.store()
    except (OSError, HandsonError) as error:
        raise HandsonError(f"{_ended(folder)} ({place.host}:{place.port}: {error})") from None


def _ended(folder: Path) -> str:
    return f"the training in {folder} does not answer: if it was killed, it goes on with handson resume {folder}."


# What they do.


def follow_launched(
    job: Job, arguments: Arguments, world: World, begin: dict[str, Any], measured: Batches | None, about: dict[str, Any]
) -> dict[str, Any]:
    """The part of a worker that obeys the orders of worker 0; the last one.

    Raises
    ------
    HandsonError
        When this worker has another net, other data or another machine than worker 0.
    """
    try:
        _check_alike(world, begin, about, compared(job.device) if arguments.exact else begin["machine"])
    except HandsonError as error:
        world.report(error)
        raise
    engine = Shards(job, world, arguments.cut, arguments.exact)
    known = [job.batches] if measured is None else [job.batches, measured]
    with Interruption() as asked:
        world.line_up()
        end = follow(engine, known, lambda: _heeded(asked.signal, world))
    engine.close()
    if end.get("code") is not None:
        raise SystemExit(end["code"])
    if end["error"] is not None:
        raise TrainingError(f"worker 0 has stopped: {end['error']}")
    return end


def _heeded(name: str | None, world: World) -> str | None:
    """The signal that this process was sent, if worker 0 is to hear of it: a guest leaves, and the others go on."""
    if name is not None and isinstance(world, Guest):
        world.close()
        raise Stopped(f"worker {world.name} was stopped by {name}; the others go on.")
    return name


def _check_alike(world: World, begin: dict[str, Any], about: dict[str, Any], machine: dict[str, Any]) -> None:
    now = json.loads(json.dumps(about))
    found = differences(begin["about"], now)
    if found:
        listed = "\n  ".join(found[:MOST_SHOWN])
        raise HandsonError(
            f"worker {world.name} trains something else than worker 0 (there before, here now):\n  {listed}\nAll "
            f"workers run the same script on the same data."
        )
    found = differences(begin["machine"], machine)
    if found:
        raise HandsonError(
            f"worker {world.name} would compute other last digits than worker 0: {'; '.join(found)}. Train on machines "
            f"of one kind, or with exact=False."
        )


def beginning(job: Job, arguments: Arguments, measured: Batches | None, about: dict[str, Any]) -> dict[str, Any]:
    """What worker 0 tells the others of a training."""
    return {
        "do": "begin", "seed": job.seed, "size": None if measured is None else measured.batch_size, "about": about,
        "machine": compared(job.device), "shards": arguments.cut, "exact": arguments.exact,
    }  # fmt: skip


def compared(device: torch.device) -> dict[str, Any]:
    """What of this machine decides about the last digits."""
    known = environment(device)
    return {name: known[name] for name in ALIKE}

"""How a training gets its workers: processes that are started here, or those of `joining`."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from handson.core.errors import HandsonError, TrainingError
from handson.data.rows.batches import Batches
from handson.parallel.launch import START_SECONDS, Place, launched
from handson.parallel.world import Lost, World
from handson.training.engines.shards.engine import Shards
from handson.training.engines.shards.leading import Leading, follow
from handson.training.joining import beginning, opened
from handson.training.preparation.job import Job

if TYPE_CHECKING:
    from handson.training.preparation.arguments import Arguments

# How long a worker that was started here may take to leave.
END_SECONDS = 10.0
LOG_LEVEL = "TORCH_CPP_LOG_LEVEL"


@contextmanager
def leading(
    job: Job, arguments: Arguments, launched: World | None, measured: Batches | None, about: dict[str, Any]
) -> Iterator[Leading]:
    """The engine of worker 0; the others follow it while this lasts.

    Parameters
    ----------
    job : Job
        What is trained.
    arguments : Arguments
        How many workers, and how a batch is cut.
    launched : World, optional
        Workers that were launched with this process; by default they are started here.
    measured : Batches, optional
        The rows held out.
    about : dict
        What the net and the data are, for workers that were not started here.

    Raises
    ------
    HandsonError
        For a training that cannot be cut into shards, and for several workers of a net on a GPU.
    """
    obstacle = Shards.obstacle(job)
    if obstacle is not None:
        raise HandsonError(
            f"batches cannot be cut into shards, for workers or on one device: that does not support {obstacle}. Leave "
            f"out what asks for it (devices, shards, exact, engine='shards', a launcher with several processes)."
        )
    if arguments.workers > 1 and job.device.type != "cpu":
        raise HandsonError(
            f"several workers train on the CPU, and this net is on {job.device}. Train it on one device, without "
            f"devices and launchers; or hide the GPU: CUDA_VISIBLE_DEVICES= python script.py."
        )
    known = [job.batches] if measured is None else [job.batches, measured]
    with ExitStack() as stack:
        world = World() if launched is None else launched
        if launched is None and (arguments.workers > 1 or arguments.opens):
            world = stack.enter_context(_started(job, known, arguments))
        begin = beginning(job, arguments, measured, about)
        if launched is not None:
            world.order(begin)
        if arguments.opens:
            stack.enter_context(opened(Path(arguments.run), world, begin))
        engine = Leading(job, world, arguments.cut, arguments.exact)
        engine.begin(known)
        end: dict[str, Any] = {"do": "end", "error": None}
        try:
            yield engine
            if launched is not None or arguments.opens:
                engine.share()
                model: Any = job.module
                end |= {"history": model.history.to_json(), "age": model.age}
        except BaseException as raised:
            end["error"] = f"{type(raised).__name__}: {raised}"
            end["code"] = raised.code if isinstance(raised, SystemExit) else None
            raise
        finally:
            with suppress(Lost):
                world.order(end)
            engine.close()
            world.close()


# Workers that are started here.


@contextmanager
def _started(job: Job, known: Sequence[Batches], arguments: Arguments) -> Iterator[World]:
    """Start workers, each with a copy of the net; the rows they map from files."""
    count = arguments.workers
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="handson-workers-") as folder:
        payload = _packed(job, known, Path(folder)) if count > 1 else b""
        launch = launched()
        host = "127.0.0.1" if launch is None else launch.host  # where those who join find it
        server = dist.TCPStore(host, 0, None, True, timedelta(seconds=START_SECONDS), wait_for_workers=False)
        place = Place(host, server.port)
        store = dist.PrefixStore(place.prefix, server)
        threads = max(1, torch.get_num_threads() // count)
        how = place, count, arguments.cut, arguments.exact, threads
        processes = {
            rank: context.Process(target=_work, args=(rank, how, payload), daemon=True, name=f"handson worker {rank}")
            for rank in range(1, count)
        }
        try:
            with _quiet():
                for process in processes.values():
                    process.start()
            _wait_for(store, processes)
            world = World(store, 0, count, host, threads)
            world.place = place
            yield world
        finally:
            for process in processes.values():
                _end(process)


@contextmanager
def _quiet() -> Iterator[None]:
    """Processes that start now do not print what their store says when worker 0 is gone."""
    kept = os.environ.get(LOG_LEVEL)
    os.environ[LOG_LEVEL] = kept or "ERROR"
    try:
        yield
    finally:
        del os.environ[LOG_LEVEL]
        os.environ |= {} if kept is None else {LOG_LEVEL: kept}


def _wait_for(store: Any, processes: dict[int, Any]) -> None:
    """Wait until every worker has come."""
    for rank, process in processes.items():
        while not store.check([f"here/{rank}"]):
            if store.check(["error"]) or not process.is_alive():
                raise TrainingError(_why_not(store, rank))
            time.sleep(0.01)


def _why_not(store: Any, rank: int) -> str:
    reason = bytes(store.get("error")).decode() if store.check(["error"]) else "it ended before it had begun"
    return (
        f"worker {rank} could not start: {reason}. A script that starts workers has its work in a function that is "
        f'called under if __name__ == "__main__":, and the classes of its net in a module that can be imported; else '
        f"start it with torchrun."
    )


def _end(process: Any) -> None:
    if process.pid is None:
        return
    process.join(END_SECONDS)
    if process.is_alive():
        process.kill()
        process.join()


def _packed(job: Job, known: Sequence[Batches], folder: Path) -> bytes:
    """The job for another process: the net in a pickle, the rows in files."""
    places: dict[int, Any] = {}
    parts = [_in_files(batches, folder, places) for batches in known]
    bare = replace(job, batches=Batches([torch.empty(0)], [torch.empty(0)]))
    try:
        return pickle.dumps((bare, parts))
    except Exception as error:
        raise HandsonError(
            f"the net cannot be sent to workers that are started here ({error}). Functions and classes that it is made "
            f"of have to be defined in a module; or start the script with torchrun --nproc-per-node=..., which sends"
            f" nothing."
        ) from None


def _in_files(batches: Batches, folder: Path, places: dict[int, Any]) -> Batches:
    def stored(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):  # every worker opens the files that rows stay in
            return leaf
        if id(leaf) not in places:
            path = folder / f"{len(places)}.npy"
            np.save(path, leaf.detach().cpu().numpy())
            places[id(leaf)] = _InFile(str(path), leaf)
        return places[id(leaf)]

    fields: dict[str, Any] = {
        name: [stored(leaf) for leaf in getattr(batches, name)] for name in ("inputs", "targets", "weights")
    }
    return replace(batches, **fields, _order=None, _feed=None)


class _InFile:
    """A tensor that lies in a file; unpickled it is mapped from there."""

    def __init__(self, path: str, tensor: Tensor) -> None:
        self.path, self.tensor = path, tensor

    def __reduce__(self) -> tuple[Any, ...]:
        return _mapped, (self.path,)


def _mapped(path: str) -> Tensor:
    """A tensor over a file that is mapped: pages that are only read are there once for all workers."""
    array = np.load(path, mmap_mode="c")
    return torch.from_numpy(array) if array.size else torch.empty(array.shape, dtype=torch.from_numpy(array).dtype)


def _work(rank: int, how: tuple[Place, int, int, bool, int], payload: bytes) -> None:
    """A worker that was started here, from its beginning to its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for worker 0, which ends the others
    place, size, shards, exact, threads = how
    torch.set_num_threads(1)
    store = place.store()
    try:
        job, known = pickle.loads(payload)
        job.batches = known[0]
    except BaseException as error:
        store.set("error", f"{type(error).__name__}: {error}")
        return
    store.set(f"here/{rank}", "1")
    try:
        world = World(store, rank, size, place.host, threads)
        engine = Shards(job, world, shards, exact)
        follow(engine, known)
    except Lost:  # worker 0 is gone, or went on without this one; it has said so, or cannot
        os._exit(1)
    except BaseException:  # was reported
        os._exit(2)
    engine.close()
    world.close()

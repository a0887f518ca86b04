"""Engines execute the steps of a job. `eager` is the reference and runs everything.

The loop asks an engine to train a span of steps, to evaluate and to predict; it never looks into a step. Every engine
gives the reference's numbers within rounding, and exactly its own numbers when run again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from handson.core.errors import HandsonError, nearest
from handson.data.rows.batches import Batches
from handson.data.rows.mapped import Data
from handson.kernels.library import missing
from handson.state.sums import Sums
from handson.training.engines.blocks.engine import Blocks
from handson.training.engines.dense.engine import DenseProgram
from handson.training.engines.eager import Eager
from handson.training.engines.own import Own
from handson.training.engines.recorded.engine import Graph
from handson.training.engines.shards.engine import Shards
from handson.training.preparation.job import Job, Stretch

# A shorter training is over in `eager` before kernels are loaded, which takes ten milliseconds.
FEWEST_STEPS = 10


class Engine(Protocol):
    """Executes the steps of one compiled model on one device.

    Attributes
    ----------
    job : Job
        What is trained.
    reason : str
        Why it is the automatic choice, in words for the user; empty for the reference.
    """

    job: Job
    reason: str

    def __init__(self, job: Job) -> None: ...

    @staticmethod
    def obstacle(job: Job) -> str | None:
        """Why a job cannot run here, None if it can."""

    def run(self, stretch: Stretch) -> None:
        """Run the steps of a stretch; add what they report to its sums."""

    def evaluate(self, batches: Batches, sums: Sums | None = None) -> Sums:
        """Loss and metrics in evaluation mode, added to sums if there are some already."""

    def predict(self, inputs: Sequence[Data], batch_size: int) -> list[Tensor]:
        """Outputs, as leaves, in the targets' own units."""


ENGINES: dict[str, type[Engine]] = {
    "eager": Eager,
    "blocks": Blocks,
    "dense": DenseProgram,
    "graph": Graph,
    "shards": Shards,
}
# Those that need kernels (`handson.kernels`), the fastest first.
COMPILED: tuple[type[Engine], ...] = (DenseProgram, Blocks)


def choose(job: Job, name: str = "auto", steps: int = 0) -> Engine:
    """The engine for a job: the named one, or the fastest that fits.

    The choice follows from the job alone, so that the same training gives the same numbers. On a machine without
    kernels it is `eager`, which says so. On a GPU it is `eager` too: `graph` has to be named, until it has been
    measured on one.

    Parameters
    ----------
    job : Job
        A net and its data.
    name : str
        'auto' or the name of an engine.
    steps : int
        How many steps will be trained: the shortest are not worth loading kernels.

    Raises
    ------
    HandsonError
        When there is no such engine, or when it cannot run this job.

    Examples
    --------
    >>> import handson
    >>> choose(None, "eagre")
    Traceback (most recent call last):
    handson.core.errors.HandsonError: unknown engine 'eagre'. Did you mean 'eager'? Known: auto, eager, blocks, ...
    """
    if name != "auto" and name not in ENGINES:
        raise HandsonError(
            f"unknown engine {name!r}.{nearest(name, ['auto', *ENGINES])} Known: {', '.join(['auto', *ENGINES])}."
        )
    if job.own:
        if name not in ("auto", "eager"):
            raise HandsonError(f"the engine {name!r} cannot run a net that defines {job.own[0]}; engine='eager' can.")
        return Own(job)
    if name == "auto":
        return _fastest(job) if steps >= FEWEST_STEPS else Eager(job)
    engine = ENGINES[name]
    obstacle = engine.obstacle(job)
    if obstacle is None and engine in COMPILED and (absent := missing()) is not None:
        raise HandsonError(f"the engine {name!r} cannot run here: {absent}")
    if obstacle is not None:
        raise HandsonError(cannot_run(name, obstacle))
    return engine(job)


def cannot_run(name: str, obstacle: str) -> str:
    """Why an engine cannot run a training, in words for the user."""
    return (
        f"the engine {name!r} cannot run this training: it does not support {obstacle}. engine='eager' runs everything."
    )


def _fastest(job: Job) -> Engine:
    """The first of the compiled engines that can run a job; `eager` if there is none, or if kernels are missing."""
    for engine in COMPILED:
        if engine.obstacle(job) is None:
            absent = missing()
            if absent is None:
                return engine(job)
            eager = Eager(job)
            eager.reason = f"engine='eager', which takes several times as long as compiled kernels would: {absent}"
            return eager
    return Eager(job)

"""Monte-Carlo dropout: predictions with dropout at work, whose spread says how sure a net is.

Y. Gal, Z. Ghahramani, "Dropout as a Bayesian approximation", ICML 2016.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from handson.core.errors import HandsonError
from handson.data.rows.feed import arriving
from handson.data.rows.stored import Data, pieces
from handson.layers.dropout import _Dropout
from handson.layers.noise import AlphaDropout, GaussianDropout
from handson.randomness.keys import derive
from handson.randomness.stream import Stream, active
from handson.state.precision import arithmetic
from handson.training.engines.eager import Eager

# The attributes by which layers that are no dropout say how much they drop.
RATES = ("dropout", "recurrent_dropout")


def drops(layer: nn.Module) -> bool:
    """Whether a layer drops anything in training.

    Examples
    --------
    >>> from handson.layers import LSTM, Dense, Dropout
    >>> drops(Dropout(0.1)), drops(LSTM(3, dropout=0.1)), drops(LSTM(3)), drops(Dense(3))
    (True, True, False, False)
    """
    if isinstance(layer, nn.modules.dropout._DropoutNd):
        return layer.p > 0
    if isinstance(layer, (_Dropout, GaussianDropout, AlphaDropout)):
        return layer.rate > 0
    return any(isinstance(rate := getattr(layer, name, 0), float) and rate > 0 for name in RATES)


@contextmanager
def dropping(module: nn.Module) -> Iterator[None]:
    """While this lasts, dropout is at work, and nothing else of training.

    Raises
    ------
    HandsonError
        When the net has no dropout.
    """
    module.eval()
    chosen = [layer for layer in module.modules() if drops(layer)]
    if not chosen:
        raise HandsonError(
            "predict(x, spread='dropout') needs a net with dropout, such as layers.Dropout(0.1), and this one has "
            "none. Train several nets: handson.deep_ensemble(...)."
        )
    for layer in chosen:
        layer.training = True
    try:
        yield
    finally:
        module.eval()


@torch.no_grad()
def samples(engine: Eager, inputs: Sequence[Data], size: int, count: int, seed: int) -> list[list[Tensor]]:
    """The outputs, as leaves in the units of the targets, of several runs with dropout: the same for the same seed.

    Parameters
    ----------
    engine : Eager
        The engine of the net.
    inputs : sequence of Data
        The rows.
    size : int
        Rows at a time; the runs do not depend on it.
    count : int
        How many runs.
    seed : int
        Where their random numbers come from.
    """
    job = engine.job
    with dropping(job.module), arithmetic(job.precision, job.device), torch.random.fork_rng():
        return [_run(engine, inputs, size, derive(seed, "monte_carlo", number)) for number in range(count)]


def _run(engine: Eager, inputs: Sequence[Data], size: int, seed: int) -> list[Tensor]:
    job, found, first = engine.job, [], 0
    torch.manual_seed(seed >> 1)
    with active(Stream(seed, 0)) as stream:
        for batch in zip(*(pieces(leaf, size) for leaf in inputs), strict=True):
            leaves = [arriving(leaf.to(job.device)) for _, leaf in batch]
            stream.rows = torch.arange(first, first + len(leaves[0]), device=job.device)
            first += len(leaves[0])
            found.append([output.cpu() for output in job.objective.in_units(engine.outputs(leaves))])
    return [torch.cat(parts) for parts in zip(*found, strict=True)]

"""Batches cut into shards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import Tensor

from handson.data.rows.batches import Batches
from handson.data.rows.feed import Batch
from handson.parallel.exchange import Exchange
from handson.parallel.tree import bounds


class Shard(NamedTuple):
    """The rows of one shard, and what they hold."""

    rows: Tensor
    batch: Batch


class Cut(NamedTuple):
    """The shards of a batch that this worker computes.

    Attributes
    ----------
    size : int
        Rows of the whole batch.
    shards : dict of int to Shard
        By number; without those that have no rows.
    """

    size: int
    shards: dict[int, Shard]


def walk(batches: Batches, epoch: int | None, first: int, last: int, exchange: Exchange) -> Iterator[Cut]:
    """The steps [first, last) of an epoch, each cut for this worker.

    Every shard is a copy of its own: where in memory numbers begin decides how libraries add them up.
    """
    if batches.streams:
        for rows, batch in batches.walk(epoch, first, last):
            yield _cut(len(rows), exchange, lambda a, b, rows=rows, batch=batch: _copied(rows, batch, a, b))
        return
    for step in range(first, last):
        rows = batches.rows(epoch, step)
        yield _cut(len(rows), exchange, lambda a, b, rows=rows: Shard(rows[a:b], batches.take(rows[a:b])))


def _cut(size: int, exchange: Exchange, shard: Any) -> Cut:
    numbers = exchange.held if exchange.has_all_busy(size) else range(exchange.shards)
    places = {number: bounds(number, size, exchange.shards) for number in numbers}
    return Cut(size, {number: shard(first, last) for number, (first, last) in places.items() if last > first})


def _copied(rows: Tensor, batch: Batch, first: int, last: int) -> Shard:
    inputs, targets, weights = batch

    def part(leaf: Tensor) -> Tensor:
        return leaf[first:last].clone()

    picked = [None if leaf is None else part(leaf) for leaf in weights]
    return Shard(rows[first:last], Batch([part(leaf) for leaf in inputs], [part(leaf) for leaf in targets], picked))

"""How numbers of shards get from worker to worker: the sums of subtrees, put together in the order of the tree."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from handson.parallel.tree import Block, blocks, bounds, folded, held

# Up to so many bytes, everything goes to every worker; beyond, every worker adds up its share of the numbers.
SMALL_BYTES = 1 << 16


class Link(NamedTuple):
    """The connection of one worker with the others."""

    rank: int = 0
    size: int = 1
    talking: Callable[[], AbstractContextManager[None]] | None = None


class Exchange:
    """Adds up over shards that are spread over workers.

    Parameters
    ----------
    link : Link
        The connection.
    shards : int
        How many shards there are on all workers.

    Attributes
    ----------
    parts : list of range
        The shards of each worker.
    held : range
        Those of this one.

    Examples
    --------
    >>> exchange = Exchange(Link(), 2)
    >>> exchange.fold({Block(0, 1): torch.ones(2), Block(1, 1): torch.ones(2)}, rows=9)
    tensor([2., 2.])
    """

    def __init__(self, link: Link, shards: int) -> None:
        self.link, self.shards, self.whole = link, shards, Block(0, shards)
        self.parts = [held(rank, link.size, shards) for rank in range(link.size)]
        self.held = self.parts[link.rank]
        self._blocks = [blocks(part) for part in self.parts]
        self._most = max(map(len, self._blocks))

    def has_all_busy(self, rows: int) -> bool:
        """Whether every worker has rows in a batch of so many; else each computes the whole batch by itself."""
        return all(self.rows_of(part, rows) for part in self.parts)

    def rows_of(self, part: range, rows: int) -> int:
        """How many rows of a batch neighbouring shards have."""
        return bounds(part[-1], rows, self.shards)[1] - bounds(part[0], rows, self.shards)[0]

    def fold(self, values: Mapping[Block, Tensor], rows: int) -> Tensor:
        """The sum over all shards of a batch of so many rows; on every worker the same bits.

        Parameters
        ----------
        values : dict of Block to Tensor
            This worker's sums of subtrees, or all there are; tensors of one shape and type.
        rows : int
            The rows of the batch: shards without rows have no value.
        """
        if self.link.size == 1 or not self.has_all_busy(rows):
            return _found(folded(values, self.whole, torch.add))
        mine = {block: folded(values, block, torch.add) for block in self._blocks[self.link.rank]}
        like = next(value for value in mine.values() if value is not None)
        flat = like.new_zeros(self._most, like.numel())
        for row, value in zip(flat, mine.values(), strict=False):
            if value is not None:
                row.copy_(value.reshape(-1))
        small = like.numel() * like.element_size() <= SMALL_BYTES
        return (self._together(flat, rows) if small else self._in_shares(flat, rows)).view(like.shape)

    def _together(self, flat: Tensor, rows: int) -> Tensor:
        """Everybody adds up everything."""
        return self._folded(self.gather(flat), rows)

    def _in_shares(self, flat: Tensor, rows: int) -> Tensor:
        """Every worker adds up a share of the numbers: what goes over the wire does not grow with the workers."""
        size, numbers = self.link.size, flat.shape[1]
        share = -(-numbers // size)
        padded = flat.new_zeros(self._most, size * share)
        padded[:, :numbers] = flat
        sent = padded.view(self._most, size, share).transpose(0, 1).contiguous()
        received = torch.empty_like(sent)
        with self._talking():
            dist.all_to_all_single(received, sent)
        return torch.cat(self.gather(self._folded(list(received), rows)))[:numbers]

    def _folded(self, received: list[Tensor], rows: int) -> Tensor:
        values = {
            block: received[rank][place]
            for rank, each in enumerate(self._blocks)
            for place, block in enumerate(each)
            if self.rows_of(range(block.first, block.first + block.size), rows)
        }
        return _found(folded(values, self.whole, torch.add))

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """The tensors of all workers, which have one shape."""
        if self.link.size == 1:
            return [tensor]
        found = [torch.empty_like(tensor) for _ in range(self.link.size)]
        with self._talking():
            dist.all_gather(found, tensor.contiguous())
        return found

    def _talking(self) -> AbstractContextManager[None]:
        assert self.link.talking is not None  # noqa: S101
        return self.link.talking()


class Reduction(Exchange):
    """Adds up as the backend does it, fastest: as in `DistributedDataParallel`, the order depends on the workers."""

    def fold(self, values: Mapping[Block, Tensor], rows: int) -> Tensor:
        total = functools.reduce(torch.add, [values[block] for block in sorted(values)])
        if self.link.size == 1 or not self.has_all_busy(rows):
            return total
        total = total.clone()
        with self._talking():
            dist.all_reduce(total)
        return total


def _found(value: Tensor | None) -> Tensor:
    assert value is not None  # noqa: S101
    return value

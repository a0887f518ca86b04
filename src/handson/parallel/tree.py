"""The fixed binary tree in which the numbers of shards meet.

Floating-point sums depend on the order of their terms. Here the order is that of a binary tree over the shards of a
batch, whoever computed them: a worker adds up the subtrees that it has all shards of, and the sums of these subtrees,
put together, are those that one worker alone would have found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from handson.core.errors import HandsonError

Value = TypeVar("Value")


class Block(NamedTuple):
    """The subtree over the shards [first, first + size); `size` is a power of two that divides `first`."""

    first: int
    size: int

    def halves(self) -> tuple[Block, Block]:
        """The two subtrees that it is made of."""
        half = self.size // 2
        return Block(self.first, half), Block(self.first + half, half)


def check_shards(shards: Any, workers: int = 1) -> int:
    """The number of shards, if it can be one for so many workers.

    Examples
    --------
    >>> check_shards(8, workers=3)
    8
    >>> check_shards(6)
    Traceback (most recent call last):
    handson.core.errors.HandsonError: shards is a power of two, such as 8; got 6.
    """
    if isinstance(shards, bool) or not isinstance(shards, int) or shards < 1 or shards & (shards - 1):
        raise HandsonError(f"shards is a power of two, such as 8; got {shards!r}.")
    if workers > shards:
        enough = 1 << (workers - 1).bit_length()
        raise HandsonError(
            f"a batch of {shards} shards keeps at most {shards} workers busy; got {workers}. Give shards={enough}: a "
            f"training with another number of shards is another one in its last digits."
        )
    return shards


def held(rank: int, workers: int, shards: int) -> range:
    """The shards of a worker: neighbours, as many as the others have, or one more or less.

    Examples
    --------
    >>> [list(held(rank, 3, 8)) for rank in range(3)]
    [[0, 1], [2, 3, 4], [5, 6, 7]]
    """
    return range(rank * shards // workers, (rank + 1) * shards // workers)


def bounds(shard: int, rows: int, shards: int) -> tuple[int, int]:
    """The first row of a shard, and the first after it, in a batch of so many rows.

    Examples
    --------
    >>> [bounds(shard, 10, 4) for shard in range(4)]
    [(0, 2), (2, 5), (5, 7), (7, 10)]
    """
    return shard * rows // shards, (shard + 1) * rows // shards


def blocks(part: range) -> list[Block]:
    """The largest subtrees that neighbouring shards are made of.

    Examples
    --------
    >>> blocks(range(2, 5))
    [Block(first=2, size=2), Block(first=4, size=1)]
    """
    found, first = [], part.start
    while first < part.stop:
        size = first & -first or 1 << len(part).bit_length()
        while first + size > part.stop:
            size //= 2
        found.append(Block(first, size))
        first += size
    return found


class Folding(Mapping[Block, Value]):
    """Adds up values of shards as they come, in the order of the tree.

    A shard may have no rows and no value: it is left out. At most one value for each level of the tree is held when
    shards come in order.

    Parameters
    ----------
    add : function of (left, right)
        The sum of two values.

    Examples
    --------
    >>> folding = Folding(lambda left, right: f"({left}+{right})")
    >>> for shard in (0, 1, 2): folding.put(Block(shard, 1), str(shard))
    >>> list(folding.items())
    [(Block(first=0, size=2), '(0+1)'), (Block(first=2, size=1), '2')]
    """

    def __init__(self, add: Callable[[Value, Value], Value]) -> None:
        self._add = add
        self._held: dict[Block, Value | None] = {}

    def put(self, block: Block, value: Value | None) -> None:
        """Take up the value of a subtree; with that of its neighbour it becomes the sum of both."""
        while True:
            left = Block(block.first & ~block.size, block.size)
            right = Block(left.first + block.size, block.size)
            other = right if block == left else left
            if other not in self._held:
                self._held[block] = value
                return
            beside = self._held.pop(other)
            pair = (value, beside) if block == left else (beside, value)
            value, block = self._sum(*pair), Block(left.first, 2 * block.size)

    def _sum(self, left: Value | None, right: Value | None) -> Value | None:
        if left is None or right is None:
            return right if left is None else left
        return self._add(left, right)

    def __getitem__(self, block: Block) -> Value:
        value = self._held[block]
        if value is None:
            raise KeyError(block)
        return value

    def __iter__(self) -> Iterator[Block]:
        return (block for block in sorted(self._held) if self._held[block] is not None)

    def __len__(self) -> int:
        return sum(value is not None for value in self._held.values())


def folded(values: Mapping[Block, Value], block: Block, add: Callable[[Value, Value], Value]) -> Value | None:
    """The sum over the shards of a subtree, from values of subtrees in it; None where there is no value at all.

    Examples
    --------
    >>> values = {Block(0, 1): "a", Block(1, 1): "b", Block(2, 2): "c"}
    >>> folded(values, Block(0, 4), lambda left, right: f"({left}+{right})")
    '((a+b)+c)'
    """
    if block in values or block.size == 1:
        return values.get(block)
    left, right = (folded(values, half, add) for half in block.halves())
    if left is None or right is None:
        return right if left is None else left
    return add(left, right)

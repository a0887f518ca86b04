"""The tree: whoever adds up, the sum is that of one worker."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from handson.core.errors import HandsonError
from handson.parallel.exchange import Exchange, Link
from handson.parallel.tree import Block, Folding, blocks, bounds, check_shards, folded, held

powers = st.sampled_from([1, 2, 4, 8, 16])


def joined(left, right):
    return f"({left}+{right})"


@given(shards=powers, workers=st.integers(1, 16), rows=st.integers(1, 40))
def test_subtrees_of_workers_make_the_sum_of_one_worker(shards, workers, rows):
    workers = min(workers, shards)
    values = {
        shard: str(shard) for shard in range(shards) if bounds(shard, rows, shards)[0] < bounds(shard, rows, shards)[1]
    }
    alone = folded({Block(shard, 1): value for shard, value in values.items()}, Block(0, shards), joined)
    parts = {}
    for rank in range(workers):
        folding = Folding(joined)
        for shard in held(rank, workers, shards):
            folding.put(Block(shard, 1), values.get(shard))
        assert set(folding) <= set(blocks(held(rank, workers, shards)))
        parts |= folding
    assert folded(parts, Block(0, shards), joined) == alone


@given(shards=powers, workers=st.integers(1, 16))
def test_every_shard_has_one_worker_and_blocks_cover_it(shards, workers):
    workers = min(workers, shards)
    parts = [list(held(rank, workers, shards)) for rank in range(workers)]
    assert [shard for part in parts for shard in part] == list(range(shards))
    for rank in range(workers):
        covered = [shard for block in blocks(held(rank, workers, shards)) for shard in range(block.first, sum(block))]
        assert covered == parts[rank]


@given(shards=powers, rows=st.integers(0, 50))
def test_shards_divide_the_rows(shards, rows):
    places = [bounds(shard, rows, shards) for shard in range(shards)]
    assert places[0][0] == 0
    assert places[-1][1] == rows
    assert all(end == start for (_, end), (start, _) in pairwise(places))


@pytest.mark.parametrize("shards", [0, 3, -8, True, "8", 2.0])
def test_shards_are_a_power_of_two(shards):
    with pytest.raises(HandsonError, match="power of two"):
        check_shards(shards)


def test_more_workers_than_shards_are_refused_with_the_number_that_is_enough():
    with pytest.raises(HandsonError, match="shards=16"):
        check_shards(8, 12)


def test_the_order_of_the_sum_is_that_of_the_tree():
    values = torch.tensor([1e8, 1.0, 1.0, -1e8])
    found = Exchange(Link(), 4).fold({Block(k, 1): value for k, value in enumerate(values)}, rows=4)
    assert found == (values[0] + values[1]) + (values[2] + values[3])
    assert found != ((values[0] + values[3]) + values[1]) + values[2]

"""Keeping arenas mapped: how many, and that they go with the keeper."""

import sys

import pytest

from wxcontacts_async.arenas import ArenaKeeper


@pytest.mark.parametrize(
    ("replies", "kept"),
    [([2_000_000], 6), ([4_500_000], 13), ([90_000, 4_500_000, 90_000], 13), ([10**9], 33)],
)
def test_a_few_small_objects_are_kept_by_the_largest_reply(replies: list[int], kept: int) -> None:
    before = sys.getallocatedblocks()
    keeper = ArenaKeeper()
    for reply_bytes in replies:
        keeper.prepare_for(reply_bytes)
    assert kept <= sys.getallocatedblocks() - before <= kept + 30
    del keeper
    assert sys.getallocatedblocks() - before <= kept // 2

"""Keeping arenas mapped: how many, and that they go with the keeper."""

import platform
import subprocess
import sys

import pytest

# In a process of its own, as a test runner's other threads make objects, too.
_BLOCKS = """
import sys
from wxcontacts_async._decoding.memory import ArenaKeeper

def keeper_for(replies):
    keeper = ArenaKeeper()
    for reply_bytes in replies:
        keeper.prepare_for(reply_bytes)
    return keeper

replies = list(map(int, sys.argv[1:]))
keeper_for(replies)  # what Python itself keeps of a first time is not the keeper's
before = sys.getallocatedblocks()
keeper = keeper_for(replies)
print(sys.getallocatedblocks() - before)
del keeper
print(sys.getallocatedblocks() - before)
"""


@pytest.mark.parametrize(
    ("replies", "kept"),
    [([2_000_000], 6), ([4_500_000], 13), ([90_000, 4_500_000, 90_000], 13), ([10**9], 33)],
)
def test_a_few_small_objects_are_kept_by_the_largest_reply(replies: list[int], kept: int) -> None:
    measure = [sys.executable, "-c", _BLOCKS, *map(str, replies)]
    ran = subprocess.run(measure, capture_output=True, check=True, timeout=30)  # noqa: S603
    while_kept, once_dropped = map(int, ran.stdout.split())
    assert kept <= while_kept <= kept + 30
    assert once_dropped <= kept // 2


# As asyncio reads: into 256 KiB, of which what has come is kept.
_FAULTS = """
import resource
from wxcontacts_async._decoding.memory import ArenaKeeper

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        bytes(256 * 1024).replace(b"\\0", b"x")
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(faults())
ArenaKeeper()
faults()
print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators differ")
def test_what_is_read_into_is_not_mapped_anew_each_time() -> None:
    measure = [sys.executable, "-c", _FAULTS]
    ran = subprocess.run(measure, capture_output=True, check=True, timeout=30)  # noqa: S603
    before, after = map(int, ran.stdout.split())
    assert before > 1000
    assert after < 100

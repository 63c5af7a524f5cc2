"""What a block of code left behind: tasks and sockets."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import psutil


@contextmanager
def no_tasks_left() -> Iterator[None]:
    """Check that every task that was started within has ended, the emulator's aside."""
    before = asyncio.all_tasks()
    yield
    left = [task.get_coro() for task in asyncio.all_tasks() - before]
    ours = [coro for coro in left if "connection" not in repr(coro).lower()]
    assert not ours, f"tasks left: {ours}"


def open_sockets_to(url: str) -> int:
    """Count this process's client sockets to the server at `url` that are not closed."""
    port = int(url.rpartition(":")[2])
    return sum(
        1
        for connection in psutil.Process(os.getpid()).net_connections("tcp")
        if connection.raddr and connection.raddr.port == port
    )


async def settle() -> None:
    """Let everything run that can run now."""
    for _ in range(3):
        await anyio.wait_all_tasks_blocked()

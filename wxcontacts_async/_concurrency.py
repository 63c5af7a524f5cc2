"""What is small and missing from asyncio and anyio: a signal, and a task group for an object."""

from asyncio import Event

from anyio import create_task_group
from anyio.abc import TaskGroup


class Signal:
    """Wakes the tasks that wait for it, each time that it is given; it keeps no memory of it."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event: Event | None = None  # None while no task waits

    def notify(self) -> None:
        """Wake every task that waits."""
        if self._event is not None:
            self._event.set()
            self._event = None

    async def wait(self) -> None:
        """Wait until it is given the next time."""
        if self._event is None:
            self._event = Event()
        await self._event.wait()


async def enter_task_group() -> TaskGroup:
    """Enter a task group that lives as long as an object that is itself a context manager."""
    tasks = create_task_group()
    await tasks.__aenter__()
    return tasks


async def leave_task_group(tasks: TaskGroup) -> None:
    """Wait until its tasks have ended.

    It is not told of the block's exception, which it would wrap in a group.
    """
    await tasks.__aexit__(None, None, None)

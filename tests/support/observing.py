"""Tests wait on events rather than on the clock; this observer is what they wait with."""

from collections.abc import Callable
from typing import TypeVar

import anyio

from wxcontacts_async import Event

EventT = TypeVar("EventT", bound=Event)


class Witness:
    """An observer that keeps every event and lets a test wait for what it needs."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._news = anyio.Event()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()
        self._news = anyio.Event()

    def of(self, kind: type[EventT]) -> list[EventT]:
        return [event for event in self.events if isinstance(event, kind)]

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._news.wait()

"""Finds the dispatcher of an instance's gateway, for all that a pool's callers ask for."""

from collections.abc import Callable, Mapping
from typing import Generic

from anyio import create_task_group
from anyio.abc import TaskGroup

from wxcontacts_async._decoding.queue import DecodeQueue
from wxcontacts_async._decoding.reply import ReplyDecoder
from wxcontacts_async._dispatch.dispatcher import Dispatcher
from wxcontacts_async._event_loop import running_loop
from wxcontacts_async._http.buffers import ReceiveBuffers
from wxcontacts_async._observing import Announcer
from wxcontacts_async.contacts import ContactT
from wxcontacts_async.errors import PoolClosedError, UnknownGatewayError
from wxcontacts_async.instance import Instance
from wxcontacts_async.settings import Gateway, InitializationWait, RetryPolicy
from wxcontacts_async.statistics import GatewayStatistics
from wxcontacts_async.validation import check_w_id

NOT_OPEN = "the pool is not open; use it within `async with SessionPool(...) as pool`"


class Router(Generic[ContactT]):
    """The dispatchers of an open pool, one a gateway, and the queue in which they have decoded.

    Arguments:
        gateways: Settings by name.
        initialization: How initializing instances are waited for.
        retry: How what may pass is tried again.
        decoder: Decodes bodies.
        announce: Called with each event.
        tasks: Where calls are paced and connections made.

    Attributes:
        decode_next: Decodes the next reply, if there is one and this tick may.

    """

    def __init__(
        self,
        gateways: Mapping[str, Gateway],
        *,
        initialization: InitializationWait,
        retry: RetryPolicy,
        decoder: ReplyDecoder[ContactT],
        announce: Announcer,
        tasks: TaskGroup,
    ) -> None:
        self.announce = announce
        self._loop = running_loop("a SessionPool")
        self._decode_queue = DecodeQueue(decoder)
        self._buffers = ReceiveBuffers()
        self.decode_next = self._decode_queue.decode_next
        self._is_open = True
        self._close_callbacks: set[Callable[[], None]] = set()
        self._dispatchers = {
            name: Dispatcher(
                name,
                gateway,
                initialization=initialization,
                retry=retry,
                decode_queue=self._decode_queue,
                verdict=decoder.verdict,
                announce=announce,
                tasks=tasks,
                buffers=self._buffers,
            )
            for name, gateway in gateways.items()
        }

    def check_open(self) -> None:
        """Raise PoolClosedError if the pool was left, or entered in another event loop."""
        if not self._is_open:
            raise PoolClosedError(NOT_OPEN)
        if running_loop("a SessionPool") is not self._loop:
            msg = "the pool was entered in another event loop; make one for each loop"
            raise PoolClosedError(msg)

    def route(self, instance: str | Instance) -> tuple[Dispatcher[ContactT], str]:
        """Return the dispatcher of an instance's gateway, and its checked wId.

        Raises:
            InvalidArgumentError: It is no wId.
            UnknownGatewayError: It is not known which gateway is meant.
            PoolClosedError: The pool is not open.

        """
        self.check_open()
        if isinstance(instance, Instance):
            w_id, name = instance.w_id, instance.gateway
        else:
            check_w_id(instance)
            w_id, name = instance, None
        if name is None and len(self._dispatchers) == 1:
            (dispatcher,) = self._dispatchers.values()
            return dispatcher, w_id
        if name in self._dispatchers:
            return self._dispatchers[name], w_id
        known = ", ".join(repr(known) for known in self._dispatchers)
        asked = "no gateway is named" if name is None else f"no gateway is called {name!r}"
        what = f"{asked}; name one of {known} with Instance(w_id, gateway=...)"
        error = UnknownGatewayError(what)
        error.w_id = w_id
        raise error

    def statistics(self) -> dict[str, GatewayStatistics]:
        """Count each gateway's instances by state."""
        return {name: each.statistics() for name, each in self._dispatchers.items()}

    def add_close_callback(self, callback: Callable[[], None]) -> None:
        """Have something called when the pool is left."""
        self._close_callbacks.add(callback)

    def remove_close_callback(self, callback: Callable[[], None]) -> None:
        """Call it no more."""
        self._close_callbacks.discard(callback)

    def abandon(self) -> None:
        """End all jobs and call the close callbacks, as the pool is left."""
        self._is_open = False
        for dispatcher in self._dispatchers.values():
            dispatcher.abandon()
        self._decode_queue.clear()
        self._buffers.clear()
        for callback in list(self._close_callbacks):
            callback()

    async def close(self) -> None:
        """Close the connections, once no task of the pool runs any more."""
        # In tasks of a group, which waits for them however it is cancelled itself.
        async with create_task_group() as closing:
            for dispatcher in self._dispatchers.values():
                closing.start_soon(dispatcher.close)

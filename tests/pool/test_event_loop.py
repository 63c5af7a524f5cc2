"""Where another event loop than asyncio's runs, as trio's, that is said at once."""

from contextlib import AbstractAsyncContextManager

import pytest

from wxcontacts_async import SessionPool, WxContactsError
from wxcontacts_async.emulator import GatewayEmulator
from wxcontacts_async.store import ContactStore


@pytest.mark.parametrize(
    ("entered", "name"),
    [
        (SessionPool("http://localhost:18081"), "SessionPool"),
        (ContactStore("sqlite:///absent.db"), "ContactStore"),
        (GatewayEmulator(1), "GatewayEmulator"),
    ],
)
def test_what_needs_asyncio_says_so_in_another_event_loop(
    entered: AbstractAsyncContextManager[object],
    name: str,
) -> None:
    # As any event loop begins a coroutine. There is none of asyncio's in this thread.
    with pytest.raises(WxContactsError, match=f"^a {name} needs asyncio, .* anyio.run on its"):
        entered.__aenter__().send(None)

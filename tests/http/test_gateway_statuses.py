"""HTTP statuses: which are final, which are tried again, and when."""

from datetime import UTC, datetime, timedelta

import anyio
import pytest
from anyio.abc import SocketStream

from tests.support.loops import on_asyncio
from tests.support.one_call import QUICKLY, W_ID, failure_of, fetch
from tests.support.raw_server import (
    RawServer,
    http_reply,
    replying,
)
from wxcontacts_async import (
    GatewayHTTPError,
    InitializationWait,
    SessionPool,
)

pytestmark = on_asyncio


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_refused_and_says_so(status: int) -> None:
    async with RawServer(replying(http_reply())) as elsewhere:
        headers = f"Location: {elsewhere.url}/getAllContact\n"
        error = await failure_of(
            replying(http_reply(b"", status=f"{status} Moved", headers=headers)),
            retry=QUICKLY,
        )
    assert isinstance(error, GatewayHTTPError)
    assert (error.status, error.calls) == (status, 1)
    assert "Redirects are refused" in str(error)
    assert elsewhere.connections == 0


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (400, 'Check that base_url is that of a getAllContact gateway, which takes {"wId": ...}'),
        (401, "Check the credentials in the Gateway's headers."),
        (403, "Check the credentials in the Gateway's headers."),
        (404, "Check base_url: POST {base_url}/getAllContact must exist."),
        (405, "Check base_url: POST {base_url}/getAllContact must exist."),
        (418, "Check base_url and the Gateway's headers."),
    ],
)
async def test_other_client_errors_are_final_at_once_and_say_what_to_check(
    status: int,
    advice: str,
) -> None:
    error = await failure_of(replying(http_reply(b"", status=f"{status} No")), retry=QUICKLY)
    assert isinstance(error, GatewayHTTPError)
    assert (error.status, error.calls) == (status, 1)
    assert f"after 1 call: HTTP status {status}. {advice}" in str(error)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_statuses_that_may_pass_are_tried_again(status: int) -> None:
    answer = replying(http_reply(b"", status=f"{status} Later"), http_reply())
    async with RawServer(answer) as server:
        contacts = await fetch(server.url, retry=QUICKLY)
    assert len(contacts) == 1
    assert len(server.requests) == 2


async def test_after_the_last_attempt_the_error_is_the_outcome() -> None:
    error = await failure_of(replying(http_reply(b"", status="502 Bad")), retry=QUICKLY)
    assert isinstance(error, GatewayHTTPError)
    assert (error.status, error.calls, error.w_id) == (502, 3, W_ID)


async def test_an_initializing_reply_starts_the_count_of_attempts_again() -> None:
    bad = http_reply(b"", status="502 Bad")
    initializing = http_reply('{"code":"1001","message":"初始化中"}'.encode())
    answer = replying(bad, bad, initializing, bad, bad, http_reply())
    async with (
        RawServer(answer) as server,
        SessionPool(
            server.url,
            retry=QUICKLY,
            initialization=InitializationWait(0),
        ) as pool,
        pool.stream([W_ID]) as outcomes,
    ):
        assert [outcome.calls async for outcome in outcomes] == [6]


@pytest.mark.parametrize(
    ("status", "form"),
    [("429 Slow down", "seconds"), ("503 Busy", "date")],
)
async def test_retry_after_is_obeyed(status: str, form: str) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=2)
    value = "1" if form == "seconds" else moment.strftime("%a, %d %b %Y %H:%M:%S GMT")
    times: list[float] = []

    async def answer(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        times.append(anyio.current_time())
        busy = http_reply(b"", status=status, headers=f"Retry-After: {value}\n")
        await stream.send(busy if len(times) == 1 else http_reply())

    async with RawServer(answer) as server:
        await fetch(server.url, retry=QUICKLY)
    # A date has whole seconds, so it is 1 to 2 seconds away.
    assert times[1] - times[0] >= 0.99


async def test_a_retry_after_of_hours_is_not_waited_for() -> None:
    reply = http_reply(b"", status="429 Slow down", headers="Retry-After: 7200\n")
    error = await failure_of(replying(reply), retry=QUICKLY)
    assert isinstance(error, GatewayHTTPError)
    assert (error.retry_after, error.calls) == (7200, 1)
    assert "asks to come back in 7200 s" in str(error)

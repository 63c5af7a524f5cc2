"""The pool itself: its life, its arguments, and one instance at a time."""

import asyncio
import math
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from tests.support.leftovers import no_tasks_left, open_sockets_to, settle
from tests.support.raw_server import RawServer, http_reply, replying
from wxcontacts_async import (
    Contact,
    FetchReport,
    Gateway,
    GatewayRefusedError,
    InitializationTimeoutError,
    InitializationWait,
    Instance,
    InvalidArgumentError,
    PoolClosedError,
    SessionPool,
    UnknownGatewayError,
)
from wxcontacts_async.emulator import EmulatedInstance, GatewayEmulator, Refusal

SILENT = EmulatedInstance(latency=math.inf)


async def test_one_instance_is_fetched_with_the_contacts_it_has() -> None:
    async with GatewayEmulator(1) as emulator, SessionPool(emulator.url) as pool:
        (w_id,) = emulator.w_ids
        contacts = await pool.fetch(w_id)
        assert contacts.w_id == w_id
        assert contacts.lists() == emulator.contact_set(w_id).lists()
        assert await pool.fetch(Instance(w_id)) != contacts  # fetched at another time


async def test_a_refused_instance_raises_what_the_gateway_said() -> None:
    async with (
        GatewayEmulator({"w": EmulatedInstance(refusal=Refusal("10001", "未登录"))}) as emulator,
        SessionPool(emulator.url) as pool,
    ):
        url = emulator.url
        with pytest.raises(GatewayRefusedError) as raised:
            await pool.fetch("w")
    assert (raised.value.code, raised.value.message) == ("10001", "未登录")
    assert str(raised.value) == (
        f"wId 'w' at gateway '{url}' after 1 call: "
        "refused with code '10001' and message '未登录'. "
        "Check that this wId is logged in at this gateway."
    )


async def test_an_instance_that_never_initializes_is_given_up_after_the_timeout() -> None:
    async with (
        GatewayEmulator({"w": EmulatedInstance(initializing_calls=99)}) as emulator,
        SessionPool(emulator.url, initialization=InitializationWait(0.1, timeout=0.35)) as pool,
    ):
        with pytest.raises(InitializationTimeoutError) as raised:
            await pool.fetch("w")
        assert 2 <= len(emulator.calls) <= 4  # fewer where they are late
    assert raised.value.calls == len(emulator.calls)
    assert "InitializationWait(timeout=...)" in str(raised.value)


async def test_an_instance_that_initializes_for_some_time_is_fetched_after_it() -> None:
    async with (
        GatewayEmulator({"w": EmulatedInstance(contacts=3, initializing_seconds=0.3)}) as emulator,
        SessionPool(emulator.url, initialization=InitializationWait(0.1)) as pool,
        pool.stream(["w"]) as outcomes,
    ):
        outcome = await anext(outcomes)
        assert outcome.calls >= 2
        assert outcome.waited == pytest.approx(0.1 * (outcome.calls - 1))
        assert outcome.elapsed >= 0.3


async def test_with_one_gateway_a_w_id_needs_no_gateway_and_may_name_it() -> None:
    async with GatewayEmulator(["w"], contacts=1) as emulator:
        async with SessionPool({"east": emulator.url}) as pool:
            assert await pool.fetch("w")
            assert await pool.fetch(Instance("w", gateway="east"))
            with pytest.raises(UnknownGatewayError, match="no gateway is called 'west'"):
                await pool.fetch(Instance("w", gateway="west"))
        async with SessionPool({"east": emulator.url, "west": emulator.url}) as pool:
            with pytest.raises(UnknownGatewayError, match="no gateway is named; name one of"):
                await pool.fetch("w")


async def test_own_fields_come_back_in_own_contacts() -> None:
    class MyContact(Contact, frozen=True):
        remark_name: str | None = None

    body = b'{"code":1000,"data":{"friend":[{"userName":"a","remarkName":"boss"}]}}'
    async with (
        RawServer(replying(http_reply(body))) as server,
        SessionPool(server.url, contact_type=MyContact) as pool,
    ):
        contacts = await pool.fetch("w")
    assert contacts["a"].remark_name == "boss"


async def test_a_pool_is_used_within_its_block_only() -> None:
    pool = SessionPool("http://127.0.0.1:9")
    uses: list[Callable[[], Any]] = [
        lambda: pool.fetch("w"),
        lambda: pool.fetch_all(["w"]),
    ]

    async def refused() -> None:
        for use in uses:
            with pytest.raises(PoolClosedError, match="the pool is not open"):
                await use()
        with pytest.raises(PoolClosedError, match="the pool is not open"):
            pool.stream(["w"])

    await refused()
    async with pool:
        with pytest.raises(PoolClosedError, match="entered once"):
            await pool.__aenter__()
    await refused()
    with pytest.raises(PoolClosedError, match="entered once"):
        await pool.__aenter__()


async def test_leaving_the_pool_ends_what_waits_for_it_with_an_error() -> None:
    ended: list[str] = []
    instances = {"silent": SILENT, "waits": EmulatedInstance(initializing_calls=9)}
    async with GatewayEmulator(instances) as emulator:

        async def fetch(pool: SessionPool, w_id: str) -> None:
            with pytest.raises(PoolClosedError, match="the pool was left"):
                await pool.fetch(w_id)
            ended.append(w_id)

        async def read(pool: SessionPool) -> None:
            async with pool.stream(instances) as outcomes:
                with pytest.raises(PoolClosedError, match="the pool was left"):
                    await anext(outcomes)
            ended.append("stream")

        with no_tasks_left():
            async with anyio.create_task_group() as tasks, SessionPool(emulator.url) as pool:
                tasks.start_soon(fetch, pool, "silent")
                tasks.start_soon(fetch, pool, "waits")
                tasks.start_soon(read, pool)
                await emulator.wait_for_calls(2)
                await settle()
        await emulator.wait_until_idle()
        assert open_sockets_to(emulator.url) == 0
    assert sorted(ended) == ["silent", "stream", "waits"]


async def test_an_exception_in_the_body_goes_out_as_it_is() -> None:
    with no_tasks_left(), pytest.raises(LookupError, match="^mine$"):
        async with SessionPool("http://127.0.0.1:9"):
            raise LookupError("mine")


@pytest.mark.parametrize("scope_of", ["anyio", "asyncio"])
async def test_a_cancelled_body_is_cancelled_and_leaves_nothing(scope_of: str) -> None:
    async with GatewayEmulator({"w": SILENT}) as emulator:

        async def use() -> None:
            async with SessionPool(emulator.url) as pool, pool.stream(["w"]) as outcomes:
                await anext(outcomes)

        with no_tasks_left():
            if scope_of == "anyio":
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(use)
                    await emulator.wait_for_calls(1)
                    tasks.cancel_scope.cancel()
            else:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await use()
        await emulator.wait_until_idle()
        await settle()
        assert open_sockets_to(emulator.url) == 0


async def test_a_pool_cancelled_while_others_wait_for_it_ends_them_too() -> None:
    async with GatewayEmulator({"w": SILENT}) as emulator:
        opened = anyio.Event()
        pools: list[SessionPool] = []

        async def own() -> None:
            async with SessionPool(emulator.url) as pool:
                pools.append(pool)
                opened.set()
                await anyio.sleep_forever()

        async def fetch() -> None:
            with pytest.raises(PoolClosedError):
                await pools[0].fetch("w")

        async with anyio.create_task_group() as tasks, anyio.create_task_group() as owner:
            owner.start_soon(own)
            await opened.wait()
            tasks.start_soon(fetch)
            await emulator.wait_for_calls(1)
            owner.cancel_scope.cancel()


async def test_another_event_loop_is_refused() -> None:
    errors: list[BaseException] = []

    def use_in_another_loop() -> None:
        try:
            asyncio.run(pool.fetch("w"))
        except PoolClosedError as error:
            errors.append(error)

    async with SessionPool("http://127.0.0.1:9") as pool:
        thread = threading.Thread(target=use_in_another_loop)
        thread.start()
        await anyio.to_thread.run_sync(thread.join)
    assert "another event loop" in str(errors[0])


async def test_two_event_loops_have_a_pool_each_at_the_same_time() -> None:
    fetched: list[int] = []
    both_are_open = threading.Barrier(2, timeout=30)

    async def use(url: str) -> None:
        async with SessionPool(url) as pool:
            both_are_open.wait()
            fetched.append(len((await pool.fetch_all(["a", "b"])).contacts))

    async with GatewayEmulator(["a", "b"], contacts=1) as emulator:
        threads = [threading.Thread(target=asyncio.run, args=(use(emulator.url),)) for _ in "12"]
        for thread in threads:
            thread.start()
        for thread in threads:
            await anyio.to_thread.run_sync(thread.join)
    assert fetched == [2, 2]


async def test_an_unexpected_error_of_given_code_fails_its_instance_alone() -> None:
    def buggy(code: str, message: str) -> bool:
        if code == "1001":
            raise ZeroDivisionError(message)
        return False

    instances = {"good": EmulatedInstance(contacts=1), "bad": EmulatedInstance(refusal=Refusal())}
    async with (
        GatewayEmulator(instances) as emulator,
        SessionPool(
            emulator.url,
            initialization=InitializationWait(is_initializing=buggy),
        ) as pool,
    ):
        report: FetchReport = await pool.fetch_all(["good", "bad"])
    assert list(report.contacts) == ["good"]
    assert "is_initializing raised ZeroDivisionError" in str(report.errors["bad"])
    assert isinstance(report.errors["bad"].__cause__, ZeroDivisionError)


class AsyncObserver:
    async def __call__(self, event: object) -> None:
        """Do nothing."""


# Called with what a type checker would refuse.
make_pool: Any = SessionPool
make_gateway: Any = Gateway
make_instance: Any = Instance
make_emulator: Any = GatewayEmulator
make_emulated: Any = EmulatedInstance

WRONG_ARGUMENTS: list[tuple[Callable[[], object], str]] = [
    (lambda: make_pool(""), "base_url must begin with http"),
    (lambda: make_pool("localhost:18081"), "base_url must begin with http"),
    (lambda: make_pool("ftp://host"), "base_url must begin with http"),
    (lambda: make_pool("http://"), "base_url must begin with http"),
    (lambda: make_pool("http://[bad"), "base_url is no URL"),
    (lambda: make_pool("http://user:pass@host"), "base_url must hold no credentials"),
    (lambda: make_pool("http://host?x=1"), "base_url must have no query"),
    (lambda: make_pool("http://host#x"), "base_url must have no query"),
    (lambda: make_pool("http://host/getAllContact?wId=x"), "base_url must have no query"),
    (lambda: make_pool("http://host/getAllContact?"), "base_url must have no query"),
    (lambda: make_pool(7), "gateways must be a base URL, a Gateway, or a mapping"),
    (lambda: make_pool({}), "gateways must be a base URL, a Gateway, or a mapping"),
    (lambda: make_pool({"a": 7}), r"gateways\['a'\] must be a base URL or a Gateway"),
    (lambda: make_pool({"a": {"headers": "s3cret"}}), r"gateways\['a'\] must be a base URL"),
    (lambda: make_pool({7: "http://host"}), "gateways must have names of type str"),
    (lambda: make_pool({"": "http://host"}), "gateways must have names of type str"),
    (lambda: make_pool("http://h", initialization=5), "initialization must be an Init"),
    (lambda: make_pool("http://h", retry=5), "retry must be a RetryPolicy"),
    (lambda: make_pool("http://h", contact_type=dict), "contact_type must be Contact or a"),
    (lambda: make_pool("http://h", contact_type=Contact("a")), "contact_type must be"),
    (lambda: make_pool("http://h", observers=print), "observers must be an iterable"),
    (lambda: make_pool("http://h", observers=["x"]), "observers must be plain callables"),
    (lambda: make_pool("http://h", observers=[anyio.sleep]), "observers must be plain"),
    (lambda: make_pool("http://h", observers=[AsyncObserver()]), "observers must be plain"),
    (lambda: make_gateway(b"http://h"), "base_url must be a str"),
    (lambda: make_gateway("http://h", max_concurrency=0), "max_concurrency must be a whole number"),
    (
        lambda: make_gateway("http://h", max_concurrency=1.5),
        "max_concurrency must be a whole number",
    ),
    (
        lambda: make_gateway("http://h", max_concurrency=True),
        "max_concurrency must be a whole number",
    ),
    (lambda: make_gateway("http://h", max_rate=0), "max_rate must be a number of at least"),
    (lambda: make_gateway("http://h", max_rate=5e-324), "max_rate must be a number of at least"),
    (
        lambda: make_gateway("http://h", connect_timeout=0),
        "connect_timeout must be a number above 0",
    ),
    (
        lambda: make_gateway("http://h", request_timeout=None),
        "request_timeout must be a number above",
    ),
    (
        lambda: make_gateway("http://h", request_timeout=math.nan),
        "request_timeout must be a number",
    ),
    (lambda: make_gateway("http://h", max_reply_bytes=0), "max_reply_bytes must be a whole number"),
    (lambda: make_gateway("http://h", ssl="yes"), "ssl must be True, False or an ssl.SSLContext"),
    (lambda: make_gateway("http://h", headers=["x"]), "headers must be a mapping"),
    (lambda: make_gateway("http://h", headers={"": "x"}), "headers must have HTTP field names"),
    (lambda: make_gateway("http://h", headers={"a b": "x"}), "headers must have HTTP field names"),
    (lambda: make_gateway("http://h", headers={"a\n": "x"}), "headers must have HTTP field names"),
    (lambda: make_gateway("http://h", headers={"A: s3cret": "x"}), "headers must have HTTP fi"),
    (lambda: make_gateway("http://h", headers={"A": 1}), r"headers\['A'\] must be a str"),
    (lambda: make_gateway("http://h", headers={"A": "x\r\nB: y"}), r"headers\['A'\] must be a str"),
    (
        lambda: make_gateway("http://h", headers={"Content-Type": "x"}),
        "headers must not set Content-",
    ),
    (lambda: make_instance(""), "w_id must not be blank"),
    (lambda: make_instance("  \n"), "w_id must not be blank"),
    (lambda: make_instance(7), "w_id must be a str, not int"),
    (lambda: make_instance("\ud83d"), "w_id must be valid Unicode"),
    (lambda: make_instance("w", gateway=7), "gateway must be the name of a gateway"),
    (lambda: make_emulator(-1), "instances must be a whole number of at least 0"),
    (lambda: make_emulator("w"), "instances must be a number, wIds, or a mapping"),
    (lambda: make_emulator({"w": 7}), r"instances\['w'\] must be an EmulatedInstance"),
    (lambda: make_emulator([""]), "w_id must not be blank"),
    (lambda: make_emulator(1, port=70_000), "port must be a whole number of at least 0 and"),
    (lambda: make_emulator(1, initializing=1.5), "initializing must be a number of at least 0"),
    (lambda: make_emulator(1, initializing=0.7, refusing=0.7), "refusing must be a number"),
    (lambda: make_emulator(1, contacts=-1), "contacts must be a whole number"),
    (lambda: make_emulator(1, latency=-1), "latency must be a number"),
    (lambda: make_emulated(initializing_calls=-1), "initializing_calls must be a whole"),
    (lambda: make_emulator(1).url, "the emulator has a url within"),
]


@pytest.mark.parametrize(("make", "message"), WRONG_ARGUMENTS)
def test_a_wrong_argument_is_refused_where_it_is_given(
    make: Callable[[], object],
    message: str,
) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{message}") as raised:
        make()
    assert isinstance(raised.value, ValueError)
    assert "pass@" not in str(raised.value)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda pool: pool.stream("abc"), "instances must be an iterable of wIds, not one str"),
        (lambda pool: pool.stream(7), "instances must be an iterable of wIds, not one int"),
        (lambda pool: pool.stream(Instance("w")), "instances must be an iterable of wIds, not"),
        (lambda pool: pool.stream([], max_pending=0), "max_pending must be a whole number of at"),
        (lambda pool: pool.stream([], max_pending=None), "max_pending must be a whole number"),
    ],
)
async def test_a_wrong_argument_of_stream_is_refused_where_it_is_given(
    use: Callable[[SessionPool], object],
    message: str,
) -> None:
    async with SessionPool("http://127.0.0.1:9") as pool:
        with pytest.raises(InvalidArgumentError, match=f"^{message}"):
            use(pool)
        with pytest.raises(InvalidArgumentError, match="^w_id must not be blank"):
            await pool.fetch("")
        with pytest.raises(InvalidArgumentError, match="^w_id must be a str, not bytes"):
            await pool.fetch(b"w")  # type: ignore[arg-type]


async def test_headers_are_copied_when_the_gateway_is_made() -> None:
    headers = {"X-Token": "one"}
    async with RawServer(replying(http_reply())) as server:
        gateway = Gateway(server.url, headers=headers)
        headers["X-Token"] = "two\r\nX-Evil: yes"
        async with SessionPool(gateway) as pool:
            await pool.fetch("w")
    assert b"X-Token: one\r\n" in server.requests[0]
    assert b"Evil" not in server.requests[0]

"""The fixtures of the pytest plugin, in runs of pytest as a user has them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.pytest_plugin.conftest import Run
from tests.support.pages import distinct_blocks

pytestmark = pytest.mark.slow  # each starts a Python

_TESTS = """
async def test_default(wx_gateway, wx_pool):
    report = await wx_pool.fetch_all(wx_gateway.w_ids)
    assert [len(contacts) for contacts in report.contacts.values()] == [20, 20, 20]

@pytest.mark.wx_gateway({"w": EmulatedInstance(contacts=7, initializing_calls=3)})
async def test_initializing(wx_gateway, wx_pool):
    async with wx_pool.stream(["w"]) as outcomes:
        (outcome,) = [outcome async for outcome in outcomes]
    assert len(outcome.contacts) == 7
    assert len(wx_gateway.calls) == outcome.calls == 4
    assert outcome.waited == 0

async def test_given_calls(wx_gateway, wx_pool):
    w_id = wx_gateway.w_ids[0]
    wx_gateway.at_call(w_id, 1, "initializing")
    wx_gateway.at_call(w_id, 2, FaultKind.STATUS_500)
    wx_gateway.at_call(w_id, 4, Refusal("-1", "已掉线"))
    assert len(await wx_pool.fetch(w_id)) == 20
    with pytest.raises(GatewayRefusedError) as refused:
        await wx_pool.fetch(w_id)
    assert refused.value.code == "-1"
    assert len(await wx_pool.fetch(w_id)) == 20
    replies = [call.reply for call in wx_gateway.calls]
    assert replies == ["initializing", "fault", "ready", "refused", "ready"]

made = []

async def test_two(make_wx_gateway):
    east = await make_wx_gateway(["a"])
    west = await make_wx_gateway({"b": EmulatedInstance(contacts=3)}, seed=5)
    made.extend([east, west])
    async with SessionPool({"east": east.url, "west": west.url}) as pool:
        instances = [Instance("a", gateway="east"), Instance("b", gateway="west")]
        report = await pool.fetch_all(instances)
    assert {len(contacts) for contacts in report.contacts.values()} == {20, 3}

async def test_they_are_gone():
    for gateway in made:
        with pytest.raises(InvalidArgumentError, match="within"):
            gateway.url

class Mine(Contact, frozen=True):
    remark_name: str | None = None

@pytest.fixture
def wx_pool_settings():
    return {"contact_type": Mine, "retry": RetryPolicy(attempts=2, initial_delay=30, max_delay=90)}

async def test_settings(wx_gateway, wx_pool):
    w_id, other, _ = wx_gateway.w_ids
    assert {type(contact) for contact in await wx_pool.fetch(w_id)} == {Mine}
    for call in (1, 2):
        wx_gateway.at_call(other, call, FaultKind.NOT_JSON)
    with pytest.raises(ReplyDecodeError):
        await wx_pool.fetch(other)
    assert len(wx_gateway.calls_of(other)) == 2

from wxcontacts_async.testing import wait_free

async def service(url):
    async with SessionPool(url, initialization=InitializationWait(3600)) as pool:
        async with pool.stream(["w"]) as outcomes:
            return [outcome.waited async for outcome in outcomes]

slow_to_begin = pytest.mark.wx_gateway({"w": EmulatedInstance(initializing_calls=2, contacts=1)})

@slow_to_begin
async def test_fixture(wx_gateway, wx_wait_free):
    assert await service(wx_gateway.url) == [0]

@slow_to_begin
async def test_block(wx_gateway):
    with wait_free():
        assert await service(wx_gateway.url) == [0]
"""


def test_every_fixture_works_however_coroutines_are_run(run_as_user: Run) -> None:
    run_as_user(_TESTS).assert_outcomes(passed=8)


def test_a_test_without_a_loop_has_a_gateway_in_a_thread(run_plainly: Run) -> None:
    ended = run_plainly(
        """
import asyncio

def test_plain(wx_gateway):
    async def fetch():
        async with SessionPool(wx_gateway.url) as pool:
            return await pool.fetch(wx_gateway.w_ids[0])

    assert len(asyncio.run(fetch())) == 20
    assert len(wx_gateway.calls) == 1

def test_pool(wx_pool):
    raise AssertionError("it has none")
"""
    )

    ended.assert_outcomes(passed=1, errors=1)
    ended.stdout.fnmatch_lines(["*wx_pool is for async tests: mark this one with*"])


def test_what_the_plugin_offers_is_listed_with_what_it_is_for(run_plainly: Run) -> None:
    fixtures = run_plainly("", "--fixtures").stdout.str()
    markers = run_plainly("", "--markers").stdout.str()

    for name in ("wx_gateway", "make_wx_gateway", "wx_pool", "wx_pool_settings", "wx_wait_free"):
        assert f"\n{name} -- " in fixtures
    assert "no docstring available" not in fixtures.partition("wxcontacts_async")[2][:2000]
    assert "@pytest.mark.wx_gateway(instances=3" in markers


def test_a_run_that_asks_for_no_fixture_imports_nothing_that_takes_long(tmp_path: Path) -> None:
    program = (
        "import sys, pytest; pytest.main(['-q', '-pno:asyncio']); "
        "late = {'aiohttp', 'msgspec', 'wxcontacts_async.pool', 'wxcontacts_async.emulator'}; "
        "assert 'wxcontacts_async._pytest_plugin' in sys.modules; "
        "sys.exit(str(late & sys.modules.keys()) if late & sys.modules.keys() else 0)"
    )
    ended = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-c", program], check=False, capture_output=True, cwd=tmp_path, text=True
    )

    assert ended.returncode == 0, ended.stderr


def test_the_readmes_tests_pass(run_plainly: Run) -> None:
    blocks = [block.code for block in distinct_blocks("python")]
    (tests,) = (code for code in blocks if "pytest.mark.wx_gateway" in code)

    run_plainly(tests).assert_outcomes(passed=2)

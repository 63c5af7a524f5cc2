"""`wxcontacts emulator`: serving until it is stopped, and ports that are taken."""

import signal
import socket
import sys
from collections.abc import Callable

import anyio
import pytest

from tests.support.command import SECONDS, end, run, start
from wxcontacts_async import SessionPool
from wxcontacts_async.emulator import FaultKind, GatewayEmulator


def test_it_prints_its_url_and_a_few_wids_and_ctrl_c_is_its_normal_end() -> None:
    process = start("emulator", "--port", "0", "--instances", "40", "--seed", "9")
    assert process.stdout is not None
    first, *shown = [process.stdout.readline().decode().strip() for _ in range(6)]
    process.send_signal(signal.SIGINT)
    ended = end(process)

    assert first.startswith("http://127.0.0.1:")
    assert shown == GatewayEmulator(40, seed=9).w_ids[:5]
    assert ended.code == 0
    assert "40 instances" in ended.messages
    assert not ended.has_traceback


def test_it_lists_all_its_wids_without_serving() -> None:
    listed = run("emulator", "--list", "--instances", "40", "--seed", "9")
    none = run("emulator", "--list", "--instances", "0")

    assert (listed.code, listed.messages) == (0, "")
    assert listed.output.split() == GatewayEmulator(40, seed=9).w_ids
    assert (none.code, none.output, none.messages) == (0, "", "")


def test_without_instances_it_says_what_it_does_and_advises_nothing() -> None:
    process = start("emulator", "--port", "0", "--instances", "0")
    assert process.stdout is not None
    url = process.stdout.readline().decode().strip()
    refused = run("fetch", "one", "--gateway", url)
    process.send_signal(signal.SIGINT)
    ended = end(process)

    assert "1 x GatewayRefusedError" in refused.messages
    assert (ended.code, ended.output) == (0, "")
    assert ended.messages == "Serving 0 instances until Ctrl-C. It refuses every wId.\n"


def test_a_port_in_use_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run("emulator", "--port", str(port))

    assert ended.code == 2
    assert f"'--port': {port}" in ended.messages
    assert "in use" in ended.messages
    assert not ended.has_traceback


def test_ctrl_c_ends_it_while_calls_are_under_way() -> None:
    process = start("emulator", "--port", "0", "--latency", "inf")
    assert process.stdout is not None
    url, w_id = (process.stdout.readline().decode().strip() for _ in range(2))
    fetching = start("fetch", w_id, "--gateway", url)
    assert fetching.stderr is not None
    fetching.stderr.readline()  # its first progress line
    process.send_signal(signal.SIGINT)
    ended = end(process)
    fetching.send_signal(signal.SIGINT)

    assert end(fetching).code == 130
    assert ended.code == 0
    assert not ended.has_traceback


def test_faults_are_met_as_they_are_given_and_counted_at_its_end() -> None:
    process = start(
        "emulator", "--port", "0", "--faults", "status-404=7:1@0+3600,null@3600", "--faults", "html"
    )
    assert process.stdout is not None
    url, w_id = (process.stdout.readline().decode().strip() for _ in range(2))
    fetched = run("fetch", w_id, "--gateway", url)
    process.send_signal(signal.SIGINT)
    ended = end(process)

    assert fetched.code == 1
    assert "404" in fetched.messages
    assert "Faults met: status-404 1." in " ".join(ended.messages.split())
    assert ended.code == 0


def test_its_help_has_every_kind_of_fault() -> None:
    words = "".join(run("emulator", "--help").output.replace("│", "").split())

    assert "--faults" in words
    for kind in FaultKind:
        assert kind in words


def see_advances(url: str, times: int, *, ask: Callable[[], None] = lambda: None) -> None:
    """Ask for an advance and fetch the one instance until it has come, so many times."""
    twin = GatewayEmulator(1, contacts=30)
    (w_id,) = twin.w_ids
    ages = {twin.contact_set(w_id).lists(): 0}
    for age in range(1, 200):
        twin.advance()
        ages[twin.contact_set(w_id).lists()] = age

    async def watch() -> None:
        async with SessionPool(url) as pool:
            for _ in range(times):
                before = after = ages[(await pool.fetch(w_id)).lists()]
                ask()
                with anyio.fail_after(SECONDS):
                    while after == before:
                        after = ages[(await pool.fetch(w_id)).lists()]
                assert after > before

    anyio.run(watch)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGUSR1")
def test_another_process_can_ask_it_to_advance() -> None:
    process = start("emulator", "--port", "0", "--instances", "1", "--contacts", "30")
    assert process.stdout is not None
    url = process.stdout.readline().decode().strip()
    see_advances(url, 2, ask=lambda: process.send_signal(signal.SIGUSR1))
    process.send_signal(signal.SIGINT)
    ended = end(process)

    assert ended.code == 0
    assert "Advances: 2." in ended.messages
    assert not ended.has_traceback


def test_it_advances_again_and_again() -> None:
    options = ("--instances", "1", "--contacts", "30", "--advance-every", "0.2")
    process = start("emulator", "--port", "0", *options)
    assert process.stdout is not None
    see_advances(process.stdout.readline().decode().strip(), 2)
    process.send_signal(signal.SIGINT)
    ended = end(process)

    assert ended.code == 0
    assert "Advances: " in ended.messages
    assert not ended.has_traceback


def test_it_can_be_made_to_end_with_its_standard_input() -> None:
    process = start("emulator", "--port", "0", "--obey-stdin")
    assert process.stdout is not None
    assert process.stdin is not None
    process.stdout.readline()
    process.stdin.close()

    with process:
        assert process.wait(SECONDS) == 0

"""A watch that runs for long, among all that may happen to it, tells each change once, in order.

It takes half a minute; WXCONTACTS_LONG_WATCH=900 makes it a quarter of an hour, with 2,000
instances, and looks at the memory as well.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import anyio
import psutil
import pytest

from tests.support.command import COMMAND, ENVIRONMENT
from tests.support.postgresql import PostgresqlServer
from wxcontacts_async.contacts import ContactKind
from wxcontacts_async.emulator import EmulatedInstance, GatewayEmulator

SECONDS = float(os.environ.get("WXCONTACTS_LONG_WATCH", "20"))
IS_LONG = SECONDS >= 300
INSTANCES, EVERY = (2_000, "20s") if IS_LONG else (60, "2s")
MEBIBYTE = 1024 * 1024
GUARD = 150.0  # seconds that one round may take

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(SECONDS + 300),
    pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGHUP"),
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
]

Change = tuple[str, str, str]
Known = dict[str, tuple[ContactKind, object]]


class Told:
    """What `changes --follow` has printed so far."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self.ids: list[int] = []

    def news(self) -> list[Change]:
        """Return what was printed since the last call, whole lines only."""
        with self._path.open("rb") as file:
            file.seek(self._read)
            written = file.read()
        whole = written[: written.rfind(b"\n") + 1]
        self._read += len(whole)
        changes = [json.loads(line) for line in whole.splitlines()]
        self.ids += [change["id"] for change in changes]
        return [(change["wId"], change["userName"], change["change"]) for change in changes]


class Truth:
    """What the emulator's instances have, and so what must be told of them."""

    def __init__(self, emulator: GatewayEmulator) -> None:
        self._emulator = emulator
        self._known: dict[str, Known] = {}

    def news_of(self, w_ids: list[str]) -> set[Change]:
        """Return what has changed since the last call."""
        changes: set[Change] = set()
        for w_id in w_ids:
            before = self._known.get(w_id, {})
            after: Known = {
                contact.user_name: (kind, contact)
                for kind, contact in self._emulator.contact_set(w_id).items()
            }
            self._known[w_id] = after
            changes |= {(w_id, name, "added") for name in after.keys() - before.keys()}
            changes |= {(w_id, name, "removed") for name in before.keys() - after.keys()}
            both = after.keys() & before.keys()
            changes |= {(w_id, name, "changed") for name in both if after[name] != before[name]}
        return changes


@contextmanager
def _running(*arguments: str, output: Path, messages: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with (
        output.open("ab") as printed,
        messages.open("ab") as said,
        subprocess.Popen(  # noqa: S603  # this very program
            [*COMMAND, *arguments],
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=said,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


async def test_every_movement_is_told_once_and_in_order_whatever_happens(
    postgresql: PostgresqlServer, tmp_path: Path
) -> None:
    url, file = postgresql.fresh_url(), tmp_path / "w_ids.txt"
    instances = {f"w{number:04}": EmulatedInstance(contacts=40) for number in range(INSTANCES)}
    w_ids = list(instances)
    file.write_text("\n".join(w_ids[: INSTANCES * 4 // 5]))
    told, messages = Told(tmp_path / "followed"), tmp_path / "messages"
    async with GatewayEmulator(instances) as emulator:
        options = ("--gateway", emulator.url, "--every", EVERY, "--from", str(file))
        guarding = ("--max-shrink", "1", "--log-format", "json")
        with (
            _running(
                *("watch", "--store", url, *options, *guarding),
                output=tmp_path / "printed",
                messages=messages,
            ) as watch,
            _prepared(url, watch, messages),
            _running(
                *("changes", "--follow", "--after", "0", "--store", url),
                output=tmp_path / "followed",
                messages=tmp_path / "said",
            ),
        ):
            truth = Truth(emulator)
            watched = w_ids[: INSTANCES * 4 // 5]
            await _all_told(told, truth.news_of(watched))
            memory = psutil.Process(watch.pid).memory_info().rss
            began, rounds, moves = monotonic(), 0, 0
            while monotonic() < began + SECONDS or rounds < 5:
                emulator.advance()
                match rounds % 5:
                    case 1:
                        async with postgresql.away():
                            await anyio.sleep(1)
                    case 2:
                        async with emulator.down():
                            await anyio.sleep(1)
                    case 3:
                        watch.send_signal(signal.SIGHUP)
                    case 4:
                        # Others come; then some go for good, as what is under way of those
                        # may yet be told or not.
                        moves += 1
                        watched = w_ids if moves == 1 else w_ids[INSTANCES // 5 :]
                        moved = tmp_path / "moved"
                        moved.write_text("\n".join([f"# {moves}", *watched]))
                        moved.replace(file)
                        await _taken_over(messages, moves)
                await _all_told(told, truth.news_of(watched), dropped=set(w_ids) - set(watched))
                rounds += 1
            assert watch.poll() is None
            if IS_LONG:
                grown = psutil.Process(watch.pid).memory_info().rss - memory
                assert grown < 30 * MEBIBYTE, f"{grown / MEBIBYTE:.0f} MiB more than at first"
            watch.send_signal(signal.SIGTERM)
            assert watch.wait(60) == 0
            assert [change for change in told.news() if change[0] in watched] == []
    assert told.ids == sorted(set(told.ids))
    assert b"All was read again" in messages.read_bytes()
    assert moves


@contextmanager
def _prepared(url: str, watch: "subprocess.Popen[bytes]", messages: Path) -> Iterator[None]:
    """Wait until the watch has made its tables."""
    deadline = monotonic() + GUARD
    while b"Watching" not in messages.read_bytes():
        assert watch.poll() is None, messages.read_text()
        assert monotonic() < deadline, url
    yield


async def _taken_over(messages: Path, moves: int) -> None:
    """Wait until the watch has taken over so many files of wIds."""
    with anyio.fail_after(GUARD):
        while _moves_said(messages) < moves:  # noqa: ASYNC110  # another process says it
            await anyio.sleep(0.05)


def _moves_said(messages: Path) -> int:
    return messages.read_bytes().count(b"has changed")


async def _all_told(told: Told, expected: set[Change], *, dropped: Collection[str] = ()) -> None:
    """Wait until just that has been told; what is told twice, or is no change, is not expected."""
    missing = set(expected)
    with anyio.fail_after(GUARD):
        while missing:
            news = [change for change in told.news() if change[0] not in dropped]
            assert len(news) == len(set(news))
            assert missing.issuperset(news), set(news) - missing
            missing -= set(news)
            await anyio.sleep(0.05)

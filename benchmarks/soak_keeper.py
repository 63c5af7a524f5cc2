"""Keeps the soak's gateway running, kills it now and then, and adds up what it has counted."""

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from signal import SIGKILL

import msgspec
from anyio import Event, IncompleteRead, move_on_after, open_process, sleep
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from benchmarks.soak_gateway import Counted, GatewaySetup

_ROOT = Path(__file__).parent.parent
_LONGEST_LINE = 1 << 16


class GatewayKeeper:
    """The gateway process, one life after the other, all at the same port.

    Arguments:
        setup: The gateway of the first life.
        killed_after: How many seconds each life lasts, from and to.
        away_for: How many seconds there is no gateway then, from and to.

    Attributes:
        url: The gateway's base URL, once it has been `up`.
        up: Set while the gateway listens.
        restarts: How often it was killed and started anew.
        calls: How many calls it has said that it got.
        faults: How often it has said that which fault was met. What it counted in the last
            moment before it was killed, nobody knows.

    """

    def __init__(
        self,
        setup: GatewaySetup,
        *,
        killed_after: tuple[float, float],
        away_for: tuple[float, float],
    ) -> None:
        self.url = ""
        self.up = Event()
        self.restarts = 0
        self.calls = 0
        self.faults: Counter[str] = Counter()
        self._setup = setup
        self._killed_after = killed_after
        self._away_for = away_for
        self._random = random.Random(setup.seed)  # noqa: S311  # guards nothing

    async def run(self) -> None:
        """Run the gateway until cancelled, in this one task."""
        setup = self._setup
        while True:
            async with await open_process(
                [sys.executable, "-m", "benchmarks.soak_gateway", _written(setup)],
                stdin=subprocess.PIPE,
                stderr=None,
                cwd=_ROOT,
            ) as process:
                await self._read_on(process)
                process.send_signal(SIGKILL)
            self.up = Event()
            await sleep(self._random.uniform(*self._away_for))
            setup = msgspec.structs.replace(
                setup,
                port=int(self.url.rpartition(":")[2]),
                life=setup.life + 1,
            )
            self.restarts += 1

    async def _read_on(self, process: Process) -> None:
        """Add up what the gateway says, for as long as it is to live."""
        if process.stdout is None:
            msg = "the gateway has no standard output"
            raise RuntimeError(msg)
        lines = BufferedByteReceiveStream(process.stdout)
        try:
            await self._read_line(lines)
            self.up.set()
            with move_on_after(self._random.uniform(*self._killed_after)):
                while True:
                    await self._read_line(lines)
        except IncompleteRead as error:
            msg = "the soak's gateway ended by itself; what it said stands above"
            raise RuntimeError(msg) from error

    async def _read_line(self, lines: BufferedByteReceiveStream) -> None:
        counted = msgspec.json.decode(await lines.receive_until(b"\n", _LONGEST_LINE), type=Counted)
        self.url = counted.url
        self.calls += counted.calls
        self.faults.update(counted.faults)


def _written(setup: GatewaySetup) -> str:
    return msgspec.json.encode(setup).decode()

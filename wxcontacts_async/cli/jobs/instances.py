"""Shows the instances that a database knows, as a table or as lines of JSON."""

from collections.abc import AsyncIterator
from datetime import datetime

import msgspec
from rich.table import Table

from wxcontacts_async.cli.options.database import DatabaseOption
from wxcontacts_async.cli.options.line_file import LineFile
from wxcontacts_async.cli.options.output_path import STANDARD
from wxcontacts_async.cli.runtime.running import RunResult, run_to_end
from wxcontacts_async.cli.terminal.console import HumanConsole
from wxcontacts_async.contacts import ContactKind
from wxcontacts_async.store import StoredInstance, Suspicion

_LINES_AT_ONCE = 500
_encode = msgspec.json.Encoder().encode


def print_lines(database: DatabaseOption) -> RunResult:
    """Print a line of JSON for each instance."""
    output = LineFile(STANDARD, "standard output")
    output.open()

    async def work() -> None:
        some: list[bytes] = []
        async for instance in _each(database):
            some.append(_line(instance))
            if len(some) == _LINES_AT_ONCE:
                await output.write(some)
                some = []
        await output.write(some)

    return run_to_end(work, files=[output])


def print_table(database: DatabaseOption) -> RunResult:
    """Print a table with a row for each instance."""
    table = Table("wId", "gateway", "state", "synced", "tried")
    for kind in ContactKind:
        table.add_column(kind, justify="right")
    table.add_column("missing", justify="right")

    async def work() -> None:
        async for instance in _each(database):
            _add(instance, table)

    result = run_to_end(work)
    if not result.exit_code:
        HumanConsole(stderr=False).show(table)
    return result


async def _each(database: DatabaseOption) -> AsyncIterator[StoredInstance]:
    async with database.opened() as store:
        async for instance in store.instances():
            yield instance


def _line(instance: StoredInstance) -> bytes:
    counts = instance.kind_counts
    line = _encode(
        {
            "wId": instance.w_id,
            "gateway": instance.gateway,
            "state": instance.outcome,
            "syncedAt": instance.synced_at,
            "triedAt": instance.tried_at,
            "contacts": None if counts is None else counts.by_kind(),
            "suspected": _suspected(instance.suspicion),
        }
    )
    return line + b"\n"


def _suspected(suspicion: Suspicion | None) -> dict[str, object] | None:
    if suspicion is None:
        return None
    return {
        "missing": suspicion.missing,
        "stored": suspicion.stored,
        "since": suspicion.since,
        "kinds": suspicion.kinds,
        "accepted": suspicion.is_accepted,
    }


def _add(instance: StoredInstance, table: Table) -> None:
    counts, suspicion = instance.kind_counts, instance.suspicion
    numbers = ["?"] * len(ContactKind)
    if counts is not None:
        numbers = [f"{number:,}" for number in counts.by_kind().values()]
    table.add_row(
        instance.w_id,
        instance.gateway,
        instance.outcome,
        _time(instance.synced_at),
        _time(instance.tried_at),
        *numbers,
        "" if suspicion is None else f"{suspicion.missing:,} of {suspicion.stored:,}",
    )


def _time(time: datetime | None) -> str:
    return "never" if time is None else f"{time.astimezone():%Y-%m-%d %H:%M:%S}"

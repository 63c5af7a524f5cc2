"""Prints the log of what changed in a database, as lines of JSON."""

from collections.abc import AsyncIterable, Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from wxcontacts_async import Contact
from wxcontacts_async.cli.database import GivenDatabase
from wxcontacts_async.cli.output import LineFile
from wxcontacts_async.cli.running import End, run_to_end
from wxcontacts_async.cli.suspicion import Suspects
from wxcontacts_async.store import ContactChange, ContactVersion

_LINES_AT_ONCE = 500

_encode = msgspec.json.Encoder().encode
# The document's keys, by field.
_KEYS = dict(zip(Contact.__struct_fields__, Contact.__struct_encode_fields__, strict=True))


def run_changes(
    database: GivenDatabase,
    file: LineFile,
    *,
    since: datetime | None,
    w_id: str | None,
) -> tuple[End, Suspects]:
    """Print what changed, until that is done, a signal comes or writing fails.

    What is suspicious by then is counted.

    Arguments:
        database: Whose log is read.
        file: Where the lines go.
        since: From then on, aware; else from the beginning.
        w_id: Of that instance; else of all.

    """

    async def work() -> None:
        async with database.opened() as store:
            await write_changes(store.changes(since=since, w_id=w_id), file)
            await suspects.add(store.instances(), w_id)

    suspects = Suspects(database)
    return run_to_end(work, files=[file]), suspects


async def write_changes(changes: AsyncIterable[ContactChange], file: LineFile) -> None:
    """Write a line for each change, many lines at once."""
    some: list[ContactChange] = []
    async for change in changes:
        some.append(change)
        if len(some) == _LINES_AT_ONCE:
            await file.write(_lines(some))
            some = []
    if some:
        await file.write(_lines(some))


def _lines(changes: Iterable[ContactChange]) -> Iterator[bytes]:
    for change in changes:
        yield _encode(
            {
                "at": change.at,
                "wId": change.w_id,
                "userName": change.user_name,
                "change": change.change,
                "fields": [_KEYS.get(field, field) for field in change.fields],
                "before": _shown(change.before, change.fields),
                "after": _shown(change.after, change.fields),
            },
        )
        yield b"\n"


def _shown(version: ContactVersion | None, fields: tuple[str, ...]) -> dict[str, Any] | None:
    """Return those fields, or all of them where there are none, by the document's keys."""
    if version is None:
        return None
    known = {"kind": version.kind} | {
        key: getattr(version.contact, field) for field, key in _KEYS.items()
    }
    return {_KEYS.get(field, field): known[_KEYS.get(field, field)] for field in fields} or known

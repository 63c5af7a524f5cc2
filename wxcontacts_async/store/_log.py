"""Reads the log of changes, to its end or without one."""

from collections.abc import AsyncIterator
from datetime import datetime
from functools import partial
from typing import Any

from wxcontacts_async.store import reading
from wxcontacts_async.store._database.database import Database
from wxcontacts_async.store._database.news import News
from wxcontacts_async.store._tabular.own_fields import OwnFields
from wxcontacts_async.store.records import ContactChange


async def changes(
    database: Database,
    own: OwnFields,
    *,
    since: datetime | None = None,
    after: int = 0,
    w_id: str | None = None,
) -> AsyncIterator[ContactChange[Any]]:
    """Give the changes that there are, as `ContactStore.changes` does."""
    if since is not None and w_id is None:
        # So that the log need not be read from its beginning.
        first = await database.run(partial(reading.first_change_since, since=since))
        after = max(after, first - 1)
    while found := await database.run(
        partial(reading.changes, after=after, since=since, w_id=w_id, own=own),
    ):
        after = found[-1].id
        for change in found:
            yield change


async def follow(
    database: Database, own: OwnFields, after: int | None
) -> AsyncIterator[ContactChange[Any]]:
    """Give changes as they become visible, as `ContactStore.follow` does."""
    news = News(database)
    if after is None:
        last = await database.run(partial(reading.last_change, own=own))
        after = 0 if last is None else last.id
    while True:
        await news.wait()
        async for change in changes(database, own, after=after):
            after = change.id
            yield change

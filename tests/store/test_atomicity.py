"""Whatever ends a sync, each instance is in the database as before or as after, and goes on."""

import random
import shutil
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.support.sync_process import run_sync_process, sync_process
from tests.support.syncing import (
    GivenGateway,
    Versions,
    all_synced,
    instances,
    loaded,
    log,
    replayed,
    sync,
    versions,
)
from wxcontacts_async import Contact, ContactSet, SessionPool
from wxcontacts_async.store import ContactStore, StoredInstance

# What a process of its own does is the same whatever loop this one runs.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

INSTANCES = 300


def population(day: int) -> list[ContactSet[Contact]]:
    """Return what all instances have on that day: some come, some go, one changes."""
    return [
        ContactSet(
            f"w{number:03}",
            friends=tuple(Contact(f"{name:02}") for name in range(day, day + 8)),
            groups=(Contact("changing", nick_name=str(day)),),
        )
        for number in range(INSTANCES)
    ]


BEFORE, AFTER = population(1), population(2)
W_IDS = [contacts.w_id for contacts in BEFORE]
WHOLE = {
    contacts.w_id: (versions(contacts), versions(newer))
    for contacts, newer in zip(BEFORE, AFTER, strict=True)
}
LINES_BEFORE, LINES_AFTER = 9, 3


@pytest.fixture
async def yesterday(tmp_path: Path) -> Path:
    """Make a database that is in step with the day before."""
    file = tmp_path / "yesterday.db"
    async with (
        GivenGateway() as gateway,
        SessionPool(gateway.url) as pool,
        ContactStore(f"sqlite:///{file}") as store,
    ):
        for contacts in BEFORE:
            gateway.give(contacts)
        all_synced(await sync(store, pool, W_IDS))
    return file


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.slow)])
@pytest.mark.timeout(900)
async def test_a_process_that_is_killed_leaves_whole_instances(yesterday: Path, kills: int) -> None:
    rng = random.Random(f"moments {kills}")  # noqa: S311  # guards nothing
    today = datetime.now(UTC)
    file = yesterday.with_name("today.db")
    url = f"sqlite:///{file}"
    seen_after: set[int] = set()
    async with GivenGateway() as gateway, SessionPool(gateway.url) as pool:
        for contacts in AFTER:
            gateway.give(contacts)
        shutil.copy(yesterday, file)
        async with sync_process(url, gateway.url, W_IDS) as process:
            await gateway.wait_for_calls(1)
            began = monotonic()
            await run_sync(process.join)
            longest = monotonic() - began
        for _ in range(kills):
            for beside in yesterday.parent.glob("today.db*"):
                beside.unlink()
            shutil.copy(yesterday, file)
            gateway.calls.clear()
            async with sync_process(url, gateway.url, W_IDS):
                await gateway.wait_for_calls(1)
                await anyio.sleep(rng.uniform(0, longest))

            async with ContactStore(url) as store:
                known = await instances(store)
                stale = [w_id for w_id, at in synced_at(known).items() if at < today]
                seen_after.add(INSTANCES - len(stale))
                await check_whole(store, set(stale))
                await gateway.wait_until_idle()
                gateway.calls.clear()
                all_synced(await sync(store, pool, stale))
                assert sorted(call.w_id for call in gateway.calls) == stale
                await check_whole(store, set())
    assert len(seen_after) > kills // 10  # they were killed at different moments, indeed


def synced_at(known: dict[str, StoredInstance]) -> dict[str, datetime]:
    return {w_id: one.synced_at for w_id, one in known.items() if one.synced_at is not None}


async def check_whole(store: ContactStore, stale: set[str]) -> None:
    contacts = await loaded(store)
    assert contacts.keys() == set(W_IDS)
    for w_id, found in contacts.items():
        before, after = WHOLE[w_id]
        assert found == (before if w_id in stale else after)
    assert await replayed(store) == contacts
    lines = INSTANCES * (LINES_BEFORE + LINES_AFTER) - len(stale) * LINES_AFTER
    assert len(await log(store)) == lines


async def test_a_full_disk_leaves_whole_instances_and_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    file = tmp_path / "contacts.db"
    url = f"sqlite:///{file}"
    sets: dict[str, Versions] = {}
    async with GivenGateway() as gateway:
        for contacts in AFTER[:60]:
            wordy = ContactSet(
                contacts.w_id,
                friends=tuple(Contact(f"{name}", signature="长" * 500) for name in range(20)),
            )
            sets[wordy.w_id] = versions(wordy)
            gateway.give(wordy)
        await run_sync_process(url, gateway.url, list(sets), room=1_000_000)
    async with ContactStore(url) as store:
        assert await loaded(store) == sets
        assert await replayed(store) == sets

"""A contact that could not be read is not removed."""

import pytest

from tests.support.syncing import FEWER, FORTY, W_ID, friends, instances, scene, timeline, versions
from wxcontacts_async import Contact, ContactKind, ContactSet, RejectedContact
from wxcontacts_async.store import DeltaCounts, Suspicion

FRIEND = ContactKind.FRIEND

# The database does the same on any loop, so asyncio's will do.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


@pytest.mark.parametrize(
    ("raw", "kept", "held_back"),
    [
        (b'{"userName":7}', {"1", "2", "g"}, 2),
        (b"null", {"1", "2", "g"}, 2),
        (b'{"userName":"1","sex":9223372036854775808}', {"1", "g"}, 0),
        (b'{"userName":"new","sex":9223372036854775808}', {"g"}, 0),
    ],
    ids=["a-number", "null", "named", "unknown"],
)
async def test_a_contact_that_could_not_be_read_is_not_removed(
    database_url: str,
    raw: bytes,
    kept: set[str],
    held_back: int,
) -> None:
    group = (Contact("g"),)
    older = ContactSet(W_ID, friends=(Contact("1"), Contact("2")), groups=group)
    newer = ContactSet(W_ID, groups=group, rejected=(RejectedContact(FRIEND, raw, ""),))
    async with scene(database_url) as it:
        first = await it.synced(older)
        second = await it.synced(newer)

        assert len(second.contacts.rejected) == 1
        removed = second.contacts.delta_since(first.contacts).removed
        assert second.delta_counts == DeltaCounts(removed=len(removed))
        assert set(versions(await it.store.load(W_ID))) == kept
        assert {"1", "2", "g"} - kept == {contact.user_name for contact in removed}
        assert (await instances(it.store))[W_ID].contacts == len(kept)
        assert second.held_back == held_back
        assert second.suspicion is None


async def test_where_a_name_could_not_be_read_the_time_of_its_kind_starts_anew(
    database_url: str,
) -> None:
    nameless = RejectedContact(FRIEND, b"null", "")
    async with timeline(database_url) as it:
        await it.answered(0, FORTY)
        await it.answered(1, FEWER)
        result = await it.answered(
            25, ContactSet(W_ID, friends=FEWER.friends, rejected=(nameless,))
        )
        assert result.delta_counts == DeltaCounts()
        assert result.held_back == 0  # they are counted once, as they are held
        assert result.suspicion == Suspicion(41, 21)
        assert (await it.answered(48, FEWER)).delta_counts == DeltaCounts()
        assert (await it.answered(49, FEWER)).delta_counts == DeltaCounts(removed=21)


async def test_a_blank_name_is_none(database_url: str) -> None:
    blank = RejectedContact(FRIEND, b'{"userName":" "}', "")
    async with timeline(database_url) as it:
        await it.answered(0, friends(1, 2, 3))
        result = await it.answered(1, ContactSet(W_ID, rejected=(blank,)))
        assert result.held_back == 3
        assert result.delta_counts == DeltaCounts()

"""What a large contact set takes is done in steps, between which the event loop goes on."""

import gc
import weakref
from collections.abc import Coroutine, Iterator
from time import thread_time
from typing import Any

import anyio
import pytest

from tests.support.loops import on_asyncio
from wxcontacts_async import Contact, ContactSet
from wxcontacts_async._freeing import free
from wxcontacts_async.store._database.sqlite import SQLITE
from wxcontacts_async.store._merging.fingerprints import fingerprinted

pytestmark = on_asyncio

_MANY = 60_000


class Watched(Contact, frozen=True, gc=True, weakref=True):
    """One of which it can be seen whether it is still there."""


def large_set(*, each_twice: bool = False) -> ContactSet[Contact]:
    friends = tuple(Contact(f"wxid_{number}", city=f"{number} 市") for number in range(_MANY))
    return ContactSet("w", friends=friends, groups=friends if each_twice else ())


def each_step(work: Coroutine[Any, Any, object]) -> Iterator[float]:
    """Take each step of some work as an event loop does; give the processor's seconds of it."""
    gc.collect()
    is_done = False
    while not is_done:
        begun = thread_time()
        try:
            work.send(None)
        except StopIteration:
            is_done = True
        yield thread_time() - begun


@pytest.mark.parametrize("is_merged", [False, True], ids=["as it came", "merged"])
async def test_no_step_of_freeing_takes_long_beside_the_whole(*, is_merged: bool) -> None:
    held = [large_set()]
    if is_merged:
        assert len(held[0]) == _MANY
    took = list(each_step(free(held)))
    assert held == []
    assert len(took) > 20
    assert max(took) < sum(took) / 4


@pytest.mark.parametrize("each_twice", [False, True], ids=["each once", "each twice"])
async def test_no_step_of_fingerprints_takes_long_beside_the_whole(*, each_twice: bool) -> None:
    took = list(each_step(fingerprinted(large_set(each_twice=each_twice), SQLITE)))
    assert len(took) > 100
    assert max(took) < sum(took) / 4


@pytest.mark.parametrize("many", [1, 12_000])
async def test_what_nothing_else_holds_is_freed_and_the_rest_stays(many: int) -> None:
    kept, dropped = Watched("kept"), Watched("dropped")
    there = {contact.user_name: weakref.ref(contact) for contact in (kept, dropped)}
    contacts = ContactSet("w", friends=(kept, dropped) * many)
    others = ContactSet("v", friends=(kept,))
    assert len(contacts) == 2
    held = [contacts, others]
    del contacts, dropped
    await free(held)
    assert there["dropped"]() is None
    assert there["kept"]() is kept
    assert list(others) == [kept]


async def test_a_set_that_is_held_elsewhere_is_as_it_was() -> None:
    contacts = large_set()
    before = list(contacts.items())
    await free([contacts])
    assert list(contacts.items()) == before


async def test_freeing_that_is_cancelled_frees_all_the_same() -> None:
    watched = Watched("a")
    there = weakref.ref(watched)
    held = [ContactSet("w", friends=(watched,) * 12_000)]
    del watched
    with anyio.CancelScope() as scope:
        scope.cancel()
        await free(held)
    assert held == []
    assert there() is None

"""A soak of a few seconds loses nothing, and what would be lost is noticed."""

import asyncio

import msgspec
import pytest

from benchmarks.soak import Soak, SoakPlan
from benchmarks.soak_table import SoakFigures, render
from benchmarks.soak_thinning import ThinningPopulation, thinned
from benchmarks.soak_truth import Comparison, Truth, compare
from tests.support.decoding import ready
from wxcontacts_async import ContactKind, ContactSet, FlawedContact, RejectedContact
from wxcontacts_async.emulator import FaultKind

TRUTH = Truth(contacts=20, seed=0).of(0)
FRIEND, *OTHER_FRIENDS = TRUTH.friends


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("is_by_tls", [False, True])
def test_a_short_soak_with_a_restart_loses_nothing_and_leaves_nothing(*, is_by_tls: bool) -> None:
    for seconds in (12.0, 36.0):
        plan = SoakPlan(
            seconds,
            instances=200,
            killed_after=(4.0, 4.0),
            away_for=(0.3, 0.3),
            is_by_tls=is_by_tls,
        )
        figures = asyncio.run(Soak(plan).run())
        assert figures.passed
        if figures.synced:  # on a busy machine no sync may have come to its end
            break
    assert figures.lost == figures.foreign == figures.not_once == 0
    assert figures.tasks_left == figures.sockets_left == figures.buffers_left == 0
    assert figures.restarts >= 1
    assert sum(figures.faults.values()) > figures.calls / 100
    assert figures.expected == 30 * figures.fetched > 0
    assert figures.streams > 0
    assert figures.synced > 0
    assert figures.deleted == 0


def test_a_contact_that_is_not_there_is_lost_unless_it_is_rejected_with_its_bytes() -> None:
    without = msgspec.structs.replace(TRUTH, friends=tuple(OTHER_FRIENDS))
    kind = FaultKind.USER_NAME_NULL
    assert compare(without, TRUTH, kind) == Comparison(20, lost=1)

    raw = msgspec.json.encode(FRIEND).replace(FRIEND.user_name.encode(), b"")
    rejected = RejectedContact(ContactKind.FRIEND, raw, "userName is empty")
    with_it = msgspec.structs.replace(without, rejected=(rejected,))
    assert compare(with_it, TRUTH, kind) == Comparison(20, rejected=1)
    assert compare(with_it, TRUTH, FaultKind.LONE_SURROGATE) == Comparison(20, lost=1)


@pytest.mark.parametrize(
    ("nick_name", "expected"),
    [
        ("\ufffd{}", Comparison(20, repaired=1)),
        ("\t\n\x01{}", Comparison(20, repaired=1)),
        ("someone else", Comparison(20, lost=1)),
        ("", Comparison(20, lost=1)),
    ],
)
def test_text_may_differ_by_what_cannot_be_read_and_no_more(
    nick_name: str,
    expected: Comparison,
) -> None:
    changed = msgspec.structs.replace(FRIEND, nick_name=nick_name.format(FRIEND.nick_name))
    received = msgspec.structs.replace(TRUTH, friends=(changed, *OTHER_FRIENDS))
    assert compare(received, TRUTH, FaultKind.LONE_SURROGATE) == expected
    assert compare(received, TRUTH, FaultKind.NOT_AN_OBJECT) == Comparison(20, lost=1)


def test_a_value_may_be_lost_where_it_is_told_and_no_other() -> None:
    without = msgspec.structs.replace(FRIEND, nick_name=None)
    received = msgspec.structs.replace(
        TRUTH,
        friends=(without, *OTHER_FRIENDS),
        flawed=(FlawedContact(ContactKind.FRIEND, FRIEND.user_name, ("nick_name",), b"{}"),),
    )
    assert compare(received, TRUTH, FaultKind.NESTED_OBJECT) == Comparison(20, flawed=1)
    assert compare(received, TRUTH, FaultKind.LONE_SURROGATE) == Comparison(20, lost=1)
    silent = msgspec.structs.replace(received, flawed=())
    assert compare(silent, TRUTH, FaultKind.NESTED_OBJECT) == Comparison(20, lost=1)
    other = msgspec.structs.replace(without, big_head="http://other")
    wrong = msgspec.structs.replace(received, friends=(other, *OTHER_FRIENDS))
    assert compare(wrong, TRUTH, FaultKind.NESTED_OBJECT) == Comparison(20, lost=1)


def test_two_damaged_contacts_are_one_too_many() -> None:
    changed = [
        msgspec.structs.replace(friend, nick_name=f"\ufffd{friend.nick_name}")
        for friend in TRUTH.friends[:2]
    ]
    received = msgspec.structs.replace(TRUTH, friends=(*changed, *TRUTH.friends[2:]))
    assert compare(received, TRUTH, FaultKind.LONE_SURROGATE) == Comparison(20, repaired=1, lost=1)


def test_contacts_of_another_instance_are_noticed() -> None:
    assert compare(Truth(20, seed=0).of(1), TRUTH, FaultKind.LONE_SURROGATE).foreign > 0


THIN, SOUND = 4, 0  # instances of which one has thin answers at times, and one has none


@pytest.mark.parametrize("number", [SOUND, THIN])
def test_what_a_thin_answer_lacks_is_not_lost_where_answers_are_thin_at_times(number: int) -> None:
    whole = (truth := Truth(contacts=30, seed=0)).of(number)
    for left in thinned(whole):
        missing = len(whole) - len(left)
        assert missing > 0
        compared = truth.compare(number, left)
        if number == THIN:
            assert compared == Comparison(30, thinned=missing)
        else:
            assert compared == Comparison(30, lost=missing)
    fewer = msgspec.structs.replace(whole, friends=whole.friends[1:])
    assert truth.compare(number, fewer).lost == 1


def test_thin_replies_are_what_may_be_left_of_whole_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.soak_thinning._SHARE", 0.5)
    population = ThinningPopulation(0, life=0, is_thinned=lambda w_id: w_id == "thin")
    for w_id in ("thin", "whole"):
        whole = population.contact_set(w_id, 30)
        allowed = [whole.lists(), *(left.lists() for left in thinned(whole))]
        seen = set()
        for _ in range(200):
            reply = ready(population.reply(w_id, 30))
            received = ContactSet(w_id, reply.official_accounts, reply.friends, reply.groups)
            seen.add(received.lists())
        assert seen == (set(allowed) if w_id == "thin" else {whole.lists()})
    assert 60 < population.thinned < 140


def test_what_is_left_of_friends_differs_from_answer_to_answer() -> None:
    whole = Truth(contacts=30, seed=0).of(THIN)
    parts = {left.friends for left in thinned(whole)} - {whole.friends, ()}
    assert len(parts) > 1
    assert len({part[0] for part in parts}) > 1


def test_the_table_says_what_was_deleted() -> None:
    figures = SoakFigures(instances=200, contacts=20, deleted=1)
    assert not figures.passed
    assert "| **contacts deleted that are still there** | **1** |" in render(figures)


def test_the_table_says_what_was_lost() -> None:
    figures = SoakFigures(instances=200, contacts=20)
    assert figures.passed
    figures.add(Comparison(20, lost=1))
    assert not figures.passed
    assert "| **contacts lost** | **1** |" in render(figures)
    assert "| contacts received | 19 |" in render(figures)

"""Faults of the contacts in a reply that is sound otherwise."""

import json

import msgspec
import pytest

from tests.emulator.test_faults import called, gateway
from tests.support.loops import on_asyncio
from wxcontacts_async import (
    SessionPool,
)
from wxcontacts_async.emulator import Fault, FaultKind

SHAPE = [kind for kind in FaultKind if kind.rejects_contacts]


@on_asyncio
@pytest.mark.parametrize("kind", [kind for kind in FaultKind if kind.strikes_contacts])
async def test_only_the_contacts_it_names_are_damaged(kind: FaultKind) -> None:  # noqa: C901
    async with gateway(Fault(kind, contacts=3), contacts=500) as emulator:
        async with called(emulator) as response:
            body = await response.read()
        (call,) = emulator.calls
        truth = emulator.population.reply("a", 500)
    assert len(set(call.damaged)) == 3
    assert (call.reply, call.fault) == ("ready", kind)
    as_objects = {
        contact["userName"]: contact
        for members in json.loads(truth)["data"].values()
        for contact in members
    }
    text = body.decode(errors="replace")
    lists = json.loads(text, strict=False)["data"]
    received = [contact for members in lists.values() for contact in members]
    untouched = as_objects.keys() - set(call.damaged)
    sound = [c for c in received if isinstance(c, dict) and c.get("userName") in untouched]
    assert {contact["userName"]: contact for contact in sound} == {
        name: as_objects[name] for name in untouched
    }
    assert len(sound) == len(untouched)
    struck = [contact for contact in received if contact not in sound]
    match kind:
        case FaultKind.LONE_SURROGATE:
            assert all(contact["nickName"].startswith("\ud83d") for contact in struck)
        case FaultKind.INVALID_UTF8:
            assert all(contact["nickName"].startswith("\ufffd") for contact in struck)
        case FaultKind.CONTROL_CHARACTERS:
            assert all(contact["nickName"].startswith("\t\n\x01") for contact in struck)
        case FaultKind.USER_NAME_MISSING:
            assert all("userName" not in contact for contact in struck)
        case FaultKind.USER_NAME_NULL:
            assert all(contact["userName"] is None for contact in struck)
        case FaultKind.USER_NAME_NUMBER:
            assert all(isinstance(contact["userName"], int) for contact in struck)
        case FaultKind.NESTED_OBJECT:
            assert all(isinstance(contact["nickName"], dict) for contact in struck)
        case FaultKind.USER_NAME_BLANK:
            assert all(contact["userName"] == " \u3000" for contact in struck)
        case FaultKind.ODD_VALUES:
            for contact in struck:
                assert contact["nickName"].keys() == {"string"}
                assert contact["sex"] in {"未知", "男", "女"}
                assert (contact["signature"], contact["country"]) == ([], False)
                assert contact["city"] != contact["city"]  # as NaN does
        case FaultKind.NOT_AN_OBJECT:
            assert sorted(struck) == sorted(call.damaged)
        case FaultKind.LOOSE_TYPES:
            assert all(isinstance(contact["sex"], str) for contact in struck)
            assert b'"code":1000.0' in body
    assert len(struck) == (9 if kind is FaultKind.REPEATED_CONTACT else 3)


@on_asyncio
@pytest.mark.parametrize("kind", SHAPE)
async def test_the_pool_rejects_what_is_damaged_and_has_all_the_rest(kind: FaultKind) -> None:
    async with gateway(Fault(kind)) as emulator, SessionPool(emulator.url) as pool:
        contacts = await pool.fetch("a")
        truth = emulator.contact_set("a")
        (damaged,) = emulator.calls[0].damaged
        assert len(contacts.rejected) == 1
        assert {contact for contact in truth if contact.user_name != damaged} == set(contacts)


@on_asyncio
@pytest.mark.parametrize("kind", [kind for kind in FaultKind if kind.flaws_contacts])
async def test_the_pool_keeps_what_has_odd_values_and_names_those_that_are_lost(
    kind: FaultKind,
) -> None:
    async with gateway(Fault(kind, contacts=3)) as emulator, SessionPool(emulator.url) as pool:
        contacts = await pool.fetch("a")
        truth = emulator.contact_set("a")
        damaged = set(emulator.calls[0].damaged)
    assert contacts.rejected == ()
    assert {flawed.user_name for flawed in contacts.flawed} == damaged
    assert len(contacts.flawed) == 3
    for flawed in contacts.flawed:
        lost = {name: None for name in flawed.fields if name != "sex"}
        assert contacts[flawed.user_name] == msgspec.structs.replace(
            truth[flawed.user_name], **lost
        )
    assert {contact for contact in truth if contact.user_name not in damaged} == {
        contact for contact in contacts if contact.user_name not in damaged
    }
    of_kind = {FaultKind.NESTED_OBJECT: ("nick_name",)}
    expected = of_kind.get(kind, ("signature", "country", "city"))
    assert {flawed.fields for flawed in contacts.flawed} == {expected}


@on_asyncio
async def test_a_thinned_reply_lacks_a_list_or_half_of_each_or_all_and_is_sound_otherwise() -> None:
    forms = set()
    async with gateway(Fault(FaultKind.THINNED)) as emulator, SessionPool(emulator.url) as pool:
        truth = emulator.contact_set("a")
        for number in range(20):
            contacts = await pool.fetch("a")
            call = emulator.calls[number]
            assert (call.reply, call.fault) == ("ready", FaultKind.THINNED)
            assert not contacts.rejected
            assert not contacts.flawed
            assert {contact.user_name for contact in truth} - set(call.damaged) == {
                contact.user_name for contact in contacts
            }
            assert all(contact == truth[contact.user_name] for contact in contacts)
            assert call.damaged
            forms.add(tuple(len(members) for _, members in contacts.lists()))
        assert emulator.contact_set("a").lists() == truth.lists()
    whole = [len(members) for _, members in truth.lists()]
    assert (0, 0, 0) in forms
    assert tuple((number + 1) // 2 for number in whole) in forms
    assert any(0 in form and sum(form) > sum(whole) / 2 for form in forms)


@on_asyncio
async def test_a_reply_without_contacts_cannot_be_thinned() -> None:
    async with gateway(Fault(FaultKind.THINNED), contacts=0) as emulator, called(emulator):
        assert emulator.faults_met == {}


@on_asyncio
async def test_a_fault_of_contacts_is_not_met_by_a_reply_without_any() -> None:
    async with gateway(Fault(FaultKind.LONE_SURROGATE), contacts=0) as emulator:
        async with called(emulator) as response:
            assert (await response.json())["code"] == "1000"
        assert emulator.faults_met == {}
        assert emulator.calls[0].fault is None

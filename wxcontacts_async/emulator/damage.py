"""The bytes of damaged and thinned replies, and which of their contacts are damaged."""

import random
import re
from collections.abc import Callable

import msgspec

from wxcontacts_async.emulator.faults import FaultKind

# The emulator's own contacts: flat, in the document's order, and with no brace in their text.
_CONTACT = re.compile(rb'\{"userName":"([^"]*)",[^{}]*\}')
_USER_NAME = re.compile(rb'"userName":"[^"]*",')
_NICK_NAME = re.compile(rb'"nickName":("[^"]*")')
_NICK_NAME_BEGINS = b'"nickName":"'
_ODD_VALUES = {b"signature": b"[]", b"country": b"false", b"city": b"NaN"}
_SEX_WORDS = ("未知".encode(), "男".encode(), "女".encode())


class DamagedReply(msgspec.Struct, frozen=True):
    """A reply of the emulator with a fault in it.

    Attributes:
        body: Its bytes.
        user_names: Those of its contacts that are damaged or left out, as they were before; all
            others are as they were.

    """

    body: bytes
    user_names: tuple[str, ...]


def damaged(kind: FaultKind, body: bytes, *, contacts: int, rng: random.Random) -> DamagedReply:
    """Damage some contacts of a reply that the emulator made, or leave some out.

    Arguments:
        kind: One that needs contacts.
        body: The sound reply.
        contacts: How many of its contacts to damage; all if it has fewer.
        rng: Draws which ones.

    """
    if kind is FaultKind.THINNED:
        return _thinned(body, rng)
    found = list(_CONTACT.finditer(body))
    struck = sorted(rng.sample(range(len(found)), min(contacts, len(found))))
    pieces = []
    end = 0
    for number in struck:
        contact = found[number]
        pieces += [body[end : contact.start()], _DAMAGES[kind](contact[0])]
        end = contact.end()
    pieces.append(body[end:])
    whole = b"".join(pieces)
    if kind is FaultKind.REPEATED_CONTACT:
        whole = _repeated_as_groups(whole, [found[number][0] for number in struck])
    elif kind is FaultKind.LOOSE_TYPES:
        whole = whole.replace(b'"code":"1000"', b'"code":1000.0', 1)
    return DamagedReply(whole, tuple(found[number][1].decode() for number in struck))


def _thinned(body: bytes, rng: random.Random) -> DamagedReply:
    """Leave out a list, half of each, or all contacts, as if there were no such."""
    reply = _reply.decode(body)
    lists = {key: contacts for key, contacts in reply.data.items() if contacts}
    if not lists:
        return DamagedReply(body, ())
    match rng.choice(("a list", "halves", "all")):
        case "a list":
            reply.data[rng.choice(sorted(lists))] = rng.choice((None, []))
        case "halves":
            reply.data.update((key, contacts[::2]) for key, contacts in lists.items())
        case _:
            reply.data.update((key, []) for key in lists)
    rest = msgspec.json.encode(reply)
    left_out = set(_names_in(body)).difference(_names_in(rest))
    return DamagedReply(rest, tuple(sorted(left_out)))


def _names_in(body: bytes) -> list[str]:
    return [contact[1].decode() for contact in _CONTACT.finditer(body)]


class _Reply(msgspec.Struct):
    message: str
    code: str
    data: dict[str, list[msgspec.Raw] | None]


_reply = msgspec.json.Decoder(_Reply)


def _with_a_lone_surrogate(contact: bytes) -> bytes:
    return contact.replace(_NICK_NAME_BEGINS, _NICK_NAME_BEGINS + rb"\ud83d", 1)


def _with_a_cut_character(contact: bytes) -> bytes:
    # All invented nicknames begin with a character of three bytes; it loses the last of them.
    third = contact.index(_NICK_NAME_BEGINS) + len(_NICK_NAME_BEGINS) + 2
    return contact[:third] + contact[third + 1 :]


def _with_control_characters(contact: bytes) -> bytes:
    return contact.replace(_NICK_NAME_BEGINS, _NICK_NAME_BEGINS + b"\t\n\x01", 1)


def _without_user_name(contact: bytes) -> bytes:
    return _USER_NAME.sub(b"", contact, count=1)


def _with_a_null_as_user_name(contact: bytes) -> bytes:
    return _USER_NAME.sub(b'"userName":null,', contact, count=1)


def _with_a_number_as_user_name(contact: bytes) -> bytes:
    return _USER_NAME.sub(b'"userName":22156949594,', contact, count=1)


def _with_a_blank_user_name(contact: bytes) -> bytes:
    return _USER_NAME.sub(rb'"userName":" \\u3000",', contact, count=1)


def _with_an_object_as_nick_name(contact: bytes) -> bytes:
    return _NICK_NAME.sub(rb'"nickName":{"text":\1}', contact, count=1)


def _with_odd_values(contact: bytes) -> bytes:
    wrapped = _NICK_NAME.sub(rb'"nickName":{"string":\1}', contact, count=1)
    for key, value in _ODD_VALUES.items():
        wrapped = re.sub(rb'"%b":("[^"]*"|null)' % key, b'"%b":%b' % (key, value), wrapped)
    return re.sub(rb'"sex":(\d)', lambda sex: b'"sex":"%b"' % _SEX_WORDS[int(sex[1])], wrapped)


def _no_object(contact: bytes) -> bytes:
    return b'"%s"' % _CONTACT.sub(rb"\1", contact)


def _twice(contact: bytes) -> bytes:
    return contact + b"," + contact


def _with_loose_types(contact: bytes) -> bytes:
    return re.sub(rb'"sex":(\d)', rb'"sex":"\1"', contact).replace(b":null", b':""')


_DAMAGES: dict[FaultKind, Callable[[bytes], bytes]] = {
    FaultKind.LONE_SURROGATE: _with_a_lone_surrogate,
    FaultKind.INVALID_UTF8: _with_a_cut_character,
    FaultKind.CONTROL_CHARACTERS: _with_control_characters,
    FaultKind.USER_NAME_MISSING: _without_user_name,
    FaultKind.USER_NAME_NULL: _with_a_null_as_user_name,
    FaultKind.USER_NAME_NUMBER: _with_a_number_as_user_name,
    FaultKind.USER_NAME_BLANK: _with_a_blank_user_name,
    FaultKind.NESTED_OBJECT: _with_an_object_as_nick_name,
    FaultKind.NOT_AN_OBJECT: _no_object,
    FaultKind.REPEATED_CONTACT: _twice,
    FaultKind.LOOSE_TYPES: _with_loose_types,
    FaultKind.ODD_VALUES: _with_odd_values,
}


def _repeated_as_groups(body: bytes, contacts: list[bytes]) -> bytes:
    """List contacts among the groups, too, which come last, so that their first list stands."""
    begin = b'"group":['
    head, _, groups = body.rpartition(begin)
    comma = b"" if groups.startswith(b"]") else b","
    return head + begin + b",".join(contacts) + comma + groups

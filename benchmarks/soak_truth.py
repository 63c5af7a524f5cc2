"""What a soak must receive, and how what it did receive differs from that."""

from functools import cache

import msgspec

from benchmarks.soak_gateway import DAMAGED_AT_ONCE, damage_of, w_id_of
from benchmarks.soak_thinning import thinned, thins
from wxcontacts_async import Contact, ContactSet
from wxcontacts_async.emulator import FaultKind, Population

_REPLACEMENT = "\ufffd"
_OF_TEXT = {FaultKind.LONE_SURROGATE, FaultKind.INVALID_UTF8, FaultKind.CONTROL_CHARACTERS}
_CONTROLS = str.maketrans(dict.fromkeys((*map(chr, range(0x20)), _REPLACEMENT), ""))


class Comparison(msgspec.Struct, frozen=True):
    """One contact set beside the truth.

    Attributes:
        expected: How many contacts the instance has.
        rejected: How many of them could not be read and are in `rejected`, as they should be.
        repaired: How many of them have the text that the gateway damaged made readable.
        flawed: How many of them lack values that could not be read, and are told so.
        lost: How many of them are neither there nor rightly rejected, or are there otherwise
            than the gateway sent them.
        foreign: How many others are there, be it among the rejected.
        thinned: How many of them the gateway left out of its answer.

    """

    expected: int
    rejected: int = 0
    repaired: int = 0
    flawed: int = 0
    lost: int = 0
    foreign: int = 0
    thinned: int = 0


class Truth:
    """The contacts that each instance has.

    Arguments:
        contacts: How many each has.
        seed: The gateway's.

    """

    def __init__(self, contacts: int, seed: int) -> None:
        self._contacts = contacts
        self._population = Population(seed)
        # The same friend of several instances is kept once.
        self._known: dict[Contact, Contact] = {}
        self.of = cache(self._of)

    def _of(self, number: int) -> ContactSet[Contact]:
        drawn = self._population.contact_set(w_id_of(number), self._contacts)
        official_accounts, friends, groups = (
            tuple(self._known.setdefault(contact, contact) for contact in contacts)
            for _, contacts in drawn.lists()
        )
        return ContactSet(drawn.w_id, official_accounts, friends, groups)

    def compare(self, number: int, received: ContactSet[Contact]) -> Comparison:
        """Compare what was received for the instance of that number."""
        truth = self.of(number)
        if not thins(number):
            return compare(received, truth, damage_of(number))
        for left in (truth, *thinned(truth)):
            if received.lists() == left.lists() and not received.rejected:
                foreign = len(truth) if received.w_id != truth.w_id else 0
                return Comparison(len(truth), foreign=foreign, thinned=len(truth) - len(left))
        return compare(received, truth, damage_of(number))


def compare(
    received: ContactSet[Contact],
    truth: ContactSet[Contact],
    damage: FaultKind,
) -> Comparison:
    """Compare a contact set with the truth, of which one kind of damage may have struck some."""
    expected = len(truth)
    if received.lists() == truth.lists() and not received.rejected and not received.flawed:
        return Comparison(expected, foreign=expected if received.w_id != truth.w_id else 0)
    missing, changed, flawed, lost = 0, 0, 0, 0
    values_lost = {one.user_name: one.fields for one in received.flawed}
    for kind, contact in truth.items():
        found = received.get(contact.user_name)
        if found is None:
            missing += _stands_rejected(contact, received)
            lost += not _stands_rejected(contact, received)
        elif received.kind_of(contact.user_name) is not kind:
            lost += 1
        elif contact.user_name in values_lost:
            flawed += _is_flawed(found, contact, values_lost[contact.user_name])
            lost += not _is_flawed(found, contact, values_lost[contact.user_name])
        elif found != contact:
            changed += _is_repaired(found, contact, damage)
            lost += not _is_repaired(found, contact, damage)
    # One that was sound must not be rejected, however plainly.
    rejected = min(missing, DAMAGED_AT_ONCE) if damage.rejects_contacts else 0
    repaired = min(changed, DAMAGED_AT_ONCE)
    rightly_flawed = min(flawed, DAMAGED_AT_ONCE) if damage.flaws_contacts else 0
    return Comparison(
        expected,
        rejected=rejected,
        repaired=repaired,
        flawed=rightly_flawed,
        lost=lost + (missing - rejected) + (changed - repaired) + (flawed - rightly_flawed),
        foreign=sum(contact.user_name not in truth for contact in received)
        + max(0, len(received.rejected) - missing)
        + (received.w_id != truth.w_id),
    )


def _stands_rejected(contact: Contact, received: ContactSet[Contact]) -> bool:
    """Tell whether a contact is among the rejected, by its name or by its avatar."""
    marks = [mark.encode() for mark in (contact.user_name, contact.small_head) if mark]
    return any(mark in rejected.raw for rejected in received.rejected for mark in marks)


def _is_flawed(found: Contact, contact: Contact, fields: tuple[str, ...]) -> bool:
    """Tell whether a contact lacks no more than the values that are told as lost."""
    default = Contact(contact.user_name)
    lost = {name: getattr(default, name) for name in fields}
    return bool(lost) and found == msgspec.structs.replace(contact, **lost)


def _is_repaired(found: Contact, contact: Contact, damage: FaultKind) -> bool:
    """Tell whether a contact differs by no more than that kind of damage makes it differ."""
    if damage is FaultKind.LOOSE_TYPES:  # an empty string stands where text was missing
        return all(
            is_now == was or (is_now == "" and was is None)
            for is_now, was in zip(
                msgspec.structs.astuple(found), msgspec.structs.astuple(contact), strict=True
            )
        )
    if damage not in _OF_TEXT:
        return False
    is_now, was = found.nick_name or "", contact.nick_name or ""
    readable = is_now.translate(_CONTROLS)
    unreadable = is_now.count(_REPLACEMENT)
    return (
        was.endswith(readable)
        and len(was) - len(readable) <= unreadable
        and msgspec.structs.replace(found, nick_name=was) == contact
    )

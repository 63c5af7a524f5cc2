"""Answers of the soak that lack contacts which are there, as gateways give after a re-login."""

import random
from collections.abc import Callable

import msgspec

from wxcontacts_async import Contact, ContactSet
from wxcontacts_async.emulator import Population

_SHARE = 0.1
_THINS_EVERY = 5
_HALVES = 4
_LISTS = ("official_accounts", "friends", "groups")


def thins(number: int) -> bool:
    """Tell whether answers for the instance of that number are thin at times."""
    return number % _THINS_EVERY == _THINS_EVERY - 1


def thinned(whole: ContactSet[Contact]) -> list[ContactSet[Contact]]:
    """Return all that may be left of a contact set: parts of it, in its order, and nothing."""
    # Drawn by the wId alone, so that whoever compares knows them; no two instances have the same.
    draw = random.Random(f"parts of {whole.w_id}")  # noqa: S311  # guards nothing
    parts = [_without_some_friends(whole, draw) for _ in range(_HALVES)]
    for number_of_lists in (1, 1, 1, 2):
        lists = dict.fromkeys(draw.sample(_LISTS, number_of_lists), ())
        parts.append(msgspec.structs.replace(whole, **lists))
    return [*parts, ContactSet(whole.w_id)]


def _without_some_friends(
    whole: ContactSet[Contact],
    draw: random.Random,
) -> ContactSet[Contact]:
    # More than half of at least 20 go, if a shrunk list is to be noticed.
    number = len(whole.friends)
    kept = sorted(draw.sample(range(number), number * 2 // 5))
    return msgspec.structs.replace(whole, friends=tuple(whole.friends[index] for index in kept))


class ThinningPopulation(Population):
    """A population of which some replies lack a list, a part of one, or all of them.

    Arguments:
        seed: The population's.
        life: Another one, other replies.
        is_thinned: Tells which instances it happens to.

    Attributes:
        thinned: How many replies were thin.

    """

    def __init__(self, seed: int, life: int, is_thinned: Callable[[str], bool]) -> None:
        super().__init__(seed)
        self.thinned = 0
        self._is_thinned = is_thinned
        self._random = random.Random(f"thinned {seed} {life}")  # noqa: S311  # guards nothing

    def reply(self, w_id: str, size: int | None = None) -> bytes:
        """Return a success reply, which may be thin."""
        if not self._is_thinned(w_id) or self._random.random() >= _SHARE:
            return super().reply(w_id, size)
        self.thinned += 1
        left = self._random.choice(thinned(self.contact_set(w_id, size)))
        # A list without anybody is empty, null or not there at all.
        empty: object = self._random.choice([[], None, msgspec.UNSET])
        lists = _Lists(*(members or empty for _, members in left.lists()))
        return msgspec.json.encode({"message": "成功", "code": "1000", "data": lists})


class _Lists(msgspec.Struct):
    public: object
    friend: object
    group: object

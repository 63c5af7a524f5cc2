"""How the contacts of one instance move, step by step, by numbers alone.

All friends there are stand in a ring, those that the instance has at first before all others. It
knows a window of the ring, which each step moves on by a few places: what was at its beginning has
gone, what is at its end has come. In the middle of the window a friend takes another name. Thus
what it knows follows from the number of its steps, and a step costs nothing until it is looked at.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, islice

import msgspec

# One in so many comes, one goes and one is renamed: together about 1 %.
_FRIENDS_A_MOVER = 300


class Movement(msgspec.Struct, frozen=True):
    """What one advance does to the contacts of one instance, as `ContactDelta` counts it.

    Attributes:
        added: How many friends came.
        removed: How many friends went, which are as many.
        changed: How many friends and groups were renamed.

    """

    added: int
    removed: int
    changed: int


def step_of(friends: int, groups: int) -> Movement:
    """Return what one step does to an instance with so many friends and groups."""
    movers = _movers(friends)
    renamed = min(movers, friends - movers)  # a friend that has just come is not renamed as well
    return Movement(added=movers, removed=movers, changed=renamed + min(groups, 1))


def friends_after(
    steps: int,
    friends: list[int],
    strangers: Iterable[int],
    *,
    universe: int,
) -> Iterator[tuple[int, bool]]:
    """Return the friends after so many steps, and of each whether it has been renamed.

    Arguments:
        steps: How many steps.
        friends: The friends at first.
        strangers: All others, of which no more are taken than are needed.
        universe: How many friends and strangers there are together.

    """
    count, movers = len(friends), _movers(len(friends))
    moved = steps * movers
    begin = moved % universe
    window = islice(chain(friends, strangers, friends), begin, begin + count)
    middle = (count - 2 * movers) // 2
    if middle < 0:  # the only friend there is has just come
        return ((number, False) for number in window)
    # Those past the middle at first have never been in it.
    renamed = range(max(middle + movers - moved, 0), middle + movers)
    return ((number, place in renamed) for place, number in enumerate(window))


def renamings_after(steps: int, groups: int) -> Iterator[int]:
    """Return how often each of so many groups has been renamed: one at each step, in turn."""
    return ((steps + groups - 1 - place) // groups for place in range(groups))


def _movers(friends: int) -> int:
    return min(friends, max(1, friends // _FRIENDS_A_MOVER))

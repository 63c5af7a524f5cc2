"""Invented people, groups and official accounts, the same ones for the same seed."""

import math
import random
from collections import Counter, OrderedDict
from collections.abc import Iterator
from functools import cache, partial
from itertools import repeat, starmap

import msgspec

from wxcontacts_async.contacts import Contact, ContactKind, ContactSet, Sex
from wxcontacts_async.emulator.movement import Movement, friends_after, renamings_after, step_of

_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
_GIVEN = "伟芳娜敏静丽强磊洋艳勇军杰娟涛明超霞平刚桂英文华慧建国玉兰春生雪梅子轩浩宇欣怡"
_EMOJI = "😀🌸🐼🍀🎈🌙🔥🐳🍉✨"
_TOPICS = ("读书", "跑步", "摄影", "烘焙", "象棋", "登山", "观鸟", "合唱", "书法", "园艺")
_GROUP_ENDINGS = ("群", "小组", "之家", "交流群", "周末约起来", "🎉")
_ACCOUNT_ENDINGS = ("日报", "生活", "研究所", "手册", "Weekly")
_PLACES = (("北京", "朝阳"), ("上海", "徐汇"), ("广东", "深圳"), ("四川", "成都"), ("浙江", "杭州"))
_MOTTOS = ("在多次阅读中，多活几次。", "慢慢来，比较快 🐢", "今天也要好好吃饭", "Stay hungry.")
# What a name ends with after each renaming; then it begins anew.
_NAME_ENDINGS = ("", "（新）", "（旅行中）", "（忙）")
_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_URL_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

# How many of each there are to know. An instance has most of its contacts as friends.
_UNIVERSE = {
    ContactKind.OFFICIAL_ACCOUNT: 2_000,
    ContactKind.FRIEND: 40_000,
    ContactKind.GROUP: 5_000,
}
_SHARES = {ContactKind.OFFICIAL_ACCOUNT: 0.08, ContactKind.GROUP: 0.12}
_KEPT_REPLIES = 16


class Population:
    """All contacts there are, and which of them each instance knows.

    Instances know overlapping parts of it, so the same friend stands on several instances. It is
    made up as it is asked for; none of it exists. It stays as it is until it is moved.

    Arguments:
        seed: Another seed, other people.

    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        # A contact is rendered once, a large reply is kept: the emulator must not be the
        # slow side of a measurement.
        self._rendered = cache(self._render)
        self._replies: OrderedDict[tuple[str, int | None, int], bytes] = OrderedDict()
        self._steps: Counter[str] = Counter()  # by wId: how often it was moved

    def move(self, w_id: str, size: int | None = None) -> Movement:
        """Move the contacts of one instance by a step, and return what that comes to.

        About 1 % of them come, go or are renamed, and at least one friend each; one group is
        renamed. An instance of one friend gets another one. As many come as go.
        """
        counts = self._counts(self._rng(w_id), size)
        self._steps[w_id] += 1
        return step_of(counts[ContactKind.FRIEND], counts[ContactKind.GROUP])

    def contact_set(self, w_id: str, size: int | None = None) -> ContactSet[Contact]:
        """Return the contacts of one instance, as a client must find them now.

        Arguments:
            w_id: The instance.
            size: How many it has, at most 40,000; None draws 10 to 10,000.

        """
        members = self._members(w_id, size)
        official_accounts, friends, groups = (
            tuple(self._contact(kind, *member) for member in members[kind]) for kind in ContactKind
        )
        return ContactSet(w_id, official_accounts, friends, groups)

    def reply(self, w_id: str, size: int | None = None) -> bytes:
        """Return the success reply for one instance, in the shape of the document's sample."""
        key = (w_id, size, self._steps[w_id])
        kept = self._replies.get(key)
        if kept is not None:
            self._replies.move_to_end(key)
            return kept
        lists = (
            b'"%s":[%s]'
            % (kind.encode(), b",".join(starmap(partial(self._rendered, kind), members)))
            for kind, members in self._members(w_id, size).items()
        )
        message = '{"message":"成功","code":"1000","data":{'.encode()
        body = message + b",".join(lists) + b"}}"
        self._replies[key] = body
        if len(self._replies) > _KEPT_REPLIES:
            self._replies.popitem(last=False)
        return body

    def _members(
        self,
        w_id: str,
        size: int | None,
    ) -> dict[ContactKind, Iterator[tuple[int, int]]]:
        """Return the contacts of an instance by kind: their numbers, and those of their names."""
        rng = self._rng(w_id)
        counts = self._counts(rng, size)
        first = {kind: rng.sample(range(_UNIVERSE[kind]), counts[kind]) for kind in ContactKind}
        members: dict[ContactKind, Iterator[tuple[int, int]]] = {
            kind: zip(numbers, repeat(0), strict=False) for kind, numbers in first.items()
        }
        steps = self._steps[w_id]
        if steps:
            friends, groups = first[ContactKind.FRIEND], first[ContactKind.GROUP]
            members[ContactKind.FRIEND] = friends_after(
                steps,
                friends,
                _strangers(friends, rng),
                universe=_UNIVERSE[ContactKind.FRIEND],
            )
            members[ContactKind.GROUP] = zip(
                groups,
                (times % len(_NAME_ENDINGS) for times in renamings_after(steps, len(groups))),
                strict=True,
            )
        return members

    def _rng(self, w_id: str) -> random.Random:
        return random.Random(f"instance {self._seed} {w_id}")  # noqa: S311  # invents only

    def _counts(self, rng: random.Random, size: int | None) -> dict[ContactKind, int]:
        """Return how many contacts of each kind an instance has."""
        if size is None:
            size = int(10 ** rng.triangular(1, 4, 2))
        counts = {kind: min(int(size * share), _UNIVERSE[kind]) for kind, share in _SHARES.items()}
        counts[ContactKind.FRIEND] = size - sum(counts.values())
        return counts

    def _render(self, kind: ContactKind, number: int, name: int) -> bytes:
        return msgspec.json.encode(self._contact(kind, number, name))

    def _contact(self, kind: ContactKind, number: int, name: int) -> Contact:
        contact = self._first_contact(kind, number)
        if not name:
            return contact
        nick_name = f"{contact.nick_name}{_NAME_ENDINGS[name]}"
        return msgspec.structs.replace(contact, nick_name=nick_name)

    def _first_contact(self, kind: ContactKind, number: int) -> Contact:
        """Invent a contact; it has its first name."""
        rng = random.Random(f"{kind} {self._seed} {number}")  # noqa: S311  # invents only
        match kind:
            case ContactKind.FRIEND:
                return self._friend(rng)
            case ContactKind.GROUP:
                return self._group(rng)
            case ContactKind.OFFICIAL_ACCOUNT:
                return self._official_account(rng)

    def _friend(self, rng: random.Random) -> Contact:
        name = rng.choice(_SURNAMES) + "".join(rng.choices(_GIVEN, k=rng.randint(1, 2)))
        if not rng.randrange(4):
            name += rng.choice(_EMOJI)
        province, city = rng.choice(_PLACES) if rng.randrange(3) else (None, None)
        big_head, small_head = _avatar(rng)
        return Contact(
            user_name="wxid_" + "".join(rng.choices(_ID_LETTERS, k=14)),
            alias_name="".join(rng.choices(_ID_LETTERS, k=8)) if not rng.randrange(3) else None,
            nick_name=name,
            big_head=big_head,
            small_head=small_head,
            sex=rng.choice(list(Sex)),
            signature=rng.choice(_MOTTOS) if not rng.randrange(3) else None,
            country="中国" if province else None,
            province=province,
            city=city,
        )

    def _group(self, rng: random.Random) -> Contact:
        return Contact(
            user_name=f"{rng.randrange(10**10, 10**11)}@chatroom",
            nick_name=rng.choice(_TOPICS) + rng.choice(_GROUP_ENDINGS),
            small_head=_avatar(rng)[1],
        )

    def _official_account(self, rng: random.Random) -> Contact:
        topic = rng.choice(_TOPICS)
        province, city = rng.choice(_PLACES)
        big_head, small_head = _avatar(rng)
        return Contact(
            user_name="gh_" + "".join(rng.choices("0123456789abcdef", k=12)),
            nick_name=topic + rng.choice(_ACCOUNT_ENDINGS),
            big_head=big_head,
            small_head=small_head,
            signature=f"{topic}官方订阅号。",
            country="中国",
            province=province,
            city=city,
        )


def _strangers(friends: list[int], rng: random.Random) -> Iterator[int]:
    """Return the friends that an instance does not have, in an order of its own."""
    universe = _UNIVERSE[ContactKind.FRIEND]
    # A stride without a common divisor comes to each of them once, and needs no shuffled list.
    stride = next(
        n for n in range(rng.randrange(1, universe), 2 * universe) if math.gcd(n, universe) == 1
    )
    begin = rng.randrange(universe)
    known = set(friends)
    strided = ((begin + stride * place) % universe for place in range(universe))
    return (number for number in strided if number not in known)


def _avatar(rng: random.Random) -> tuple[str, str]:
    """Return the URLs of an avatar and its thumbnail, on a host that cannot exist."""
    path = "".join(rng.choices(_URL_LETTERS, k=86))
    url = f"http://wx.qlogo.invalid/mmhead/ver_1/{path}"
    return f"{url}/0", f"{url}/132"

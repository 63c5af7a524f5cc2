"""Finds where the parts of a reply begin and end, however damaged what is within them is.

It reads strings and brackets alone, and never calls itself, so that neither a character that
JSON forbids nor a depth that no parser bears keeps it from the next contact. What it gives is as
received; whether that is a contact is for others to say.

Damage is kept from the next contact by seams. A seam is how an object begins, `{"key":`, or how
a list ends, `],"group":`. No string of sound JSON holds one, since its own quote would end that
string there. So:

1. A contact is read by its brackets and strings. It is whole if that goes well, if none of its
   strings ends within a seam, and if each object in it stands where one may, that is behind a
   colon or in a list. Then what follows must be a comma, a bracket that closes, or an object.
2. A contact that is not whole ends before the next seam, whatever is open by then; of several
   the first counts that is not nested by its look, that is behind a colon or `[`. What stands
   between the last `}` before the seam and the seam is no part of it unless it has quotes.
3. Commas that are missing or doubled part contacts as one comma does, and a `]` behind which no
   list can end is no end of a list.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from functools import cache

import msgspec

Span = tuple[int, int]

LISTS = frozenset({"public", "friend", "group"})
_CLOSED_BY = {b"{": b"}", b"[": b"]"}
_SPACE = re.compile(rb"[ \t\r\n]*+")
_SEPARATORS = re.compile(rb"[ \t\r\n,]*+")
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_WORD = re.compile(rb'[^ \t\r\n,:"\[\]{}]++')
_FLAT_OBJECT = re.compile(
    rb'\{(?:[^"{}\[\]]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+\}',
    re.DOTALL,
)
_UP_TO_BRACKET = re.compile(
    rb'[^"\[\]{}]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"\[\]{}]*+)*+([\[\]{}])',
    re.DOTALL,
)


def _nested(depth: int) -> bytes:
    """Return the pattern of a list or an object, with others in it that deep."""
    within = _STRING.pattern + (b"|" + _nested(depth - 1) if depth else b"")
    return rb'\[(?:[^"\[\]{}]++|%b)*+\]|\{(?:[^"\[\]{}]++|%b)*+\}' % (within, within)


# An object as contacts are, with little nested in it, is read without a line of Python a member.
_SHALLOW_VALUE = b"%b|%b|%b" % (_STRING.pattern, _WORD.pattern, _nested(2))
_SHALLOW_MEMBER = rb'"[^"\\]*+"\s*+:\s*+(?:%b)' % _SHALLOW_VALUE
# What comes behind a member is another one or the end, so a pattern has each part once.
_SHALLOW = rb'\{\s*+(?:(?:%b)\s*+(?:,\s*+(?=")|(?=\})))++\}\s*+'


# These take 1 to 2 ms each to compile, so that is done when one is first needed.


@cache
def _shallow_object() -> re.Pattern[bytes]:
    return re.compile(_SHALLOW % _SHALLOW_MEMBER, re.DOTALL)


@cache
def _member() -> re.Pattern[bytes]:
    return re.compile(rb'"([^"\\]*+)"\s*+:\s*+(%b)' % _SHALLOW_VALUE, re.DOTALL)


@cache
def _shallow_with_name() -> re.Pattern[bytes]:
    # A group that is matched several times has what it matched last, as JSON means it.
    named = rb'"userName"\s*+:\s*+(%b)|%b' % (_SHALLOW_VALUE, _SHALLOW_MEMBER)
    return re.compile(_SHALLOW % named, re.DOTALL)


@cache
def _name_first() -> re.Pattern[bytes]:
    return re.compile(
        rb'\{\s*+(?:(?!"userName")%b\s*+,\s*+)*+"userName"\s*+:\s*+(%b)\s*+[,}]'
        % (_SHALLOW_MEMBER, _SHALLOW_VALUE),
        re.DOTALL,
    )


_ONE_BY_ONE = 8  # times as long as the patterns need for a member
# Between the strings of sound JSON there is a comma or a colon. A key here holds none of both, so
# that its quotes are no end of a string and beginning of the next.
_KEY = rb'"[^"\\,:\[\]{}]*+"\s*+:'
_OBJECT_BEGINS = re.compile(rb"\{\s*+(?=" + _KEY + rb")")
_AFTER_CONTACT = re.compile(rb"\s*+(?:[,\]}]|\{\s*+" + _KEY + rb")")
_LIST_ENDS = re.compile(rb"\](?=\s*+(?:,\s*+%b|\}\s*+(?:\}\s*+\Z|,\s*+%b)))" % (_KEY, _KEY))
# The same, but by the keys of the document, as what is nested in a contact may end like those.
_KNOWN_LIST_ENDS = re.compile(
    rb'\](?=\s*+(?:,\s*+"(?:public|friend|group)"\s*+:\s*+(?:\[|null)'
    rb'|\}\s*+(?:\}\s*+\Z|,\s*+"(?:code|message|msg)"\s*+:)))',
)
_NOWHERE = re.compile(rb"(?!)")
_NO_OBJECTS = re.compile(rb'[^"{}\[\]]*+(?:\[[^"{}\[\]]*+\][^"{}\[\]]*+)*+')
_LONGEST_SPACE = 64
# All three bound the time that a reply takes which is not sound: members and contacts take some
# microseconds each, brackets less than one. No reply of real contacts comes near them: the
# largest account known has 150,000, and nothing is nested in a contact.
MOST_CONTACTS = 250_000
_MOST_MEMBERS = 250_000
_MOST_BRACKETS = 1_000_000
_MOST_READ_IN_VAIN = 250_000


class OutlineError(ValueError):
    """The text is no object, or ends before the object does."""


class TooManyPartsError(ValueError):
    """The text has more parts than are looked at one by one; it says of what."""


class Allowance:
    """How many members of contacts may be looked at, which bounds the time that it takes.

    It is charged for what is looked at, whether that comes to anything or not.

    Arguments:
        most: How many members that are read with others at once.

    """

    def __init__(self, most: int) -> None:
        self._most = self._left = most

    def charge(self, number: int) -> None:
        """Take so many off; raise TooManyPartsError if that is more than are left."""
        self._left -= number
        if self._left < 0:
            what = f"no JSON, as are more than {self._most} members before it"
            raise TooManyPartsError(what)


class Outline(msgspec.Struct, gc=False):
    """Where the parts of a reply are.

    Attributes:
        fields: The members of the object, by their key.
        lists: The contacts of each list of `data`, by its key; None if `data` is no object.
        no_lists: Those members of `data` with a list's key that are no list.
        other_keys: The keys of all other members of `data`.

    """

    fields: dict[str, Span]
    lists: dict[str, list[Span]] | None
    no_lists: dict[str, Span]
    other_keys: list[str]


def outline(text: bytes) -> Outline:
    """Find the parts of a reply.

    Raises:
        OutlineError: The text is not one whole object.
        TooManyPartsError: It has too many parts to look at them one by one.

    """
    found = Outline({}, None, {}, [])
    _check_number_of_brackets(text)
    reader = _Reader(text)

    def read_list(key: str, at: int) -> int:
        if found.lists is None or key not in LISTS:
            found.other_keys.append(key)
            return reader.end_of_value(at)
        found.lists.pop(key, None)
        found.no_lists.pop(key, None)
        if text[at : at + 1] == b"[":
            found.lists[key], end = reader.elements(at)
        else:
            end = reader.end_of_value(at)
            found.no_lists[key] = (at, end)
        return end

    def read_field(key: str, at: int) -> int:
        if key != "data":
            end = reader.end_of_value(at)
        elif text[at : at + 1] == b"{":
            found.lists, found.no_lists, found.other_keys = {}, {}, []
            end = reader.members(at, read_list)
        else:
            found.lists, found.other_keys = None, []
            end = reader.end_of_value(at)
        found.fields[key] = (at, end)
        return end

    end = reader.members(reader.past_space(0), read_field)
    if reader.past_space(end) != len(text):
        raise OutlineError
    return found


def members(text: bytes, allowance: Allowance) -> dict[bytes, bytes]:
    """Return the members of an object by their key in UTF-8, each value as it stands there.

    Raises:
        OutlineError: The text does not begin with one whole object.
        TooManyPartsError: It has more members than may still be looked at.

    """
    allowance.charge(text.count(b":"))
    if _shallow_object().fullmatch(text):
        return dict(_member().findall(text))
    found: dict[str, bytes] = {}
    _read_members(text, found, allowance)
    return {key.encode(): value for key, value in found.items()}


def first_members(text: bytes) -> dict[str, bytes]:
    """Return those members of an object that stand before it is cut off or cannot be read."""
    found: dict[str, bytes] = {}
    with suppress(OutlineError, TooManyPartsError):
        _read_members(text, found)
    return found


def name_in(text: bytes) -> bytes | None:
    """Return the value of `userName` in an object, as it stands there; None if it has none.

    It takes some passes in C, and no line of Python a member: however many objects are asked for
    it, that takes a bounded time. Where something is nested deeply, it is found only before that.
    """
    try:
        return bytes(_named.decode(text).name) or None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = _shallow_with_name().fullmatch(text)
    if found is None:
        found = _name_first().match(text)
        if found is not None and not _is_balanced(text):
            return None
    return found[1] if found else None


def _is_balanced(text: bytes) -> bool:
    """Tell whether a text is one object by its brackets and strings."""
    reader = _Reader(text, Allowance(_MOST_BRACKETS))
    with suppress(TooManyPartsError):
        end = reader.end_of_nested(0)
        return end is not None and reader.past_space(end) == len(text)
    return False


class _Named(msgspec.Struct, gc=False):
    name: msgspec.Raw = msgspec.field(name="userName", default=msgspec.Raw())


_named = msgspec.json.Decoder(_Named)


def _read_members(
    text: bytes,
    found: dict[str, bytes],
    allowance: Allowance | None = None,
) -> None:
    reader = _Reader(text, allowance)

    def read(name: str, at: int) -> int:
        end = reader.end_of_value(at)
        found[name] = text[at:end]
        return end

    reader.members(reader.past_space(0), read)


def check_number_of_contacts(number: int) -> None:
    """Raise TooManyPartsError if there are more than are looked at one by one."""
    if number > MOST_CONTACTS:
        what = f"more than {MOST_CONTACTS} contacts"
        raise TooManyPartsError(what)


def _check_number_of_brackets(text: bytes) -> None:
    if len(text) - len(text.translate(None, b"[]{}")) > _MOST_BRACKETS:
        what = f"more than {_MOST_BRACKETS} brackets"
        raise TooManyPartsError(what)


class _Seams:
    """The seams of one kind in a text. Asked for in order, each is searched for once."""

    def __init__(self, kind: re.Pattern[bytes], text: bytes) -> None:
        self._kind = kind
        self._text = text
        self._none_from = 0
        self._seam = (-1, -1)

    def after(self, at: int) -> Span:
        """Return where the next one behind `at` begins and ends; if none does, the text's end."""
        if not self._none_from <= at < self._seam[0]:
            found = self._kind.search(self._text, at + 1)
            self._none_from = at
            self._seam = found.span() if found else (len(self._text), len(self._text))
        return self._seam


class _Reader:
    """Reads one text. Each method takes where to begin, and none reads what another has read.

    The one exception is a contact in which something is nested and which is not whole: what was
    read of it is read again. That is done for so many brackets; from then on every contact in
    which something is nested is taken for one that is not whole.
    """

    def __init__(self, text: bytes, allowance: Allowance | None = None) -> None:
        is_contact = allowance is not None
        self._text = text
        self._allowance = allowance
        self._members = 0
        self._contacts = 0
        self._brackets_in_vain = 0
        self._objects = _Seams(_OBJECT_BEGINS, text)
        self._list_ends = _Seams(_LIST_ENDS, text)
        # What is nested at the end of a contact would look like the end of a reply.
        self._known_list_ends = _Seams(_NOWHERE if is_contact else _KNOWN_LIST_ENDS, text)

    def past_space(self, at: int) -> int:
        space = _SPACE.match(self._text, at)
        return space.end() if space else at

    def members(self, at: int, read_value: Callable[[str, int], int]) -> int:
        """Read the object that begins at `at`; return its end."""
        text = self._text
        if text[at : at + 1] != b"{":
            raise OutlineError
        at = self.past_space(at + 1)
        while text[at : at + 1] != b"}":
            self._count_member()
            key = _STRING.match(text, at)
            if key is None:
                raise OutlineError
            at = self.past_space(key.end())
            if text[at : at + 1] != b":":
                raise OutlineError
            at = self.past_space(read_value(_key(key[0]), self.past_space(at + 1)))
            match text[at : at + 1]:
                case b",":
                    at = self.past_space(at + 1)
                case b"}":
                    pass
                case _:
                    raise OutlineError
        return at + 1

    def elements(self, at: int) -> tuple[list[Span], int]:
        """Read the list of contacts that begins at `at`; return where each is, and its end."""
        found: list[Span] = []
        end = at + 1
        while True:
            at = self._past_separators(end)
            if self._text[at : at + 1] == b"]" and self._ends_list(at):
                return found, at + 1
            end = self._end_of_contact(at)
            found.append((at, end))
            self._contacts += 1
            check_number_of_contacts(self._contacts)

    def end_of_value(self, at: int) -> int:
        """Return where the value that begins at `at` ends."""
        end = self._end_of_flat(at) or self.end_of_nested(at)
        if end is None:
            raise OutlineError
        return end

    def _end_of_flat(self, at: int) -> int | None:
        """Return where a value ends in which none is nested; None if it is none, or not whole."""
        text = self._text
        match text[at : at + 1]:
            case b'"':
                value = _STRING
            case b"{":
                value = _FLAT_OBJECT
            case _:
                value = _WORD
        # A string that goes on behind the quote of a seam would end with it.
        _, quote = self._objects.after(at)
        list_end, _ = self._known_list_ends.after(at)
        whole = value.match(text, at, min(quote, list_end))
        return whole.end() if whole else None

    def end_of_nested(self, at: int) -> int | None:
        """Return where the object or list that begins at `at` ends; None if it is not whole."""
        text = self._text
        if text[at : at + 1] not in _CLOSED_BY:
            return None
        open_brackets = bytearray()
        brackets_before = self._brackets_in_vain
        seam, quote = self._objects.after(at)
        list_end, _ = self._known_list_ends.after(at)
        while up_to := _UP_TO_BRACKET.match(text, at, min(quote, list_end)):
            self._brackets_in_vain += 1
            if self._allowance is not None:
                self._allowance.charge(1)
            bracket, at = up_to[1], up_to.end()
            if at > seam:
                if not self._may_nest(seam, bytes(open_brackets[-1:])):
                    return None
                seam, quote = self._objects.after(seam)
            closed_by = _CLOSED_BY.get(bracket)
            if closed_by is not None:
                open_brackets += closed_by
            elif open_brackets[-1:] != bracket:
                return None
            else:
                open_brackets.pop()
                if not open_brackets:
                    self._brackets_in_vain = brackets_before
                    return at
        return None

    def _end_of_contact(self, at: int) -> int:
        end = self._end_of_flat(at)
        if end is None and self._brackets_in_vain <= _MOST_READ_IN_VAIN:
            end = self.end_of_nested(at)
        if end is None or not _AFTER_CONTACT.match(self._text, end):
            end = self._end_before_seam(at)
        return end

    def _end_before_seam(self, at: int) -> int:
        """Return where a contact must end that does not end by itself."""
        text = self._text
        list_end = self._list_end_after(at)
        seam, _ = self._objects.after(at)
        while seam < list_end and self._before(seam) in {b":", b"["}:
            seam, _ = self._objects.after(seam)
        seam = min(seam, list_end)
        if seam == len(text):
            raise OutlineError
        brace = text.rfind(b"}", at, seam)
        if brace >= 0 and _NO_OBJECTS.fullmatch(text, brace + 1, seam):
            return brace + 1
        return at + len(text[at:seam].rstrip(b" \t\r\n,"))

    def _ends_list(self, at: int) -> bool:
        """Tell whether the `]` at `at` is the end of a list; if no other is left, it must be."""
        return bool(_LIST_ENDS.match(self._text, at)) or self._list_end_after(at) == len(self._text)

    def _list_end_after(self, at: int) -> int:
        """Return where behind `at` a list ends: if any does by the document's keys, that one."""
        known, _ = self._known_list_ends.after(at)
        return known if known < len(self._text) else self._list_ends.after(at)[0]

    def _may_nest(self, at: int, closed_by: bytes) -> bool:
        """Tell whether an object may begin at `at` in what is closed by that bracket."""
        return self._before(at) in ({b":"} if closed_by == b"}" else {b"[", b","})

    def _before(self, at: int) -> bytes:
        return self._text[max(0, at - _LONGEST_SPACE) : at].rstrip(b" \t\r\n")[-1:]

    def _past_separators(self, at: int) -> int:
        separators = _SEPARATORS.match(self._text, at)
        return separators.end() if separators else at

    def _count_member(self) -> None:
        self._members += 1
        if self._allowance is not None:
            self._allowance.charge(_ONE_BY_ONE)
        if self._members > _MOST_MEMBERS:
            what = f"more than {_MOST_MEMBERS} members"
            raise TooManyPartsError(what)


def _key(written: bytes) -> str:
    try:
        return msgspec.json.decode(written, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""

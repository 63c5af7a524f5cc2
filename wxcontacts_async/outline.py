"""Finds where the parts of a reply begin and end, however damaged what is within them is.

It reads strings and brackets alone, and never calls itself, so that neither a character that
JSON forbids nor a depth that no parser bears keeps it from the next contact. What it gives is as
received; whether that is a contact is for others to say.
"""

import re
from collections.abc import Callable

import msgspec

Span = tuple[int, int]

LISTS = frozenset({"public", "friend", "group"})
_CLOSED_BY = {b"{": b"}", b"[": b"]"}
_SPACE = re.compile(rb"[ \t\r\n]*+")
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
# What stands between two contacts, between two lists, and after the last list. In sound JSON no
# string holds the first two, as the quote in them would end it; hence the third pattern.
_NEXT = rb',\s*+\{\s*+"\w++"\s*+:|\]\s*+,\s*+"(?:public|friend|group)"\s*+:'
_CONTACT_END = re.compile(rb"\}(?=\s*+(?:" + _NEXT + rb'|\]\s*+\}\s*+(?:\}|,\s*+")))')
_NEXT_BEGINS = re.compile(rb"\}\s*+(?:" + _NEXT + rb")")
_ENDS_IN_NEXT = re.compile(rb'\}\s*+(?:,\s*+\{|\]\s*+,)\s*+"\Z')
_LONGEST_BETWEEN = 64
_MOST_READ_IN_VAIN = 4
# Both bound the time that a reply takes which is not sound: members and brackets take about a
# microsecond each, contacts some microseconds. No reply of real contacts comes near them: the
# largest account known has 150,000, and nothing is nested in a contact.
_MOST_MEMBERS_AND_BRACKETS = 1_000_000
MOST_CONTACTS = 250_000


class OutlineError(ValueError):
    """The text is no object, or ends before the object does."""


class TooManyPartsError(ValueError):
    """The text has more parts than are looked at one by one; it says of what."""


class Outline(msgspec.Struct, gc=False):
    """Where the parts of a reply are.

    Attributes:
        fields: The members of the object, by their key.
        lists: The contacts of each list of `data`, by its key; None if `data` is no object.
        no_lists: Those members of `data` with a list's key that are no list.

    """

    fields: dict[str, Span]
    lists: dict[str, list[Span]] | None
    no_lists: dict[str, Span]


def outline(text: bytes) -> Outline:
    """Find the parts of a reply.

    Raises:
        OutlineError: The text is not one whole object.
        TooManyPartsError: It has too many parts to look at them one by one.

    """
    found = Outline({}, None, {})
    reader = _Reader(text)

    def read_list(key: str, at: int) -> int:
        if found.lists is None or key not in LISTS:
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
            found.lists, found.no_lists = {}, {}
            end = reader.members(at, read_list)
        else:
            found.lists = None
            end = reader.end_of_value(at)
        found.fields[key] = (at, end)
        return end

    end = reader.members(reader.past_space(0), read_field)
    if reader.past_space(end) != len(text):
        raise OutlineError
    return found


def member(text: bytes, key: str) -> bytes | None:
    """Return the value of one member of an object, as it stands there; None if it has none."""
    found: list[bytes] = []
    reader = _Reader(text)

    def read(name: str, at: int) -> int:
        end = reader.end_of_value(at)
        if name == key:
            found.append(text[at:end])
        return end

    try:
        reader.members(reader.past_space(0), read)
    except (OutlineError, TooManyPartsError):
        return None
    return found[-1] if found else None


def check_number_of_contacts(number: int) -> None:
    """Raise TooManyPartsError if there are more than are looked at one by one."""
    if number > MOST_CONTACTS:
        what = f"more than {MOST_CONTACTS} contacts"
        raise TooManyPartsError(what)


class _Reader:
    """Reads one text. Each method takes where to begin, and none reads what another has read.

    The one exception is a contact that does not seem to end: it is read again from where the
    next one begins. That is done until it has cost a few times the text, so that no text costs
    more; from then on a contact ends where the next one begins.
    """

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._read_in_vain = 0
        self._members_and_brackets = 0
        self._contacts = 0

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
            self._count_one()
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
        text = self._text
        found: list[Span] = []
        at = self.past_space(at + 1)
        while text[at : at + 1] != b"]":
            end = self._end_of_contact(at)
            after = self.past_space(end)
            if text[after : after + 1] not in {b",", b"]"}:
                end = self._next_contact_end(at, read_up_to=after)
                after = self.past_space(end)
            found.append((at, end))
            self._contacts += 1
            check_number_of_contacts(self._contacts)
            at = after
            if text[at : at + 1] == b",":
                at = self.past_space(at + 1)
        return found, at + 1

    def end_of_value(self, at: int) -> int:
        """Return where the value that begins at `at` ends."""
        text = self._text
        match text[at : at + 1]:
            case b'"':
                end = _STRING.match(text, at)
            case b"{" | b"[":
                end = _FLAT_OBJECT.match(text, at)
                if end is None:
                    return self._end_of_nested(at)
            case _:
                end = _WORD.match(text, at)
        if end is None:
            raise OutlineError
        return end.end()

    def _end_of_nested(self, at: int) -> int:
        text = self._text
        open_brackets = bytearray()
        while True:
            self._count_one()
            up_to = _UP_TO_BRACKET.match(text, at)
            if up_to is None:
                raise OutlineError
            bracket, at = up_to[1], up_to.end()
            closed_by = _CLOSED_BY.get(bracket)
            if closed_by is not None:
                open_brackets += closed_by
            elif open_brackets[-1:] != bracket:
                raise OutlineError
            else:
                open_brackets.pop()
                if not open_brackets:
                    return at

    def _count_one(self) -> None:
        self._members_and_brackets += 1
        if self._members_and_brackets > _MOST_MEMBERS_AND_BRACKETS:
            what = f"more than {_MOST_MEMBERS_AND_BRACKETS} members and brackets"
            raise TooManyPartsError(what)

    def _end_of_contact(self, at: int) -> int:
        if self._read_in_vain > _MOST_READ_IN_VAIN * len(self._text):
            return self._next_contact_end(at, read_up_to=at)
        try:
            end = self.end_of_value(at)
        except OutlineError:
            return self._next_contact_end(at, read_up_to=len(self._text))
        if _NEXT_BEGINS.search(self._text, at, end) and self._runs_on(at, end):
            return self._next_contact_end(at, read_up_to=end)
        return end

    def _runs_on(self, at: int, end: int) -> bool:
        """Tell whether what stands between two contacts was read as the end of a string."""
        for string in _STRING.finditer(self._text, at, end):
            tail = max(string.start(), string.end() - _LONGEST_BETWEEN)
            if _ENDS_IN_NEXT.search(self._text, tail, string.end()):
                return True
        return False

    def _next_contact_end(self, at: int, *, read_up_to: int) -> int:
        """Return where a contact must end that does not end by itself."""
        found = _CONTACT_END.search(self._text, at)
        if found is None:
            raise OutlineError
        self._read_in_vain += max(0, read_up_to - found.end())
        return found.end()


def _key(written: bytes) -> str:
    try:
        return msgspec.json.decode(written, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""

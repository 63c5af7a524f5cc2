"""Makes damaged text sound: the right encoding, and strings that JSON allows.

What cannot be read becomes U+FFFD, character by character; what can be read stays as it is. All
of it is a fixed number of passes in C, each about a nanosecond a byte, and up to 250 more for
what is looked at by itself or repaired. There may be only so many of those in a text, which bounds
the time for any text of a given length.
"""

import json
import re
from codecs import BOM_UTF8, getincrementaldecoder
from collections.abc import Iterator

UTF_8 = "utf-8"
# gb2312 and gbk are parts of gb18030, and labels are often those of the part.
GB18030 = "gb18030"
_GB_LABELS = frozenset({"gb18030", "gb2312", "gb_2312-80", "gbk", "x-gbk", "cp936", "ms936"})
_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([^\s"';]+)""", re.IGNORECASE)
# Two bytes, or one half of a character of four; its second byte may be a backslash or a bracket.
_GB_CHARACTER = re.compile(rb"[\x81-\xfe][0-9\x40-\x7e\x80-\xfe]")

_HIGH, _LOW = rb"\\ud[89abAB][0-9a-fA-F]{2}", rb"\\ud[c-fC-F][0-9a-fA-F]{2}"
# Both begin with a literal, which is searched for much faster.
_LONE_HIGH = re.compile(rb"%b(?!%b)" % (_HIGH, _LOW))
_LONE_LOW = re.compile(rb"%b(?<!%b%b)" % (_LOW, _HIGH, _LOW))
_STRAY_BACKSLASH = re.compile(rb"\\(?![/bfnrt]|u[0-9a-fA-F]{4})")
_SOUND_STRINGS = re.compile(rb'(?:[^"]*+"[^"\x00-\x1f]*+")*+[^"]*+"')
_CONTROL = re.compile(rb"[\x00-\x1f]")
_ALL_CONTROLS = bytes(range(0x20))
# What 64 MiB of contacts have, mostly escaped and pretty-printed, and two things to repair in each
# contact of the largest account known, of 150,000. A pass over that takes up to 0.3 s.
_MOST_MARKS = {
    "quotes": (b'"', 8_000_000),
    "backslashes": (b"\\", 8_000_000),
    "brackets": (b"[]{}", 4_000_000),
    "control characters": (_ALL_CONTROLS, 2_500_000),
}
_MOST_SURROGATES = 2_000_000
MOST_REPAIRS = 300_000
_ENOUGH_TO_TELL = 100_000
_PIECE = 1 << 20
# They stand for a pair of backslashes and for an escaped quote. No UTF-8 has these bytes.
_BACKSLASH, _QUOTE = b"\xfe", b"\xff"


class TooManyRepairsError(ValueError):
    """The text has more to repair, or to look at for it, than is done; it says of what."""


def encoding_of(body: bytes, content_type: str = "") -> str:
    """Tell in which encoding a body is: UTF-8, 16 or 32 by its look, GB18030 by its label.

    A label is wrong where most of what is not ASCII is sound UTF-8, as it never is in GB18030:
    if one name of such a reply was cut, all names would become others. No other label is looked
    at, since ISO-8859-1, which servers send for want of a better one, would do just that.
    """
    encoding = json.detect_encoding(body)
    label = _CHARSET.search(content_type)
    if encoding != UTF_8 or label is None or label[1].lower() not in _GB_LABELS:
        return encoding
    not_ascii = unreadable = 0
    for piece in _pieces(body, UTF_8):
        not_ascii += len(piece) - len(piece.encode("ascii", "ignore"))
        unreadable += piece.count("\ufffd")
        if not_ascii > _ENOUGH_TO_TELL:
            break
    return UTF_8 if unreadable * 2 < not_ascii else GB18030


def check_repairable(body: bytes) -> None:
    """Raise TooManyRepairsError if a body has more of what takes time than contacts have."""
    for what, (marks, most) in _MOST_MARKS.items():
        _check(_number_of(marks, body), most, what)


def without_bom(body: bytes, encoding: str) -> bytes:
    """Return a body in UTF-8 with no byte order mark; as received, if that is all there is."""
    if body.startswith(BOM_UTF8):
        return body.removeprefix(BOM_UTF8)
    return body if encoding == UTF_8 else _readable(body, encoding)


def without_gb_characters(body: bytes) -> bytes:
    """Return a GB18030 body, as long as it was, in which each bracket and backslash is one."""
    return _GB_CHARACTER.sub(b"__", body)


def with_sound_strings(text: bytes, encoding: str = UTF_8) -> bytes:
    """Return JSON text in UTF-8 with all strings sound; what is between them stays as it is.

    An unpaired surrogate escape becomes U+FFFD. A control character in a string is taken as it
    is, and so is a backslash that begins no escape.

    Raises:
        TooManyRepairsError: It has too much to repair.

    """
    text = _readable(text, encoding)
    if b"\\" not in text:
        return _with_controls_escaped(text) if _number_of(_ALL_CONTROLS, text) else text
    hidden = text.replace(b"\\\\", _BACKSLASH).replace(b'\\"', _QUOTE)  # pairs, from the left
    if _number_of(_ALL_CONTROLS, hidden):
        hidden = _with_controls_escaped(hidden)
    hidden = hidden.replace(b"\\uD", b"\\ud")
    surrogates = hidden.count(b"\\ud")
    _check(surrogates, _MOST_SURROGATES, "surrogates")
    if surrogates:
        # The low ones first, while their high ones are still there.
        hidden = _replaced(_LONE_LOW, rb"\\ufffd", hidden)
        hidden = _replaced(_LONE_HIGH, rb"\\ufffd", hidden)
    if b"\\" in hidden:
        hidden = _replaced(_STRAY_BACKSLASH, _BACKSLASH, hidden)
    return hidden.replace(_BACKSLASH, b"\\\\").replace(_QUOTE, b'\\"')


def _readable(text: bytes, encoding: str) -> bytes:
    """Return a text in UTF-8."""
    if len(text) <= _PIECE:
        return text.decode(encoding, "replace").encode()
    pieces: list[bytes] = []
    unreadable = 0
    for piece in _pieces(text, encoding):
        unreadable += piece.count("\ufffd")
        _check(unreadable, MOST_REPAIRS)
        pieces.append(piece.encode())
    return b"".join(pieces)


def _pieces(text: bytes, encoding: str) -> Iterator[str]:
    """Decode piece by piece, as what cannot be read takes by far the longest."""
    decoder = getincrementaldecoder(encoding)("replace")
    for begin in range(0, len(text), _PIECE):
        end = begin + _PIECE
        yield decoder.decode(text[begin:end], final=end >= len(text))


def _with_controls_escaped(hidden: bytes) -> bytes:
    # Each quote begins or ends a string here. Those with no control character in them, and what
    # is between them, are skipped by one match.
    parts: list[bytes] = []
    at = repairs = 0
    while skipped := _SOUND_STRINGS.match(hidden, at):
        begin = skipped.end()
        end = hidden.find(b'"', begin)
        if end < 0:
            break
        escaped, controls = _CONTROL.subn(_escaped, hidden[begin:end], MOST_REPAIRS + 1)
        repairs += controls
        _check(repairs, MOST_REPAIRS)
        parts += hidden[at:begin], escaped, b'"'
        at = end + 1
    parts.append(hidden[at:])
    return b"".join(parts)


def _escaped(control: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(control[0])


def _replaced(damage: re.Pattern[bytes], by: bytes, text: bytes) -> bytes:
    replaced, repairs = damage.subn(by, text, MOST_REPAIRS + 1)
    _check(repairs, MOST_REPAIRS)
    return replaced


def _number_of(marks: bytes, text: bytes) -> int:
    if len(marks) == 1:
        return text.count(marks)
    return len(text) - len(text.translate(None, marks))


def _check(number: int, most: int, of_what: str = "damaged characters") -> None:
    if number > most:
        what = f"more than {most} {of_what}"
        raise TooManyRepairsError(what)

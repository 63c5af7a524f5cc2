"""Makes damaged text sound: the right encoding, and strings that JSON allows.

What cannot be read becomes U+FFFD, character by character; what can be read stays as it is. All
of it is a fixed number of passes in C, so that it takes a time in proportion to the text.
"""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterator

UTF_8 = "utf-8"
# gb2312 and gbk are parts of gb18030, and labels are often those of the part.
GB18030 = "gb18030"
_GB_LABELS = frozenset({"gb18030", "gb2312", "gb_2312-80", "gbk", "x-gbk", "cp936", "ms936"})
_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([^\s"';]+)""", re.IGNORECASE)
# Two bytes, or one half of a character of four; its second byte may be a backslash or a bracket.
_GB_CHARACTER = re.compile(rb"[\x81-\xfe][0-9\x40-\x7e\x80-\xfe]")

_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
# Both begin with a literal, which is searched for much faster.
_LONE_HIGH = re.compile(rb"%b(?!%b)" % (_HIGH, _LOW))
_LONE_LOW = re.compile(rb"%b(?<!%b%b)" % (_LOW, _HIGH, _LOW))
_STRAY_BACKSLASH = re.compile(rb"\\(?![/bfnrt]|u[0-9a-fA-F]{4})")
_CONTROLS = {bytes([code]): b"\\u%04x" % code for code in range(0x20)}
_ALL_CONTROLS = bytes(range(0x20))
_MOST_QUOTES = 6_000_000
# They stand for a pair of backslashes and for an escaped quote. No UTF-8 has these bytes.
_BACKSLASH, _QUOTE = b"\xfe", b"\xff"


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
    text = body.decode(UTF_8, "replace")
    not_ascii = len(text) - len(text.encode("ascii", "ignore"))
    return UTF_8 if text.count("\ufffd") * 2 < not_ascii else GB18030


def readings(body: bytes, encoding: str) -> Iterator[bytes]:
    """Yield what a body may have meant, in UTF-8: the text itself, then with sound strings.

    A text of more strings than 64 MiB of contacts have is not made sound: that would take long.
    """
    text = without_bom(body, encoding)
    if encoding != UTF_8:
        yield text
    if text.count(b'"') <= _MOST_QUOTES:
        yield with_sound_strings(text)


def without_bom(body: bytes, encoding: str) -> bytes:
    """Return a body in UTF-8 with no byte order mark; as received, if that is all there is."""
    if body.startswith(BOM_UTF8):
        return body.removeprefix(BOM_UTF8)
    return body if encoding == UTF_8 else body.decode(encoding, "replace").encode()


def without_gb_characters(body: bytes) -> bytes:
    """Return a GB18030 body, as long as it was, in which each bracket and backslash is one."""
    return _GB_CHARACTER.sub(b"__", body)


def with_sound_strings(text: bytes, encoding: str = UTF_8) -> bytes:
    """Return JSON text in UTF-8 with all strings sound; what is between them stays as it is.

    An unpaired surrogate escape becomes U+FFFD. A control character in a string is taken as it
    is, and so is a backslash that begins no escape.
    """
    text = text.decode(encoding, "replace").encode()
    hidden = text.replace(b"\\\\", _BACKSLASH).replace(b'\\"', _QUOTE)  # pairs, from the left
    if len(hidden.translate(None, _ALL_CONTROLS)) < len(hidden):
        hidden = _with_controls_escaped(hidden)
    if b"\\ud" in hidden or b"\\uD" in hidden:
        # The low ones first, while their high ones are still there.
        hidden = _LONE_LOW.sub(rb"\\ufffd", hidden)
        hidden = _LONE_HIGH.sub(rb"\\ufffd", hidden)
    if b"\\" in hidden:
        hidden = _STRAY_BACKSLASH.sub(_BACKSLASH, hidden)
    return hidden.replace(_BACKSLASH, b"\\\\").replace(_QUOTE, b'\\"')


def _with_controls_escaped(hidden: bytes) -> bytes:
    # Each quote begins or ends a string here, so that every other part is within one.
    parts = hidden.split(b'"')
    strings = b'"'.join(parts[1::2])
    if len(strings.translate(None, _ALL_CONTROLS)) == len(strings):
        return hidden
    for control, escaped in _CONTROLS.items():
        strings = strings.replace(control, escaped)
    parts[1::2] = strings.split(b'"')
    return b'"'.join(parts)

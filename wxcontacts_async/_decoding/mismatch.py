"""Says why a body is no reply of getAllContact, and never shows a contact."""

import re
from collections.abc import Sequence
from itertools import islice

from wxcontacts_async._decoding.verdict import SUCCESS_CODE, in_full
from wxcontacts_async.errors import ReplyDecodeError

_LONGEST_SHOWN_BODY = 60
# Patterns are compiled when they are first needed, as most replies are none of this.
_PERHAPS_CONTACTS = rb'"\s*[:,]|userName|wxid_|gh_|@chatroom'
_FIELD_NAME = r"[A-Za-z_][A-Za-z0-9_-]*"
# What field names are made of, and what those of contacts mostly are not.
_PART_OF_FIELD_NAME = (
    "(?i)"
    "contact|friend|group|public|list|data|user|member|chat|room|code|msg|message|result|total"
    "|count|page|status|error|info"
)
_LIKE_AN_ID = r"^(?:wxid|gh)_|@|[0-9]{5}"
_MOST_KEYS_SHOWN = 5
_LONGEST_KEY_SHOWN = 40


def no_reply(body: bytes, looks_like: str = "") -> ReplyDecodeError:
    """Make the error that says what a body looked like, and never shows a contact."""
    shown = looks_like or _looks_like(body)
    return ReplyDecodeError(f"the reply is no getAllContact reply but {shown}")


def check_code(code: object, body: bytes) -> None:
    """Raise ReplyDecodeError if there is no code."""
    if code != SUCCESS_CODE and not in_full(code):
        raise no_reply(body, "a JSON object without a code")


def check_keys(strange_keys: Sequence[str]) -> None:
    """Raise ReplyDecodeError if there are contacts by other keys than those of the document."""
    if strange_keys:
        what = f"a success whose data has no public, friend or group but {_named(strange_keys)}"
        error = no_reply(b"", what)
        error.transient = False  # it will be the same each time
        raise error


def _named(keys: Sequence[str]) -> str:
    """Name some keys; only count those that may be of contacts, as ids may be keys, too."""
    named = [] if any(re.search(_LIKE_AN_ID, key) for key in keys) else filter(_is_field_name, keys)
    shown = [key[:_LONGEST_KEY_SHOWN] for key in islice(named, _MOST_KEYS_SHOWN)]
    if others := len(keys) - len(shown):
        shown.append(f"{others} other{'s' if others > 1 else ''}")
    return ", ".join(shown)


def _is_field_name(key: str) -> bool:
    return bool(re.fullmatch(_FIELD_NAME, key) and re.search(_PART_OF_FIELD_NAME, key))


def _looks_like(body: bytes) -> str:
    text = body[:1024].decode(errors="replace").lstrip("\ufeff \t\r\n")
    if not text:
        return "empty"
    match text[0]:
        case "{":
            return f"a damaged JSON object of {len(body)} bytes"
        case "[":
            return f"a JSON list of {len(body)} bytes"
        case "<":
            what = "a web page"
        case _:
            what = "other text"
    if re.search(_PERHAPS_CONTACTS, body):
        return f"{what} of {len(body)} bytes"
    return f"{what} of {len(body)} bytes that begins {text[:_LONGEST_SHOWN_BODY].strip()!r}"

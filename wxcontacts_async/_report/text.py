"""Text as a page can show it, whatever a gateway has sent."""

import unicodedata

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_LONGEST = 80
# Control characters, halves of surrogates, and what is no character: neither HTML nor SVG has them.
_UNSHOWABLE = {"Cc", "Cs", "Cn"}


def shown(text: str | None) -> str:
    """Return a text of at most 80 characters without what no page can hold."""
    kept = (_REPLACEMENT if unicodedata.category(c) in _UNSHOWABLE else c for c in text or "")
    return cut("".join(kept), _LONGEST)


def cut(text: str, longest: int) -> str:
    """Return the beginning of a text that is longer than so many characters."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"

"""Text as a page can show it, whatever a gateway has sent."""

import unicodedata

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_LONGEST = 80
# Control characters, halves of surrogates, and what is no character: neither HTML nor SVG has them.
_UNSHOWABLE = {"Cc", "Cs", "Cn"}


def shown(text: str | None) -> str:
    """Return a text of at most 80 characters without what no page can hold."""
    kept = (_REPLACEMENT if unicodedata.category(c) in _UNSHOWABLE else c for c in text or "")
    text = "".join(kept)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def cut_in_the_middle(text: str, longest: int) -> str:
    """Return both ends of such a text: ids often differ in the last characters alone."""
    if len(text) <= longest:
        return text
    return f"{text[: longest - longest // 2 - 1]}…{text[-(longest // 2) :]}"

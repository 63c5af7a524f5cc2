"""The language of what a command writes for people."""

import os

from wxcontacts_async._report.words import Language


def usual_language() -> Language:
    """Return the language that the environment asks for, English if there is none of it."""
    wanted = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return Language.CHINESE if wanted.lower().startswith("zh") else Language.ENGLISH

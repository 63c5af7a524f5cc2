"""What a database is opened for, and what comes of it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Opening(Enum):
    """What a database is opened for.

    MAKE makes a file and tables where there are none, and brings older ones up to date; UPDATE
    does the latter; READ writes nothing at all.
    """

    MAKE = "make"
    UPDATE = "update"
    READ = "read"


@dataclass(frozen=True)
class Opened:
    """A database that is open.

    Attributes:
        connection: ADBC's, in autocommit mode.
        unwritable: Why it can only be read though it was to be written to; else None.
        is_current: Tells whether what was read since it was opened is what is there.

    """

    connection: Any
    unwritable: Exception | None = None
    is_current: Callable[[], bool] = lambda: True

"""What a database is opened for, and what comes of it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Opening(Enum):
    """What a database is opened for.

    MAKE makes the file and the tables if there are none, and brings older ones up to date; UPDATE
    does the latter alone; READ writes nothing.
    """

    MAKE = "make"
    UPDATE = "update"
    READ = "read"


@dataclass(frozen=True)
class Opened:
    """A database that is open.

    Attributes:
        connection: ADBC's, in autocommit mode.
        unwritable: Why it can only be read, if that was not asked for.
        is_current: Returns whether the file is still the one that was opened.

    """

    connection: Any
    unwritable: Exception | None = None
    is_current: Callable[[], bool] = lambda: True

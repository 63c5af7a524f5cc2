"""The type variables of the library."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # A default lets `SessionPool` alone mean `SessionPool[Contact]`. Python 3.11 cannot say so at
    # run time, and type checkers know typing_extensions whether it is installed or not.
    from typing_extensions import TypeVar

    from wxcontacts_async.contacts import Contact

    ContactT = TypeVar("ContactT", bound=Contact, default=Contact)
    DefaultT = TypeVar("DefaultT", default=None)
else:
    from typing import TypeVar

    ContactT = TypeVar("ContactT")
    DefaultT = TypeVar("DefaultT")

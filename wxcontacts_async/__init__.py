"""Fetch the contacts of many WeChat instances at once, from gateways that answer getAllContact.

>>> async def show(url: str, w_ids: list[str]) -> None:
...     async with SessionPool(url) as pool, pool.stream(w_ids) as outcomes:
...         async for outcome in outcomes:
...             match outcome:
...                 case Fetched(w_id=w_id, contacts=contacts):
...                     print(w_id, len(contacts))
...                 case Failed(error=error):
...                     print(error)
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wxcontacts_async.contacts import (
        Contact,
        ContactDelta,
        ContactKind,
        ContactSet,
        FlawedContact,
        RejectedContact,
        Sex,
    )
    from wxcontacts_async.directory import ContactDirectory, DirectoryEntry, merge_contact_sets
    from wxcontacts_async.errors import (
        GatewayConnectionError,
        GatewayHTTPError,
        GatewayRefusedError,
        GatewayTimeoutError,
        InitializationTimeoutError,
        InvalidArgumentError,
        PoolClosedError,
        ReplyDecodeError,
        ReplyTooLargeError,
        UnknownGatewayError,
        WxContactsError,
    )
    from wxcontacts_async.events import (
        CallEnded,
        CallSent,
        Event,
        GatewayDown,
        GatewayPaused,
        GatewayUp,
        InstanceEnded,
        InstanceRequested,
        InstanceWaiting,
        InstanceWithdrawn,
        Observer,
        ReplyReceived,
        RetryScheduled,
    )
    from wxcontacts_async.instance import Instance
    from wxcontacts_async.outcomes import Failed, Fetched, FetchReport, Outcome
    from wxcontacts_async.pool import SessionPool
    from wxcontacts_async.settings import Gateway, InitializationWait, RetryPolicy
    from wxcontacts_async.stream import OutcomeStream

__version__ = "0.1.0"

__all__ = [
    "CallEnded",
    "CallSent",
    "Contact",
    "ContactDelta",
    "ContactDirectory",
    "ContactKind",
    "ContactSet",
    "DirectoryEntry",
    "Event",
    "Failed",
    "FetchReport",
    "Fetched",
    "FlawedContact",
    "Gateway",
    "GatewayConnectionError",
    "GatewayDown",
    "GatewayHTTPError",
    "GatewayPaused",
    "GatewayRefusedError",
    "GatewayTimeoutError",
    "GatewayUp",
    "InitializationTimeoutError",
    "InitializationWait",
    "Instance",
    "InstanceEnded",
    "InstanceRequested",
    "InstanceWaiting",
    "InstanceWithdrawn",
    "InvalidArgumentError",
    "Observer",
    "Outcome",
    "OutcomeStream",
    "PoolClosedError",
    "RejectedContact",
    "ReplyDecodeError",
    "ReplyReceived",
    "ReplyTooLargeError",
    "RetryPolicy",
    "RetryScheduled",
    "SessionPool",
    "Sex",
    "UnknownGatewayError",
    "WxContactsError",
    "merge_contact_sets",
]

# They are imported with the first name that is asked for, so where `from wxcontacts_async import`
# stands, and all at once, so that no event loop stands still for it later. Not before, since the
# command begins with this module and heeds Ctrl-C before it imports what takes long.
_MODULES = (
    "contacts",
    "directory",
    "errors",
    "events",
    "instance",
    "outcomes",
    "pool",
    "settings",
    "stream",
)

if not TYPE_CHECKING:  # to which any name would be one of ours

    def __getattr__(name: str) -> object:
        if name in __all__:
            for module in _MODULES:
                members = vars(import_module(f"{__name__}.{module}"))
                globals().update((each, members[each]) for each in __all__ if each in members)
            return globals()[name]
        if name in _MODULES:
            return import_module(f"{__name__}.{name}")
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg, name=name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__, *_MODULES})

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

from wxcontacts_async.backoff import InitializationWait, RetryPolicy
from wxcontacts_async.contacts import (
    Contact,
    ContactDelta,
    ContactKind,
    ContactSet,
    FlawedContact,
    RejectedContact,
    Sex,
)
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
    CallSent,
    Event,
    GatewayDown,
    GatewayPaused,
    GatewayUp,
    InstanceEnded,
    InstanceWaiting,
    Observer,
    ReplyReceived,
    RetryScheduled,
)
from wxcontacts_async.gateway import Gateway
from wxcontacts_async.instance import Instance
from wxcontacts_async.merging import ContactDirectory, DirectoryEntry, merge_contact_sets
from wxcontacts_async.outcomes import Failed, Fetched, FetchReport, Outcome
from wxcontacts_async.pool import SessionPool
from wxcontacts_async.stream import OutcomeStream

__all__ = [
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
    "InstanceWaiting",
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

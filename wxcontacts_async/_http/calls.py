"""A call, as the client that sends it sees it."""

from collections.abc import Mapping
from typing import Protocol

from wxcontacts_async._http.reply_body import ReplyBody


class Transfer(Protocol):
    """A call under way."""

    def cancel(self) -> None:
        """End it at once; the call is told later that it is cancelled."""


class Call(Protocol):
    """A call that a client sends; one of its methods is called, once, and not within `send`.

    Attributes:
        w_id: The instance.
        may_resend: Whether it may be sent once more, uncounted, where the gateway cannot have
            read it; the client sets it to False when it does so.
        headers: What it is sent with beside the gateway's headers, if anything.
        transfer: What cancels it; the client sets it, and sets it to None when the call has ended.

    """

    w_id: str
    may_resend: bool
    headers: Mapping[str, str] | None
    transfer: Transfer | None

    def answered(self, body: ReplyBody) -> None:
        """Take the reply, with whatever status."""

    def failed(self, error: Exception) -> None:
        """Take why there is none: a WxContactsError, or what nothing is known of."""

    def cancelled(self) -> None:
        """Take note that it was cancelled, and its connection is closed."""

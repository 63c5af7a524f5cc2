"""One tree of errors under WxContactsError; each says where it happened and what to do next."""

from typing import Self

_LONGEST_SHOWN_ID = 80
_LONGEST_SHOWN_MESSAGE = 200


class WxContactsError(Exception):
    """The base of every error of this library.

    Attributes:
        w_id: The instance it happened to; None where no instance is meant.
        gateway: The name of the gateway; None where no gateway is meant.
        calls: How many calls had been sent for that instance, this one included.
        advice: What to do next, one sentence or none.
        transient: Whether the same call may well succeed later.
        reached: Whether there was a connection to the gateway.

    No header and no contact is ever in an error of this library.

    """

    w_id: str | None = None
    gateway: str | None = None
    calls: int = 0
    advice: str = ""
    transient: bool = False
    reached: bool = True

    def __init__(
        self,
        what: str,
        *,
        advice: str = "",
        transient: bool | None = None,
        reached: bool = True,
    ) -> None:
        super().__init__(what)
        self.what = what
        if advice:
            self.advice = advice
        if transient is not None:
            self.transient = transient
        if not reached:
            self.reached = reached

    def located(self, *, w_id: str, gateway: str, calls: int) -> Self:
        """Say which instance and gateway this happened to, after how many calls."""
        self.w_id, self.gateway, self.calls = w_id, gateway, calls
        return self

    def __str__(self) -> str:
        where = []
        if self.w_id is not None:
            where.append(f"wId {shown_id(self.w_id)}")
        if self.gateway is not None:
            where.append(f"at gateway {self.gateway!r}")
        if self.calls:
            where.append(f"after {self.calls} call{'s' if self.calls > 1 else ''}")
        message = f"{' '.join(where)}: {self.what}" if where else self.what
        return f"{message}. {self.advice}" if self.advice else message


class InvalidArgumentError(WxContactsError, ValueError):
    """An argument of the public API that cannot be used; raised where it is given.

    Attributes:
        argument: The argument's name, or that of the field in what it holds, as text; "" if it is
            about no argument.

    """

    def __init__(self, what: str, *, argument: str = "", advice: str = "") -> None:
        super().__init__(what, advice=advice)
        self.argument = argument


class UnknownGatewayError(WxContactsError):
    """An instance that names no gateway of the pool, or none where there are several."""


class PoolClosedError(WxContactsError):
    """A pool that was used before it was entered, or after it was left."""


class GatewayRefusedError(WxContactsError):
    """The gateway answered with a code that is neither success nor "initializing".

    It is final, unless it came with an HTTP status that may pass (408, 425, 429 and 5xx), or says
    that calls are too frequent (see `RetryPolicy.is_throttled`).

    Attributes:
        code: The reply's `code`, as text: "1001" or "10001" in the API document.
        message: The reply's `message` (or `msg`), as sent. Both are `{...}` or `[...]` where an
            object or a list was sent.
        status: The HTTP status that it came with, if that was no success; else None.
        retry_after: Seconds that the gateway asked to wait (its Retry-After header), or None.

    """

    advice = "Check that this wId is logged in at this gateway."

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        refused = f"refused with code {shown_id(code)} and message {shown_message(message)}"
        super().__init__(refused if status is None else f"HTTP status {status}, {refused}")
        self.args = (code, message)
        self.code = code
        self.message = message
        self.status = status
        self.retry_after = retry_after
        if status is not None and may_pass(status):
            self.transient = True
            self.advice = _status_advice(status)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.what!r})"


class InitializationTimeoutError(WxContactsError):
    """The instance was still initializing when `InitializationWait.timeout` was over."""

    advice = "Give it a longer InitializationWait(timeout=...), or log the instance in again."


class GatewayConnectionError(WxContactsError):
    """No connection, or one that broke before the reply was complete."""

    advice = "Check that the gateway runs and that its base_url is right."
    transient = True


class GatewayTimeoutError(WxContactsError):
    """No connection, or no complete reply, within the gateway's timeouts."""

    advice = "Give the Gateway a longer request_timeout, or a lower max_concurrency."
    transient = True


class GatewayHTTPError(WxContactsError):
    """An HTTP status other than 2xx. 408, 425, 429 and 5xx may pass; all others are final.

    Attributes:
        status: The HTTP status.
        retry_after: Seconds that the gateway asked to wait (its Retry-After header), or None.

    """

    def __init__(self, status: int, *, retry_after: float | None = None) -> None:
        super().__init__(
            f"HTTP status {status}",
            advice=_status_advice(status),
            transient=may_pass(status),
        )
        self.args = (status,)
        self.status = status
        self.retry_after = retry_after


class ReplyDecodeError(WxContactsError):
    """A body that is no reply of `getAllContact`, such as a proxy's error page."""

    advice = "Check that base_url is a getAllContact gateway, with no proxy page in between."
    transient = True


class ReplyTooLargeError(WxContactsError):
    """A reply past the gateway's `max_reply_bytes`, counted after decompression; final."""

    advice = "Give the Gateway a larger max_reply_bytes if such a reply is to be expected."


def reply_too_large(limit: int) -> ReplyTooLargeError:
    """Make the error of a reply that has more bytes than `max_reply_bytes`."""
    return ReplyTooLargeError(f"the reply is larger than max_reply_bytes, {limit} bytes")


def own_error(error: Exception) -> WxContactsError:
    """Return the error itself if it is one of ours, else one of ours that has it as its cause.

    Such is a fault of this library, or of code that it was given; one instance's failure is never
    another's.
    """
    if isinstance(error, WxContactsError):
        return error
    unexpected = WxContactsError(f"unexpected {type(error).__name__}; see its cause")
    unexpected.__cause__ = error
    return unexpected


def shown_id(w_id: str) -> str:
    """Return a wId, or a code, as it stands in messages: quoted, escaped, of bounded length."""
    return _shown(w_id, _LONGEST_SHOWN_ID)


def shown_message(message: str) -> str:
    """Return a gateway's message as it stands in ours: quoted, on one line, of bounded length."""
    return _shown(message, _LONGEST_SHOWN_MESSAGE)


def _shown(text: str, at_most: int) -> str:
    if len(text) > at_most:
        return f"{text[:at_most]!r}... ({len(text)} characters)"
    return repr(text)


_REDIRECTION, _CLIENT_ERROR, _SERVER_ERROR = 300, 400, 500
_MAY_PASS = frozenset({408, 425, 429})


def may_pass(status: int) -> bool:
    """Tell whether the same call may be answered otherwise than with that HTTP status later."""
    return status in _MAY_PASS or status >= _SERVER_ERROR


def _status_advice(status: int) -> str:  # noqa: PLR0911  # one a cause
    if _REDIRECTION <= status < _CLIENT_ERROR:
        return (
            "Redirects are refused, since headers and wIds must not go to another host; "
            "set base_url to the final address."
        )
    match status:
        case 400:
            return (
                "Check that base_url is that of a getAllContact gateway, which takes "
                '{"wId": ...} as JSON.'
            )
        case 401 | 403:
            return "Check the credentials in the Gateway's headers."
        case 404 | 405:
            return "Check base_url: POST {base_url}/getAllContact must exist."
        case 429:
            return "Give the Gateway a lower max_rate or max_concurrency."
        case 503:
            return (
                "Check the gateway and the proxies in front of it, or give the Gateway a lower "
                "max_rate or max_concurrency."
            )
        case _ if status >= _SERVER_ERROR:
            return "Check the gateway and the proxies in front of it."
        case _:
            return "Check base_url and the Gateway's headers."

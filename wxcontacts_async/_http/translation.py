"""aiohttp's errors in our words, with no header's value and nothing of a body in them."""

import os
import re
import ssl

import aiohttp

from wxcontacts_async.errors import (
    GatewayConnectionError,
    GatewayHTTPError,
    GatewayTimeoutError,
    ReplyDecodeError,
    WxContactsError,
    may_pass,
)

# Patterns are compiled when they are first needed. What llhttp, aiohttp's parser, says stands
# before the bytes that it says it of.
_QUOTED_BYTES = r"""(?s)(?:^|(?<=[\s:(]))b?['"].*"""
# Other words may be of the reply: the parser in Python gives a part of it as its reason.
_KNOWN_REASON = (
    r"(?:Bad status line|Bad Request|Expected|Invalid|Missing|Duplicate|Unexpected|Too many|Data|"
    r"Content-Length|Transfer-Encoding|Span|Pause)\b[\w ,:/'-]*\Z"
)
_HEADER_NAME = r"""b(['"])([!#$%&'*+.^_`|~0-9A-Za-z-]{1,60}):"""
_TOO_LONG = r"Got more than \d+ bytes"
_TLS_RECORD = r"\x15\x03"  # an alert, as the parser quotes it

_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})
_WANTS_CERTIFICATE = frozenset(
    {
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "TLSV1_ALERT_CERTIFICATE_REQUIRED",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_UNKNOWN_CA",
    },
)
WANTS_CERTIFICATE = "the gateway wants a client certificate, or another one"
CERTIFICATE_ADVICE = (
    "Pass Gateway(ssl=context) with the certificate loaded by context.load_cert_chain(...)."
)
SPEAKS_TLS = "TLS is spoken there"
SPEAKS_TLS_ADVICE = "Let base_url begin with https://."


class NotHTTPError(Exception):
    """What came is not HTTP, by the parser's words in `message`."""

    def __init__(self, message: str) -> None:
        super().__init__()  # which shows nothing of it
        self.message = message


def translated(  # noqa: C901, PLR0911  # one a cause
    error: Exception,
    *,
    connect_timeout: float,
    request_timeout: float,
) -> WxContactsError:
    """Return the error that says what became of a call.

    Arguments:
        error: aiohttp's, or the operating system's.
        connect_timeout: The seconds that there were to connect.
        request_timeout: The seconds that there were for the call.

    """
    match error:
        case aiohttp.ConnectionTimeoutError():
            return GatewayTimeoutError(
                f"no connection within {connect_timeout:g} s",
                advice="Check that base_url is right, or give the Gateway a longer "
                "connect_timeout.",
                reached=False,
            )
        case TimeoutError():
            return GatewayTimeoutError(f"no complete reply within {request_timeout:g} s")
        case aiohttp.ClientSSLError():
            return _tls_error(error.os_error, getattr(error, "certificate_error", None))
        case aiohttp.ClientProxyConnectionError():
            return GatewayConnectionError(
                f"no connection to the proxy: {_os_reason(error.os_error)}",
                advice="Check that the proxy runs and that Gateway(proxy=...) is right.",
                reached=False,
            )
        case aiohttp.ClientConnectorDNSError():
            return GatewayConnectionError(
                "the host's name could not be resolved",
                reached=False,
            )
        case aiohttp.ClientConnectorError():
            return GatewayConnectionError(
                f"no connection: {_os_reason(error.os_error)}",
                reached=False,
            )
        case aiohttp.ClientPayloadError():
            return GatewayConnectionError("the reply was cut off, or its encoding is damaged")
        case aiohttp.ClientHttpProxyError():
            return _proxy_error(error.status)
        case aiohttp.ClientResponseError() | NotHTTPError():
            return _no_http(error.message)
        case aiohttp.ServerDisconnectedError():
            return GatewayConnectionError("the gateway closed the connection with no reply")
        case _:
            # A TLS alert that comes after the handshake is the cause of an OSError.
            cause = error if isinstance(error, ssl.SSLError) else error.__cause__
            if isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS | _WANTS_CERTIFICATE:
                return _tls_error(cause, None)
            return GatewayConnectionError(f"the connection broke: {type(error).__name__}")


def _tls_error(error: BaseException, certificate_error: BaseException | None) -> WxContactsError:
    reason = getattr(error, "reason", None) or ""
    if certificate_error is None and reason in _WANTS_CERTIFICATE:
        return GatewayConnectionError(
            f"no TLS connection: {WANTS_CERTIFICATE} ({reason})",
            advice=CERTIFICATE_ADVICE,
            transient=False,
        )
    if reason in _NO_TLS:
        return GatewayConnectionError(
            f"no TLS connection: no TLS is spoken there ({reason})",
            advice="Let base_url begin with http:// if that is meant. "
            "Check the gateway's certificate, or pass Gateway(ssl=...), if it is not.",
            transient=False,
        )
    inner = certificate_error or error
    said = getattr(inner, "verify_message", "") or getattr(inner, "reason", "") or "no handshake"
    return GatewayConnectionError(
        f"no TLS connection: {said}",
        advice="Check the gateway's certificate, or pass Gateway(ssl=...).",
        transient=False,
    )


def _proxy_error(status: int) -> WxContactsError:
    """Return what a proxy's refusal to connect to the gateway means."""
    if may_pass(status):
        return GatewayHTTPError(status)
    return GatewayConnectionError(
        f"the proxy refuses to connect to the gateway, with HTTP status {status}",
        advice="Check the proxy's credentials and rules, and Gateway(proxy=...).",
        transient=False,
        reached=False,
    )


def _no_http(said: str) -> WxContactsError:
    """Return the error of a reply that the HTTP parser refuses, which it will do each time."""
    if _TLS_RECORD in said:
        return GatewayConnectionError(
            f"the reply is not HTTP: {SPEAKS_TLS}",
            advice=SPEAKS_TLS_ADVICE,
            transient=False,
        )
    return ReplyDecodeError(
        f"the reply is not HTTP: {_parser_reason(said)}",
        advice="Check that base_url is an HTTP server, and the proxies in front of it.",
        transient=False,
    )


def _parser_reason(said: str) -> str:
    """Return what the parser says, less the bytes that it quotes; a header's name may stand."""
    too_long = re.match(_TOO_LONG, said)
    if too_long:
        return f"{too_long[0]} in a line of its head"
    reason = ": ".join(filter(None, (line.strip(" :") for line in _unquoted(said).splitlines())))
    if not re.match(_KNOWN_REASON, reason):
        return "it cannot be read"
    header = None
    if "eader" in reason or "Content-Length" in reason:
        header = re.search(_HEADER_NAME, said)
    where = f" in the header {header[2]}" if header else ""
    return f"{reason}{where}"


def _unquoted(said: str) -> str:
    return re.sub(_QUOTED_BYTES, "", said)


def _os_reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else type(error).__name__

"""The body of a call, and the headers that it alone has."""

from collections.abc import Mapping

import msgspec


class _Request(msgspec.Struct, gc=False, rename={"w_id": "wId"}):
    w_id: str


_encoder = msgspec.json.Encoder()


def encode_request(w_id: str) -> bytes:
    """Encode the request's body: `{"wId": ...}`."""
    return _encoder.encode(_Request(w_id))


def encode_headers(headers: Mapping[str, str]) -> bytes:
    """Encode further lines of a head; one that could not stand there is left out."""
    return "".join(
        f"{name}: {value}\r\n"
        for name, value in headers.items()
        if value.isascii() and value.isprintable()
    ).encode()

"""The body of a call."""

import msgspec


class _Request(msgspec.Struct, gc=False, rename={"w_id": "wId"}):
    w_id: str


_encoder = msgspec.json.Encoder()


def encode_request(w_id: str) -> bytes:
    """Encode the request's body: `{"wId": ...}`."""
    return _encoder.encode(_Request(w_id))

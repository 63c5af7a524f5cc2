"""Counts what the pools of a test have lent of their buffers."""

from collections.abc import Iterator

import pytest

from wxcontacts_async._http.buffers import ReceiveBuffers

_made: list[ReceiveBuffers] = []


@pytest.fixture(autouse=True)
def known_buffers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Know the buffers of each pool that the test makes."""
    make = ReceiveBuffers.__init__

    def known(buffers: ReceiveBuffers) -> None:
        make(buffers)
        _made.append(buffers)

    monkeypatch.setattr(ReceiveBuffers, "__init__", known)
    yield
    _made.clear()


def lent() -> int:
    """Return how many bytes of buffers are lent at present, in all pools of the test."""
    assert _made
    return sum(buffers.lent for buffers in _made)

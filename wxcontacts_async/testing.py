"""What tests of a service need beside the emulator: pools that do not wait."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

from wxcontacts_async.pool import SessionPool
from wxcontacts_async.validation import check_number


@contextmanager
def wait_free(*, outage_timeout: float = 1.0) -> Iterator[None]:
    """Let every SessionPool that is made within the block wait for nothing.

    An instance that answers 初始化中 is called again at once rather than after 5 seconds, and what
    may pass is tried again at once. All else is as the pool's settings say: how often it is tried,
    and how many seconds a gateway asks for by Retry-After.

    Arguments:
        outage_timeout: Seconds, at least 0: the most that a gateway that serves nothing is waited
            for; a shorter one of its own is kept.

    Raises:
        InvalidArgumentError: `outage_timeout` is out of its bounds.

    """
    check_number("outage_timeout", outage_timeout, at_least=0)
    made = SessionPool.__init__

    def make(pool: SessionPool, *arguments: object, **settings: object) -> None:
        made(pool, *arguments, **settings)  # type: ignore[call-overload]  # checks them
        _shorten_waits(pool, outage_timeout)

    with patch.object(SessionPool, "__init__", make):
        yield


def _shorten_waits(pool: SessionPool, outage_timeout: float) -> None:
    pool._initialization = replace(pool._initialization, interval=0)
    pool._retry = replace(pool._retry, initial_delay=0, max_delay=0)
    pool._gateways = {
        name: replace(gateway, outage_timeout=min(gateway.outage_timeout, outage_timeout))
        for name, gateway in pool._gateways.items()
    }

"""The event loop that runs here, which must be asyncio's."""

import asyncio

from wxcontacts_async.errors import WxContactsError


def running_loop(what: str) -> asyncio.AbstractEventLoop:
    """Return asyncio's running event loop.

    Arguments:
        what: What needs it, for the error.

    Raises:
        WxContactsError: None runs here, as where trio does.

    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        msg = f"{what} needs asyncio, whose event loop does not run here"
        advice = "Run it with asyncio.run, or with anyio.run on its backend 'asyncio'."
        raise WxContactsError(msg, advice=advice) from None

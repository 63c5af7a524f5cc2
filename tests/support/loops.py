"""The event loops that an async test runs on, where it need not run on both."""

import pytest

# The loop cannot matter: the store, the command, what is decoded, what is waited for without I/O.
on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"])

"""TLS in front of the soak's gateway: it passes bytes on, and breaks off what the gateway does."""

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trustme

_HOST = "127.0.0.1"
_AT_ONCE = 64 * 1024


def issue_certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Make a certificate; return its file, and a client's context that trusts it."""
    authority = trustme.CA()
    file = folder / "gateway.pem"
    authority.issue_cert(_HOST).private_key_and_cert_chain_pem.write_to_path(str(file))
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    return file, trusting


@asynccontextmanager
async def tls_in_front_of(inner_port: int, certificate: str, port: int) -> AsyncIterator[str]:
    """Serve TLS at a port, or at a free one if it is 0; the value is the base URL."""

    async def relay(reader: StreamReader, writer: StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection(_HOST, inner_port)
        except OSError:
            writer.transport.abort()
            return
        back = asyncio.ensure_future(_pass_on(inner_reader, writer))
        await _pass_on(reader, inner_writer)
        await back

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    server = await asyncio.start_server(relay, _HOST, port, ssl=context)
    async with server:
        yield f"https://{_HOST}:{server.sockets[0].getsockname()[1]}"


async def _pass_on(reader: StreamReader, writer: StreamWriter) -> None:
    """Pass on what comes until it ends, which is passed on as well."""
    try:
        while received := await reader.read(_AT_ONCE):
            writer.write(received)
            await writer.drain()
    except OSError:
        writer.transport.abort()
    with suppress(OSError):
        writer.close()

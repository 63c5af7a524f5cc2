"""Serves metrics, and whether the command is alive and ready, over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import typer
from aiohttp import web

from wxcontacts_async import SessionPool
from wxcontacts_async.cli.options.operations import LISTEN, ListenAddress
from wxcontacts_async.cli.runtime.errors import CommandError
from wxcontacts_async.instrumentation._sources import is_reached
from wxcontacts_async.store import ContactStore

try:
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.platform_collector import PlatformCollector
    from prometheus_client.process_collector import ProcessCollector
except ModuleNotFoundError as error:
    what = f"{LISTEN} needs prometheus-client, which is not installed: "
    typer.echo(f"{what}pip install 'wxcontacts_async[prometheus]'", err=True)
    raise typer.Exit(2) from error

from wxcontacts_async.instrumentation import prometheus

_SHUTDOWN_TIMEOUT = 1.0  # seconds that a scrape under way may still take


class StatusServer:
    """What is served of one command.

    Arguments:
        store: Its store.
        database: How that is called, without a password.

    """

    def __init__(self, store: ContactStore, database: str) -> None:
        self._store = store
        self._database = database
        self._pool: SessionPool[Any] | None = None
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        prometheus.instrument(store, registry=self._registry)

    def watch(self, pool: SessionPool[Any]) -> None:
        """Show this pool, in place of the one before."""
        self._pool = pool
        prometheus.instrument(pool, registry=self._registry)

    @asynccontextmanager
    async def serving(self, address: ListenAddress) -> AsyncIterator[str]:
        """Serve at an address for the block; give the URL.

        Raises:
            CommandError: There it cannot listen.

        """
        app = web.Application()
        app.add_routes(
            [
                web.get("/metrics", self._metrics),
                web.get("/healthz", _healthz),
                web.get("/readyz", self._readyz),
            ]
        )
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_TIMEOUT)
        await runner.setup()
        try:
            try:
                site = web.TCPSite(runner, address.host, address.port)
                await site.start()
            except OSError as error:
                msg = f"{LISTEN} {address}: {error.strerror or error}"
                raise CommandError(msg) from None
            (host, port, *_) = runner.addresses[0]
            yield f"http://{ListenAddress(host, port)}"
        finally:
            await runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})

    async def _readyz(self, _: web.Request) -> web.Response:
        states = {"database": {self._database: self._state_of_database()}, "gateways": {}}
        if self._pool is not None:
            states["gateways"] = {
                name: "up" if each.down_for is None else f"down for {each.down_for:.0f} s"
                for name, each in self._pool.statistics().items()
            }
        is_ready = self._pool is not None and all(
            state == "up" for named in states.values() for state in named.values()
        )
        return web.json_response({"ready": is_ready, **states}, status=200 if is_ready else 503)

    def _state_of_database(self) -> str:
        return "up" if is_reached(self._store) else "down"


async def _healthz(_: web.Request) -> web.Response:
    """Answer, which shows that the event loop turns."""
    return web.Response(text="ok\n")

"""Tells systemd how the command is getting on (`Type=notify` and `WatchdogSec=` of its unit)."""

import os

import typer
from anyio import sleep, sleep_forever

_LOOKS = 4  # within the time that systemd waits for a sign of life


class ServiceManager:
    """What has started the command, if that wants to be told."""

    def __init__(self) -> None:
        self._watchdog = None
        if os.environ.get("NOTIFY_SOCKET"):
            try:
                from systemd_watchdog.systemd_watchdog import WatchDog  # noqa: PLC0415  # few need it
            except ModuleNotFoundError:
                what = "NOTIFY_SOCKET is set, but systemd-watchdog is not installed: "
                typer.echo(f"{what}pip install 'wxcontacts_async[cli]'", err=True)
                raise typer.Exit(2) from None
            self._watchdog = WatchDog()

    def ready(self, status: str) -> None:
        """Say that it has started, or goes on after having read its configuration again."""
        if self._watchdog is not None:
            self._watchdog.ready()
            self._watchdog.status(status)

    def status(self, status: str) -> None:
        """Say what it does, for `systemctl status`."""
        if self._watchdog is not None:
            self._watchdog.status(status)

    def stopping(self) -> None:
        """Say that it ends in order, which may take some seconds."""
        if self._watchdog is not None:
            # The library has no call for it; a message may say several things, a line each.
            self._watchdog.status("Stopping\nSTOPPING=1")

    async def keep_alive(self) -> None:
        """Say that the event loop turns, again and again, if there is a watchdog."""
        if self._watchdog is None or "WATCHDOG_USEC" not in os.environ:
            await sleep_forever()
        else:
            seconds = self._watchdog.timeout_td.total_seconds() / _LOOKS
            while True:
                self._watchdog.ping()
                await sleep(seconds)

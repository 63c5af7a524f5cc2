"""What a configuration file may hold; what is None was not given, as TOML has no null."""

from typing import Any, Literal

import msgspec


class Secret(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text that stands elsewhere: in a variable of the environment or in a file."""

    env: str | None = None
    file: str | None = None


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is trusted, and what is shown to the gateway; files in PEM."""

    ca: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    verify: bool = True


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of `Gateway`, less `resolver`, which is no text."""

    base_url: str
    headers: dict[str, Any] = {}
    max_concurrency: int | None = None
    max_rate: float | None = None
    connect_timeout: float | None = None
    request_timeout: float | None = None
    max_reply_bytes: int | None = None
    outage_timeout: float | None = None
    ssl: bool | TlsSettings | None = None
    proxy: str | Secret | None = None


class InitializationSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of `InitializationWait`."""

    interval: float | None = None
    timeout: float | Literal["none"] | None = None


class RetrySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of `RetryPolicy`."""

    attempts: int | None = None
    initial_delay: float | None = None
    max_delay: float | None = None


class Settings(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename={"sources": "from"},
):
    """All of a file.

    Attributes:
        store: URL of the database.
        sources: Files of wIds.
        every: How often each instance is synced by a watch; a number is seconds.
        fields: Own fields of contacts, by their keys on the wire.
        gateways: Tables of `GatewaySettings`, by name.
        initialization: How initializing instances are waited for.
        retry: How failed calls are retried.

    """

    store: str | None = None
    sources: str | list[str] | None = None
    every: str | float | None = None
    fields: list[str] | None = None
    gateways: dict[str, dict[str, Any]] = {}
    initialization: InitializationSettings = InitializationSettings()
    retry: RetrySettings = RetrySettings()

"""A configuration file: its settings, checked, and where a wrong one stands."""

import os
import re
import ssl
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec
import typer

from wxcontacts_async import Gateway, InitializationWait, InvalidArgumentError, RetryPolicy
from wxcontacts_async.cli.options.config_lines import line_of
from wxcontacts_async.cli.options.config_settings import (
    GatewaySettings,
    Secret,
    Settings,
    TlsSettings,
)
from wxcontacts_async.cli.options.fields import check_fields
from wxcontacts_async.cli.options.gateway_names import check_name
from wxcontacts_async.cli.options.headers import check_header
from wxcontacts_async.cli.options.output_path import STANDARD
from wxcontacts_async.cli.options.tls_files import tls_of
from wxcontacts_async.cli.options.usage import requirement, wrong
from wxcontacts_async.cli.options.values import duration, shown_duration

CONFIG, CONFIG_VARIABLE = "--config", "WXCONTACTS_CONFIG"

_SQLITE = "sqlite:///"
_STORES = (_SQLITE, "postgresql://", "postgres://")
_UNKNOWN_FIELD = re.compile("Object contains unknown field `(.*)`")
_MISSING_FIELD = re.compile("Object missing required field `(.*)`")
_PLACE = re.compile(r"(.*?)(?: - at `(?:key in )?\$(.*)`)?", re.DOTALL)

SettingsT = TypeVar("SettingsT")
Keys = Sequence[str]


class Config:
    """What a file says; nothing, if there is none.

    Arguments:
        path: The file, in TOML. Paths in it are meant from its folder.

    Attributes:
        settings: What it says.
        every: How often each instance is synced, as `--every` is typed.

    Raises:
        typer.BadParameter: It cannot be read, or a key or a value cannot be used; the message has
            the key and its line, and no value.

    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.settings = Settings()
        self._text = ""
        self._gateways: dict[str, GatewaySettings] = {}
        if path is not None:
            self._text = self._read(path)
            self.settings = self._converted(self._document(), Settings)
            self._gateways = dict(self._read_gateways())
        self.every = self._read_every()
        self._check_store()
        self._check_fields()

    @property
    def store(self) -> str | None:
        """The URL of the database; a file in it is meant from the folder of this one."""
        store = self.settings.store
        if store is None or not store.startswith(_SQLITE):
            return store
        return _SQLITE + self._from_here(store.removeprefix(_SQLITE))

    @property
    def sources(self) -> list[str]:
        """The files of wIds."""
        sources = self.settings.sources or []
        given = [sources] if isinstance(sources, str) else sources
        return [each if each == STANDARD else self._from_here(each) for each in given]

    def gateways(self) -> dict[str, Gateway]:
        """Make the gateways, with the secrets that their settings name."""
        return {name: self._gateway(name, given) for name, given in self._gateways.items()}

    def initialization(self) -> InitializationWait:
        """Make the setting of a pool."""
        given = _given(self.settings.initialization)
        if given.get("timeout") == "none":
            given["timeout"] = None
        with self._naming(["initialization"]):
            return InitializationWait(**given)

    def retry(self) -> RetryPolicy:
        """Make the setting of a pool."""
        with self._naming(["retry"]):
            return RetryPolicy(**_given(self.settings.retry))

    def _read(self, path: Path) -> str:
        try:
            return path.read_bytes().decode()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it must be UTF-8"
            raise wrong(CONFIG, f"{str(path)!r} cannot be read: {reason}") from None

    def _document(self) -> dict[str, Any]:
        try:
            return tomllib.loads(self._text)
        except tomllib.TOMLDecodeError as error:
            raise wrong(CONFIG, f"{str(self.path)!r} is no TOML: {error}") from None

    def _converted(self, given: object, kind: type[SettingsT], keys: Keys = ()) -> SettingsT:
        try:
            return msgspec.convert(given, kind)
        except msgspec.ValidationError as error:
            found = _PLACE.fullmatch(str(error))
            what, place = (found[1], found[2] or "") if found else (str(error), "")
            keys = [*keys, *re.findall(r"\.([^.\[]+)", place)]
            if unknown := _UNKNOWN_FIELD.fullmatch(what):
                self._refuse([*keys, unknown[1]], "is no setting")
            if missing := _MISSING_FIELD.fullmatch(what):
                self._refuse([*keys, missing[1]], "is missing")
            self._refuse(keys, f"is wrong: {what[0].lower()}{what[1:]}")

    def _read_gateways(self) -> Iterator[tuple[str, GatewaySettings]]:
        for name, given in self.settings.gateways.items():
            keys = ["gateways", name]
            try:
                check_name(name)
            except ValueError as error:
                self._refuse(keys, str(error))
            yield name, self._converted(given, GatewaySettings, keys)

    def _gateway(self, name: str, settings: GatewaySettings) -> Gateway:
        keys = ["gateways", name]
        given = _given(settings)
        given["headers"] = {
            header: self._header([*keys, "headers", header], value)
            for header, value in settings.headers.items()
        } or None
        if isinstance(settings.ssl, TlsSettings):
            given["ssl"] = self._tls([*keys, "ssl"], settings.ssl)
        if isinstance(settings.proxy, Secret):
            given["proxy"] = self._secret([*keys, "proxy"], settings.proxy)
        with self._naming(keys):
            return Gateway(given.pop("base_url"), **given)

    def _header(self, keys: Keys, given: object) -> str:
        value = self._converted(given, str | Secret, keys)  # type: ignore[arg-type]
        text = self._secret(keys, value) if isinstance(value, Secret) else str(value)
        try:
            check_header(CONFIG, keys[-1], text)
        except typer.BadParameter as error:
            # A name that is none may be a whole header, with its value.
            named = "HTTP field names" not in error.message
            self._refuse(keys if named else keys[:-1], error.message.removeprefix(f"{keys[-1]} "))
        return text

    def _secret(self, keys: Keys, secret: Secret) -> str:
        if (secret.env is None) == (secret.file is None):
            self._refuse(keys, "must have env or file, one of them")
        if secret.env is not None:
            found = os.environ.get(secret.env, "")
            where = f"the variable {secret.env} of the environment"
        else:
            file = self._from_here(str(secret.file))
            found, where = self._content(keys, file), f"the file {file!r}"
        if not found.strip():
            self._refuse(keys, f"is empty, as {where} has nothing in it")
        return found.strip()

    def _content(self, keys: Keys, file: str) -> str:
        try:
            return Path(file).read_bytes().decode()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it must be UTF-8"
            self._refuse(keys, f"the file {file!r} cannot be read: {reason}")

    def _tls(self, keys: Keys, given: TlsSettings) -> ssl.SSLContext | bool:
        ca, certificate, key = (
            None if file is None else self._from_here(file)
            for file in (given.ca, given.client_cert, given.client_key)
        )
        if key is not None and certificate is None:
            self._refuse([*keys, "client_key"], "needs a client_cert")
        shown = certificate if key is None else f"{certificate}:{key}"
        try:
            return tls_of(ca, shown, insecure=not given.verify)
        except typer.BadParameter as error:
            self._refuse(keys, error.message)

    def _read_every(self) -> str | None:
        every = self.settings.every
        if every is None:
            return None
        text = every if isinstance(every, str) else shown_duration(every)
        try:
            duration("--every", text)
        except typer.BadParameter as error:
            self._refuse(["every"], error.message)
        return text

    def _check_store(self) -> None:
        store = self.settings.store
        if store is not None and not store.startswith(_STORES):
            self._refuse(["store"], "must begin with sqlite:/// or postgresql://")

    def _check_fields(self) -> None:
        try:
            check_fields(self.settings.fields)
        except typer.BadParameter as error:
            self._refuse(["fields"], error.message)

    @contextmanager
    def _naming(self, keys: Keys) -> Iterator[None]:
        """Turn InvalidArgumentError into an error that names the key of the argument."""
        try:
            yield
        except InvalidArgumentError as error:
            self._refuse([*keys, error.argument], requirement(error))

    def _refuse(self, keys: Keys, what: str) -> NoReturn:
        place = repr(str(self.path))
        for end in range(len(keys), 0, -1):  # of what is missing, the table
            if line := line_of(self._text, keys[:end]):
                place += f", line {line}"
                break
        raise wrong(CONFIG, f"{place}: {'.'.join(keys)} {what}" if keys else f"{place} {what}")

    def _from_here(self, file: str) -> str:
        return str(self.path.parent / file) if self.path is not None else file


def _given(settings: msgspec.Struct) -> dict[str, Any]:
    """Return the settings that were given, by name."""
    return {
        name: value for name, value in msgspec.structs.asdict(settings).items() if value is not None
    }

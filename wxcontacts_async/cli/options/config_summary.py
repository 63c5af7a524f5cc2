"""Describes the settings of a command in TOML, without secrets."""

import json
import ssl
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields

import typer

from wxcontacts_async import Gateway, Instance
from wxcontacts_async.cli.options.config_option import ConfigOption
from wxcontacts_async.cli.options.gateway_options import CallSettings
from wxcontacts_async.cli.options.usage import without_passwords

_HIDDEN = "***"


def described(
    context: typer.Context,
    settings: CallSettings,
    files: Sequence[str],
    instances: Sequence[Instance],
    store: str,
) -> Iterator[str]:
    """Give the lines."""
    option: ConfigOption = context.obj
    config = option.config
    yield f"# {config.path}" if config.path else "# no file of --config"
    yield f"store = {_value(without_passwords(store))}"
    if files:
        yield f"from = {_value(list(files))}"
    if config.every:
        yield f"every = {_value(config.every)}"
    if config.settings.fields:
        yield f"fields = {_value(config.settings.fields)}"
    wait, retry = settings.initialization, settings.retry
    yield f"\n[initialization]\ninterval = {wait.interval:g}"
    yield f"timeout = {_value('none' if wait.timeout is None else wait.timeout)}"
    yield f"\n[retry]\nattempts = {retry.attempts}"
    yield f"initial_delay = {retry.initial_delay:g}\nmax_delay = {retry.max_delay:g}"
    counts = Counter(instance.gateway for instance in instances)
    for name, gateway in settings.gateways.items():
        yield f"\n[gateways.{_value(name)}]  # {counts[name]:,} instances"
        yield from _described_gateway(gateway)


def _described_gateway(gateway: Gateway) -> Iterator[str]:
    for field in fields(gateway):
        value = getattr(gateway, field.name)
        if field.name == "headers":
            hidden = ", ".join(f'{_value(name)} = "{_HIDDEN}"' for name in value or {})
            yield f"headers = {{ {hidden} }}" if hidden else "headers = {}"
        elif isinstance(value, ssl.SSLContext):
            yield f"ssl = {_value(_described_tls(value))}"
        elif value is not None:
            yield f"{field.name} = {_value(value)}"


def _described_tls(context: ssl.SSLContext) -> str:
    return "verified by the given files" if context.verify_mode else "not verified"


def _value(value: object) -> str:
    """Write a value as TOML does, which these are written in as in JSON."""
    if isinstance(value, float):
        return f"{value:g}"
    shown = without_passwords(value) if isinstance(value, str) else value
    return json.dumps(shown, ensure_ascii=False)

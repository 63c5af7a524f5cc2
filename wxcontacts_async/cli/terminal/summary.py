"""The summary of a fetch: statistics in a table, failures in lines."""

from collections.abc import Iterable

from rich.table import Table

from wxcontacts_async import (
    ContactKind,
    Failed,
    GatewayConnectionError,
    GatewayHTTPError,
    GatewayTimeoutError,
    InitializationTimeoutError,
    ReplyDecodeError,
    ReplyTooLargeError,
    WxContactsError,
)
from wxcontacts_async.cli.options.line_file import LineFile
from wxcontacts_async.cli.options.usage import AUTHORIZATION_VARIABLE
from wxcontacts_async.cli.runtime.running import RunResult
from wxcontacts_async.cli.terminal.console import HumanConsole
from wxcontacts_async.cli.terminal.statistics import FetchResult, FetchStatistics
from wxcontacts_async.errors import shown_id

# The library's terms in the command's.
_IN_ADVICE = {
    "its base_url": "--gateway",
    'Gateway(proxy="environment")': "--proxy environment",
    "Gateway(proxy=...)": "--proxy",
}


def show_numbers(
    stats: FetchStatistics,
    console: HumanConsole,
    more: Iterable[tuple[str, str]] = (),
) -> None:
    """Show the table of instances and contacts; `more` are rows of a name and a number."""
    console.info(f"{stats.fetched:,} of {stats.total:,} instances in {stats.seconds:.1f} s")
    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("instances fetched", f"{stats.fetched:,}", style="green")
    add_failed_rows(stats, table)
    table.add_section()
    for kind in ContactKind:
        table.add_row(f"contacts, {kind}", f"{stats.contacts[kind]:,}")
    table.add_row("contacts in all", f"{stats.contacts.total():,}")
    add_decoding_rows(stats, table)
    table.add_row("contacts a second", f"{stats.contacts_a_second:,.0f}")
    table.add_section()
    for row in more:
        table.add_row(*row)
    console.show(table)


def add_failed_rows(stats: FetchStatistics, table: Table) -> None:
    """Add how many instances failed, by kind of error, and how many are missing."""
    table.add_row("instances failed", f"{stats.failed:,}", style="red" if stats.failed else "")
    for kind, number in stats.errors.most_common():
        table.add_row(f"  {kind}", f"{number:,}", style="red")
    if stats.missing:
        table.add_row("instances missing", f"{stats.missing:,}", style="yellow")


def add_decoding_rows(stats: FetchStatistics, table: Table) -> None:
    """Add how many contacts could not be decoded, or not all of them, if any."""
    if stats.rejected:
        table.add_row("contacts rejected", f"{stats.rejected:,}", style="yellow")
    if stats.flawed:
        table.add_row("contacts with a value lost", f"{stats.flawed:,}", style="yellow")


def describe_failure(failed: Failed) -> str:
    """Describe why an instance failed, and what to do."""
    what = f"wId {shown_id(failed.w_id)}: {failed.error.what}."
    return f"{what} {_advice(failed.error)}".rstrip()


def say_repeated(repeated: int, console: HumanConsole) -> None:
    """Show how many wIds were duplicates."""
    if repeated:
        these = "1 wId was" if repeated == 1 else f"{repeated:,} wIds were"
        console.info(f"{these} given once more; each is fetched once.")


def say_failures(
    stats: FetchStatistics, console: HumanConsole, *, failures: LineFile | None
) -> None:
    """Show each kind of error once, with one example, what to do, and the file that has all."""
    for kind, number in stats.errors.most_common():
        console.say(f"{number:,} x {kind}, such as {describe_failure(stats.examples[kind])}")
    if stats.rejected:
        console.say(f"{stats.rejected:,} contacts could not be decoded and are left out.")
    if stats.flawed:
        console.say(
            f"{stats.flawed:,} contacts have a value that could not be decoded and is left out.",
        )
    if stats.failed or stats.rejected or stats.flawed:
        console.say(
            "Give --failures FILE to keep each of them."
            if failures is None
            else f"All are in {failures.name}.",
        )


def say_end(result: FetchResult, contacts_file: LineFile, console: HumanConsole) -> None:
    """Show why the fetch ended early, if it did, and how many instances are missing."""
    say_early_end(result, console)
    stats, name = result.stats, contacts_file.name
    if contacts_file.is_unchanged:
        was_there = contacts_file.path.status is not None
        console.say(f"{name} is {'as it was' if was_there else 'not written'}.")
    elif stats.missing:
        console.say(f"{stats.missing:,} of {stats.total:,} instances are missing from {name}.")


def say_early_end(result: RunResult, console: HumanConsole) -> None:
    """Show which error or signal ended a run early, if any."""
    if result.error is not None:
        console.say(f"{result.error}.")
    elif result.stopped_by is not None:
        console.say(f"Interrupted ({result.stopped_by.name}).")


def _advice(error: WxContactsError) -> str:  # noqa: PLR0911  # one an error
    """Return what to do next in terms of options, as the library's advice is in its own."""
    match error:
        case InitializationTimeoutError():
            return "Give it a longer --init-timeout, or log the instance in again."
        case GatewayConnectionError():
            return _connection_advice(error)
        case GatewayTimeoutError():
            longer = "--request-timeout" if error.reached else "--connect-timeout"
            return f"Check the gateway, or give a lower --max-concurrency or a longer {longer}."
        case GatewayHTTPError(status=401 | 403):
            return f"Check the credentials in --header or {AUTHORIZATION_VARIABLE}."
        case GatewayHTTPError(status=429 | 503):
            return "Give a lower --max-rate or --max-concurrency."
        case GatewayHTTPError(transient=False) | ReplyDecodeError():
            return "Check that --gateway is the final address of a getAllContact gateway."
        case ReplyTooLargeError():
            return ""
        case _:
            return error.advice


def _connection_advice(error: GatewayConnectionError) -> str:
    advice = error.advice
    if "proxy" in advice:
        for theirs, ours in _IN_ADVICE.items():
            advice = advice.replace(theirs, ours)
        return advice
    if error.transient:
        return "Check that the gateway runs and that --gateway is right."
    if "base_url" in advice:
        return advice.partition(".")[0].replace("base_url", "--gateway") + "."
    return (
        "Check the gateway's certificate, which --ca FILE can trust, and whether it wants one of "
        "the client, which is --client-cert FILE."
    )

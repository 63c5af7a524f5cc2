"""What is said at the end of a fetch: the numbers in a table, the failures in lines."""

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
from wxcontacts_async.cli.console import HumanConsole
from wxcontacts_async.cli.counts import FetchCounts
from wxcontacts_async.cli.fetch import FetchEnd
from wxcontacts_async.cli.line_file import LineFile
from wxcontacts_async.cli.running import End
from wxcontacts_async.cli.usage import AUTHORIZATION_VARIABLE
from wxcontacts_async.errors import shown_id

# What the library calls otherwise.
_IN_ADVICE = {
    "its base_url": "--gateway",
    'Gateway(proxy="environment")': "--proxy environment",
    "Gateway(proxy=...)": "--proxy",
}


def show_numbers(
    counts: FetchCounts,
    console: HumanConsole,
    more: Iterable[tuple[str, str]] = (),
) -> None:
    """Show the table of instances and contacts, with more rows of a name and a number each."""
    console.chat(f"{counts.fetched:,} of {counts.total:,} instances in {counts.seconds:.1f} s")
    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("instances fetched", f"{counts.fetched:,}", style="green")
    add_failed_rows(counts, table)
    table.add_section()
    for kind in ContactKind:
        table.add_row(f"contacts, {kind}", f"{counts.contacts[kind]:,}")
    table.add_row("contacts in all", f"{counts.contacts.total():,}")
    add_decoding_rows(counts, table)
    table.add_row("contacts a second", f"{counts.contacts_a_second:,.0f}")
    table.add_section()
    for row in more:
        table.add_row(*row)
    console.show(table)


def add_failed_rows(counts: FetchCounts, table: Table) -> None:
    """Add how many instances failed, by kind of error, and how many are missing."""
    table.add_row("instances failed", f"{counts.failed:,}", style="red" if counts.failed else "")
    for kind, number in counts.errors.most_common():
        table.add_row(f"  {kind}", f"{number:,}", style="red")
    if counts.missing:
        table.add_row("instances missing", f"{counts.missing:,}", style="yellow")


def add_decoding_rows(counts: FetchCounts, table: Table) -> None:
    """Add how many contacts could not be decoded, or not all of them, if any."""
    if counts.rejected:
        table.add_row("contacts rejected", f"{counts.rejected:,}", style="yellow")
    if counts.flawed:
        table.add_row("contacts with a value lost", f"{counts.flawed:,}", style="yellow")


def said(failed: Failed) -> str:
    """Say what went wrong with an instance, and what to do."""
    what = f"wId {shown_id(failed.w_id)}: {failed.error.what}."
    return f"{what} {_advice(failed.error)}".rstrip()


def say_failures(counts: FetchCounts, console: HumanConsole, *, failures: LineFile | None) -> None:
    """Say what went wrong: each kind of error once, with one example and what to do.

    Arguments:
        counts: What the fetch came to.
        console: Where to say it.
        failures: The file that has the failures, or None.

    """
    for kind, number in counts.errors.most_common():
        console.say(f"{number:,} x {kind}, such as {said(counts.examples[kind])}")
    if counts.rejected:
        console.say(f"{counts.rejected:,} contacts could not be decoded and are left out.")
    if counts.flawed:
        console.say(
            f"{counts.flawed:,} contacts have a value that could not be decoded and is left out.",
        )
    if counts.failed or counts.rejected or counts.flawed:
        console.say(
            "Give --failures FILE to keep each of them."
            if failures is None
            else f"All are in {failures.name}.",
        )


def say_end(end: FetchEnd, contacts_file: LineFile, console: HumanConsole) -> None:
    """Say that the fetch ended early, if it did, and how many are missing."""
    say_early_end(end, console)
    counts, name = end.counts, contacts_file.name
    if contacts_file.is_as_it_was:
        was_there = contacts_file.path.status is not None
        console.say(f"{name} is {'as it was' if was_there else 'not written'}.")
    elif counts.missing:
        console.say(f"{counts.missing:,} of {counts.total:,} instances are missing from {name}.")


def say_early_end(end: End, console: HumanConsole) -> None:
    """Say what ended it early, if anything did."""
    if end.error is not None:
        console.say(f"{end.error}.")
    elif end.stopped_by is not None:
        console.say(f"Interrupted ({end.stopped_by.name}).")


def _advice(error: WxContactsError) -> str:  # noqa: PLR0911  # one an error
    """Say what to do next with the command; the library's advice is for its callers."""
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

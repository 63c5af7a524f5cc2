"""Shows how far a fetch has come: redrawn on a terminal, a line now and then elsewhere."""

from collections import Counter
from datetime import timedelta

from anyio import sleep
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from wxcontacts_async.cli.console import HumanConsole
from wxcontacts_async.cli.counts import FetchCounts

_REDRAWN_EVERY = 0.1
_FIRST_LINE_AFTER = 1.0
_LINES_EVERY = 5.0
_MINUTE = 60
_BAR_WIDTH = 30


async def show_progress(counts: FetchCounts, console: HumanConsole, *, redrawn: bool) -> None:
    """Show it until cancelled, unless that is not wanted.

    Arguments:
        counts: What to show.
        console: Where.
        redrawn: Whether it is drawn again and again in place, then to disappear.

    """
    if not console.is_quiet:
        await (_redraw(counts, console) if redrawn else _say_now_and_then(counts, console))


async def _say_now_and_then(counts: FetchCounts, console: HumanConsole) -> None:
    await sleep(_FIRST_LINE_AFTER)
    while True:
        console.say(f"{counts.seconds:.0f} s: {_numbers(counts)}, {_time_left(counts)}")
        await sleep(_LINES_EVERY)


async def _redraw(counts: FetchCounts, console: HumanConsole) -> None:
    # No thread and no redirection of the standard streams: nobody else writes meanwhile.
    with Live(
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as live:
        while True:
            live.update(_drawn(counts, console.width), refresh=True)
            await sleep(_REDRAWN_EVERY)


def _drawn(counts: FetchCounts, width: int) -> RenderableType:
    done = counts.total - counts.missing
    texts = [
        Text(f"{done:,} of {counts.total:,} instances"),
        Text(_time_left(counts), style="cyan"),
    ]
    numbers = Text(_numbers(counts))
    if width < _BAR_WIDTH + sum(len(text) + 1 for text in texts):
        return Group(*texts, numbers)  # which wrap, where a table would cut them
    bar = Table.grid(padding=(0, 1))
    bar.add_row(ProgressBar(total=counts.total, completed=done, width=_BAR_WIDTH), *texts)
    return Group(bar, numbers)


def _numbers(counts: FetchCounts) -> str:
    reasons = counts.waiting
    waiting = f"{reasons.total():,} waiting"
    if reasons:
        waiting += f" ({', '.join(_shares(reasons))})"
    down = "".join(f"gateway {name} does not answer; " for name in sorted(counts.down))
    stalled = f"{counts.stalled}; " if counts.stalled else ""
    return (
        f"{stalled}{down}{counts.fetched:,} done, {waiting}, {counts.failed:,} failed, "
        f"{counts.contacts.total():,} contacts, {counts.contacts_a_second:,.0f} contacts/s"
    )


def _shares(reasons: Counter[str]) -> list[str]:
    if len(reasons) == 1:
        return list(reasons)
    return [f"{number:,} {reason}" for reason, number in reasons.most_common()]


def _time_left(counts: FetchCounts) -> str:
    seconds = counts.seconds_left
    if seconds is None:
        return "time left unknown"
    return f"{seconds:.0f} s left" if seconds < _MINUTE else f"{timedelta(0, round(seconds))} left"

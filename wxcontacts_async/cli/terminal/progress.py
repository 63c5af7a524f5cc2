"""Shows the progress of a fetch: redrawn on a terminal, in periodic lines elsewhere."""

from collections import Counter
from datetime import timedelta

from anyio import sleep
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from wxcontacts_async.cli.terminal.console import HumanConsole
from wxcontacts_async.cli.terminal.statistics import FetchStatistics

_REDRAWN_EVERY = 0.1
_FIRST_LINE_AFTER = 1.0
_LINES_EVERY = 5.0
_MINUTE = 60
_BAR_WIDTH = 30


async def show_progress(stats: FetchStatistics, console: HumanConsole, *, redrawn: bool) -> None:
    """Show it until cancelled, unless --quiet: redrawn in place and then cleared, or in lines."""
    if not console.is_quiet:
        await (_redraw(stats, console) if redrawn else _print_periodically(stats, console))


async def _print_periodically(stats: FetchStatistics, console: HumanConsole) -> None:
    await sleep(_FIRST_LINE_AFTER)
    while True:
        console.say(f"{stats.seconds:.0f} s: {_numbers(stats)}, {_time_left(stats)}")
        await sleep(_LINES_EVERY)


async def _redraw(stats: FetchStatistics, console: HumanConsole) -> None:
    # No thread and no redirection of the standard streams, as nothing else writes meanwhile.
    with Live(
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as live:
        while True:
            live.update(_drawn(stats, console.width), refresh=True)
            await sleep(_REDRAWN_EVERY)


def _drawn(stats: FetchStatistics, width: int) -> RenderableType:
    done = stats.total - stats.missing
    texts = [
        Text(f"{done:,} of {stats.total:,} instances"),
        Text(_time_left(stats), style="cyan"),
    ]
    numbers = Text(_numbers(stats))
    if width < _BAR_WIDTH + sum(len(text) + 1 for text in texts):
        return Group(*texts, numbers)  # which wrap, where a table would cut them
    bar = Table.grid(padding=(0, 1))
    bar.add_row(ProgressBar(total=stats.total, completed=done, width=_BAR_WIDTH), *texts)
    return Group(bar, numbers)


def _numbers(stats: FetchStatistics) -> str:
    reasons = stats.waiting
    waiting = f"{reasons.total():,} waiting"
    if reasons:
        waiting += f" ({', '.join(_shares(reasons))})"
    down = "".join(f"gateway {name} does not answer; " for name in sorted(stats.down))
    stalled = f"{stats.stalled}; " if stats.stalled else ""
    return (
        f"{stalled}{down}{stats.fetched:,} done, {waiting}, {stats.failed:,} failed, "
        f"{stats.contacts.total():,} contacts, {stats.contacts_a_second:,.0f} contacts/s"
    )


def _shares(reasons: Counter[str]) -> list[str]:
    if len(reasons) == 1:
        return list(reasons)
    return [f"{number:,} {reason}" for reason, number in reasons.most_common()]


def _time_left(stats: FetchStatistics) -> str:
    seconds = stats.seconds_left
    if seconds is None:
        return "time left unknown"
    return f"{seconds:.0f} s left" if seconds < _MINUTE else f"{timedelta(0, round(seconds))} left"

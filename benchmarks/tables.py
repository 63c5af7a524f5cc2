"""Tables in Markdown, and how figures are written in them."""

from collections.abc import Iterator, Sequence

from benchmarks.figures import Spread


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join('---' for _ in head)} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def filled_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table, without the columns in which no row has a figure."""
    columns = [at for at in range(len(head)) if any(row[at] != "-" for row in rows)]
    yield from table([head[at] for at in columns], [[row[at] for at in columns] for row in rows])


def shown(spread: Spread | None) -> str:
    """Write a ratio with its lowest and its highest."""
    if spread is None:
        return "-"
    return f"{spread.median:.2f} ({spread.low:.2f} to {spread.high:.2f})"


def milliseconds(seconds: float) -> str:
    """Write a time in milliseconds."""
    return f"{seconds * 1000:.1f} ms"


def microseconds(seconds: float) -> str:
    """Write a time in microseconds."""
    return f"{seconds * 1e6:,.0f} us"


def megabytes(size: float) -> str:
    """Write a size in megabytes."""
    return f"{size / 1e6:,.0f} MB"

"""Reads which instances the file of an earlier `wxcontacts fetch` has whole."""

from collections.abc import Collection
from pathlib import Path

import msgspec

from wxcontacts_async import Instance
from wxcontacts_async.cli.options.line_file import LineFile
from wxcontacts_async.cli.options.usage import wrong


class _Line(msgspec.Struct, rename="camel", gc=False):
    w_id: str


_decode = msgspec.json.Decoder(_Line).decode


def lacking(file: LineFile, instances: Collection[Instance]) -> list[Instance]:
    """Return which of these instances an open file lacks, and leave it with whole ones of them.

    The lines of an instance are written together, so all are there but perhaps for the last one's,
    which are cut off. Raise typer.BadParameter if it has other lines than those of a fetch.
    """
    whole: set[str] = set()
    last, begin, end = "", 0, 0
    with Path(file.path.path).open("rb") as lines:
        for number, line in enumerate(lines, 1):
            w_id = _w_id_of(line, number, file)
            if w_id != last:
                whole.add(last)
                last, begin = w_id, end
            end += len(line)
    if last in {instance.w_id for instance in instances}:
        file.cut(begin)
    else:  # it would not be fetched again
        whole.add(last)
    return [instance for instance in instances if instance.w_id not in whole]


def _w_id_of(line: bytes, number: int, file: LineFile) -> str:
    try:
        return _decode(line).w_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        what = f"{file.name} is no file of `wxcontacts fetch`: line {number} has no wId"
        raise wrong("--resume", what) from None

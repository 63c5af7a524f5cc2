"""Messages as lines of a log, with times and levels, in place of messages for people."""

import logging
import sys
from datetime import UTC, datetime

import msgspec

from wxcontacts_async import WxContactsError
from wxcontacts_async.cli.options.operations import LogFormat
from wxcontacts_async.cli.terminal.console import HumanConsole

_LIBRARY = "wxcontacts_async"


def apply_log_format(log_format: LogFormat | None) -> None:
    """Write messages, and the log of the library, so from now on; None leaves all as it is."""
    if log_format is None:
        return
    library = logging.getLogger(_LIBRARY)
    for handler in [each for each in library.handlers if type(each) is logging.StreamHandler]:
        library.removeHandler(handler)  # that of --verbose
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if log_format is LogFormat.JSON else _TextLines())
    if library.level in {logging.NOTSET, logging.WARNING}:  # unless --verbose says more
        library.setLevel(logging.WARNING)
        handler.addFilter(_is_of_more_than_one_instance)
    library.addHandler(handler)
    for name in ("store", "cli"):
        logging.getLogger(f"{_LIBRARY}.{name}").setLevel(logging.INFO)
    HumanConsole.logger = logging.getLogger(f"{_LIBRARY}.cli")


def _is_of_more_than_one_instance(record: logging.LogRecord) -> bool:
    """Tell whether a record is to be written: not that of one instance's failure."""
    arguments = record.args if isinstance(record.args, tuple) else ()
    is_failure = any(isinstance(each, WxContactsError) for each in arguments)
    return not (record.name == _LIBRARY and is_failure)


class _TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"{_time_of(record)} {record.levelname} {_message_of(record)}"


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time_of(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message_of(record),
        }
        return msgspec.json.encode(line).decode()


def _time_of(record: logging.LogRecord) -> str:
    time = datetime.fromtimestamp(record.created, UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message_of(record: logging.LogRecord) -> str:
    """Return what it says, on one line."""
    return " ".join(record.getMessage().splitlines())

"""Fills a database with invented instances and contacts at once, without any gateway."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from operator import itemgetter

import msgspec
import pyarrow as pa

from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._database.schema import prepare
from wxcontacts_async.store._database.url import read_address
from wxcontacts_async.store._database.values import written_time
from wxcontacts_async.store._tabular.columns import VERSION_FIELDS

Row = dict[str, object]

_ROWS_A_LOAD = 100_000
_SHARED = 0.3  # of the contacts
_FAMILY = "王李张刘陈杨黄赵周吴徐孙马胡朱郭何高林罗"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉萍红玲建国文斌宇浩凯健俊帆雪梅"
_OUTCOMES: tuple[str, ...] = ("synced",) * 92 + ("suspicious",) * 3 + ("GatewayRefusedError",) * 3
_OUTCOMES += ("InitializationTimeoutError", "GatewayTimeoutError")


class LargeDatabase:
    """Invented instances, each with so many contacts, and what happened to them.

    Arguments:
        url: Where they are to be.
        instances: How many there are.
        contacts: How many each of them has.
        days: For how many days they have been there; a few contacts come and go each day.
        now: When the last one was synced.
        name: Stands in every text field of the contacts; None invents names.
        text: Stands in every text field of the instances; None invents them.

    """

    def __init__(
        self,
        url: str,
        *,
        instances: int,
        contacts: int,
        days: int = 14,
        now: datetime | None = None,
        name: str | None = None,
        text: str | None = None,
    ) -> None:
        self._connection = Connection(read_address(url), 60.0)
        self._rng = random.Random(1)  # noqa: S311  # invents, guards nothing
        self._now = now or datetime.now(UTC)
        self._days = days
        self._name, self._text = name, text
        self._prefix = name or "wxid_"
        self._size = contacts
        self._w_ids = [f"{text or 'wx'}-{number:05}" for number in range(instances)]
        self._changes: list[Row] = []

    def fill(self) -> None:
        """Write all of it; this blocks."""
        connection = self._connection
        prepare(connection)
        with connection.transaction():
            self._load("contacts", self._contacts())
            self._load("instances", self._instances())
            self._load("contact_changes", iter(sorted(self._changes, key=itemgetter("at"))))
        connection.close()

    def _load(self, table: str, rows: Iterator[Row]) -> None:
        dialect = self._connection.dialect
        while some := list(islice(rows, _ROWS_A_LOAD)):
            names = list(some[0])
            self._connection.execute("DROP TABLE IF EXISTS filling")
            self._connection.execute(
                f"CREATE TEMPORARY TABLE filling ({', '.join(f'{n} TEXT' for n in names)})"
            )
            texts = pa.Table.from_pylist(some, pa.schema([(n, pa.string()) for n in names]))
            self._connection._cursor.adbc_ingest("filling", texts, mode="append", temporary=True)  # noqa: SLF001
            values = ", ".join(_value(name, dialect.timestamp, dialect.json) for name in names)
            self._connection.execute(
                f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM filling"
            )

    def _instances(self) -> Iterator[Row]:
        for number, w_id in enumerate(self._w_ids):
            outcome = self._rng.choice(_OUTCOMES)
            outcome = self._text if self._text and outcome.endswith("Error") else outcome
            is_suspicious = outcome == "suspicious"
            at = self._now - timedelta(seconds=self._rng.randrange(7200))
            yield {
                "w_id": w_id,
                "gateway": self._text or ("east", "west", "south")[number % 3],
                "outcome": outcome,
                "tried_at": written_time(at),
                "synced_at": written_time(at - timedelta(days=outcome != "synced")),
                "contacts": str(self._size),
                "calls": str(self._rng.randint(1, 4)),
                "suspected_at": written_time(at) if is_suspicious else None,
                "suspected_since": written_time(at) if is_suspicious else None,
                "suspected_stored": str(self._size) if is_suspicious else None,
                "suspected_missing": str(self._size // 2) if is_suspicious else None,
            }

    def _contacts(self) -> Iterator[Row]:
        for number, w_id in enumerate(self._w_ids):
            first = self._now - timedelta(days=self._days * (1 - number / len(self._w_ids) / 2))
            known: set[str] = set()
            for place in range(self._size):
                shared = f"{self._prefix}of_many_{int(self._rng.paretovariate(0.4)) % 50_000}"
                is_shared = self._rng.random() < _SHARED and shared not in known
                user_name = shared if is_shared else f"{self._prefix}{number}_{place}"
                known.add(user_name)
                row = self._contact(w_id, user_name, first)
                yield row
                self._log("added", row, first)
            for _ in range(self._rng.randrange(6)):
                self._comes_and_goes(w_id, first)

    def _comes_and_goes(self, w_id: str, first: datetime) -> None:
        seconds = (self._now - first).total_seconds()
        at = first + timedelta(seconds=60 + self._rng.random() * (seconds - 60))
        user_name = f"{self._prefix}{self._rng.getrandbits(48):x}"
        self._log(self._rng.choice(("added", "removed")), self._contact(w_id, user_name, at), at)

    def _contact(self, w_id: str, user_name: str, first: datetime) -> Row:
        kind = self._rng.choices(("friend", "group", "public"), (80, 12, 8))[0]
        return {
            "w_id": w_id,
            "user_name": user_name,
            "kind": kind,
            "alias_name": self._name,
            "nick_name": self._name or self._invented(),
            "big_head": self._name,
            "small_head": self._name,
            "sex": "1",
            "signature": self._name,
            "country": self._name or "CN",
            "province": self._name,
            "city": self._name,
            "first_seen": written_time(first),
            "last_changed": written_time(first),
        }

    def _invented(self) -> str:
        return self._rng.choice(_FAMILY) + "".join(self._rng.choices(_GIVEN, k=2))

    def _log(self, change: str, row: Row, at: datetime) -> None:
        version = {field: row[field] for field in VERSION_FIELDS} | {"sex": 1}
        written = msgspec.json.encode(version).decode()
        self._changes.append(
            {
                "w_id": row["w_id"],
                "user_name": row["user_name"],
                "change": change,
                "fields": "",
                "before": written if change == "removed" else None,
                "after": written if change == "added" else None,
                "at": written_time(at),
            }
        )


_TIMES: Sequence[str] = ("_at", "_since", "_seen", "_changed")
_NUMBERS = {"contacts", "calls", "sex", "suspected_stored", "suspected_missing"}


def _value(name: str, timestamp: str, json: str) -> str:
    if name == "at" or name.endswith(tuple(_TIMES)):
        return f"CAST({name} AS {timestamp})"
    if name in _NUMBERS:
        return f"CAST({name} AS BIGINT)"
    return f"CAST({name} AS {json})" if name in {"before", "after"} else name

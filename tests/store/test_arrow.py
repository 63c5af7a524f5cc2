"""Contact sets as Arrow tables and back, and as lines of CSV."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.properties import examples
from wxcontacts_async import Contact, ContactKind, ContactSet, InvalidArgumentError, Sex
from wxcontacts_async.emulator.population import Population
from wxcontacts_async.store._tabular import arrow
from wxcontacts_async.store._tabular.arrow import CONTACT_SCHEMA, contact_sets, to_arrow
from wxcontacts_async.store._tabular.columns import COLUMNS
from wxcontacts_async.store._tabular.csv import csv_header, csv_lines

FETCHED_AT = datetime(2026, 3, 1, 8, 30, 0, 123456, tzinfo=UTC)


def as_csv(contact_set: ContactSet) -> bytes:
    return b"".join(csv_lines(contact_set))


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
contacts = st.builds(
    Contact,
    st.sampled_from("abcdefgh") | texts,
    *[st.none() | texts] * 4,
    sex=st.integers(-(2**63), 2**63 - 1).map(Sex) | st.sampled_from(Sex),
    city=st.none() | texts,
)
lists = st.lists(contacts, max_size=6).map(tuple)
zones = st.sampled_from(
    [UTC, timezone(timedelta(hours=8)), timezone(-timedelta(hours=3, minutes=30))]
)
times = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=zones)  # noqa: DTZ001
sets = st.builds(ContactSet, st.text("vwx", min_size=1), lists, lists, lists, fetched_at=times)


def of_one(**fields: Any) -> ContactSet:  # noqa: ANN401  # wrong ones, too
    contact = msgspec.structs.replace(Contact("wxid_a"), **fields)
    return ContactSet("w1", friends=(Contact("wxid_sound"), contact), fetched_at=FETCHED_AT)


def test_a_row_is_a_contact_of_the_merged_set() -> None:
    contact_set = ContactSet(
        "w1",
        (Contact("gh_a", nick_name="号"),),
        (Contact("wxid_b", sex=Sex(7), signature=""), Contact("gh_a", city="成都")),
        (Contact("1@chatroom"),),
        fetched_at=FETCHED_AT,
    )
    empty = dict.fromkeys(COLUMNS) | {"w_id": "w1", "sex": 0, "fetched_at": FETCHED_AT}
    table = to_arrow(contact_set)
    assert table.schema == CONTACT_SCHEMA
    assert table.to_pylist() == [
        empty | {"user_name": "gh_a", "kind": "public", "nick_name": "号", "city": "成都"},
        empty | {"user_name": "wxid_b", "kind": "friend", "sex": 7, "signature": ""},
        empty | {"user_name": "1@chatroom", "kind": "group"},
    ]


def test_the_schema_says_what_must_be_there() -> None:
    assert CONTACT_SCHEMA.names == list(COLUMNS)
    assert [field.name for field in CONTACT_SCHEMA if not field.nullable] == [
        "w_id",
        "user_name",
        "kind",
        "sex",
        "fetched_at",
    ]
    types = {field.name: str(field.type) for field in CONTACT_SCHEMA}
    assert types.pop("sex") == "int64"
    assert types.pop("fetched_at") == "timestamp[us, tz=UTC]"
    assert set(types.values()) == {"string"}


def test_no_sets_are_a_table_with_no_rows() -> None:
    assert to_arrow([]).schema == CONTACT_SCHEMA
    assert to_arrow([ContactSet("w1")]).num_rows == 0
    assert list(contact_sets(to_arrow([]))) == []


@settings(max_examples=examples(40))
@given(st.lists(sets, max_size=4), st.integers(1, 9))
def test_what_became_a_table_comes_back_as_it_was(originals: list[ContactSet], rows: int) -> None:
    keys = [(one.w_id, one.fetched_at) for one in originals if one]
    assume(all(before != after for before, after in pairwise(keys)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrow, "_BATCH_ROWS", rows)
        table = to_arrow(iter(originals))
        assert all(batch.num_rows <= rows for batch in table.to_batches())
        back = list(contact_sets(table))
    table.validate(full=True)
    assert [(one.w_id, one.fetched_at) for one in back] == keys
    assert [list(one.items()) for one in back] == [list(one.items()) for one in originals if one]
    assert all(type(contact.sex) is Sex for one in back for contact in one)


def test_large_sets_and_many_small_ones_come_back() -> None:
    population = Population()
    given = [population.contact_set("w0", 12_000)]
    given += [population.contact_set(f"w{number}", 30) for number in range(1, 50)]
    table = to_arrow(given)
    assert max(batch.num_rows for batch in table.to_batches()) <= 10_000
    assert [list(one.items()) for one in contact_sets(table)] == [
        list(one.items()) for one in given
    ]


def test_a_reader_of_batches_is_read_as_the_sets_are_asked_for() -> None:
    given = [of_one(), msgspec.structs.replace(of_one(), w_id="w2")]
    read = []

    def batches() -> Any:  # noqa: ANN401
        for one in given:
            read.append(one.w_id)
            yield from to_arrow(one).to_batches()

    back = contact_sets(pa.RecordBatchReader.from_batches(CONTACT_SCHEMA, batches()))
    assert read == []
    assert next(back) == given[0]
    assert next(back) == given[1]
    assert list(back) == []


def test_other_types_and_further_columns_will_do() -> None:
    table = to_arrow(of_one(nick_name="甲"))
    for name, type_ in [
        ("kind", pa.dictionary(pa.int32(), pa.string())),
        ("nick_name", pa.large_string()),
        ("sex", pa.int16()),
        ("fetched_at", pa.timestamp("ns", tz="Asia/Shanghai")),
    ]:
        index = table.schema.get_field_index(name)
        table = table.set_column(index, name, table.column(name).cast(type_))
    index = table.schema.get_field_index("city")
    table = table.set_column(index, "city", pa.nulls(2))
    table = table.append_column("remark", pa.array(["x", "y"]))
    assert list(contact_sets(table)) == [of_one(nick_name="甲")]


@pytest.mark.parametrize(
    ("contact_set", "field"),
    [
        (of_one(sex=2**63), "sex"),
        (of_one(sex=None), "sex"),
        (of_one(sex="secret"), "sex"),
        (of_one(nick_name="secret\ud800"), "nick_name"),
        (of_one(user_name="secret\udfff"), "user_name"),
        (of_one(user_name=None), "user_name"),
        (of_one(city=770077), "city"),
        (
            msgspec.structs.replace(of_one(), fetched_at=FETCHED_AT.replace(tzinfo=None)),
            "fetched_at",
        ),
        (msgspec.structs.replace(of_one(), fetched_at=None), "fetched_at"),
        (
            msgspec.structs.replace(
                of_one(),
                fetched_at=datetime.min.replace(tzinfo=timezone(timedelta(hours=8))),
            ),
            "fetched_at",
        ),
    ],
)
def test_what_no_column_can_hold_is_named_and_not_shown(
    contact_set: ContactSet, field: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^wId 'w1': {field} must be ") as raised:
        to_arrow([of_one(), contact_set])
    assert raised.value.w_id == "w1"
    assert not re.search("secret|770077|9223372036854775808", str(raised.value))


def test_a_w_id_that_is_no_text_is_named_escaped() -> None:
    with pytest.raises(InvalidArgumentError, match=r"^wId 'w\\ud800': w_id must be valid Unicode"):
        to_arrow(msgspec.structs.replace(of_one(), w_id="w\ud800"))
    with pytest.raises(InvalidArgumentError, match="^wId '5': w_id must be valid Unicode"):
        to_arrow(msgspec.structs.replace(of_one(), w_id=5))


@pytest.mark.parametrize("wrong", [None, 1, {"w1": of_one()}, [Contact("a")], "w1"])
def test_what_is_no_contact_set_is_refused(wrong: Any) -> None:  # noqa: ANN401
    with pytest.raises(InvalidArgumentError, match="^contact_sets must "):
        to_arrow(wrong)


def test_a_table_of_something_else_is_refused_at_once() -> None:
    with pytest.raises(InvalidArgumentError, match="^table must be a pyarrow Table .* not list"):
        contact_sets([])
    table = to_arrow(of_one())
    with pytest.raises(InvalidArgumentError, match="^table must have each .* unlike kind, city$"):
        contact_sets(table.drop_columns(["kind", "city"]))
    with pytest.raises(InvalidArgumentError, match="^table must have each .* unlike city$"):
        contact_sets(table.append_column("city", table.column("city")))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("sex", ["secret", "1"], "^column sex must be of type int64"),
        ("sex", [None, 1], "^column sex must have no null$"),
        ("w_id", [None, "w1"], "^column w_id must have no null$"),
        ("kind", ["friend", "secret"], "^wId 'w1': kind must be public, friend or group"),
    ],
)
def test_a_table_that_holds_no_contacts_is_refused(
    name: str, values: list[Any], message: str
) -> None:
    table = to_arrow(of_one())
    index = table.schema.get_field_index(name)
    with pytest.raises(InvalidArgumentError, match=message) as raised:
        list(contact_sets(table.set_column(index, name, pa.array(values))))
    assert "secret" not in str(raised.value)


def test_a_time_that_python_does_not_know_is_refused() -> None:
    table = to_arrow(of_one())
    index = table.schema.get_field_index("fetched_at")
    column = pa.array([2**62] * 2, CONTACT_SCHEMA.field("fetched_at").type)
    with pytest.raises(InvalidArgumentError, match="^wId 'w1': fetched_at must be a time"):
        list(contact_sets(table.set_column(index, "fetched_at", column)))


def parsed(lines: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(lines.decode(), newline=""), strict=True))


FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


@given(
    st.lists(
        st.text(st.sampled_from("=+-@\t\r\n \"',;a名\x00\u3000\ufeff\uff1d\uff20"), max_size=6)
        | texts,
        min_size=2,
        max_size=2,
    ),
    st.integers(),
)
def test_a_cell_of_csv_is_the_text_or_the_text_after_a_quote(written: list[str], sex: int) -> None:
    contact = Contact(written[0], nick_name=written[1], sex=Sex(sex))
    rows = parsed(as_csv(ContactSet(written[1], groups=(contact,), fetched_at=FETCHED_AT)))
    row = dict(zip(COLUMNS, *rows, strict=True))
    for cell, text in [
        (row["w_id"], written[1]),
        (row["user_name"], written[0]),
        (row["nick_name"], written[1]),
        (row["sex"], str(sex)),
    ]:
        text = text.replace("\0", "")  # noqa: PLW2901  # which is left out
        assert cell in (text, f"'{text}")
        assert not cell.lstrip("\"' \u3000\ufeff\x00").startswith(FORMULA_STARTS) or cell[0] == "'"
        assert not cell.startswith(FORMULA_STARTS)


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@a",
        "\ta",
        "\ra",
        "\na",
        " =1",
        "\"'=1",
        "'=1",
        "\u3000\uff1d1",
        "\uff0b1",
        "\uff0d1",
        "\uff201",
    ],
)
def test_a_cell_that_a_spreadsheet_would_run_is_defused(text: str) -> None:
    row = parsed(as_csv(of_one(signature=text)))[1]
    assert row[COLUMNS.index("signature")] == f"'{text}"


@pytest.mark.parametrize("text", ["1@chatroom", "a=b", "名字", "'quoted'", '"', "a\r\nb", "a,b"])
def test_a_harmless_cell_stays_as_it_is(text: str) -> None:
    row = parsed(as_csv(of_one(user_name=text)))[1]
    assert row[COLUMNS.index("user_name")] == text


def test_a_line_of_csv_is_a_contact() -> None:
    assert csv_header() == b",".join(name.encode() for name in COLUMNS) + b"\r\n"
    assert as_csv(ContactSet("w1")) == b""
    assert as_csv(of_one(nick_name="甲,乙", sex=Sex.MALE)).decode() == (
        "w1,wxid_sound,friend,,,,,0,,,,,2026-03-01T08:30:00.123456+00:00\r\n"
        'w1,wxid_a,friend,,"甲,乙",,,1,,,,,2026-03-01T08:30:00.123456+00:00\r\n'
    )
    contact_set = Population().contact_set("w1", 700)
    assert [(row[1], row[2]) for row in parsed(as_csv(contact_set))] == [
        (contact.user_name, kind) for kind, contact in contact_set.items()
    ]
    assert {row[2] for row in parsed(as_csv(contact_set))} == set(ContactKind)


def test_csv_of_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="^wId 'w1': city must be valid Unicode") as at:
        as_csv(of_one(city="secret\ud800"))
    assert "secret" not in str(at.value)
    with pytest.raises(InvalidArgumentError, match="w_id must be valid Unicode"):
        as_csv(msgspec.structs.replace(of_one(), w_id="\ud800"))

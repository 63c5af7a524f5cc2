"""Each format of an export: the same facts, under the names that docs/command.md lists."""

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openpyxl import load_workbook
from openpyxl.utils.escape import unescape
from pyarrow import parquet as pq

from tests.support.command import SECONDS, Ended, run
from tests.support.recording_server import recording
from wxcontacts_async import Contact, ContactSet
from wxcontacts_async.errors import InvalidArgumentError
from wxcontacts_async.store._tabular.xlsx import XlsxFile

PAGE = Path(__file__).parents[2] / "docs" / "command.md"
BOM = b"\xef\xbb\xbf"
FACTS = ("w_id", "kind", *Contact.__struct_fields__, "fetched_at")
PEOPLE = (
    Contact(
        "wxid_one",
        "alias",
        "名字",
        "https://example.org/big",
        "https://example.org/small",
        1,  # type: ignore[arg-type]  # as it is on the wire
        "a\nmotto\x01",
        "CN",
        "广东",
        "深圳",
    ),
    Contact("0012345678901234567890", nick_name="+1", signature="http://example.org"),
    Contact("wxid_nul", nick_name="be\0fore", city=" \t"),
)
pytestmark = pytest.mark.processes


def _reply(*contacts: Contact) -> bytes:
    data = {"friend": contacts[:2], "group": contacts[2:]}
    return msgspec.json.encode({"code": "1000", "data": data})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("database")
    with recording(_reply(*PEOPLE)) as server:
        assert run("sync", "0123", "--gateway", server.url, folder=folder).code == 0
    return folder


def _exported(folder: Path, written_as: str, *options: str) -> Path:
    path = folder / f"out.{written_as}"
    path.unlink(missing_ok=True)
    ended = run("export", "--format", written_as, "--output", path.name, *options, folder=folder)
    assert ended.code == 0, ended.messages
    return path


def _names(written_as: str) -> dict[str, str]:
    """Read the page's table of the names that each fact has."""
    text = PAGE.read_text(encoding="utf-8")
    (heading,) = re.findall(r"^\| fact \|.*$", text, re.MULTILINE)
    columns = [cell.strip(" `") for cell in heading.strip("|").split("|")]
    table = text[text.index(heading) :].split("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in table]
    index = next(number for number, name in enumerate(columns) if written_as in name)
    return {row[index]: row[columns.index("csv, parquet")] for row in rows}


def _by_fact(rows: list[dict[str, Any]], written_as: str) -> list[dict[str, Any]]:
    names = _names(written_as)
    return [{names[name]: value for name, value in row.items()} for row in rows]


def _jsonl(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text().splitlines()
    rows = _by_fact([json.loads(line) for line in lines], "jsonl")
    return [row | {"fetched_at": datetime.fromisoformat(row["fetched_at"])} for row in rows]


def _csv(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = _by_fact(list(csv.DictReader(file)), "csv")
    for row in rows:
        for name, value in row.items():
            row[name] = value.removeprefix("'") or None
        row["sex"] = int(row["sex"])
        row["fetched_at"] = datetime.fromisoformat(row["fetched_at"])
    return rows


def _parquet(path: Path) -> list[dict[str, Any]]:
    return _by_fact(pq.read_table(path).to_pylist(), "parquet")


def _xlsx(path: Path) -> list[dict[str, Any]]:
    heading, *rows = load_workbook(path)["contacts"].iter_rows(values_only=True)
    # By ECMA-376, 22.9.2.19, as Excel reads it; that library does so where cells share text alone.
    clear = [[unescape(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    read = _by_fact([dict(zip(heading, row, strict=True)) for row in clear], "xlsx")
    return [row | {"fetched_at": row["fetched_at"].replace(tzinfo=UTC)} for row in read]


_READERS: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    "jsonl": _jsonl,
    "csv": _csv,
    "parquet": _parquet,
    "xlsx": _xlsx,
}


def test_all_formats_have_the_same_facts_under_the_names_of_the_readme(folder: Path) -> None:
    read = {name: reader(_exported(folder, name)) for name, reader in _READERS.items()}
    for written_as, rows in read.items():
        assert all(row.keys() == set(FACTS) for row in rows), written_as
    expected = [
        {"w_id": "0123", "kind": "friend" if person in PEOPLE[:2] else "group"}
        | {name: getattr(person, name) for name in Contact.__struct_fields__}
        for person in PEOPLE
    ]
    times = {row.pop("fetched_at") for row in read["parquet"]}
    (fetched_at,) = times
    assert abs(datetime.now(UTC) - fetched_at) < timedelta(minutes=5)

    def ordered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(rows, key=lambda row: row["user_name"])

    assert ordered(read["parquet"]) == ordered(expected)
    for row in expected:  # text in a spreadsheet
        row["nick_name"] = row["nick_name"] and row["nick_name"].replace("\0", "")
    for written_as in ("jsonl", "csv", "xlsx"):
        for row in read[written_as]:
            assert abs(row.pop("fetched_at") - fetched_at) < timedelta(milliseconds=1)
            if written_as == "jsonl":
                row["nick_name"] = row["nick_name"] and row["nick_name"].replace("\0", "")
        assert ordered(read[written_as]) == ordered(expected), written_as


def test_csv_begins_with_a_byte_order_mark_in_a_file_and_not_in_a_pipe(folder: Path) -> None:
    piped = run("export", "--format", "csv", "--output", "-", folder=folder)
    marked = run("export", "--format", "csv", "--output", "-", "--bom", folder=folder)
    assert piped.output.startswith("w_id,")
    assert marked.output.startswith("\ufeffw_id,")
    assert _exported(folder, "csv").read_bytes().startswith(BOM + b"w_id,")
    assert _exported(folder, "csv", "--no-bom").read_bytes().startswith(b"w_id,")
    assert b"\0" not in _exported(folder, "csv").read_bytes()
    refused = run("export", "--format", "jsonl", "--output", "-", "--bom", folder=folder)
    assert refused.code == 2


def test_in_xlsx_nothing_is_a_formula_and_ids_are_text(folder: Path) -> None:
    sheet = load_workbook(_exported(folder, "xlsx"))["contacts"]
    for row in sheet.iter_rows(min_row=2):
        for cell in row:
            assert cell.data_type != "f"
            assert cell.hyperlink is None
        assert [cell.data_type for cell in row[:3]] == ["s", "s", "s"]
        assert row[-1].is_date
    assert sheet.freeze_panes == "A2"


def test_text_that_looks_like_markup_of_a_workbook_is_read_as_it_was(tmp_path: Path) -> None:
    texts = [
        "<r>&</r>",
        "<r><t>bold</t></r>",
        "<r></r>",
        "<r>\x01</r>",
        "<r>",
        "_x0041_",
        "\x7f",
        " ",
    ]
    people = (Contact(f"u{number}", nick_name=text) for number, text in enumerate(texts))
    file = XlsxFile(tmp_path / "out.xlsx")
    assert list(file.add(ContactSet("one", friends=tuple(people))))
    file.finish()
    file.take_name()
    sheet = load_workbook(tmp_path / "out.xlsx")["contacts"]
    assert [unescape(str(cell.value)) for cell in sheet["E"][1:]] == texts


def test_xlsx_goes_on_in_another_sheet_when_one_is_full(tmp_path: Path) -> None:
    path = tmp_path / "out.xlsx"
    file = XlsxFile(path, rows_a_sheet=2)
    for _ in file.add(ContactSet("one", friends=tuple(Contact(f"u{n}") for n in range(5)))):
        pass
    file.finish()
    file.take_name()
    book = load_workbook(path)
    assert book.sheetnames == ["contacts", "contacts 2", "contacts 3"]
    names = [
        [row[1] for row in sheet.iter_rows(min_row=2, values_only=True)]
        for sheet in book.worksheets
    ]
    assert names == [["u0", "u1"], ["u2", "u3"], ["u4"]]
    assert [sheet["A1"].value for sheet in book.worksheets] == ["w_id"] * 3
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.xlsx"]


@pytest.mark.parametrize("secret", ["secret" * 6_000, "secret" + "\U0001f600" * 16_381])
def test_what_has_no_room_in_a_cell_is_told_without_its_value(tmp_path: Path, secret: str) -> None:
    path = tmp_path / "out.xlsx"
    path.write_bytes(b"before")
    file = XlsxFile(path)
    with pytest.raises(InvalidArgumentError, match="nick_name") as raised:
        list(file.add(ContactSet("one", friends=(Contact("a", nick_name=secret),))))
    file.discard()
    assert "secret" not in str(raised.value)
    assert raised.value.w_id == "one"
    assert path.read_bytes() == b"before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.xlsx"]


def test_xlsx_takes_no_pipe(folder: Path) -> None:
    piped = run("export", "--format", "xlsx", "--output", "-", folder=folder)
    assert piped.code == 2
    assert "must be a file" in piped.messages


def test_xlsx_without_its_extra_says_what_to_install(folder: Path) -> None:
    program = (
        "import sys; sys.modules['xlsxwriter'] = None; sys.argv[0] = 'wxcontacts'; "
        "from wxcontacts_async.cli import main; main()"
    )
    ended = subprocess.run(  # noqa: S603  # this very program
        [sys.executable, "-c", program, "export", "--format", "xlsx", "--output", "none.xlsx"],
        capture_output=True,
        check=False,
        cwd=folder,
        text=True,
        timeout=SECONDS,
    )
    assert ended.returncode == 2
    assert "pip install 'wxcontacts_async[cli,store,xlsx]'" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (folder / "none.xlsx").exists()


# Runs the command and sends itself Ctrl-C before or after a function's call of that number.
_INTERRUPTED = """
import os, signal, sys
from pydoc import locate
from wxcontacts_async.cli import main

owner, name, when, number = locate(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
function, calls = getattr(owner, name), 0

def interrupted(*given, **named):
    global calls
    calls += 1
    if (when, number) == ("before", calls):
        os.kill(os.getpid(), signal.SIGINT)
    returned = function(*given, **named)
    if (when, number) == ("after", calls):
        os.kill(os.getpid(), signal.SIGINT)
    return returned

setattr(owner, name, interrupted)
sys.argv = ["wxcontacts", *sys.argv[5:]]
main()
"""
_ADDING_ROWS = ("xlsxwriter.worksheet.Worksheet", "write_datetime", "before", "5000")
_PUTTING_IT_TOGETHER = ("xlsxwriter.Workbook", "close", "before", "1")
_TAKING_ITS_NAME = ("os", "replace", "after", "1")


def _export_interrupted(folder: Path, moment: tuple[str, ...], path: Path) -> Ended:
    written_as = path.suffix.removeprefix(".")
    ended = subprocess.run(  # noqa: S603  # this very program
        [
            *(sys.executable, "-c", _INTERRUPTED, *moment),
            *("export", "--format", written_as, "--output", path.name),
        ],
        capture_output=True,
        check=False,
        cwd=folder,
        text=True,
        timeout=SECONDS,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


@pytest.mark.slow
@pytest.mark.parametrize("moment", [_ADDING_ROWS, _PUTTING_IT_TOGETHER], ids=lambda it: it[1])
def test_ctrl_c_leaves_the_workbook_as_it_was_and_nothing_beside_it(
    tmp_path: Path,
    moment: tuple[str, ...],
) -> None:
    many = [Contact(f"wxid_{number}", nick_name="名字") for number in range(10_000)]
    with recording(_reply(*many)) as server:
        assert run("sync", "0123", "--gateway", server.url, folder=tmp_path).code == 0
    path = tmp_path / "out.xlsx"
    path.write_bytes(b"before")
    before = {entry.name for entry in tmp_path.iterdir()}
    ended = _export_interrupted(tmp_path, moment, path)
    assert ended.code == 130
    assert "'out.xlsx' is as it was." in ended.messages
    assert path.read_bytes() == b"before"
    assert not ended.has_traceback
    assert {entry.name for entry in tmp_path.iterdir()} == before


@pytest.mark.slow
@pytest.mark.parametrize("written_as", ["parquet", "xlsx"])
def test_ctrl_c_once_the_file_is_complete_does_not_say_that_it_is_as_it_was(
    folder: Path,
    written_as: str,
) -> None:
    path = folder / f"late.{written_as}"
    path.write_bytes(b"before")
    ended = _export_interrupted(folder, _TAKING_ITS_NAME, path)
    assert ended.code == 130
    assert f"3 contacts of 1 instances are in '{path.name}'." in ended.messages
    assert "as it was" not in ended.messages
    assert _READERS[written_as](path)


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such limit")
def test_a_workbook_that_cannot_be_begun_leaves_nothing(tmp_path: Path) -> None:
    import resource  # noqa: PLC0415  # Windows has none

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open(tmp_path, os.O_RDONLY)
    os.close(free)
    # One more can be opened: the hidden file, and not what keeps the sheet.
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, limits[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            XlsxFile(tmp_path / "out.xlsx")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert list(tmp_path.iterdir()) == []

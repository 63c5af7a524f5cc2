"""Every wrong argument gets an error that names the option and what it may be, and exit code 2."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from tests.support.command import run

# What is given, and words that the error must have. {} is a folder with the files below.
_WRONG: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("fetch",): ("W_ID", "--from FILE"),
    ("fetch", " "): ("W_ID", "must not be blank"),
    ("fetch", "x", "--gateway", "nonsense"): ("--gateway", "must begin with http:// or https://"),
    ("fetch", "x", "--gateway", "http://h:x"): ("--gateway", "must be like 'http://localhost"),
    ("fetch", "x", "--gateway", "http://u:hidden@h"): ("--gateway", "--header"),
    ("fetch", "x", "--max-concurrency", "x"): ("--max-concurrency", "whole number of at least 1"),
    ("fetch", "x", "--max-concurrency", "0"): ("--max-concurrency", "whole number of at least 1"),
    ("fetch", "x", "--max-concurrency", "9" * 400): ("--max-concurrency", "whole number"),
    ("fetch", "x", "--max-rate", "-1"): ("--max-rate", "number of at least 0.0001"),
    ("fetch", "x", "--max-rate", "nan"): ("--max-rate", "number of at least 0.0001"),
    ("fetch", "x", "--init-interval", "-1"): ("--init-interval", "at least 0"),
    ("fetch", "x", "--init-interval", "inf"): ("--init-interval", "at least 0"),
    ("fetch", "x", "--init-timeout", "soon"): ("--init-timeout", "at least 0, or none"),
    ("fetch", "--from", "{}/absent"): ("--from", "No such file"),
    ("fetch", "--from", "{}"): ("--from", "Is a directory"),
    ("fetch", "--from", "{}/latin1"): ("--from", "must be UTF-8, which line 2 is not"),
    ("fetch", "--from", "{}/comments"): ("--from", "a wId a line"),
    ("fetch", "--from", "{}/columns"): (
        "--from",
        "columns', line 3: a wId must",
        "white space (U+0020)",
    ),
    ("fetch", "--from", "{}/table.csv"): ("--from", "looks like CSV with 3 columns", "wId"),
    ("fetch", "--from", "{}/tab"): (
        "--from",
        "line 2: its gateway must be 'http://localhost:18081', if there is a second column",
    ),
    ("fetch", "--from", "{}/semicolon"): ("--from", "line 2: looks like CSV; it must have one"),
    ("fetch", "--from", "{}/table.jsonl"): ("--from", "line 1: a gateway must be text, or null"),
    ("fetch", "x", "--gateway", "east=nonsense"): ("--gateway", "must begin with http:// or"),
    ("fetch", "x", "--gateway", "a;b=http://h"): ("--gateway", "no white space and none of"),
    ("fetch", "x", "--gateway", "http://h", "--gateway", "west=http://h"): (
        "--gateway",
        "must be like east=http://... where there are several",
    ),
    ("fetch", "x", "--gateway", "http://h", "--gateway", "http://i"): (
        "--gateway",
        "without a name may be given once",
    ),
    ("fetch", "x", "--gateway", "east=http://h", "--gateway", "east=http://i"): (
        "--gateway",
        "east is given twice",
    ),
    ("fetch", "x", "--gateway", "east=http://h", "--gateway", "west=http://h"): (
        "--gateway",
        "must be named: 'east' or 'west', in a second column of a --from FILE",
    ),
    ("fetch", "--from", "{}/gap.csv"): ("--from", "line 3: a row has no wId"),
    ("fetch", "--from", "{}/quote.csv"): ("--from", "line 2: cannot be read as CSV"),
    ("fetch", "--from", "{}/other.jsonl"): ("--from", "line 1: looks like JSON, without wIds"),
    ("fetch", "--from", "{}/number.jsonl"): ("--from", "line 2: a wId must be text in JSON"),
    ("fetch", "--from", "{}/pretty.json"): ("--from", "line 1: looks like JSON, but not a whole"),
    ("fetch", "--from", "{}/cut.json"): ("--from", "looks like a JSON array that is damaged"),
    ("fetch", "--from", "{}/deep.json"): ("--from", "looks like a JSON array that is damaged"),
    ("fetch", "--from", "{}/open.csv"): ("--from", "looks like CSV with 1 column; it must have"),
    ("fetch", "--from", "{}/numbers.json"): ("--from", "looks like JSON, but not of objects"),
    ("fetch", "--from", "{}/book.xlsx"): ("--from", "looks like an Excel workbook; save it as"),
    ("fetch", "--from", "{}/utf16"): ("--from", "is no text; it must be UTF-8, or begin with"),
    ("fetch", "--from", "{}/w_ids", "--from", "{}/absent"): ("--from", "No such file"),
    ("fetch", "--from", "-", "--from", "-"): ("--from", "may be standard input once"),
    ("fetch", "x", "--connect-timeout", "0"): ("--connect-timeout", "number above 0"),
    ("fetch", "x", "--request-timeout", "none"): ("--request-timeout", "above 0, not none"),
    ("fetch", "x", "--attempts", "0"): ("--attempts", "whole number of at least 1"),
    ("fetch", "x", "--outage-timeout", "-1"): ("--outage-timeout", "at least 0"),
    ("fetch", "x", "--proxy", "socks5://u:hidden@h"): ("--proxy", "must be like 'http://proxy"),
    ("fetch", "x", "--ca", "{}/absent.pem"): ("--ca", "absent.pem' cannot be read: No such file"),
    ("fetch", "x", "--ca", "{}"): ("--ca", "Is a directory"),
    ("fetch", "x", "--ca", "{}/w_ids"): ("--ca", "w_ids' has no certificate in PEM"),
    ("fetch", "x", "--ca", "{}/broken.pem"): ("--ca", "broken.pem' cannot be used"),
    ("fetch", "x", "--ca", "{}/ca.pem", "--insecure"): ("--insecure", "give one of them"),
    ("fetch", "x", "--client-cert", "{}/absent.pem:y"): ("--client-cert", "No such file"),
    ("fetch", "x", "--client-cert", "{}/ca.pem:{}/absent"): ("--client-cert", "No such file"),
    ("fetch", "x", "--client-cert", "{}/ca.pem"): ("--client-cert", "no private key", "FILE:KEY"),
    ("fetch", "x", "--client-cert", "{}/ca.pem:{}/w_ids"): ("--client-cert", "no private key"),
    ("fetch", "x", "--client-cert", "{}/one.pem:{}/another.key"): (
        "--client-cert",
        "another.key' is not that of the certificate in",
    ),
    ("fetch", "x", "--client-cert", "{}/one.pem:{}/locked.key"): (
        "--client-cert",
        "locked.key' has an encrypted key",
    ),
    ("fetch", "a\u200b"): ("W_ID", "an invisible character (U+200B) at character 2 of 2"),
    ("fetch", "--from", "-"): ("--from", "a wId a line"),
    ("fetch", "x", "--header", "hidden"): ("--header", "'Name: value'"),
    ("fetch", "x", "--header", "Bearer hidden: x"): ("--header", "'Name: value'"),
    ("fetch", "x", "--header", "X: hidden\r\nY: z"): ("--header", "without control characters"),
    ("fetch", "x", "--header", "X: a", "--header", "x: b"): ("--header", "twice"),
    ("fetch", "x", "--header", "Host: x"): ("--header", "must not set Host"),
    ("fetch", "x", "--output", "{}"): ("--output", "Is a directory"),
    ("fetch", "x", "--output", "{}/absent/file"): ("--output", "No such file"),
    ("fetch", "x", "--failures", "{}/absent/file"): ("--failures", "No such file"),
    ("fetch", "x", "--output", "-", "--failures", "-"): ("--failures", "another file"),
    ("fetch", "--from", "{}/w_ids", "--output", "{}/w_ids"): ("--output", "another file"),
    ("fetch", "--from", "{}/w_ids", "--from", "{}/more", "--output", "{}/more"): (
        "--output",
        "another file",
    ),
    ("fetch", "--from", "{}/w_ids", "--from", "{}/more", "--failures", "{}/w_ids"): (
        "--failures",
        "another file",
    ),
    ("fetch", "x", "--nonsense"): ("--nonsense",),
    ("sync",): ("W_ID", "--from FILE"),
    ("sync", "x", "--gateway", "nonsense"): ("--gateway", "must begin with http"),
    ("sync", "x", "--to", "mysql://u:hidden@h/d"): ("--to", "sqlite:///PATH or postgresql://"),
    ("sync", "x", "--to", "sqlite:///{}/absent/c.db"): ("--to", "no directory"),
    ("sync", "x", "--to", "sqlite:///{}"): ("--to", "is a directory"),
    ("sync", "postgresql://u:hidden@h/d"): ("W_ID", "give that with --to"),
    ("sync", "--from", "postgresql://u:hidden@h/d"): ("--from", "u:***@h/d", "No such file"),
    ("sync", "x", "--stale-after", "1 week"): ("--stale-after", "90s, 10m, 1h or 2d"),
    ("sync", "x", "--max-shrink", "1.5"): ("--max-shrink", "at least 0 and at most 1"),
    ("sync", "x", "--confirm-after", "1 day"): ("--confirm-after", "90s, 10m, 1h or 2d"),
    ("sync", "--from", "{}/w_ids", "--failures", "{}/w_ids"): ("--failures", "another file"),
    ("sync", "x", "--ca", "{}/absent.pem"): ("--ca", "No such file"),
    ("watch", "x", "--every", "1s", "--attempts", "x"): ("--attempts", "whole number"),
    ("watch", "x"): ("--every",),
    ("watch", "x", "--every", "0s"): ("--every", "at least 0.1s"),
    ("watch", "x", "--every", "1s", "--confirm-after", "-1s"): ("--confirm-after", "a time like"),
    ("accept", "--store", "sqlite:///{}/c.db"): ("--store", "does not exist"),
    ("accept", "x", "--store", "mysql://u:hidden@h/d"): ("--store", "sqlite:///PATH or"),
    ("accept", "--store", "postgresql://u:hidden@h/d"): ("W_ID", "must be given"),
    ("accept", "postgresql://u:hidden@h/d"): ("W_ID", "give that with --store"),
    ("changes", "--store", "sqlite:///{}/absent.db"): ("--store", "wxcontacts sync --to"),
    ("changes", "--since", "yesterday"): ("--since", "a time like"),
    ("changes", "--w-id", " "): ("--w-id", "must not be blank"),
    ("changes", "postgresql://u:hidden@h/d"): ("u:***@h/d",),
    ("export", "--format", "xls", "--output", "x"): ("--format", "'parquet', 'jsonl', 'csv'"),
    ("export", "--format", "csv"): ("--output",),
    ("export", "--format", "csv", "--output", "x", "--store", "sqlite:///{}/w_ids.db"): (
        "--store",
        "does not exist",
    ),
    ("emulator", "--port", "x"): ("--port", "at most 65535"),
    ("emulator", "--instances", "-1"): ("--instances", "whole number of at least 0"),
    ("emulator", "--seed", "x"): ("--seed", "whole number"),
    ("emulator", "--initializing", "2"): ("--initializing", "at least 0 and at most 1"),
    ("emulator", "--refusing", "nan"): ("--refusing", "at least 0 and at most 1"),
    ("emulator", "--contacts", "50000"): ("--contacts", "at most 40000"),
    ("emulator", "--latency", "-1"): ("--latency", "at least 0"),
    ("emulator", "--advance-every", "-1"): ("--advance-every", "at least 0, or none"),
    ("emulator", "--advance-every", "inf"): ("--advance-every", "at least 0, or none"),
    ("emulator", "--faults", "status-418"): ("--faults", "no 'status-418'", "status-503", "null"),
    ("emulator", "--faults", "null:1.5"): ("--faults", "share must be", "above 0 and at most 1"),
    ("emulator", "--faults", "null:often"): ("--faults", "share must be", "not 'often'"),
    ("emulator", "--faults", "null@5/9"): ("--faults", "must be like KIND[=N]", "'null@5/9'"),
    ("emulator", "--faults", "null@5+9/3"): ("--faults", "every must be", "at least 9"),
    ("emulator", "--faults", "null=3"): ("--faults", "null takes no number"),
    ("emulator", "--faults", "status-503=0.5"): ("--faults", "retry_after must be a whole"),
    ("emulator", "--faults", "rate-limit=0"): ("--faults", "per_second must be", "above 0"),
    ("emulator", "--faults", "rate-limit:0.5"): ("--faults", "share must be 1", "every call"),
    ("demo", "--to", "sqlite:///{}/absent/demo.db"): ("--to", "there is no directory"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("usage")
    (folder / "latin1").write_bytes(b"one\ncaf\xe9\n")
    (folder / "comments").write_text("# none\n\n")
    (folder / "columns").write_text("one  # its name\n\ntwo name\n")
    (folder / "w_ids").write_text("one\n")
    (folder / "more").write_text("two\n")
    (folder / "table.csv").write_text("one,hidden,1\ntwo,hidden,2\n")
    (folder / "tab").write_text("one\ntwo\thidden\n")
    (folder / "semicolon").write_text("one\ntwo;hidden\n")
    (folder / "table.jsonl").write_text('{"wId":"one","gateway":["hidden"]}')
    (folder / "gap.csv").write_text("name,wId\nhidden,one\nhidden,\n")
    (folder / "quote.csv").write_text('wId\n"one"hidden\n')
    (folder / "other.jsonl").write_text('{"userName":"hidden"}\n')
    (folder / "number.jsonl").write_text('{"wId":"one"}\n{"wId":1234}\n')
    (folder / "pretty.json").write_text('{\n  "wId": "hidden"\n}\n')
    (folder / "cut.json").write_text('["hidden",')
    (folder / "deep.json").write_text("[" * 100_000)
    (folder / "open.csv").write_text('"hidden' + "x" * 200_000)
    (folder / "numbers.json").write_text("[1234]")
    (folder / "book.xlsx").write_bytes(b"PK\x03\x04\x14")
    (folder / "utf16").write_bytes("one\n".encode("utf-16-le"))
    _write_certificates(folder)
    return folder


def _write_certificates(folder: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    one, another = (authority.issue_cert("crm@example.org") for _ in range(2))
    one.cert_chain_pems[0].write_to_path(str(folder / "one.pem"))
    another.private_key_pem.write_to_path(str(folder / "another.key"))
    key = load_pem_private_key(one.private_key_pem.bytes(), None)
    locked = key.private_bytes(
        Encoding.PEM,
        PrivateFormat.PKCS8,
        BestAvailableEncryption(b"secret"),
    )
    (folder / "locked.key").write_bytes(locked)
    lines = (folder / "ca.pem").read_text().splitlines()
    (folder / "broken.pem").write_text("\n".join([lines[0], "hidden", *lines[2:]]))


@pytest.mark.parametrize(
    "given", [pytest.param(given, id=" ".join(given)[:60]) for given in _WRONG]
)
def test_a_wrong_argument_is_named_with_what_it_may_be(
    given: tuple[str, ...],
    folder: Path,
    tmp_path: Path,
) -> None:
    ended = run(*(word.replace("{}", str(folder)) for word in given), folder=tmp_path)

    assert ended.code == 2
    assert ended.output == ""
    for words in _WRONG[given]:
        assert words in ended.messages
    assert not ended.has_traceback
    assert "hidden" not in ended.messages


def test_nothing_is_overwritten_when_something_else_is_wrong(folder: Path) -> None:
    precious = folder / "w_ids"

    ended = run("fetch", "x", "--output", str(precious), "--failures", str(folder))

    assert ended.code == 2
    assert precious.read_text() == "one\n"


def test_the_authorization_variable_is_named_when_it_cannot_be_sent() -> None:
    ended = run("fetch", "x", variables={"WXCONTACTS_AUTHORIZATION": "hidden\nX: y"})

    assert ended.code == 2
    assert "WXCONTACTS_AUTHORIZATION" in ended.messages
    assert "hidden" not in ended.messages

"""What a type checker knows of the public API."""

import subprocess
import sys
from pathlib import Path

import pytest

SERVICE = """
from wxcontacts_async import (
    Contact, Failed, Fetched, Gateway, Instance, SessionPool, merge_contact_sets,
)

class MyContact(Contact, frozen=True):
    remark_name: str | None = None

async def service(url: str, w: str) -> None:
    reveal_type(await SessionPool(url, contact_type=MyContact).fetch(w))
    reveal_type(await SessionPool(url).fetch(w))
    pool = SessionPool({"east": Gateway(url), "west": url}, contact_type=MyContact)
    async with pool, pool.stream([w, Instance(w, gateway="east")]) as outcomes:
        async for outcome in outcomes:
            match outcome:
                case Fetched(contacts=contacts):
                    reveal_type(contacts["a"].remark_name)
                case Failed(error=error):
                    reveal_type(error)
    report = await pool.fetch_all(w for w in [w])
    reveal_type(report.contacts)
    reveal_type(merge_contact_sets(report.contacts.values())["a"].contact)

async def bare(pool: SessionPool) -> None:
    reveal_type(await pool.fetch("w"))
"""


@pytest.mark.slow
def test_a_type_checker_knows_which_contacts_come_back(tmp_path: Path) -> None:
    source = tmp_path / "service.py"
    source.write_text(SERVICE, encoding="utf-8")
    checked = subprocess.run(  # noqa: S603  # our own arguments
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    revealed = [
        line.partition('Revealed type is "')[2].rstrip('"').replace("wxcontacts_async.", "")
        for line in checked.stdout.splitlines()
        if "Revealed type" in line
    ]
    assert [name.replace("contacts.", "").replace("service.", "") for name in revealed] == [
        "ContactSet[MyContact]",
        "ContactSet[Contact]",
        "str | None",
        "errors.WxContactsError",
        "dict[str, ContactSet[MyContact]]",
        "MyContact",
        "ContactSet[Contact]",
    ]
    assert "error:" not in checked.stdout

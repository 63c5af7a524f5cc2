"""The benchmarks' server sends what real gateways send, and contenders read it."""

from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection
from itertools import count
from urllib.parse import urlsplit

import pytest

from benchmarks.contender_process import Harness
from benchmarks.contenders import BY_NAME, Contender
from benchmarks.contenders.msgspec_replies import decode, user_names
from benchmarks.instances import Form, Setup, fingerprint, w_id_of
from benchmarks.measured import Task
from benchmarks.processes import serving
from benchmarks.replies import replies, response
from benchmarks.workloads import SLOTS, Workload
from tests.support.loops import on_asyncio

FIRST = count(0, 1 << 20)


async def measure(form: Form, contender: Contender) -> int:
    """Fetch from such a server, which is started for it; return how many instances."""
    workload = Workload(
        name="tiny",
        title="tiny",
        setup=Setup(300, bodies=2, form=form),
        instances=SLOTS,
        seconds=0.01,
    )
    with serving(workload.setup) as server:
        task = Task(
            contender=contender.name,
            workload=workload.name,
            quick=True,
            url=server.url,
            fingerprints=server.fingerprints,
            first=next(FIRST),
            core=None,
        )
        return (await Harness(workload, task, contender).measure()).instances


@pytest.mark.slow
@on_asyncio
@pytest.mark.parametrize("form", ["chunked", "gzip"])
@pytest.mark.parametrize("name", ["wxcontacts_async", "aiohttp-msgspec", "pyreqwest-msgspec"])
async def test_a_contender_reads_it(name: str, form: Form) -> None:
    contender = BY_NAME[name]
    if missing := contender.missing():
        pytest.skip(f"{missing} is not installed")
    assert await measure(form, contender) == SLOTS


def test_a_client_that_does_not_ask_for_gzip_is_noticed() -> None:
    with serving(Setup(5, form="gzip")) as server:
        connection = HTTPConnection(urlsplit(server.url).netloc)
        with closing(connection):
            connection.request("POST", "/getAllContact", f'{{"wId":"{w_id_of(0)}"}}'.encode())
            assert connection.getresponse().status == HTTPStatus.NOT_ACCEPTABLE


def test_chunks_have_8_kb_and_no_length() -> None:
    head, _, body = bytes(response(b"x" * 20_000, "chunked")).partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head
    assert b"Content-Length" not in head
    assert body.startswith(b"2000\r\nxxx")
    assert body.endswith(b"x\r\n0\r\n\r\n")
    assert body.count(b"x") == 20_000


def test_more_contacts_than_there_are_people_are_all_different() -> None:
    [reply] = replies(Setup(25_000, bodies=1))
    names = set(user_names(decode(reply.body)))
    assert len(names) == 25_000
    assert fingerprint(names) == reply.fingerprint

"""The replies that the server of the benchmarks has ready, in the form in which they are sent."""

import zlib
from collections.abc import Iterable

import msgspec

from benchmarks.instances import Form, Setup, fingerprint
from wxcontacts_async import Contact
from wxcontacts_async.emulator.population import Population

_CHUNK = 8 * 1024  # Tomcat's buffer, so what Spring Boot sends
_GZIP_LEVEL, _GZIP = 6, 16 + zlib.MAX_WBITS
_INVENTED_AT_ONCE = 10_000
_SUCCESS = '{"message":"成功","code":"1000","data":%s}'.encode()
_TYPE = "Content-Type: application/json; charset=utf-8"


class Reply(msgspec.Struct, frozen=True):
    """The body of one reply, and a checksum of whom it has."""

    body: bytes
    fingerprint: int


def replies(setup: Setup) -> list[Reply]:
    """Make up all replies of a server."""
    population = Population()
    return [_reply(population, f"reply {number}", setup) for number in range(setup.bodies)]


def response(body: bytes, form: Form) -> memoryview:
    """Return what is sent: the head, and the body in its form."""
    framing = f"Content-Length: {len(body)}"
    if form == "gzip":
        compressor = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP)
        body = compressor.compress(body) + compressor.flush()
        framing = f"Content-Encoding: gzip\r\nContent-Length: {len(body)}"
    elif form == "chunked":
        chunks = [body[at : at + _CHUNK] for at in range(0, len(body), _CHUNK)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
        framing = "Transfer-Encoding: chunked"
    return memoryview(f"HTTP/1.1 200 OK\r\n{_TYPE}\r\n{framing}\r\n\r\n".encode() + body)


def _reply(population: Population, name: str, setup: Setup) -> Reply:
    if not setup.changed and setup.contacts <= _INVENTED_AT_ONCE:
        contacts = population.contact_set(name, setup.contacts)
        body = population.reply(name, setup.contacts)
        return Reply(body, fingerprint(contact.user_name for contact in contacts))
    lists = _lists(population, name, setup.contacts)
    if setup.changed:
        every = round(1 / setup.changed)
        lists = {kind: _changed(some, every) for kind, some in lists.items()}
    names = [contact.user_name for some in lists.values() for contact in some]
    return Reply(_SUCCESS % msgspec.json.encode(lists), fingerprint(names))


def _lists(population: Population, name: str, contacts: int) -> dict[str, list[Contact]]:
    """Invent so many contacts, of which there may be more than people."""
    lists: dict[str, list[Contact]] = {}
    for first in range(0, contacts, _INVENTED_AT_ONCE):
        number = first // _INVENTED_AT_ONCE
        part = population.contact_set(
            f"{name}.{number}" if number else name,
            min(_INVENTED_AT_ONCE, contacts - first),
        )
        for kind, some in part.lists():
            lists.setdefault(kind, []).extend(_others(some, number) if number else some)
    return lists


def _others(contacts: Iterable[Contact], number: int) -> Iterable[Contact]:
    """Make others of contacts that may be there already."""
    for contact in contacts:
        yield msgspec.structs.replace(contact, user_name=f"{contact.user_name}_{number}")


def _changed(contacts: list[Contact], every: int) -> list[Contact]:
    """Change every so many of the contacts."""
    found = []
    for number, contact in enumerate(contacts):
        turn = number // every % 10
        if number % every:
            found.append(contact)
        elif turn == 1:
            found.append(msgspec.structs.replace(contact, user_name=f"{contact.user_name}_2"))
        elif turn != 2:  # noqa: PLR2004  # else it is gone
            found.append(msgspec.structs.replace(contact, nick_name=f"{contact.nick_name} 2"))
    return found

"""The gateway of the soak: an emulator with every fault at once, in a process that can be killed.

It prints a JSON line, a Counted, once it listens and then about every 0.3 s, and ends when its
stdin is closed.
"""

import asyncio
import sys
from collections import Counter
from contextlib import AsyncExitStack, suppress

import msgspec

from benchmarks.soak_thinning import ThinningPopulation, thins
from wxcontacts_async.emulator import (
    EmulatedInstance,
    Fault,
    FaultKind,
    GatewayEmulator,
    Refusal,
)

_COUNTED_EVERY = 0.3
_INITIALIZES_EVERY, _REFUSED_EVERY = 10, 100

# Each instance has one of these of its own and none of the others, so that the client knows what
# may be wrong with its contacts, and with how many of them. What thins a reply is none of these.
_CONTACT_DAMAGES = [
    kind for kind in FaultKind if kind.strikes_contacts and kind is not FaultKind.THINNED
]
DAMAGED_AT_ONCE = 1
_DAMAGED_SHARE = 0.05

_PASSING = (
    FaultKind.RESET_BEFORE_HEADERS,
    FaultKind.RESET_IN_HEADERS,
    FaultKind.RESET_AFTER_HEADERS,
    FaultKind.CLOSE_WITHOUT_REPLY,
    FaultKind.CLOSE_AFTER_REPLY,
    FaultKind.SHORT_BODY,
    FaultKind.UNENDED_CHUNKS,
    FaultKind.NOT_HTTP,
    FaultKind.NOT_JSON,
    FaultKind.HTML,
    FaultKind.EMPTY_BODY,
    FaultKind.NULL,
    FaultKind.LIST,
    FaultKind.HALF_JSON,
    FaultKind.BYTE_ORDER_MARK,
    FaultKind.GB18030,
    FaultKind.SET_COOKIE,
    FaultKind.STATUS_429,
    FaultKind.STATUS_500,
    FaultKind.STATUS_502,
    FaultKind.STATUS_503,
    FaultKind.STATUS_504,
    FaultKind.INITIALIZING_500,
    FaultKind.THROTTLED,
)
# Each of them is an instance's failure, so they are rare.
_FINAL = (
    FaultKind.REDIRECT,
    FaultKind.STATUS_400,
    FaultKind.STATUS_401,
    FaultKind.STATUS_403,
    FaultKind.STATUS_404,
    FaultKind.STATUS_405,
    FaultKind.REFUSED_404,
)
# Each of them takes a slot for a whole request_timeout, or a large reply's worth of work.
_COSTLY = (
    FaultKind.SILENCE,
    FaultKind.TRICKLE,
    FaultKind.DEEP_NESTING,
    FaultKind.ENDLESS_HEADERS,
    FaultKind.ENDLESS_BODY,
    FaultKind.GZIP_BOMB,
    FaultKind.TINY_CHUNKS,
)
# As a proxy has it whose gateway is away: for all instances, so each has them before its own.
_OUTAGES = (
    Fault(FaultKind.STATUS_502, after=10, during=1.5, every=20),
    Fault(FaultKind.STATUS_503, after=14, during=1.5, every=20),
)
FAULTS = (
    Fault(FaultKind.RATE_LIMIT, per_second=200, after=6.5, during=1.5, every=20),
    Fault(FaultKind.RATE_LIMIT, per_second=200, retry_after=1, after=16.5, during=1, every=20),
    Fault(FaultKind.REFUSE_CONNECTIONS, after=3, during=0.3, every=9),
    Fault(FaultKind.RESET_CONNECTIONS, share=0.01),
    # The whole gateway pauses for a second then, so it says so at times only.
    Fault(FaultKind.STATUS_429, share=0.02, retry_after=1, after=5, during=0.1, every=16),
    Fault(FaultKind.STATUS_503, share=0.02, retry_after=1, after=9, during=0.1, every=16),
    *(Fault(kind, share=0.003) for kind in _PASSING),
    *(Fault(kind, share=0.0005) for kind in _FINAL),
    *(Fault(kind, share=0.0003) for kind in _COSTLY),
)


class GatewaySetup(msgspec.Struct, frozen=True):
    """What this process is told on its command line, as JSON.

    Attributes:
        port: The port to listen at; 0 takes a free one.
        instances: How many instances there are.
        contacts: How many contacts each has.
        seed: Another seed, other people.
        life: Which start of the gateway this is; in each other calls meet a fault.
        certificate: The file of its TLS certificate and key; "" is none, and no TLS.

    """

    port: int
    instances: int
    contacts: int
    seed: int
    life: int
    certificate: str = ""


class Counted(msgspec.Struct, frozen=True):
    """What the gateway has counted since it last said so, and where it listens."""

    url: str
    calls: int
    faults: dict[str, int]


def w_id_of(number: int) -> str:
    """Return the wId of the instance of that number."""
    return f"soak-{number:06d}"


def damage_of(number: int) -> FaultKind:
    """Return the only kind of damage that the contacts of the instance of that number meet."""
    return _CONTACT_DAMAGES[number % len(_CONTACT_DAMAGES)]


def number_of(w_id: str) -> int:
    """Return the number of an instance."""
    return int(w_id.rpartition("-")[2])


def _is_thinned(w_id: str) -> bool:
    return thins(number_of(w_id))


def _instance(number: int, contacts: int) -> EmulatedInstance:
    damage = Fault(damage_of(number), share=_DAMAGED_SHARE, contacts=DAMAGED_AT_ONCE)
    # Not of one multiple alone, else all of them would have the same kind of damage.
    drawn = number // len(_CONTACT_DAMAGES)
    return EmulatedInstance(
        contacts=contacts,
        initializing_calls=int(drawn % _INITIALIZES_EVERY == 0),
        refusal=Refusal() if drawn % _REFUSED_EVERY == 1 else None,
        # Of a thin one it must be plain what is missing.
        faults=_OUTAGES if thins(number) else (*_OUTAGES, damage),
    )


async def _serve(setup: GatewaySetup) -> None:
    emulator = GatewayEmulator(
        {w_id_of(number): _instance(number, setup.contacts) for number in range(setup.instances)},
        # A life that met the faults of the one before would have the same instances fail again.
        seed=setup.seed * 1_000 + setup.life,
        faults=FAULTS,
        port=0 if setup.certificate else setup.port,
    )
    population = ThinningPopulation(setup.seed, setup.life, _is_thinned)
    emulator.population = population  # the same people in each life
    async with emulator, AsyncExitStack() as stack:
        url = emulator.url
        if setup.certificate:
            # Those who soak without it need no certificates.
            from benchmarks.soak_tls import tls_in_front_of  # noqa: PLC0415

            inner = int(url.rpartition(":")[2])
            relay = tls_in_front_of(inner, setup.certificate, setup.port)
            url = await stack.enter_async_context(relay)
        ended = asyncio.ensure_future(asyncio.to_thread(sys.stdin.read))
        told: Counter[str] = Counter()
        while not ended.done():
            met = Counter({str(kind): times for kind, times in emulator.faults_met.items()})
            met[FaultKind.THINNED] += population.thinned
            faults = met - told
            told = met
            _say(Counted(url, len(emulator.calls), dict(faults)))
            emulator.calls.clear()  # else they would fill the memory
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(ended), _COUNTED_EVERY)


def _say(counted: Counted) -> None:
    sys.stdout.write(msgspec.json.encode(counted).decode() + "\n")
    sys.stdout.flush()


def main() -> None:
    """Serve until stdin is closed, or until killed."""
    asyncio.run(_serve(msgspec.json.decode(sys.argv[1], type=GatewaySetup)))


if __name__ == "__main__":
    main()

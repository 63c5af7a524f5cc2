"""Plays a program of steps over one pool, and checks what always holds.

A step is the name of a method of World with its arguments, so that a program that fails is read
as it is printed. Steps do not wait for what they begin; how far that gets until the next step is
a matter of how many ticks of the event loop the program puts between them.
"""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Mapping
from typing import Literal

import anyio
from anyio.abc import TaskGroup

from tests.support.leftovers import no_tasks_left, open_sockets_to, settle
from tests.support.logged import logged
from tests.support.world import (
    CONTACTS,
    INTERVAL,
    REPLIES,
    SLOTS,
    TROUBLED,
    W_IDS,
    WELL,
    Caller,
    Clock,
    Reader,
    World,
)
from wxcontacts_async import (
    ContactSet,
    Failed,
    Fetched,
    Gateway,
    GatewayConnectionError,
    InitializationWait,
    PoolClosedError,
    RetryPolicy,
    SessionPool,
    WxContactsError,
)
from wxcontacts_async.emulator import GatewayEmulator, RecordedCall

Step = tuple[str, *tuple[object, ...]]
Ending = Literal["read on", "leave", "cancel"]
Emulators = Mapping[str, GatewayEmulator]

SECRET = "Bearer s3cret"  # noqa: S105  # invented


async def play(steps: list[Step], ending: Ending) -> None:
    """Play a program; raise AssertionError if something does not hold."""
    clock = Clock()
    uncaught: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: uncaught.append(context))
    with logged(logging.DEBUG) as log:
        async with _emulator(TROUBLED) as troubled, _emulator(WELL) as well:
            emulators = {TROUBLED: troubled, WELL: well}
            with no_tasks_left(), anyio.fail_after(30):
                async with anyio.create_task_group() as tasks:
                    world = await _play(steps, ending, emulators, tasks, clock)
            for emulator in emulators.values():
                await emulator.wait_until_idle()
            await settle()
            for emulator in emulators.values():
                assert open_sockets_to(emulator.url) == 0
    assert not uncaught, uncaught
    assert not clock.wrong, clock.wrong
    for emulator in emulators.values():
        _check_calls(emulator.calls)
    for caller in world.callers:
        _check_caller(caller, ending, emulators)
    for reader in world.readers:
        _check_reader(reader, ending, emulators)
    _check_secrets(log.messages, world, emulators)


def _emulator(gateway: str) -> GatewayEmulator:
    # Another seed, so that what one gateway has for a wId is not taken for the other's.
    seed = list(W_IDS).index(gateway)
    return GatewayEmulator(dict.fromkeys(W_IDS[gateway], REPLIES["ready"]), seed=seed)


async def _play(
    steps: list[Step],
    ending: Ending,
    emulators: Emulators,
    tasks: TaskGroup,
    clock: Clock,
) -> World:
    with anyio.CancelScope() as scope:
        async with SessionPool(
            {
                name: Gateway(
                    emulator.url,
                    max_concurrency=SLOTS,
                    headers={"Authorization": SECRET},
                )
                for name, emulator in emulators.items()
            },
            initialization=InitializationWait(INTERVAL, timeout=4 * INTERVAL),
            retry=RetryPolicy(3, initial_delay=INTERVAL, max_delay=INTERVAL),
            observers=[clock],
        ) as pool:
            world = World(emulators, pool, tasks, clock)
            for name, *arguments in steps:
                await getattr(world, name)(*arguments)
                await world.check_calls_under_way()
            if ending == "read on":
                await world.read_on()
            elif ending == "cancel":
                scope.cancel()
    world.stop()
    return world


def _check_calls(calls: list[RecordedCall]) -> None:
    """See what was under way together, of the calls that the client saw the end of."""
    # One that it cancelled is over for the gateway a moment later than for the client.
    whole = [call for call in calls if call.reply != "gone"]
    for call in whole:
        together = [one for one in whole if one.began <= call.began < (one.ended or math.inf)]
        assert len(together) <= SLOTS
        assert len({one.w_id for one in together}) == len(together)


def _check_caller(caller: Caller, ending: Ending, emulators: Emulators) -> None:
    assert caller.over.is_set()
    gateway, w_id = caller.name.split()
    if caller.contacts is not None:
        _check_contacts(caller.contacts, w_id, emulators[gateway])
    elif caller.error is not None:
        _check_error(caller.error, caller.name, closed=ending != "read on")
    else:
        assert caller.scope.cancel_called


def _check_reader(reader: Reader, ending: Ending, emulators: Emulators) -> None:
    assert reader.over.is_set()
    asked = Counter(reader.names)
    read = Counter(f"{outcome.gateway} {outcome.w_id}" for outcome in reader.read)
    assert read <= asked
    if ending == "read on" and not (reader.was_left or reader.scope.cancel_called):
        assert reader.exhausted
    if reader.exhausted:
        assert read == asked
    for outcome in reader.read:
        if isinstance(outcome, Fetched):
            _check_contacts(outcome.contacts, outcome.w_id, emulators[outcome.gateway])
        else:
            _check_error(outcome.error, f"{outcome.gateway} {outcome.w_id}", closed=False)


def _check_contacts(contacts: ContactSet, w_id: str, emulator: GatewayEmulator) -> None:
    there = emulator.contact_set(w_id)
    damaged = {name for call in emulator.calls_of(w_id) for name in call.damaged}
    assert len(contacts) + len(contacts.rejected) == CONTACTS
    for contact in there:
        assert contact.user_name in damaged or contacts.get(contact.user_name) == contact


def _check_error(error: WxContactsError, name: str, *, closed: bool) -> None:
    assert type(error) is not WxContactsError, "that is a fault of the library"
    if isinstance(error, PoolClosedError):
        assert closed
        return
    assert f"{error.gateway} {error.w_id}" == name
    if error.gateway == WELL:
        assert not isinstance(error, GatewayConnectionError)


def _check_secrets(log: list[str], world: World, emulators: Emulators) -> None:
    errors = [
        *(caller.error for caller in world.callers),
        *(one.error for reader in world.readers for one in reader.read if isinstance(one, Failed)),
    ]
    said = "\n".join([*log, *(f"{error} {error!r}" for error in errors)])
    assert SECRET not in said
    for gateway, emulator in emulators.items():
        for w_id in W_IDS[gateway]:
            for contact in emulator.contact_set(w_id):
                assert contact.user_name not in said
                assert contact.nick_name is None or contact.nick_name not in said

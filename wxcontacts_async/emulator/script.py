"""What an emulated instance does when it is called."""

import random
import uuid
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from wxcontacts_async.emulator.faults import Fault, FaultKind, check_faults
from wxcontacts_async.errors import InvalidArgumentError
from wxcontacts_async.validation import check_number, check_w_id

_MOST_CONTACTS = 40_000
_FOR_EVER = 2**62


class Refusal(msgspec.Struct, frozen=True):
    """A reply that says no; by default the API document's sample of an error."""

    code: str = "1001"
    message: str = "失败"


Answer = Literal["initializing"] | Refusal | Fault | FaultKind
"""What one call is answered with: 初始化中, a refusal, or a fault."""


class EmulatedInstance(msgspec.Struct, frozen=True, kw_only=True):
    """How one instance answers. It is ready at once unless told otherwise.

    Arguments:
        contacts: How many contacts it has, 0 to 40,000; None draws 10 to 10,000 from the seed.
        initializing_calls: How many calls are answered with 初始化中 first, at least 0.
        initializing_seconds: How long calls are answered with 初始化中, in seconds from the
            first call, at least 0.
        refusal: What it answers once it is initialized, instead of contacts.
        latency: Seconds before each answer, at least 0; `math.inf` never answers.
        faults: What goes wrong with calls for it, and when. They go before the faults of all
            instances.
        at_calls: What single calls are answered with, by their number, the first one being 1.
            This goes before the rest of these; the faults of all instances strike all the same.

    Raises:
        InvalidArgumentError: An argument is out of its bounds.

    """

    contacts: int | None = None
    initializing_calls: int = 0
    initializing_seconds: float = 0.0
    refusal: Refusal | None = None
    latency: float = 0.0
    faults: tuple[Fault, ...] = ()
    at_calls: Mapping[int, Answer] = {}

    def __post_init__(self) -> None:
        check_number(
            "contacts",
            self.contacts,
            at_least=0,
            at_most=_MOST_CONTACTS,
            whole=True,
            optional=True,
        )
        check_number("initializing_calls", self.initializing_calls, at_least=0, whole=True)
        check_number("initializing_seconds", self.initializing_seconds, at_least=0)
        if self.latency != float("inf"):
            check_number("latency", self.latency, at_least=0)
        check_faults(self.faults, of_instance=True)
        for number, answer in self.at_calls.items():
            check_number("number", number, at_least=1, whole=True)
            _check_answer(answer)

    def at_call(self, number: int) -> "EmulatedInstance":
        """Return how it answers its call of that number."""
        match self.at_calls.get(number):
            case None:
                return self
            case Refusal() as refusal:
                return EmulatedInstance(refusal=refusal, latency=self.latency)
            case Fault() as fault:
                return msgspec.structs.replace(self, faults=(fault, *self.faults))
            case FaultKind() as kind:
                return msgspec.structs.replace(self, faults=(Fault(kind), *self.faults))
            case _:
                return EmulatedInstance(initializing_calls=_FOR_EVER, latency=self.latency)


def draw_instances(
    number: int,
    *,
    seed: int,
    initializing: float,
    refusing: float,
    contacts: int | None,
    latency: float,
) -> dict[str, EmulatedInstance]:
    """Draw so many instances; each share of them is exact, which ones depends on the seed.

    The initializing ones say so to their first call or their first two.
    """
    rng = random.Random(f"instances {seed}")  # noqa: S311  # invents, guards nothing
    w_ids = [str(uuid.UUID(int=rng.getrandbits(128), version=4)) for _ in range(number)]
    shuffled = rng.sample(w_ids, number)
    first_ready = round(number * initializing)
    first_refusing = number - round(number * refusing)
    drawn = {}
    for place, w_id in enumerate(shuffled):
        drawn[w_id] = EmulatedInstance(
            contacts=contacts,
            initializing_calls=rng.randint(1, 2) if place < first_ready else 0,
            refusal=Refusal() if place >= first_refusing else None,
            latency=latency,
        )
    return {w_id: drawn[w_id] for w_id in w_ids}


def read_instances(
    instances: object,
    *,
    like_all: EmulatedInstance,
    seed: int,
    initializing: float,
    refusing: float,
) -> dict[str, EmulatedInstance]:
    """Draw so many instances, or take those that are given, each `like_all` if by its wId alone.

    Raise InvalidArgumentError if they are neither.
    """
    if isinstance(instances, Mapping):
        read = dict(instances)
    elif isinstance(instances, int):
        check_number("instances", instances, at_least=0, whole=True)
        read = draw_instances(
            instances,
            seed=seed,
            initializing=initializing,
            refusing=refusing,
            contacts=like_all.contacts,
            latency=like_all.latency,
        )
    elif isinstance(instances, Iterable) and not isinstance(instances, str):
        read = dict.fromkeys(instances, like_all)
    else:
        msg = "instances must be a number, wIds, or a mapping of wIds to EmulatedInstance"
        raise InvalidArgumentError(msg, argument="instances")
    for w_id, instance in read.items():
        check_instance(w_id, instance)
    return read


def check_instance(w_id: object, instance: object) -> None:
    """Raise InvalidArgumentError unless it is a wId and an EmulatedInstance."""
    check_w_id(w_id)
    if not isinstance(instance, EmulatedInstance):
        msg = f"instances[{w_id!r}] must be an EmulatedInstance, not {instance!r}"
        raise InvalidArgumentError(msg, argument="instances")


def _check_answer(answer: object) -> None:
    if answer == "initializing" or isinstance(answer, Refusal):
        return
    if not isinstance(answer, Fault | FaultKind):
        msg = f"answer must be 'initializing', a Refusal, a Fault or a FaultKind, not {answer!r}"
        raise InvalidArgumentError(msg, argument="answer")
    check_faults([answer if isinstance(answer, Fault) else Fault(answer)], of_instance=True)

"""What an emulated instance does when it is called."""

import random
import uuid

import msgspec

from wxcontacts_async.emulator.faults import Fault, check_faults
from wxcontacts_async.validation import check_number

_MOST_CONTACTS = 40_000


class Refusal(msgspec.Struct, frozen=True):
    """A reply that says no; by default the API document's sample of an error."""

    code: str = "1001"
    message: str = "失败"


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

    Raises:
        InvalidArgumentError: An argument is out of its bounds.

    """

    contacts: int | None = None
    initializing_calls: int = 0
    initializing_seconds: float = 0.0
    refusal: Refusal | None = None
    latency: float = 0.0
    faults: tuple[Fault, ...] = ()

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

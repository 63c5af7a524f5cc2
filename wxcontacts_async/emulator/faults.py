"""What faults there are, and when one strikes."""

import random
from collections.abc import Iterable
from enum import StrEnum

import msgspec

from wxcontacts_async.errors import InvalidArgumentError
from wxcontacts_async.validation import check_number

_MOST_CONTACTS = 40_000


class FaultKind(StrEnum):
    """What can go wrong between a gateway and its client; the values are the command's words."""

    # The gateway is away.
    REFUSE_CONNECTIONS = "refuse-connections"
    """The port is closed, as if the process were gone; what is open is reset when it begins."""
    RESET_CONNECTIONS = "reset-connections"
    """The port listens, but a connection is reset as soon as it is made, so that one can count
    them; one that was made earlier, when it is called on."""

    # The connection breaks.
    RESET_BEFORE_HEADERS = "reset-before-headers"
    RESET_IN_HEADERS = "reset-in-headers"
    RESET_AFTER_HEADERS = "reset-after-headers"
    CLOSE_WITHOUT_REPLY = "close-without-reply"
    CLOSE_AFTER_REPLY = "close-after-reply"
    """The reply is whole, and the connection is closed behind it without having said so."""
    SHORT_BODY = "short-body"
    """Half of what its Content-Length says, and then the connection is closed."""
    UNENDED_CHUNKS = "unended-chunks"
    """A chunked body that is whole but for the chunk that says so."""

    # The reply takes its time, or has no end.
    SILENCE = "silence"
    TRICKLE = "trickle"
    """The reply, so many bytes a second."""
    TINY_CHUNKS = "tiny-chunks"
    """A million chunks of a blank each, and then the reply."""
    ENDLESS_HEADERS = "endless-headers"
    ENDLESS_BODY = "endless-body"
    GZIP_BOMB = "gzip-bomb"
    """10 MB of gzip that are 10 GB of blanks."""

    # The reply is none.
    NOT_HTTP = "not-http"
    NOT_JSON = "not-json"
    HTML = "html"
    EMPTY_BODY = "empty-body"
    NULL = "null"
    LIST = "list"
    DEEP_NESTING = "deep-nesting"
    HALF_JSON = "half-json"
    """The first half of the reply, as if that were all."""

    # The reply's text is damaged.
    LONE_SURROGATE = "lone-surrogate"
    INVALID_UTF8 = "invalid-utf8"
    CONTROL_CHARACTERS = "control-characters"
    BYTE_ORDER_MARK = "byte-order-mark"
    GB18030 = "gb18030"
    """The reply in that encoding; its Content-Type says so."""

    # Contacts of the reply have a wrong shape, or an odd one.
    USER_NAME_MISSING = "user-name-missing"
    USER_NAME_NULL = "user-name-null"
    USER_NAME_NUMBER = "user-name-number"
    USER_NAME_BLANK = "user-name-blank"
    NESTED_OBJECT = "nested-object"
    """An object stands where the nickname belongs."""
    NOT_AN_OBJECT = "not-an-object"
    REPEATED_CONTACT = "repeated-contact"
    """A contact stands twice in its list, and again among the groups."""
    LOOSE_TYPES = "loose-types"
    """The code is 1000.0; of a contact, the sex is text and missing text is an empty string."""
    ODD_VALUES = "odd-values"
    """Of a contact, the nickname is printed as protobuf, the sex is 男, 女 or 未知, the signature
    a list, the country `false` and the city NaN, so that no parser of JSON takes the reply."""

    # The reply is sound, but not all of it.
    THINNED = "thinned"
    """It lacks one of its lists, or half of each, or all contacts; which of these is drawn."""

    # HTTP says something else.
    REDIRECT = "redirect"
    """To another host, one that cannot exist."""
    SET_COOKIE = "set-cookie"
    STATUS_400 = "status-400"
    STATUS_401 = "status-401"
    STATUS_403 = "status-403"
    STATUS_404 = "status-404"
    STATUS_405 = "status-405"
    STATUS_429 = "status-429"
    STATUS_500 = "status-500"
    STATUS_502 = "status-502"
    STATUS_503 = "status-503"
    STATUS_504 = "status-504"
    RATE_LIMIT = "rate-limit"
    """429 for a call that comes sooner than so many calls a second allow, spread evenly, as nginx's
    `limit_req` without a burst does; before anything else, and for all instances together."""

    # The reply says no, in its own way.
    INITIALIZING_500 = "initializing-500"
    """初始化中, with the HTTP status 500."""
    REFUSED_404 = "refused-404"
    """A refusal with a message, with the HTTP status 404."""
    THROTTLED = "throttled"
    """A refusal that says to come back later, as WeChat has it of an account."""

    @property
    def status(self) -> int | None:
        """The HTTP status that it answers with; None if that is not the fault."""
        return int(self.removeprefix("status-")) if self.startswith("status-") else None

    @property
    def strikes_connections(self) -> bool:
        """Whether it strikes connections, for any instance, and not calls."""
        return self in _OF_CONNECTIONS

    @property
    def strikes_contacts(self) -> bool:
        """Whether it strikes some contacts of a reply, and leaves the others as they are."""
        return self in _OF_CONTACTS

    @property
    def needs_contacts(self) -> bool:
        """Whether it is met by replies with contacts only."""
        return self.strikes_contacts or self is FaultKind.THINNED

    @property
    def rejects_contacts(self) -> bool:
        """Whether the contacts that it strikes cannot be read."""
        return self in _OF_SHAPE

    @property
    def flaws_contacts(self) -> bool:
        """Whether the contacts that it strikes can be read, but not all of their values."""
        return self in _OF_VALUES


_OF_CONNECTIONS = {FaultKind.REFUSE_CONNECTIONS, FaultKind.RESET_CONNECTIONS}
_OF_SHAPE = {
    FaultKind.USER_NAME_MISSING,
    FaultKind.USER_NAME_NULL,
    FaultKind.USER_NAME_NUMBER,
    FaultKind.USER_NAME_BLANK,
    FaultKind.NOT_AN_OBJECT,
}
_OF_VALUES = {FaultKind.NESTED_OBJECT, FaultKind.ODD_VALUES}
_OF_CONTACTS = (
    _OF_SHAPE
    | _OF_VALUES
    | {
        FaultKind.LONE_SURROGATE,
        FaultKind.INVALID_UTF8,
        FaultKind.CONTROL_CHARACTERS,
        FaultKind.REPEATED_CONTACT,
        FaultKind.LOOSE_TYPES,
    }
)


class Fault(msgspec.Struct, frozen=True):
    """One fault, what it strikes and when; every call at all times unless told otherwise.

    Arguments:
        kind: What goes wrong. A kind that strikes contacts, or `THINNED`, is met by replies with
            contacts only.
        share: Share of the calls that it strikes, above 0 to 1; of the connections for
            `RESET_CONNECTIONS`. Which ones depends on the emulator's seed alone: for the same
            seed it is the same calls of each instance, however many come at once. Shares of
            several faults add up; beyond 1 the later faults get what is left.
        first_calls: Only so many calls of each instance, from its first one, at least 1; only so
            many connections for `RESET_CONNECTIONS`.
        after: When it begins, in seconds from when the emulator was entered, at least 0.
        during: For how many seconds, above 0; None for ever.
        every: Once more every so many seconds, at least `during`; None never again.
        retry_after: Whole seconds, at least 0, that a status, or `RATE_LIMIT`, says in a
            Retry-After header; None says nothing.
        bytes_per_second: How fast `TRICKLE` is, above 0.
        contacts: How many contacts of a reply are struck by a kind that strikes contacts, 1 to
            40,000.
        per_second: How many calls a second `RATE_LIMIT` lets through, above 0.

    Raises:
        InvalidArgumentError: An argument is out of its bounds, or means nothing for that kind.

    """

    kind: FaultKind
    share: float = 1.0
    first_calls: int | None = None
    after: float = 0.0
    during: float | None = None
    every: float | None = None
    retry_after: int | None = None
    bytes_per_second: float = 1.0
    contacts: int = 1
    per_second: float = 50.0

    def __post_init__(self) -> None:
        if not isinstance(self.kind, FaultKind):
            msg = f"kind must be a FaultKind ({', '.join(FaultKind)}), not {self.kind!r}"
            raise InvalidArgumentError(msg, argument="kind")
        check_number("share", self.share, above=0, at_most=1)
        check_number("first_calls", self.first_calls, at_least=1, whole=True, optional=True)
        check_number("after", self.after, at_least=0)
        check_number("during", self.during, above=0, optional=True)
        check_number("every", self.every, at_least=self.during, optional=True)
        check_number("retry_after", self.retry_after, at_least=0, whole=True, optional=True)
        check_number("bytes_per_second", self.bytes_per_second, above=0)
        check_number("contacts", self.contacts, at_least=1, at_most=_MOST_CONTACTS, whole=True)
        check_number("per_second", self.per_second, above=0)
        if self.every is not None and self.during is None:
            msg = "every needs during, for how many seconds it goes on each time"
            raise InvalidArgumentError(msg, argument="every")
        answers_with_a_status = self.kind.status is not None or self.kind is FaultKind.RATE_LIMIT
        if self.retry_after is not None and not answers_with_a_status:
            msg = f"retry_after is for the kinds status-... and rate-limit, not for {self.kind}"
            raise InvalidArgumentError(msg, argument="retry_after")
        if self.kind is FaultKind.REFUSE_CONNECTIONS and self.share != 1:
            msg = f"share must be 1 for {self.kind}, as a port is open or closed for all"
            raise InvalidArgumentError(msg, argument="share")
        if self.kind is FaultKind.REFUSE_CONNECTIONS and self.first_calls is not None:
            msg = f"first_calls must be None for {self.kind}, as those refused are not seen"
            raise InvalidArgumentError(msg, argument="first_calls")
        if self.kind is FaultKind.RATE_LIMIT and (self.share != 1 or self.first_calls is not None):
            msg = f"share must be 1 and first_calls None for {self.kind}, as it counts every call"
            raise InvalidArgumentError(msg, argument="share")

    def is_on(self, seconds: float) -> bool:
        """Tell whether its time is so many seconds after the emulator was entered."""
        since = seconds - self.after
        if self.every is not None:
            since = since % self.every if since >= 0 else since
        return since >= 0 and (self.during is None or since < self.during)

    def next_change(self, seconds: float) -> float | None:
        """Return when its time begins or ends next; None if never."""
        if seconds < self.after:
            return self.after
        if self.during is None:
            return None
        begin = self.after
        if self.every is not None:
            begin += (seconds - self.after) // self.every * self.every
        if seconds < begin + self.during:
            return begin + self.during
        return None if self.every is None else begin + self.every


def check_faults(faults: object, *, of_instance: bool = False) -> tuple[Fault, ...]:
    """Return the faults, or raise InvalidArgumentError if they are none or not for an instance."""
    if not isinstance(faults, Iterable) or isinstance(faults, str):
        msg = f"faults must be an iterable of Fault, not {faults!r}"
        raise InvalidArgumentError(msg, argument="faults")
    checked = tuple(faults)
    for fault in checked:
        if not isinstance(fault, Fault):
            msg = f"faults must be of type Fault, not {fault!r}"
            raise InvalidArgumentError(msg, argument="faults")
        if of_instance and fault.kind.strikes_connections:
            msg = f"faults of an instance cannot be {fault.kind}, as it strikes connections"
            raise InvalidArgumentError(msg, argument="faults")
        if of_instance and fault.kind is FaultKind.RATE_LIMIT:
            msg = f"faults of an instance cannot be {fault.kind}, as it counts the calls of all"
            raise InvalidArgumentError(msg, argument="faults")
    return checked


class FaultPlan:
    """Decides which fault strikes, from the seed and the time alone.

    Arguments:
        faults: Those that may strike any call or connection.
        seed: Another seed, other calls.

    """

    def __init__(self, faults: tuple[Fault, ...], seed: int) -> None:
        self._seed = seed
        self._limits = tuple(f for f in faults if f.kind is FaultKind.RATE_LIMIT)
        self._of_calls = tuple(
            f for f in faults if not f.kind.strikes_connections and f not in self._limits
        )
        self._resetting = tuple(f for f in faults if f.kind is FaultKind.RESET_CONNECTIONS)
        self.refusing = tuple(f for f in faults if f.kind is FaultKind.REFUSE_CONNECTIONS)

    def of_connection(self, number: int, seconds: float) -> Fault | None:
        """Return what strikes a connection when it is made; `number` counts them from 1."""
        on = [fault for fault in self._resetting if _is_met(fault, number, seconds)]
        return _drawn(on, f"connection {self._seed} {number}")

    def of_call(
        self,
        w_id: str,
        number: int,
        seconds: float,
        *,
        connected: float,
        own: tuple[Fault, ...],
    ) -> Fault | None:
        """Return what strikes a call.

        Arguments:
            w_id: The instance.
            number: Which call of that instance it is, counted from 1.
            seconds: When it is answered.
            connected: When its connection was made.
            own: The faults of that instance; they go before those of all.

        """
        # A connection that was made while they were on has been let through by them.
        resetting = [f for f in self._resetting if f.is_on(seconds) and not f.is_on(connected)]
        chances = (
            ("connected", resetting),
            ("instance", [fault for fault in own if _is_met(fault, number, seconds)]),
            ("gateway", [fault for fault in self._of_calls if _is_met(fault, number, seconds)]),
        )
        for scope, on in chances:
            fault = _drawn(on, f"{scope} {self._seed} {number} {w_id}")
            if fault is not None:
                return fault
        return None

    def rate_limit(self, seconds: float) -> Fault | None:
        """Return what limits the rate of calls that come in at that time."""
        return next((fault for fault in self._limits if fault.is_on(seconds)), None)

    def refuses(self, seconds: float) -> bool:
        """Tell whether the port is to be closed."""
        return any(fault.is_on(seconds) for fault in self.refusing)

    def next_change(self, seconds: float) -> float | None:
        """Return when the port is to be closed or opened next; None if never."""
        changes = (fault.next_change(seconds) for fault in self.refusing)
        return min((change for change in changes if change is not None), default=None)


def _is_met(fault: Fault, number: int, seconds: float) -> bool:
    among_the_first = fault.first_calls is None or number <= fault.first_calls
    return among_the_first and fault.is_on(seconds)


def _drawn(on: list[Fault], lot: str) -> Fault | None:
    """Draw one of the faults that are on, each with the chance of its share."""
    if not on:
        return None
    drawn = random.Random(f"fault of {lot}").random()  # noqa: S311  # guards nothing
    for fault in on:
        if drawn < fault.share:
            return fault
        drawn -= fault.share
    return None

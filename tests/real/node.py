"""The gateway and the forward proxy that run in Node."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from tests.real.certificates import ServerCertificate
from tests.real.people import People, people_of
from tests.real.processes import ServerProcess, find_program

_HERE = Path(__file__).parent


class NodeInstance(msgspec.Struct, frozen=True, kw_only=True):
    """How one instance answers; with its contacts at once unless told otherwise.

    Arguments:
        initializing: How many calls are answered with 初始化中 first.
        initializing_status: The HTTP status of these answers.
        refusal: The message of a refusal, instead of contacts.
        refusal_status: The HTTP status of that.
        page_status: The HTTP status of a page that is answered instead of all that; 0 for none.
        latency: Seconds before each answer.
        hangs_up: Whether each call is read, and the connection then closed.

    """

    initializing: int = 0
    initializing_status: int = 200
    refusal: str = ""
    refusal_status: int = 200
    page_status: int = 0
    latency: float = 0.0
    hangs_up: bool = False


class NodeCall(msgspec.Struct):
    """One call that the gateway read, by the clock of `time.monotonic`.

    Attributes:
        w_id: The instance.
        began: When the call had been read.
        connection: The number of its connection, in that life of the process.
        ended: Just before it was answered, or when its connection was gone; None if it was under
            way when the process was killed.
        how: "ready", "initializing", "refused", "page", "hung up", or "gone".

    """

    w_id: str
    began: float
    connection: int
    ended: float | None = None
    how: str | None = None


class _Line(msgspec.Struct):
    life: int
    call: int
    w_id: str = msgspec.field(default="", name="wId")
    began: float = 0.0
    connection: int = 0
    ended: float | None = None
    how: str | None = None


class NodeGateway(ServerProcess):
    """A gateway in Node; it answers for any wId.

    Arguments:
        contacts: How many contacts each instance has.
        instance: How they answer, but for those in `instances`.
        instances: How some of them answer, by wId.
        compressed: Whether it compresses its answers if asked for.
        keep_alive: Seconds after which it closes a connection that nobody uses.
        certificate: What it speaks TLS with; None is plain http.

    """

    def __init__(
        self,
        *,
        contacts: int = 20,
        instance: NodeInstance = NodeInstance(),  # noqa: B008  # frozen
        instances: Mapping[str, NodeInstance] | None = None,
        compressed: bool = False,
        keep_alive: float = 60.0,
        certificate: ServerCertificate | None = None,
    ) -> None:
        super().__init__()
        self._node = find_program("node", "nodejs")
        self._contacts = contacts
        self._life = 0
        self._setup = {
            "contacts": contacts,
            "instance": instance,
            "instances": instances or {},
            "compressed": compressed,
            "keep_alive": keep_alive,
            "tls": certificate and {"certificate": str(certificate.pem)},
        }
        scheme = "http" if certificate is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self.port}"

    def command(self) -> list[str | Path]:
        self._life += 1
        setup = {**self._setup, "port": self.port, "life": self._life, "record": str(self._record)}
        return [self._node, _HERE / "gateway.mjs", msgspec.json.encode(setup).decode()]

    @property
    def _record(self) -> Path:
        return self.folder / "record"

    def calls(self) -> list[NodeCall]:
        """Return every call that it read, in all of its lives."""
        calls: dict[tuple[int, int], NodeCall] = {}
        for written in self._record.read_bytes().splitlines() if self._record.exists() else ():
            line = msgspec.json.decode(written, type=_Line)
            key = line.life, line.call
            if line.ended is None:
                calls[key] = NodeCall(line.w_id, line.began, line.connection)
            else:
                calls[key].ended, calls[key].how = line.ended, line.how
        return list(calls.values())

    def people_of(self, w_id: str) -> People:
        """Return whom an instance knows."""
        return people_of(w_id, self._contacts)


class ProxiedRequest(msgspec.Struct, frozen=True):
    """What a forward proxy was asked."""

    method: str
    url: str
    headers: dict[str, str]


class ForwardProxy(ServerProcess):
    """A forward proxy in Node.

    Arguments:
        credentials: "user:password" that it asks for; "" asks for none.

    """

    def __init__(self, *, credentials: str = "") -> None:
        super().__init__()
        self._node = find_program("node", "nodejs")
        self._credentials = credentials
        self.url = f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str | Path]:
        setup = {
            "port": self.port,
            "credentials": self._credentials,
            "record": str(self.folder / "record"),
        }
        return [self._node, _HERE / "forward_proxy.mjs", msgspec.json.encode(setup).decode()]

    def requests(self) -> list[ProxiedRequest]:
        """Return every request that it got, in the order of arrival."""
        written = (self.folder / "record").read_bytes().splitlines()
        return [msgspec.json.decode(line, type=ProxiedRequest) for line in written]

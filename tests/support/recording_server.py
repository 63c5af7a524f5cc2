"""A gateway that gives each call the reply it is told to, and keeps what it was sent."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue


class _Recorder(BaseHTTPRequestHandler):
    """Answers every call with the server's reply, and keeps what it was sent."""

    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, RecordingServer)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.headers.append(dict(self.headers))
        server.w_ids.put(json.loads(body)["wId"])
        reply = server.reply
        self.send_response(server.status)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_: object) -> None:
        pass


class RecordingServer(ThreadingHTTPServer):
    def __init__(
        self,
        reply: bytes,
        status: int = 200,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Recorder)
        self._scheme = "http" if tls is None else "https"
        if tls is not None:
            # The handshake is the thread's of each connection, and its failure the client's to see.
            self.socket = tls.wrap_socket(
                self.socket,
                server_side=True,
                do_handshake_on_connect=False,
            )
        self.reply = reply
        self.status = status
        self.headers: list[dict[str, str]] = []
        self.w_ids: Queue[str] = Queue()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """Say nothing: the client has closed the connection, or shaken no hands."""


@contextmanager
def recording(
    reply: bytes,
    status: int = 200,
    tls: ssl.SSLContext | None = None,
) -> Iterator[RecordingServer]:
    with RecordingServer(reply, status, tls) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def reply_with(*friends: str, **nick_names: str) -> bytes:
    """Make the reply that has these friends, some with a name."""
    entries = [{"userName": user_name} for user_name in friends]
    entries += [{"userName": key, "nickName": value} for key, value in nick_names.items()]
    return json.dumps({"code": "1000", "data": {"friend": entries}}).encode()

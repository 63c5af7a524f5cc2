"""nginx and HAProxy in front of a gateway, and what they logged."""

import os
import signal
from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from textwrap import indent

import msgspec

from tests.real.certificates import ServerCertificate
from tests.real.processes import ServerProcess, find_program


class ProxiedCall(msgspec.Struct, frozen=True):
    """One call that a proxy answered.

    Attributes:
        began: When its first byte had been read, in seconds of the wall clock.
        ended: When it was answered.
        status: The HTTP status of the answer.
        connection: Another one for each connection of a client.

    """

    began: float
    ended: float
    status: int
    connection: int


class ReverseProxy(ServerProcess):
    """What stands in front of a gateway."""

    url: str
    _in_order: signal.Signals  # ends it once it has answered, and logged, what is under way

    def calls(self) -> list[ProxiedCall]:
        """Stop it, as it logs a call after the answer, and return every call that it answered."""
        self.stop(self._in_order)
        return self._logged()

    @abstractmethod
    def _logged(self) -> list[ProxiedCall]:
        """Return the calls in its log, in the order in which they were answered."""

    @property
    def refused(self) -> int:
        """How many calls it refused for load."""
        return sum(call.status in {429, 503} for call in self.calls())


_NGINX = """\
worker_processes 1;
daemon off;
pid nginx.pid;
error_log error.log;
{user}
events {{
    worker_connections 1024;
}}
http {{
    client_body_temp_path temporary;
    proxy_temp_path temporary;
    fastcgi_temp_path temporary;
    uwsgi_temp_path temporary;
    scgi_temp_path temporary;
    log_format call "call $msec $request_time $status $connection";
    access_log access.log call;
{in_http}
    upstream node {{
        server 127.0.0.1:{upstream};
        keepalive 64;
    }}
    server {{
        listen 127.0.0.1:{port}{tls_words};
{in_server}
        location / {{
            proxy_pass http://node;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
{in_location}
        }}
    }}
}}
"""


class Nginx(ReverseProxy):
    """nginx, a reverse proxy in front of a plain gateway.

    Arguments:
        upstream: The gateway's port.
        in_http: Directives of the http block.
        in_server: Directives of the server block.
        in_location: Directives of the location block.
        certificate: What it speaks TLS with; None is plain http.
        tls_words: More of the `listen` line, such as "http2".

    """

    _in_order = signal.SIGQUIT

    def __init__(
        self,
        upstream: int,
        *,
        in_http: Iterable[str] = (),
        in_server: Iterable[str] = (),
        in_location: Iterable[str] = (),
        certificate: ServerCertificate | None = None,
        tls_words: str = "",
    ) -> None:
        super().__init__()
        self._nginx = find_program("nginx", "nginx")
        tls = _nginx_tls(certificate)
        self._configuration = _NGINX.format(
            # As root it would run its workers as somebody who cannot enter the folder.
            user="user root;" if os.getuid() == 0 else "",
            upstream=upstream,
            port=self.port,
            tls_words=f" ssl {tls_words}".rstrip() if certificate else "",
            in_http=_lines(in_http, " " * 4),
            in_server=_lines([*tls, *in_server], " " * 8),
            in_location=_lines(in_location, " " * 12),
        )
        scheme = "http" if certificate is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self.port}"

    def command(self) -> list[str | Path]:
        (self.folder / "nginx.conf").write_text(self._configuration)
        return [self._nginx, "-p", self.folder, "-c", "nginx.conf", "-e", "error.log"]

    def reload(self) -> None:
        """Let other workers take over, as `nginx -s reload` does."""
        self.send_signal(signal.SIGHUP)

    def _logged(self) -> list[ProxiedCall]:
        log = self.folder / "access.log"
        return [
            ProxiedCall(float(at) - float(took), float(at), *map(int, numbers))
            for _, at, took, *numbers in map(str.split, log.read_text().splitlines())
        ]


def _nginx_tls(certificate: ServerCertificate | None) -> list[str]:
    if certificate is None:
        return []
    return [
        f"ssl_certificate {certificate.pem};",
        f"ssl_certificate_key {certificate.pem};",
        f"ssl_client_certificate {certificate.authority};",
    ]


_HAPROXY = """\
global
    log stdout format raw local0 info
    maxconn 2000
defaults
    mode http
    log global
    option dontlognull
    timeout connect 1s
    timeout client 60s
    timeout server 60s
    retries 0
frontend gateway
    bind 127.0.0.1:{port}{tls}
    log-format "call %Ts.%ms %Th %Ti %Ta %ST %cp"
{in_frontend}
    default_backend node
backend node
{in_backend}
    server node 127.0.0.1:{upstream} {server_words}
"""


class HAProxy(ReverseProxy):
    """HAProxy, in front of a plain gateway.

    Arguments:
        upstream: The gateway's port.
        in_frontend: Lines of the frontend.
        in_backend: Lines of the backend.
        server_words: More of the backend's server line, such as "check inter 100ms".
        certificate: What it speaks TLS with; None is plain http.
        tls_words: More of the frontend's bind line, such as "verify required".

    """

    _in_order = signal.SIGUSR1

    def __init__(
        self,
        upstream: int,
        *,
        in_frontend: Iterable[str] = (),
        in_backend: Iterable[str] = (),
        server_words: str = "",
        certificate: ServerCertificate | None = None,
        tls_words: str = "",
    ) -> None:
        super().__init__()
        self._haproxy = find_program("haproxy", "haproxy")
        self._configuration = _HAPROXY.format(
            port=self.port,
            upstream=upstream,
            tls=_haproxy_tls(certificate, tls_words),
            in_frontend=_lines(in_frontend, " " * 4),
            in_backend=_lines(in_backend, " " * 4),
            server_words=server_words,
        )
        scheme = "http" if certificate is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self.port}"

    def command(self) -> list[str | Path]:
        configuration = self.folder / "haproxy.cfg"
        configuration.write_text(self._configuration)
        return [self._haproxy, "-db", "-f", configuration]

    def _logged(self) -> list[ProxiedCall]:
        found = []
        for line in self.output.splitlines():
            if line.startswith("call "):
                _, accepted, shook_hands, idle, took, *numbers = line.split()
                began = float(accepted) + (int(shook_hands) + int(idle)) / 1000
                ended = began + int(took) / 1000
                found.append(ProxiedCall(began, ended, *map(int, numbers)))
        return found


def _haproxy_tls(certificate: ServerCertificate | None, words: str) -> str:
    if certificate is None:
        return ""
    return f" ssl crt {certificate.pem} ca-file {certificate.authority} {words}".rstrip()


def _lines(lines: Iterable[str], margin: str) -> str:
    return indent("\n".join(lines), margin)

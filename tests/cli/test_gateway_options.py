"""The options that say how a gateway is called: times, attempts, certificates and proxies."""

import json
import signal
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.support.command import emulator, end, run, start
from tests.support.one_call import server_context
from tests.support.recording_server import RecordingServer, recording, reply_with
from wxcontacts_async.emulator import GatewayEmulator

pytestmark = pytest.mark.processes

_REPLY = reply_with("someone")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def folder(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    issued = authority.issue_cert("crm@example.org")
    issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "both.pem"))
    issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "of:crm:1.pem"))
    issued.cert_chain_pems[0].write_to_path(str(folder / "of:crm:2.pem"))
    issued.private_key_pem.write_to_path(str(folder / "the:key.pem"))
    return folder


@pytest.fixture(scope="module")
def over_tls(authority: trustme.CA) -> Iterator[RecordingServer]:
    with recording(_REPLY, tls=server_context(authority, "127.0.0.1")) as server:
        yield server


@pytest.fixture(scope="module")
def for_known_clients(authority: trustme.CA) -> Iterator[RecordingServer]:
    context = server_context(authority, "127.0.0.1")
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    with recording(_REPLY, tls=context) as server:
        yield server


def test_an_authority_in_a_file_is_trusted(over_tls: RecordingServer, folder: Path) -> None:
    ended = run("fetch", "one", "--gateway", over_tls.url, "--ca", str(folder / "ca.pem"))

    assert ended.code == 0
    assert json.loads(ended.output)["userName"] == "someone"


def test_an_authority_that_is_not_trusted_is_said_with_the_option_for_it(
    over_tls: RecordingServer,
) -> None:
    ended = run("fetch", "one", "--gateway", over_tls.url)

    assert ended.code == 1
    assert "no TLS connection" in ended.messages
    assert "--ca FILE" in ended.messages


def test_insecure_trusts_any_certificate(over_tls: RecordingServer) -> None:
    ended = run("fetch", "one", "--gateway", over_tls.url, "--insecure")

    assert ended.code == 0


@pytest.mark.parametrize("given", ["both.pem", "of:crm:1.pem", "of:crm:2.pem:{}/the:key.pem"])
def test_a_client_certificate_is_shown(
    given: str,
    for_known_clients: RecordingServer,
    folder: Path,
) -> None:
    shown = f"{folder}/{given.replace('{}', str(folder))}"
    ended = run(
        *("fetch", "one", "--gateway", for_known_clients.url),
        *("--ca", str(folder / "ca.pem"), "--client-cert", shown),
    )

    assert ended.code == 0, ended.messages


def test_a_client_certificate_is_shown_to_a_gateway_that_is_not_verified(
    for_known_clients: RecordingServer,
    folder: Path,
) -> None:
    both = str(folder / "both.pem")
    ended = run(
        *("fetch", "one", "--gateway", for_known_clients.url),
        *("--insecure", "--client-cert", both),
    )

    assert ended.code == 0, ended.messages


def test_a_missing_client_certificate_is_said_with_the_option_for_it(
    for_known_clients: RecordingServer,
    folder: Path,
) -> None:
    ended = run("fetch", "one", "--gateway", for_known_clients.url, "--ca", str(folder / "ca.pem"))

    assert ended.code == 1
    assert "--client-cert FILE" in ended.messages


def test_a_call_ends_after_the_request_timeout_and_after_as_many_attempts() -> None:
    with emulator("--latency", "inf", "--instances", "1") as url:
        ended = run(
            *("fetch", *GatewayEmulator(1).w_ids, "--gateway", url),
            *("--request-timeout", "0.2", "--attempts", "1", "--outage-timeout", "0"),
        )

    assert ended.code == 1
    assert "no complete reply within 0.2 s" in ended.messages
    assert "--request-timeout" in ended.messages


@pytest.mark.parametrize("command", ["fetch", "sync"])
def test_it_is_called_as_often_as_attempts_say(command: str, tmp_path: Path) -> None:
    with recording(b"<html>", status=500) as server:
        ended = run(command, "one", "--gateway", server.url, "--attempts", "2", folder=tmp_path)

    assert ended.code == 1
    assert len(server.headers) == 2


def test_watch_calls_as_often_as_attempts_say(tmp_path: Path) -> None:
    with recording(b"<html>", status=500) as server:
        options = ("--every", "1h", "--attempts", "2", "--quiet")
        process = start("watch", "one", "--gateway", server.url, *options, folder=tmp_path)
        assert process.stderr is not None
        first = process.stderr.readline().decode()
        process.send_signal(signal.SIGTERM)
        ended = end(process)

    assert first.startswith("wId 'one': ")
    assert len(server.headers) == 2
    assert (ended.code, ended.messages) == (0, "")


def test_a_gateway_that_is_away_is_given_up_after_the_outage_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    ended = run("fetch", "one", "--gateway", url, "--outage-timeout", "0", "--attempts", "1")

    assert ended.code == 1
    assert "Check that the gateway runs and that --gateway is right." in ended.messages


@pytest.mark.parametrize(
    ("options", "variables"),
    [(("--proxy", "{}"), {}), (("--proxy", "environment"), {"HTTP_PROXY": "{}"})],
)
def test_a_gateway_is_called_by_a_proxy(
    options: tuple[str, ...],
    variables: dict[str, str],
) -> None:
    # A recording server answers any path, as a proxy does for http.
    with recording(_REPLY) as proxy:
        url = proxy.url.replace("http://", "http://crm:hidden@")
        ended = run(
            *("fetch", "one", "--gateway", "http://gateway.invalid"),
            *(option.replace("{}", url) for option in options),
            variables={name: value.replace("{}", url) for name, value in variables.items()},
        )

    assert ended.code == 0, ended.messages
    assert "Proxy-Authorization" in proxy.headers[0]


def test_a_proxy_that_is_away_is_said_with_the_option_for_it_and_without_its_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        proxy = f"http://crm:hidden@127.0.0.1:{taken.getsockname()[1]}"
    ended = run(
        *("fetch", "one", "--gateway", "http://gateway.invalid", "--proxy", proxy),
        *("--outage-timeout", "0", "--attempts", "1"),
    )

    assert ended.code == 1
    assert "no connection to the proxy" in ended.messages
    assert "that --proxy is right" in ended.messages
    assert "hidden" not in ended.messages


def test_an_environment_whose_proxy_cannot_be_used_is_said_at_once() -> None:
    ended = run(
        *("fetch", "one", "--proxy", "environment"),
        variables={"HTTP_PROXY": "socks5://crm:hidden@proxy.example"},
    )

    assert ended.code == 2
    assert "'--proxy': HTTP_PROXY must be like" in ended.messages
    assert "hidden" not in ended.messages


def test_the_whole_address_of_the_gateway_works() -> None:
    with recording(_REPLY) as server:
        ended = run("fetch", "one", "--gateway", f"{server.url}/getAllContact/")

    assert ended.code == 0

"""How the tests find the servers that they start, and leave nothing of them behind."""

import urllib.error
import urllib.request
from contextlib import suppress

import psutil
import pytest

from tests.real.node import NodeGateway
from tests.real.processes import find_program
from tests.real.reverse_proxies import Nginx


def test_a_test_is_skipped_where_its_server_is_missing_and_fails_where_that_must_be_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("WXCONTACTS_TEST_SERVERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install .* no-such-package"):
        find_program("no-such-server", "no-such-package")
    monkeypatch.setenv("WXCONTACTS_TEST_SERVERS", "required")
    with pytest.raises(pytest.fail.Exception, match="apt-get install .* no-such-package"):
        find_program("no-such-server", "no-such-package")


def test_a_server_that_was_killed_leaves_no_worker_and_no_folder() -> None:
    others = psutil.Process().children(recursive=True)
    with NodeGateway() as node, Nginx(node.port) as nginx:
        folder = nginx.folder
        # It listens before it has a worker, and answers once it has one.
        with suppress(urllib.error.HTTPError):
            urllib.request.urlopen(nginx.url, timeout=30).close()  # noqa: S310  # our own http://
        children = set(psutil.Process().children(recursive=True)).difference(others)
        workers = [child for child in children if child.parent()]
        assert len(workers) >= 3  # Node, nginx, and the worker of that
        nginx.kill()
        nginx.start()
    assert not folder.exists()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive

"""Prometheus itself, which scrapes what a test serves."""

import json
import subprocess
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.real.processes import ServerProcess, find_program

_PACKAGE = "prometheus"
_SECONDS = 40.0
_STARTING = 503  # its answer until it has opened its data


def promtool(*arguments: str | Path, given: bytes = b"", folder: Path | None = None) -> str:
    """Run promtool, which must be content; return what it says."""
    program = find_program("promtool", _PACKAGE)
    ended = subprocess.run(  # noqa: S603  # our own arguments
        [program, *arguments],
        input=given,
        capture_output=True,
        check=False,
        cwd=folder,
        timeout=_SECONDS,
    )
    said = ended.stdout.decode() + ended.stderr.decode()
    assert ended.returncode == 0, said
    return said


class Prometheus(ServerProcess):
    """Scrapes one target each second, by the rules of one file."""

    def __init__(self, target: str, rules: Path) -> None:
        super().__init__()
        self._program = find_program("prometheus", _PACKAGE)
        self._target = target
        self._rules = rules

    def command(self) -> list[str | Path]:
        """Write its configuration, and return how it is started."""
        job = {"job_name": "watch", "static_configs": [{"targets": [self._target]}]}
        configuration = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(self._rules)],
            "scrape_configs": [job],
        }
        # JSON is YAML, too.
        (self.folder / "prometheus.yml").write_text(json.dumps(configuration), encoding="utf-8")
        return [
            self._program,
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Ask its query API."""
        answer = self._get("query", query=expression)
        return list(answer["data"]["result"])

    def query_until(self, expression: str) -> list[dict[str, Any]]:
        """Ask until it has an answer, as it scrapes once a second."""
        deadline = monotonic() + _SECONDS
        while not (found := self.query(expression)):
            assert monotonic() < deadline, f"nothing answers {expression}"
            sleep(0.2)
        return found

    def rules(self) -> list[str]:
        """Return the names of the alerts that it has loaded."""
        groups = self._get("rules")["data"]["groups"]
        return [rule["name"] for group in groups for rule in group["rules"]]

    def _get(self, path: str, **parameters: str) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urlencode(parameters)}"
        deadline = monotonic() + _SECONDS
        while True:
            try:
                with urlopen(url, timeout=_SECONDS) as answer:  # it is http
                    found: dict[str, Any] = json.load(answer)
            except HTTPError as error:
                if error.code != _STARTING or monotonic() > deadline:
                    raise
                sleep(0.1)
            else:
                assert found["status"] == "success"
                return found

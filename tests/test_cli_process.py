"""The command's process: how the tests of it start it, and how it starts and ends by itself."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import wxcontacts_async
from tests.forked_command import is_too_long, run_forked

COMMAND = [sys.executable, "-m", "wxcontacts_async.cli"]
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in {"COLUMNS", "FORCE_COLOR", "NO_COLOR", "TERM", "WXCONTACTS_AUTHORIZATION"}
}
SECONDS = 30.0  # far more than any of them takes


@dataclass
class Ended:
    """A process that has ended, and what it wrote."""

    code: int
    output: str
    messages: str

    @property
    def has_traceback(self) -> bool:
        return "Traceback" in self.messages or "Exception ignored" in self.messages


def start(
    *arguments: str,
    folder: Path | None = None,
    variables: dict[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  # this very program
        [*COMMAND, *arguments],
        cwd=folder,
        env={**ENVIRONMENT, **(variables or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def end(process: subprocess.Popen[bytes], given: bytes = b"") -> Ended:
    with process:
        try:
            output, messages = process.communicate(given, timeout=SECONDS)
        finally:
            process.kill()
    return Ended(process.returncode, output.decode(), messages.decode())


def run(
    *arguments: str,
    given: bytes = b"",
    folder: Path | None = None,
    variables: dict[str, str] | None = None,
) -> Ended:
    if variables or is_too_long(arguments):
        return end(start(*arguments, folder=folder, variables=variables), given)
    code, output, messages = run_forked(arguments, given, folder, SECONDS, ENVIRONMENT)
    return Ended(code, output.decode(), messages.decode())


def run_limited(kib: int, *arguments: str, folder: Path) -> Ended:
    """Run it where no file may be larger than that, and wait for its end."""
    command = shlex.join([*COMMAND, *arguments])
    ended = subprocess.run(  # noqa: S603  # this very program
        [shutil.which("bash") or "bash", "-c", f"ulimit -f {kib} && exec {command}"],
        capture_output=True,
        check=False,
        cwd=folder,
        env=ENVIRONMENT,
        timeout=SECONDS,
    )
    return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


def read_until(process: subprocess.Popen[bytes], words: str) -> str:
    """Read its messages until there is a line with these words, and return that line."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line.decode():
            return line.decode()
    raise AssertionError(words)


@contextmanager
def emulator(*options: str) -> Iterator[str]:
    """Run `wxcontacts emulator` on a free port; give its URL."""
    process = start("emulator", "--port", "0", *options)
    with process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().decode().strip()
            process.send_signal(signal.SIGINT)
            _, messages = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    assert process.returncode == 0, messages.decode()
    assert "Traceback" not in messages.decode()


def test_it_says_its_version() -> None:
    ended = run("--version")

    assert ended.code == 0
    assert ended.output == f"wxcontacts {version('wxcontacts_async')}\n"


def test_it_is_a_module_of_the_package_and_the_package_has_its_version() -> None:
    ended = subprocess.run(  # this very program
        [sys.executable, "-m", "wxcontacts_async", "--version"],
        capture_output=True,
        check=False,
        text=True,
        timeout=SECONDS,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"wxcontacts {wxcontacts_async.__version__}\n"
    assert wxcontacts_async.__version__ == version("wxcontacts_async")


def test_help_has_every_option_with_its_default() -> None:
    ended = run("fetch", "--help")

    assert ended.code == 0
    words = " ".join(ended.output.split())
    for option in ("--from", "--output", "--failures", "--header", "WXCONTACTS_AUTHORIZATION"):
        assert option in words
    for default in ("http://localhost:18081", "32", "(no limit)", "5", "600"):
        assert f"[default: {default}]" in words


def test_without_a_subcommand_it_shows_the_help() -> None:
    ended = run()

    assert ended.code == 2
    for subcommand in ("fetch", "emulator", "demo"):
        assert subcommand in ended.output + ended.messages


def test_without_the_extra_it_says_what_to_install() -> None:
    for missing in ("typer", "rich"):
        program = (
            f"import sys; sys.modules[{missing!r}] = None; "
            "from wxcontacts_async.cli import main; main()"
        )
        ended = subprocess.run(  # noqa: S603  # this very program
            [sys.executable, "-c", program],
            capture_output=True,
            check=False,
            text=True,
            timeout=SECONDS,
        )

        assert ended.returncode == 2
        assert ended.stderr.count("\n") == 1
        assert "pip install 'wxcontacts_async[cli]'" in ended.stderr

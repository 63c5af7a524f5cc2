"""The command's process: how it starts and ends by itself."""

import subprocess
import sys
from importlib.metadata import version

import wxcontacts_async
from tests.support.command import SECONDS, run


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
    for default in ("(http://localhost:18081)", "32", "(no limit)", "5", "600"):
        assert f"default: {default}]" in words


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

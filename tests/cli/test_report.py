"""`wxcontacts report`: the file it writes, in which language, and what it refuses."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import SECONDS, run, synced
from tests.support.large_database import LargeDatabase
from wxcontacts_async.cli.options.language import usual_language

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with contacts.db, in which all contacts have one name."""
    folder = tmp_path_factory.mktemp("filled")
    url = f"sqlite:///{folder}/contacts.db"
    LargeDatabase(url, instances=20, contacts=30, name="秘密").fill()
    return folder


def _written(folder: Path, *options: str) -> str:
    ended = run("report", *options, folder=folder)
    assert (ended.code, ended.output) == (0, ""), ended.messages
    assert ended.messages == "The report is in 'report.html'.\n"
    return (folder / "report.html").read_text(encoding="utf-8")


def test_it_is_a_page_for_its_owner_alone_whoever_could_read_the_old_one(folder: Path) -> None:
    path = folder / "report.html"
    path.write_text("old")
    path.chmod(0o644)
    page = _written(folder)

    assert path.stat().st_mode & 0o777 == 0o600
    assert page.startswith("<!doctype html>")
    assert page.count("秘密") > 100
    assert "sqlite:///contacts.db" in page
    assert [file.name for file in folder.glob(".wxcontacts-*")] == []


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "de_DE.UTF-8", "LC_MESSAGES": "zh_TW"}, "zh"),
        ({"LANG": "", "LC_ALL": ""}, "en"),
        ({}, "en"),
    ],
)
def test_its_language_is_that_of_the_computer(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], language: str
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert usual_language() == language


def test_its_language_can_be_another_one(folder: Path) -> None:
    assert '<html lang="zh-CN">' in _written(folder, "--lang", "zh")
    assert '<html lang="en">' in _written(folder, "--lang", "en")


def test_an_anonymous_one_has_no_name_in_it(folder: Path) -> None:
    page = _written(folder, "--anonymous")

    assert "秘密" not in page
    assert "contacts.db" not in page
    assert "wx-00001" in page


def test_it_shows_what_happened_since_the_time_that_is_asked_for(folder: Path) -> None:
    by_hour, by_day = _written(folder, "--since", "12h"), _written(folder, "--since", "3d")

    assert "chart-came_and_went_by_hour" in by_hour
    assert "chart-came_and_went_by_day" in by_day


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (("--output", "-"), "must be a file, as a report has names in it"),
        (("--output", "/dev/null"), "it is no regular file"),
        (("--output", "contacts.db"), "must be another file than that of --store"),
        (("--output", "absent/report.html"), "No such file or directory"),
        (("--since", "tomorrow"), "must be a time ago like 90s"),
        (("--lang", "fr"), "'fr' is not one of 'zh', 'en'"),
        (("--store", "sqlite:///absent.db"), "sqlite:///absent.db does not exist"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(
    tmp_path: Path, options: tuple[str, ...], what: str
) -> None:
    synced(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    ended = run("report", *options, folder=tmp_path)

    assert ended.code == 2
    assert what in " ".join(ended.messages.split())
    assert not ended.has_traceback
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("module", ["jinja2", "pygal"])
def test_without_the_extra_it_says_what_to_install(module: str) -> None:
    program = (
        f"import sys; sys.modules[{module!r}] = None; sys.argv[0] = 'wxcontacts'; "
        "from wxcontacts_async.cli import main; main()"
    )
    ended = subprocess.run(  # noqa: S603  # this very program
        [sys.executable, "-c", program, "report"],
        capture_output=True,
        check=False,
        text=True,
        timeout=SECONDS,
    )

    assert ended.returncode == 2
    assert f"A report needs {module}" in ended.stderr
    assert "pip install 'wxcontacts_async[cli,store,report]'" in ended.stderr

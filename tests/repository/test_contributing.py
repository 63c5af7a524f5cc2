"""What CONTRIBUTING.md names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_every_file_and_folder_that_it_names_exists() -> None:
    named = re.findall(r"`([\w./-]+(?:\.py|\.toml|/run|/))`", TEXT)
    assert len(named) > 20
    places = (ROOT, ROOT / "wxcontacts_async", ROOT / "tests")
    beside = {"postgresql.py", "text.py"}  # they stand behind one of the same folder
    missing = [
        name
        for name in named
        if name not in beside and not any((place / name).exists() for place in places)
    ]
    assert missing == []


def test_every_command_names_tests_that_exist() -> None:
    for path in re.findall(r"tests/[\w/]+\.py", TEXT):
        assert (ROOT / path).exists(), path

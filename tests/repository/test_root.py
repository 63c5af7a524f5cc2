"""The package's root: what a caller may import, which is imported when it is asked for."""

import subprocess
import sys

import pytest

import wxcontacts_async
from wxcontacts_async import pool


def test_every_public_name_is_there_and_listed() -> None:
    assert {*wxcontacts_async.__all__} <= {*dir(wxcontacts_async)}
    assert all(hasattr(wxcontacts_async, name) for name in wxcontacts_async.__all__)
    assert wxcontacts_async.SessionPool is pool.SessionPool


def test_the_star_and_the_modules_are_there_too() -> None:
    program = (
        "import wxcontacts_async; wxcontacts_async.errors.WxContactsError; "
        "from wxcontacts_async import *; SessionPool; Outcome"
    )
    subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603  # our own program


def test_a_name_that_is_not_there_is_said_as_python_says_it() -> None:
    with pytest.raises(AttributeError, match=r"module 'wxcontacts_async' has no attribute 'nope'"):
        wxcontacts_async.nope  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'nope'"):
        from wxcontacts_async import nope  # type: ignore[attr-defined]  # noqa: F401, PLC0415

"""Runs pytest as a user of the plugin would, in a process and a folder of its own."""

from collections.abc import Callable

import pytest

_SCOPE = "asyncio_default_fixture_loop_scope = function"
_MODES = {  # the module's marker, the settings of pytest, its options
    "anyio": ("pytest.mark.anyio", "", "-pno:asyncio"),
    "anyio-beside-pytest-asyncio": ("pytest.mark.anyio", _SCOPE, ""),
    "anyio-auto": ("[]", "anyio_mode = auto", "-pno:asyncio"),
    "pytest-asyncio": ("pytest.mark.asyncio", _SCOPE, "-pno:anyio"),
    "pytest-asyncio-beside-anyio": ("pytest.mark.asyncio", _SCOPE, ""),
    "pytest-asyncio-auto": ("[]", f"{_SCOPE}\nasyncio_mode = auto", ""),
    "a-loop-for-a-module": ('pytest.mark.asyncio(loop_scope="module")', _SCOPE, ""),
    "a-loop-for-all": (
        "pytest.mark.asyncio",
        f"{_SCOPE}\nasyncio_default_test_loop_scope = session",
        "",
    ),
}

Run = Callable[..., pytest.RunResult]


@pytest.fixture(params=[pytest.param(mode, id=name) for name, mode in _MODES.items()])
def run_as_user(request: pytest.FixtureRequest, pytester: pytest.Pytester) -> Run:
    """Run some tests as they are written for each plugin that runs coroutines."""
    return _running(pytester, *request.param)


@pytest.fixture
def run_plainly(pytester: pytest.Pytester) -> Run:
    """Run some tests without a word about coroutines."""
    return _running(pytester, "[]", _SCOPE, "")


def _running(pytester: pytest.Pytester, marker: str, setting: str, options: str) -> Run:
    def run(tests: str, *more: str) -> pytest.RunResult:
        pytester.makeini(f"[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n{setting}")
        pytester.makepyfile(f"{_IMPORTS}\npytestmark = {marker}\n\n{tests}")
        return pytester.runpytest_subprocess(*options.split(), *more)

    return run


_IMPORTS = """
import math
from time import monotonic

import pytest

from wxcontacts_async import *
from wxcontacts_async.emulator import *

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""

"""The examples in docstrings run."""

import doctest
from types import ModuleType

import pytest

import wxcontacts_async
from wxcontacts_async import contacts


@pytest.mark.parametrize("module", [wxcontacts_async, contacts])
def test_the_examples_in_a_modules_docstrings_run(module: ModuleType) -> None:
    results = doctest.testmod(module)
    assert results.attempted > 0
    assert results.failed == 0

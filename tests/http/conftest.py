"""Every async test of this folder runs both ways in which calls are sent."""

import pytest

from tests.support.lending import known_buffers as known_buffers  # noqa: PLC0414  # a fixture
from tests.support.ways import both_ways
from tests.support.ways import way as way  # noqa: PLC0414  # a fixture

pytest_generate_tests = both_ways(pytest.mark.slow)

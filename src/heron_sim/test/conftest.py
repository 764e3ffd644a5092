"""Makes what tests of this package share importable, and gives those that compile the time that it takes."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FIRST_RUN_S = 400  # the first picture and the first step of traffic compile: a minute or two of a slow computer

sys.path.insert(0, str(HERE))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == HERE and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(FIRST_RUN_S))

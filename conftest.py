"""Tests of all packages, several at once (`./heron test -n 2`): each worker has a DDS domain, and who must be alone, is."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from pathlib import Path

import pytest

DOOR = Path(__file__)
ROOM = DOOR.with_name("pyproject.toml")
"""Files that are there, for their locks only."""

INSIDE = "HERON_TEST_INSIDE"
"""Set while a test runs: what it starts, a pytest of its own too, is in the room with it."""

DOMAINS_APART = 33
"""DDS domains between those of two workers; `./heron test` draws the first one's from 1 to 99."""


def pytest_configure() -> None:
    """A DDS domain for each worker."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    if worker and "ROS_DOMAIN_ID" in os.environ:
        os.environ["ROS_DOMAIN_ID"] = str((int(os.environ["ROS_DOMAIN_ID"]) - 1 + worker * DOMAINS_APART) % 99 + 1)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Keep a test that is marked `alone` or `slow` apart from those of the other workers, its fixtures included.

    Tests share the room, who must be alone takes it for himself. Whoever waits stands at the door, so that a row of short tests elsewhere
    does not keep a lone one out.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ or INSIDE in os.environ:
        return (yield)
    lone = any(item.get_closest_marker(name) for name in ("alone", "slow"))
    with DOOR.open() as door, ROOM.open() as room:
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if lone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        os.environ[INSIDE] = "1"
        try:
            return (yield)
        finally:
            del os.environ[INSIDE]
            fcntl.flock(room, fcntl.LOCK_UN)  # a child that a test has forked may still have the file open

"""Makes what tests of this package share importable, and recordings that many of them read."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def recording(tmp_path_factory):
    """23 seconds that Heron drives."""
    import toy_drive

    return toy_drive.drive(tmp_path_factory.mktemp("recording") / "drive", engaged_s=(-10.0, 100.0))


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server."""
    from postgres import server

    with server() as found:
        yield found

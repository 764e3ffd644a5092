"""Lets the tests of this package import `camera_fixtures`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

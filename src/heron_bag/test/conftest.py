"""Makes `bag_samples` importable by the tests and the processes they start."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

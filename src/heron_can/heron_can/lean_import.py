"""Keeps python-can light: by itself it imports asammdf wherever that is installed, for one of its log formats.

With asammdf come pandas, sympy and a thousand more modules: 1.1 s of CPU and 150 MB in every process that has a bus, against 0.14 s and 27 MB without
(python-can 4.6.1). Only who reads MF4 logs needs it, and loads it then: `heron_bag.importing.can_log`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

ASKER, ASKED = "can.io.mf4", "asammdf"


class _Finder(MetaPathFinder):
    """Finds nothing, and says that there is no asammdf while python-can is first imported; who asks later gets it."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        asker = sys.modules.get(ASKER)
        if name == ASKED and asker is not None and not hasattr(asker, "MF4Reader"):
            raise ModuleNotFoundError(f"{ASKED} is not needed yet", name=name)
        return None


def keep_python_can_light() -> None:
    """From now on; once a process."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())

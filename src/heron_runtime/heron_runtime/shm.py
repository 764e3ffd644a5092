"""Shared-memory segments of Fast DDS: a process that is killed leaves its own behind, 128 MB each with the project's profile."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path("/dev/shm")
_MAPPED = re.compile(rf"{FOLDER}/(fast(?:rtps|dds)_\w+)$", re.MULTILINE)  # fastdds_ since Fast DDS 3


def mapped(pid: int) -> set[str]:
    """Names of the segments that a process has mapped; empty when it is gone or not ours to look at."""
    try:
        return set(_MAPPED.findall(Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace")))
    except OSError:
        return set()


def sweep(names: Iterable[str], but: int = 0) -> list[str]:
    """Removes those of `names` that no living process has mapped (process `but` does not count); returns what was removed."""
    candidates = {name for name in names if (FOLDER / name).exists()}
    if not candidates:
        return []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != but:
            candidates -= mapped(int(entry.name))
    for name in candidates:
        for file in (name, f"{name}_el", f"sem.{name}_mutex"):
            (FOLDER / file).unlink(missing_ok=True)
    return sorted(candidates)

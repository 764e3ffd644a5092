"""Counters and stage durations of one component, and what becomes of them in a report."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from heron_core.errors import HeronError
from heron_core.stages import Stages

SAMPLES_KEPT = 20_000


class Trace:
    """Counters, and a bounded uniform sample of durations per stage (reservoir; seeded, so that a replay reports the same)."""

    def __init__(self, kept: int = SAMPLES_KEPT) -> None:
        self.counters: Counter[str] = Counter()
        self.samples_ms: dict[str, list[float]] = {}
        self._seen: Counter[str] = Counter()
        self._kept = kept
        self._random = random.Random(0)

    def add_stages(self, stages: Stages) -> None:
        """Adds the durations between the passed stages."""
        for name, duration_ms in stages.durations_ms().items():
            self.add(name, duration_ms)

    def add(self, name: str, duration_ms: float) -> None:
        """Adds one duration."""
        samples = self.samples_ms.setdefault(name, [])
        self._seen[name] += 1
        if len(samples) < self._kept:
            samples.append(duration_ms)
        else:
            slot = self._random.randrange(self._seen[name])
            if slot < self._kept:
                samples[slot] = duration_ms


def percentiles(samples_ms: Sequence[float]) -> dict[str, float]:
    """`{"p50": ms, "p99": ms}` of at least one sample."""
    p50, p99 = np.percentile(np.asarray(samples_ms, dtype=np.float64), (50, 99))
    return {"p50": round(float(p50), 3), "p99": round(float(p99), 3)}


def merge_reports(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Joins what components report into one tree.

    Raises:
        HeronError: two components claim the same key with different values.
    """
    merged: dict[str, Any] = {}
    for report in reports:
        _merge_into(merged, report, "")
    return merged


def _merge_into(target: dict[str, Any], source: Mapping[str, Any], path: str) -> None:
    for key, value in source.items():
        where = f"{path}{key}"
        if isinstance(value, Mapping):
            branch = target.setdefault(key, {})
            if not isinstance(branch, dict):
                raise HeronError(f"two components report {where}: {branch!r} and a group")
            _merge_into(branch, value, f"{where}.")
        elif key in target and target[key] != value:
            raise HeronError(f"two components report {where}: {target[key]!r} and {value!r}")
        else:
            target[key] = value

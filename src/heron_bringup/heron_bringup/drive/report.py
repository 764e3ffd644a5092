"""What the components report, joined to one `report.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from heron_runtime.tracing import merge_reports, percentiles


def read_component_reports(folder: Path) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The JSON files that containers left in `folder`, by name; and why others cannot be read (a component died while writing)."""
    reports, damaged = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            reports.append(json.loads(path.read_text(encoding="utf-8")))
        except json.JSONDecodeError as error:
            damaged.append(f"{path}: the component's report is incomplete: {error}")
    return reports, tuple(damaged)


def join_reports(components: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Component reports (see `HeronNode.full_report`) → the tree of `report.json`: their own keys, latency_ms per stage, counters per component."""
    listed = list(components)
    joined = merge_reports([component["report"] for component in listed])
    samples: dict[str, list[float]] = {}
    for component in listed:
        for stage, values in component["stages_ms"].items():
            samples.setdefault(stage, []).extend(values)
    joined["latency_ms"] = {stage: percentiles(values) for stage, values in samples.items() if values}
    joined["counters"] = {component["component"]: component["counters"] for component in listed if component["counters"]}
    lost = {component["component"]: component["dropped"] for component in listed if component["dropped"]}
    joined["queue_dropped"] = lost
    return joined


def write_report(report: Mapping[str, Any], folder: Path) -> Path:
    """Writes `report.json`, keys sorted."""
    path = folder / "report.json"
    path.write_text(json.dumps(report, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return path

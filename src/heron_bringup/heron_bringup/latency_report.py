"""A run's report for people: a table on the terminal, and the latency budget as a picture."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from heron_core.stages import DURATION_NAMES

WHOLE = ("exposure_to_plan", "exposure_to_can")
BACK, WHITE, GREY, LINE = (32, 29, 27), (240, 240, 240), (150, 150, 150), (70, 66, 62)
MEDIAN, TAIL, LATE = (110, 200, 90), (70, 120, 60), (60, 120, 250)
WIDTH, LEFT, RIGHT, ROW, HEAD = 1100, 230, 190, 44, 76
FONT = cv2.FONT_HERSHEY_SIMPLEX

Latency = Mapping[str, Mapping[str, float]]


def stage_order(latency_ms: Latency) -> list[str]:
    """The stages that were measured, in the order of the pipeline, the whole ways last; unknown ones before those."""
    single = [name for name in DURATION_NAMES if name in latency_ms and name not in WHOLE]
    other = sorted(name for name in latency_ms if name not in DURATION_NAMES)
    return [*single, *other, *(name for name in WHOLE if name in latency_ms)]


def waterfall(latency_ms: Latency) -> dict[str, float]:
    """Where each stage's bar starts, ms: a stage of the pipeline where the medians before it end, anything else at 0."""
    starts, now = {}, 0.0
    for name in stage_order(latency_ms):
        chained = name in DURATION_NAMES and name not in WHOLE
        starts[name] = now if chained else 0.0
        now += latency_ms[name]["p50"] if chained else 0.0
    return starts


def draw_budget(latency_ms: Latency, path: Path, total_ms: float | None = None) -> None:
    """Writes a picture of the latency budget: a bar per stage to its p50, paler on to its p99, red beyond the total.

    Args:
        latency_ms: stage → p50 and p99, as in `report.json`.
        path: .png to write.
        total_ms: budget from exposure to CAN, drawn as a line.
    """
    names = stage_order(latency_ms)
    starts = waterfall(latency_ms)
    reach = max([1.2 * (total_ms or 1.0), *(1.05 * (starts[name] + latency_ms[name]["p99"]) for name in names)])
    image: NDArray[np.uint8] = np.empty((HEAD + ROW * max(1, len(names)) + 44, WIDTH, 3), np.uint8)
    image[:] = BACK
    _text(image, "latency budget: p50 solid, p99 pale", 24, 34, 0.66, WHITE)
    scale = (WIDTH - LEFT - RIGHT) / reach
    bottom = HEAD + ROW * len(names)
    for tick in _ticks(reach):
        x = LEFT + round(tick * scale)
        cv2.line(image, (x, HEAD - 10), (x, bottom), LINE, 1)
        _text(image, f"{tick:g}", x - 10, bottom + 24, 0.46, GREY)
    _text(image, "ms", WIDTH - RIGHT + 12, bottom + 24, 0.46, GREY)
    limit = None if total_ms is None else LEFT + round(total_ms * scale)
    for row, name in enumerate(names):
        y = HEAD + row * ROW
        values = latency_ms[name]
        ends = [LEFT + round((starts[name] + values[key]) * scale) for key in ("p50", "p99")]
        start = LEFT + round(starts[name] * scale)
        _text(image, name.replace("_", " "), 24, y + 26, 0.54, WHITE if name in WHOLE else (205, 205, 205))
        cv2.rectangle(image, (start, y + 8), (max(start + 1, ends[1]), y + ROW - 10), TAIL, -1)
        cv2.rectangle(image, (start, y + 8), (max(start + 1, ends[0]), y + ROW - 10), MEDIAN, -1)
        if limit is not None and ends[1] > limit:
            cv2.rectangle(image, (max(limit, start), y + 8), (ends[1], y + ROW - 10), LATE, -1)
        _text(image, f"{values['p50']:.1f} / {values['p99']:.1f} ms", WIDTH - RIGHT + 12, y + 26, 0.5, WHITE)
    if limit is not None:
        cv2.line(image, (limit, HEAD - 10), (limit, bottom), LATE, 1)
        _text(image, f"budget {total_ms:g} ms", limit - 52, HEAD - 18, 0.46, LATE)
    if not cv2.imwrite(str(path), image):
        raise OSError(errno.EIO, "the picture cannot be written (is the disk full?)", str(path))


def _ticks(reach: float) -> list[float]:
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10**9) if reach / step <= 10)
    return [float(tick) for tick in np.arange(0.0, reach, step)]


def _text(image: NDArray[np.uint8], text: str, x: int, y: int, size: float, colour: tuple[int, int, int]) -> None:
    cv2.putText(image, text, (x, y), FONT, size, colour, 1, cv2.LINE_AA)


def print_report(report: Mapping[str, Any], total_ms: float | None = None, console: Any = None) -> None:
    """Prints the report of a `drive` run as tables; what it does not hold is left out.

    Args:
        report: as in `report.json`.
        total_ms: latency budget from exposure to CAN, to say whether p99 keeps it.
        console: a rich console; by default standard output.
    """
    from rich.console import Console

    console = console or Console()
    for table in (_summary(report), _cameras(report.get("cameras", {})), _latency(report.get("latency_ms", {}), total_ms)):
        if table.row_count:
            console.print(table)
    for name, where in (("trajectory_sha256", "plans"), ("can_tx_sha256", "sent CAN frames"), ("bag_sha256", "recording")):
        if report.get(name):
            console.print(f"[dim]{where:>16}[/dim]  {report[name]}", highlight=False, soft_wrap=True)


def _summary(report: Mapping[str, Any]) -> Any:
    from rich.table import Table

    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_column(style="dim")
    table.add_column()
    can, gate = report.get("can", {}), report.get("gate", {})
    rows = {
        "policy": _policy(report.get("policy")),
        "engagement": _engagement(report.get("engagement")),
        **_driving(report.get("driving"), report.get("scenario", {})),
        "plans": report.get("plans"),
        "CAN frames": f"{can.get('rx', 0):,} received, {can.get('tx', 0):,} sent" if can else None,
        "image copies": report.get("image_copies"),
        "gate": f"{gate.get('limited', 0):,} limited, {gate.get('rejected', 0):,} rejected" if gate else None,
    }
    for name, value in rows.items():
        if value is not None:
            table.add_row(name, value if isinstance(value, str) else f"{value}")
    return table


def _driving(driving: Mapping[str, Any] | None, scenario: Mapping[str, Any]) -> dict[str, str]:
    """How it was driven, in simulation."""
    if not driving:
        return {}
    comfort = driving.get("comfort", {})
    completion, stops = 100.0 * driving["route_completion"], driving.get("stops", 0)
    hits = f"{driving['collisions']} collisions ({driving['at_fault_collisions']} at fault)"
    beside = f"{driving['off_road_s']:g} s off the road, {driving.get('wrong_lane_s', 0.0):g} s in a wrong lane"
    return {
        "scenario": f"{scenario.get('name', '')}, seed {scenario.get('seed', '')}",
        "driven": f"{driving['distance_m']:.0f} m, {completion:.0f} % of the route, stood still {stops} times",
        "faults": f"{hits}, {driving['red_lights_run']} red lights run, {beside}",
        "comfort": f"within its bounds {100.0 * comfort.get('share', 0.0):.0f} % of the time",
    }


def _policy(policy: Any) -> str | None:
    if not isinstance(policy, Mapping):
        return policy if policy is None else str(policy)
    details = [str(policy[key]) for key in ("provider",) if policy.get(key)]
    details += [f"sha256 {str(policy['digest'])[:12]}…"] if policy.get("digest") else []
    return f"{policy.get('name', 'unnamed')}{' (' + ', '.join(details) + ')' if details else ''}"


def _engagement(engagement: Any) -> str | None:
    if not isinstance(engagement, Mapping):
        return engagement if engagement is None else str(engagement)
    if engagement.get("mode") == "shadow":
        return "shadow: commands are computed and sent to no car"
    ends = ", ".join(f"{count}x {reason}" for reason, count in engagement.get("disengagements", {}).items())
    now = f"{engagement.get('state')}" + (f" ({engagement['reason']})" if engagement.get("reason") else "")
    return f"{now}, engaged {engagement.get('engagements', 0)} times" + (f", ended by: {ends}" if ends else "")


def _cameras(cameras: Mapping[str, Mapping[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(title="cameras", title_justify="left", title_style="bold")
    table.add_column("camera")
    others = list(dict.fromkeys(key for values in cameras.values() for key in values if key not in ("frames", "dropped")))
    columns = ["frames", "dropped", *(key for key in others if any(values.get(key) for values in cameras.values()))]
    for key in columns:
        table.add_column(key, justify="right")
    for name, values in cameras.items():
        lost = {key: values.get(key, 0) for key in columns[1:]}
        table.add_row(name, f"{values.get('frames', 0)}", *(f"[red]{count}[/red]" if count else f"{count}" for count in lost.values()))
    return table


def _latency(latency_ms: Latency, total_ms: float | None) -> Any:
    from rich.table import Table

    table = Table(title="latency, ms", title_justify="left", title_style="bold")
    table.add_column("stage")
    table.add_column("p50", justify="right")
    table.add_column("p99", justify="right")
    for name in stage_order(latency_ms):
        values = latency_ms[name]
        late = total_ms is not None and name == "exposure_to_can" and values["p99"] > total_ms
        tail = f"[red]{values['p99']:.2f} (budget {total_ms:g})[/red]" if late else f"{values['p99']:.2f}"
        table.add_row(name.replace("_", " "), f"{values['p50']:.2f}", tail, style="bold" if name in WHOLE else "")
    return table

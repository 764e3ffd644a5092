"""The matrix of links for people: a table in Markdown, a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heron_bringup.remote_cells import Cell
from heron_bringup.remote_matrix import IDEAL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = Mapping[str, Any]
COLOURS, MARKS = ("#1f5fa8", "#e07b00", "#c62828", "#2a8c5a", "#7b4fa3", "#5a6069"), "osD^vP"
ASKED_HZ = 10.0
LONGER_S = 0.25
"""Out of the lane than in the ideal drive, before it is told."""


def joined(rows: Sequence[Row], cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """One entry per cell with a measured link, in the order of `cells`: its `link` and its `drive`, which is None without one."""
    parts = {(row["part"], row["cell"]): row for row in rows}
    return [
        {"cell": cell, "link": parts["link", cell.name], "drive": parts.get(("drive", cell.name))} for cell in cells if ("link", cell.name) in parts
    ]


def ideal_of(rows: Sequence[Row]) -> Row | None:
    """The ideal drive."""
    return next((row for row in rows if (row["part"], row["cell"]) == ("drive", IDEAL)), None)


def events_of(drive: Row, ideal: Row | None = None) -> str:
    """What went wrong in a drive beyond what did in the ideal one, in a few words; empty: nothing."""
    ladder, whole = drive["ladder_s"], ideal or {}

    def more(key: str) -> float:
        return float(drive[key] - whole.get(key, 0))

    told = [
        (more("at_fault_collisions") > 0, f"{more('at_fault_collisions'):g} collisions at fault"),
        (more("lateral_interventions") > 0, f"{more('lateral_interventions'):g} interventions"),
        (more("lane_departure_s") > LONGER_S, f"{more('lane_departure_s'):.1f} s out of the lane"),
        (ladder.get("emergency"), f"emergency stop {ladder.get('emergency', 0.0):.1f} s"),
        (more("disengagements") > 0, f"{more('disengagements'):g} disengagements"),
        (more("needless_stops") > 0, f"{more('needless_stops'):g} needless stops"),
    ]
    return ", ".join(text for happened, text in told if happened)


def markdown(rows: Sequence[Row], cells: Sequence[Cell]) -> str:
    """The table: a line per loss and delay, a column per bandwidth. What an entry says, its first line tells."""
    found = {(each["cell"].loss_percent, each["cell"].delay_ms, each["cell"].mbps): each for each in joined(rows, cells)}
    rates = list(dict.fromkeys(cell.mbps for cell in cells))
    ideal = ideal_of(rows)
    says = "plans per second, age of a plan from exposure p50 / p99 ms"
    if ideal is not None:
        says += f"; seconds of fallback, metres driven (ideal link: {ideal['distance_m']:.0f} m)"
    lines = [says, "", f"| lost, delay each way | {' | '.join(f'{rate:g} Mbit/s' if rate else 'no limit' for rate in rates)} |"]
    lines.append("|---" * (len(rates) + 1) + "|")
    for loss, delay in dict.fromkeys((cell.loss_percent, cell.delay_ms) for cell in cells):
        entries = [_entry(found.get((loss, delay, rate)), ideal) for rate in rates]
        lines.append(f"| {loss:g} %, {delay:g} ms | {' | '.join(entries)} |")
    return "\n".join(lines) + "\n"


def _entry(each: Mapping[str, Any] | None, ideal: Row | None) -> str:
    if each is None:
        return ""
    link, drive = each["link"], each["drive"]
    text = f"{link['plans_hz']:.1f} Hz, {link['age_ms']['p50']:.0f} / {link['age_ms']['p99']:.0f} ms"
    if drive is None:
        return text
    events = events_of(drive, ideal)
    return f"{text}; {drive['fallback_s']:.1f} s, {drive['distance_m']:.0f} m{f' ({events})' if events else ''}"


def picture(rows: Sequence[Row], cells: Sequence[Cell], path: Path) -> None:
    """Writes the PNG: a column per bandwidth, over the delay; rate and age of the plans, and of the drives how far they came.

    Args:
        rows: of `run_matrix`.
        cells: that are shown.
        path: of the file.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    found, ideal = joined(rows, cells), ideal_of(rows)
    rates, losses = list(dict.fromkeys(cell.mbps for cell in cells)), list(dict.fromkeys(cell.loss_percent for cell in cells))
    height = 2 if ideal is None else 3
    with pyplot.rc_context({"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.3, "font.size": 10}):
        size = (1.4 + 3.6 * len(rates), 0.8 + 2.6 * height)
        figure, axes = pyplot.subplots(height, len(rates), figsize=size, squeeze=False, sharex=True, sharey="row", layout="constrained")
        for column, rate in enumerate(rates):
            axes[0][column].set_title(f"{rate:g} Mbit/s" if rate else "no limit")
            axes[-1][column].set_xlabel("delay each way (ms)")
            for index, loss in enumerate(losses):
                shown = sorted(
                    (each for each in found if (each["cell"].mbps, each["cell"].loss_percent) == (rate, loss)), key=lambda each: each["cell"].delay_ms
                )
                _curves([axes[row][column] for row in range(height)], shown, COLOURS[index % len(COLOURS)], MARKS[index % len(MARKS)], loss)
            if ideal is not None:
                axes[2][column].axhline(ideal["distance_m"], color="#5a6069", linestyle=":", label="ideal link")
        names = ("plans per second", "age of a plan (ms)\np50 dashed, p99 solid", "driven (m)")
        for row, name in enumerate(names[:height]):
            axes[row][0].set(ylabel=name, ylim=(0.0, 1.05 * max(ASKED_HZ if row == 0 else 0.0, axes[row][0].get_ylim()[1])))
        axes[-1][-1].legend(frameon=False, loc="best")
        figure.savefig(path, dpi=100)
        pyplot.close(figure)


def _curves(axes: Sequence[Axes], shown: Sequence[Mapping[str, Any]], colour: str, mark: str, loss: float) -> None:
    delays = [each["cell"].delay_ms for each in shown]
    label = f"{loss:g} % lost"
    axes[0].plot(delays, [each["link"]["plans_hz"] for each in shown], color=colour, marker=mark, label=label)
    axes[1].plot(delays, [each["link"]["age_ms"]["p99"] for each in shown], color=colour, marker=mark, label=label)
    axes[1].plot(delays, [each["link"]["age_ms"]["p50"] for each in shown], color=colour, linestyle="--", linewidth=1.0)
    driven = [each for each in shown if each["drive"] is not None]
    if len(axes) > 2:
        axes[2].plot(
            [each["cell"].delay_ms for each in driven], [each["drive"]["distance_m"] for each in driven], color=colour, marker=mark, label=label
        )

"""Pictures of the tuning report: a column per speed, a row per quantity, limits drawn in."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from heron_control.proving_ground.manoeuvre import CROSS_TRACK_MAX_M, LEAD_S, STEP_M, jerk
from heron_control.proving_ground.tuning import Result
from heron_core.limits import Limits

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRUE, ASKED, SIDE, LIMIT, COURSE = "#1f5fa8", "#e07b00", "#2a8c5a", "#c62828", "#b8bec6"
TITLES = {
    "step": f"Step: the plan jumps {STEP_M:g} m to the left",
    "slalom": "Slalom at the lateral limits",
    "curve": "Curve at the lateral limits",
    "stop": "Stop to a line",
}


def picture(results: Sequence[Result], limits: Limits, path: Path) -> None:
    """Writes the PNG of one manoeuvre.

    Args:
        results: of the same manoeuvre, one per speed.
        limits: of the car, drawn in.
        path: of the file.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = (_place, _cross_track, _steering, _speed, _acceleration, _jerk)
    with pyplot.rc_context(_STYLE):
        figure, axes = pyplot.subplots(len(rows), len(results), figsize=(1.2 + 4.4 * len(results), 13.5), squeeze=False, layout="constrained")
        name = results[0].manoeuvre.name
        late = results[0].manoeuvre.config.latency_s + results[0].manoeuvre.config.extra_age_s
        blind = "" if results[0].manoeuvre.config.compensated else ", their age NOT compensated"
        subtitle = f"plans arrive {late:.2f} s after their stamp{blind}"
        figure.suptitle(f"{TITLES[name]}\n{subtitle}", fontsize=15 if len(results) > 1 else 11)
        for column, result in enumerate(results):
            for row, draw in enumerate(rows):
                draw(axes[row][column], result, limits)
            ok = "within bounds" if not result.faults else "; ".join(fault.split(" ")[0] for fault in result.faults) + " out of bounds"
            axes[0][column].set_title(f"{result.speed_kmh:g} km/h: {ok}", fontsize=12, color=LIMIT if result.faults else "black", fontweight="bold")
            axes[-1][column].set_xlabel("time (s)")
        for row, _ in enumerate(rows):
            axes[row][-1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
        figure.savefig(path, dpi=100)
        pyplot.close(figure)


def picture_of_ages(results: Sequence[Result], path: Path) -> None:
    """Writes the PNG that shows what older plans cost: cross-track error over time, a curve per age.

    Args:
        results: of `plan_ages`, in its order.
        path: of the file.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.rc_context(_STYLE):
        figure, axes = pyplot.subplots(figsize=(9.0, 4.0), layout="constrained")
        for result, colour, width in zip(results, (COURSE, TRUE, ASKED), (4.0, 1.5, 1.5), strict=True):
            time, shown = _time(result)
            axes.plot(time, 100 * result.drive["cross_track_m"][shown], color=colour, linewidth=width, label=result.age)
        _limit(axes, 100 * CROSS_TRACK_MAX_M)
        axes.set_title(f"{results[0].manoeuvre.name.capitalize()} at {results[0].speed_kmh:g} km/h: plans in time and late")
        axes.set(xlabel="time (s)", ylabel="cross-track error (cm)")
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
        figure.savefig(path, dpi=100)
        pyplot.close(figure)


_STYLE = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e8eb",
    "axes.edgecolor": "#7a828c",
    "font.size": 10,
    "lines.linewidth": 1.5,
    "axes.axisbelow": True,
}


def _place(axes: Axes, result: Result, limits: Limits) -> None:
    drive, course = result.drive, result.manoeuvre.course
    shown = _shown(result)
    if course.stop_m is not None:
        left = course.stop_m - drive["along_m"][shown]
        axes.plot(left, [3.6 * course.speed_at(course.stop_m - value)[0] for value in left], color=COURSE, linewidth=5, label="comfortable")
        axes.plot(left, 3.6 * drive["speed_mps"][shown], color=TRUE, label="car")
        axes.axvline(0.0, color=LIMIT, linestyle="--", linewidth=1, label="line")
        axes.invert_xaxis()
        axes.set(xlabel="distance to the line (m)", ylabel="speed (km/h)")
        if not isnan(result.figures.stop_error_m):
            _note(axes, f"stands {100 * result.figures.stop_error_m:+.0f} cm from the line", y=0.2)
        return
    along = drive["along_m"][shown]
    inside = (course.s_m >= along[0]) & (course.s_m <= along[-1])
    aside = result.manoeuvre.config.step_m * (course.s_m[inside] >= LEAD_S * result.manoeuvre.speed_mps)
    axes.plot(course.x_m[inside], course.y_m[inside] + aside, color=COURSE, linewidth=5, label="course")
    axes.plot(drive["x_m"][shown], drive["y_m"][shown], color=TRUE, label="car")
    axes.set(xlabel="x (m)", ylabel="y (m)")
    if result.manoeuvre.name == "curve":
        axes.set_aspect("equal", adjustable="datalim")


def _cross_track(axes: Axes, result: Result, limits: Limits) -> None:
    time, shown = _time(result)
    aim = np.where(time >= result.manoeuvre.config.step_s, result.manoeuvre.config.step_m, 0.0)
    if result.manoeuvre.config.step_m:
        axes.plot(time, 100 * aim, color=COURSE, linewidth=3, label="plan")
        _note(axes, f"settles in {result.figures.settle_s:.1f} s, overshoots {100 * result.figures.overshoot_m:.0f} cm", right=True)
    else:
        _limit(axes, 100 * CROSS_TRACK_MAX_M)
        _note(axes, f"max {100 * result.figures.cross_track_max_m:.1f} cm, rms {100 * result.figures.cross_track_rms_m:.1f} cm")
    axes.plot(time, 100 * result.drive["cross_track_m"][shown], color=TRUE, label="cross-track")
    axes.set_ylabel("cross-track error (cm)")


def _steering(axes: Axes, result: Result, limits: Limits) -> None:
    time, shown = _time(result)
    axes.plot(time, np.degrees(result.drive["asked_steer_rad"][shown]), color=ASKED, label="commanded")
    axes.plot(time, np.degrees(result.drive["steer_rad"][shown]), color=TRUE, linewidth=1.2, label="road wheels")
    _at_least(axes, 0.4)
    axes.set_ylabel("steering (deg)")


def _speed(axes: Axes, result: Result, limits: Limits) -> None:
    time, shown = _time(result)
    course = result.manoeuvre.course
    axes.plot(time, [3.6 * course.speed_at(along)[0] for along in result.drive["along_m"][shown]], color=COURSE, linewidth=3, label="course")
    axes.plot(time, 3.6 * result.drive["speed_mps"][shown], color=TRUE, label="car")
    _at_least(axes, 4.0)
    axes.set_ylabel("speed (km/h)")


def _acceleration(axes: Axes, result: Result, limits: Limits) -> None:
    time, shown = _time(result)
    axes.plot(time, result.drive["lateral_accel_mps2"][shown], color=SIDE, label="lateral")
    axes.plot(time, result.drive["asked_accel_mps2"][shown], color=ASKED, linewidth=1.2, label="commanded")
    axes.plot(time, result.drive["accel_mps2"][shown], color=TRUE, label="longitudinal")
    _limit(axes, limits.lateral_accel_mps2, colour=SIDE, label="lateral limit")
    _limit(axes, limits.accel_max_mps2, limits.accel_min_mps2, colour=TRUE, label="longit. limits")
    axes.set_ylabel("acceleration (m/s²)")


def _jerk(axes: Axes, result: Result, limits: Limits) -> None:
    time, shown = _time(result)
    axes.plot(time, jerk(result.drive["lateral_accel_mps2"])[shown], color=SIDE, label="lateral")
    axes.plot(time, jerk(result.drive["accel_mps2"])[shown], color=TRUE, label="longitudinal")
    _limit(axes, limits.lateral_jerk_mps3, colour=SIDE, label="lateral limit")
    _limit(axes, limits.jerk_mps3, colour=TRUE, label="longit. limit")
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -8.0), min(high, 8.0))
    if not isnan(result.figures.jolt_mps2):
        _note(axes, f"stands with a jolt of {result.figures.jolt_mps2:.2f} m/s²")
    axes.set_ylabel("jerk (m/s³)")


def _at_least(axes: Axes, span: float) -> None:
    """A scale that does not blow up noise."""
    low, high = axes.get_ylim()
    if high - low < span:
        axes.set_ylim((low + high - span) / 2.0, (low + high + span) / 2.0)


def _limit(axes: Axes, high: float, low: float | None = None, colour: str = LIMIT, label: str = "bound") -> None:
    for i, value in enumerate((high, -high if low is None else low)):
        axes.axhline(value, color=colour, linestyle="--", linewidth=1, label=label if i == 0 else None)


def _note(axes: Axes, text: str, right: bool = False, y: float = 0.88) -> None:
    place = (0.98, 0.08) if right else (0.02, y)
    axes.text(*place, text, transform=axes.transAxes, fontsize=9, va="bottom" if right else "top", ha="right" if right else "left")


def _shown(result: Result) -> Any:
    return result.drive["time_s"] >= result.manoeuvre.judged_s


def _time(result: Result) -> tuple[Any, Any]:
    shown = _shown(result)
    return result.drive["time_s"][shown], shown

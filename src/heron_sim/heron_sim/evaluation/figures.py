"""From the rows of many drives to figures per kilometre, and to the promises that they keep or break.

*Route completion* of time-limited drives: a route is longer than there is time for, so what a drive could have covered is what the expert covers in
the same scenario and seed, from the same start, in the same time, through the same control at the same latency. Completion is the sum over drives
of the progress along the route, but no more of each than the expert's, over the sum of the expert's. Whoever stops, is disengaged or ends with an
intervention loses the rest of that drive; whoever runs red lights or is faster than the expert gains nothing, neither there nor for another drive.
It is a strict measure: a driver who does everything as the expert does, but 7 % slower, completes 91 %, as he misses a green light now and then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Figures:
    """What a driver did, over all drives; see `judge_following`, `judge_stopping`, `judge_contacts`. None: nothing to measure.

    Attributes:
        drives: how many; broken: of them, those that could not be driven at all.
        km: driven.
        completion: see above.
        mean_lateral_m, lane_departure_share: over all time that they are measured in.
        lateral_p95_m: the largest of all drives.
        lateral_interventions, late_changes: all of them.
        collisions, at_fault_collisions, red_lights_run, needless_stops: all of them; `_per_km` over the way driven.
        red_approaches: all of them; red_obeyed_share: of them.
        turns_taken, turns_missed: at junctions with a choice.
        disengagements: times that the car was given back or stopped by itself.
        off_road_s, stood_s: of all drives.
        seconds: simulated.
        plans: made; plans_per_cpu_s: with everything around them, the world and its pictures included, in CPU seconds.
    """

    drives: int
    broken: int
    seconds: float
    km: float
    completion: float | None
    mean_lateral_m: float | None
    lateral_p95_m: float | None
    lane_departure_share: float | None
    lateral_interventions: int
    late_changes: int
    collisions: int
    at_fault_collisions: int
    at_fault_per_km: float | None
    red_lights_run: int
    red_approaches: int
    red_obeyed_share: float | None
    needless_stops: int
    needless_per_km: float | None
    turns_taken: int
    turns_missed: int
    pedestrians_not_yielded: int
    off_road_s: float
    stood_s: float
    disengagements: int
    plans: int
    plans_per_cpu_s: float | None

    def report(self) -> dict[str, Any]:
        """JSON."""
        return {name: round(value, 5) if isinstance(value, float) else value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Promise:
    """One line of what a policy must do.

    Attributes:
        text: for people.
        figure: attribute of `Figures`.
        holds: `most`: the figure is at most `limit`; `least`: at least; `below`: less.
        of: whose figure.
        unit: of the limit: m, %, or nothing.
    """

    text: str
    figure: str
    holds: Literal["most", "least", "below"]
    limit: float
    of: Literal["policy", "kinematic"] = "policy"
    unit: Literal["", "m", "%"] = ""

    def kept(self, value: float | None) -> bool:
        """Whether the value keeps it; nothing measured keeps nothing."""
        if value is None:
            return False
        return {"most": value <= self.limit, "least": value >= self.limit, "below": value < self.limit}[self.holds]

    def shown(self, value: float | None) -> str:
        """The value with its unit."""
        if value is None:
            return "–"
        return f"{100.0 * value:.1f} %" if self.unit == "%" else f"{value:.2f} m" if self.unit == "m" else f"{value:.2f}".rstrip("0").rstrip(".")

    @property
    def demand(self) -> str:
        """The limit, for people."""
        return {"most": "≤", "least": "≥", "below": "<"}[self.holds] + " " + self.shown(self.limit)


PROMISES = (
    Promise("way driven, km", "km", "least", 5.0),
    Promise("lateral interventions (> 2.5 m)", "lateral_interventions", "most", 0.0),
    Promise("lane departures", "lane_departure_share", "most", 0.02, unit="%"),
    Promise("mean lateral error", "mean_lateral_m", "most", 0.28, unit="m"),
    Promise("at-fault collisions per km", "at_fault_per_km", "most", 0.2),
    Promise("red approaches obeyed", "red_obeyed_share", "least", 0.9, unit="%"),
    Promise("needless stops per km", "needless_per_km", "below", 1.0),
    Promise("route completion", "completion", "least", 0.9, unit="%"),
    Promise("kinematic route completion", "completion", "below", 0.3, "kinematic", "%"),
)


def figures(rows: Sequence[Row], expert: Sequence[Row]) -> Figures:
    """Sums up.

    Args:
        rows: of one driver, as `heron_sim.matrix_jobs.drive` makes them.
        expert: of the expert, with a row for each (scenario, seed) of `rows`.

    Raises:
        ValueError: the expert did not drive one of them.
    """
    driven = [row["driving"] for row in rows if row["driving"]]

    def total(key: str) -> float:
        return sum(float(each.get(key) or 0.0) for each in driven)

    def weighted(key: str) -> float | None:
        return sum(float(each[key] or 0.0) * each["followed_s"] for each in driven) / seconds if (seconds := total("followed_s")) > 0.0 else None

    km = total("distance_m") / 1000.0
    plans, cpu_s = sum(row.get("plans", 0) for row in rows), sum(row.get("cpu_s", 0.0) for row in rows)
    approaches = round(total("red_approaches"))
    tails = [each["lateral_p95_m"] for each in driven if each["lateral_p95_m"] is not None]
    return Figures(
        drives=len(rows),
        broken=len(rows) - len(driven),
        seconds=sum(row["seconds"] for row in rows),
        km=km,
        completion=_completion(rows, expert),
        mean_lateral_m=weighted("mean_lateral_m"),
        lateral_p95_m=max(tails, default=None),
        lane_departure_share=weighted("lane_departure_share"),
        lateral_interventions=round(total("lateral_interventions")),
        late_changes=round(total("late_changes")),
        collisions=round(total("collisions")),
        at_fault_collisions=round(total("at_fault_collisions")),
        at_fault_per_km=total("at_fault_collisions") / km if km > 0.0 else None,
        red_lights_run=round(total("red_lights_run")),
        red_approaches=approaches,
        red_obeyed_share=total("red_obeyed") / approaches if approaches else None,
        needless_stops=round(total("needless_stops")),
        needless_per_km=total("needless_stops") / km if km > 0.0 else None,
        turns_taken=round(total("turns_taken")),
        turns_missed=round(total("turns_missed")),
        pedestrians_not_yielded=round(total("pedestrians_not_yielded")),
        off_road_s=total("off_road_s"),
        stood_s=total("stood_s"),
        disengagements=sum(row.get("disengagements", 0) for row in rows),
        plans=plans,
        plans_per_cpu_s=plans / cpu_s if cpu_s > 0.0 else None,
    )


def _completion(rows: Sequence[Row], expert: Sequence[Row]) -> float | None:
    way = {(row["scenario"], row["seed"]): float(row["driving"].get("progress_m", 0.0)) for row in expert}
    possible = done = 0.0
    for row in rows:
        key = row["scenario"], row["seed"]
        if key not in way:
            raise ValueError(f"the expert did not drive {key[0]}, seed {key[1]}")
        possible += way[key]
        done += min(max(float(row["driving"].get("progress_m", 0.0)), 0.0), way[key])
    return done / possible if possible > 0.0 else None

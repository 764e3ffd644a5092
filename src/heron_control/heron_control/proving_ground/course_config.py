"""Which road: settings that a simulated car and a planner beside it share, so that both know the same course."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from heron_control.proving_ground.course import Course, Segment, curve, sharpest, slalom, straight
from heron_core.limits import Limits
from heron_core.vehicle_model import VehicleModel

Kind = Literal["straight", "circle", "curve", "slalom", "stop"]


@dataclass(frozen=True)
class CourseConfig:
    """A course by its kind.

    Attributes:
        kind: `straight`; `circle` (curved from its first metre); `curve` (a straight, then a clothoid into an arc that does not end); `slalom` (a
            straight, then waves); `stop` (straight, with a line to stop at).
        speed_kmh: to drive it at.
        radius_m: of curves, left positive.
        lead_m: of the straight before curve, slalom or line.
        length_m: of the whole; behind it the course keeps its last curvature.
    """

    kind: Kind = "circle"
    speed_kmh: float = 50.0
    radius_m: float = 120.0
    lead_m: float = 100.0
    length_m: float = 5000.0

    def __post_init__(self) -> None:
        for name, low, high in (("speed_kmh", 1.0, 200.0), ("lead_m", 1.0, 10_000.0), ("length_m", 10.0, 50_000.0)):
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise ValueError(f"{name} = {value}, allowed {low} .. {high}")
        if not (math.isfinite(self.radius_m) and abs(self.radius_m) >= 5.0):
            raise ValueError(f"radius_m = {self.radius_m}, allowed: at least 5 to either side")

    @property
    def speed_mps(self) -> float:
        """To drive it at."""
        return self.speed_kmh / 3.6

    def build(self, limits: Limits, model: VehicleModel) -> Course:
        """The course; its clothoids lie within the car's limits of lateral jerk and steering rate."""
        bend, sharpness = 1.0 / self.radius_m, sharpest(limits, model, self.speed_mps)
        if self.kind == "circle":
            return Course([Segment(self.length_m, bend, bend)], self.speed_mps)
        if self.kind == "curve":
            return Course([*straight(self.lead_m), *curve(sharpness, bend, self.length_m, out=False)], self.speed_mps)
        if self.kind == "slalom":
            return Course([*straight(self.lead_m), *slalom(sharpness, bend, 5), *straight(self.length_m)], self.speed_mps)
        if self.kind == "stop":
            return Course(straight(self.length_m), self.speed_mps, stop_m=self.lead_m)
        return Course(straight(self.length_m), self.speed_mps)


@dataclass(frozen=True)
class CoursePlannerConfig:
    """Parameters of `CoursePlanner`.

    Attributes:
        vehicle: folder of the car, for what its limits let a course be.
        truth: channel of a simulated car's `TruthLink`; empty: /odom, which began at the start of the course.
        period_ms: between two plans.
        age_ms: of a plan when it is published: what cameras, preprocessing and a network take.
        course: to follow.
    """

    vehicle: str = "config/vehicle/demo"
    truth: str = ""
    period_ms: float = 100.0
    age_ms: float = 120.0
    course: CourseConfig = CourseConfig()

    def __post_init__(self) -> None:
        if not 10.0 <= self.period_ms <= 1000.0:
            raise ValueError(f"period_ms = {self.period_ms}, allowed 10 .. 1000")
        if not 0.0 <= self.age_ms <= 2000.0:
            raise ValueError(f"age_ms = {self.age_ms}, allowed 0 .. 2000")

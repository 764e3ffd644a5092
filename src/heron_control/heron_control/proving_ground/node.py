"""A planner that knows the road: stands in for perception and policy in tests of control and of the processes around it."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

from heron_control.proving_ground.course_config import CoursePlannerConfig
from heron_control.proving_ground.course_source import CourseSource
from heron_core.limits import load_limits
from heron_core.trajectory import Trajectory
from heron_core.vehicle_model import load_vehicle_model
from heron_runtime.node import HeronNode

MS = 1_000_000
LOOK_NS = 5 * MS


class CoursePlanner(HeronNode):
    """Publishes plans along a course, each an age after the moment that it is made for, as a camera and a network would."""

    NAME = "course_planner"
    Config = CoursePlannerConfig

    def setup(self) -> None:
        """Listens to /odom or to the simulated car itself."""
        config: CoursePlannerConfig = self.config
        folder = Path(config.vehicle)
        course = config.course.build(load_limits(folder / "limits.yaml"), load_vehicle_model(folder / "vehicle.yaml"))
        self._source = CourseSource(course, config.truth)
        self.at_end(self._source.close)
        self._made: deque[Trajectory] = deque()
        self._age_ns = round(config.age_ms * MS)
        self._plans = self.advertise("/plan/trajectory")
        if not config.truth:
            self.subscribe("/odom", self._source.add_odometry)
        self.every(round(config.period_ms * MS), self._plan)
        self.every(LOOK_NS, self._publish_due)

    def report(self) -> dict[str, Any]:
        """Plans published."""
        return {"course_plans": self.trace_data.counters["plans"]}

    def _plan(self) -> None:
        plan = self._source.plan(self.now_ns())
        if plan is not None:
            self._made.append(plan)

    def _publish_due(self) -> None:
        while self._made and self.now_ns() - self._made[0].stamp_ns >= self._age_ns:
            plan = self._made.popleft()
            self._plans.publish(replace(plan, stages=plan.stages.mark(inference_end_ns=self.now_ns())))
            self.count("plans")

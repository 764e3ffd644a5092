"""The plan in use: taken if it may be followed, placed in odometry, aged, and judged by its age."""

from __future__ import annotations

from dataclasses import replace

from heron_control.ladder import Concern, Reason, plan_concern
from heron_control.odometry_buffer import OdometryBuffer
from heron_control.path import PlanPath
from heron_control.placement import Placement
from heron_control.plan_check import PlanCheck, Reference
from heron_core.clock import Instant
from heron_core.limits import Limits
from heron_core.signals import Ladder
from heron_core.stages import Stages
from heron_core.trajectory import Trajectory

WARNED_NS = 1_000_000_000
FRESH_STEP_NS = 40_000_000  # plans of two exposures lie further apart
# Why there is no younger plan than the one that grows old, by the last rejection since it came.
CAUSES = {"not_pinned": "planners", "closed": "planners", "duplicated": "plan_age", "out_of_order": "plan_age"}


class PlanInUse:
    """Holds the newest plan that may be followed.

    Attributes:
        check: what rejects plans, and counts.
        placement: where the car is, seen from the plan.
        path: the plan as a path; None without one.
        stages: of the plan; filled once, when its first command goes out.
        fresh: plans taken in a row, of moments apart: a burst of plans of one moment is one.
    """

    def __init__(self, limits: Limits, odometry: OdometryBuffer, beyond_accel_mps2: float) -> None:
        self._limits, self._beyond_accel_mps2 = limits, beyond_accel_mps2
        self.check = PlanCheck(limits)
        self.placement = Placement(odometry)
        self.path: PlanPath | None = None
        self.stages = Stages()
        self.fresh = 0
        self._plan: Trajectory | None = None
        self._arrived = Instant(0, 0)
        self._cause = "plan_age"
        self._warned_until_ns = 0
        self._counted_ns = 0

    def take(self, plan: Trajectory, at: Instant, driving: bool, speed_mps: float) -> str | None:
        """Takes a plan that arrived `at` this moment; else says why not, and keeps the one before.

        While driving a plan must be one that follows from the one before, and have a place in odometry.
        """
        fault = self._fault(plan, at, driving, speed_mps)
        if fault is None:
            self._plan, self._arrived, self.stages = plan, at, plan.stages
            self.path = PlanPath(plan, self._beyond_accel_mps2)
            self.placement.set(plan.stamp_ns, at.now_ns)
            if self.fresh == 0 or plan.stamp_ns - self._counted_ns >= FRESH_STEP_NS:
                self.fresh += 1
                self._counted_ns = plan.stamp_ns
            self._cause = "plan_age"
            return None
        reason = fault.split(":")[0]
        if reason != "duplicated":
            self.fresh = 0
            self._cause = CAUSES.get(reason, f"plan_{reason}")
        return fault

    def forget(self) -> None:
        """The clock stepped back: what was planned lies in a future that is no more."""
        self._plan = self.path = None
        self.placement.clear()
        self.check.reset()
        self.fresh = 0

    def age_ns(self, at: Instant) -> int:
        """Since the plan's stamp, or since it came where that is longer; -1 without one."""
        return -1 if self._plan is None else at.age_ns(self._plan.stamp_ns, self._arrived)

    def path_time_s(self, at: Instant) -> float:
        """Where on the plan's own time line the tick lies."""
        assert self._plan is not None
        return (at.now_ns - self._plan.stamp_ns) / 1e9

    def missing(self) -> Reason | None:
        """Why there is nothing to follow, whatever its age."""
        if self._plan is None:
            return Reason("plan_missing", "no plan")
        return Reason("odometry_lost", "no odometry since the plan") if self.placement.moved is None else None

    def concern(self, at: Instant) -> Concern | None:
        """What the plan's age leads to."""
        if self._plan is None:
            return None
        found = plan_concern(self._limits.ladder, self.age_ns(at) / 1e9, self.placement.travelled_m, self._cause)
        if found is None and at.steady_ns < self._warned_until_ns:
            return Concern(Ladder.WARN, Reason(self._cause, "plans have been late within the last second"), passing=True, held=True)
        return found

    def grow_old(self, at: Instant) -> None:
        """A plan too old to be fresh breaks the row of fresh ones; a warning lasts, so that plans that are late one by one are one warning."""
        if self.age_ns(at) > self._limits.ladder.warn_s * 1e9:
            self._warned_until_ns = at.steady_ns + WARNED_NS
        if self.age_ns(at) > self._limits.ladder.soft_stop_s * 1e9:
            self.fresh = 0

    def deviation(self) -> tuple[float, float] | None:
        """Of the car from the path: m and rad, left positive."""
        if self.path is None or self.placement.moved is None:
            return None
        error = self.path.project(self.placement.moved)[1].between(self.placement.moved)
        return error.y, error.yaw

    def first_use(self, control_ns: int, written_ns: int) -> Stages | None:
        """The plan's stages when this is its first command that went out, else None."""
        if self.stages.control_ns:
            return None
        self.stages = replace(self.stages, control_ns=control_ns, can_written_ns=written_ns)
        return self.stages

    def _fault(self, plan: Trajectory, at: Instant, driving: bool, speed_mps: float) -> str | None:
        reference = None
        if driving and self._plan is not None:
            place = self.placement.of(plan.stamp_ns, at.now_ns)
            reference = None if place is None else Reference(self._plan, *place, speed_mps)
        return self.check.fault(plan, at, reference, placed=not driving or reference is not None)

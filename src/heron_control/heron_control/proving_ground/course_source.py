"""Plans along a course for a car that says where it is."""

from __future__ import annotations

from heron_control.proving_ground.course import Course, course_plan
from heron_control.proving_ground.truth_link import Truth, TruthLink
from heron_core.se2 import SE2
from heron_core.trajectory import Trajectory
from heron_core.vehicle import Odometry

LATE_NS = 100_000_000  # of an older pose no plan is made


class CourseSource:
    """Makes plans from odometry (which began at the start of the course, and drifts) or from the truth of a simulated car."""

    def __init__(self, course: Course, truth: str = "") -> None:
        """With `truth`, joins that link of a simulated car."""
        self._course = course
        self._link = TruthLink(truth) if truth else None
        self._start = course.at(0.0).pose
        self._newest: Truth | None = None
        self._along_m: float | None = None
        self._sequence = 0

    def add_odometry(self, sample: Odometry) -> None:
        """Where the car is, by its own reckoning."""
        if sample.valid:
            pose = self._start.compose(SE2(sample.x_m, sample.y_m, sample.yaw_rad))
            self._newest = Truth(sample.stamp_ns, pose.x, pose.y, pose.yaw, sample.speed_mps, 0.0)

    def plan(self, now_ns: int) -> Trajectory | None:
        """A plan for the newest pose; None while there is no fresh one."""
        if self._link is not None:
            self._newest = self._link.newest() or self._newest
        at = self._newest
        if at is None or now_ns - at.stamp_ns > LATE_NS:
            return None
        self._along_m = self._course.nearest(at.x_m, at.y_m, self._along_m)
        self._sequence += 1
        return course_plan(self._course, at.pose, at.speed_mps, at.stamp_ns, self._sequence, accel_mps2=at.accel_mps2, near_m=self._along_m)

    def close(self) -> None:
        """Leaves the link."""
        if self._link is not None:
            self._link.close()

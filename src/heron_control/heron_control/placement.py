"""Where the car is, seen from the plan in use, until it stands: by odometry, and by dead reckoning where that breaks."""

from __future__ import annotations

import math

from heron_control.odometry_buffer import OdometryBuffer
from heron_control.path import arc
from heron_core.se2 import SE2

LOST = -1  # the anchor is not one of any chain of motion


class Placement:
    """The plan in use, anchored in `odom` when it was taken.

    Anchored, it can be followed to standstill (12 s and more from 100 km/h) without remembering the odometry of all that time.

    Attributes:
        moved: pose of base_link now, seen from base_link at the plan's stamp; None while the plan has no place.
        travelled_m: path length since the plan's stamp.
        reckoned_s: for how long odometry has been missing without a break.
    """

    def __init__(self, odometry: OdometryBuffer) -> None:
        self._odometry = odometry
        self._anchor: SE2 | None = None
        self._breaks = 0
        self._stamp_ns = 0
        self.moved: SE2 | None = None
        self.travelled_m = 0.0
        self.reckoned_s = 0.0

    def set(self, stamp_ns: int, now_ns: int) -> bool:
        """Places a plan of that stamp; False when odometry does not cover it, and the place is then empty."""
        self._stamp_ns = stamp_ns
        self._anchor, pose = self._odometry.pose_at(stamp_ns), self._odometry.pose_at(now_ns)
        self._breaks = self._odometry.breaks
        self.reckoned_s = 0.0
        if self._anchor is None or pose is None:
            self._anchor = self.moved = None
            self.travelled_m = 0.0
            return False
        self.moved = self._anchor.between(pose)
        self.travelled_m = math.hypot(self.moved.x, self.moved.y)
        return True

    def clear(self) -> None:
        """There is no plan."""
        self._anchor = self.moved = None
        self.travelled_m = self.reckoned_s = 0.0

    def update(self, now_ns: int, dt_s: float, speed_mps: float | None, curvature_per_m: float, trusted: bool) -> None:
        """One tick.

        Args:
            now_ns: the tick.
            dt_s: since the last.
            speed_mps: of the car, signed; None when not known.
            curvature_per_m: that the car follows, for dead reckoning.
            trusted: odometry may be used; False while the speed sources contradict each other.
        """
        if self.moved is None and not self.set(self._stamp_ns, now_ns):
            return
        assert self.moved is not None and self._anchor is not None
        pose = self._odometry.pose_at(now_ns)
        distance = (speed_mps or 0.0) * dt_s
        self.travelled_m += abs(distance)
        if pose is not None and trusted and self._breaks == self._odometry.breaks:
            self.moved, self.reckoned_s = self._anchor.between(pose), 0.0
            return
        self.moved = self.moved.compose(arc(curvature_per_m, distance))
        self.reckoned_s += dt_s
        self._breaks = LOST
        if pose is not None and trusted:  # a new chain of motion: go on from where the car was reckoned to be
            self._anchor, self._breaks = pose.compose(self.moved.inverse()), self._odometry.breaks

    def of(self, stamp_ns: int, now_ns: int) -> tuple[SE2, SE2] | None:
        """base_link at another stamp seen from the plan's, and base_link now seen from that stamp; None where odometry does not cover it."""
        car = self._odometry.motion(stamp_ns, now_ns)
        return None if car is None or self.moved is None else (self.moved.compose(car.inverse()), car)

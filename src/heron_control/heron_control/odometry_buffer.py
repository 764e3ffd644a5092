"""Where the car was at any moment of the last seconds, so that a plan made then can be used now."""

from __future__ import annotations

from collections import deque

from heron_core.se2 import SE2
from heron_core.vehicle import Odometry

MAX_GAP_NS = 100_000_000  # over a longer hole the motion is not known


class OdometryBuffer:
    """The newest odometry, in order of time. A gap, an invalid sample or a step back in time forgets what was before it."""

    def __init__(self, keep_ns: int) -> None:
        self._keep_ns = keep_ns
        self._samples: deque[Odometry] = deque()
        self.breaks = 0
        """Times that the chain of motion broke: poses before and after a break have nothing to do with each other."""

    def add(self, sample: Odometry) -> None:
        """Appends a sample; an invalid one breaks the chain of motion."""
        if not sample.valid:
            self._break()
            return
        if self._samples and not 0 < sample.stamp_ns - self._samples[-1].stamp_ns <= MAX_GAP_NS:
            self._break()
        self._samples.append(sample)
        while self._samples[0].stamp_ns < sample.stamp_ns - self._keep_ns:
            self._samples.popleft()

    def _break(self) -> None:
        self.breaks += 1
        self._samples.clear()

    @property
    def newest_ns(self) -> int | None:
        """Stamp of the newest sample."""
        return self._samples[-1].stamp_ns if self._samples else None

    def pose_at(self, stamp_ns: int) -> SE2 | None:
        """Pose of base_link in `odom`: interpolated, or extrapolated up to `MAX_GAP_NS` past the newest sample; None where not covered."""
        samples = self._samples
        if not samples or stamp_ns < samples[0].stamp_ns or stamp_ns > samples[-1].stamp_ns + MAX_GAP_NS:
            return None
        after: Odometry | None = None
        for sample in reversed(samples):  # plans are young: found within some dozen steps
            if sample.stamp_ns <= stamp_ns:
                if after is None:
                    return _moved(sample, (stamp_ns - sample.stamp_ns) / 1e9)
                share = (stamp_ns - sample.stamp_ns) / (after.stamp_ns - sample.stamp_ns)
                return SE2(
                    sample.x_m + share * (after.x_m - sample.x_m),
                    sample.y_m + share * (after.y_m - sample.y_m),
                    sample.yaw_rad + share * (after.yaw_rad - sample.yaw_rad),
                )
            after = sample
        return None

    def motion(self, start_ns: int, end_ns: int) -> SE2 | None:
        """Pose at `end_ns` seen from the pose at `start_ns`; None where not covered."""
        start, end = self.pose_at(start_ns), self.pose_at(end_ns)
        return None if start is None or end is None else start.between(end)


def _moved(sample: Odometry, dt_s: float) -> SE2:
    pose = SE2(sample.x_m, sample.y_m, sample.yaw_rad)
    turned = sample.yaw_rate_rps * dt_s
    return pose if dt_s == 0.0 else pose.compose(SE2(sample.speed_mps * dt_s, sample.speed_mps * dt_s * turned / 2.0, turned))

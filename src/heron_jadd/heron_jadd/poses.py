"""Where the car was, at any time of a recording."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heron_bag.columns import columns
from heron_bag.reader import Bag
from heron_bag.serialise import UNKNOWN_VARIANCE
from heron_core.errors import InputError
from heron_jadd.config import PoseSource

F64 = NDArray[np.float64]
POSE_TOPICS = {"odometry": "/odom", "truth": "/sim/truth"}
LONGEST_NS = 500_000_000  # over a longer gap no pose is invented


@dataclass(frozen=True, eq=False)
class PoseTrack:
    """Poses of base_link in a level frame that stays where it is.

    Attributes:
        stamp_ns: (n,) rising.
        poses: (n, 3) x, y in metres, yaw in radians, unwrapped.
        speed_mps, yaw_rate_rps: (n,).
    """

    stamp_ns: NDArray[np.int64]
    poses: F64
    speed_mps: F64
    yaw_rate_rps: F64

    def at(self, stamps_ns: NDArray[np.int64]) -> F64:
        """(m, 3) x, y, yaw by linear interpolation; NaN beyond the ends and in gaps of more than half a second."""
        if len(self.stamp_ns) < 2:
            return np.full((len(stamps_ns), 3), math.nan)
        found = np.stack([np.interp(stamps_ns, self.stamp_ns, column) for column in self.poses.T], 1)
        after = np.clip(np.searchsorted(self.stamp_ns, stamps_ns), 1, len(self.stamp_ns) - 1)
        lost = (self.stamp_ns[after] - self.stamp_ns[after - 1] > LONGEST_NS) & (self.stamp_ns[after] != stamps_ns)
        lost |= (stamps_ns < self.stamp_ns[0]) | (stamps_ns > self.stamp_ns[-1])
        found[lost] = math.nan
        return found


def pose_track(bag: Bag, source: PoseSource) -> PoseTrack:
    """The track of a recording, or of an excerpt of it, from the topic that has one; `heron_jadd.tracks` has the fused ones.

    Raises:
        InputError: it has none from this source; the text says which topic is missing.
    """
    if POSE_TOPICS[source] not in bag.topics:
        raise InputError(f"{bag.path}: no poses from {source}: it has no topic {POSE_TOPICS[source]}; choose another source of poses")
    times, values = _odometry(bag) if source == "odometry" else _truth(bag)
    fine = np.isfinite(values).all(1)
    fine[fine] = np.diff(np.maximum.accumulate(times[fine]), prepend=times[fine][:1] - 1) > 0  # a clock that jumps back is not followed
    times, values = times[fine], values[fine]
    values[:, 2] = np.unwrap(values[:, 2])
    return PoseTrack(times, values[:, :3], values[:, 3], values[:, 4])


def _odometry(bag: Bag) -> tuple[NDArray[np.int64], F64]:
    """(n,) stamps, (n, 5) x, y, yaw, speed, yaw rate of base_link in odom."""
    place, turned, twist = "pose.pose.position", "pose.pose.orientation", "twist.twist"
    names = [f"{place}.x", f"{place}.y", f"{turned}.z", f"{turned}.w", f"{twist}.linear.x", f"{twist}.angular.z"]
    found = columns(bag, POSE_TOPICS["odometry"], ["header.stamp", *names, "twist.covariance.0"])
    x, y, qz, qw, speed, rate = (found[name] for name in names)
    values = np.column_stack([x, y, 2.0 * np.arctan2(qz, qw), speed, rate])
    values[found["twist.covariance.0"] >= UNKNOWN_VARIANCE] = math.nan
    return found["header.stamp"], values


def _truth(bag: Bag) -> tuple[NDArray[np.int64], F64]:
    """Likewise, of the world."""
    names = [f"ego.{name}" for name in ("x_m", "y_m", "yaw_rad", "speed_mps", "yaw_rate_rps")]
    found = columns(bag, POSE_TOPICS["truth"], ["header.stamp", *names])
    return found["header.stamp"], np.column_stack([found[name] for name in names])

"""A GNSS receiver among houses: which satellites it sees decides the kind of fix, and their errors decide where it believes to be."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heron_core.signals import FixType
from heron_sim.roads.geo import LocalFrame
from heron_sim.roads.town import Town

F64 = NDArray[np.float64]

SATELLITES = 30  # of all constellations, above the horizon
LOWEST_DEG = 10.0
ANTENNA_M = 1.5  # above the ground; positions are of the ground below it, under the rear axle
PERIOD_S = 0.1
REACH_M = 150.0  # of houses that can hide a satellite above LOWEST_DEG
MEMORY_S = 25.0  # correlation time of range errors and reflections
REFLECTED = 0.2533  # standard normal above it: 0.4 of the hidden satellites are heard by way of a facade
REFLECTION_M = (4.0, 25.0)  # by which such a range is too long
RELOCK_S = 3.0  # of good sky until carrier phases are resolved again
UNKNOWN_STD_M = 655.35
# Satellites in view that each kind of fix needs, largest HDOP, and range errors: slow and white, 1 sigma, metres. From the best to the worst.
KINDS = (
    (FixType.RTK_FIXED, 11, 2.0, 0.010, 0.004),
    (FixType.RTK_FLOAT, 8, 3.0, 0.25, 0.05),
    (FixType.DGPS, 6, 6.0, 0.6, 0.2),
    (FixType.AUTONOMOUS, 4, 8.0, 2.0, 0.4),
)


@dataclass(frozen=True, slots=True)
class GnssReading:
    """What the receiver says; without a fix the position is NaN.

    Attributes:
        latitude_deg, longitude_deg, altitude_m: WGS84, ellipsoidal height.
        fix: kind.
        horizontal_std_m: that the receiver believes; reflections make it too small.
        satellites: in direct view.
    """

    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    fix: FixType
    horizontal_std_m: float
    satellites: int

    def signals(self) -> dict[str, float]:
        """By source name of can.yaml; a receiver without a fix sends no position."""
        quality = {"gnss.fix": float(self.fix.value), "gnss.horizontal_std_m": min(self.horizontal_std_m, UNKNOWN_STD_M)}
        if self.fix is FixType.NONE:
            return quality
        place = {"gnss.latitude_deg": self.latitude_deg, "gnss.longitude_deg": self.longitude_deg, "gnss.altitude_m": self.altitude_m}
        return place | quality


class GnssReceiver:
    """Reads at 10 Hz."""

    def __init__(self, town: Town, seed: int) -> None:
        """Satellites stand still: a run is short."""
        self._random = np.random.default_rng([seed, 0x6E55])
        self._frame = LocalFrame(town.origin)
        azimuth = self._random.uniform(-math.pi, math.pi, SATELLITES)
        elevation = np.arcsin(self._random.uniform(math.sin(math.radians(LOWEST_DEG)), 1.0, SATELLITES))
        self._rise = np.tan(elevation)
        self._ways = np.stack([np.cos(azimuth), np.sin(azimuth)], axis=1)
        up = np.sin(elevation)
        self._geometry = np.column_stack([-self._ways * np.cos(elevation)[:, None], -up, np.ones(SATELLITES)])
        houses = [(b.x_m, b.y_m, math.cos(b.yaw_rad), math.sin(b.yaw_rad), b.length_m / 2.0, b.width_m / 2.0, b.height_m) for b in town.buildings]
        table = np.array(houses, np.float64).reshape(len(houses), 7)
        self._x, self._y, cos, sin, half_x, half_y, self._height = (np.ascontiguousarray(column) for column in table.T)
        self._cos, self._sin, self._half = cos, sin, np.stack([half_x, half_y], axis=1)
        lowest = float(self._rise.min())
        self._reach = np.minimum((self._height - ANTENNA_M) / lowest + np.hypot(half_x, half_y) + 0.01, REACH_M)  # further away it hides nothing
        east, north = self._ways[:, 0], self._ways[:, 1]
        turned = np.stack([np.outer(east, cos) + np.outer(north, sin), np.outer(north, cos) - np.outer(east, sin)], axis=2)
        self._turned: F64 = np.where(np.abs(turned) < 1e-9, 1e-9, turned)  # (satellites, houses, 2): each way as each house sees it
        self._slow = self._random.standard_normal(SATELLITES)
        self._mirror = self._random.standard_normal(SATELLITES)
        self._locked_s = RELOCK_S

    def read(self, x_m: float, y_m: float) -> GnssReading:
        """The fix at a place of the world, one period after the last."""
        seen = self.visible(x_m, y_m)
        keep = math.exp(-PERIOD_S / MEMORY_S)
        draw = math.sqrt(1.0 - keep * keep)
        self._slow = keep * self._slow + draw * self._random.standard_normal(SATELLITES)
        self._mirror = keep * self._mirror + draw * self._random.standard_normal(SATELLITES)
        white = self._random.standard_normal(SATELLITES)
        reflected = ~seen & (self._mirror > REFLECTED)
        count = int(seen.sum())
        known: dict[bool, tuple[F64, float] | None] = {}  # solutions, by whether reflections are used
        for fix, needed, largest_hdop, slow_m, white_m in KINDS:
            if count < needed:
                continue
            all_heard = fix in (FixType.DGPS, FixType.AUTONOMOUS)
            used = seen | reflected if all_heard else seen
            if all_heard not in known:
                known[all_heard] = self._solution(used)
            solution = known[all_heard]
            if solution is None or solution[1] > largest_hdop:
                continue
            if fix is FixType.RTK_FIXED:
                self._locked_s += PERIOD_S
                if self._locked_s < RELOCK_S:
                    continue
            else:
                self._locked_s = 0.0 if count < KINDS[0][1] else self._locked_s
            longer = np.where(
                reflected, REFLECTION_M[0] + (REFLECTION_M[1] - REFLECTION_M[0]) * np.clip((self._mirror - REFLECTED) / 2.0, 0.0, 1.0), 0.0
            )
            errors = slow_m * self._slow + white_m * white + longer
            east, north, up, _ = solution[0] @ errors[used]
            latitude, longitude, altitude = self._frame.to_wgs84(x_m + float(east), y_m + float(north), float(up))
            return GnssReading(latitude, longitude, altitude, fix, solution[1] * math.hypot(slow_m, white_m), count)
        self._locked_s = 0.0
        return GnssReading(math.nan, math.nan, math.nan, FixType.NONE, UNKNOWN_STD_M, count)

    def visible(self, x_m: float, y_m: float) -> NDArray[np.bool_]:
        """(SATELLITES,) which are in direct view from a place: no house stands between."""
        from_x, from_y = x_m - self._x, y_m - self._y
        near = np.flatnonzero(np.hypot(from_x, from_y) < self._reach)
        if not len(near):
            return np.ones(SATELLITES, np.bool_)
        cos, sin, half, from_x, from_y = self._cos[near], self._sin[near], self._half[near], from_x[near], from_y[near]
        place = np.stack([cos * from_x + sin * from_y, cos * from_y - sin * from_x], axis=1)
        ways = self._turned[:, near]
        first, second = (-half - place) / ways, (half - place) / ways
        lower, upper = np.minimum(first, second), np.maximum(first, second)
        enter = np.maximum(np.maximum(lower[..., 0], lower[..., 1]), 0.0)
        leave = np.minimum(upper[..., 0], upper[..., 1])
        hidden = (leave > enter) & (self._height[near] - ANTENNA_M > enter * self._rise[:, None])
        clear: NDArray[np.bool_] = ~hidden.any(axis=1)
        return clear

    def _solution(self, used: NDArray[np.bool_]) -> tuple[F64, float] | None:
        """(4, n) of the least squares from range errors to east, north, up and clock, and HDOP; None where they do not fix a place."""
        rows = self._geometry[used]
        if len(rows) < 4:
            return None
        normal = rows.T @ rows
        if np.linalg.cond(normal) > 1e6:
            return None
        spread = np.linalg.inv(normal)
        return spread @ rows.T, math.sqrt(float(spread[0, 0] + spread[1, 1]))

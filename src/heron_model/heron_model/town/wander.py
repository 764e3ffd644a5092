"""A driver who does not keep to the middle: led beside the route by up to a metre, now left, now right, so that finding back can be learnt.

Who has only ever seen the middle of the lane does not know what to do beside it, and a policy is always a little beside it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heron_model.town.late import LateChanges
from heron_sim.driving.expert_path import blend, blend_length

F64 = NDArray[np.float64]

PART = 505
GRID_M = 0.5
MIDDLE_SHARE = 0.25  # of the stretches end in the middle
STRETCH_M = (10.0, 28.0)
MOST_M = 1.3
SHARPEST_PER_M = 1.0 / 128.0  # change of place over the square of a stretch: 3 m/s^2 at 8 m/s
STEP_M = 0.25  # of differences


class Wander:
    """Where beside its route a car is led: a smooth random line over the route's arc length.

    Args:
        seed: of the drive.
        length_m: of the route.
        aside_m: standard deviation of the places at the ends of stretches; 0: always in the middle.
        late: changes of lane that come late, on top of it; None: none does.
    """

    def __init__(self, seed: int, length_m: float, aside_m: float, late: LateChanges | None = None) -> None:
        rng = np.random.default_rng([seed, PART])
        ends, places = [0.0], [0.0]
        while ends[-1] < length_m:
            stretch = float(rng.uniform(*STRETCH_M))
            wished = 0.0 if rng.random() < MIDDLE_SHARE else float(np.clip(rng.normal(0.0, aside_m), -MOST_M, MOST_M))
            most = SHARPEST_PER_M * stretch**2
            places.append(places[-1] + float(np.clip(wished - places[-1], -most, most)))
            ends.append(ends[-1] + stretch)
        self._s_m = np.arange(0.0, length_m + GRID_M, GRID_M)
        index = np.clip(np.searchsorted(ends, self._s_m, side="right") - 1, 0, len(ends) - 2)
        begin, end, before, after = (np.array(each)[index + k] for each in (ends, places) for k in (0, 1))
        part = (self._s_m - begin) / (end - begin)
        self._aside_m: F64 = before + (after - before) * part**3 * (10.0 - part * (15.0 - 6.0 * part))
        if late is not None:
            self._aside_m = self._aside_m + late.at(self._s_m)

    def at(self, s_m: float | F64) -> F64:
        """Metres left of the route at arc length `s_m`."""
        found: F64 = np.interp(s_m, self._s_m, self._aside_m)
        return found

    def bent(self, points: NDArray[np.float32], s_m: float, speed_mps: float) -> NDArray[np.float32]:
        """A plan onto the route → one onto the wandering line.

        Args:
            points: (40, 4) x, y, yaw, speed in base_link.
            s_m: arc length on the route beside the car.
            speed_mps: of the car.

        Returns:
            (40, 4); place and heading now are as they are, so it begins where the car is.
        """
        path = np.vstack([np.zeros(2), points[:, :2].astype(np.float64)])
        along = np.cumsum(np.hypot(*np.diff(path, axis=0).T))
        length = blend_length(speed_mps)
        here = float(self.at(s_m))
        slope = float(self.at(s_m + STEP_M) - self.at(s_m - STEP_M)) / (2.0 * STEP_M)

        def aside(x: F64) -> F64:
            found: F64 = self.at(s_m + x) - blend(here, slope, length, np.minimum(x / length, 1.0))
            return found

        shift = aside(along)
        lean = np.arctan((aside(along + STEP_M) - aside(np.maximum(along - STEP_M, 0.0))) / (STEP_M + np.minimum(along, STEP_M)))
        bent = points.copy()
        bent[:, 0] -= np.sin(points[:, 2]) * shift
        bent[:, 1] += np.cos(points[:, 2]) * shift
        bent[:, 2] += lean
        return bent

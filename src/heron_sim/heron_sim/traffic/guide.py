"""When the guides of a work zone stop a lane and let it go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heron_sim.config import WorkZoneConfig
from heron_sim.traffic.vehicles import NONE, Vehicles
from heron_sim.traffic.workzone import WorkZone

CALM_MPS2 = 1.5  # nobody is stopped who would have to brake harder than this, 1.5 s after he saw it
EARLY_M = 40.0  # before that, so that cars ahead of the ego car are stopped with it
LET_OTHERS_S = 15.0  # those of the other direction who wait longer are let through in between
OTHERS_MPS = 6.0
OTHERS_GO_S = 7.0  # at least, once they may


@dataclass
class Guide:
    """The one guide's decisions; `step` first, then `stop` (the ego car's lane waits) and `others_stop`.

    The lane is stopped as the ego car comes near, and then the cycle (STOP for `stop_s`, GO for `go_s`) begins; a change is put off while somebody
    could not follow it calmly or is still inside.
    """

    zone: WorkZone
    config: WorkZoneConfig
    lengths: NDArray[np.float64]  # of lanes, by id
    stop: bool = False
    others_stop: bool = True
    _since_s: float | None = None
    _changed_s: float = 0.0
    _others_wait_s: float = 0.0
    _others_until_s: float = -1.0

    def step(self, cars: Vehicles, time_s: float, dt_s: float, ego_left_m: float, ego_mps: float) -> None:
        """Decides for the next step; `ego_left_m`: along the route from the ego car's front bumper to the stop line."""
        inside, others_inside, near, far_waits = self._look(cars)
        self._others_wait_s = self._others_wait_s + dt_s if far_waits else 0.0
        wished = self._wished(time_s, near, ego_left_m, ego_mps)
        if wished and not self.stop:
            if not near:
                self.stop, self._changed_s = True, time_s
        elif self.stop and not wished and not others_inside:
            self.stop, self._changed_s = False, time_s
        left = self._stop_left(time_s)
        through = (self.zone.end_m - self.zone.stop_m + 8.0) / OTHERS_MPS
        enough = left > through or self._others_wait_s > LET_OTHERS_S
        free = self.stop and not inside
        if free and enough and time_s - self._changed_s > 1.0 and time_s >= self._others_until_s:
            self._others_until_s = time_s + OTHERS_GO_S
        self.others_stop = not (free and time_s < self._others_until_s)

    def _stop_left(self, time_s: float) -> float:
        if self._since_s is None:
            return 1e9
        into = (time_s - self._since_s) % (self.config.stop_s + self.config.go_s)
        return self.config.stop_s - into

    def _wished(self, time_s: float, near: bool, ego_left_m: float, ego_mps: float) -> bool:
        """Whether the ego car's lane should be stopped."""
        if self._since_s is None and ego_left_m > 0.0:
            early_m = ego_left_m - max(25.0, ego_mps * ego_mps / (2.0 * CALM_MPS2) + 1.5 * ego_mps + 8.0)
            if early_m < 0.0:
                self._since_s = time_s
            elif early_m < EARLY_M:
                return True
        if time_s < self._others_until_s or (self._since_s is not None and self._stop_left(time_s) > 0.0):
            return True
        return self._others_wait_s > LET_OTHERS_S and not (near and not self.stop)

    def _distance(self, cars: Vehicles, i: int) -> float:
        """From a vehicle's middle to the stop line along its way; far if it does not come there."""
        lane, base = int(cars.lane[i]), -float(cars.s[i])
        stop = self.zone.stop_m - self.zone.lane_start_m
        for k in range(3):
            if lane == self.zone.lane:
                return base + stop
            base += float(self.lengths[lane])
            lane = int(cars.path[i, k])
            if lane < 0:
                break
        return 1e9

    def _look(self, cars: Vehicles) -> tuple[bool, bool, bool, bool]:
        """Somebody of the ego car's lane is inside; of the other; somebody is too near to be stopped calmly; somebody waits at the other end."""
        inside = others_inside = near = waits = False
        zone = self.zone
        stop, end = zone.stop_m - zone.lane_start_m, zone.end_m - zone.lane_start_m
        for i in range(len(cars.role)):
            if cars.role[i] == NONE or cars.lane[i] < 0:
                continue
            half, s, v = float(cars.length[i]) / 2.0, float(cars.s[i]), float(cars.v[i])
            if cars.lane[i] == zone.lane and s + half > stop + 0.7 and s - half < end:
                inside = True
            elif cars.lane[i] == zone.beside:
                if s + half > zone.beside_stop_m + 0.7 and s - half < zone.beside_end_m:
                    others_inside = True
                elif v < 0.5 and 0.0 <= zone.beside_stop_m - s - half < 6.0:
                    waits = True
            d = self._distance(cars, i) - half
            if -0.7 < d < v * v / (2.0 * CALM_MPS2 * 1.2) + 0.8 * v and v > 0.5:
                near = True
        return inside, others_inside, near, waits

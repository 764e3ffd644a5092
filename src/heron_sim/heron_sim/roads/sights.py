"""Where drivers must see traffic lights: nothing may stand there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from heron_sim.roads.line import F64
from heron_sim.roads.network import RoadNetwork

SIGHT_M = 75.0  # before a stop line: who is nearer sees its traffic light


@dataclass(frozen=True)
class Sights:
    """Straight views from drivers to traffic lights: (k, 2) begins and ends."""

    begin: F64
    end: F64

    def distance(self, places: F64, reach_m: float) -> float:
        """Least distance of any of `places` (n, 2), which lie within `reach_m` of their mean, from any view; metres, inf if far from all."""
        if not len(self.begin):
            return math.inf
        x, y, half, *_ = self._views
        mean_x, mean_y = places.mean(axis=0)
        near = np.flatnonzero(np.hypot(x - mean_x, y - mean_y) < half + reach_m + 2.0)
        if not len(near):
            return math.inf
        _, _, _, begin_x, begin_y, step_x, step_y, square = self._views[:, near]
        east, north = places[:, :1] - begin_x, places[:, 1:] - begin_y
        share = np.minimum(np.maximum((east * step_x + north * step_y) / square, 0.0), 1.0)
        east -= share * step_x
        north -= share * step_y
        return math.sqrt(float((east * east + north * north).min()))

    @cached_property
    def _views(self) -> F64:
        """(8, k) x and y of the middle, half the length, x and y of the begin, the way east and north, its length squared."""
        step, middle = self.end - self.begin, (self.begin + self.end) / 2.0
        return np.stack([*middle.T, np.hypot(*step.T) / 2.0, *self.begin.T, *step.T, (step**2).sum(axis=1)])


def sights_of(network: RoadNetwork) -> Sights:
    """From each lane that leads to traffic lights, up to `SIGHT_M` before its stop line, to the lights over it."""
    lanes, heads = network.lanes, [head for head in network.heads if not head.pedestrian]
    begins, ends = [], []
    for lane in lanes:
        group = lanes[lane.successors[0]].signal if lane.successors and lane.junction is None else None
        if group is None or lane.stop_s_m is None:
            continue
        last = lane.line.at(lane.line.length_m)
        facing = [h for h in heads if h.group == group and abs(math.remainder(h.yaw_rad - last.yaw - math.pi, 2.0 * math.pi)) < 0.5]
        if not facing:
            continue
        gaps = [math.hypot(h.x_m - last.x, h.y_m - last.y) for h in facing]
        over = facing[gaps.index(min(gaps))]
        at = np.arange(lane.stop_s_m, max(lane.stop_s_m - SIGHT_M, 0.0), -5.0)
        begins.append(lane.line.poses(at)[:, :2])
        ends.append(np.tile([over.x_m, over.y_m], (len(at), 1)))
    if not begins:
        return Sights(np.zeros((0, 2)), np.zeros((0, 2)))
    return Sights(np.concatenate(begins), np.concatenate(ends))

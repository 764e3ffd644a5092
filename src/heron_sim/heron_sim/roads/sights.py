"""Where drivers must see traffic lights: nothing may stand there."""

from __future__ import annotations

import math
from dataclasses import dataclass

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
        mean = places.mean(axis=0)
        gap = (self.begin + self.end) / 2.0 - mean
        near = np.hypot(gap[:, 0], gap[:, 1]) < np.hypot(*(self.end - self.begin).T) / 2.0 + reach_m + 2.0
        return float(self._distances(places, self.begin[near], self.end[near]).min()) if near.any() else math.inf

    @staticmethod
    def _distances(places: F64, begin: F64, end: F64) -> F64:
        """(n, k) from places to segments."""
        step = end - begin
        gap = places[:, None, :] - begin
        share = np.clip((gap * step).sum(axis=2) / (step**2).sum(axis=1), 0.0, 1.0)
        found: F64 = np.sqrt(((gap - share[:, :, None] * step) ** 2).sum(axis=2))
        return found


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

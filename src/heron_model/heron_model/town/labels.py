"""What the truth says about one moment: thoughts, our traffic light in the picture, who is ahead, and depth, actors and lane per patch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heron_core.truth import ActorKind, Truth
from heron_model.packed import pack
from heron_model.vision_grid import PATCH, SIGNAL_STRIDE
from heron_sim.drawing.rays import View
from heron_sim.drawing.renderer import Picture
from heron_sim.driving.expert_actors import Seen, see
from heron_sim.driving.expert_path import PathAhead
from heron_sim.driving.expert_route import Gate, RouteMap
from heron_sim.driving.judge_rules import FRONT_AXLE_M
from heron_sim.roads.network import RoadNetwork
from heron_sim.roads.route import Route

SEEN_M = 70.0  # a lamp further from the stop line is not told
FAR_M, NEAR_M, CLEAR_M = 20.0, 20.0, 45.0
STANDS_MPS = 0.5
DEPTH_MOST_M = 100.0
HALF_LANE_M = 1.75
LEAD_SCALE = (40.0, 8.0)  # metres, metres per second
RUNS_ALONG_COS = 0.5
VEHICLES = frozenset({ActorKind.CAR, ActorKind.TRUCK, ActorKind.BUS, ActorKind.BICYCLE})
LAMP_HALF_M = 0.59  # half a head's longer side


@dataclass(frozen=True)
class Ahead:
    """Who is ahead in the own way: gap from bumper to bumper, and speed."""

    gap_m: float
    speed_mps: float


class Labeller:
    """Labels the moments of one route."""

    def __init__(self, network: RoadNetwork, route: Route, views: Mapping[str, View]) -> None:
        """For one town.

        Args:
            network: of the town.
            route: of the car.
            views: of the pictures; those named `front` and `narrow` get dense labels, lamps are looked for in `narrow`.
        """
        self._network, self._route, self._views = network, route, views
        self._map = RouteMap(network, route)
        self._line = np.stack([self._map.x_m, self._map.y_m], 1)[::2]

    def gate(self, truth: Truth) -> tuple[Gate, float] | None:
        """The traffic light that counts now, and the way from the front bumper to its stop line."""
        front_m = truth.ego.route_s_m + truth.ego.front_m
        for gate in self._map.gates:
            left_m = gate.stop_m - front_m
            if left_m > SEEN_M:
                return None
            if left_m > -FRONT_AXLE_M:
                return (gate, left_m) if gate.group is not None else None
        return None

    def ahead(self, truth: Truth) -> Ahead | None:
        """The nearest vehicle in the own way that goes along it."""
        ego = truth.ego
        path = PathAhead(self._map, ego, ego.route_s_m)
        best: Seen | None = None
        for each in see(path, ego, truth.actors):
            runs_along = each.along_mps >= RUNS_ALONG_COS * each.actor.speed_mps
            in_way = each.gap_m(ego.half_width_m) < each.room_m() and each.near_m > 0.5 * ego.front_m
            if each.actor.kind in VEHICLES and in_way and runs_along and (best is None or each.near_m < best.near_m):
                best = each
        return None if best is None else Ahead(max(best.near_m - ego.front_m, 0.0), best.actor.speed_mps)

    def words(self, truth: Truth, pictures: Mapping[str, Picture]) -> dict[str, str]:
        """The words of the slots `signal`, `ahead` and `turn`."""
        ahead = self.ahead(truth)
        if ahead is None or ahead.gap_m > CLEAR_M:
            word = "clear"
        elif ahead.gap_m > NEAR_M:
            word = "far"
        else:
            word = "standing" if ahead.speed_mps < STANDS_MPS else "near"
        turn = self._route.instructed_at(truth.ego.route_s_m).value
        return {"signal": self.signal(truth, pictures)[0], "ahead": word, "turn": turn}

    def signal(self, truth: Truth, pictures: Mapping[str, Picture]) -> tuple[str, list[int]]:
        """What our light shows as far as the narrow picture shows it, and the cells (row-major, `SIGNAL_STRIDE` pixels) that its heads cover."""
        found = self.gate(truth)
        if found is None:
            return "none", []
        group = found[0].group
        view, picture, ego = self._views["narrow"], pictures["narrow"], truth.ego
        assert picture.depth is not None and group is not None
        height, width = view.size
        columns = width // SIGNAL_STRIDE
        cells: set[int] = set()
        c, s = math.cos(ego.yaw_rad), math.sin(ego.yaw_rad)
        for head in self._network.heads:
            if head.group != group or head.pedestrian:
                continue
            dx, dy = head.x_m - ego.x_m, head.y_m - ego.y_m
            middle = np.array([c * dx + s * dy, c * dy - s * dx, head.z_m])
            away = middle - view.pose.translation
            facing = math.cos(head.yaw_rad) * -dx + math.sin(head.yaw_rad) * -dy
            if middle[0] < 1.0 or facing < 0.3 * math.hypot(dx, dy):
                continue
            u, v = view.project(middle[None])[0]
            if not (0.0 <= u <= width - 1 and 0.0 <= v <= height - 1):
                continue
            if picture.depth[round(v), round(u)] < np.linalg.norm(away) - 1.0:
                continue  # something stands before it
            cells.add(int(v) // SIGNAL_STRIDE * columns + int(u) // SIGNAL_STRIDE)
        lamp = truth.lamps.get(group)
        return (lamp.value, sorted(cells)) if cells and lamp is not None else ("none", [])

    def dense(self, truth: Truth, pictures: Mapping[str, Picture]) -> bytes:
        """Everything that is taught per patch or cell, packed by `pack`."""
        found: dict[str, NDArray[np.generic]] = {"cells": np.array(self.signal(truth, pictures)[1], np.int16)}
        ahead = self.ahead(truth)
        lead = (1.5, 0.0) if ahead is None else (min(ahead.gap_m / LEAD_SCALE[0], 1.5), (ahead.speed_mps - truth.ego.speed_mps) / LEAD_SCALE[1])
        found["lead"] = np.array(lead, np.float32)
        for name in ("front", "narrow"):
            found[f"dense_{name}"] = self._patches(truth, self._views[name], pictures[name])
        return pack(found)

    def _patches(self, truth: Truth, view: View, picture: Picture) -> NDArray[np.uint8]:
        """(patches, 3): depth, actors, lane, 0 … 255."""
        assert picture.depth is not None and picture.ids is not None
        height, width = view.size
        step = 4
        depth = np.clip(picture.depth[step // 2 :: step, step // 2 :: step], 0.0, DEPTH_MOST_M)
        ids = picture.ids[step // 2 :: step, step // 2 :: step]
        rays = view.rays[:: view.fine, :: view.fine][step // 2 :: step, step // 2 :: step]
        ego = truth.ego
        base = rays * depth[..., None] + view.pose.translation.astype(np.float32)
        ground = (ids == 0) & (depth < 0.99 * DEPTH_MOST_M) & (base[..., 2] < 0.3)
        c, s = math.cos(ego.yaw_rad), math.sin(ego.yaw_rad)
        x, y = ego.x_m + c * base[..., 0] - s * base[..., 1], ego.y_m + s * base[..., 0] + c * base[..., 1]
        first = max(int(ego.route_s_m) - 8, 0)
        line = self._line[first : first + 80]
        near = np.zeros(depth.shape, bool)
        if ground.any() and len(line):
            away = np.hypot(x[ground][:, None] - line[:, 0], y[ground][:, None] - line[:, 1]).min(1)
            near[ground] = away < HALF_LANE_M
        actors = (ids > 0) & (ids < 10_000)
        layers = np.stack([np.log1p(depth) / math.log1p(DEPTH_MOST_M), actors.astype(np.float32), near.astype(np.float32)], -1)
        each = PATCH // step
        shares = layers.reshape(height // PATCH, each, width // PATCH, each, 3).mean((1, 3))
        packed: NDArray[np.uint8] = np.round(shares * 255.0).astype(np.uint8).reshape(-1, 3)
        return packed

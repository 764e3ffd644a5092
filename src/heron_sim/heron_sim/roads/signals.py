"""Traffic lights: groups, programs, heads on mast arms over the lanes beyond the junction, walkers' signals at the kerbs."""

from __future__ import annotations

import math

import cv2
import numpy as np

from heron_sim.roads.lanes import Draft
from heron_sim.roads.layout import Layout
from heron_sim.roads.line import F64
from heron_sim.roads.mouths import Arm, outline
from heron_sim.roads.network import Phase, SignalHead, SignalProgram

HEAD_M = 5.3  # middle of a head above the road
WALKERS_HEAD_M = 2.6
_YELLOW_S = 3.0
_ALL_RED_S = 2.5  # who enters at 11 m/s at the end of yellow has left
_BESIDE_KERB_M = 0.8
_MAST_CLEAR_M = 0.5  # of a mast from the carriageway, at least


def groups_of(first_group: int, arms: list[Arm], main: frozenset[int]) -> list[tuple[int, int]]:
    """Per arm: the group of its drivers, the group of the walkers who cross it.

    Four groups per junction: drivers on main streets, on others; walkers beside main streets, beside others.
    """
    return [(first_group, first_group + 3) if arm.street in main else (first_group + 1, first_group + 2) for arm in arms]


def program_of(first_group: int, offset_s: float, green_s: tuple[float, float]) -> SignalProgram:
    """Main streets and the walkers beside them, then the others."""
    g = first_group
    phases = tuple(Phase(groups, seconds, _YELLOW_S, _ALL_RED_S) for groups, seconds in zip(((g, g + 2), (g + 1, g + 3)), green_s, strict=True))
    return SignalProgram(phases, offset_s)


def heads_of(layout: Layout, draft: Draft, node: int, arms: list[Arm], groups: list[tuple[int, int]]) -> list[SignalHead]:
    """The heads of one junction."""
    heads, middle = [], np.array([layout.nodes[node].x_m, layout.nodes[node].y_m])
    for arm, (drivers, walkers) in zip(arms, groups, strict=True):
        heads += _drivers_heads(layout, draft, middle, arms, arm, drivers)
        if arm.crossing:
            along = middle + (arm.mouth_m + arm.crossing_m) * arm.out
            for side in (1.0, -1.0):
                # On either kerb, at the far edge of the crossing, facing who comes from the other side.
                place = along + side * (arm.half_m + _BESIDE_KERB_M) * arm.left + side * 2.4 * arm.out
                yaw = math.atan2(-side * arm.left[1], -side * arm.left[0])
                x, y = float(place[0]), float(place[1])
                heads.append(SignalHead(walkers, x, y, WALKERS_HEAD_M, yaw, x, y, pedestrian=True))
    return heads


def _drivers_heads(layout: Layout, draft: Draft, middle: F64, arms: list[Arm], arm: Arm, group: int) -> list[SignalHead]:
    lanes = draft.arriving[(arm.street, arm.at_end)]
    opposite = max(arms, key=lambda other: -math.cos(other.yaw_rad - arm.yaw_rad))
    across = -math.cos(opposite.yaw_rad - arm.yaw_rad)
    kerb = arm.half_m
    if opposite is not arm and across > math.cos(math.radians(40.0)):
        beyond, kerb = opposite.mouth_m, opposite.half_m
    else:  # nothing opposite: behind the far kerb
        sides = [other for other in arms if other is not arm]
        beyond = max(other.half_m for other in sides) + _BESIDE_KERB_M
    heads = []
    area, at = outline(layout, arms, _MAST_CLEAR_M, 15.0).astype(np.float32), beyond + 0.3
    foot = middle - at * arm.out - (max(kerb, arm.half_m) + _BESIDE_KERB_M) * arm.left
    while cv2.pointPolygonTest(area, (float(foot[0]), float(foot[1])), False) >= 0.0:
        foot, at = foot - 0.25 * arm.out, at + 0.25
    for lane in lanes:
        end = draft.lanes[lane].line.at(draft.lanes[lane].line.length_m)
        place = np.array([end.x, end.y]) - (at + arm.mouth_m) * arm.out
        heads.append(SignalHead(group, float(place[0]), float(place[1]), HEAD_M, arm.yaw_rad, float(foot[0]), float(foot[1])))
    return heads

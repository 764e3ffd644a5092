"""Finds what is wrong with a road network: gaps, kinks, curves that no car can drive, contradictions in who waits for whom."""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np

from heron_sim.roads.line import F64
from heron_sim.roads.network import Lane, RoadNetwork

GAP_M = 0.01
KINK_RAD = math.radians(2.0)
CURVATURE_PER_M = 0.15
STEP_M = 1.3
CURVATURE_JUMP_PER_M = 0.05  # between neighbours of a line's points


def network_faults(network: RoadNetwork, ends_allowed: bool = False) -> list[str]:
    """Sentences about everything that is wrong; empty: nothing.

    Args:
        network: to be looked at.
        ends_allowed: lanes may end where the network ends.
    """
    found: list[str] = []
    for index, lane in enumerate(network.lanes):
        if lane.id != index:
            found.append(f"lane {index} has id {lane.id}")
        found += _ids(network, lane)
        if not ends_allowed and not lane.successors:
            found.append(f"lane {index} leads nowhere")
        found += _shape(lane)
    found += _joints(network)
    found += _waiting(network)
    found += _signals(network)
    found += _outside(network)
    return found


def _ids(network: RoadNetwork, lane: Lane) -> Iterator[str]:
    lanes, count = network.lanes, len(network.lanes)
    for name in ("successors", "predecessors", "yields_to", "crosses"):
        for other in getattr(lane, name):
            if not 0 <= other < count:
                yield f"lane {lane.id}: {name} names lane {other}, there are {count}"
                return
    for one, back in (("successors", "predecessors"), ("predecessors", "successors")):
        for other in getattr(lane, one):
            if lane.id not in getattr(lanes[other], back):
                yield f"lane {lane.id} has {other} among its {one}, which does not know it"
    for one, back in (("left", "right"), ("right", "left")):
        other = getattr(lane, one)
        if other is not None and getattr(lanes[other], back) != lane.id:
            yield f"lane {lane.id} has {other} on its {one}, which does not have it on its {back}"
    if lane.junction is not None and lane.id not in network.junctions[lane.junction].connectors:
        yield f"connector {lane.id} is unknown to junction {lane.junction}"


def _shape(lane: Lane) -> Iterator[str]:
    line = lane.line
    longest = float(np.diff(line.s_m).max())
    if longest > STEP_M:
        yield f"lane {lane.id}: points {longest:.2f} m apart"
    sharpest = float(np.abs(line.curvature_per_m).max())
    if sharpest > CURVATURE_PER_M:
        yield f"lane {lane.id}: curvature {sharpest:.3f} 1/m"
    jump = float(np.abs(np.diff(line.curvature_per_m)).max())
    if jump > CURVATURE_JUMP_PER_M:
        yield f"lane {lane.id}: curvature jumps by {jump:.3f} 1/m"
    if lane.stop_s_m is not None and not 0.0 < lane.stop_s_m <= line.length_m:
        yield f"lane {lane.id}: stop line at {lane.stop_s_m:.2f} m of {line.length_m:.2f} m"


def _joints(network: RoadNetwork) -> Iterator[str]:
    for lane in network.lanes:
        end = lane.line.at(lane.line.length_m)
        for follower in lane.successors:
            begin = network.lanes[follower].line.at(0.0)
            gap = math.hypot(begin.x - end.x, begin.y - end.y)
            kink = abs(math.remainder(begin.yaw - end.yaw, 2.0 * math.pi))
            if gap > GAP_M:
                yield f"lanes {lane.id} and {follower}: gap of {gap:.3f} m"
            if kink > KINK_RAD:
                yield f"lanes {lane.id} and {follower}: kink of {math.degrees(kink):.1f} degrees"


def _waiting(network: RoadNetwork) -> Iterator[str]:
    for lane in network.lanes:
        for other in lane.crosses:
            if lane.id not in network.lanes[other].crosses:
                yield f"connector {lane.id} crosses {other}, which does not cross it"
            if network.lanes[other].junction != lane.junction:
                yield f"connector {lane.id} crosses {other} of another junction"
        for other in lane.yields_to:
            if other not in lane.crosses:
                yield f"connector {lane.id} waits for {other}, which it does not meet"
            if lane.id in network.lanes[other].yields_to:
                yield f"connectors {lane.id} and {other} wait for each other"


def _signals(network: RoadNetwork) -> Iterator[str]:
    for lane in network.lanes:
        if lane.signal is not None and network.groups.get(lane.signal) != lane.junction:
            yield f"connector {lane.id}: signal group {lane.signal} does not belong to its junction"
    shown = {head.group for head in network.heads}
    for lane in network.lanes:
        if lane.signal is not None and lane.signal not in shown:
            yield f"connector {lane.id}: nothing shows signal group {lane.signal}"


def _outside(network: RoadNetwork, cell_m: float = 0.25) -> Iterator[str]:
    """Lanes whose edges leave the carriageway, on a grid of `cell_m`."""
    if not network.drivable:
        return
    corners = np.concatenate(network.drivable)
    low = corners.min(axis=0) - 2.0
    size = np.ceil((corners.max(axis=0) + 2.0 - low) / cell_m).astype(int)
    mask = np.zeros((int(size[1]), int(size[0])), np.uint8)
    for polygon in network.drivable:
        cv2.fillPoly(mask, [np.round((polygon - low) / cell_m * 16.0).astype(np.int32)], 1, cv2.LINE_8, 4)
    for lane in network.lanes:
        normal = np.stack([-np.sin(lane.line.yaw_rad), np.cos(lane.line.yaw_rad)], axis=1)
        for side in (1.0, -1.0):
            edge: F64 = lane.line.points + side * (lane.width_m / 2.0 - 0.1) * normal
            cell = ((edge - low) / cell_m).astype(int)
            if not mask[cell[:, 1], cell[:, 0]].all():
                yield f"lane {lane.id} leaves the carriageway {'left' if side > 0.0 else 'right'}"

"""Where streets open into junctions: kerbs rounded at the corners, crossings, stop lines."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from heron_sim.roads.layout import Layout, Street
from heron_sim.roads.line import F64

CROSSING_M = 4.0  # width of a pedestrian crossing
CROSSING_GAP_M = 0.8  # from the corner's rounding to the crossing
STOP_GAP_M = 1.5  # from the crossing to the stop line
STOP_ALONE_M = 1.0  # from the corner's rounding to a stop line without crossing
_STRAIGHT = math.radians(160.0)


@dataclass(frozen=True)
class Arm:
    """One street at one junction.

    Attributes:
        street, node: ids.
        at_end: the street ends here (else it starts here).
        yaw_rad: direction away from the junction.
        half_m: half the carriageway.
        mouth_m: distance of the mouth from the junction's middle; lanes end there.
        crossing: there is a pedestrian crossing at the mouth.
    """

    street: int
    node: int
    at_end: bool
    yaw_rad: float
    half_m: float
    mouth_m: float = 0.0
    crossing: bool = False

    @property
    def crossing_m(self) -> float:
        """Distance of the crossing's middle from the mouth."""
        return CROSSING_GAP_M + CROSSING_M / 2.0

    @property
    def stop_m(self) -> float:
        """Distance of the stop line (its edge nearer to the junction) from the mouth."""
        return CROSSING_GAP_M + CROSSING_M + STOP_GAP_M if self.crossing else STOP_ALONE_M

    @property
    def out(self) -> F64:
        """Unit vector away from the junction."""
        return np.array([math.cos(self.yaw_rad), math.sin(self.yaw_rad)])

    @property
    def left(self) -> F64:
        """Unit vector to the left of `out`."""
        return np.array([-math.sin(self.yaw_rad), math.cos(self.yaw_rad)])


def arms_of(layout: Layout, node: int) -> list[Arm]:
    """The junction's arms, counter-clockwise, with their mouths."""
    arms = []
    for index, street in enumerate(layout.streets):
        for at_end, place in ((False, street.start), (True, street.end)):
            if place == node:
                yaw = street.centre.at(street.centre.length_m).yaw + math.pi if at_end else street.centre.at(0.0).yaw
                arms.append(Arm(index, node, at_end, math.remainder(yaw, 2.0 * math.pi), street.half_m))
    arms.sort(key=lambda arm: arm.yaw_rad)
    here = layout.nodes[node]
    reach = [4.0] * len(arms)
    for i, arm in enumerate(arms):
        j = (i + 1) % len(arms)
        tangents = _corner(arm, arms[j], layout.corner_m, 0.0)
        if tangents is not None:
            reach[i], reach[j] = max(reach[i], tangents[0]), max(reach[j], tangents[1])
    return [Arm(a.street, node, a.at_end, a.yaw_rad, a.half_m, r + 0.2, here.crossings) for a, r in zip(arms, reach, strict=True)]


def _between(first: Arm, second: Arm) -> float:
    angle = (second.yaw_rad - first.yaw_rad) % (2.0 * math.pi)
    return angle if angle > 1e-9 else 2.0 * math.pi


def _corner(first: Arm, second: Arm, radius_m: float, wider_m: float) -> tuple[float, float, float] | None:
    """Distances from the junction's middle, along both arms, at which the rounding between them begins, and its tangents' length; None: no corner."""
    angle = _between(first, second)
    if angle > _STRAIGHT:
        return None
    one, two = first.half_m + wider_m, second.half_m + wider_m
    # Where the left edge of the first meets the right edge of the second: node + a out1 + one left1 = node + b out2 - two left2.
    a = (two + one * math.cos(angle)) / math.sin(angle)
    b = (one + two * math.cos(angle)) / math.sin(angle)
    tangent = max(radius_m - wider_m, 0.3) / math.tan(angle / 2.0)
    return a + tangent, b + tangent, tangent


def rounding(layout: Layout, first: Arm, second: Arm, wider_m: float = 0.0) -> F64:
    """(n, 2) the edge from the first arm's left side at its mouth, around the corner, to the right side of the next arm at its mouth.

    Args:
        layout: the plan.
        first: an arm.
        second: the next one, counter-clockwise.
        wider_m: outside of the kerb's edge.
    """
    middle = np.array([layout.nodes[first.node].x_m, layout.nodes[first.node].y_m])
    begin = middle + first.mouth_m * first.out + (first.half_m + wider_m) * first.left
    end = middle + second.mouth_m * second.out - (second.half_m + wider_m) * second.left
    corner = _corner(first, second, layout.corner_m, wider_m)
    if corner is None:
        return np.stack([begin, end])
    radius = max(layout.corner_m - wider_m, 0.3)
    start = middle + corner[0] * first.out + (first.half_m + wider_m) * first.left
    centre = start + radius * first.left
    sweep = math.pi - _between(first, second)
    # Driving in along the first arm one turns right into the next; the corner's centre lies on the right.
    angles = np.linspace(0.0, sweep, max(int(sweep * radius / 0.5), 4) + 1)
    from_centre = -first.left
    across = -first.out
    arc = centre + radius * (np.cos(angles)[:, None] * from_centre + np.sin(angles)[:, None] * across)
    return np.concatenate([begin[None], arc, end[None]])


def outline(layout: Layout, arms: list[Arm], wider_m: float = 0.0, beyond_m: float = 0.3) -> F64:
    """(n, 2) the junction's area up to its mouths and `beyond_m` into the streets, counter-clockwise."""
    edges = []
    for i, arm in enumerate(arms):
        edge = rounding(layout, arm, arms[(i + 1) % len(arms)], wider_m)
        follower = arms[(i + 1) % len(arms)]
        edges.append(np.concatenate([edge[:1] + beyond_m * arm.out, edge, edge[-1:] + beyond_m * follower.out]))
    return np.concatenate(edges)


def span(street: Street, arms: dict[tuple[int, bool], Arm], index: int) -> tuple[float, float]:
    """Arc lengths of the street's middle between its mouths."""
    begin, end = arms.get((index, False)), arms.get((index, True))
    return (begin.mouth_m if begin else 0.0), street.centre.length_m - (end.mouth_m if end else 0.0)

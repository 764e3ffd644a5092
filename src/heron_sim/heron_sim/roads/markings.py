"""What is painted on the ground: pavements, kerbs, carriageway, lines, crossings, arrows. Traffic keeps left here."""

from __future__ import annotations

import numpy as np

from heron_sim.roads.build import Built
from heron_sim.roads.curve import band
from heron_sim.roads.layout import Street
from heron_sim.roads.line import F64, Line
from heron_sim.roads.mouths import CROSSING_M, Arm, outline
from heron_sim.roads.network import Lane, Manoeuvre
from heron_sim.roads.town import Paint, Surface

LINE_M = 0.15
STOP_LINE_M = 0.45
_STRIPE_M = 0.5
_DASH_M, _GAP_M = 5.0, 5.0
_SOLID_M = 30.0  # before a stop line: no change of lane, no overtaking
_ARROW_M = 8.0  # tip of an arrow before the stop line
_PAVED_CENTRALITY, _YARD_M = 0.25, 6.0
_DIAMONDS_M = (30.0, 50.0)  # marks that announce a crossing without lamps


def paints_of(built: Built) -> tuple[Paint, ...]:
    """The town's ground, lowest first."""
    layout = built.layout
    paints: list[Paint] = []
    full = layout.kerb_m + layout.sidewalk_m
    for street, (begin, end) in zip(layout.streets, built.spans, strict=True):
        if street.centrality > _PAVED_CENTRALITY:  # nothing grows between the pavements and the houses of a city
            half = street.half_m + full + _YARD_M
            paints.append(Paint(Surface.GRAVEL, band(street.centre, begin - _YARD_M, end + _YARD_M, -half, half)))
    for surface, wider in ((Surface.SIDEWALK, full), (Surface.KERB, layout.kerb_m), (Surface.ASPHALT, 0.0)):
        for street, (begin, end) in zip(layout.streets, built.spans, strict=True):
            half = street.half_m + wider
            paints.append(Paint(surface, band(street.centre, begin - 0.1, end + 0.1, -half, half)))
        paints += [Paint(surface, outline(layout, list(arms), wider)) for arms in built.arms]
    at = {(arm.street, arm.at_end): arm for arms in built.arms for arm in arms}
    for index, street in enumerate(layout.streets):
        paints += _street(street, built.spans[index], at.get((index, False)), at.get((index, True)))
    for arms in built.arms:
        for arm in arms:
            paints += _mouth(built, arm)
    paints += [_arrow(lane, built.network.lanes) for lane in built.network.lanes if _has_arrow(built, lane)]
    return tuple(paints)


def _street(street: Street, span: tuple[float, float], first: Arm | None, last: Arm | None) -> list[Paint]:
    """Lines along a street between its stop lines, and its crossing."""
    begin, end = span[0] + (first.stop_m if first else 0.0), span[1] - (last.stop_m if last else 0.0)
    pieces = [(begin, end)]
    paints: list[Paint] = []
    if street.crossing_m is not None:
        paints += _zebra(street, street.crossing_m)
        pieces = [(begin, street.crossing_m - CROSSING_M / 2.0 - 2.0), (street.crossing_m + CROSSING_M / 2.0 + 2.0, end)]
        for side, forth in ((1.0, -1.0), (-1.0, 1.0)):
            for lane in range(street.lanes):
                left = side * (lane + 0.5) * street.lane_m
                places = [street.crossing_m + forth * away for away in _DIAMONDS_M]
                paints += [_diamond(street.centre, place, left) for place in places if begin + 3.0 < place < end - 3.0]
    solid = (begin + _SOLID_M if first else begin, end - _SOLID_M if last else end)
    for piece in pieces:
        edge = street.lanes * street.lane_m
        paints += [_line(street.centre, piece, side * edge, Surface.WHITE) for side in (1.0, -1.0)]
        if street.lanes > 1:
            paints.append(_line(street.centre, piece, 0.0, Surface.YELLOW))
        else:
            paints += _mixed(street.centre, piece, solid, 0.0, Surface.YELLOW)
        for lane in range(1, street.lanes):
            paints += _mixed(street.centre, piece, (begin, solid[1]), lane * street.lane_m, Surface.WHITE)
            paints += _mixed(street.centre, piece, (solid[0], end), -lane * street.lane_m, Surface.WHITE)
    return paints


def _line(centre: Line, piece: tuple[float, float], left_m: float, surface: Surface) -> Paint:
    return Paint(surface, band(centre, *piece, left_m - LINE_M / 2.0, left_m + LINE_M / 2.0))


def _mixed(centre: Line, piece: tuple[float, float], dashed: tuple[float, float], left_m: float, solid: Surface) -> list[Paint]:
    """A line that is white and dashed within `dashed`, and solid outside."""
    low, high = max(piece[0], dashed[0]), min(piece[1], dashed[1])
    if high - low < _DASH_M:
        return [_line(centre, piece, left_m, solid)]
    paints = [_line(centre, part, left_m, solid) for part in ((piece[0], low), (high, piece[1])) if part[1] - part[0] > 0.1]
    starts = np.arange(low + _GAP_M / 2.0, high - _DASH_M / 2.0, _DASH_M + _GAP_M)
    return paints + [_line(centre, (float(s), min(float(s) + _DASH_M, high)), left_m, Surface.WHITE) for s in starts]


def _zebra(street: Street, s_m: float) -> list[Paint]:
    count = int(2.0 * street.half_m / (2.0 * _STRIPE_M))
    first = -(2 * count - 1) * _STRIPE_M / 2.0
    rights = [first + 2.0 * _STRIPE_M * k for k in range(count)]
    low, high = s_m - CROSSING_M / 2.0, s_m + CROSSING_M / 2.0
    return [Paint(Surface.WHITE, band(street.centre, low, high, right, right + _STRIPE_M, CROSSING_M)) for right in rights]


def _mouth(built: Built, arm: Arm) -> list[Paint]:
    """Crossing and stop line of one arm of a junction."""
    street = built.layout.streets[arm.street]
    length = street.centre.length_m

    def along(distance_m: float) -> float:
        return length - arm.mouth_m - distance_m if arm.at_end else arm.mouth_m + distance_m

    paints = _zebra(street, along(arm.crossing_m)) if arm.crossing else []
    low, high = sorted((along(arm.stop_m), along(arm.stop_m + STOP_LINE_M)))
    width = street.lanes * street.lane_m
    right, left = (LINE_M, width - LINE_M) if arm.at_end else (LINE_M - width, -LINE_M)
    paints.append(Paint(Surface.WHITE, band(street.centre, low, high, right, left)))
    return paints


def _diamond(centre: Line, s_m: float, left_m: float) -> Paint:
    """The mark that announces a crossing."""
    pose = centre.at(s_m)

    def rhomb(half_length: float, half_width: float) -> F64:
        local = np.array([(-half_length, left_m), (0.0, left_m - half_width), (half_length, left_m), (0.0, left_m + half_width)])
        return pose.apply(local)

    return Paint(Surface.WHITE, rhomb(2.5, 0.75), (rhomb(2.0, 0.55),))


def _has_arrow(built: Built, lane: Lane) -> bool:
    """Arrows stand where lamps are, and where lanes differ."""
    if lane.stop_s_m is None or lane.stop_s_m < _ARROW_M + 10.0:
        return False
    junction = built.network.lanes[lane.successors[0]].junction
    signals = junction is not None and built.network.junctions[junction].program is not None
    return signals or lane.left is not None or lane.right is not None


# Outline of an arrow, x ahead from its tip, y left: its shaft, a branch to the right (mirrored: to the left), its head.
_SHAFT = [(-5.0, 0.08), (-5.0, -0.08)]
_BRANCH = [(-3.1, -0.08), (-2.65, -0.55), (-3.1, -0.55), (-2.4, -1.25), (-1.7, -0.55), (-2.15, -0.55), (-2.55, -0.08)]
_HEAD = [(-1.6, -0.08), (-1.6, -0.35), (0.0, 0.0), (-1.6, 0.35), (-1.6, 0.08)]


def _arrow(lane: Lane, lanes: tuple[Lane, ...]) -> Paint:
    """One arrow for all turns that the lane allows."""
    turns = {lanes[follower].turn for follower in lane.successors}
    points = list(_SHAFT)
    points += _BRANCH if Manoeuvre.RIGHT in turns else [(-2.55, -0.08)]
    points += _HEAD if Manoeuvre.STRAIGHT in turns else []
    points += [(x, -y) for x, y in reversed(_BRANCH)] if Manoeuvre.LEFT in turns else [(-2.55, 0.08)]
    pose = lane.line.at((lane.stop_s_m or 0.0) - _ARROW_M)
    return Paint(Surface.WHITE, pose.apply(np.array(points)))

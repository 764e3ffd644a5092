"""Signs and parked cars of a generated town. Traffic keeps left here."""

from __future__ import annotations

import math

import numpy as np

from heron_sim.roads.build import Built
from heron_sim.roads.layout import Street
from heron_sim.roads.town import ParkedCar, Sign, SignKind

_LIMITS = {30: SignKind.LIMIT_30, 40: SignKind.LIMIT_40, 50: SignKind.LIMIT_50, 60: SignKind.LIMIT_60}
_PARKING_M, _PARKED_FREE_M = 6.4, 24.0  # from car to car; free before and behind junctions
_PARKED_EDGE_M = 1.18  # from the kerb to the middle of a parked car


def signs_of(built: Built) -> tuple[Sign, ...]:
    """Limits where streets begin, stop or yield where they end without lamps and without priority, crossings between junctions."""
    signs, layout = [], built.layout
    for arms in built.arms:
        for arm in arms:
            street, node = layout.streets[arm.street], layout.nodes[arm.node]
            forth = -1.0 if arm.at_end else 1.0  # away from the junction along the street's middle
            base = street.centre.length_m - arm.mouth_m if arm.at_end else arm.mouth_m
            if not node.signals and arm.street not in node.main:
                kind = SignKind.STOP if len(arms) > 3 or (arm.street + arm.node) % 2 else SignKind.YIELD
                signs.append(_sign(street, kind, base + forth * (arm.stop_m + 0.3), -forth))
            limit = _LIMITS[min(_LIMITS, key=lambda kmh: abs(kmh - street.speed_mps * 3.6))]
            signs.append(_sign(street, limit, base + forth * 14.0, forth))
    for street in layout.streets:
        if street.crossing_m is not None:
            signs += [_sign(street, SignKind.CROSSING, street.crossing_m - forth * 3.0, forth) for forth in (1.0, -1.0)]
    return tuple(signs)


def _sign(street: Street, kind: SignKind, s_m: float, travel: float) -> Sign:
    """A sign for drivers who go along the street's middle (1) or against it (-1), on their left, facing them."""
    x, y, yaw = _beside(street, s_m, travel * (street.half_m + 0.5))
    return Sign(kind, x, y, math.remainder(yaw + (math.pi if travel > 0.0 else 0.0), 2.0 * math.pi))


def parked_of(built: Built, rng: np.random.Generator) -> tuple[ParkedCar, ...]:
    """Cars on the shoulders of streets with parking."""
    cars: list[ParkedCar] = []
    for street, (begin, end) in zip(built.layout.streets, built.spans, strict=True):
        if not street.parking:
            continue
        for side in (1.0, -1.0):
            for s in np.arange(begin + _PARKED_FREE_M, end - _PARKED_FREE_M, _PARKING_M):
                kept, look, aside = rng.random() < 0.5, int(rng.integers(0, 1 << 16)), float(rng.uniform(-0.05, 0.05))
                if kept and not (street.crossing_m is not None and abs(float(s) - street.crossing_m) < 12.0):
                    x, y, yaw = _beside(street, float(s), side * (street.half_m - _PARKED_EDGE_M + aside))
                    cars.append(ParkedCar(x, y, math.remainder(yaw + (0.0 if side > 0.0 else math.pi), 2.0 * math.pi), look))
    return tuple(cars)


def _beside(street: Street, s_m: float, left_m: float) -> tuple[float, float, float]:
    pose = street.centre.at(s_m)
    return pose.x - left_m * math.sin(pose.yaw), pose.y + left_m * math.cos(pose.yaw), pose.yaw

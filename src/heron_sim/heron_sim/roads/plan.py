"""Draws the plan of a town: junctions on a perturbed grid, streets that bend between them, arterials, missing streets."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from heron_sim.config import TownConfig
from heron_sim.roads.curve import alignment
from heron_sim.roads.layout import Layout, Node, Street
from heron_sim.roads.line import F64, Line

STREET_CURVATURE = 1.0 / 32.0  # 1/m, of streets
_STRAIGHT_M = 22.0  # of each street at its ends: mouth, crossing and stop line lie there
_ARTERIAL_STRAIGHT_M = 26.0
_TURN_RAD = 0.38  # of a junction against the grid, at most
_SKEW_RAD = 0.09  # of its two streets against a right angle
_SHIFT = 0.13  # of a junction against the grid, in blocks
_SIDE_ACCEL_MPS2 = 2.3  # at the speed limit
_EAST, _NORTH, _WEST, _SOUTH = range(4)
_STEP = ((1, 0), (0, 1), (-1, 0), (0, -1))
Place = tuple[int, int]


@dataclass
class _Spot:
    """A place of the grid while the plan is drawn: how it is moved, turned, skewed; `ease` scales all three."""

    shift: F64
    turn: float
    skew: float
    ease: float = 1.0


class TownPlan:
    """One town's plan."""

    def __init__(self, config: TownConfig, rng: np.random.Generator) -> None:
        """Draws it."""
        self._config, self._rng, self._n = config, rng, config.blocks
        n = self._n
        self._corners = {(i, j) for i in (0, n - 1) for j in (0, n - 1)}
        self._places = [(i, j) for i in range(n) for j in range(n) if (i, j) not in self._corners]
        self._spots = {(i, j): self._spot((i, j)) for i in range(n) for j in range(n)}
        low, high = (n - 1) // 2, n // 2
        self._column, self._row = int(rng.integers(low, high + 1)), int(rng.integers(low, high + 1))
        self._edges = self._draw_edges()
        self.layout = self._draw()

    def _spot(self, place: Place) -> _Spot:
        a, b, c, d = (float(v) for v in self._rng.uniform(-1.0, 1.0, 4))
        if place in self._corners:
            return _Spot(np.zeros(2), 0.0, 0.0)
        curvy = self._config.curvy
        return _Spot(_SHIFT * curvy * np.array([a, b]), _TURN_RAD * curvy * c, _SKEW_RAD * curvy * d)

    def _arterial(self, one: Place, two: Place) -> bool:
        return one[0] == two[0] == self._column or one[1] == two[1] == self._row

    def _draw_edges(self) -> list[tuple[Place, Place]]:
        """Grid edges that stay: every junction keeps three, arterials and the ring around the town stay whole."""
        n = self._n
        edges = [((i, j), (i + 1, j)) for j in range(n) for i in range(n - 1)] + [((i, j), (i, j + 1)) for i in range(n) for j in range(n - 1)]
        degree = {place: sum(place in edge for edge in edges) for place in self._spots}
        border = {place for place in self._spots if place[0] in (0, n - 1) or place[1] in (0, n - 1)}
        spare = [e for e in edges if not self._arterial(*e) and not (e[0] in border or e[1] in border)]
        wanted = round(0.3 * len(spare))
        for k in self._rng.permutation(len(spare)):
            one, two = spare[int(k)]
            if wanted > 0 and degree[one] > 3 and degree[two] > 3:
                edges.remove((one, two))
                degree[one], degree[two], wanted = degree[one] - 1, degree[two] - 1, wanted - 1
        return edges

    def _xy(self, place: Place) -> F64:
        spot, block = self._spots[place], self._config.block_m
        middle = (self._n - 1) / 2.0
        return block * (np.array(place) - middle + spot.ease * spot.shift)

    def _out(self, place: Place, direction: int) -> F64:
        """Unit vector of a junction's arm."""
        spot = self._spots[place]
        yaw = direction * math.pi / 2.0 + spot.ease * (spot.turn + (spot.skew if direction in (_NORTH, _SOUTH) else -spot.skew))
        return np.array([math.cos(yaw), math.sin(yaw)])

    def _straight(self, place: Place) -> float:
        return _ARTERIAL_STRAIGHT_M if place[0] == self._column or place[1] == self._row else _STRAIGHT_M

    def _between(self, one: Place, two: Place) -> tuple[Line, float]:
        """The middle of a street between two neighbours; its largest curvature."""
        p, q = self._xy(one), self._xy(two)
        direction = _STEP.index((two[0] - one[0], two[1] - one[1]))
        u, v = self._out(one, direction), self._out(two, (direction + 2) % 4)
        first, last = self._straight(one), self._straight(two)
        tangent = (float(np.hypot(*(q - p))) - first - last) / 4.2
        a, b = p + (first + tangent) * u, q + (last + tangent) * v
        return alignment(np.stack([p, a, b, q]), [tangent, tangent], STREET_CURVATURE)

    def _around(self, one: Place, corner: Place, two: Place) -> tuple[Line, float]:
        """The middle of a street that goes round a corner of the town."""
        p, c, q = self._xy(one), self._xy(corner), self._xy(two)
        ends = []
        for place, xy in ((one, p), (two, q)):
            direction = _STEP.index((corner[0] - place[0], corner[1] - place[1]))
            tangent = 0.17 * (float(np.hypot(*(c - xy))) - self._straight(place))
            ends.append((xy + (self._straight(place) + tangent) * self._out(place, direction), tangent))
        (a, before), (b, after) = ends
        tangent = min(float(np.hypot(*(c - a))) - before, float(np.hypot(*(c - b))) - after) * 0.98
        return alignment(np.stack([p, a, c, b, q]), [before, tangent, after], STREET_CURVATURE)

    def _lines(self) -> list[tuple[Place, Place, Line, float]]:
        """Streets: from, to, middle, largest curvature. Spots are eased until every street can be driven."""
        for _ in range(30):
            lines = [(one, two, *self._between(one, two)) for one, two in self._edges if not self._corners & {one, two}]
            for corner in sorted(self._corners):
                one, two = sorted(other for edge in self._edges for other in edge if corner in edge and other != corner)
                lines.append((one, two, *self._around(one, corner, two)))
            sharp = sorted({place for one, two, _, peak in lines if peak > STREET_CURVATURE * 1.001 for place in (one, two)})
            if not sharp:
                return lines
            for place in sharp:
                self._spots[place].ease *= 0.7
        raise ValueError(f"blocks of {self._config.block_m:g} m leave no room for streets that can be driven")

    def _draw(self) -> Layout:
        index = {place: k for k, place in enumerate(self._places)}
        streets, ends = [], []
        for one, two, line, peak in self._lines():
            streets.append(self._street(index[one], index[two], line, peak, self._arterial(one, two)))
            ends.append((one, two))
        nodes, lamps = [], self._with_signals()
        for place in self._places:
            x, y = self._xy(place)
            green = float(self._rng.uniform(16.0, 26.0)), float(self._rng.uniform(13.0, 18.0))
            offset, crossings = float(self._rng.uniform(0.0, 40.0)), bool(self._rng.random() < 0.8)
            signals = place in lamps
            nodes.append(Node(float(x), float(y), signals, self._main(place, index[place], streets), signals or crossings, offset, green))
        return Layout(tuple(streets), tuple(nodes))

    def _street(self, start: int, end: int, line: Line, peak: float, arterial: bool) -> Street:
        rng = self._rng
        parks, crosses, shift, slow = rng.random() < 0.35, rng.random() < 0.3, float(rng.uniform(-8.0, 8.0)), rng.random() < 0.25
        fits = [kmh for kmh in (30, 40, 50) if (kmh / 3.6) ** 2 * peak <= _SIDE_ACCEL_MPS2]
        wanted = 50 if arterial else (30 if slow else 40)
        speed = max([kmh for kmh in fits if kmh <= wanted], default=30) / 3.6
        middle = line.at(line.length_m / 2.0)
        centrality = float(np.clip(1.15 - math.hypot(middle.x, middle.y) / (0.5 * self._config.block_m * self._n), 0.0, 1.0))
        parking = parks and not arterial
        crossing = line.length_m / 2.0 + shift if crosses and not arterial and line.length_m > 105.0 else None
        return Street(
            line,
            start,
            end,
            2 if arterial else 1,
            shoulder_m=2.4 if parking else 0.75,
            speed_mps=speed,
            centrality=centrality,
            parking=parking,
            crossing_m=crossing,
        )

    def _with_signals(self) -> set[Place]:
        """Arterials get lamps first."""
        draws = {place: float(self._rng.random()) for place in self._places}
        order = sorted(self._places, key=lambda place: (place[0] != self._column and place[1] != self._row, draws[place]))
        return set(order[: round(self._config.signals * len(order))])

    def _main(self, place: Place, node: int, streets: list[Street]) -> tuple[int, ...]:
        """The two streets opposite each other that have priority."""
        arms = []
        for k, street in enumerate(streets):
            if street.start == node:
                arms.append((k, street.centre.at(0.0).yaw, street.lanes))
            if street.end == node:
                arms.append((k, street.centre.at(street.centre.length_m).yaw + math.pi, street.lanes))
        pairs = [(a, b) for n, a in enumerate(arms) for b in arms[n + 1 :] if math.cos(a[1] - b[1]) < -0.99]
        draw = int(self._rng.integers(0, 2))
        best = max(pairs, key=lambda pair: (pair[0][2] + pair[1][2], (pair[0][0] + draw) % 2))
        return best[0][0], best[1][0]

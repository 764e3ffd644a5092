"""Makes a town of a SUMO network: its real lanes, junctions, right of way and programs of lights, without SUMO."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from heron_core.errors import InputError
from heron_sim.roads.curve import alignment, joined, part
from heron_sim.roads.footprints import Distance
from heron_sim.roads.geo import LocalFrame
from heron_sim.roads.line import F64, Line
from heron_sim.roads.network import Junction, Lamp, Lane, Manoeuvre, RoadNetwork, TableProgram
from heron_sim.roads.projection import projection_of
from heron_sim.roads.roadside import Roadside
from heron_sim.roads.sumo_file import NetConnection, NetFile, NetJunction, read_net_file
from heron_sim.roads.sumo_ground import KERB_M, PAVEMENT_M, drivable_of, ground_of, kerbs_of, sidewalks_of
from heron_sim.roads.sumo_signals import crossings_of, heads_of
from heron_sim.roads.town import GeoOrigin, Town

SETBACK_M = 4.0  # SUMO's junctions are tight: lanes end this much earlier, so that a car can turn
CONNECTOR_CURVATURE = 0.14  # 1/m
_BEND_M = 12.0  # a bend of a lane's shape is rounded within this distance of its corner
_BACK_RAD, _SPIKE_M = math.radians(120.0), 5.0  # a shape that turns back more is a spike if it is short, else an error
_SIDE_ACCEL = 2.0  # m/s², speed of turns
_NOWHERE = {True: GeoOrigin(35.68, 139.76), False: GeoOrigin(48.137, 11.575)}  # of networks without georeference: Tokyo, Munich
_ROADSIDE_SEED = 44
_TURNS = {"s": Manoeuvre.STRAIGHT, "l": Manoeuvre.LEFT, "L": Manoeuvre.LEFT, "r": Manoeuvre.RIGHT, "R": Manoeuvre.RIGHT}
_LAMPS = {"G": Lamp.GREEN, "g": Lamp.GREEN, "y": Lamp.YELLOW, "Y": Lamp.YELLOW, "o": Lamp.GREEN, "O": Lamp.GREEN}
Places = Callable[[F64], F64]


def read_sumo(path: Path, left_hand: bool) -> Town:
    """The town of a `.net.xml`; its ground is drawn from its lanes, heights are ignored.

    The middle of the network becomes (0, 0); with a projection (UTM, transverse Mercator) x is true east, and the origin its place on Earth.
    Without one, the origin is a default place.

    Raises:
        InputError: the file makes no sense, or its traffic keeps to the other side; the text names file and element.
    """
    net = read_net_file(path)
    if net.left_hand != left_hand:
        sides = "left" if net.left_hand else "right"
        raise InputError(f"{path}: traffic keeps {sides} in this network (lefthand of <net>); set town.left_hand: {str(net.left_hand).lower()}")
    origin, places = _georeference(net)
    return _Import(net, places).town(origin)


def _georeference(net: NetFile) -> tuple[GeoOrigin, Places]:
    """The origin, and what turns the file's coordinates (n, 2) into the world's."""
    corners = np.concatenate([lane.shape for edge in net.edges.values() for lane in edge.lanes])
    middle = np.round((corners.min(axis=0) + corners.max(axis=0)) / 2.0)
    try:
        projection = projection_of(net.projection)
    except ValueError as error:
        raise InputError(f"{net.path}: <location>: {error}") from None
    if projection is None:
        return _NOWHERE[net.left_hand], lambda points: points - middle
    offset = np.array(net.offset)
    latitude, longitude = projection.inverse(*(middle - offset).tolist())
    if not (math.isfinite(latitude) and abs(longitude) <= 180.0):
        raise InputError(f"{net.path}: <location> netOffset = {net.offset}: lies outside its projection {net.projection!r}")
    origin = GeoOrigin(latitude, longitude)
    frame = LocalFrame(origin)

    def places(points: F64) -> F64:
        return np.array([frame.to_local(*projection.inverse(*(point - offset).tolist()))[:2] for point in points]).reshape(-1, 2)

    return origin, places


class _Import:
    """One network on its way; `streets` are (edge, index) of lanes for cars → lane id."""

    def __init__(self, net: NetFile, places: Places) -> None:
        self._net, self._places = net, places
        self._lanes: list[Lane] = []
        self._ids: dict[tuple[str, int], int] = {}
        self._groups: dict[int, int] = {}
        self._group_of: dict[tuple[str, tuple[Lamp, ...]], int] = {}
        self._junctions = [junction for junction in net.junctions.values() if junction.kind != "internal"]
        self._index = {junction.id: k for k, junction in enumerate(self._junctions)}

    def town(self, origin: GeoOrigin) -> Town:
        wanted = [c for c in self._net.connections if self._is_street(c.start) and self._is_street(c.end) and c.direction != "t"]
        self._lay_streets(wanted)
        laid = [(connection, self._connect(connection)) for connection in wanted]
        self._right_of_way(laid)
        junctions = tuple(self._junction(k, junction, laid) for k, junction in enumerate(self._junctions))
        net, lanes = self._net, tuple(self._lanes)
        crossings, walkers = crossings_of(net, self._places, lanes, self._index, len(self._groups))
        for group, (index, row) in walkers.items():
            self._groups[group] = index
            program = junctions[index].program
            if isinstance(program, TableProgram):
                junctions = (
                    *junctions[:index],
                    replace(junctions[index], program=replace(program, lamps={**program.lamps, group: row})),
                    *junctions[index + 1 :],
                )
        shapes = [self._places(junction.shape) for junction in self._junctions if len(junction.shape) > 2]
        drivable = drivable_of(lanes, shapes)
        network = RoadNetwork(
            lanes,
            junctions,
            crossings,
            heads_of(lanes, crossings, Distance(drivable), net.left_hand),
            self._groups,
            sidewalks_of(net, self._places, lanes, self._ids),
            drivable,
            net.left_hand,
        )
        town = Town(net.path.name.removesuffix(".net.xml"), network, origin, ground_of(network, shapes, self._one_way()))
        kerbs = kerbs_of(network)
        return Roadside(network, kerbs, KERB_M + PAVEMENT_M, np.random.default_rng(_ROADSIDE_SEED)).furnish(town)

    def _one_way(self) -> frozenset[int]:
        """Lanes of streets that no edge leads back along."""
        ways = {(edge.start, edge.end) for edge in self._net.edges.values() if not edge.function}
        return frozenset(lane for (name, _), lane in self._ids.items() if (self._net.edges[name].end, self._net.edges[name].start) not in ways)

    def _is_street(self, lane: tuple[str, int]) -> bool:
        edge = self._net.edges[lane[0]]
        return not edge.function and edge.lanes[lane[1]].cars

    def _lay_streets(self, connections: list[NetConnection]) -> None:
        begins, ends = {c.end[0] for c in connections}, {c.start[0] for c in connections}
        for edge in self._net.edges.values():
            if edge.function:
                continue
            mine = [lane for lane in edge.lanes if lane.cars]
            first = len(self._lanes)
            inwards = "right" if self._net.left_hand else "left"
            outwards = "left" if self._net.left_hand else "right"
            for k, lane in enumerate(mine):
                whole = self._line(edge.id, lane.id, lane.shape)
                back = min(SETBACK_M, 0.25 * whole.length_m)
                line = part(whole, back if edge.id in begins else 0.0, whole.length_m - (back if edge.id in ends else 0.0))
                beside = {inwards: first + k + 1 if k + 1 < len(mine) else None, outwards: first + k - 1 if k > 0 else None}
                stop = max(line.length_m - 0.6, 0.5 * line.length_m) if edge.id in ends else None
                self._ids[(edge.id, lane.index)] = first + k
                self._lanes.append(Lane(first + k, line, lane.width_m, lane.speed_mps, left=beside["left"], right=beside["right"], stop_s_m=stop))
        if not self._lanes:
            raise InputError(f"{self._net.path}: no lane that cars may use")

    def _line(self, edge: str, lane: str, shape: F64) -> Line:
        """A lane's shape with its corners rounded."""
        points = self._places(shape)
        keep = [0]
        for k in range(1, len(points)):
            if float(np.hypot(*(points[k] - points[keep[-1]]))) > 0.05:
                keep.append(k)
        if len(keep) < 2:
            raise InputError(f"{self._net.path}: <edge {edge!r}> <lane {lane!r}>: its shape has no length")
        points = points[keep]
        while True:
            steps = np.diff(points, axis=0)
            lengths, course = np.hypot(steps[:, 0], steps[:, 1]), np.arctan2(steps[:, 1], steps[:, 0])
            turns = np.abs(np.remainder(np.diff(course) + math.pi, 2.0 * math.pi) - math.pi)
            if turns.max(initial=0.0) < _BACK_RAD:
                break
            k = int(turns.argmax())  # netconvert draws spikes where it moves a bent street's lanes aside
            if min(lengths[k], lengths[k + 1]) > _SPIKE_M:
                turned = math.degrees(turns[k])
                raise InputError(f"{self._net.path}: <edge {edge!r}> <lane {lane!r}>: its shape turns back by {turned:.0f} degrees")
            points = np.delete(points, k + 1, axis=0)
        tangents = [min(0.49 * float(one), 0.49 * float(two), _BEND_M) for one, two in itertools.pairwise(lengths)]
        return alignment(points, tangents, 0.0)[0]

    def _connect(self, connection: NetConnection) -> int:
        start, end, new = self._ids[connection.start], self._ids[connection.end], len(self._lanes)
        one, two = self._lanes[start], self._lanes[end]
        p, q = one.line.at(one.line.length_m), two.line.at(0.0)
        line, sharpest = joined((p.x, p.y, p.yaw), (q.x, q.y, q.yaw), CONNECTOR_CURVATURE)
        speed = min(one.speed_limit_mps, two.speed_limit_mps, math.sqrt(_SIDE_ACCEL / max(sharpest, 1e-6)))
        edge = self._net.edges[connection.start[0]]
        if edge.end not in self._index:
            raise InputError(f"{self._net.path}: <edge {edge.id!r}>: to = {edge.end!r}: no such junction")
        turn = _TURNS.get(connection.direction, Manoeuvre.STRAIGHT)
        width, junction, signal = min(one.width_m, two.width_m), self._index[edge.end], self._group(edge.end, connection)
        self._lanes.append(Lane(new, line, width, speed, (end,), (start,), junction=junction, turn=turn, signal=signal))
        self._lanes[start] = replace(one, successors=(*one.successors, new))
        self._lanes[end] = replace(self._lanes[end], predecessors=(*self._lanes[end].predecessors, new))
        return new

    def _group(self, junction: str, connection: NetConnection) -> int | None:
        """The signal group of a connection: all that see the same lamps in all phases share one."""
        if not connection.program:
            return None
        program = self._net.programs[connection.program]
        row = tuple(_LAMPS.get(state[connection.column], Lamp.RED) for _, state in program.phases)
        group = self._group_of.setdefault((junction, row), len(self._group_of))
        self._groups[group] = self._index[junction]
        return group

    def _junction(self, index: int, junction: NetJunction, laid: list[tuple[NetConnection, int]]) -> Junction:
        x, y = self._places(np.array([[junction.x_m, junction.y_m]]))[0]
        connectors = tuple(lane for _, lane in laid if self._lanes[lane].junction == index)
        programs = sorted({c.program for c, lane in laid if self._lanes[lane].junction == index and c.program})
        if len(programs) > 1:
            raise InputError(f"{self._net.path}: <junction {junction.id!r}>: ruled by several <tlLogic>: {', '.join(programs)}; one is read")
        table = None
        if programs:
            program = self._net.programs[programs[0]]
            lamps = {group: row for (where, row), group in self._group_of.items() if where == junction.id}
            table = TableProgram((), program.offset_s, tuple(seconds for seconds, _ in program.phases), lamps)
        return Junction(index, float(x), float(y), connectors, table)

    def _right_of_way(self, laid: list[tuple[NetConnection, int]]) -> None:
        """`crosses` and `yields_to` from the junctions' requests; links are numbered by their internal lanes, or in order without them."""
        for junction in self._junctions:
            mine = [(c, lane) for c, lane in laid if self._lanes[lane].junction == self._index[junction.id]]
            links = self._links(junction, mine)
            for connection, lane in mine:
                request = junction.requests.get(links.get(lane, -1))
                if request is None:
                    continue
                others = [
                    (other, links[other]) for _, other in mine if other in links and self._lanes[other].predecessors != self._lanes[lane].predecessors
                ]
                crosses = [other for other, link in others if link in request.foes or links[lane] in self._foes(junction, link)]
                yields = [
                    other for other, link in others if link in request.response and other in crosses and self._together(connection, lane, other, mine)
                ]
                self._lanes[lane] = replace(self._lanes[lane], crosses=tuple(crosses), yields_to=tuple(yields))
            for _, lane in mine:  # who waits for each other (unregulated, all-way stop): the later one waits
                waits = tuple(o for o in self._lanes[lane].yields_to if lane not in self._lanes[o].yields_to or o < lane)
                self._lanes[lane] = replace(self._lanes[lane], yields_to=waits)

    @staticmethod
    def _foes(junction: NetJunction, link: int) -> frozenset[int]:
        return junction.requests[link].foes if link in junction.requests else frozenset()

    def _links(self, junction: NetJunction, mine: list[tuple[NetConnection, int]]) -> dict[int, int]:
        """Lane id of each connector → number of its link."""
        position = {name: k for k, name in enumerate(junction.internal)}
        after: dict[tuple[str, int], str] = {c.start: c.via for c in self._net.connections if c.start[0].startswith(":") and c.via}
        links = {}
        for order, (connection, lane) in enumerate(mine):
            via, seen = connection.via, 0
            while via and via not in position and seen < 5:  # the first part of a way that stops within the junction
                edge, _, index = via.rpartition("_")
                via, seen = after.get((edge, int(index) if index.isdigit() else -1), ""), seen + 1
            if via in position:
                links[lane] = position[via]
            elif not junction.internal and len(junction.requests) >= len(mine):
                links[lane] = order
        return links

    def _together(self, connection: NetConnection, lane: int, other: int, mine: list[tuple[NetConnection, int]]) -> bool:
        """Whether both may drive at the same time, as far as lamps go."""
        partner = next(c for c, each in mine if each == other)
        if not connection.program or not partner.program:
            return True
        phases = self._net.programs[connection.program].phases
        return any(state[connection.column] in "GgoOyY" and state[partner.column] in "GgoOyY" for _, state in phases)

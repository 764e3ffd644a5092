"""The world's side of the bus: what the car says, whom it follows, who sits in it."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import pytest

from heron_can.encode import Command, CommandEncoder
from heron_can.frame import Frame
from heron_can.odometry import OdometryIntegrator
from heron_can.state import VehicleStateAssembler
from heron_control.proving_ground.closed_loop import LoopCar
from heron_core.errors import InputError
from heron_core.se2 import SE2
from heron_core.signals import Engagement, FixType
from heron_sim.config import RouteConfig, ScenarioConfig, TownConfig, TrafficConfig
from heron_sim.roads.generate import generate_town
from heron_sim.roads.geo import LocalFrame
from heron_sim.roads.network import Manoeuvre
from heron_sim.roads.router import plan_route
from heron_sim.roads.simple import cross_town
from heron_sim.world import World

DEMO = Path(__file__).resolve().parents[3] / "config" / "vehicle" / "demo"
NOBODY = TrafficConfig(cars=0, trucks=0, bicycles=0, pedestrians=0)
TICK_NS = 10_000_000


@pytest.fixture(scope="module")
def vehicle() -> LoopCar:
    return LoopCar.load(DEMO)


def crossing(vehicle: LoopCar, speed_mps: float = 0.0, turn: Manoeuvre = Manoeuvre.STRAIGHT, seed: int = 1) -> World:
    scenario = ScenarioConfig(traffic=NOBODY, route=RouteConfig((turn,), 200.0, speed_mps))
    town = cross_town()
    return World(town, plan_route(town.network, scenario.route, seed), scenario, seed, vehicle)


def test_what_the_bus_says_is_what_the_car_does(vehicle: LoopCar) -> None:
    world, assembler = crossing(vehicle, 8.0), VehicleStateAssembler(vehicle.car)
    frame = LocalFrame(world.town.origin)
    for i in range(1, 301):
        for bus, each in world.tick(i * TICK_NS):
            assembler.ingest(bus, [each])
    state, fix = assembler.state(300 * TICK_NS), assembler.gnss(300 * TICK_NS)
    assert all(state[name].valid for name in vehicle.car.mapping.state)
    assert state["speed"].value == pytest.approx(world.plant.speed_mps, abs=0.15)
    assert state["wheel_rl"].value == pytest.approx(world.plant.speed_mps, abs=0.15)
    assert (state["gear"].value, state["belt_fastened"].value, state["brake_pressed"].value) == (1.0, 1.0, 0.0)
    assert state["yaw_rate"].value == pytest.approx(world.plant.yaw_rate_rps, abs=0.02)
    assert fix is not None and fix.stamp_ns == 300 * TICK_NS
    east, north, _ = frame.to_local(fix.latitude_deg, fix.longitude_deg, fix.altitude_m)
    if fix.fix is FixType.RTK_FIXED:
        assert math.hypot(east - world.plant.x_m, north - world.plant.y_m) < 0.08  # the message has a resolution of a centimetre
    assert assembler.imu(300 * TICK_NS) is not None


def test_the_indicator_tells_the_turn(vehicle: LoopCar) -> None:
    for turn, value in ((Manoeuvre.LEFT, 1.0), (Manoeuvre.RIGHT, -1.0), (Manoeuvre.STRAIGHT, 0.0)):
        world, assembler, said = crossing(vehicle, 8.0, turn), VehicleStateAssembler(vehicle.car), set()
        for i in range(1, 1501):
            for bus, each in world.tick(i * TICK_NS):
                assembler.ingest(bus, [each])
            said.add(assembler.state(i * TICK_NS).valid_value("indicator"))
        assert said - {None} == {0.0, value}


def test_the_driver_keeps_to_the_route_while_nobody_is_followed(vehicle: LoopCar) -> None:
    for turn in (Manoeuvre.LEFT, Manoeuvre.RIGHT):
        world = crossing(vehicle, 6.0, turn)
        aside = 0.0
        while world.plant.distance_m < 150.0:
            world.tick(world.now_ns + TICK_NS)
            aside = max(aside, abs(world.route.line.nearest(world.plant.x_m, world.plant.y_m)[1]))
        assert aside < 0.5


def commands(world: World, encoder: CommandEncoder, request: bool, accel: float = 1.0) -> list[tuple[str, Frame]]:
    sent = encoder.encode(Command(0.0, accel, request, request), world.now_ns)
    return [(each.bus, each.frame) for each in sent]


def engaged(vehicle: LoopCar) -> tuple[World, CommandEncoder]:
    """A car that follows: it saw frames without request, then with."""
    world, encoder = crossing(vehicle), CommandEncoder(vehicle.car)
    for i in range(100):
        world.tick(world.now_ns + TICK_NS)
        for bus, frame in commands(world, encoder, i > 50):
            world.receive(bus, frame)
    assert world.truth().ego.engaged and world.plant.speed_mps > 0.2
    return world, encoder


def test_right_frames_move_the_car_and_wrong_ones_do_not(vehicle: LoopCar) -> None:
    world, encoder = engaged(vehicle)
    for _ in range(30):
        world.tick(world.now_ns + TICK_NS)
        for bus, frame in commands(world, encoder, True):
            world.receive(bus, frame._replace(data=bytes([frame.data[0] ^ 1, *frame.data[1:]])))
    assert not world.truth().ego.engaged
    assert world.counts["wrong_checksum steer"] + world.counts["checksum_error steer"] > 5
    repeated, encoder = engaged(vehicle)
    stuck = commands(repeated, encoder, True)
    for _ in range(30):
        repeated.tick(repeated.now_ns + TICK_NS)
        for bus, frame in stuck:
            repeated.receive(bus, frame._replace(stamp_ns=repeated.now_ns))
    assert not repeated.truth().ego.engaged


def test_a_car_that_is_given_back_is_braked_and_offered_again(vehicle: LoopCar) -> None:
    world, _ = engaged(vehicle)
    world.plant.speed_mps = 8.0
    world.display = Engagement.READY
    began_ns, presses = world.now_ns, world.driver.presses
    while world.driver.presses == presses:
        world.tick(world.now_ns + TICK_NS)
        assert world.now_ns - began_ns < 8e9
    assert world.plant.speed_mps == 0.0 and world.now_ns - began_ns > 3e9


def test_the_driver_waits_for_the_display(vehicle: LoopCar) -> None:
    world = crossing(vehicle)
    for _ in range(300):
        world.tick(world.now_ns + TICK_NS)
    assert world.driver.presses == 0
    world.display = Engagement.FAULT
    pressed = set()
    assembler = VehicleStateAssembler(vehicle.car)
    for _ in range(20):
        for bus, frame in world.tick(world.now_ns + TICK_NS):
            assembler.ingest(bus, [frame])
        state = assembler.state(world.now_ns)
        pressed |= {name for name in ("engage_button", "cancel_button") if state.valid_value(name)}
    assert pressed == {"cancel_button"}


def digest(vehicle: LoopCar, seed: int) -> str:
    scenario = ScenarioConfig(town=TownConfig(seed=3), traffic=TrafficConfig(cars=6, trucks=1, bicycles=1, pedestrians=4))
    town = generate_town(scenario.town, 3)
    world = World(town, plan_route(town.network, scenario.route, seed), scenario, seed, vehicle)
    total = hashlib.sha256()
    for _ in range(200):
        for bus, frame in world.tick(world.now_ns + TICK_NS):
            total.update(repr((bus, frame)).encode())
    total.update(repr(world.truth()).encode())
    return total.hexdigest()


def test_the_seed_decides_every_bit(vehicle: LoopCar) -> None:
    assert digest(vehicle, 5) == digest(vehicle, 5) != digest(vehicle, 6)


def test_no_room_is_said(vehicle: LoopCar, monkeypatch: pytest.MonkeyPatch) -> None:
    from heron_sim.traffic.traffic import Traffic
    from heron_sim.truth import Actor, ActorKind

    begin = crossing(vehicle).ego()
    blocker = Actor(1, ActorKind.TRUCK, begin.x_m, begin.y_m, begin.yaw_rad, 0.0, 7.5, 2.3, 3.1)
    monkeypatch.setattr(Traffic, "actors", property(lambda self: (blocker,)))
    with pytest.raises(InputError, match="no room to spawn: a truck"):
        crossing(vehicle)


@pytest.mark.parametrize("seed", [3, pytest.param(0, marks=pytest.mark.slow), pytest.param(6, marks=pytest.mark.slow)])
def test_odometry_from_the_bus_stays_within_a_percent(vehicle: LoopCar, seed: int) -> None:
    scenario = ScenarioConfig(traffic=NOBODY, route=RouteConfig(length_m=700.0))
    town = generate_town(scenario.town, seed)
    world = World(town, plan_route(town.network, scenario.route, seed), scenario, seed, vehicle)
    assembler = VehicleStateAssembler(vehicle.car)
    odometry = OdometryIntegrator(vehicle.car.mapping.odometry, vehicle.model.wheelbase_m)
    begin = world.plant.pose
    while world.plant.distance_m < 500.0:
        if world.now_ns == 2_000_000_000:  # until then it stands, as a drive begins
            world.plant.speed_mps = 9.0
        for bus, frame in world.tick(world.now_ns + TICK_NS):
            assembler.ingest(bus, [frame])
        last = odometry.update(assembler.state(world.now_ns))
    truth = begin.between(SE2(world.plant.x_m, world.plant.y_m, world.plant.yaw_rad))
    assert odometry.distance_m == pytest.approx(world.plant.distance_m, rel=0.01)
    assert math.hypot(last.x_m - truth.x, last.y_m - truth.y) < 5.0

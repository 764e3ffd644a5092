"""The world alone: plans carried out without control, frames made all the same."""

from __future__ import annotations

from pathlib import Path

from heron_control.proving_ground.closed_loop import LoopCar
from heron_sim.config import RouteConfig, ScenarioConfig, TrafficConfig
from heron_sim.driving.ideal import IdealDrive, drive_ideally
from heron_sim.roads.lamps import Lamps
from heron_sim.roads.network import Manoeuvre
from heron_sim.roads.router import plan_route
from heron_sim.roads.simple import cross_town

CAR = LoopCar.load(Path(__file__).parents[3] / "config/vehicle/demo")
TOWN = cross_town()


def _drive(seconds: float, seed: int = 1) -> IdealDrive:
    route = RouteConfig(turns=(Manoeuvre.LEFT,), length_m=200.0, start_speed_mps=8.0)
    scenario = ScenarioConfig(seconds=seconds, traffic=TrafficConfig(cars=4, trucks=0, bicycles=0, pedestrians=4), route=route)
    return drive_ideally(CAR, TOWN, plan_route(TOWN.network, route, 1), scenario, seed)


def test_an_ideal_car_turns_at_the_lights_as_planned() -> None:
    drive = _drive(36.0)
    result = drive.driving
    assert result.failures(ScenarioConfig().criteria) == []
    assert result.red_lights_run == 0 and result.off_road_s == 0.0 and result.off_route_s == 0.0
    assert result.stops == 1 and result.distance_m > 100.0
    assert drive.plans == 360
    assert drive.frames > 36 * 500  # the car's buses are as busy as with Heron


def test_the_same_arguments_give_the_same_drive() -> None:
    first, again, other = _drive(6.0), _drive(6.0), _drive(6.0, seed=2)
    assert first == again
    assert first.driving.comfort != other.driving.comfort or first.driving.min_gap_m != other.driving.min_gap_m


def test_lamps_over_time_are_those_of_the_programs() -> None:
    network = TOWN.network
    lamps = Lamps(network)
    seen = []
    for step in range(2000):
        time_s = step * 0.05
        now = lamps.at(time_s)
        assert now == {group: network.lamp(group, time_s) for group in sorted(network.groups)}
        seen.append(now)
    assert list(now) == sorted(network.groups)
    assert len({id(each) for each in seen}) < 40  # asked anew only when something changes

"""The simulated car: it keeps to its course by itself, follows frames, tells what its sensors say; and a planner that knows the road."""

from __future__ import annotations

import io
import json
import math
import shutil
import uuid
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from heron_can.buses import open_bus, to_message
from heron_can.car import Car, load_car
from heron_can.encode import Command, CommandEncoder
from heron_can.state import VehicleStateAssembler
from heron_can.unixbus import folder_of
from heron_control.proving_ground import car_on_bus
from heron_control.proving_ground.course_config import CourseConfig, CoursePlannerConfig
from heron_control.proving_ground.course_source import CourseSource
from heron_control.proving_ground.scripted_driver import Act
from heron_control.proving_ground.simulated_car import TICK_NS, SimulatedCar
from heron_control.proving_ground.truth_link import Truth, TruthLink
from heron_core.limits import Limits
from heron_core.vehicle import Odometry, VehicleState
from heron_core.vehicle_model import VehicleModel

DEMO = Path(__file__).resolve().parents[3] / "config" / "vehicle" / "demo"
T0 = 1_700_000_000_000_000_000


@pytest.fixture(scope="module")
def demo() -> Car:
    return load_car(DEMO)


class Drive:
    """A simulated car, what its buses say, and a sender of commands."""

    def __init__(self, demo: Car, model: VehicleModel, limits: Limits, config: CourseConfig, *acts: Act, seed: int | None = None) -> None:
        self.car = SimulatedCar(demo, model, config.build(limits, model), acts, T0, seed=seed)
        self.assembler, self.encoder = VehicleStateAssembler(demo), CommandEncoder(demo)
        self.now_ns, self.truths, self.states = T0, [self.car.truth()], list[VehicleState]()

    def run(self, seconds: float, command: Command | None = None) -> None:
        for _ in range(round(seconds * 100)):
            if command is not None:
                for sent in self.encoder.encode(command, self.now_ns + 5_000_000):
                    self.car.ecu.receive(sent.bus, sent.frame)
            self.now_ns += TICK_NS
            self.assembler.ingest("vehicle", [frame for _, frame in self.car.tick(self.now_ns)])
            self.truths.append(self.car.truth())
            self.states.append(self.assembler.state(self.now_ns))


@pytest.mark.parametrize(
    "config",
    [
        CourseConfig("circle", 50.0, 120.0),
        CourseConfig("circle", 100.0, -300.0),
        CourseConfig("curve", 80.0, 250.0, lead_m=30.0),
        CourseConfig("slalom", 40.0, 80.0),
        CourseConfig("straight", 10.0),
    ],
    ids=lambda config: f"{config.kind} {config.speed_kmh:.0f}",
)
def test_its_driver_keeps_it_on_the_course(demo: Car, model: VehicleModel, limits: Limits, config: CourseConfig) -> None:
    drive = Drive(demo, model, limits, config)
    drive.run(10)
    assert max(abs(truth["cross"]) for truth in drive.truths) < 0.25
    assert drive.truths[-1]["along"] == pytest.approx(config.speed_mps * 10, rel=0.01)
    state = drive.states[-1]
    assert state["speed"].value == pytest.approx(config.speed_mps, abs=0.01) and state["gear"].value == 1.0 and state["belt_fastened"].value == 1.0
    assert state["steer"].value == pytest.approx(drive.truths[-1]["steer"], abs=2e-4)
    assert all(signal.valid for name, signal in state.signals.items()), state


def test_it_follows_frames_and_stops_and_is_held(demo: Car, model: VehicleModel, limits: Limits) -> None:
    drive = Drive(demo, model, limits, CourseConfig("straight", 20.0))
    drive.run(0.1, Command(0.0, 0.0, False, False))
    drive.run(8, Command(0.05, -2.0, True, True, True))
    assert drive.truths[-1]["speed"] == 0.0 and drive.truths[-1]["hold"] and drive.truths[-1]["steer"] == pytest.approx(0.05, abs=1e-3)
    assert drive.states[-1]["speed"].value == 0.0
    assert [release.reason for release in drive.car.ecu.releases] == []
    drive.run(0.2)
    assert {release.reason for release in drive.car.ecu.releases} == {"timeout"} and drive.truths[-1]["accel_followed"] is None


def test_script_and_lying_sensors(demo: Car, model: VehicleModel, limits: Limits) -> None:
    acts = [Act("brake", 0.5, for_s=1.0, at_s=0.5), Act("speed", 3.0, for_s=0.5, at_s=2.0), Act("engage_button", at_s=3.0)]
    drive = Drive(demo, model, limits, CourseConfig("straight", 50.0), *acts)
    drive.run(4)
    assert drive.states[100]["brake_pressed"].value == 1.0 and drive.truths[150]["speed"] < 11.0
    assert drive.states[40]["brake_pressed"].value == drive.states[180]["brake_pressed"].value == 0.0
    assert drive.states[220]["speed"].value == pytest.approx(3.0, abs=0.01) and drive.states[220]["wheel_rl"].value > 9.0
    assert drive.states[320]["engage_button"].value == 1.0


def test_noise_is_seeded(demo: Car, model: VehicleModel, limits: Limits) -> None:
    speeds = []
    for seed in (1, 1, 2):
        drive = Drive(demo, model, limits, CourseConfig(), seed=seed)
        drive.run(0.5)
        speeds.append([state["wheel_fl"].value for state in drive.states])
    assert repr(speeds[0]) == repr(speeds[1]) != repr(speeds[2])


@pytest.mark.parametrize(("name", "value"), [("speed_kmh", 0.0), ("radius_m", 1.0), ("length_m", math.nan), ("lead_m", -1.0)])
def test_impossible_courses_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        CourseConfig(**{name: value})
    with pytest.raises(ValueError, match="period_ms"):
        CoursePlannerConfig(period_ms=1.0)


@pytest.fixture
def channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/nowhere")  # short: a socket's path has 108 bytes at most
    name = f"t{uuid.uuid4().hex[:12]}"
    yield name
    for each in (name, f"{name}.truth"):
        shutil.rmtree(folder_of(each), ignore_errors=True)


def test_the_link_tells_the_newest_truth(channel: str) -> None:
    car, listener = TruthLink(channel), TruthLink(channel)
    assert listener.newest() is None
    for i in range(3):
        car.send(Truth(T0 + i, 1.5, -2.5, 0.25, 13.9, -1.0))
    assert listener.wait(5.0) == Truth(T0 + 2, 1.5, -2.5, 0.25, 13.9, -1.0) and listener.newest() is None
    with pytest.raises(TimeoutError, match="no car on"):
        listener.wait(0.02)
    car.close()
    listener.close()


def test_plans_follow_the_course_from_where_the_car_is(model: VehicleModel, limits: Limits) -> None:
    course = CourseConfig("circle", 50.0, 120.0).build(limits, model)
    source = CourseSource(course)
    assert source.plan(T0) is None
    there = course.at(30.0).pose
    source.add_odometry(Odometry(T0, there.x, there.y, there.yaw, 13.9, 0.1))
    plan = source.plan(T0 + 50_000_000)
    assert plan is not None and plan.fault() is None and plan.stamp_ns == T0 and plan.sequence == 1
    end = plan.points[-1]
    assert math.hypot(end[0], end[1] - 120.0) == pytest.approx(120.0, abs=0.05) and end[3] == pytest.approx(13.9, abs=0.1)
    assert source.plan(T0 + 101_000_000) is None, "a pose of the past is no ground for a plan"


def run(
    demo: Car, model: VehicleModel, limits: Limits, channel: str, seconds: float, *acts: Act, beside: Any = lambda: False
) -> list[dict[str, Any]]:
    buses = {"vehicle": demo.buses("unix")["vehicle"].__class__("unix", channel)}
    course, log = CourseConfig().build(limits, model), io.StringIO()
    runner = car_on_bus.CarOnBus(lambda start_ns: SimulatedCar(demo, model, course, acts, start_ns), buses, log, truth=f"{channel}.truth")
    runner.run(beside, seconds)
    runner.close()
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_in_real_time_on_a_bus(demo: Car, model: VehicleModel, limits: Limits, channel: str) -> None:
    buses, encoder, said = demo.buses("unix"), CommandEncoder(demo), []
    other = open_bus("vehicle", buses["vehicle"].__class__("unix", channel))

    def beside() -> bool:
        while (message := other.recv(0.0)) is not None:
            said.append(message.arbitration_id)
        for sent in encoder.encode(Command(0.02, 0.0, len(said) > 400, False), 0):
            other.send(to_message(sent.frame))
        return False

    lines = run(demo, model, limits, channel, 1.0, Act("bus_off", at_s=0.8, for_s=0.1), beside=beside)
    other.shutdown()
    truths, frames = [line for line in lines if line["kind"] == "truth"], [line for line in lines if line["kind"] == "frame"]
    assert len(truths) == 100 and {b["ns"] - a["ns"] for a, b in pairwise(truths)} == {TICK_NS}
    assert {frame["verdict"] for frame in frames if frame["id"] == 0x2E0} >= {"off"} and all(len(frame["data"]) == 16 for frame in frames)
    assert 60 < said.count(0xC0) <= 92 and 0x1A0 in said
    assert [line["off"] for line in lines if line["kind"] == "bus"] == [True, False] and lines[-1]["kind"] == "end"


def test_the_command_tells_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(car_on_bus.signal, "signal", lambda *_: None)
    assert car_on_bus.main(["--vehicle", str(DEMO), "--act", "do=horn"]) == 2
    assert "do = 'horn'" in capsys.readouterr().err
    assert car_on_bus.main(["--vehicle", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err

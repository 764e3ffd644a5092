"""The component in lock-step on a shadow bus: from plans to bytes, read back by cantools."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cantools
import numpy as np
import pytest
import rclpy
from heron_msgs.srv import Bookmark, Engage
from rclpy.parameter import Parameter

from heron_can.car import load_car
from heron_can.frame import from_batch
from heron_can.io import CanIo
from heron_control.node import ControlNode
from heron_core.clock import Instant
from heron_core.errors import ConfigError
from heron_core.signals import ControlStatus, Engagement, Event, Ladder
from heron_core.stages import Stages
from heron_core.trajectory import TIMES_S, Trajectory
from heron_core.vehicle import Odometry, Signal, VehicleState
from heron_runtime.domain import own_domain
from heron_runtime.lockstep import Scheduler
from heron_runtime.node import HeronNode

DEMO = Path(__file__).resolve().parents[3] / "config" / "vehicle" / "demo"
MS = 1_000_000
START = 1_700_000_000_000 * MS
SPEED, YAW_RATE, TICKS = 12.0, 0.12, 300
DEGREES_TO_ROAD_WHEEL = -math.pi / 180 / 15.0


@dataclass(frozen=True)
class ReplayConfig:
    steer_valid: bool = True
    last_plan_ms: int = 3000
    button_ms: int = 0
    brake_ms: int = 100_000


class Replay(HeronNode):
    """A car on a circle and a policy that plans that circle, 100 ms late."""

    NAME, Config = "replay", ReplayConfig

    def setup(self) -> None:
        self._state, self._odom, self._plan = (self.advertise(name) for name in ("/vehicle/state", "/odom", "/plan/trajectory"))
        self.feed(lambda: ((START + (i + 1) * 10 * MS, i) for i in range(TICKS)), self.tick)

    def tick(self, i: int) -> None:
        now, t = self.now_ns(), i * 0.01
        radius, yaw = SPEED / YAW_RATE, YAW_RATE * t
        self._odom.publish(Odometry(now, radius * math.sin(yaw), radius * (1 - math.cos(yaw)), yaw, SPEED, YAW_RATE))
        good = {"speed": SPEED, "yaw_rate": YAW_RATE} | ({"steer": math.atan(2.8 * YAW_RATE / SPEED)} if self.config.steer_valid else {})
        if self.config.button_ms:
            good |= {"gear": 1.0, "brake_pressed": float(i * 10 >= self.config.brake_ms), "engage_button": float(i * 10 == self.config.button_ms)}
        self._state.publish(VehicleState(now, {name: Signal(value, 0, True) for name, value in good.items()}))
        if i % 10 == 5 and i * 10 < self.config.last_plan_ms:
            angle = YAW_RATE * TIMES_S
            points = np.stack([radius * np.sin(angle), radius * (1 - np.cos(angle)), angle, SPEED + 0 * TIMES_S], axis=1).astype(np.float32)
            stamp = now - 100 * MS
            if stamp > START:
                self._plan.publish(Trajectory.make(stamp, points, i, "circle", Stages(exposure_ns=stamp, inference_end_ns=now)))


@pytest.fixture
def ros() -> Iterator[None]:
    with own_domain({}) as domain:
        rclpy.init(domain_id=domain)
        yield
        rclpy.try_shutdown()


def parameters(**values: Any) -> list[Parameter]:
    return [Parameter(name, value=value) for name, value in values.items()]


def drive(**replay: Any) -> tuple[ControlNode, list[Any], list[Any], str]:
    car = load_car(DEMO)
    io = CanIo.shared("vehicle", car.buses("bag")["vehicle"], car.wanted["vehicle"])
    io.watch(True)
    scheduler, seen = Scheduler(START, {}), []
    scheduler.tap(lambda topic, _, message: seen.append(message) if topic in ("/control/status", "/events") else None)
    shadow = parameters(mode="shadow", interface="bag", vehicle=str(DEMO))
    control = ControlNode(lambda node: scheduler.host(node, "actuation"), parameter_overrides=shadow)
    source = Replay(lambda node: scheduler.host(node, "perception"), parameter_overrides=parameters(**replay))
    scheduler.run()
    batch = io.tap()
    frames = from_batch(batch) if batch is not None else []
    digest = io.tx_sha256()
    io.release()
    control.report_at_end = control.full_report()
    source.destroy_node()
    control.destroy_node()
    return control, frames, seen, digest


def decoded(frames: list[Any]) -> list[dict[str, Any]]:
    database = cantools.database.load_file(DEMO / "demo.dbc")
    assert [frame.id for frame in frames] == [0x2E0, 0x2F0] * (len(frames) // 2)
    rows = []
    for steer, accel in zip(frames[::2], frames[1::2], strict=True):
        first = database.decode_message(steer.id, steer.data, decode_choices=False)
        second = database.decode_message(accel.id, accel.data, decode_choices=False)
        assert first["REQUEST"] == second["REQUEST"]
        angle = first["WHEEL_ANGLE_REQUEST"] * DEGREES_TO_ROAD_WHEEL
        rows.append({"ns": steer.stamp_ns, "on": first["REQUEST"], "steer": angle, "accel": second["ACCEL_REQUEST"], "counter": first["COUNTER"]})
    return rows


def test_plans_become_frames_that_follow_the_circle(ros: None) -> None:
    control, frames, seen, _ = drive()
    rows = decoded(frames)
    assert len(rows) == TICKS and [row["counter"] for row in rows] == [i % 15 for i in range(TICKS)]
    assert not any(row["on"] for row in rows[:16]) and all(row["on"] for row in rows[20:])
    expected = math.atan(2.8 * YAW_RATE / SPEED)
    assert all(row["steer"] == pytest.approx(expected, abs=0.002) and abs(row["accel"]) < 0.1 for row in rows[50:])
    for before, row in pairwise(rows):
        curvatures = [math.tan(each["steer"]) / 2.8 for each in (before, row)]
        assert abs(curvatures[1]) * SPEED**2 <= 3.0 and abs(curvatures[1] - curvatures[0]) * SPEED**2 <= 3.6 * 0.01 + 1e-9
    report = control.report_at_end["report"]
    assert report["gate"] == {"limited": 0, "rejected": 0, "frames": 2 * TICKS, "alarms": 0, "limits": {}, "faults": {}}
    assert report["engagement"]["mode"] == "shadow" and not any(report["plans_rejected"].values())
    assert len(control.report_at_end["stages_ms"]["exposure_to_can"]) == 29
    assert all(100.0 <= value <= 110.0 for value in control.report_at_end["stages_ms"]["exposure_to_can"])
    statuses = [message for message in seen if isinstance(message, ControlStatus)]
    assert len(statuses) == pytest.approx(TICKS / 5, abs=1) and statuses[-1].engagement is Engagement.SHADOW
    assert statuses[-1].stages.can_written_ns and statuses[-1].plan_valid and not statuses[-1].reason


def test_the_same_inputs_give_the_same_bytes(ros: None) -> None:
    assert drive()[3] == drive()[3] != drive(last_plan_ms=1000)[3]


def test_when_plans_stop_the_request_stops(ros: None) -> None:
    _, frames, seen, _ = drive(last_plan_ms=1000)
    rows = decoded(frames)
    last = max(i for i, row in enumerate(rows) if row["on"])
    assert (rows[last]["ns"] - START) / MS == pytest.approx(960 - 100 + 500, abs=10)  # stamp of the last plan, and ladder.soft_stop_s
    assert seen[-1].reason == "plan is 2130 ms old" and not seen[-1].plan_valid and seen[-1].ladder is Ladder.EMERGENCY


def test_a_recording_without_steering_is_shadowed_from_its_yaw_rate(ros: None) -> None:
    _, frames, _, _ = drive(steer_valid=False)
    rows = decoded(frames)
    assert rows[0]["steer"] == pytest.approx(math.atan(2.8 * YAW_RATE / SPEED), abs=1e-4) and rows[-1]["on"]


def test_shadow_refuses_a_real_bus(ros: None) -> None:
    scheduler = Scheduler(START, {})
    overrides = parameters(mode="shadow", vehicle=str(DEMO))
    with pytest.raises(ConfigError, match="shadow mode on bus vehicle of interface socketcan"):
        ControlNode(lambda node: scheduler.host(node, "actuation"), parameter_overrides=overrides)


def engaged_run(**control: Any) -> tuple[ControlNode, list[Event], list[ControlStatus]]:
    scheduler, seen = Scheduler(START, {}), []
    scheduler.tap(lambda topic, _, message: seen.append(message) if topic in ("/control/status", "/events") else None)
    overrides = parameters(interface="bag", vehicle=str(DEMO), required_components=["/replay"], **control)
    node = ControlNode(lambda each: scheduler.host(each, "a"), parameter_overrides=overrides)
    replay = parameters(button_ms=1200, last_plan_ms=2000, brake_ms=2700)
    source = Replay(lambda each: scheduler.host(each, "a"), parameter_overrides=replay)  # as the CAN component: in the process of control
    scheduler.run()
    node.report_at_end = node.report()
    source.destroy_node()
    node.destroy_node()
    return node, [each for each in seen if isinstance(each, Event)], [each for each in seen if isinstance(each, ControlStatus)]


def test_engaged_by_the_button_stopped_by_the_ladder_taken_over_by_the_driver(ros: None) -> None:
    node, events, statuses = engaged_run(planner="/replay")
    told = [(event.kind, event.cause) for event in events if event.kind != "plan"]
    assert told == [
        ("engagement", "asked"),
        *[("ladder", "plan_age")] * 2,
        ("override", "driver_brake"),
        ("disengagement", "plan_age"),
    ]
    report = node.report_at_end["engagement"]
    assert report["engagements"] == 1 and report["disengagements"] == {"plan_age": 1} and report["overrides"] == {"driver_brake": 1}
    assert report["ladder"]["soft_stop"]["times"] == 1
    reached = {status.engagement: (status.stamp_ns - START) // MS for status in reversed(statuses)}  # the first of each state
    assert reached[Engagement.ENGAGED] == 1210 and reached[Engagement.SOFT_STOP] == pytest.approx(1960 - 100 + 510, abs=10)


def test_plans_of_somebody_else_engage_nobody(ros: None) -> None:
    _, events, _ = engaged_run(planner="/policy")
    assert [(event.kind, event.cause, event.text) for event in events] == [("refusal", "planners", "/replay plans instead of /policy")]


def test_an_open_network_engages_nobody(ros: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET")
    scheduler = Scheduler(START, {})
    with pytest.raises(ConfigError, match="other hosts can publish plans"):
        ControlNode(lambda node: scheduler.host(node, "actuation"), parameter_overrides=parameters(vehicle=str(DEMO)))


def test_on_the_car_it_is_off_until_asked(ros: None) -> None:
    scheduler, seen = Scheduler(START, {}), []
    scheduler.tap(lambda topic, _, message: seen.append(message) if topic == "/events" else None)
    control = ControlNode(lambda node: scheduler.host(node, "a"), parameter_overrides=parameters(interface="bag", vehicle=str(DEMO)))
    source = Replay(lambda node: scheduler.host(node, "b"))
    scheduler.run()
    report = control.report()
    assert report["engagement"]["state"] == "off" and report["engagement"]["engagements"] == 0
    assert not any(isinstance(message, Event) and message.kind == "engagement" for message in seen)
    source.destroy_node()
    control.destroy_node()


@contextmanager
def engaged_node() -> Iterator[tuple[ControlNode, CanIo, list[Any], Scheduler]]:
    """Control that has driven for 0.3 s when the recording ends: its scheduler is at rest, its bus remembers."""
    scheduler, seen = Scheduler(START, {}), []
    scheduler.tap(lambda topic, _, message: seen.append(message) if topic in ("/control/status", "/events") else None)
    car = load_car(DEMO)
    io = CanIo.shared("vehicle", car.buses("bag")["vehicle"], car.wanted["vehicle"])
    io.watch(True)
    overrides = parameters(interface="bag", vehicle=str(DEMO), planner="/replay")
    node = ControlNode(lambda each: scheduler.host(each, "a"), parameter_overrides=overrides)
    source = Replay(lambda each: scheduler.host(each, "a"), parameter_overrides=parameters(button_ms=2700))
    scheduler.run()
    assert node._pilot.engagement.state is Engagement.ENGAGED
    yield node, io, seen, scheduler
    source.destroy_node()
    node.destroy_node()
    io.release()


def tapped(io: CanIo) -> list[dict[str, Any]]:
    batch = io.tap()
    return [] if batch is None else decoded(from_batch(batch))


def test_the_last_frame_of_control_that_is_unloaded_asks_for_nothing(ros: None) -> None:
    with engaged_node() as (node, io, _, _):
        assert tapped(io)[-1]["on"]
        node.destroy_node()
        assert [row["on"] for row in tapped(io)] == [0]


@pytest.mark.parametrize("transition", ["on_deactivate", "on_shutdown"])
def test_deactivated_control_gives_the_car_back_and_says_so(ros: None, transition: str) -> None:
    with engaged_node() as (node, io, seen, scheduler):
        tapped(io)
        getattr(node, transition)(None)
        scheduler.run()
        assert [row["on"] for row in tapped(io)] == [0]
        assert ("disengagement", "deactivated") in [(each.kind, each.cause) for each in seen if isinstance(each, Event)]
        assert [each for each in seen if isinstance(each, ControlStatus)][-1].engagement is Engagement.OFF
        asked = node._on_engage(Engage.Request(engage=True), Engage.Response())
        assert not asked.success and asked.reason == "control rests"


def test_vehicle_states_that_stay_away_do_not_leave_the_car_alone(ros: None) -> None:
    with engaged_node() as (node, io, _, _):
        tapped(io)
        came_ns = node._state[1]
        told = []
        for i in range(1, 70):  # the timer, on a clock that goes on
            at = Instant(came_ns + i * 20 * MS, came_ns + i * 20 * MS)
            node.instant = lambda at=at: at
            node.now_ns = lambda at=at: at.now_ns
            node._tick_without_state()
            told.append(node._pilot.engagement.state)
        assert told[0] is Engagement.ENGAGED and Engagement.EMERGENCY in told and told[-1] is Engagement.FAULT
        rows = tapped(io)
        assert sum(row["on"] for row in rows) == pytest.approx(52, abs=3) and not rows[-1]["on"]
        assert min(row["accel"] for row in rows) < -0.9


def test_a_second_component_that_commands_the_same_bus_is_refused(ros: None) -> None:
    with engaged_node(), pytest.raises(ConfigError, match="another component of this process writes commands"):
        scheduler = Scheduler(START, {})
        ControlNode(lambda each: scheduler.host(each, "a"), parameter_overrides=parameters(interface="bag", vehicle=str(DEMO)))


def test_no_image_code_is_loaded_where_the_car_is_driven() -> None:
    heavy = ("cv2", "av", "onnxruntime", "PIL", "matplotlib", "heron_camera", "heron_vla")
    code = f"import sys, heron_control.node, heron_can.node, heron_runtime.container; sys.exit(str(sorted(set(sys.modules) & set({heavy})) or ''))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stderr.strip() == "", found.stderr


def test_a_flood_of_bookmarks_and_of_odd_plans_stays_small(ros: None) -> None:
    with engaged_node() as (node, _, seen, scheduler):
        del seen[:]
        for i in range(200):
            stamp = node.now_ns() - (i % 3) * 600 * MS
            points = np.full((40 if i % 2 else 39, 4), 1e38 if i % 5 else np.nan, np.float32)
            node._on_plan(Trajectory.make(stamp, points, i, "", Stages()))
        assert node._on_bookmark(Bookmark.Request(text="x" * 1_000_000), Bookmark.Response()).success
        scheduler.run()
        events = [each for each in seen if isinstance(each, Event)]
        assert len(events) <= 12 and max(len(each.text) for each in events) <= 500

"""The gate refuses: the ladder's command for what is implausible, release where a limit is unknown, silence only after release."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from gate_drive import OFF, STEER_STEP, TICK_NS, Drive, ask, rows

from heron_control.command import Command
from heron_control.gate import Gate


@pytest.fixture
def drive(gate: Gate) -> Drive:
    """After one frame at rest and one that requests."""
    drive = Drive(gate, 10.0, 0.02)
    assert drive.off().fault == ""
    drive.sent(ask(0.02))
    return drive


NOT_FINITE = [ask(math.nan), ask(0.0, math.nan), ask(math.inf), ask(0.0, math.inf), ask(-math.inf, 0.0), ask(0.0, -math.inf), ask(math.nan, math.nan)]


@pytest.mark.parametrize("command", NOT_FINITE)
def test_what_is_not_finite_becomes_the_ladders_command(drive: Drive, command: Command) -> None:
    verdict = drive.tick(command)
    assert verdict.fault.startswith("command is not finite: ") and verdict.ladder and verdict.limited == ()
    assert verdict.sent == Command(pytest.approx(0.02), pytest.approx(-0.015), True, True, True)
    assert (drive.gate.rejected, drive.gate.limited) == (1, 0)


def test_the_ladder_holds_the_angle_and_goes_to_the_emergency_stop_at_its_jerk(drive: Drive) -> None:
    drive.follow(ask(0.02, 0.04), 5)
    sent = [drive.tick(ask(math.nan)).sent for _ in range(250)]
    assert all(each is not None and each.steer_rad == pytest.approx(0.02, abs=1e-9) for each in sent)
    accels = [each.accel_mps2 for each in sent if each is not None]
    assert accels[:4] == pytest.approx([0.025, 0.01, -0.005, -0.02])
    assert [each.hold for each in sent[:4] if each is not None] == [False, False, True, True]
    assert accels[-1] == pytest.approx(-2.5) and min(accels) >= -2.5 - 1e-9


def test_the_ladder_eases_a_harder_brake_at_its_jerk(drive: Drive) -> None:
    drive.follow(ask(0.02, -3.0), 100)
    verdict = drive.tick(ask(math.nan))
    assert verdict.sent is not None and verdict.sent.accel_mps2 == pytest.approx(-2.985)


def test_the_ladder_follows_the_clock_like_any_command(drive: Drive) -> None:
    verdict = drive.tick(ask(math.nan), 90_000_000)
    assert verdict.sent is not None and verdict.sent.accel_mps2 == pytest.approx(-0.03)
    verdict = drive.tick(ask(math.nan), 100_000)  # less than one step of the raster
    assert verdict.sent is not None and verdict.sent.accel_mps2 == pytest.approx(-0.03)


def test_the_ladder_gives_way_to_the_limits(drive: Drive) -> None:
    drive.speed = 10.4
    drive.follow(ask(1.0), 400)
    drive.speed = 10.8
    before = drive.gate.report()["limits"]
    verdict = drive.tick(ask(math.nan))
    assert verdict.ladder and verdict.sent is not None and verdict.sent.steer_rad < math.atan(3.0 / 10.4**2 * 2.8) - STEER_STEP
    assert drive.gate.report()["limits"] == before


def test_the_ladder_asks_for_no_more_than_was_asked(drive: Drive) -> None:
    verdict = drive.tick(Command(math.nan, math.nan, True, False))
    assert verdict.ladder and verdict.sent == Command(pytest.approx(0.02), 0.0, True, False, False)
    verdict = drive.tick(Command(math.nan, math.nan, False, True))
    assert verdict.ladder and verdict.sent == Command(pytest.approx(0.02), pytest.approx(-0.015), False, True, True)


def test_the_ladder_continues_and_never_begins(drive: Drive) -> None:
    drive.off()
    verdict = drive.tick(ask(math.nan))
    assert (
        not verdict.ladder and verdict.fault.startswith("command is not finite") and verdict.sent == Command(pytest.approx(0.02), 0.0, False, False)
    )


@pytest.mark.parametrize("speed", [None, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("command", [ask(), ask(math.nan)])
def test_without_speed_nothing_is_requested(drive: Drive, speed: float | None, command: Command) -> None:
    drive.speed = speed
    verdict = drive.tick(command)
    assert verdict.fault == "no valid speed" and not verdict.ladder
    assert verdict.sent == Command(pytest.approx(0.02), 0.0, False, False, False)


@pytest.mark.parametrize("measured", [None, math.nan, math.inf])
def test_without_speed_and_angle_the_last_frame_releases(drive: Drive, bus: Any, measured: float | None) -> None:
    drive.speed, drive.measured = None, measured
    verdict = drive.tick(ask())
    assert verdict.fault == "no valid speed" and verdict.sent == Command(pytest.approx(0.02), 0.0, False, False, False)
    count = len(bus.frames)
    assert drive.tick(ask()).sent is None and len(bus.frames) == count


def test_a_request_goes_on_without_a_measured_angle_until_it_is_lost(drive: Drive) -> None:
    drive.sent(ask(0.02))
    drive.measured = None
    drive.follow(ask(0.02), 90)  # 0.1 s of the second passed before the angle was too old
    verdict = drive.tick(ask(0.02), 1_000_000)
    assert verdict.fault == "no measured steering angle" and not verdict.ladder and verdict.sent is not None and not verdict.sent.request
    drive.off(0.02)
    drive.sent(ask(0.02))


def test_a_request_must_continue_a_frame(gate: Gate) -> None:
    drive = Drive(gate, 10.0)
    verdict = drive.tick(ask())
    assert verdict.fault == "no frame to continue from" and verdict.sent == OFF
    drive.sent(ask())
    drive.sent(ask(), 100_000_000)
    verdict = drive.tick(ask(), 100_000_001)
    assert verdict.fault == "no frame to continue from" and verdict.sent == OFF
    drive.sent(ask())


@pytest.mark.parametrize(("step_ns", "drives"), [(0, False), (-TICK_NS, False), (-1, False), (1, True)])
def test_a_clock_that_stands_or_steps_back_releases(drive: Drive, step_ns: int, drives: bool) -> None:
    verdict = drive.tick(ask(), step_ns)
    assert verdict.fault == ("" if drives else "clock stands or steps back")
    assert verdict.sent is not None and verdict.sent.request is drives
    assert drive.sent(ask()).request


@pytest.mark.parametrize("bend", [(100, 0), (-100, 0), (0, 200), (0, -200)])
def test_the_encoded_frame_is_judged_not_the_command(drive: Drive, bus: Any, bend: tuple[int, int]) -> None:
    bus.bend = bend
    verdict = drive.tick(ask(0.02))
    assert verdict.fault.startswith("frames decode wrongly: ") and not verdict.ladder and drive.gate.rejected == 1
    assert not rows(bus.frames)[-1].steer_on and not rows(bus.frames)[-1].accel_on
    assert drive.tick(ask(0.02)).fault == "no frame to continue from"  # nothing starts from a wrong value
    bus.bend = (0, 0)
    drive.off()
    assert drive.sent(ask(0.02)).request


def test_a_codec_that_fails_once_leads_to_the_ladder(drive: Drive, bus: Any) -> None:
    right, bends = bus.encode, [(100, 0)]

    def fails_once(command: Command, count: int) -> Any:
        bus.bend = bends.pop() if bends else (0, 0)
        return right(command, count)

    bus.encode = fails_once
    verdict = drive.tick(ask(0.02))
    assert verdict.ladder and verdict.fault.startswith("frames decode wrongly: ")
    assert verdict.sent == Command(pytest.approx(0.02), pytest.approx(-0.015), True, True, True)


@pytest.mark.parametrize("axis", ["steer_rad", "accel_mps2"])
def test_an_axis_at_rest_must_read_as_it_was_meant(drive: Drive, bus: Any, axis: str) -> None:
    requests = (False, True) if axis == "steer_rad" else (True, False)
    bus.bend = (2, 0) if axis == "steer_rad" else (0, 2)
    assert drive.tick(Command(0.02, 0.0, *requests)).fault.startswith("frames decode wrongly: ")
    assert drive.tick(Command(0.02, 0.0, *requests)).fault == "no frame to continue from"


@pytest.mark.parametrize("flip", ["steer_request", "accel_request", "hold"])
def test_frames_must_ask_for_what_was_meant(drive: Drive, bus: Any, flip: str) -> None:
    right = bus.decode

    def lies(frames: Any, count: int) -> Command:
        read = right(frames, count)
        values = {name: getattr(read, name) for name in ("steer_rad", "accel_mps2", "steer_request", "accel_request", "hold")}
        return Command(**{**values, flip: not values[flip]})

    bus.decode = lies
    count = len(bus.frames)
    assert drive.tick(ask(0.02)).fault.startswith("frames decode wrongly: ")
    assert len(bus.frames) == count or not rows(bus.frames)[-1].steer_on


@pytest.mark.parametrize("change", ["steer_request", "accel_request", "hold"])
def test_a_frame_at_rest_that_requests_is_never_sent(gate: Gate, bus: Any, change: str) -> None:
    faithful = bus.encode
    bus.encode = lambda command, count: faithful(
        Command(command.steer_rad, command.accel_mps2, change == "steer_request", change == "accel_request", change == "hold"), count
    )
    verdict = Drive(gate).off()
    assert verdict.fault.startswith("frames decode wrongly: ") and verdict.sent is None
    assert bus.frames == [] and gate.rejected == 1


def test_frames_that_a_car_cannot_read_are_never_sent(drive: Drive, bus: Any) -> None:
    bus.decode = lambda frames, count: None
    count = len(bus.frames)
    for command in (ask(0.02), OFF):
        assert drive.tick(command).fault.startswith("frames decode wrongly: None")
    assert len(bus.frames) == count


def test_a_read_push_while_held_is_refused(drive: Drive, bus: Any) -> None:
    right = bus.decode
    drive.sent(ask(0.02, 0.0, hold=True))
    bus.decode = lambda frames, count: Command(right(frames, count).steer_rad, 0.001, True, True, True)
    assert drive.tick(ask(0.02, 0.0, hold=True)).fault.startswith("frames decode wrongly: ")


def test_a_held_car_may_read_the_rounding_of_zero(drive: Drive, bus: Any) -> None:
    right = bus.decode
    bus.decode = lambda frames, count: dataclasses.replace(right(frames, count), accel_mps2=1e-6 * 1e-3)
    assert drive.sent(ask(0.02, 0.0, hold=True)).hold


def test_a_command_that_frames_cannot_express_is_refused(drive: Drive, bus: Any) -> None:
    def full(command: Command, count: int) -> Any:
        raise ValueError("WHEEL_ANGLE = 600, allowed -540 .. 540")

    bus.encode = full
    verdict = drive.tick(ask(0.02))
    assert verdict.fault == "frames cannot express the command: WHEEL_ANGLE = 600, allowed -540 .. 540" and verdict.sent is None
    del bus.encode
    assert drive.tick(ask(0.02)).fault == "no frame to continue from"


def test_a_bus_that_takes_nothing_ends_the_chain(drive: Drive, bus: Any) -> None:
    bus.works = False
    verdict = drive.tick(ask(0.02))
    assert verdict.fault == "bus does not take frames" and verdict.sent is None and drive.gate.frames == 4
    assert drive.off().fault == "bus does not take frames"
    bus.works = True
    assert drive.tick(ask(0.02)).fault == "no frame to continue from"
    assert drive.sent(ask(0.02)).request


def test_a_bus_that_takes_only_the_first_frame_ends_the_chain(drive: Drive, bus: Any) -> None:
    written: list[int] = []
    gate = Gate(drive.gate._limits, drive.gate._model, bus, lambda frame, now_ns: not (written.append(frame.id) or frame.id == 0x2F0))
    alone = Drive(gate, 10.0)
    assert alone.off().fault == "bus does not take frames" and written == [0x2E0, 0x2F0] and gate.frames == 1
    assert alone.tick(ask()).fault == "no frame to continue from"
    assert bus.count == 1  # the car has seen the first counter


def test_counters_run_on_with_every_tick_that_was_written_and_with_no_other(drive: Drive, bus: Any) -> None:
    drive.tick(ask(math.nan))
    bus.works = False
    drive.tick(ask(0.02))
    bus.works = True
    drive.off()
    drive.off()
    assert bus.counts == [0, 1, 2, 3, 3, 4]


def test_without_a_measured_angle_the_bus_stays_quiet(gate: Gate, bus: Any) -> None:
    drive = Drive(gate, 5.0, None)
    verdict = drive.tick(Command(0.2, 1.0, False, False))
    assert verdict.sent is None and verdict.fault == "no measured steering angle" and bus.frames == [] and gate.rejected == 0


def test_a_lost_angle_releases_with_the_last_one_and_then_is_quiet(drive: Drive, bus: Any) -> None:
    drive.measured = None
    verdict = drive.tick(OFF)
    assert verdict.fault == "no measured steering angle" and verdict.sent == Command(pytest.approx(0.02), 0.0, False, False)
    count = len(bus.frames)
    assert drive.tick(OFF).sent is None and drive.tick(ask()).sent is None and len(bus.frames) == count
    drive.measured = 0.02
    assert drive.tick(ask()).fault == "no frame to continue from"


def test_speed_alone_needs_the_measured_angle(drive: Drive) -> None:
    drive.measured = None
    verdict = drive.tick(Command(0.0, -0.1, False, True))
    assert verdict.fault == "no measured steering angle" and verdict.sent is not None and not verdict.sent.request


def test_closing_releases_once(drive: Drive, bus: Any) -> None:
    verdict = drive.gate.close(drive.now_ns + TICK_NS)
    assert verdict.sent == Command(pytest.approx(0.02), 0.0, False, False) and verdict.fault == ""
    count = len(bus.frames)
    assert drive.gate.close(drive.now_ns + 2 * TICK_NS).sent is None and len(bus.frames) == count
    assert drive.tick(ask(), 3 * TICK_NS).fault == "no frame to continue from"


def test_a_measured_angle_beyond_the_lock_reads_as_the_lock(gate: Gate) -> None:
    for measured, read in ((1e308, 0.6), (-0.7, -0.6), (0.59, 0.59)):
        verdict = Drive(gate, 0.0, measured).off()
        assert verdict.sent == Command(pytest.approx(read), 0.0, False, False)

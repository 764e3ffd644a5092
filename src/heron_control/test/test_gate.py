"""The gate narrows: what passes untouched, what each limit leaves, requests for steering and speed apart, and the way back when speed rises."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from gate_drive import ACCEL_STEP, OFF, STEER_STEP, TICK_NS, WHEELBASE, Drive, ask, rows

from heron_control.codec import Grid
from heron_control.command import Command
from heron_control.gate import Gate, _inside, _RefusedError
from heron_control.gate_window import Range
from heron_core.errors import ConfigError
from heron_core.limits import Limits
from heron_core.vehicle_model import VehicleModel


@pytest.fixture
def drive(gate: Gate) -> Drive:
    return Drive(gate)


def started(drive: Drive, speed: float = 20.0, measured: float = 0.0) -> Drive:
    """After one frame at rest."""
    drive.speed = speed
    assert drive.off(measured).fault == ""
    return drive


def test_a_modest_command_passes_untouched(drive: Drive) -> None:
    verdict = started(drive).tick(ask(6e-5, 0.02))
    assert verdict.sent == Command(pytest.approx(6e-5), pytest.approx(0.02), True, True, False)
    assert (verdict.limited, verdict.fault, verdict.ladder) == ((), "", False)
    assert (drive.gate.limited, drive.gate.rejected, drive.gate.frames) == (0, 0, 4)


@pytest.mark.parametrize(
    ("command", "speed", "limited"),
    [
        (ask(1.0), 0.0, ("steer_rate_rps",)),
        (ask(1.0), 20.0, ("lateral_jerk_mps3",)),
        (ask(-1e308), 20.0, ("lateral_jerk_mps3",)),
        (ask(0.0, 1e308), 20.0, ("jerk_mps3",)),
        (ask(1.0, -9.0), 20.0, ("lateral_jerk_mps3", "jerk_mps3")),
        (ask(0.0, 0.03, hold=True), 0.0, ("hold",)),
        (ask(0.0, 0.04), 20.0, ()),
        (ask(0.0, 0.040499), 20.0, ()),  # less than the raster rounds
        (ask(0.0, 0.040502), 20.0, ("jerk_mps3",)),
        (ask(0.008 + 0.998e-5), 0.0, ()),
        (ask(0.008 + 1.004e-5), 0.0, ("steer_rate_rps",)),
    ],
)
def test_the_limits_that_narrow_are_named(drive: Drive, command: Command, speed: float, limited: tuple[str, ...]) -> None:
    verdict = started(drive, speed).tick(command)
    assert verdict.limited == limited and verdict.fault == "" and drive.gate.limited == bool(limited)


@pytest.mark.parametrize(("speed", "expected"), [(0.0, 0.8 * 0.01), (10.0, 3.6 * 0.01 / 100 * 2.8), (30.0, 3.6 * 0.01 / 900 * 2.8)])
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_steering_grows_by_the_tightest_of_rate_and_jerk(drive: Drive, speed: float, expected: float, side: float) -> None:
    sent = started(drive, speed).sent(ask(side))
    assert expected - STEER_STEP <= side * sent.steer_rad <= expected + 1e-9


@pytest.mark.parametrize(
    ("speed", "largest", "limit"),
    [
        (1.0, math.atan(0.2 * 2.8), "curvature_per_m"),
        (10.0, math.atan(3.0 / 100 * 2.8), "lateral_accel_mps2"),
        (36.0, math.atan(3.0 / 1296 * 2.8), "lateral_accel_mps2"),
    ],
)
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_steering_ends_at_lateral_acceleration_or_curvature(drive: Drive, speed: float, largest: float, limit: str, side: float) -> None:
    sent = started(drive, speed).follow(ask(side), 400)[-1]
    assert largest - STEER_STEP <= side * sent.steer_rad <= largest + 1e-9
    assert drive.tick(ask(side)).limited == (limit,)


@pytest.mark.parametrize(("asked", "largest", "limit"), [(9.0, 2.0, "accel_max_mps2"), (-9.0, -3.5, "accel_min_mps2")])
def test_acceleration_ends_at_its_limits_and_grows_by_jerk(drive: Drive, asked: float, largest: float, limit: str) -> None:
    values = [sent.accel_mps2 for sent in started(drive).follow(ask(0.0, asked), 150)]
    assert values[0] == pytest.approx(math.copysign(0.04, asked))
    assert values[-1] == pytest.approx(largest)
    assert drive.tick(ask(0.0, asked)).limited == (limit,)


def test_a_pause_does_not_add_up_to_one_large_step(drive: Drive) -> None:
    started(drive, 0.0).sent(ask())
    assert drive.sent(ask(1.0, -9.0), 90_000_000) == Command(pytest.approx(0.016), pytest.approx(-0.08), True, True, False)
    sent = drive.sent(ask(1.0, -9.0), 20_000_000)
    assert (sent.steer_rad, sent.accel_mps2) == (pytest.approx(0.032), pytest.approx(-0.16))


def test_a_short_tick_makes_a_short_step(drive: Drive) -> None:
    started(drive, 0.0)
    sent = drive.sent(ask(1.0, -9.0), 1_000_000)
    assert (sent.steer_rad, sent.accel_mps2) == (pytest.approx(0.0008), pytest.approx(-0.004))


def test_the_drivers_throttle_takes_acceleration_and_returning_it_starts_at_zero(drive: Drive) -> None:
    started(drive).follow(ask(0.0, -1.0), 20)
    assert drive.sent(Command(0.0, -1.0, True, False, True)) == Command(0.0, 0.0, True, False, False)
    assert drive.sent(ask(0.0, -1.0)).accel_mps2 == pytest.approx(-0.04)


def test_steering_alone_and_speed_alone(drive: Drive) -> None:
    started(drive, 10.0, 0.01)
    sent = drive.sent(Command(1.0, -0.02, False, True))
    assert sent == Command(pytest.approx(0.01), pytest.approx(-0.02), False, True, False)
    drive.measured = 0.02  # the driver turned on; steering starts from there
    sent = drive.sent(Command(0.02, -0.02, True, True))
    assert sent.steer_rad == pytest.approx(0.02)
    assert drive.sent(Command(0.02, 1e308, True, False)) == Command(pytest.approx(0.02), 0.0, True, False, False)


def test_straight_wheels_are_an_angle_too(drive: Drive) -> None:
    assert started(drive).sent(Command(1.0, 0.0, False, True)) == Command(0.0, 0.0, False, True, False)


def test_values_of_what_is_not_requested_do_not_matter(drive: Drive) -> None:
    assert started(drive).sent(Command(math.nan, -0.02, False, True)).accel_mps2 == pytest.approx(-0.02)
    assert drive.off().fault == ""
    assert drive.sent(Command(0.0, math.nan, True, False)) == Command(0.0, 0.0, True, False, False)
    assert drive.tick(Command(math.nan, math.inf, False, False)).fault == ""


def test_a_car_is_held_only_without_a_push(drive: Drive) -> None:
    started(drive, 0.0).follow(ask(0.0, 0.07), 2)
    assert drive.tick(ask(0.0, 1.0, hold=True)).sent == Command(0.0, pytest.approx(0.03), True, True, False)
    verdict = drive.tick(ask(0.0, 0.0, hold=True))
    assert verdict.sent == Command(0.0, 0.0, True, True, True) and verdict.limited == ()
    assert drive.sent(ask(0.0, -1.0, hold=True)) == Command(0.0, pytest.approx(-0.04), True, True, True)
    verdict = drive.tick(ask(0.0, 0.5, hold=False))
    assert verdict.sent == Command(0.0, 0.0, True, True, False) and verdict.limited == ("jerk_mps3",)


def test_a_hold_that_must_wait_is_named(drive: Drive) -> None:
    started(drive, 0.0).follow(ask(0.0, 0.08), 2)
    verdict = drive.tick(ask(0.0, -0.01, hold=True))
    assert verdict.sent == Command(0.0, pytest.approx(0.04), True, True, False) and verdict.limited == ("jerk_mps3", "hold")


@pytest.mark.parametrize(("angle", "speed"), [(0.3, 30.0), (0.55, 1.0), (-0.3, 30.0)])
def test_engaging_refuses_an_angle_beyond_the_limits(drive: Drive, angle: float, speed: float) -> None:
    verdict = started(drive, speed, angle).tick(ask(angle))
    assert verdict.fault.startswith("measured angle is beyond the limits: ") and not verdict.ladder
    assert verdict.sent == Command(pytest.approx(angle), 0.0, False, False, False)


def test_engaging_starts_from_where_the_wheels_are(drive: Drive) -> None:
    started(drive, 10.0, 0.05)
    drive.measured = 0.053
    sent = drive.sent(ask())
    assert sent.steer_rad == pytest.approx(0.053 - 3.6e-4 * WHEELBASE, abs=2e-5)


def test_engaging_needs_a_measured_angle(drive: Drive) -> None:
    started(drive)
    drive.measured = None
    verdict = drive.tick(ask())
    assert verdict.fault == "no measured steering angle" and verdict.sent == OFF and drive.gate.rejected == 1
    assert drive.off().sent is None


def test_a_running_request_does_not_need_the_measured_angle(drive: Drive) -> None:
    started(drive).sent(ask())
    drive.measured = None
    assert drive.sent(ask()).steer_request
    drive.measured = math.nan
    assert drive.sent(ask()).steer_request


@pytest.mark.parametrize(("speed", "allowed"), [(36.0, True), (-36.0, True), (36.1, False), (-36.1, False)])
def test_no_request_begins_above_the_top_speed(drive: Drive, speed: float, allowed: bool) -> None:
    verdict = started(drive, speed).tick(ask())
    assert verdict.fault == ("" if allowed else f"too fast to begin: {speed} m/s")


def test_a_request_that_runs_may_pass_the_top_speed(drive: Drive) -> None:
    started(drive, 36.0).sent(ask())
    drive.speed = 36.5
    assert drive.sent(ask()).request


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_when_speed_rises_the_angle_returns_at_full_jerk(drive: Drive, side: float) -> None:
    started(drive, 10.0).follow(ask(side), 400)
    drive.speed = 10.4  # 3.24 m/s² of lateral acceleration at the angle of before
    limit, last, steps = math.atan(3.0 / 10.4**2 * WHEELBASE), drive.sent(ask(side)), 0
    while abs(last.steer_rad) > limit + 1e-9:
        sent = drive.tick(ask(side)).sent
        assert sent is not None and sent.steer_request
        fastest = math.atan(math.tan(abs(last.steer_rad)) - 3.6 * 0.01 / 10.4**2 * WHEELBASE)
        assert fastest - 1e-9 <= abs(sent.steer_rad) <= max(fastest + STEER_STEP, limit)
        last, steps = sent, steps + 1
    assert 5 < steps < 20


def test_returning_is_named_and_asking_for_less_changes_nothing(drive: Drive) -> None:
    started(drive, 10.0).follow(ask(1.0), 400)
    drive.speed = 10.4
    first, second = drive.tick(ask(1.0)), drive.tick(ask(0.0))
    assert first.limited == ("lateral_accel_mps2",) and second.limited == ("lateral_jerk_mps3",)


@pytest.mark.parametrize(("speed", "drives"), [(11.0, True), (11.05, False)])
def test_above_the_ceiling_of_lateral_acceleration_the_car_is_released(drive: Drive, speed: float, drives: bool) -> None:
    started(drive, 10.0).follow(ask(1.0), 400)
    drive.speed = speed
    verdict = drive.tick(ask(1.0))
    assert verdict.sent is not None and verdict.sent.request is drives
    assert verdict.fault.split(":")[0] == ("" if drives else "lateral acceleration is above its ceiling")


@pytest.mark.parametrize("speed", [3.0, 3.9, 5.0, 8.0])
def test_noise_of_the_speed_at_the_lateral_limit_is_no_fault(drive: Drive, bus: Any, speed: float) -> None:
    started(drive, speed).follow(ask(1.0), 400)
    for number in range(200):
        drive.speed = speed * (1.0 + 0.03 * math.sin(0.7 * number) + 0.003 * (number % 7))
        assert drive.tick(ask(1.0)).fault == ""
    assert all(row.steer_on for row in rows(bus.frames)[1:])


def test_no_rounding_to_the_raster_passes_a_limit(limits: Limits, model: VehicleModel, bus: Any) -> None:
    bus.steer_grid, bus.accel_grid = Grid(2e-5), Grid(1e-3)
    odd = dataclasses.replace(limits, accel_max_mps2=1.9996, accel_min_mps2=-3.4996)
    drive = started(Drive(Gate(odd, model, bus, bus.write)))
    assert drive.follow(ask(0.0, 9.0), 100)[-1].accel_mps2 == pytest.approx(1.999)
    assert drive.follow(ask(0.0, -9.0), 200)[-1].accel_mps2 == pytest.approx(-3.499)
    assert ACCEL_STEP == 1e-3


@pytest.mark.parametrize(("step", "period_s", "fine"), [(7.7e-5, 0.01, True), (7.8e-5, 0.01, False), (7.7e-5, 0.005, False)])
def test_a_raster_too_coarse_for_the_top_speed_is_refused(
    limits: Limits, model: VehicleModel, bus: Any, step: float, period_s: float, fine: bool
) -> None:
    bus.steer_grid = Grid(step)
    quick = dataclasses.replace(limits, commands=(limits.commands[0], dataclasses.replace(limits.commands[1], period_s=period_s)))
    if fine:
        Gate(quick, model, bus, bus.write)
        return
    with pytest.raises(ConfigError, match=r"speed_max_mps = 36\.0"):
        Gate(quick, model, bus, bus.write)


def test_the_raster_may_be_as_coarse_as_one_step(limits: Limits, model: VehicleModel, bus: Any) -> None:
    bus.steer_grid = Grid(model.steer(limits.lateral_jerk_mps3 * 0.01 / 36.0**2))
    Gate(limits, model, bus, bus.write)


def test_ticks_are_stamped_with_their_time(drive: Drive, bus: Any) -> None:
    started(drive).sent(ask())
    assert [row.ns for row in rows(bus.frames)] == [drive.now_ns - TICK_NS, drive.now_ns]


def test_a_range_between_two_raster_steps_is_refused() -> None:
    with pytest.raises(_RefusedError, match="limits leave no command"):
        _inside(Grid(1.0), 0.5, Range(0.4, 0.6, "", ""))

"""The gate: no frame that requests anything breaks a limit, as judged from the bytes on the bus."""

from __future__ import annotations

import dataclasses
import math
import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heron_control.codec import Grid, RawFrame
from heron_control.command import Command
from heron_control.gate import Gate
from heron_core.errors import ConfigError

TICK_NS = 10_000_000
ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True) | st.floats(-1.0, 1.0)


def read_bytes(frames: list[tuple[int, RawFrame]]) -> list[tuple[int, float, float, bool]]:
    """(ns, road-wheel angle, acceleration, request) per tick, with this test's own decoder."""
    rows = []
    for (ns, steer), (other_ns, accel) in zip(frames[::2], frames[1::2], strict=True):
        assert ns == other_ns and (steer.id, accel.id) == (0x2E0, 0x2F0)
        (angle, on), (push, also_on) = struct.unpack("<i?xxx", steer.data), struct.unpack("<i?xxx", accel.data)
        assert on == also_on
        rows.append((ns, angle * 2e-5, push * 1e-3, on))
    return rows


def broken(rows: list[tuple[int, float, float, bool]], speeds: list[float]) -> list[str]:
    """What the rows break, by arithmetic of its own: the numbers of limits.yaml stand here as numbers."""
    found = []
    for i, (ns, steer, accel, on) in enumerate(rows):
        if not on:
            continue
        assert i > 0 and 0 < ns - rows[i - 1][0] <= 100_000_000, "a request must continue a frame"
        v = abs(speeds[i])
        k = math.tan(steer) / 2.8
        before_ns, before_steer, before_accel, _ = rows[i - 1]
        dt = min((ns - before_ns) / 1e9, 0.02)
        before_k = math.tan(before_steer) / 2.8
        rounding = 1e-6  # of floating-point numbers; a raster step of the frame is far more
        checks = {
            "lock": abs(steer) <= 0.6 + rounding,
            "curvature": abs(k) <= 0.2 + rounding,
            "lateral acceleration": v * v * abs(k) <= 3.0 + rounding,
            "lateral jerk": v * v * abs(k - before_k) <= 3.6 * dt + rounding,
            "steer rate": abs(steer - before_steer) <= (0.8 - 0.2 * min(v / 30.0, 1.0)) * dt + rounding,
            "acceleration": -3.5 - rounding <= accel <= 2.0 + rounding,
            "jerk": abs(accel - before_accel) <= 4.0 * dt + rounding,
        }
        found += [f"{name} at {ns}" for name, ok in checks.items() if not ok]
    return found


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ticks=st.lists(
        st.tuples(
            ANY_FLOAT,
            st.floats(allow_nan=True, allow_infinity=True) | st.floats(-5.0, 5.0),
            st.floats(0.0, 36.0) | st.sampled_from([math.nan, math.inf, 60.0]) | st.none(),
            st.floats(-0.5, 0.5) | st.none(),
            st.booleans() | st.just(True),
            st.sampled_from([TICK_NS, TICK_NS, TICK_NS, 3 * TICK_NS, 20 * TICK_NS, 0, -TICK_NS]),
        ),
        min_size=2,
        max_size=60,
    ),
)
def test_no_stream_of_commands_breaks_a_limit(limits: Any, model: Any, bus: Any, ticks: list[Any]) -> None:
    bus = type(bus)()  # a new one for every example
    gate = Gate(limits, model, bus, bus.write)
    now, speeds = TICK_NS, []
    for steer, accel, speed, measured, request, step in ticks:
        now += step
        count = len(bus.frames)
        gate.send(Command(steer, accel, request, request), speed, measured, now)
        if len(bus.frames) > count:
            speeds.append(math.nan if speed is None else speed)
    assert broken(read_bytes(bus.frames), speeds) == []


def engaged(gate: Gate, speed: float = 20.0, steer: float = 0.0) -> int:
    """Sends one frame at rest; returns the next tick."""
    assert gate.send(Command(0.0, 0.0, False, False), speed, steer, TICK_NS).fault == ""
    return 2 * TICK_NS


def test_a_modest_command_passes_untouched(gate: Gate) -> None:
    now = engaged(gate)
    verdict = gate.send(Command(6e-5, 0.02, True, True), 20.0, 0.0, now)
    assert verdict.sent is not None and verdict.sent.request and not verdict.limited and not verdict.fault
    assert verdict.sent.steer_rad == pytest.approx(6e-5) and verdict.sent.accel_mps2 == pytest.approx(0.02)
    assert (gate.limited, gate.rejected, gate.frames) == (0, 0, 4)


@pytest.mark.parametrize(("speed", "expected"), [(0.0, 0.8 * 0.01), (10.0, 3.6 * 0.01 / 100 * 2.8), (30.0, 3.6 * 0.01 / 900 * 2.8)])
def test_steering_grows_by_the_tightest_of_rate_and_jerk(gate: Gate, speed: float, expected: float) -> None:
    verdict = gate.send(Command(1.0, 0.0, True, True), speed, 0.0, engaged(gate, speed))
    assert verdict.limited and verdict.sent is not None and gate.limited == 1
    assert expected - 2e-5 <= verdict.sent.steer_rad <= expected + 1e-9


@pytest.mark.parametrize(("speed", "largest"), [(1.0, math.atan(0.2 * 2.8)), (10.0, math.atan(3.0 / 100 * 2.8)), (36.0, math.atan(3.0 / 1296 * 2.8))])
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_steering_ends_at_lateral_acceleration_or_curvature(gate: Gate, speed: float, largest: float, side: float) -> None:
    now = engaged(gate, speed)
    verdict = gate.send(Command(side, 0.0, True, True), speed, 0.0, now)
    for _ in range(400):
        now += TICK_NS
        verdict = gate.send(Command(side, 0.0, True, True), speed, 0.0, now)
    assert verdict.sent is not None and verdict.fault == ""
    assert largest - 2e-5 <= side * verdict.sent.steer_rad <= largest + 1e-9


@pytest.mark.parametrize(("asked", "largest"), [(9.0, 2.0), (-9.0, -3.5)])
def test_acceleration_ends_at_its_limits_and_grows_by_jerk(gate: Gate, asked: float, largest: float) -> None:
    now, values = engaged(gate), []
    for _ in range(150):
        verdict = gate.send(Command(0.0, asked, True, True), 20.0, 0.0, now)
        assert verdict.sent is not None
        values.append(verdict.sent.accel_mps2)
        now += TICK_NS
    assert values[0] == pytest.approx(math.copysign(0.04, asked))
    assert values[-1] == pytest.approx(largest)


@pytest.mark.parametrize("command", [Command(math.nan, 0.0, True, True), Command(0.0, math.inf, True, True), Command(-math.inf, 0.0, True, True)])
def test_what_is_not_finite_is_refused_and_the_car_released(gate: Gate, bus: Any, command: Command) -> None:
    verdict = gate.send(command, 20.0, 0.1, engaged(gate, steer=0.1))
    assert "not finite" in verdict.fault or "beyond" in verdict.fault and gate.rejected == 1
    assert verdict.sent == bus.decode([frame for _, frame in bus.frames[-2:]])
    assert verdict.sent is not None and not verdict.sent.request and verdict.sent.steer_rad == pytest.approx(0.1)


@pytest.mark.parametrize("speed", [None, math.nan, math.inf])
def test_without_speed_nothing_is_requested(gate: Gate, speed: float | None) -> None:
    verdict = gate.send(Command(0.0, 0.0, True, True), speed, 0.0, engaged(gate))
    assert verdict.fault == "no valid speed" and verdict.sent is not None and not verdict.sent.request


def test_a_request_must_continue_a_frame(gate: Gate) -> None:
    assert "no frame to continue" in gate.send(Command(0.0, 0.0, True, True), 10.0, 0.0, TICK_NS).fault
    assert gate.send(Command(0.0, 0.0, True, True), 10.0, 0.0, 2 * TICK_NS).fault == ""
    assert "no frame to continue" in gate.send(Command(0.0, 0.0, True, True), 10.0, 0.0, 2 * TICK_NS + 100_000_001).fault


def test_a_clock_that_stands_or_steps_back_releases(gate: Gate) -> None:
    now = engaged(gate)
    assert gate.send(Command(0.0, 0.0, True, True), 10.0, 0.0, now).fault == ""
    assert "clock" in gate.send(Command(0.0, 0.0, True, True), 10.0, 0.0, now).fault
    assert "clock" in gate.send(Command(0.0, 0.0, True, True), 10.0, 0.0, now - TICK_NS).fault


def test_a_pause_does_not_add_up_to_one_large_step(gate: Gate) -> None:
    now = engaged(gate, 0.0)
    gate.send(Command(0.0, 0.0, True, True), 0.0, 0.0, now)
    verdict = gate.send(Command(1.0, 0.0, True, True), 0.0, 0.0, now + 90_000_000)
    assert verdict.sent is not None and verdict.sent.steer_rad <= 0.8 * 0.02 + 1e-9


def test_a_speed_that_leaves_no_command_is_refused(gate: Gate) -> None:
    verdict = gate.send(Command(0.3, 0.0, True, True), 30.0, 0.3, engaged(gate, 1.0, 0.3))
    assert "beyond the limits" in verdict.fault and verdict.sent is not None and not verdict.sent.request


@pytest.mark.parametrize("bend", [(100, 0), (0, 200), (-100, 0)])
def test_the_encoded_frame_is_judged_not_the_command(gate: Gate, bus: Any, bend: tuple[int, int]) -> None:
    now = engaged(gate)
    bus.bend = bend
    verdict = gate.send(Command(0.0, 0.0, True, True), 20.0, 0.0, now)
    assert "decode" in verdict.fault and gate.rejected == 1
    assert all(not on for _, _, _, on in read_bytes(bus.frames))


def test_a_frame_at_rest_that_requests_is_never_sent(limits: Any, model: Any, bus: Any) -> None:
    faithful = bus.encode
    bus.encode = lambda command, count: faithful(Command(command.steer_rad, command.accel_mps2, True, True), count)
    gate = Gate(limits, model, bus, bus.write)
    assert "decode wrongly" in gate.send(Command(0.0, 0.0, False, False), 5.0, 0.0, TICK_NS).fault
    assert bus.frames == [] and gate.rejected == 1


def test_whitelist_by_bus_id_and_length(limits: Any, model: Any, bus: Any) -> None:
    for change in ({"id": 0x2E1}, {"length": 7}, {"bus": "other"}):
        listed = dataclasses.replace(limits, commands=(dataclasses.replace(limits.commands[0], **change), limits.commands[1]))
        verdict = Gate(listed, model, bus, bus.write).send(Command(0.0, 0.0, False, False), 5.0, 0.0, TICK_NS)
        assert "whitelist" in verdict.fault and verdict.sent is None and bus.frames == []


def test_no_more_frames_than_the_nominal_rate_allows(gate: Gate, bus: Any) -> None:
    for now in range(0, 250_000_000, 2_000_000):
        gate.send(Command(0.0, 0.0, False, False), 5.0, 0.0, now + TICK_NS)
    assert len(bus.frames) == 2 * 30 and gate.rejected == 125 - 30


def test_a_bus_that_takes_nothing_ends_the_chain(gate: Gate, bus: Any) -> None:
    now = engaged(gate)
    bus.works = False
    assert gate.send(Command(0.0, 0.0, True, True), 5.0, 0.0, now).fault == "bus does not take frames"
    bus.works = True
    assert "no frame to continue" in gate.send(Command(0.0, 0.0, True, True), 5.0, 0.0, now + TICK_NS).fault


def test_without_a_measured_angle_the_bus_stays_quiet(gate: Gate, bus: Any) -> None:
    verdict = gate.send(Command(0.2, 1.0, False, False), 5.0, None, TICK_NS)
    assert verdict.sent is None and "no measured" in verdict.fault and bus.frames == []


def test_a_raster_too_coarse_for_the_top_speed_is_refused(limits: Any, model: Any, bus: Any) -> None:
    bus.steer_grid = Grid(1.2e-4)
    with pytest.raises(ConfigError, match=r"speed_max_mps = 36\.0"):
        Gate(limits, model, bus, bus.write)


def test_grid_never_leaves_the_range() -> None:
    assert Grid(0.1).nearest(0.99, 0.0, 0.95) == pytest.approx(0.9)
    assert Grid(0.1).nearest(-5.0, -0.25, 0.25) == pytest.approx(-0.2)
    assert Grid(0.1, 0.05).nearest(0.0, -0.5, 0.5) in (pytest.approx(0.05), pytest.approx(-0.05))
    assert Grid(0.1).nearest(0.05, 0.04, 0.06) is None

"""No stream of commands whatsoever breaks a limit or makes the gate raise, as judged from the bytes on the bus."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from gate_drive import TICK_NS, Row, breaks, rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heron_control.command import Command
from heron_control.gate import Gate

ANY = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([1e308, -1e308, 5e-324, math.nan])
STEER = ANY | st.floats(-0.7, 0.7) | st.floats(-0.05, 0.05)
ACCEL = ANY | st.floats(-5.0, 5.0)
SPEED = st.floats(0.0, 36.0) | st.floats(2.0, 9.0) | st.none() | ANY
MEASURED = st.floats(-0.5, 0.5) | st.floats(-0.01, 0.01) | st.none() | ANY
STEP_NS = st.sampled_from([TICK_NS] * 8 + [3 * TICK_NS, 20 * TICK_NS, 0, -TICK_NS, 1, 4_000_000])
FREE = settings(deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def judged(bus: Any, inputs: list[tuple[float | None, float | None]]) -> list[str]:
    """What the ticks on the bus break; `inputs`: (speed, measured angle) of each."""
    found = rows(bus.frames)
    start = Row(0, 0.0, 0.0, False, False, False)
    return [
        f"{name} at tick {number}"
        for number, ((before, row), (speed, measured)) in enumerate(zip(pairwise([start, *found]), inputs, strict=True))
        for name in breaks(before, row, speed, measured)
    ]


@settings(FREE, max_examples=150)
@given(ticks=st.lists(st.tuples(STEER, ACCEL, SPEED, MEASURED, st.booleans(), st.booleans(), st.booleans(), STEP_NS), min_size=2, max_size=50))
def test_no_inputs_make_it_raise_or_break_a_limit(limits: Any, model: Any, bus: Any, ticks: list[Any]) -> None:
    bus = type(bus)()  # a new one for every example
    gate = Gate(limits, model, bus, bus.write)
    now, inputs = 1_000_000_000, []
    for steer, accel, speed, measured, steer_on, accel_on, hold, step in ticks:
        now += step
        count = len(bus.frames)
        last = rows(bus.frames)[-1].steer if bus.frames else None
        gate.send(Command(steer, accel, steer_on, accel_on, hold), speed, measured, now)
        if len(bus.frames) > count:
            known = measured is not None and math.isfinite(measured)
            inputs.append((speed, measured if known else last))
    assert judged(bus, inputs) == []


@settings(FREE, max_examples=150)
@given(
    speed=st.floats(0.0, 36.0),
    share=st.floats(-1.0, 1.0),
    wishes=st.lists(
        st.tuples(st.floats(-1.5, 1.5), st.floats(-9.0, 9.0), st.floats(-0.05, 0.05), st.booleans(), st.integers(9_000_000, 11_000_000)), max_size=60
    ),
)
def test_a_drive_at_the_edge_with_a_noisy_speed_stays_within_limits_and_engaged(
    limits: Any, model: Any, bus: Any, speed: float, share: float, wishes: list[Any]
) -> None:
    bus = type(bus)()
    gate = Gate(limits, model, bus, bus.write)
    edge = model.steer(limits.curvature_at(speed))
    measured, now = share * 0.95 * edge, 1_000_000_000
    gate.send(Command(0.0, 0.0, False, False), speed, measured, now)
    inputs: list[tuple[float | None, float | None]] = [(speed, measured)]
    for wish, accel, noise, hold, step in wishes:
        now += step
        noisy = speed * (1.0 + 0.8 * noise)
        verdict = gate.send(Command(wish * edge, accel, True, True, hold), noisy, measured, now)
        inputs.append((noisy, measured))
        assert verdict.sent is not None and (verdict.sent.request or verdict.fault.startswith(("too fast", "measured angle")))
    assert judged(bus, inputs) == []

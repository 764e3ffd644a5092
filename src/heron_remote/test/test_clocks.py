"""Clocks over simulated links whose truth is known: the bound holds for every seed, a clock that was set is never believed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from link_twin import START_NS, ClockTwin, Step

from heron_remote.clocks import ClockFilter, ClockSettings
from heron_remote.offset_line import Exchange, fit_line

LAN = ClockTwin(drift_ppm=50.0)
ASYMMETRIC = ClockTwin(jitter_there_ms=8.0, jitter_back_ms=0.2, drift_ppm=-50.0)
HEAVY_TAILS = ClockTwin(tail=0.3, loss=0.2, drift_ppm=50.0, rate_hz=5.0)
FAR = ClockTwin(there_ms=20.0, back_ms=50.0, jitter_there_ms=10.0, jitter_back_ms=2.0, drift_ppm=50.0)
SETTLE = ClockSettings().settle_exchanges


@pytest.mark.parametrize("twin", [LAN, ASYMMETRIC, HEAVY_TAILS, FAR], ids=["lan", "asymmetric", "heavy tails", "far"])
@pytest.mark.parametrize("seed", range(2))
def test_the_true_offset_lies_within_the_uncertainty(twin: ClockTwin, seed: int) -> None:
    clocks = ClockFilter()
    for index, exchange in enumerate(twin.exchanges(30.0, seed)):
        assert clocks.add(*exchange.stamps) is None
        estimate = clocks.estimate(exchange.t4_ns)
        assert (estimate is None) == (index + 1 < SETTLE)
        if estimate:
            assert abs(estimate.offset_ns - exchange.offset_ns) <= estimate.uncertainty_ns
    assert clocks.counts["jumps"] == 0


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    there_ms=st.floats(0.05, 30.0),
    back_ms=st.floats(0.05, 30.0),
    jitter_ms=st.floats(0.0, 20.0),
    tail=st.floats(0.0, 0.5),
    drift_ppm=st.floats(-400.0, 400.0),
    silence_s=st.floats(0.0, 10.0),
)
def test_no_link_and_no_silence_makes_the_uncertainty_a_lie(
    seed: int, there_ms: float, back_ms: float, jitter_ms: float, tail: float, drift_ppm: float, silence_s: float
) -> None:
    twin = ClockTwin(there_ms, back_ms, jitter_ms, 0.3 * jitter_ms, tail=tail, loss=0.1, drift_ppm=drift_ppm)
    clocks = ClockFilter()
    for exchange in twin.exchanges(6.0, seed):
        clocks.add(*exchange.stamps)
        later_ns = exchange.t4_ns + round(silence_s * 1e9)
        estimate = clocks.estimate(later_ns)
        if estimate:
            true_ns = exchange.offset_ns + silence_s * 1e3 * drift_ppm
            assert abs(estimate.offset_ns - true_ns) <= estimate.uncertainty_ns + 1


def test_a_short_wire_gives_a_narrow_bound_and_the_drift() -> None:
    clocks = ClockFilter()
    for exchange in LAN.exchanges(30.0, seed=3):
        clocks.add(*exchange.stamps)
    estimate = clocks.estimate(exchange.t4_ns)
    assert estimate
    assert abs(estimate.offset_ns - exchange.offset_ns) < 50_000
    assert estimate.uncertainty_ns < 600_000
    assert estimate.drift_ppm == pytest.approx(50.0, abs=6.0)
    assert 400_000 <= estimate.round_trip_ns < 600_000


def test_one_way_jitter_does_not_move_the_estimate() -> None:
    """The mean of all offsets would be 4 ms off."""
    clocks = ClockFilter()
    for exchange in ASYMMETRIC.exchanges(30.0, seed=1):
        clocks.add(*exchange.stamps)
    assert abs(clocks.estimate(exchange.t4_ns).offset_ns - exchange.offset_ns) < 1_000_000


def test_conversion_there_and_back() -> None:
    clocks = ClockFilter()
    for exchange in LAN.exchanges(12.0, seed=4):
        clocks.add(*exchange.stamps)
    for ago_ns in (-50_000_000, 0, 3_000_000_000):
        vehicle_ns = exchange.t4_ns - ago_ns
        server_ns = clocks.to_server(vehicle_ns)
        assert abs(server_ns - (vehicle_ns + exchange.offset_ns - ago_ns * 50 // 1_000_000)) < 100_000
        assert abs(clocks.to_vehicle(server_ns) - vehicle_ns) <= 2


@pytest.mark.parametrize("side", ["vehicle", "server"])
@pytest.mark.parametrize("step_ms", [20, -20, 1000, -1000])
@pytest.mark.parametrize("twin", [LAN, HEAVY_TAILS], ids=["lan", "heavy tails"])
def test_a_clock_that_was_set_is_seen_refused_and_settles(twin: ClockTwin, step_ms: int, side: str) -> None:
    for seed in range(3):
        clocks, refused, told = ClockFilter(), 0, None
        for exchange in twin.exchanges(15.0, seed, (Step(9.95, step_ms * 1_000_000, side),)):
            jump = clocks.add(*exchange.stamps)
            stepped = abs(exchange.offset_ns - twin.offset_ns) > 10_000_000
            if jump:
                assert stepped
                told = jump
            estimate = clocks.estimate(exchange.t4_ns)
            if stepped and estimate is None:
                refused += 1
                assert clocks.to_server(exchange.t4_ns) is None
                assert clocks.to_vehicle(exchange.t3_ns) is None
            # A step is half visible in an exchange that waited as long; the next that did not tells it.
            if estimate and (told or not stepped or exchange.excess_ns < 10_000_000):
                assert abs(estimate.offset_ns - exchange.offset_ns) <= estimate.uncertainty_ns
        assert clocks.counts["jumps"] == 1
        assert told.step_ns == pytest.approx(step_ms * 1e6 * (1 if side == "server" else -1), abs=10e6) or told.step_ns == 0
        assert SETTLE - 1 <= refused <= SETTLE
        assert clocks.settled


def test_a_step_within_the_delay_is_seen_by_its_distance_from_the_line() -> None:
    """Any single exchange would allow it: 100 ms of delay explain 50 ms of offset."""
    twin = ClockTwin(there_ms=50.0, back_ms=50.0, jitter_there_ms=0.5, jitter_back_ms=0.5)
    clocks = ClockFilter()
    jumps = [clocks.add(*exchange.stamps) for exchange in twin.exchanges(8.0, 1, (Step(5.095, 20_000_000, "server"),))]
    assert [index for index, jump in enumerate(jumps) if jump] == [51]
    assert "delay explains" in jumps[51].reason


def test_a_step_within_the_tolerance_is_seen_by_a_short_wire() -> None:
    clocks = ClockFilter()
    jumps = [clocks.add(*exchange.stamps) for exchange in LAN.exchanges(8.0, 1, (Step(5.095, 1_500_000, "server"),))]
    assert [index for index, jump in enumerate(jumps) if jump] == [51]


def test_a_step_while_settling_begins_it_anew() -> None:
    clocks = ClockFilter()
    settled = []
    for exchange in LAN.exchanges(1.0, 2, (Step(0.25, 1_000_000_000, "server"),)):
        clocks.add(*exchange.stamps)
        settled.append(clocks.settled)
    assert settled.index(True) == 3 + SETTLE - 1
    assert clocks.counts["jumps"] == 1


def test_a_link_that_is_loaded_for_longer_than_the_window_does_not_drag_the_estimate_along() -> None:
    """All pings wait 40 ms on the way there, so each alone says 20 ms too much; what was known before bounds that."""
    clocks = ClockFilter()
    for index, exchange in enumerate(LAN.exchanges(15.0, seed=10)):
        wait_ns = 40_000_000 if index >= 30 else 0
        clocks.add(exchange.t1_ns, exchange.t2_ns + wait_ns, exchange.t3_ns + wait_ns, exchange.t4_ns + wait_ns)
        estimate = clocks.estimate(exchange.t4_ns)
        if estimate:
            assert abs(estimate.offset_ns - exchange.offset_ns) <= min(estimate.uncertainty_ns, 7_000_000)
    assert estimate.round_trip_ns > 40_000_000
    assert clocks.counts["jumps"] == 0


def test_the_line_is_drawn_through_the_better_half() -> None:
    """In every other half second all exchanges wait 20 ms on one way."""
    exchanges = []
    for index in range(100):
        at_ns, wait_ns = START_NS + index * 100_000_000, 20_000_000 * (index // 5 % 2)
        offset_ns = 7_000_000_000 + index * 5_000  # 50 ppm
        exchanges.append(Exchange(at_ns, offset_ns - 200_000, offset_ns + 200_000 + wait_ns, 400_000 + wait_ns))
    line = fit_line(exchanges, 500_000_000, 3_000_000_000, 500e-6)
    assert line.slope == pytest.approx(50e-6, rel=1e-6)
    assert line.offset_at(START_NS) == pytest.approx(7_000_000_000, abs=2)
    assert (line.residual_ns, line.round_trip_ns, line.worst_round_trip_ns) == (0, 400_000, 400_000)


def test_noise_is_seldom_taken_for_drift() -> None:
    slopes = []
    for seed in range(40):
        noise_ns = np.random.default_rng(seed).normal(0.0, 500_000.0, 40)
        exchanges = [Exchange(START_NS + index * 250_000_000, round(noise), round(noise) + 2, 10) for index, noise in enumerate(noise_ns)]
        slopes.append(fit_line(exchanges, 250_000_000, 3_000_000_000, 500e-6).slope)
    assert slopes.count(0.0) >= 36


def test_a_step_during_an_exchange_makes_it_impossible() -> None:
    sound = LAN.exchanges(3.0, seed=5)
    last = sound[-1]
    for t1, t2, t3, t4 in (
        (last.t4_ns + 1, last.t2_ns + 1, last.t3_ns + 1, last.t4_ns),  # vehicle back, ping to pong
        (last.t1_ns + 1, last.t2_ns + 1, last.t2_ns, last.t4_ns),  # server back while it held the ping
        (last.t1_ns + 1, last.t2_ns + 1, last.t3_ns + 5_000_000, last.t4_ns),  # server forth
        (last.t1_ns - 3_000_000, last.t2_ns + 1, last.t3_ns + 1, last.t4_ns - 1_000),  # vehicle back between two pongs
    ):
        clocks = ClockFilter()
        for exchange in sound:
            clocks.add(*exchange.stamps)
        assert clocks.settled
        jump = clocks.add(t1, t2, t3, t4)
        assert jump and jump.step_ns == 0 and "ns" in jump.reason
        assert clocks.counts["jumps"] == 1
        assert clocks.estimate(last.t4_ns) is None
        assert clocks.to_vehicle(last.t3_ns) is None


def test_a_pong_that_comes_twice_counts_once() -> None:
    clocks = ClockFilter()
    first, *_ = LAN.exchanges(1.0, seed=6)
    for late_ns in range(SETTLE):
        clocks.add(first.t1_ns, first.t2_ns, first.t3_ns, first.t4_ns + late_ns)
    assert clocks.counts == {"exchanges": SETTLE, "duplicated": SETTLE - 1}
    assert not clocks.settled


def test_pongs_out_of_order_are_no_jump() -> None:
    """One ping's pong is overtaken by the next three."""
    clocks = ClockFilter()
    exchanges = LAN.exchanges(5.0, seed=7)
    slow = exchanges.pop(20)
    for index, exchange in enumerate(exchanges):
        clocks.add(*exchange.stamps)
        if index == 22:
            clocks.add(slow.t1_ns, slow.t2_ns, slow.t3_ns, exchange.t4_ns)
    assert clocks.counts["jumps"] == 0
    assert abs(clocks.estimate(exchange.t4_ns).offset_ns - exchange.offset_ns) < 100_000


def test_a_cut_needs_no_new_settling_and_a_long_one_is_not_bridged() -> None:
    before, after = LAN.exchanges(3.0, seed=8), [e for e in LAN.exchanges(12.0, seed=8) if e.t1_ns > START_NS + 8_000_000_000]
    clocks = ClockFilter(ClockSettings(silence_s=6.0))
    for exchange in before:
        clocks.add(*exchange.stamps)
    end_ns = before[-1].t4_ns
    calm, silent = clocks.estimate(end_ns), clocks.estimate(end_ns + 5_000_000_000)
    assert silent.uncertainty_ns > calm.uncertainty_ns + 2_000_000  # 5 s at 500 ppm are 2.5 ms
    assert clocks.estimate(end_ns + 6_100_000_000) is None
    assert clocks.add(*after[0].stamps) is None
    estimate = clocks.estimate(after[0].t4_ns)
    assert abs(estimate.offset_ns - after[0].offset_ns) <= estimate.uncertainty_ns < 2_000_000


def test_distrust_forgets_without_counting() -> None:
    clocks = ClockFilter()
    for exchange in LAN.exchanges(1.0, seed=9):
        clocks.add(*exchange.stamps)
    assert clocks.settled
    clocks.distrust()
    assert clocks.estimate(exchange.t4_ns) is None
    assert clocks.counts["jumps"] == 0


@pytest.mark.parametrize("wrong", [{"window_s": 0.0}, {"drift_span_s": 6.0}, {"settle_exchanges": 1}, {"drift_max_ppm": float("nan")}])
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} = .*allowed"):
        ClockSettings(**wrong)

"""The ladder of encodings on simulated links: it converges, it does not oscillate, it recovers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from link_twin import MS, SECOND
from request_twin import PIXELS_BYTES, TRUE_SIZE, RequestTwin

from heron_remote.link import LinkHealth
from heron_remote.quality import LADDER, Encoding, LadderSettings, QualityLadder


def best_for(mbps: float, room: float) -> Encoding:
    """The best rung whose true size takes at most `room` of 40 ms; else the last."""
    return next((rung for rung in LADDER if PIXELS_BYTES * TRUE_SIZE[rung] * 8 / (mbps * 1e6) <= room * 0.04), LADDER[-1])


@pytest.mark.parametrize("mbps", [2000, 1000, 100, 80, 20])
def test_it_converges_to_the_best_rung_that_fits(mbps: float) -> None:
    twin = RequestTwin(lambda t: mbps).run(60)
    assert twin.rungs[-1] is best_for(mbps, room=0.8)
    assert len(set(twin.rungs[200:])) == 1
    assert len(twin.ladder.switches) <= 3
    assert twin.ladder.exhausted == (mbps == 20)
    assert twin.link.counts["missed"] == 0


def test_a_slower_link_is_met_at_once_and_a_faster_one_later() -> None:
    twin = RequestTwin(lambda t: 20.0 if 30 <= t < 60 else 1000.0).run(90)
    assert twin.rungs[299] is Encoding.JPEG_95
    assert twin.rungs[299 + 20] is Encoding.JPEG_60  # 2 s after the change
    assert set(twin.rungs[330:600]) == {Encoding.JPEG_60}
    assert twin.rungs[-1] is Encoding.JPEG_95
    ups = [switch.at_ns for switch in twin.ladder.switches if switch.at_ns > 60 * SECOND]
    assert len(ups) == 3 and min(later - earlier for earlier, later in pairwise([60 * SECOND, *ups])) >= 3 * SECOND


def test_a_link_that_flaps_is_not_followed() -> None:
    twin = RequestTwin(lambda t: 100.0 if int(t / 5) % 2 else 20.0).run(200)
    assert len(twin.ladder.switches) <= 4


@pytest.mark.parametrize("seed", range(3))
def test_stalls_at_the_edge_of_two_rungs_lead_to_few_switches(seed: int) -> None:
    """A twentieth of the requests waits for a retransmission, and the best rung takes nine tenths of its share."""
    twin = RequestTwin(lambda t: 100.0, stalls=0.05, loss=0.01, seed=seed).run(200)
    assert len(twin.ladder.switches) <= 10
    assert twin.rungs.count(Encoding.JPEG_90) > 0.8 * len(twin.rungs)


def test_trials_that_fail_become_rare() -> None:
    """A rung whose requests are small until it is chosen: each trial fails."""
    ladder, ups = QualityLadder(LadderSettings(start=Encoding.JPEG_80, best=Encoding.JPEG_90, forget_s=1.0)), []
    for step in range(3000):
        now = step * 100 * MS
        rung = ladder.encoding
        ladder.sent(rung, 100_000, now)
        ladder.arrived(rung, (50 if rung is Encoding.JPEG_90 else 8) * MS, 100e6, now)
        if ladder.encoding is not rung and ladder.encoding is Encoding.JPEG_90:
            ups.append(now / SECOND)
    waits = [later - earlier for earlier, later in pairwise(ups)]
    assert waits == pytest.approx([6, 12, 24, 48, 60, 60, 60], abs=0.6)
    assert ladder.counts["failed"] == len(ups)


def test_a_trial_that_succeeds_makes_the_next_come_sooner() -> None:
    ladder, ups = QualityLadder(LadderSettings(best=Encoding.JPEG_90)), []
    for step in range(1000):
        now, rung = step * 100 * MS, ladder.encoding
        ladder.sent(rung, 100_000, now)
        too_much = rung is Encoding.JPEG_90 and (len(ups) < 3 or now > ups[2] + 40 * SECOND)
        ladder.arrived(rung, (50 if too_much else 8) * MS, 100e6, now)
        if ladder.encoding is Encoding.JPEG_90 and rung is not Encoding.JPEG_90:
            ups.append(now)
    assert ladder.counts["failed"] == len(ups) - 1
    assert (ups[2] - ups[1]) / SECOND == pytest.approx(12, abs=0.5)  # 3, 6, 12 s
    assert (ups[3] - ups[2] - 40 * SECOND) / SECOND == pytest.approx(6, abs=0.5)


def test_one_slow_request_is_forgiven_two_are_not() -> None:
    ladder = QualityLadder(LadderSettings(start=Encoding.LOSSLESS))
    ladder.sent(Encoding.LOSSLESS, 400_000, 0)
    for slow in (True, False, True, False, True):
        ladder.arrived(Encoding.LOSSLESS, (41 if slow else 39) * MS, 80e6, 0)
    assert ladder.encoding is Encoding.LOSSLESS
    ladder.arrived(Encoding.LOSSLESS, 41 * MS, 80e6, 0)
    assert ladder.encoding is Encoding.JPEG_95


def test_down_skips_rungs_that_cannot_fit() -> None:
    ladder = QualityLadder(LadderSettings(start=Encoding.LOSSLESS))
    ladder.sent(Encoding.LOSSLESS, 4_000_000, 0)
    for _ in range(2):
        ladder.arrived(Encoding.LOSSLESS, 900 * MS, 50e6, 0)  # 250 kB in 40 ms: 228 kB are expected of quality 80, 320 kB of 90
    assert ladder.encoding is Encoding.JPEG_80


def test_misses_lead_down_and_answers_to_what_was_sent_before_do_not() -> None:
    ladder = QualityLadder(LadderSettings(start=Encoding.JPEG_90))
    ladder.missed(Encoding.JPEG_90, None, 0)
    ladder.missed(Encoding.JPEG_90, None, 0)
    assert ladder.encoding is Encoding.JPEG_80
    for _ in range(5):
        ladder.missed(Encoding.JPEG_90, None, 0)
        ladder.arrived(Encoding.JPEG_90, 900 * MS, None, 0)
    assert ladder.encoding is Encoding.JPEG_80


def test_after_a_cut_quality_returns() -> None:
    twin = RequestTwin(lambda t: 0.0 if 20 <= t < 24 else 100.0).run(50)
    assert twin.rungs[199] is Encoding.JPEG_90
    assert twin.rungs[240] is Encoding.JPEG_60
    assert twin.rungs[-1] is Encoding.JPEG_90
    assert twin.link.counts["cuts"] == 1


def test_sizes_are_learned_guessed_from_the_nearest_and_forgotten() -> None:
    ladder = QualityLadder()
    assert ladder.expected_bytes(Encoding.JPEG_80, 0) is None
    for size in (57_000, 56_000, 900_000):
        ladder.sent(Encoding.JPEG_80, size, 0)
    assert ladder.expected_bytes(Encoding.JPEG_80, 0) == 57_000
    assert ladder.expected_bytes(Encoding.JPEG_90, 0) == pytest.approx(80_000)
    ladder.sent(Encoding.LOSSLESS, 700_000, 40 * SECOND)
    assert ladder.expected_bytes(Encoding.JPEG_95, 40 * SECOND) == pytest.approx(0.112 * 700_000)
    assert ladder.expected_bytes(Encoding.JPEG_80, 70 * SECOND) == pytest.approx(0.057 * 700_000)
    assert ladder.expected_bytes(Encoding.JPEG_80, 101 * SECOND) is None


def test_no_rung_above_the_best_is_tried() -> None:
    twin = RequestTwin(lambda t: 5000.0, ladder=QualityLadder(LadderSettings(best=Encoding.JPEG_90)), link=LinkHealth()).run(30)
    assert twin.rungs[-1] is Encoding.JPEG_90


def test_the_same_link_gives_the_same_switches() -> None:
    first, second = (RequestTwin(lambda t: 113.0, stalls=0.2, spread=0.2, seed=5).run(30) for _ in range(2))
    assert first.rungs == second.rungs
    assert list(first.ladder.switches) == list(second.ladder.switches)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"share = 1.5, allowed 0.05 .. 0.95"):
        LadderSettings(share=1.5)
    with pytest.raises(ValueError, match="start = LOSSLESS, allowed JPEG_90 and below"):
        LadderSettings(start=Encoding.LOSSLESS, best=Encoding.JPEG_90)

"""What is counted of a link, and what is said of it."""

from __future__ import annotations

import pytest
from link_twin import MS, SECOND

from heron_remote.link import LinkChange, LinkHealth, LinkSettings
from heron_runtime.diagnostics import ERROR, OK, WARN

DEADLINE = 300 * MS


def asked(link: LinkHealth, number: int, answer_after_ms: float | None, size: int = 1_000) -> None:
    """One request at `number` x 100 ms, its pong beside it, and its answer; the age at arrival is 50 ms more than the wait."""
    at = number * 100 * MS
    link.pong(at, 1 * MS, 100)
    link.sent(number, at, at + DEADLINE, size)
    if answer_after_ms is not None:
        link.answered(number, at + round(answer_after_ms * MS), 0, round((answer_after_ms + 50) * MS), 500)


def test_answers_and_bytes_are_counted() -> None:
    link = LinkHealth()
    for number in range(50):
        asked(link, number, 80.0)
    report = link.report()
    assert (report["requests"], report["answers"], report["missed"], report["late"], report["lost"]) == (50, 50, 0, 0, 0)
    assert report["bytes_sent"] == 50 * 1_000
    assert report["bytes_received"] == 50 * (100 + 500)
    assert report["answer_ms"] == {"p50": 80.0, "p99": 80.0}
    assert report["age_ms"] == {"p50": 130.0, "p99": 130.0}
    assert report["round_trip_ms"] == {"p50": 1.0, "p99": 1.0}
    assert "bandwidth_mbps" not in report  # 1,000 bytes tell nothing
    assert link.answered_ns == 49 * 100 * MS + 80 * MS


def test_a_request_is_missed_at_its_deadline_late_when_answered_after_it_else_lost() -> None:
    link = LinkHealth()
    link.sent(1, 0, DEADLINE, 1_000)
    link.sent(2, 0, DEADLINE, 1_000)
    assert link.poll(DEADLINE) == ()
    assert link.poll(DEADLINE + 1) == (1, 2)
    assert link.poll(DEADLINE + 2) == ()
    assert link.loss_share() == link.missed_share() == 1.0
    told = link.answered(2, DEADLINE + 50 * MS, 0, 0, 500)
    assert told and told.late
    assert (link.loss_share(), link.missed_share()) == (0.5, 1.0)
    report = link.report()
    assert (report["answers"], report["missed"], report["late"], report["lost"]) == (1, 2, 1, 1)


def test_an_answer_after_the_deadline_is_late_although_nobody_polled() -> None:
    link = LinkHealth()
    link.sent(1, 0, DEADLINE, 1_000)
    told = link.answered(1, DEADLINE + 1, 0, 0, 500)
    assert told and told.late
    assert link.counts["missed"] == 1


def test_answers_that_nobody_waits_for_change_nothing() -> None:
    link = LinkHealth()
    asked(link, 0, 10.0)
    assert link.answered(0, 20 * MS, 0, 0, 500) is None
    assert link.answered(77, 20 * MS, 0, 0, 500) is None
    assert (link.counts["duplicated"], link.counts["unknown"], link.counts["answers"]) == (1, 1, 1)
    assert link.report()["answer_ms"]["p99"] == 10.0


def test_shares_forget_what_lies_before_the_window() -> None:
    link = LinkHealth(LinkSettings(window_s=2.0))
    for number in range(100):
        asked(link, number, None if number < 50 else 80.0)
        link.poll(number * 100 * MS + 99 * MS)
        if number == 40:
            assert link.loss_share() == 1.0
    assert link.loss_share() == 0.0
    assert link.counts["missed"] == 50


def test_memory_is_bounded() -> None:
    link = LinkHealth(LinkSettings(window_s=1.0, kept=100))
    for number in range(5_000):
        asked(link, number, None if number % 3 else 80.0)
        link.poll(number * 100 * MS)
    assert len(link._open) <= 15 and len(link._decided) <= 15
    assert len(link._ages_ms) == len(link._round_trips_ms) == 100


@pytest.mark.parametrize("mbps", [1000, 100, 20])
def test_bandwidth_is_bytes_over_what_takes_longer_than_the_least_round_trip(mbps: int) -> None:
    link = LinkHealth()
    held = 35 * MS
    for number in range(10):
        size = 400_000 + 10_000 * number
        at = number * SECOND
        link.pong(at, round((1.0 + 0.3 * number) * MS), 100)
        link.sent(number, at, at + DEADLINE, size)
        transfer = round((size + 1_000) * 8e3 / mbps)
        told = link.answered(number, at + 1 * MS + transfer + held, held, 0, 1_000)
        assert told and told.transfer_ns == transfer
    assert link.bandwidth_bps() == pytest.approx(mbps * 1e6, rel=1e-3)
    assert link.report()["bandwidth_mbps"] == pytest.approx(mbps, rel=1e-3)


def test_bandwidth_has_a_ceiling_and_needs_a_round_trip() -> None:
    link = LinkHealth()
    link.sent(0, 0, DEADLINE, 100_000)
    told = link.answered(0, 5 * MS, 0, 0, 0)
    assert told and told.transfer_ns is None
    assert link.bandwidth_bps() is None
    link.pong(6 * MS, 4 * MS, 100)
    link.sent(1, 10 * MS, DEADLINE, 100_000)
    told = link.answered(1, 13 * MS, 0, 0, 0)  # faster than the ping
    assert told and told.transfer_ns == 0
    assert link.bandwidth_bps() == pytest.approx(8 * 100_000 / 0.2e-3)


def test_one_slow_request_does_not_move_the_bandwidth() -> None:
    link = LinkHealth()
    for number in range(9):
        asked(link, number, 1 + (200.0 if number == 8 else 8.0), size=100_000)
    assert link.bandwidth_bps() == pytest.approx(100e6, rel=0.01)


def test_connection_follows_what_is_heard() -> None:
    link = LinkHealth()
    assert link.diagnosis(0).level == ERROR
    assert "never heard" in link.diagnosis(0).text
    link.heard(1 * SECOND, 100)
    link.poll(1 * SECOND + 500 * MS)
    assert link.connected
    link.poll(1 * SECOND + 501 * MS)
    assert not link.connected
    assert link.diagnosis(3 * SECOND).text == "server silent for 2.0 s"
    link.pong(4 * SECOND, MS, 100)
    assert link.connected
    assert list(link.changes) == [LinkChange(SECOND, True), LinkChange(SECOND + 501 * MS, False), LinkChange(4 * SECOND, True)]
    assert (link.counts["connects"], link.counts["cuts"]) == (2, 1)


@pytest.mark.parametrize(("every", "wait_ms", "level"), [(0, 80.0, OK), (20, 80.0, WARN), (4, 80.0, ERROR), (0, 260.0, WARN), (0, 299.0, WARN)])
def test_the_level_follows_losses_and_age(every: int, wait_ms: float, level: int) -> None:
    link = LinkHealth()
    for number in range(80):
        asked(link, number, None if every and number % every == 0 else wait_ms)
    link.poll(80 * 100 * MS)
    told = link.diagnosis(80 * 100 * MS)
    assert told.level == level
    assert f"age p50 {wait_ms + 50:.0f} ms" in told.text


def test_old_plans_are_an_error_although_all_came() -> None:
    link = LinkHealth(LinkSettings(age_warn_ms=100.0, age_error_ms=120.0))
    for number in range(20):
        asked(link, number, 80.0)
    assert link.diagnosis(2 * SECOND).level == ERROR
    link.heard(60 * SECOND, 100)
    assert link.diagnosis(60 * SECOND).level == OK  # a minute ago


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"missed_warn = 0.5, allowed 0.0 .. 0.2"):
        LinkSettings(missed_warn=0.5)
    with pytest.raises(ValueError, match="silence_s = nan"):
        LinkSettings(silence_s=float("nan"))

"""Ages and clock steps."""

from heron_core.clock import STEP_NS, ClockWatch, Instant

MS = 1_000_000


def test_age_is_the_larger_of_both() -> None:
    arrived = Instant(1000 * MS, 50 * MS)
    assert Instant(1040 * MS, 90 * MS).age_ns(990 * MS, arrived) == 50 * MS  # exposure to arrival counts
    assert Instant(940 * MS, 90 * MS).age_ns(990 * MS, arrived) == 40 * MS  # the clock was set back: no younger than it has been here


def test_a_step_is_seen_once_and_drift_is_not() -> None:
    watch = ClockWatch()
    assert watch.step_ns(Instant(0, 0)) == 0
    assert watch.step_ns(Instant(10 * MS, 10 * MS)) == 0
    assert watch.step_ns(Instant(10 * MS + STEP_NS, 10 * MS)) == 0
    assert watch.step_ns(Instant(100 * MS, 20 * MS)) == 60 * MS
    assert watch.step_ns(Instant(110 * MS, 30 * MS)) == 0
    assert watch.step_ns(Instant(60 * MS, 40 * MS)) == -60 * MS

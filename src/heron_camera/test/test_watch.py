"""Silence is told once, and so is its end."""

from heron_camera.watch import SilenceWatch


def test_silence_is_told_once() -> None:
    watch = SilenceWatch(["A", "B"], 100, 100)
    assert watch.newly_silent(1000) == []
    assert not watch.heard("A", 1050)
    assert watch.newly_silent(1101) == ["B"]
    assert watch.newly_silent(1140) == []
    assert watch.newly_silent(1151) == ["A"]
    assert watch.heard("A", 1200) and not watch.heard("A", 1210)


def test_a_clock_that_jumps_back_starts_anew() -> None:
    watch = SilenceWatch(["A"], 100, 100)
    watch.heard("A", 5000)
    assert watch.newly_silent(10) == []
    assert watch.newly_silent(111) == ["A"]


def test_before_the_first_sign_of_life_there_is_more_time():
    watch = SilenceWatch(["A"], 100, 300)
    assert watch.newly_silent(0) == [] and watch.newly_silent(300) == []
    assert watch.newly_silent(301) == ["A"]
    assert watch.heard("A", 310) and watch.newly_silent(410) == [] and watch.newly_silent(411) == ["A"]

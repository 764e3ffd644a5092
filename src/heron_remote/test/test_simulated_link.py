"""The bad link of simulated time: what it is told to be, the same from the same seed, and what a request meets does not depend on others' luck."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from heron_core.errors import ConfigError
from heron_remote.simulated_link import SimulatedLink, SimulatedLinkConfig

MS = 1_000_000
PERIOD = 100 * MS


def fates(config: SimulatedLinkConfig, requests: int = 2000, wire_bytes: int = 100_000) -> list[int | None]:
    link = SimulatedLink(config)
    return [link.delay_ns(i * PERIOD, wire_bytes) for i in range(requests)]


def test_an_ideal_link_changes_nothing() -> None:
    assert SimulatedLinkConfig().ideal and set(fates(SimulatedLinkConfig())) == {0}


def test_delay_is_of_both_ways_and_jitter_comes_on_top() -> None:
    assert set(fates(SimulatedLinkConfig(delay_ms=20))) == {40 * MS}
    late = [each for each in fates(SimulatedLinkConfig(delay_ms=20, jitter_ms=5)) if each is not None]
    assert min(late) >= 40 * MS and mean(late) == pytest.approx(50 * MS, rel=0.05)


def test_a_share_is_lost_and_the_same_with_the_same_seed() -> None:
    lossy = SimulatedLinkConfig(loss=0.05, jitter_ms=3, seed=7)
    first = fates(lossy)
    assert first == fates(lossy) != fates(SimulatedLinkConfig(loss=0.05, jitter_ms=3, seed=8))
    assert mean(each is None for each in first) == pytest.approx(0.05, abs=0.015)
    ideal = fates(SimulatedLinkConfig(jitter_ms=3, seed=7))
    assert all(lost is None or lost == whole for lost, whole in zip(first, ideal, strict=True)), "who is lost must not change the others' way"


def test_requests_wait_for_the_bandwidth() -> None:
    # 100 kB at 10 Hz are 8 Mbit/s: half of 16, and twice of 4
    assert set(fates(SimulatedLinkConfig(bandwidth_mbps=16))) == {50 * MS}
    choked = fates(SimulatedLinkConfig(bandwidth_mbps=4), requests=10)
    assert choked == [(200 + 100 * i) * MS for i in range(10)]


def test_cuts_come_and_go() -> None:
    config = SimulatedLinkConfig(cut_every_s=5, cut_min_s=0.5, cut_max_s=2, seed=3)
    link = SimulatedLink(config)
    passed = [link.delay_ns(i * PERIOD, 1000) is not None for i in range(6000)]
    ended = [cut for cut in link.cuts if cut[1] < 6000 * PERIOD]
    assert 70 <= len(ended) <= 110  # in 600 s, one in 5 s and 1.25 s each
    assert all(0.5e9 <= until - begin <= 2e9 for begin, until in ended)
    for i, through in enumerate(passed):
        assert through != any(begin <= i * PERIOD <= until for begin, until in link.cuts), i
    assert link.counts["cut"] == passed.count(False) and link.counts["passed"] == passed.count(True)


def test_what_is_on_its_way_when_a_cut_begins_is_lost() -> None:
    config = SimulatedLinkConfig(delay_ms=50, cut_every_s=5, cut_min_s=1, cut_max_s=1)
    link = SimulatedLink(config)
    gone = [i for i in range(600) if link.delay_ns(i * PERIOD, 1000) is None]
    begin, until = link.cuts[0]
    assert gone[0] * PERIOD < begin or gone[0] * PERIOD - begin < PERIOD
    assert all(i in gone for i in range(600) if begin - 100 * MS <= i * PERIOD <= until)


@pytest.mark.parametrize("wrong", [{"loss": 1.5}, {"delay_ms": -1}, {"cut_min_s": 3, "cut_max_s": 2}, {"bandwidth_mbps": float("nan")}])
def test_impossible_links_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SimulatedLinkConfig(**wrong)  # type: ignore[arg-type]


def traced(folder: Path, *fates: Any) -> str:
    path = folder / "trace.json"
    path.write_text(json.dumps({"link_ms": fates}))
    return str(path)


def test_measured_fates_come_in_their_order_again_and_again(tmp_path: Path) -> None:
    measured = (12.5, None, 30, 0.0, 41.25)
    met = {}
    for seed in range(20):
        link = SimulatedLink(config := SimulatedLinkConfig(trace=traced(tmp_path, *measured), seed=seed))
        assert not config.ideal
        met[seed] = tuple(link.delay_ns(i * PERIOD, 100_000) for i in range(10))
        assert link.counts == {"passed": 8, "lost": 2}
    wanted = [None if fate is None else round(fate * MS) for fate in measured]
    begins = {tuple(wanted[(begin + i) % 5] for i in range(10)) for begin in range(5)}
    assert set(met.values()) == begins, "the seed chooses where they begin"
    assert tuple(fates(SimulatedLinkConfig(trace=traced(tmp_path, *measured), seed=3), 10)) == met[3]


def test_a_cut_stops_what_was_measured(tmp_path: Path) -> None:
    link = SimulatedLink(SimulatedLinkConfig(trace=traced(tmp_path, 20.0), cut_every_s=2, cut_min_s=1, cut_max_s=1))
    met = {link.delay_ns(i * PERIOD, 1000) for i in range(200)}
    assert met == {None, 20 * MS} and link.counts["cut"] > 20


@pytest.mark.parametrize("fates", [[], [12, "soon"], [-1.0], [float("inf")], [True], [20_000]])
def test_a_trace_with_anything_else_is_refused(tmp_path: Path, fates: list[Any]) -> None:
    with pytest.raises(ConfigError, match=r"trace\.json: .*link_ms"):
        SimulatedLink(SimulatedLinkConfig(trace=traced(tmp_path, *fates)))


def test_a_trace_that_is_not_there_or_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "half.json").write_text('{"link_ms": [1')
    (tmp_path / "list.json").write_text("[1]")
    for name in ("nowhere.json", "half.json", "list.json"):
        with pytest.raises(ConfigError, match=name):
            SimulatedLink(SimulatedLinkConfig(trace=str(tmp_path / name)))


def test_what_was_measured_and_what_is_reckoned_do_not_add_up(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="trace"):
        SimulatedLinkConfig(trace="measured.json", delay_ms=5)

"""A matrix: every drive once, kept as they come, and what its sums say."""

import json
import multiprocessing
import os
import time
from pathlib import Path

import pytest
from matrix_tasks import counted, dies_at_two, quick, sleeps_after_zero, tells_who

from heron_core.errors import InputError
from heron_sim.config import RouteConfig, ScenarioConfig
from heron_sim.matrix import ROWS_FILE, MatrixError, parse_seeds, run_matrix, summary
from heron_sim.matrix_jobs import Job, Row, drive, jobs
from heron_sim.roads.network import Manoeuvre
from heron_sim.scenario import Scenario

DEMO = Path(__file__).resolve().parents[3] / "config" / "vehicle" / "demo"


def scenario(name: str, **config: object) -> Scenario:
    return Scenario(name, ScenarioConfig(**config), Path())  # type: ignore[arg-type]


def made(seeds: range, vehicle: Path = DEMO) -> list[Job]:
    return [Job(scenario(name), seed, "expert", vehicle, 0.1, "1") for seed in seeds for name in ("a", "b")]


def test_rows_come_in_the_order_that_was_asked_for_and_lie_in_the_file(tmp_path: Path) -> None:
    told: list[Row] = []
    before = dict(os.environ)
    rows = run_matrix(made(range(4)), tmp_path, 2, told.append, quick)
    assert [(row["scenario"], row["seed"]) for row in rows] == [(name, seed) for seed in range(4) for name in "ab"]
    assert len(told) == 8
    lines = [json.loads(line) for line in (tmp_path / ROWS_FILE).read_text().splitlines()]
    assert sorted(lines, key=str) == sorted((json.loads(json.dumps(row, sort_keys=True)) for row in rows), key=str)
    assert {row["threads"] for row in rows} == {"1"}
    assert dict(os.environ) == before


def test_a_stopped_matrix_goes_on(tmp_path: Path) -> None:
    car, out = tmp_path / "car", tmp_path / "out"
    car.mkdir()

    def stops(row: Row) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_matrix(made(range(3), car), out, 1, stops, counted)
    kept = (out / ROWS_FILE).read_text().splitlines(keepends=True)
    assert len(kept) >= 1
    (out / ROWS_FILE).write_text("".join(kept[:1]) + kept[0][:40])  # it was killed while it wrote
    for mark in car.iterdir():
        mark.unlink()
    first = json.loads(kept[0])
    rows = run_matrix(made(range(3), car), out, 2, lambda row: None, counted)
    assert len(rows) == 6
    done = {mark.name for mark in car.iterdir()}
    assert len(done) == 5
    assert f"mark_{first['scenario']}_{first['seed']}" not in done
    assert len((out / ROWS_FILE).read_text().splitlines()) == 6
    before = (out / ROWS_FILE).read_bytes()
    assert run_matrix(made(range(3), car), out, 2, lambda row: None, dies_at_two) == rows  # nothing is driven again
    assert (out / ROWS_FILE).read_bytes() == before


def test_stopping_does_not_wait_for_drives(tmp_path: Path) -> None:
    def stops(row: Row) -> None:
        raise KeyboardInterrupt

    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_matrix(made(range(3)), tmp_path, 2, stops, sleeps_after_zero)
    assert time.monotonic() - begin < 30.0
    assert len((tmp_path / ROWS_FILE).read_text().splitlines()) == 1
    assert not multiprocessing.active_children()


def test_rows_of_other_code_or_scenarios_are_not_taken(tmp_path: Path) -> None:
    run_matrix(made(range(1)), tmp_path, 1, lambda row: None, quick)
    other = [Job(scenario("a"), 0, "expert", DEMO, 0.1, "2")]
    assert run_matrix(other, tmp_path, 1, lambda row: None, quick)[0]["fingerprint"] == "2"
    assert len((tmp_path / ROWS_FILE).read_text().splitlines()) == 1


def test_what_decides_a_drive_is_in_its_fingerprint(tmp_path: Path) -> None:
    car = tmp_path / "car"
    car.mkdir()
    (car / "limits.yaml").write_text("a: 1\n")

    def prints(*scenarios: Scenario, latency_s: float = 0.1) -> list[str]:
        return [job.fingerprint for job in jobs(scenarios, [0], "expert", car, latency_s)]

    first = prints(scenario("a"), scenario("b"), scenario("a", seconds=30.0))
    assert first[0] == first[1] != first[2]
    assert prints(scenario("a")) == first[:1]
    assert prints(scenario("a"), latency_s=0.2) != first[:1]
    (car / "limits.yaml").write_text("a: 2\n")
    assert prints(scenario("a")) != first[:1]


def test_no_process_outlives_a_matrix_that_is_killed(tmp_path: Path) -> None:
    matrix = multiprocessing.get_context("fork").Process(target=run_matrix, args=(made(range(1), tmp_path), tmp_path, 1, print, tells_who))
    matrix.start()
    pid = wait_for_text(tmp_path / "pid")
    matrix.kill()
    matrix.join()
    until = time.monotonic() + 20.0
    while Path("/proc", pid).exists() and "Z" not in Path("/proc", pid, "stat").read_text().split()[2]:
        assert time.monotonic() < until, f"process {pid} still runs"
        time.sleep(0.05)


def wait_for_text(path: Path) -> str:
    until = time.monotonic() + 60.0
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < until, f"{path} never came"
        time.sleep(0.05)
    return path.read_text()


def test_a_process_that_dies_is_named_and_what_was_done_is_kept(tmp_path: Path) -> None:
    with pytest.raises(MatrixError, match=r"a process of the matrix died near [ab], seed 2"):
        run_matrix(made(range(4)), tmp_path, 1, lambda row: None, dies_at_two)
    assert len((tmp_path / ROWS_FILE).read_text().splitlines()) == 4


def test_sums_per_scenario() -> None:
    rows = [quick(job) for job in made(range(4))]
    found = summary(rows)
    assert (found["runs"], found["passed"], found["collisions"], found["left_the_road"]) == (8, 4, 4, 4)
    assert found["mean_distance_m"] == 15.0
    assert found["realtime_factor"] == 120.0
    assert list(found["scenarios"]) == ["a", "b"]
    assert found["scenarios"]["b"]["off_road_s"] == 1.0
    assert found["failures"] == [{"scenario": name, "seed": seed, "failures": ["odd"]} for name in "ab" for seed in (1, 3)]
    assert summary([])["runs"] == 0


@pytest.mark.parametrize(("text", "seeds"), [("7", [7]), ("0:3", [0, 1, 2]), ("1,5,10:12", [1, 5, 10, 11]), ("3,3,2:4", [3, 2]), ("0:1", [0])])
def test_seeds(text: str, seeds: list[int]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text", ["", "a", "1:", ":3", "-1", "5:5", "9:2", "1.5", "1;2", "99999999999", "0:2147483649", "0:1000000000", "0:60000,0:60000"]
)
def test_wrong_seeds(text: str) -> None:
    with pytest.raises(InputError, match="seeds"):
        parse_seeds(text)


def test_an_impossible_route_is_a_failed_row() -> None:
    row = drive(Job(scenario("a", seconds=2.0, route=RouteConfig(turns=(Manoeuvre.FOLLOW,))), 1, "expert", DEMO, 0.1, "1"))
    assert (row["passed"], row["driving"]) == (False, {})
    assert len(row["failures"]) == 1
    assert "traceback" not in row
    unknown = drive(Job(scenario("a", seconds=2.0), 1, "nobody", DEMO, 0.1, "1"))
    assert "nobody" in unknown["failures"][0]

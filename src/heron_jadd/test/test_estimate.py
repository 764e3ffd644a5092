"""Estimates against what is then made: counts to the image, bytes closely; what is there for nothing; accounts; prices that are refused."""

import dataclasses
import json
import os
from pathlib import Path

import pytest
import toy_drive as toy

from heron_core.errors import ConfigError, InputError
from heron_jadd import accounts as accounts_module
from heron_jadd.accounts import ACCOUNTS, account, accounts, in_all, keep
from heron_jadd.config import JaddConfig
from heron_jadd.costs import Costs, Work
from heron_jadd.create import create
from heron_jadd.estimate import estimate, jobs_of_all
from heron_jadd.prices import Prices, load_prices
from heron_jadd.publish import table_bytes
from heron_jadd.recording import probe

DEFAULT = Path(__file__).resolve().parents[3] / "config/jadd/prices/default.yaml"
PRICES = Prices("JPY", 3600.0, 2.0, 1.0, 3.0)
CONFIG = JaddConfig(undistort=False, pose="odometry", scene_s=5.0, shortest_s=4.0, rate_hz=5.0)
FLAT = dataclasses.replace(CONFIG, undistort=True, rate_hz=2.0)


def reckoned(paths, out, config, workers=1):
    jobs, left_out_s = jobs_of_all([probe(path, config.cameras) for path in paths], out, config)
    return estimate(jobs, PRICES, workers, left_out_s)


@pytest.fixture(scope="module")
def drives(tmp_path_factory):
    """The second has exposures that shake, and a camera that begins late."""
    folder = tmp_path_factory.mktemp("drives")
    late = (("CAM_BACK", 1.7),)
    return [toy.drive(folder / "one", 11.0), toy.drive(folder / "two", 6.0, jitter_ms=2.0, late=late)]


@pytest.fixture(scope="module")
def run(drives, tmp_path_factory):
    """Estimate before, and what was made then."""
    out = tmp_path_factory.mktemp("dataset")
    before = reckoned(drives, out, CONFIG)
    return before, create(drives, out, CONFIG), out


def test_scenes_and_images_are_counted_exactly(run):
    before, made, _ = run
    assert (before.scenes, before.samples, before.images, before.reused) == (made.scenes, made.samples, made.frames, 0)
    assert before.left_out_s == pytest.approx(made.left_out_s)
    assert made.frames > 200


def test_bytes_are_near(run):
    before, made, out = run
    assert before.image_bytes == pytest.approx(made.image_bytes, rel=0.1)
    assert before.written_bytes == pytest.approx(made.image_bytes + table_bytes(out), rel=0.15)  # files this small are all head and foot


def test_developed_images_are_measured_not_guessed(drives, tmp_path):
    before = reckoned(drives, tmp_path, FLAT)
    made = create(drives, tmp_path, FLAT)
    assert before.images == made.frames
    assert before.image_bytes == pytest.approx(made.image_bytes, rel=0.2)


def test_video_is_decoded_to_be_estimated(tmp_path):
    video = toy.write(tmp_path / "video", toy.filmed(toy.entries(11.0), "CAM_FRONT"))
    before = reckoned([video], tmp_path / "out", CONFIG)
    made = create([video], tmp_path / "out", CONFIG)
    assert before.images == made.frames
    assert before.image_bytes == pytest.approx(made.image_bytes, rel=0.2)


def test_nothing_is_made_by_an_estimate(drives, tmp_path):
    reckoned(drives, tmp_path / "out", JaddConfig(scene_s=5.0, shortest_s=4.0))
    assert not (tmp_path / "out").exists()


def test_what_is_there_costs_nothing(run, drives):
    _, made, out = run
    again = reckoned(drives, out, CONFIG)
    assert (again.scenes, again.reused, again.images, again.image_bytes) == (made.scenes, made.scenes, made.frames, made.image_bytes)
    assert (again.written_bytes, again.read_bytes, again.cpu_s["sampling"], again.cpu_s["merge"]) == (0, 0, 0.0, 0.0)
    slower = reckoned(drives, out, dataclasses.replace(CONFIG, rate_hz=2.0))  # every image is there, and the tables are not
    assert (slower.reused, slower.scenes) == (0, made.scenes)
    assert slower.written_bytes == slower.table_bytes
    assert slower.cpu_s["sampling"] > 0.0


def test_more_workers_take_less_time_and_as_much_work(drives, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    costs = Costs(scene=Work(scenes=100.0), first_s=0.0, process_s=0.0)
    jobs, _ = jobs_of_all([probe(path) for path in drives], tmp_path, CONFIG)
    two, many = (estimate(jobs, PRICES, workers, costs=costs) for workers in (2, 50))
    assert len(jobs) == 3
    assert two.wall_s / two.cpu_s["sampling"] == pytest.approx(2 / 3, rel=0.05)  # three scenes of two workers are two rounds
    assert many.wall_s / many.cpu_s["sampling"] == pytest.approx(1 / 3, rel=0.05)


def test_poses_that_are_fused_of_can_are_in_the_estimate_until_they_are_there(tmp_path, monkeypatch):
    entries = [each for each in toy.entries(6.0, ("CAM_FRONT",), truth=False) if each[1] not in ("/gnss/fix", "/vehicle/state")]
    car = ("can.yaml", "vehicle.yaml", "demo.dbc")
    drive = toy.write(tmp_path / "drive", [*entries, *toy.can_frames(6.0)], vehicle=car)
    config = dataclasses.replace(CONFIG, pose="auto")
    monkeypatch.setattr("heron_jadd.estimate.yardstick_s", lambda: 1.0)
    jobs, _ = jobs_of_all([probe(drive)], tmp_path / "out", config)
    assert jobs[0].config.pose == "fusion"

    def before_s(**costs):
        free = {"recording_s": 0.0, "status_s": 0.0, "first_fused_s": 0.0, "start_s": 0.0, "fused_s": 0.0, "can_fused_s": 0.0, "can_read_s": 0.0}
        return estimate(jobs, PRICES, costs=Costs(**{**free, **costs, "yardstick_s": 1.0})).cpu_s["pre-process"]

    size_mb = sum(file.stat().st_size for file in drive.glob("*.mcap")) / 1e6
    assert before_s(can_fused_s=2.0) == pytest.approx(2.0 * 60)
    assert before_s(can_read_s=10.0) == pytest.approx(10.0 * size_mb, abs=1e-3)
    assert before_s(fused_s=1.0) == 0.0, "it has no fixes and states"
    jobs[0].track.parent.mkdir(parents=True)
    jobs[0].track.write_bytes(b"")  # as another run leaves it
    assert before_s(can_fused_s=2.0) == 0.0


def test_money_is_prices_times_amounts():
    found = PRICES.of(cpu_s=7.0, stored=5e9, moved=2e9)
    assert found == {"computing": 7.0, "storing": 30.0, "moving": 2.0, "sum": 39.0}


def test_the_example_prices_are_prices():
    assert load_prices(DEFAULT).currency == "USD"


@pytest.mark.parametrize(
    ("changed", "key"),
    [("core_hour: -1", "core_hour = -1"), ("core_hours: 1", "core_hours"), ("gb_month: cheap", "gb_month"), ("months: .nan", "months = nan")],
)
def test_bad_prices_are_refused_by_file_and_key(tmp_path, changed, key):
    name = changed.partition(":")[0].rstrip("s") if "hours" in changed else changed.partition(":")[0]
    path = tmp_path / "mine.yaml"
    path.write_text("\n".join(changed if line.startswith(name) else line for line in DEFAULT.read_text().splitlines()))
    with pytest.raises(ConfigError) as refused:
        load_prices(path)
    assert str(path) in str(refused.value)
    assert key in str(refused.value)


def test_prices_have_no_defaults(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("currency: EUR\n")
    with pytest.raises(ConfigError, match="missing core_hour, gb_month, gb_moved, months"):
        load_prices(path)


def test_accounts_are_kept_by_tag(run):
    before, made, out = run
    found = account(before, made, 2.0 * before.whole_cpu_s, out)
    assert found.ratios["images"] == found.ratios["scenes"] == 1.0
    assert found.ratios["cpu_s"] == pytest.approx(2.0, rel=1e-3)
    shown = {line[0]: line[1:] for line in found.lines()}
    assert shown["images"] == (f"{made.frames:,}", f"{made.frames:,}", "1.00")
    assert shown["MB of images"][1] == f"{made.image_bytes / 1e6:,.1f}"
    assert shown["CPU seconds"][2] == "2.00"
    assert found.actual["money"] > before.money["sum"]
    keep(out, found, CONFIG)
    keep(out, found, dataclasses.replace(CONFIG, rate_hz=2.0), "night")
    rows = accounts(out)
    assert [row["tag"] for row in rows] == [out.name, "night"]
    assert rows[0]["parameters"] != rows[1]["parameters"]
    assert rows[0]["ratios"] == found.ratios
    assert rows[0]["code"]
    assert accounts(out, "night") == rows[1:]
    assert in_all(rows)["cpu_s"] == pytest.approx(4.0 * before.whole_cpu_s)
    assert json.dumps(found.report())


def test_an_account_is_whole_or_not_there(run, tmp_path, monkeypatch):
    before, made, out = run
    found = account(before, made, 1.0, out)
    (tmp_path / ACCOUNTS).write_text('{"tag": "half')  # power failed
    keep(tmp_path, found, CONFIG, "mine")
    lines = (tmp_path / ACCOUNTS).read_text().splitlines()
    assert json.loads(lines[1])["tag"] == "mine"
    with pytest.raises(InputError, match="line 1 is no account"):
        accounts(tmp_path)
    kept, write = (tmp_path / ACCOUNTS).read_bytes(), os.write
    monkeypatch.setattr(accounts_module.os, "write", lambda handle, data: write(handle, data[:7]))  # a full disk
    with pytest.raises(OSError, match="No space left"):
        keep(tmp_path, found, CONFIG, "mine")
    assert (tmp_path / ACCOUNTS).read_bytes() == kept


def test_reused_images_of_another_size_are_not_known(drives, tmp_path):
    create(drives[:1], tmp_path, CONFIG)
    other = reckoned(drives[:1], tmp_path, FLAT)
    assert other.reused == 0
    assert other.written_bytes - other.table_bytes == pytest.approx(other.image_bytes, abs=1)

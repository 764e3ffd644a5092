"""Recordings that cannot be used: named, with what helps, and the others become the dataset they would have been alone."""

import dataclasses
import json
import re
import shutil

import pyarrow.parquet as pq
import pytest
import toy_drive as toy
from toy_drive import START_NS, S
from typer.testing import CliRunner

from heron_bringup.verbs.jadd_create import app
from heron_core.errors import InputError
from heron_core.signals import ControlStatus, Engagement
from heron_jadd import engines
from heron_jadd.config import JaddConfig
from heron_jadd.create import FailedError, create
from heron_jadd.intake import take_in
from heron_jadd.recording import UNKNOWN, probe

CAMERAS = ("CAM_FRONT", "CAM_BACK")
CONFIG = JaddConfig(undistort=False, pose="odometry", scene_s=5.0, shortest_s=4.0, rate_hz=2.0, cameras=CAMERAS)


def moved(entries, after_s, by_s, log=True, stamp=True):
    """The same messages, but after a moment the clock of stamps, of the log, or of both is another one."""
    found = []
    for log_ns, topic, message in entries:
        if log_ns - START_NS > after_s * S:
            log_ns += round(by_s * S) * log
            if stamp and hasattr(message, "stamp_ns"):
                message = dataclasses.replace(message, stamp_ns=message.stamp_ns + round(by_s * S))
        found.append((log_ns, topic, message))
    return found


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return toy.drive(tmp_path_factory.mktemp("good") / "good", 6.0, cameras=CAMERAS)


@pytest.fixture(scope="module")
def alone(good, tmp_path_factory):
    out = tmp_path_factory.mktemp("alone")
    create([good], out, CONFIG)
    return out


@pytest.fixture(scope="module")
def bad(good, tmp_path_factory):
    """What is wrong → a recording of which it is."""
    root = tmp_path_factory.mktemp("bad")
    found = {"not an mcap file": root / "garbage"}
    for name, share in (("garbage", 0.0), ("cut", 0.05)):
        shutil.copytree(good, root / name)
        (file,) = (root / name).glob("*.mcap")
        file.write_bytes(file.read_bytes()[: round(share * file.stat().st_size)] or b"no recording" * 99)
    found["holds no images"] = toy.write(root / "blind", [each for each in toy.entries(6.0, CAMERAS) if "camera" not in each[1]])
    found["truncated"] = root / "cut"
    found["as long as shortest_s = 4; set that lower"] = toy.drive(root / "short", 2.0, cameras=CAMERAS)
    found["jump by -2.000 s, 4.1 s after its beginning; cut it there"] = toy.write(
        root / "jump", moved(toy.entries(9.0, CAMERAS), 3.55, -2.0, log=False)
    )
    found["has no images of CAM_BACK"] = toy.drive(root / "half", 6.0, cameras=CAMERAS[:1])
    return found


def rows(out):
    return [row["token"] for row in pq.read_table(out / "tables/scenes.parquet").to_pylist()]


def test_each_bad_recording_is_named_with_what_helps(good, bad):
    for why, path in bad.items():
        if why == "truncated":
            continue
        with pytest.raises(InputError) as refused:
            take_in([path], CONFIG)
        assert why in str(refused.value)
        assert str(path) in str(refused.value)
    found = take_in([*bad.values(), good], CONFIG)
    assert [each.path for each in found.recordings] == [good]
    assert [each.recording for each in found.quarantined] == list(map(str, bad.values()))
    assert all(each.reason and each.remedy for each in found.quarantined)


def test_the_others_become_the_dataset_and_the_exit_code_tells(good, bad, alone, tmp_path):
    names = ("undistort=false", "pose=odometry", "scene_s=5", "shortest_s=4")
    options = ["--rate", "2", "--out", str(tmp_path), "--workers", "1", "--camera", CAMERAS[0], "--camera", CAMERAS[1]]
    options += [part for name in names for part in ("--set", name)]
    given = [part for path in (*bad.values(), good) for part in ("--input", str(path))]
    told = CliRunner().invoke(app, [*given, *options], catch_exceptions=False)
    assert told.exit_code == 1
    assert told.stdout.count("QUARANTINED: ") == len(bad)
    assert "exit code is 1, and with --allow-bad 0" in told.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert [each["recording"] for each in report["quarantined"]] == list(map(str, bad.values()))
    assert all(set(each) == {"recording", "reason", "remedy"} for each in report["quarantined"])
    assert (tmp_path / "tables").readlink() == (alone / "tables").readlink(), "the dataset of the good one alone, to the byte"
    assert CliRunner().invoke(app, [*given, *options, "--allow-bad"], catch_exceptions=False).exit_code == 0


def test_a_recording_that_is_not_there_is_a_slip_and_nothing_is_made(good, tmp_path):
    with pytest.raises(InputError, match=r"no such recording: .*nowhere"):
        create([good, tmp_path / "nowhere"], tmp_path / "out", CONFIG)


def test_no_recording_that_can_be_used_is_no_dataset(bad, tmp_path):
    with pytest.raises(InputError, match=r"no recording can be used: .*not an mcap file.*holds no images"):
        create(list(bad.values()), tmp_path, CONFIG)
    assert not (tmp_path / "dataset.json").exists()


def test_scenes_that_fail_by_their_recording_are_quarantined(good, alone, tmp_path):
    lost = toy.write(tmp_path / "lost", [each for each in toy.entries(6.5, CAMERAS) if each[1] != "/odom"])
    made = create([lost, good], tmp_path / "out", CONFIG)
    (found,) = made.quarantined
    assert found.recording == str(lost)
    assert "1 of its 1 scenes cannot be made" in found.reason
    assert "it has no topic /odom" in found.reason
    assert rows(tmp_path / "out") == rows(alone)


@pytest.mark.slow
def test_a_recording_whose_scenes_are_all_torn_is_quarantined(good, alone, tmp_path):
    torn = toy.write(tmp_path / "torn", [toy.torn(each) if "/camera/back/" in each[1] else each for each in toy.entries(6.5, CAMERAS)])
    made = create([torn, good], tmp_path / "out", CONFIG)
    (found,) = made.quarantined
    assert (found.recording, made.scenes) == (str(torn), 1)
    assert "images of CAM_BACK, torn" in found.reason
    assert rows(tmp_path / "out") == rows(alone)


@pytest.mark.slow
def test_a_fault_of_the_machine_is_no_recordings(good, tmp_path, monkeypatch):
    other = toy.drive(tmp_path / "other", 6.0, cameras=CAMERAS, jitter_ms=1.0)
    real = engines.run_scene

    def failing(job):
        if job.recording.path == other:
            raise OSError(5, "Input/output error")
        return real(job)

    monkeypatch.setattr(engines, "run_scene", failing)
    with pytest.raises(FailedError, match=r"1 of 2 scenes could not be made .*Input/output error"):
        create([good, other], tmp_path / "out", CONFIG)
    assert not (tmp_path / "out/dataset.json").exists()
    monkeypatch.undo()
    made = create([good, other], tmp_path / "out", CONFIG)
    assert (made.scenes, made.reused) == (2, 1)


@pytest.mark.parametrize(
    ("by_s", "log", "stamp", "told"),
    [
        (1.5, False, True, r"jump by \+1.500 s, 4\.1 s"),
        (-0.2, False, True, "^$"),  # less than what is looked for: scenes count images that are out of order
        (86_400.0, True, True, r"nothing is recorded for 86,400 s, 4\.\d s after its beginning"),
        (3.0, True, True, "^$"),  # a pause: samples are left out
        (0.7, True, False, "^$"),  # the log waited for the disk
    ],
)
def test_clocks_that_jump_are_told_from_pauses_and_late_logs(tmp_path, by_s, log, stamp, told):
    path = toy.write(tmp_path / "drive", moved(toy.entries(8.0, CAMERAS[:1], truth=False), 3.55, by_s, log, stamp))
    found = ""
    try:
        probe(path)
    except InputError as error:
        found = str(error)
    assert re.search(told, found), found


def test_a_word_that_is_no_engagement_is_counted_and_nobodys(tmp_path):
    entries = []
    for log_ns, topic, message in toy.entries(9.5, CAMERAS, engaged_s=(-10.0, 5.0), truth=False):
        if isinstance(message, ControlStatus) and message.engagement != Engagement.ENGAGED:
            message = dataclasses.replace(message, engagement=Word("ghost"))
        entries.append((log_ns, topic, message))
    path = toy.write(tmp_path / "strange", entries)
    found = probe(path)
    assert [who for _, who in found.drivers] == ["heron", UNKNOWN]
    assert found.drivers[1][0] == START_NS + 5 * S
    assert any("say 'ghost': who drives then is not known" in warning for warning in found.warnings)
    made = create([path], tmp_path / "out", CONFIG)
    assert {row["driver"] for row in pq.read_table(tmp_path / "out/tables/scenes.parquet").to_pylist()} == {"heron", UNKNOWN}
    assert any("'ghost'" in problem for problem in made.problems)


class Word(str):
    """What another version of Heron says."""

    @property
    def value(self):
        return str(self)

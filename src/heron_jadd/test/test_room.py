"""Disks that run full, real ones where the tests may mount one: named once, nothing lost, nothing half done."""

import errno
import os
import re
import subprocess

import pytest
import toy_drive as toy

from heron_core.errors import InputError
from heron_jadd.catalogue import update
from heron_jadd.config import JaddConfig
from heron_jadd.create import create
from heron_jadd.database import CATALOGUE
from heron_jadd.room import DiskFullError, Room
from heron_jadd.runs import write_report

CONFIG = JaddConfig(undistort=False, pose="odometry", scene_s=3.0, shortest_s=2.0, rate_hz=5.0, cameras=("CAM_FRONT",))


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    return toy.drive(tmp_path_factory.mktemp("drive") / "drive", 10.0, cameras=("CAM_FRONT",))


@pytest.fixture
def disk(tmp_path):
    """A file system of 4 MB in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder, but=0):
    """Leaves so many bytes free."""
    found = os.statvfs(folder)
    (folder / "ballast").write_bytes(bytes(max(found.f_bavail * found.f_frsize - but, 0)))


def files(out):
    return {path.relative_to(out): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file() and path.name != ".lock"}


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_disk_that_is_full_while_scenes_are_made(drive, disk, tmp_path, workers):
    fill(disk, 180_000)
    out = disk / "out"
    with pytest.raises(DiskFullError) as full:
        create([drive], out, CONFIG, workers, planned=lambda _: 900_000)
    assert re.search(rf"{disk}\S*: the disk is full: 0\.\d MB are free, about 0\.\d MB more are needed; make room and run it again", str(full.value))
    assert not (out / "dataset.json").exists()
    assert not list(out.rglob(".*.part"))
    (disk / "ballast").unlink()
    made = create([drive], out, CONFIG)
    assert (made.scenes, made.reused > 0 or workers > 1) == (3, True)
    create([drive], tmp_path / "undisturbed", CONFIG)
    assert files(out) == files(tmp_path / "undisturbed")


@pytest.mark.slow
def test_a_disk_that_is_full_at_the_merge_leaves_the_dataset_that_was_there(drive, disk):
    out = disk / "out"
    create([drive], out, CONFIG)
    before = files(out)
    fill(disk, 12_000)
    with pytest.raises(DiskFullError, match="the disk is full"):
        create([drive], out, JaddConfig(**{**vars(CONFIG), "shortest_s": 2.5, "location": "elsewhere"}))
    assert {name: content for name, content in files(out).items() if not str(name).startswith(".")} == before
    (disk / "ballast").unlink()
    assert create([drive], out, CONFIG).reused == 3


def test_catalogue_and_report_on_a_full_disk(drive, disk):
    out = disk / "out"
    create([drive], out, CONFIG)
    write_report(out, {"scenes": 3})
    fill(disk)
    with pytest.raises(DiskFullError, match="the disk is full"), Room(out).watched():
        update(out)
    with pytest.raises(DiskFullError, match="the disk is full"), Room(out).watched():
        write_report(out, {"scenes": 4, "problems": ["x" * 9000]})
    (disk / "ballast").unlink()
    assert update(out).scenes == 3, "the last report is whole"
    assert (out / CATALOGUE).is_file()


def test_a_quota_and_other_errors(tmp_path):
    room = Room(tmp_path / "not there yet")
    with pytest.raises(DiskFullError, match=rf"{tmp_path}/a: the quota is used up: .* MB are free; make room"), room.watched():
        raise OSError(errno.EDQUOT, "Disk quota exceeded", str(tmp_path / "a"))
    with pytest.raises(PermissionError), room.watched():
        raise PermissionError(errno.EACCES, "no")
    with pytest.raises(InputError), room.watched():
        raise InputError("not a disk's fault")


@pytest.mark.slow
def test_too_little_room_is_said_before(drive, tmp_path):
    made = create([drive], tmp_path, CONFIG, planned=lambda _: 10**18)
    assert any("the disk may not do" in problem for problem in made.problems)


def test_whoever_cannot_write_stops_the_run_at_once(drive, tmp_path, monkeypatch):
    calls = []

    def full(*_):
        calls.append(1)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("heron_jadd.scene.write_table", full)
    with pytest.raises(DiskFullError, match=r"scenes/\w+: the disk is full"):
        create([drive], tmp_path, CONFIG)
    assert len(calls) == 1, "the other scenes would fail as well"
    assert not list(tmp_path.rglob("manifest.json"))
    monkeypatch.undo()
    assert create([drive], tmp_path, CONFIG).scenes == 3

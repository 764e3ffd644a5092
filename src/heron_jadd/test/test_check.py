"""A dataset as it was made has no findings; whatever is broken in one is found, by its kind, and never ends in a traceback."""

import fcntl
import json
import os
import random
import re
import shutil
import zlib
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import toy_drive as toy
from broken_datasets import BREAKS, IMAGES, flipped, half, on_file, replace

from heron_core.errors import InputError
from heron_jadd import check as check_module
from heron_jadd.check import check
from heron_jadd.check_remedies import REMEDIES
from heron_jadd.check_tables import CheckConfig
from heron_jadd.checksum import crc32
from heron_jadd.config import JaddConfig
from heron_jadd.create import create

CONFIG = JaddConfig(undistort=False, scene_s=2.0, shortest_s=1.0, rate_hz=5.0, lidar_placeholder=True, pose="odometry")


def two_drives(folder):
    """Two recordings, three scenes: two of them are of the first."""
    cameras = ("CAM_FRONT", "CAM_BACK")
    return [toy.drive(folder / "one", 4.6, cameras=cameras), toy.drive(folder / "two", 2.2, cameras=cameras, jitter_ms=2.0)]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return two_drives(tmp_path_factory.mktemp("drives"))


@pytest.fixture(scope="module")
def made(recorded, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "dataset"
    create(recorded, out, CONFIG)
    return out


@pytest.fixture
def dataset(made, tmp_path):
    """A copy to break; files are links, so they are replaced, never written into."""
    return Path(shutil.copytree(made, tmp_path / "dataset", symlinks=True, copy_function=os.link))


def test_what_was_made_is_whole(made):
    checked = check(made, workers=2)
    assert not checked.findings
    frames, samples = (pq.read_table(made / "tables" / f"{name}.parquet") for name in ("frames", "samples"))
    assert (checked.scenes, checked.samples, checked.frames, checked.views) == (3, len(samples), len(frames), 1)
    assert (checked.images_read, checked.bytes_read) == (len(frames), sum(frames["bytes"].to_pylist()))
    assert not check(made, quick=True).images_read
    assert not (made / "check.json").exists()


@pytest.mark.parametrize("what", BREAKS)
def test_what_is_broken_is_found(dataset, what):
    broken, kinds, text = BREAKS[what]
    broken(dataset)
    findings = check(dataset).findings
    assert set(findings) == set(kinds.split()) or ("…" in kinds and kinds.split()[0] in findings), findings
    assert any(re.search(text, example) for found in findings.values() for example in found.examples), findings


def test_a_copy_without_links_is_as_good_and_read_twice(made, tmp_path):
    shutil.copytree(made, tmp_path / "copy")
    checked = check(tmp_path / "copy")
    assert not checked.findings
    assert checked.images_read == 2 * checked.frames


def test_a_quick_check_sees_sizes_but_no_bytes(dataset):
    on_file(IMAGES, flipped)(dataset)
    assert not check(dataset, quick=True).findings
    on_file(IMAGES, half)(dataset)
    assert set(check(dataset, quick=True).findings) == {"image_size"}


def test_many_findings_are_counted_and_few_are_told(dataset):
    paths = sorted(dataset.glob(IMAGES))
    for path in paths:
        path.unlink()
    checked = check(dataset, limits=CheckConfig(examples=3))
    assert (checked.findings["image_missing"].count, len(checked.findings["image_missing"].examples)) == (len(paths), 3)
    report = json.loads(checked.write(dataset).read_text())
    assert report["findings"] == {"image_missing": {"remedy": REMEDIES["image_missing"], **vars(checked.findings["image_missing"])}}
    assert report["frames"] == checked.frames


def test_the_remedies_help(dataset, recorded):
    assert REMEDIES["image_crc"].startswith("remove the scene's folder under scenes/ and the folders nuscenes-*, and run ./heron jadd create again")
    path = sorted(dataset.glob(IMAGES))[0]
    replace(path, flipped(path.read_bytes()))
    assert check(dataset).findings
    shutil.rmtree(path.parents[2])
    shutil.rmtree((dataset / "nuscenes").resolve())
    create(recorded, dataset, CONFIG)
    assert not check(dataset).findings
    assert REMEDIES["table_unreadable"].startswith("remove the folder tables-*, and run")
    on_file("tables/poses.parquet", half)(dataset)
    assert check(dataset).findings
    shutil.rmtree((dataset / "tables").resolve())
    create(recorded, dataset, CONFIG)
    assert not check(dataset).findings


def test_what_is_no_dataset(tmp_path, dataset):
    with pytest.raises(InputError, match="no such folder"):
        check(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no dataset: it has no dataset"):
        check(tmp_path / "empty")
    with (dataset / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="a run makes this dataset at the moment"):
            check(dataset)


def test_every_kind_is_found_somewhere_above():
    assert {kind for _, kinds, _ in BREAKS.values() for kind in kinds.split()} - {"…"} == set(REMEDIES) - {
        "unchecked",
        "split_place",
    }  # the latter: test_splits
    source = "".join(path.read_text() for path in Path(check_module.__file__).parent.glob("check*.py"))
    assert set(re.findall(r"say\(\s*\"(\w+)\"", source)) < set(REMEDIES)


def test_a_fault_of_the_check_itself_is_a_finding(made, monkeypatch):
    monkeypatch.setattr(check_module.SceneChecker, "check", lambda *_: [][0])
    findings = check(made).findings
    assert (list(findings), findings["unchecked"].count) == (["unchecked"], 3)
    assert "IndexError: list index out of range" in findings["unchecked"].examples[0]


def damaged(data, rng):
    """Bytes as disks and copies leave them."""
    kind = rng.choice(("cut", "flip", "zeros", "empty"))
    at = rng.randrange(len(data))
    if kind == "cut":
        return data[:at]
    if kind == "flip":
        return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
    return b"" if kind == "empty" else data[:at] + bytes(len(data) - at)


@pytest.mark.parametrize("seed", range(3))
def test_no_damage_ends_in_a_traceback(dataset, seed):
    rng = random.Random(seed)
    paths = [path for path in sorted(dataset.rglob("*")) if path.suffix in (".json", ".parquet") and path.is_file()]
    for path in rng.sample(paths, 1 + seed % 3):
        replace(path, damaged(path.read_bytes(), rng))
    found = check(dataset, quick=True).findings
    assert set(found) <= set(REMEDIES)


def test_checksums_are_those_of_zlib():
    """Whatever computes them here: a dataset is checked on other machines."""
    data = np.random.default_rng(0).integers(0, 256, 100_003).astype(np.uint8)
    assert [crc32(data[:size].data) for size in (0, 1, 77, 100_003)] == [zlib.crc32(data[:size].data) for size in (0, 1, 77, 100_003)]
    assert crc32(data.tobytes()) == zlib.crc32(data)

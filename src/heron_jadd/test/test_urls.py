"""Datasets and recordings at URLs: the same bytes as on a disk, scene by scene, whatever stops on the way."""

import json
import shutil
import uuid
from contextlib import suppress

import cv2
import fsspec
import pytest
import toy_drive as toy
from test_create import tree
from typer.testing import CliRunner

from heron_bringup.verbs.jadd import app
from heron_core.errors import InputError
from heron_jadd import afar
from heron_jadd.config import JaddConfig
from heron_jadd.create import create
from heron_jadd.lenses import profile_of
from heron_jadd.places import Stage
from heron_jadd.selection import saved_selection
from heron_remote.store import StoreError

SET = ("--set", "scene_s=2", "--set", "shortest_s=2", "--set", "pose=odometry", "--rate", "5", "--preset", "pass_through", "--workers", "1")
CONFIG = JaddConfig(undistort=False, pose="odometry", scene_s=2.0, shortest_s=2.0, rate_hz=5.0)
OWN = {"accounts.jsonl", "catalogue.sqlite", "report.json", "check.json"}  # of runs


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    return toy.drive(tmp_path_factory.mktemp("drives") / "one", 5.2, cameras=("CAM_FRONT", "CAM_BACK"))


@pytest.fixture(scope="module")
def local(drive, tmp_path_factory):
    out = tmp_path_factory.mktemp("local") / "dataset"
    create([drive], out, CONFIG)
    return out


@pytest.fixture
def store():
    """A place that nobody else has, as an URL and as fsspec opens it."""
    url = f"memory://{uuid.uuid4().hex}"
    yield url, fsspec.filesystem("memory")
    with suppress(FileNotFoundError):
        fsspec.filesystem("memory").rm(url, recursive=True)


def jadd(*command, code=0):
    told = CliRunner().invoke(app, [str(word) for word in command])
    if code == 0 and told.exception:
        raise told.exception
    return told


def content(out):
    """What a dataset is, without what tells of runs."""
    return {name: digest for name, digest in tree(out).items() if name not in OWN and not name.startswith("runs/")}


def test_a_dataset_made_at_a_url_and_pulled_is_the_one_made_on_a_disk(drive, local, store, tmp_path):
    url, there = store
    there.put(str(drive), f"{url}/drives/one", recursive=True)
    stage = tmp_path / "stage"
    told = jadd("create", "--input", f"{url}/drives/one", "--out", f"{url}/sets/toy", "--stage", stage, *SET).output
    assert f"./heron jadd pull {url}/sets/toy" in told
    assert str(stage) not in told
    assert not any(path.is_file() for path in stage.rglob("*"))
    jadd("pull", f"{url}/sets/toy", "--out", tmp_path / "pulled")
    assert content(tmp_path / "pulled") == content(local)
    kept = set(there.find(f"{url}/sets/toy"))
    before = {name: there.modified(name) for name in kept if "/scenes/" in name}
    assert "2 were there" in jadd("create", "--input", drive, "--out", f"{url}/sets/toy", "--stage", stage, *SET).output
    assert {name: there.modified(name) for name in before} == before
    assert there.cat(f"{url}/sets/toy/accounts.jsonl").count(b"\n") == 2


@pytest.mark.parametrize("cuts", [(31,), pytest.param((3, 9, 20, 5, 12, 7, 4, 6, 3, 2, 1), marks=pytest.mark.slow)])
def test_a_run_that_stops_anywhere_leaves_whole_scenes_and_is_gone_on_with(drive, local, store, tmp_path, monkeypatch, cuts):
    """Every write to the store but the first so many fails; every second time the stage is lost as well, as on another machine."""
    url, there = store
    upload, put, left = afar.Store.upload, afar.Store.put, [0]

    def counted(real):
        def write(self, path, what):
            left[0] -= 1
            if left[0] < 0:
                raise StoreError("the line is cut")
            real(self, path, what)

        return write

    monkeypatch.setattr(afar.Store, "upload", counted(upload))
    monkeypatch.setattr(afar.Store, "put", counted(put))
    for number, writes in enumerate(cuts):
        left[0] = writes
        assert isinstance(jadd("create", "--input", drive, "--out", f"{url}/toy", "--stage", tmp_path / "stage", *SET, code=1).exception, StoreError)
        assert not there.exists(f"{url}/toy/dataset.json")
        for name in there.find(f"{url}/toy"):
            if name.endswith("manifest.json"):
                assert json.loads(there.cat(name))["tables"]["frames"] == len(there.find(f"{name.rsplit('/', 2)[0]}/images-{profile_of(CONFIG)}"))
        if number % 2:
            shutil.rmtree(tmp_path / "stage")
    left[0] = 10_000
    jadd("create", "--input", drive, "--out", f"{url}/toy", "--stage", tmp_path / "stage", *SET)
    jadd("pull", f"{url}/toy", "--out", tmp_path / "pulled")
    assert content(tmp_path / "pulled") == content(local)


def test_a_url_is_read_as_a_folder_is(drive, local, store, tmp_path):
    url, there = store
    stage = ("--stage", tmp_path / "stage")
    jadd("create", "--input", drive, "--out", f"{url}/toy", *stage, *SET)
    ours, theirs = (json.loads(jadd("info", place, "--json", "--no-picture", *stage).output) for place in (f"{url}/toy", local))
    assert {**ours, "dataset": 0} == {**theirs, "dataset": 0}
    assert "nothing is wrong" in jadd("check", f"{url}/toy", *stage).output
    assert there.exists(f"{url}/toy/check.json")
    jadd("find", f"{url}/toy", "number = 1", "--save", "second", "--out", tmp_path / "second", *stage)
    assert there.exists(f"{url}/toy/selections/second.json")
    jadd("find", local, "number = 1", "--save", "second", "--out", tmp_path / "local")
    assert content(tmp_path / "second") == content(tmp_path / "local")
    jadd("pull", f"{url}/toy", "--selection", "second", "--out", tmp_path / "pulled")
    assert len(saved_selection(tmp_path / "pulled", "second")) == 1
    assert [*(tmp_path / "stage").iterdir()] == []
    with pytest.raises(InputError, match=f"^{url}/toy: no selection 'third'; there is second"):
        jadd("pull", f"{url}/toy", "--selection", "third", "--out", tmp_path / "third")


@pytest.mark.slow
def test_the_picture_of_a_dataset_at_a_url_is_that_of_the_folder(drive, local, store, tmp_path):
    """The contact sheet too."""
    jadd("create", "--input", drive, "--out", f"{store[0]}/dataset", "--stage", tmp_path / "stage", *SET)
    for place, name in ((f"{store[0]}/dataset", "ours.png"), (local, "theirs.png")):
        jadd("info", place, "--out", tmp_path / name, "--stage", tmp_path / "stage")
    ours, theirs = (cv2.imread(str(tmp_path / name)) for name in ("ours.png", "theirs.png"))
    assert (ours[600:] == theirs[600:]).all()  # below the headline, which tells where it lies
    assert ours[600:].std() > 10


def test_damage_at_a_url_is_found(drive, store, tmp_path):
    url, there = store
    jadd("create", "--input", drive, "--out", f"{url}/toy", "--stage", tmp_path / "stage", *SET)
    image = next(name for name in there.find(f"{url}/toy/scenes") if name.endswith(".jpg"))
    whole = there.cat(image)
    there.pipe(image, whole[:-20] + bytes(20))
    told = jadd("check", f"{url}/toy", "--stage", tmp_path / "stage", code=1)
    assert told.exit_code == 1
    assert "crc32" in told.output
    there.rm(image)
    assert "image_missing" in jadd("check", f"{url}/toy", "--stage", tmp_path / "stage", code=1).output


def test_a_recording_at_a_url_that_cannot_be_used_is_told_with_its_url(drive, store, tmp_path):
    url, there = store
    there.pipe(f"{url}/broken.mcap", b"no recording")
    command = ("create", "--input", drive, "--input", f"{url}/broken.mcap", "--out", tmp_path / "out", "--stage", tmp_path / "stage", *SET)
    told = jadd(*command, code=1)
    assert told.exit_code == 1
    assert f"QUARANTINED: {url}/broken.mcap" in told.output
    assert json.loads((tmp_path / "out/report.json").read_text())["quarantined"][0]["recording"] == f"{url}/broken.mcap"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("create", "--input", "memory://nowhere/drive", "--out", "OUT"), "no such recording: memory://nowhere/drive"),
        (("create", "--input", "X", "--out", "memory://a/b", "--catalogue", "postgresql://a@b/c"), "keeps its catalogue there"),
        (("create", "--input", "X", "--out", "memory://a/b", "--engine", "spark", "--master", "yarn"), "do not see the stage of memory://a/b"),
        (("create", "--input", "X", "--out", "nonsense://a/b"), "cannot be opened"),
        (("estimate", "--input", "X", "--out", "memory://a/b"), "takes a folder, not a URL"),
        (("export", "OUT", "--out", "memory://a/b"), "takes a folder, not a URL"),
        (("find", "OUT", "number = 1", "--out", "memory://a/b"), "takes a folder, not a URL"),
        (("check", "memory://a/b", "--quick"), "leave --quick away"),
        (("info", "memory://nowhere/toy"), "no dataset: it has no dataset.json"),
        (("pull", "OUT", "--out", "OUT"), "no URL"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(command, why, tmp_path):
    words = [str(tmp_path / "x") if word == "OUT" else word for word in command]
    stage = () if command[0] == "pull" else ("--stage", tmp_path / "stage")
    error = jadd(*words, *stage, code=2).exception
    assert isinstance(error, InputError), error
    assert why in str(error)
    assert "\n" not in str(error)


def test_one_run_on_a_machine_makes_what_lies_at_a_url(store, tmp_path):
    stage = Stage(tmp_path)
    with (
        afar.made_at(f"{store[0]}/toy", stage),
        pytest.raises(InputError, match="another run makes a dataset there"),
        afar.made_at(f"{store[0]}/toy", stage),
    ):
        pass

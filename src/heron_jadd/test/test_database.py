"""Catalogues in PostgreSQL: several at once lose nothing, and what is wrong with a server is said in a sentence."""

import json
import multiprocessing
import shutil

import pytest
import toy_drive as toy
from typer.testing import CliRunner

from heron_bringup.verbs.jadd_create import app as create_app
from heron_bringup.verbs.jadd_find import app as find_app
from heron_core.errors import InputError
from heron_jadd.catalogue import _add_scenes, is_current, update
from heron_jadd.config import JaddConfig
from heron_jadd.create import create
from heron_jadd.database import CATALOGUE, PLACE, READABLE, SQLITE, database_of, place_catalogue
from heron_jadd.features import FeatureConfig
from heron_jadd.selection import find

CONFIG = JaddConfig(undistort=False, pose="odometry", scene_s=2.0, shortest_s=2.0, rate_hz=2.0, cameras=("CAM_FRONT",))


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    return toy.drive(tmp_path_factory.mktemp("drive") / "drive", 6.5, cameras=CONFIG.cameras)


@pytest.fixture(scope="module")
def plain(drive, tmp_path_factory):
    """A dataset without a catalogue."""
    out = tmp_path_factory.mktemp("plain")
    create([drive], out, CONFIG)
    return out


def rows(out):
    with database_of(out).reader() as session:
        return {name: sorted(map(str, session.execute(f"SELECT * FROM {name}"))) for name in READABLE}


def _updated(out, config):
    update(out, config)


def test_updates_at_the_same_time_lose_nothing(plain, postgres, tmp_path):
    """Two datasets of the same name by two machines, and each twice."""
    folders = [tmp_path / machine / "town" for machine in ("one", "two")]
    for out in folders:
        shutil.copytree(plain, out, symlinks=True)
        place_catalogue(out, postgres.url)
    shutil.rmtree(next((folders[1] / "scenes").iterdir()))
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_updated, args=(out, FeatureConfig(night=value))) for out in folders for value in (50.0, 60.0)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    for out, count in zip(folders, (2, 1), strict=True):
        update(out)
        found = rows(out)
        assert len(found["scenes"]) == count
        place_catalogue(out, SQLITE)
        update(out)
        assert rows(out) == found


def test_a_copy_of_a_dataset_does_not_write_into_its_catalogue(plain, postgres, tmp_path):
    first = shutil.copytree(plain, tmp_path / "first", symlinks=True)
    place_catalogue(first, postgres.url)
    update(first)
    assert not (first / CATALOGUE).exists()
    second = shutil.copytree(first, tmp_path / "second", symlinks=True)
    assert not is_current(second)
    update(second)
    assert (second / CATALOGUE).is_file()
    place_catalogue(second, postgres.url)
    assert len({json.loads((out / PLACE).read_text())["schema"] for out in (first, second)}) == 2
    again = (first / PLACE).read_text()
    place_catalogue(first, postgres.url)
    assert (first / PLACE).read_text() == again
    assert is_current(first)


def test_the_commands_keep_and_ask_where_they_are_told(drive, postgres, tmp_path):
    out = tmp_path / "out"
    command = ["--input", drive, "--out", out, "--preset", "pass_through", "--camera", "CAM_FRONT", "--set", "scene_s=2", "--set", "shortest_s=2"]
    told = CliRunner().invoke(create_app, [*map(str, command), "--workers", "1", "--catalogue", postgres.url], catch_exceptions=False)
    assert told.exit_code == 0, told.output
    assert not (out / CATALOGUE).exists()
    assert len(find(out, "distance_m > 5").rows) == 2
    asked = CliRunner().invoke(find_app, [str(out), "distance_m > 5", "--catalogue", SQLITE], catch_exceptions=False)
    assert "2 of 2 scenes" in asked.stdout
    assert (out / CATALOGUE).is_file()


def test_what_is_wrong_is_said_before_anything_is_kept(plain, postgres, tmp_path, monkeypatch):
    out = shutil.copytree(plain, tmp_path / "out", symlinks=True)
    for place, text in {
        "mysql://here": "expected sqlite, or postgresql://",
        "postgresql://tests:secret@127.0.0.1/postgres": "no password in the URL",
        "postgresql://tests@127.0.0.1:1/postgres": "cannot be reached: .*refused",
        "postgresql://tests@127.0.0.1:port/postgres": "port",
        postgres.url.replace("/postgres?", "/nothing?"): 'cannot be reached: .*"nothing" does not exist',
    }.items():
        with pytest.raises(InputError, match=text):
            place_catalogue(out, place)
    monkeypatch.setenv("PGPASSWORD", "wrong")
    with pytest.raises(InputError, match=r"cannot be reached: .*password authentication failed"):
        place_catalogue(out, postgres.network_url)
    assert not (out / PLACE).exists()
    monkeypatch.setenv("PGPASSWORD", "of-the-tests")
    place_catalogue(out, postgres.network_url)
    update(out)
    assert is_current(out)
    monkeypatch.setenv("PGPASSWORD", "wrong")
    with pytest.raises(InputError, match="password authentication failed"):
        find(out, "1")
    (out / PLACE).write_text('{"url": 5}')
    with pytest.raises(InputError, match=r"damaged .* give --catalogue again, or remove it"):
        update(out)


def test_without_the_right_to_write_nothing_is_there_and_it_is_said(plain, postgres, tmp_path, monkeypatch):
    out = shutil.copytree(plain, tmp_path / "out", symlinks=True)
    found = place_catalogue(out, postgres.url)
    monkeypatch.setenv("PGOPTIONS", "-c default_transaction_read_only=on")
    with pytest.raises(InputError, match=r"cannot be written: .*read-only"):
        update(out)
    with pytest.raises(InputError, match="there is none yet"), found.reader():
        pass


def test_a_name_that_the_server_would_cut_is_refused(tmp_path, postgres):
    """Two such columns would be one, and nobody could ask for either."""
    short, long = (f"events_{'x' * count}" for count in (56, 57))
    drive = toy.drive(tmp_path / "drive", 3.5, cameras=CONFIG.cameras)
    for name, place in (("out", postgres.url), ("sqlite", SQLITE)):
        create([drive], tmp_path / name, CONFIG)
        place_catalogue(tmp_path / name, place)
        update(tmp_path / name)
    with database_of(tmp_path / "out").writer() as session:
        _add_scenes(session, [{"token": "a", "product": "b", short: 1}])
        assert short in session.names("scenes")
        with pytest.raises(InputError, match=f"column {long} has 64 letters, .* 63 .*; keep it by --catalogue sqlite"):
            _add_scenes(session, [{"token": "a", "product": "b", long: 1}])
    with database_of(tmp_path / "sqlite").writer() as session:
        _add_scenes(session, [{"token": "a", "product": "b", long: 1}])
        assert long in session.names("scenes")

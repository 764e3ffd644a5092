"""What happens in scenes is found by a query, and becomes a dataset of those scenes and no others; a query can do nothing else."""

import dataclasses
import json
import os
import shutil
import signal
import sqlite3

import pyarrow.parquet as pq
import pytest
import toy_drive as toy
from toy_drive import MS, START_NS, S
from typer.testing import CliRunner

from heron_bringup.verbs.jadd_find import app
from heron_core.errors import InputError
from heron_core.signals import Event, GnssFix
from heron_core.truth import Actor, ActorKind, EgoTruth, Truth
from heron_core.vehicle import Odometry
from heron_jadd import catalogue, job
from heron_jadd.catalogue import is_current, update
from heron_jadd.conditions import condition_of
from heron_jadd.config import JaddConfig
from heron_jadd.create import create
from heron_jadd.database import CATALOGUE, READABLE, SQLITE, SqliteFile, database_of, place_catalogue
from heron_jadd.features import FeatureConfig
from heron_jadd.recording import probe
from heron_jadd.selection import columns, find, save_selection, select
from heron_jadd.stored import recording_file, store_recording, stored_recording

CONFIG = JaddConfig(undistort=False, pose="odometry", scene_s=5.0, shortest_s=4.0, rate_hz=5.0, cameras=("CAM_FRONT",))
BRAKES_S, STANDS_S, STARTS_S = 13.0, 14.5, 18.0  # 6 m/s, then 4 m/s² of braking, then standing, then 2 m/s² of starting
TAKEN_S = 10.72  # the driver takes over
LOST_S = (16.9, 19.4)  # no fixes
EVENTFUL = "hard_brakes > 0 OR disengagements > 0"


def speed(t_s):
    if t_s < BRAKES_S:
        return 6.0
    return max(6.0 - 4.0 * (t_s - BRAKES_S), 0.0) if t_s < STARTS_S else min(2.0 * (t_s - STARTS_S), 6.0)


def place(t_s):
    """Metres along a straight road."""
    braked = min(max(t_s - BRAKES_S, 0.0), STANDS_S - BRAKES_S)
    return 6.0 * min(t_s, BRAKES_S) + 6.0 * braked - 2.0 * braked**2 + max(t_s - STARTS_S, 0.0) ** 2


def eventful(path):
    """Heron drives, the driver takes over, brakes hard behind a car that stands, and goes on."""
    found = []
    ahead = Actor(1, ActorKind.CAR, place(STANDS_S) + 9.0, 0.2, 0.0, 0.0, 4.5, 1.8, 1.5)
    for log_ns, topic, message in toy.entries(21.0, CONFIG.cameras, engaged_s=(-10.0, TAKEN_S)):
        t_s = (log_ns - START_NS) / S
        if isinstance(message, Odometry):
            message = dataclasses.replace(message, x_m=place(t_s), y_m=0.0, yaw_rad=0.0, speed_mps=speed(t_s), yaw_rate_rps=0.0)
        elif isinstance(message, Truth):
            message = dataclasses.replace(message, ego=EgoTruth(place(t_s), 0.0, 0.0, speed(t_s)), actors=(ahead,))
        elif isinstance(message, Event) or (isinstance(message, GnssFix) and LOST_S[0] < t_s < LOST_S[1]):
            continue
        found.append((log_ns, topic, message))
    taken_ns = START_NS + round(TAKEN_S * S) + 30 * MS
    found.append((taken_ns, "/events", Event(taken_ns, "disengagement", "control", "the driver brakes", "driver_brake")))
    return toy.write(path, found)


@pytest.fixture(scope="module")
def drives(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drives")
    calm = [entry for entry in toy.entries(6.0, CONFIG.cameras) if not isinstance(entry[2], Event)]
    return [eventful(folder / "eventful"), toy.write(folder / "calm", calm)]


def made(drives, out, config=CONFIG):
    """A dataset with a report and what is known of its recordings."""
    report = create(drives, out, config).report()
    (out / "report.json").write_text(json.dumps(report))
    return out


@pytest.fixture(scope="module")
def whole(drives, tmp_path_factory):
    """A dataset without a catalogue."""
    return made(drives, tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module", params=[SQLITE, "postgresql"])
def home(request):
    """Where catalogues lie: every test of them is of both."""
    return SQLITE if request.param == SQLITE else request.getfixturevalue("postgres").url


def catalogued(whole, out, home):
    """A copy of a dataset with a catalogue."""
    shutil.copytree(whole, out, symlinks=True, copy_function=os.link)
    place_catalogue(out, home)
    update(out)
    return out


@pytest.fixture
def copy(whole, home, tmp_path):
    """A dataset to be spoiled."""
    return catalogued(whole, tmp_path / "copy", home)


@pytest.fixture(scope="module")
def dataset(whole, home, tmp_path_factory):
    return catalogued(whole, tmp_path_factory.mktemp("dataset") / "dataset", home)


@pytest.fixture(scope="module")
def selected(dataset, tmp_path_factory):
    out = tmp_path_factory.mktemp("selected") / "hard"
    select(dataset, find(dataset, EVENTFUL).tokens, out, "hard", EVENTFUL)
    return out


def seconds(found):
    return [(row["start_ns"] - START_NS) / S for row in found.rows]


def everything(out):
    """All rows of all tables, whatever the order of columns and rows."""
    with database_of(out).reader() as session:
        rows = {name: [dict(zip(session.names(name), row, strict=True)) for row in session.execute(f"SELECT * FROM {name}")] for name in READABLE}
    return {name: sorted(json.dumps(row, sort_keys=True) for row in found) for name, found in rows.items()}


def spoil(out):
    """Of an older version; a file also damaged."""
    database = database_of(out)
    if isinstance(database, SqliteFile):
        (out / CATALOGUE).write_bytes(b"no database at all" * 100)
        return
    with database.writer() as session:
        session.execute("ALTER TABLE scenes DROP COLUMN night")


def test_a_hard_brake_and_a_disengagement_are_found_where_they_were(dataset):
    assert seconds(find(dataset, EVENTFUL)) == [5.5, 11.0]
    assert find(dataset, EVENTFUL).scenes == 5
    assert seconds(find(dataset, "hard_brakes = 1")) == [11.0]
    assert seconds(find(dataset, "disengagements_driver_brake = 1 AND driver = 'heron'")) == [5.5], "it ends the scene before"
    (row,) = find(dataset, "hardest_brake_mps2 BETWEEN 3.9 AND 4.1 AND standing_traffic_s > 0.9 AND stopped_s >= 1.5 AND distance_m < 30").rows
    assert row["hardest_brake_mps2"] == pytest.approx(4.0, abs=0.01)
    assert row["distance_m"] == pytest.approx(place(16.0) - place(11.0), abs=0.3)
    (lost,) = find(dataset, "gnss_lost_s > 2").rows
    assert (lost["start_ns"] - START_NS) / S == 16.5
    assert lost["gnss_lost_s"] == pytest.approx(LOST_S[1] - LOST_S[0], abs=0.11)
    assert len(find(dataset, "brightness > 0", limit=2).rows) == 2


def test_the_selections_dataset_holds_those_scenes_and_no_others(dataset, selected):
    tokens = set(find(dataset, EVENTFUL).tokens)
    assert {row["token"] for row in json.loads((selected / "nuscenes/v1.0-trainval/scene.json").read_text())} == tokens
    assert {path.name for path in (selected / "scenes").iterdir()} == tokens
    about = json.loads((selected / "selections/hard.json").read_text())
    assert (set(about["scenes"]), about["query"]) == (tokens, EVENTFUL)
    for path in sorted((dataset / "tables").glob("*.parquet")):
        rows, kept = pq.read_table(path).to_pylist(), pq.read_table(selected / "tables" / path.name).to_pylist()
        if "scene_token" in (rows or [{}])[0]:
            assert kept == [row for row in rows if row["scene_token"] in tokens], path.name
    splits = {row["token"]: row["split"] for row in pq.read_table(dataset / "tables/scenes.parquet").to_pylist()}
    assert all(row["split"] == splits[row["token"]] for row in pq.read_table(selected / "tables/scenes.parquet").to_pylist())
    for row in pq.read_table(selected / "tables/frames.parquet").to_pylist():
        assert (selected / row["file"]).samefile(dataset / row["file"]), "a further name, no copy"
    for row in json.loads((selected / "nuscenes/v1.0-trainval/sample_data.json").read_text()):
        assert (selected / "nuscenes" / row["filename"]).stat().st_nlink >= 4


def test_all_scenes_selected_are_the_same_dataset_to_the_byte(dataset, tmp_path):
    same_bytes(dataset, tmp_path)


def test_scenes_with_fused_poses_are_selected_with_them(drives, home, tmp_path):
    fused = made(drives[1:], tmp_path / "fused", dataclasses.replace(CONFIG, pose="auto"))
    place_catalogue(fused, home)
    update(fused)
    same_bytes(fused, tmp_path)
    assert len(list((tmp_path / "all" / "poses").iterdir())) == 1


def test_scenes_of_a_version_with_fewer_parameters_can_be_selected(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(job, "OF_THE_WHOLE", (*job.OF_THE_WHOLE, "reach_m"))  # this version names products otherwise
    same_bytes(dataset, tmp_path)


def test_the_command_finds_keeps_and_makes(copy, tmp_path):
    database_of(copy).forget()
    command = [str(copy), EVENTFUL, "--save", "hard", "--out", str(tmp_path / "hard"), "--json"]
    told = CliRunner().invoke(app, command, catch_exceptions=False)
    found = json.loads(told.stdout)
    assert [row["hard_brakes"] for row in found["scenes"]] == [0, 1]
    assert json.loads((copy / "selections/hard.json").read_text())["scenes"] == [row["token"] for row in found["scenes"]]
    assert len(json.loads((tmp_path / "hard/nuscenes/v1.0-trainval/scene.json").read_text())) == 2
    listed = CliRunner().invoke(app, [str(copy)], catch_exceptions=False).stdout
    assert "disengagements_driver_brake" in listed
    assert "scene-2000" in CliRunner().invoke(app, [str(copy), "number = 0"], catch_exceptions=False).stdout


def same_bytes(dataset, tmp_path):
    select(dataset, find(dataset, "1").tokens, tmp_path / "all", "all")
    for folder in ("tables", "nuscenes"):
        assert (tmp_path / "all" / folder).readlink() == (dataset / folder).readlink()
        files = {path.relative_to(dataset / folder): path.read_bytes() for path in (dataset / folder).rglob("*") if path.is_file()}
        there = tmp_path / "all" / folder
        assert files == {path.relative_to(there): path.read_bytes() for path in there.rglob("*") if path.is_file()}


def test_a_selection_made_anew_loses_what_is_no_longer_selected(dataset, copy, tmp_path):
    out = tmp_path / "again"
    select(dataset, find(dataset, EVENTFUL).tokens, out, "again", EVENTFUL)
    (kept,) = find(dataset, "hard_brakes > 0").tokens
    select(dataset, [kept], out, "again", "hard_brakes > 0")
    assert [path.name for path in (out / "scenes").iterdir()] == [kept]
    assert update(out).scenes == 1
    assert find(out, "hard_brakes > 0").tokens == (kept,)
    for wrong in (dataset, copy):
        with pytest.raises(InputError, match="no selection"):
            select(dataset, [kept], wrong, "again")
    with pytest.raises(InputError, match="no scene was selected"):
        select(dataset, [], tmp_path / "none", "none")
    with pytest.raises(InputError, match="has no scene 00"):
        select(dataset, ["00"], tmp_path / "none", "none")
    assert not (tmp_path / "none").exists()


def test_saving_a_selection_twice_gives_the_same_bytes_and_no_strange_names(dataset):
    tokens = find(dataset, EVENTFUL).tokens
    path = save_selection(dataset, "hard", EVENTFUL, tokens)
    before = path.read_bytes()
    assert save_selection(dataset, "hard", EVENTFUL, tokens).read_bytes() == before
    for name in ("../hard", "", ".hard", "a/b"):
        with pytest.raises(InputError, match="a name has"):
            save_selection(dataset, name, EVENTFUL, tokens)


def test_the_catalogue_made_anew_is_the_one_that_grew(drives, home, tmp_path):
    out = made(drives[:1], tmp_path)
    place_catalogue(out, home)
    costs = {"cpu_s": 9.0, "wall_s": 5.0, "money": 2.0, "image_bytes": 10.0, "table_bytes": 3.0}
    account = {"tag": "spring", "date": "2026-01-01", "code": "1", "parameters": "0", "estimate": {}, "actual": costs, "ratios": costs}
    (out / "accounts.jsonl").write_text(f'{json.dumps(account)}\n{{"tag": "sp')
    assert not is_current(out)
    assert update(out) == catalogue.Updated(4, 4)
    made(drives, out)
    assert not is_current(out)
    assert update(out) == catalogue.Updated(5, 1)
    assert is_current(out)
    update(out, FeatureConfig(brake_mps2=5.0))
    assert not find(out, "hard_brakes > 0").rows
    assert is_current(out)
    assert not is_current(out, FeatureConfig())
    assert update(out) == catalogue.Updated(5, 5)
    assert update(out) == catalogue.Updated(5, 0)
    grown = everything(out)
    assert len(grown["runs"]) == 2
    assert [json.loads(row)["money"] for row in grown["accounts"]] == [2.0], "the torn line is none"
    assert len(grown["datasets"]) == 2
    database_of(out).forget()
    assert not is_current(out)
    update(out)
    assert everything(out) == grown
    spoil(out)
    update(out)
    assert everything(out) == grown


def test_a_killed_update_leaves_what_was(copy, monkeypatch):
    out, before, real, calls = copy, everything(copy), catalogue.scene_features, []

    def deadly(*of):
        calls.append(of)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*of)

    monkeypatch.setattr(catalogue, "scene_features", deadly)
    monkeypatch.setattr(catalogue, "BATCH", 1)
    child = os.fork()
    if child == 0:
        update(out, FeatureConfig(brake_mps2=5.0))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert len(find(out, "hard_brakes > 0").rows) == 1
    assert everything(out) == before


@pytest.mark.parametrize(
    "query",
    [
        "1; DROP TABLE scenes",
        "1=1) OR (1=1",
        "name IN (SELECT tables FROM datasets)",
        "1 UNION SELECT report FROM runs",
        "load_extension('x') = 1",
        "randomblob(1000000000) = 1",
        "1 -- and",
        "1 /* and */",
        "token = 'a' || 'b'",
        '"name" = name',
        "scenes.name = name",
        "name = ?",
        "name LIKE 'a' ESCAPE 'b'",
        "token = 'unended",
        "token =",
        "",
        "driver",
        "driver > 0",
        "ABS(driver) > 0",
        "NOT " * 100 + "night",
        "(" * 100 + "night" + ")" * 100,
        "night AND " * 1100 + "night",
        "CASE WHEN 1 THEN 1 END",
    ],
)
def test_a_query_can_do_nothing_but_ask(dataset, query):
    with pytest.raises(InputError):
        find(dataset, query)


def test_quotes_in_values_stay_values(dataset):
    assert not find(dataset, "driver = 'x'' OR 1=1 --'").rows
    condition = condition_of("driver = 'it''s' AND night >= 1e0", {"driver": "text", "night": "number"})
    assert condition.sql == '(("driver" = ?) AND ("night" >= ?))'
    assert condition.values == ("it's", 1.0)


def test_text_is_compared_alike_wherever_the_catalogue_lies(dataset):
    everywhere = find(dataset, "1").tokens
    assert find(dataset, "driver LIKE 'HER%' OR driver LIKE '%uma_'").tokens == everywhere
    assert find(dataset, "NOT driver NOT LIKE 'HER%'").tokens == find(dataset, "driver = 'heron'").tokens != everywhere
    assert find(dataset, "driver > 'Z' AND 'a' IS NOT NULL AND driver NOT LIKE 'h\\%' AND '?' <> '%s'").tokens == everywhere
    assert not find(dataset, "driver < 'a' OR driver = 'HERON'").rows


def test_an_unknown_column_names_the_nearest_and_all(dataset):
    with pytest.raises(InputError, match=r"no column hard_brake; did you mean hard_brakes\? Columns: .*disengagements.*turns_left"):
        find(dataset, "hard_brake > 0")
    with pytest.raises(InputError, match="text needs quotes"):
        find(dataset, "driver = zzzz")


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM scenes",
        "UPDATE scenes SET name = ''",
        "CREATE TABLE more (x)",
        "DROP TABLE runs",
        "ATTACH '/tmp/other.sqlite' AS other",
        "PRAGMA query_only = OFF",
        "SELECT * FROM sqlite_master",
        "CREATE SCHEMA other",
        "SELECT load_extension('x')",
        "SELECT randomblob(9)",
    ],
)
def test_a_readers_connection_refuses_all_but_select(dataset, sql):
    with pytest.raises(database_of(dataset).errors), database_of(dataset).reader() as session:
        session.execute(sql).fetchall()


def test_arithmetic_is_that_of_people():
    told = condition_of("a / b + -2 * 3 < 1 AND NOT a OR b IN (1, 2) OR ABS(b) / 8 = 0.5", {"a": "number", "b": "number"})
    rows = [(0, 3), (9, 2), (1, 5), (1, 0), (1, -4)]
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE rows (a BIGINT, b BIGINT)")
        connection.executemany("INSERT INTO rows VALUES (?, ?)", rows)
        assert [each[0] for each in connection.execute(f"SELECT {told.sql} FROM rows", told.values)] == [1, 1, 0, 0, 1]


def test_what_can_be_asked_for_is_listed_with_its_ends(dataset):
    found = {each.name: each for each in columns(dataset)}
    assert (found["hard_brakes"].least, found["hard_brakes"].greatest, found["hard_brakes"].scenes) == (0, 1, 5)
    assert (found["driver"].least, found["driver"].greatest) == ("heron", "human")
    assert found["boxes_vehicle_car"].greatest >= 10


def test_a_recording_is_kept_to_the_last_bit(drives, tmp_path):
    probed = probe(drives[0])
    store_recording(tmp_path, probed, ())
    kept = stored_recording(tmp_path, probed.identity, ())
    assert dataclasses.replace(kept, path=probed.path, warnings=probed.warnings) == probed
    assert list(kept.cameras) == list(probed.cameras)
    recording_file(tmp_path, probed.identity, ()).write_text("{}")
    with pytest.raises(InputError, match="damaged"):
        stored_recording(tmp_path, probed.identity, ())
    with pytest.raises(InputError, match="older version"):
        stored_recording(tmp_path, "0" * 16, ())

"""The catalogue of a dataset: recordings, scenes with their features as columns, datasets, runs and what they cost, in SQLite or PostgreSQL.

It holds nothing that the dataset's files do not: manifests, `recordings/`, `dataset.json`, `runs/`, `accounts.jsonl`. So it can be removed and made
anew, and is the same then. An update is one transaction: readers see the catalogue before or after it, as does whoever comes after a kill.
What the two do not share is in `database`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from heron_core.errors import InputError
from heron_jadd.conditions import Kind
from heron_jadd.config import AFTER_S
from heron_jadd.database import REAL, TEXT, WHOLE, Database, NoCatalogueError, Session, UnusableError, database_of
from heron_jadd.features import AS_USUAL, FeatureConfig, scene_features
from heron_jadd.job import MANIFEST, SCENES
from heron_jadd.runs import COSTS, Row, account_rows, dataset_rows, keep_report, run_rows
from heron_jadd.stored import RECORDINGS, dataset_of, scene_rows

BATCH = 500  # scenes that are computed before they are written
# Columns of scenes that are always there; counts of what has a name (events_…, explained_…, instructed_…, boxes_…, disengagements_…, overrides_…) are
# columns as well, from when the first scene has one.
COLUMNS: Mapping[str, tuple[str, str]] = {
    "token": (TEXT, "of the scene"),
    "product": (TEXT, "what its content depends on: parameters, cameras"),
    "number": (WHOLE, "place in the dataset, from 0"),
    "name": (TEXT, "in the nuScenes view"),
    "split": (TEXT, "train or val"),
    "recording": (TEXT, "identity"),
    "profile": (TEXT, "of its images"),
    "driver": (TEXT, "human, heron, mixed or unknown"),
    "start_ns": (WHOLE, "first sample"),
    "end_ns": (WHOLE, "last sample"),
    "samples": (WHOLE, ""),
    "frames": (WHOLE, "images"),
    "image_bytes": (WHOLE, ""),
    "samples_dropped": (WHOLE, "left out: no image of some camera"),
    "jitter_ms": (REAL, "worst camera's stray from its rhythm"),
    "apart_ms": (REAL, "worst image's distance from its sample"),
    "duration_s": (REAL, "first to last sample"),
    "distance_m": (REAL, "driven"),
    "speed_mean_mps": (REAL, ""),
    "speed_max_mps": (REAL, ""),
    "stopped_s": (REAL, "seconds of standing"),
    "hardest_brake_mps2": (REAL, f"mean over {AS_USUAL.brake_window_s:g} s"),
    "hard_brakes": (WHOLE, f"of {AS_USUAL.brake_mps2:g} m/s² and more"),
    "turns_left": (WHOLE, f"{AS_USUAL.turn_deg:g}° and more within {AS_USUAL.turn_within_s:g} s"),
    "turns_right": (WHOLE, "likewise"),
    "standing_traffic_s": (REAL, "standing with a vehicle close ahead; null: no boxes"),
    "gnss_lost_s": (REAL, "without a fix; null: no receiver"),
    "gnss_rtk_share": (REAL, "of the fixes"),
    "latitude_deg": (REAL, "median"),
    "longitude_deg": (REAL, "median"),
    "disengagements": (WHOLE, "with the one that ends the scene"),
    "overrides": (WHOLE, "likewise"),
    "later_disengagements": (WHOLE, f"in the {AFTER_S:g} s after it"),
    "brightness": (REAL, "0 .. 255, of the front camera"),
    "night": (WHOLE, f"1: brightness below {AS_USUAL.night:g}; or a tunnel"),
    "features": (TEXT, "version of what was computed"),
}
_OTHERS = {
    "recordings": {
        **{"identity": TEXT, "rig": TEXT, "cameras": TEXT, "first_ns": WHOLE, "last_ns": WHOLE, "steer_ratio": REAL},
        **{"scenes": WHOLE, "driven_s": REAL},
    },
    "datasets": {"tables": TEXT, "scenes": WHOLE, "is_current": WHOLE, "parameters": TEXT, "content": TEXT},
    "runs": {
        **{"run": TEXT, "tables": TEXT, "scenes": WHOLE, "reused": WHOLE, "samples": WHOLE, "frames": WHOLE, "image_bytes": WHOLE},
        **{"left_out_s": REAL, "problems": WHOLE, "sampling_s": REAL, "merge_s": REAL, "whole_s": REAL, "report": TEXT},
    },
    "accounts": {
        **{"line": WHOLE, "tag": TEXT, "date": TEXT, "code": TEXT, "parameters": TEXT},
        **dict.fromkeys((*COSTS, *(f"{name}_ratio" for name in COSTS)), REAL),
    },
}
KEYS = {"scenes": "token, product", "recordings": "identity", "datasets": "tables", "runs": "run", "accounts": "line"}


@dataclass(frozen=True)
class Updated:
    """What an update did: scenes of the catalogue, and how many of them were computed anew."""

    scenes: int
    computed: int


def update(out: Path, config: FeatureConfig = AS_USUAL) -> Updated:
    """Makes the catalogue of a dataset, or brings it up to date.

    Args:
        out: the dataset's folder.
        config: thresholds of the features; scenes that were computed with others are computed anew.

    Raises:
        InputError: no dataset, a scene that is damaged, a server that cannot be reached, or no right to write.
    """
    dataset, database = dataset_of(out), database_of(out)
    try:
        return _updated(database, out, dataset, config)
    except UnusableError:
        database.forget()
        return _updated(database, out, dataset, config)


def is_current(out: Path, config: FeatureConfig | None = None) -> bool:
    """Whether the catalogue knows the dataset that `dataset.json` names, and its features are of these thresholds (None: of whichever)."""
    tables, database = dataset_of(out)["tables"], database_of(out)
    none: tuple[type[Exception], ...] = (NoCatalogueError, *database.errors)  # or a damaged one
    try:
        with database.reader() as session:
            known = session.execute("SELECT tables FROM datasets WHERE is_current = 1 AND tables = ?", (tables,)).fetchone() is not None
            versions = {each[0] for each in session.execute("SELECT DISTINCT features FROM scenes")}
            return known and (config is None or versions == {config.digest})
    except none:
        return False


def kinds(session: Session) -> dict[str, Kind]:
    """Columns of scenes that can be asked for, and of what kind they are."""
    return {name: "text" if name in COLUMNS and COLUMNS[name][0] == TEXT else "number" for name in session.names("scenes") if name != "features"}


def _updated(database: Database, out: Path, dataset: Mapping[str, Any], config: FeatureConfig) -> Updated:
    with database.writer() as session:
        _create(session, "scenes", {name: kind for name, (kind, _) in COLUMNS.items()})
        for name, columns in _OTHERS.items():
            _create(session, name, columns)
        keep_report(out, dataset)
        found = _scenes(session, out, config)
        session.execute("UPDATE scenes SET number = NULL, name = NULL, split = NULL")
        rows = scene_rows(out, dataset["tables"], ("token", "product", "name", "split"))
        places = [(number, row["name"], row["split"], row["token"], row["product"]) for number, row in enumerate(rows)]
        session.many("UPDATE scenes SET number = ?, name = ?, split = ? WHERE token = ? AND product = ?", places)
        _recordings(session, out)
        for name, rows_of in {"runs": run_rows(out), "datasets": dataset_rows(out, dataset), "accounts": account_rows(out)}.items():
            session.execute(f"DELETE FROM {name}")
            _insert(session, name, rows_of)
        return found


def _create(session: Session, name: str, columns: Mapping[str, str]) -> None:
    told = ", ".join(f'"{column}" {session.database.kind(kind)}' for column, kind in columns.items())
    session.execute(f"CREATE TABLE IF NOT EXISTS {name} ({told}, PRIMARY KEY ({KEYS[name]}))")
    if not columns.keys() <= set(session.names(name)):
        raise UnusableError(f"table {name} is of an older version")


def _insert(session: Session, name: str, rows: Iterable[Row]) -> None:
    for row in rows:
        columns = ", ".join(f'"{column}"' for column in row)
        session.execute(f"INSERT INTO {name} ({columns}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))


def _scenes(session: Session, out: Path, config: FeatureConfig) -> Updated:
    """Rows of all finished scenes in the folder, whichever dataset they are of."""
    there = set(session.execute("SELECT token, product FROM scenes WHERE features = ?", (config.digest,)))
    on_disk, fresh, computed = set(), [], 0
    for path in sorted((out / SCENES).glob(f"*/*/{MANIFEST}")):
        key = path.parts[-3], path.parts[-2]
        on_disk.add(key)
        if key in there:
            continue
        row = scene_row(path, out, config)
        if row is not None:
            fresh.append(row)
            computed += 1
        if len(fresh) >= BATCH:
            _add_scenes(session, fresh)
            fresh = []
    _add_scenes(session, fresh)
    gone = set(session.execute("SELECT token, product FROM scenes")) - on_disk
    gone |= set(session.execute("SELECT token, product FROM scenes WHERE features <> ?", (config.digest,)))
    session.many("DELETE FROM scenes WHERE token = ? AND product = ?", sorted(gone))
    for column in kinds(session):  # that no scene has any more: a catalogue that is made anew would not have them
        if column not in COLUMNS and session.execute(f'SELECT MAX("{column}") FROM scenes').fetchone()[0] in (None, 0):
            session.execute(f'ALTER TABLE scenes DROP COLUMN "{column}"')
    return Updated(session.execute("SELECT COUNT(*) FROM scenes").fetchone()[0], computed)


def _add_scenes(session: Session, rows: list[Row]) -> None:
    for column in sorted({column for row in rows for column in row} - set(session.names("scenes"))):
        if len(column) > (session.database.longest_name or len(column)):
            most = f"a name may have {session.database.longest_name} letters in PostgreSQL"
            raise InputError(f"catalogue {session.database}: column {column} has {len(column)} letters, {most}; keep it by --catalogue sqlite")
        session.execute(f'ALTER TABLE scenes ADD COLUMN "{column}" {WHOLE} DEFAULT 0')
    session.many("DELETE FROM scenes WHERE token = ? AND product = ?", [(row["token"], row["product"]) for row in rows])
    _insert(session, "scenes", rows)


def scene_row(path: Path, out: Path, config: FeatureConfig) -> Row | None:
    """The row of a scene, of its manifest; None: it has no two samples, and so is in no dataset."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest["tables"]["samples"] < 2:
            return None
        found = scene_features(path.parent, out, manifest["start_ns"], manifest["end_ns"], config)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        why = f"{type(error).__name__}: {error}"
        raise InputError(f"{path.parent}: the scene is damaged ({why}); remove it, and ./heron jadd create makes it anew") from error
    row: Row = {"token": manifest["scene"], "product": manifest["product"], "features": config.digest}
    row |= {name: manifest[name] for name in ("recording", "profile", "driver", "start_ns", "end_ns", "image_bytes")}
    row |= {name: manifest["tables"][name] for name in ("samples", "frames")}
    row["samples_dropped"] = sum(manifest["quality"]["dropped"].values())
    for name in ("jitter_ms", "apart_ms"):
        row[name] = max((camera[name] for camera in manifest["quality"]["cameras"].values() if camera.get(name) is not None), default=None)
    return row | found


def _recordings(session: Session, out: Path) -> None:
    known: dict[str, Row] = {}
    for path in sorted((out / RECORDINGS).glob("*.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        row = {name: told[name] for name in ("identity", "first_ns", "last_ns", "steer_ratio")}
        row |= {"rig": told["rig"]["name"], "cameras": ",".join(name for name, _ in told["cameras"])}
        if len(row["cameras"]) > len(known.get(told["identity"], {"cameras": ""})["cameras"]):  # it may have been probed for fewer
            known[told["identity"]] = row
    session.execute("DELETE FROM recordings")
    sums = session.execute("SELECT recording, COUNT(name), SUM(CASE WHEN name IS NULL THEN 0 ELSE duration_s END) FROM scenes GROUP BY recording")
    for identity, scenes, driven_s in sorted(sums):
        _insert(session, "recordings", [{**known.get(identity, {"identity": identity}), "scenes": scenes, "driven_s": round(driven_s, 3)}])

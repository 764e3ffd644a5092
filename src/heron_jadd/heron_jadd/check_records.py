"""Tables of a nuScenes view as records that hold what the devkit expects: fields, types, references, no token twice."""

from __future__ import annotations

import json
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from heron_jadd.check_tables import BROKEN, Row, Say, doubled, is_vector, why
from heron_jadd.nuscenes import TABLES

LINKS = {"prev": str, "next": str}
# Field → type; a number: so many finite numbers; "tokens": a list of them; "matrix": 3 x 3 numbers, or none at all.
FIELDS: Mapping[str, Mapping[str, Any]] = {
    "category": {"name": str, "description": str},
    "attribute": {"name": str, "description": str},
    "visibility": {"level": str, "description": str},
    "instance": {"category_token": str, "nbr_annotations": int, "first_annotation_token": str, "last_annotation_token": str},
    "sensor": {"channel": str, "modality": str},
    "calibrated_sensor": {"sensor_token": str, "translation": 3, "rotation": 4, "camera_intrinsic": "matrix"},
    "ego_pose": {"timestamp": int, "rotation": 4, "translation": 3},
    "log": {"logfile": str, "vehicle": str, "date_captured": str, "location": str},
    "scene": {"name": str, "description": str, "log_token": str, "nbr_samples": int, "first_sample_token": str, "last_sample_token": str},
    "sample": {"timestamp": int, "scene_token": str, **LINKS},
    "sample_data": {
        **{"sample_token": str, "ego_pose_token": str, "calibrated_sensor_token": str, "timestamp": int, "fileformat": str, "is_key_frame": bool},
        **{"height": int, "width": int, "filename": str, **LINKS},
    },
    "sample_annotation": {
        **{"sample_token": str, "instance_token": str, "visibility_token": str, "attribute_tokens": "tokens", "translation": 3, "size": 3},
        **{"rotation": 4, "num_lidar_pts": int, "num_radar_pts": int, **LINKS},
    },
    "map": {"log_tokens": "tokens", "category": str, "filename": str},
}
POINTS_TO = {
    **{f"{name}_token": name for name in ("category", "sensor", "log", "scene", "sample", "calibrated_sensor", "instance", "visibility")},
    **{"attribute_tokens": "attribute", "log_tokens": "log"},
}
STREAMED = ("sample_data", "ego_pose", "sample_annotation")  # they grow with the images; a thousand scenes have millions of records


class Records:
    """The 13 tables of a shard. The small ones are held; of the others 8 bytes for each token.

    Args:
        folder: of the JSON tables.
        where: its name in findings.
        say: takes findings.

    Attributes:
        held: table → token → record.
        broken: tables that cannot be read to their end: what is missing in them is no finding of its own.
    """

    def __init__(self, folder: Path, where: str, say: Say) -> None:
        self._folder, self._where, self._say = folder, where, say
        self._hashes: defaultdict[str, array[int]] = defaultdict(lambda: array("q"))
        self.broken: set[str] = set()
        self.held: dict[str, dict[str, Row]] = {name: {row["token"]: row for row in self.read(name)} for name in TABLES if name not in STREAMED}
        for name, rows in self.held.items():
            for row in rows.values():
                self._refers(name, row)

    def at(self, table: str) -> str:
        """A table's file, as findings name it."""
        return f"{self._where}/{table}.json"

    def read(self, table: str) -> Iterator[Row]:
        """Records that have all their fields."""
        try:
            for record in _records(self._folder / f"{table}.json"):
                if not isinstance(record, dict):
                    self._say("view_field", f"{self.at(table)}: {str(record)[:80]!r} is no record")
                    continue
                bad = [name for name, kind in {"token": str, **FIELDS[table]}.items() if not _fits(record.get(name), kind)]
                if bad:
                    value = f"{record[bad[0]]!r}"[:80] if bad[0] in record else "not there"
                    self._say("view_field", f"{self.at(table)}: {bad[0]} of {record.get('token')} is {value}")
                    continue
                self._hashes[table].append(hash(record["token"]))
                yield record
        except BROKEN as error:
            self.broken.add(table)
            self._say("view_unreadable", f"{self.at(table)}: {why(error)}")

    def by_scene(self, table: str) -> Iterator[tuple[str, list[Row]]]:
        """Records of a table whose references hold, scene after scene."""
        samples, seen = self.held["sample"], set()
        whole = (row for row in self.read(table) if self._refers(table, row) and row["sample_token"] in samples)
        for scene, rows in groupby(whole, lambda row: str(samples[row["sample_token"]]["scene_token"])):
            if scene in seen:
                self._say("view_chain", f"{self.at(table)}: records of scene {scene} do not lie together")
            seen.add(scene)
            yield scene, list(rows)
        if table not in self.broken:
            yield from ((scene, []) for scene in self.held["scene"] if scene not in seen)

    def finish(self) -> None:
        """Says which tokens are there twice."""
        for table, hashes in self._hashes.items():
            twice = doubled(hashes)
            if twice and table not in self.broken:
                for record in _records(self._folder / f"{table}.json"):
                    if isinstance(record, dict) and isinstance(record.get("token"), str) and hash(record["token"]) in twice:
                        twice.discard(hash(record["token"]))
                        self._say("view_token", f"{self.at(table)}: token {record['token']} is there more than once")

    def _refers(self, table: str, row: Row) -> bool:
        """Whether the records are there that one names."""
        whole = True
        for field in FIELDS[table]:
            target = POINTS_TO.get(field)
            for token in [] if target is None or target in self.broken else row[field] if isinstance(row[field], list) else [row[field]]:
                if token not in self.held[str(target)]:
                    self._say("view_reference", f"{self.at(table)}: {field} of {row['token']} is {token}, which {target}.json has not")
                    whole = False
        return whole


class Poses:
    """Poses that are taken in about the order in which they come: memory holds those that were passed over."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows, self._waiting = rows, dict[str, Row]()

    def take(self, token: str) -> Row | None:
        """The pose of a token, once."""
        while token not in self._waiting:
            row = next(self._rows, None)
            if row is None:
                return None
            self._waiting[row["token"]] = row
        return self._waiting.pop(token)

    def unused(self) -> int:
        """How many nobody took."""
        return len(self._waiting) + sum(1 for _ in self._rows)


def _records(path: Path) -> Iterator[Any]:
    """Elements of a JSON list, one after the other where each has its line; any other list at once.

    Raises:
        OSError, ValueError: it cannot be read, or is no list, or is cut short.
    """
    with path.open(encoding="utf-8") as file:
        if file.readline() != "[\n":
            file.seek(0)
            whole = json.load(file)
            if not isinstance(whole, list):
                raise ValueError(f"holds {type(whole).__name__}, expected a list")
            yield from whole
            return
        follows = True  # another record, after a comma
        for number, line in enumerate(file, 2):
            text = line.strip()
            if text == "]" and not follows:
                if file.read().strip():
                    raise ValueError(f"line {number + 1}: text after the end")
                return
            if not follows:
                raise ValueError(f"line {number}: no comma before it")
            follows = text.endswith(",")
            try:
                yield json.loads(text[:-1] if follows else text)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
    raise ValueError("cut short: the list does not end")


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(kind, int):
        return is_vector(value, kind)
    if kind == "tokens":
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    if kind == "matrix":
        return value == [] or (isinstance(value, list) and len(value) == 3 and all(is_vector(line, 3) for line in value))
    return type(value) is kind

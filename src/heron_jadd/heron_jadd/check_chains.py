"""One scene of a nuScenes view: whole chains, and the same samples, images, poses and boxes as in the Parquet tables."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from stat import S_ISREG

from heron_jadd.check_images import Image
from heron_jadd.check_records import Poses, Records
from heron_jadd.check_tables import BROKEN, CheckConfig, Row, Say, is_unit, read_table, why
from heron_jadd.job import SCENES
from heron_jadd.tables import schema_of


class SceneView:
    """Checks the scenes of a shard.

    Args:
        root: the dataset.
        name: folder of the shard.
        records: its tables.
        limits: of the check.
        scenes: token → row of the table of scenes; None: it cannot be read.
        say: takes findings.
    """

    def __init__(self, root: Path, name: str, records: Records, limits: CheckConfig, scenes: Mapping[str, Row] | None, say: Say) -> None:
        self._root, self._name, self._limits, self._scenes, self._say = root, name, limits, scenes, say
        self._held, self._at, self._broken = records.held, records.at, records.broken
        self._shift_us: dict[str, int] = {}  # scene → its time in the view less its time in the tables

    def channel(self, calibrated: Row) -> tuple[str, str]:
        """(channel, modality) of a calibrated sensor."""
        sensor = self._held["sensor"].get(calibrated["sensor_token"], {})
        return str(sensor.get("channel")), str(sensor.get("modality"))

    def samples(self, scene: Row, samples: list[Row]) -> None:
        """Checks a scene's samples."""
        self._chain("sample", [(row["timestamp"], row) for row in samples])
        self._ends("scene", scene, samples, ("nbr_samples", "first_sample_token", "last_sample_token"))
        truth = self._truth(scene["token"], "samples")
        if truth is None:
            return
        for row in samples:
            stored = truth.pop(row["token"], None)
            if stored is None:
                self._say("view_truth", f"{self._at('sample')}: {row['token']} is in no table")
            else:
                self._time("sample", scene["token"], row, stored)
        self._left("sample", scene["token"], truth)

    def data(self, scene: str, rows: list[Row], poses: Poses) -> list[Image]:
        """Checks a scene's images and their poses; images that are no links, whose bytes are to be read."""
        truth, copies, channels = self._truth(scene, "frames"), [], defaultdict(list)
        for row in rows:
            channel, modality = self.channel(self._held["calibrated_sensor"].get(row["calibrated_sensor_token"], {"sensor_token": ""}))
            channels[channel].append((row["timestamp"], row))
            pose = poses.take(row["ego_pose_token"])
            if pose is None and "ego_pose" not in self._broken:
                name = f"ego_pose_token of {row['token']} is {row['ego_pose_token']}"
                self._say("view_reference", f"{self._at('sample_data')}: {name}, which ego_pose.json has not")
            if pose is not None and not is_unit(pose["rotation"], self._limits):
                self._say("view_pose", f"{self._at('ego_pose')}: rotation of {pose['token']} has the norm {math.hypot(*pose['rotation']):.6f}")
            stored = None if truth is None else truth.pop(row["token"], None)
            if stored is not None:
                copies += self._image(scene, row, pose, stored)
            else:
                self.stat(row["filename"])
                if truth is not None and modality == "camera":
                    self._say("view_truth", f"{self._at('sample_data')}: {row['token']} is in no table of frames")
        for each in channels.values():
            self._chain("sample_data", each)
        self._left("sample_data", scene, truth or {})
        return copies

    def _image(self, scene: str, row: Row, pose: Row | None, stored: Row) -> list[Image]:
        """An image is that of the table; it, unless it is the very file."""
        where = f"{self._at('sample_data')}: {row['token']}"
        self._time("sample_data", scene, row, stored)
        for name in ("sample_token", "is_key_frame", "width", "height"):
            if row[name] != stored[name]:
                self._say("view_truth", f"{where}: {name} is {row[name]!r}, in the table of frames {stored[name]!r}")
        if pose is not None:
            said = pose["timestamp"], *pose["translation"]
            if said != (row["timestamp"], stored["x_m"], stored["y_m"], 0.0) or not self._turned(pose["rotation"], stored["yaw_rad"]):
                self._say(
                    "view_truth", f"{where}: its pose {said[1:]}, rotation {pose['rotation']}, at {said[0]} µs differs from the table of frames"
                )
        if not row["filename"].startswith("samples/" if row["is_key_frame"] else "sweeps/"):
            self._say("view_truth", f"{where}: {row['filename']} with is_key_frame {row['is_key_frame']}")
        found = self.stat(row["filename"])
        if found is None:
            return []
        file = f"{self._name}/{row['filename']}"
        try:
            if os.path.samestat(found, (self._root / stored["file"]).stat()):
                return []
        except (OSError, ValueError):
            pass  # it is said already that the scene's own is not there
        if found.st_size != stored["bytes"]:
            self._say("view_file", f"{file}: {found.st_size} bytes, the table of frames says {stored['bytes']}")
            return []
        return [Image(self._root / file, file, stored["bytes"], stored["crc32"], "view_file")]

    def annotations(self, scene: str, rows: Sequence[Row]) -> Iterable[str]:
        """Checks a scene's boxes; tokens of their instances."""
        truth, instances = self._truth(scene, "boxes"), defaultdict(list)
        for row in rows:
            instances[row["instance_token"]].append((self._held["sample"][row["sample_token"]]["timestamp"], row))
            where = f"{self._at('sample_annotation')}: {row['token']}"
            if not is_unit(row["rotation"], self._limits) or min(row["size"]) <= 0.0:
                self._say("box_value", f"{where}: size {row['size']}, rotation {row['rotation']} of the norm {math.hypot(*row['rotation']):.6f}")
            stored = None if truth is None else truth.pop(row["token"], {})
            if stored is None:
                continue
            said = row["sample_token"], row["instance_token"], *row["translation"], *row["size"]
            names = ("sample_token", "instance_token", "x_m", "y_m", "z_m", "width_m", "length_m", "height_m")
            if said != tuple(stored.get(name) for name in names) or not self._turned(row["rotation"], stored["yaw_rad"]):
                self._say("view_truth", f"{where}: differs from the table of boxes" if stored else f"{where}: is in no table of boxes")
        for token, each in instances.items():
            self._chain("sample_annotation", each)
            instance = self._held["instance"].get(token)
            if instance is not None and "sample_annotation" not in self._broken:
                ends = ("nbr_annotations", "first_annotation_token", "last_annotation_token")
                self._ends("instance", instance, [row for _, row in sorted(each, key=itemgetter(0))], ends)
        self._left("sample_annotation", scene, truth or {})
        return instances

    def _turned(self, rotation: Sequence[float], yaw_rad: float) -> bool:
        """Whether a quaternion w, x, y, z is this turn about the vertical axis."""
        if not math.isfinite(yaw_rad) or rotation[1:3] != [0.0, 0.0]:
            return False
        return abs(math.remainder(2.0 * math.atan2(rotation[3], rotation[0]) - yaw_rad, 2.0 * math.pi)) <= self._limits.unit_error

    def _chain(self, table: str, timed: list[tuple[int, Row]]) -> None:
        """In the order of their times, each record names its neighbours; where records are missing, nothing is said of their neighbours."""
        if table in self._broken:
            return
        rows = [row for _, row in sorted(timed, key=itemgetter(0))]
        for (time_us, one), (later_us, two) in pairwise(sorted(timed, key=itemgetter(0))):
            if time_us == later_us:
                self._say("view_time", f"{self._at(table)}: {one['token']} and {two['token']} are both of {time_us} µs")
        for before, row, after in zip([None, *rows], rows, [*rows[1:], None], strict=False):
            for name, neighbour in (("prev", before), ("next", after)):
                expected = neighbour["token"] if neighbour else ""
                if row[name] != expected:
                    said = f"{name} of {row['token']} is {row[name] or 'empty'}, expected {expected or 'empty'}"
                    self._say("view_chain", f"{self._at(table)}: {said}")

    def _ends(self, table: str, owner: Row, rows: Sequence[Row], names: tuple[str, str, str]) -> None:
        """Number, first and last of a chain, as its owner says."""
        expected = len(rows), rows[0]["token"] if rows else "", rows[-1]["token"] if rows else ""
        for name, value in zip(names, expected, strict=True):
            if owner[name] != value:
                self._say("view_count", f"{self._at(table)}: {name} of {owner['token']} is {owner[name]}, there is {value or 'none'}")

    def _time(self, table: str, scene: str, row: Row, stored: Row) -> None:
        """All times of a scene are those of the tables, or later by the same few microseconds."""
        later_us = row["timestamp"] - stored["stamp_ns"] // 1000
        expected = self._shift_us.setdefault(scene, later_us)
        if later_us != expected or not 0 <= later_us <= len(self._held["scene"]):
            said = f"timestamp of {row['token']} is {row['timestamp']} µs, in the tables it is {stored['stamp_ns']} ns"
            self._say("view_time", f"{self._at(table)}: {said}; other times of the scene differ by {expected} µs")

    def _truth(self, scene: str, table: str) -> dict[str, Row] | None:
        """Token → row of the scene's own table, which the dataset's has been compared with; None: it cannot be read, as has been said."""
        row = None if self._scenes is None else self._scenes.get(scene)
        if row is None:
            return None
        try:
            rows = read_table(self._root / SCENES / scene / row["product"] / f"{table}.parquet", schema_of(table)).to_pylist()
        except BROKEN:
            return None
        return {each["token"]: each for each in rows}

    def _left(self, table: str, scene: str, truth: Mapping[str, Row]) -> None:
        if truth and table not in self._broken:
            self._say("view_truth", f"{self._at(table)}: {len(truth)} of scene {scene} are missing; the first is {next(iter(truth))}")

    def stat(self, filename: str) -> os.stat_result | None:
        """Of a file of the view that is there."""
        try:
            found = (self._root / self._name / filename).stat()
        except (OSError, ValueError) as error:
            self._say("view_file", f"{self._name}/{filename}: {why(error)}")
            return None
        if not S_ISREG(found.st_mode):
            self._say("view_file", f"{self._name}/{filename}: is no file")
            return None
        return found

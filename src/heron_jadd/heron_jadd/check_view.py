"""One shard of a nuScenes view: names, maps, calibration, splits, signals; its scenes are `check_chains`'."""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from heron_jadd.can_bus_files import MESSAGES
from heron_jadd.check_chains import SceneView
from heron_jadd.check_images import Image
from heron_jadd.check_records import Poses, Records
from heron_jadd.check_tables import BROKEN, CheckConfig, Row, Say, is_unit, read_json, why
from heron_jadd.config import JaddConfig

OFFICIAL = 1110  # the last number of nuScenes' own scenes; its CAN API refuses 161-168, 170-176 and 309-314
META = "meta.json"  # of the CAN API: statistics; the route is a list of places, all other messages have their time
UNTIMED = (META, "route.json")
NAME = re.compile(r"scene-(\d{4})")


class ViewChecker:
    """Checks one shard.

    Args:
        root: the dataset.
        name: folder of the shard.
        config: the dataset's parameters.
        limits: of the check.
        scenes: token → row of the table of scenes; None: it cannot be read.
        sensors: rows of the table of sensors; None: it cannot be read.
        say: takes findings.
    """

    def __init__(
        self,
        root: Path,
        name: str,
        config: JaddConfig,
        limits: CheckConfig,
        scenes: Mapping[str, Row] | None,
        sensors: Sequence[Row] | None,
        say: Say,
    ) -> None:
        self._root, self._name, self._config, self._limits, self._scenes, self._say = root, name, config, limits, scenes, say
        self._sensors = None if sensors is None else {row["token"]: row for row in sensors}
        self._records = Records(root / name / config.version, f"{name}/{config.version}", say)
        self._held, self._at = self._records.held, self._records.at
        self._scene = SceneView(root, name, self._records, limits, scenes, say)

    @property
    def scenes(self) -> list[str]:
        """Tokens of its scenes."""
        return list(self._held["scene"])

    @property
    def whole(self) -> bool:
        """Whether its list of scenes could be read."""
        return "scene" not in self._records.broken

    def check(self) -> Iterator[list[Image]]:
        """Checks it scene by scene; yields images of each that are no links, and whose bytes are to be read."""
        records = self._records
        self._names()
        self._maps()
        self._calibration()
        self._split()
        self._signals()
        if "sample" not in records.broken:
            samples = _grouped(self._held["sample"].values(), "scene_token")
            for scene in self._held["scene"].values():
                self._scene.samples(scene, samples.get(scene["token"], []))
            poses = Poses(records.read("ego_pose"))
            for scene_token, rows in records.by_scene("sample_data"):
                yield self._scene.data(scene_token, rows, poses)
            unused = poses.unused()
            if unused and "sample_data" not in records.broken:
                self._say("view_reference", f"{self._at('ego_pose')}: {unused} poses that no sample_data names")
            found: set[str] = set()
            for scene_token, rows in records.by_scene("sample_annotation"):
                found.update(self._scene.annotations(scene_token, rows))
            for instance in self._held["instance"] if "sample_annotation" not in records.broken else ():
                if instance not in found:
                    self._say("view_count", f"{self._at('instance')}: {instance} has no annotation")
        records.finish()

    def _names(self) -> None:
        """Scenes are called as the devkit wants it, and no two begin at once."""
        starts: dict[int, str] = {}
        where, names = self._at("scene"), Counter(scene["name"] for scene in self._held["scene"].values())
        for token, scene in self._held["scene"].items():
            name = scene["name"]
            matched = NAME.fullmatch(name)
            if not matched:
                self._say("scene_name", f"{where}: {name!r}, expected a name such as scene-2000")
            elif int(matched[1]) <= OFFICIAL:
                self._say("scene_name", f"{where}: {name}: numbers up to {OFFICIAL} are nuScenes' own, and its CAN API refuses some")
            if names[name] > 1:
                self._say("scene_name", f"{where}: {token} is called {name}, as {names[name] - 1} more")
            first = self._held["sample"].get(scene["first_sample_token"])
            if first is not None:
                other = starts.setdefault(first["timestamp"], name)
                if other != name:
                    self._say("view_time", f"{where}: {name} and {other} begin at the same microsecond, {first['timestamp']}")
            row = None if self._scenes is None else self._scenes.get(token, {})
            if row is not None and row.get("name") != name:
                self._say("view_truth", f"{where}: {token} is called {name}, in the table of scenes {row.get('name', 'it is not')}")

    def _maps(self) -> None:
        mapped = {log for row in self._held["map"].values() for log in row["log_tokens"]}
        for log in self._held["log"] if "map" not in self._records.broken else ():
            if log not in mapped:
                self._say("view_reference", f"{self._at('map')}: no map has the log {log}")
        for row in self._held["map"].values():
            self._scene.stat(row["filename"])

    def _calibration(self) -> None:
        """Every camera is that of the table of sensors."""
        cameras = []
        for token, row in self._held["calibrated_sensor"].items():
            if not is_unit(row["rotation"], self._limits):
                self._say("calibration", f"{self._at('calibrated_sensor')}: rotation of {token} has the norm {math.hypot(*row['rotation']):.6f}")
            if self._scene.channel(row)[1] != "camera":
                continue
            cameras.append(token)
            truth = None if self._sensors is None else self._sensors.get(token, {})
            said = [value for line in row["camera_intrinsic"] for value in line], row["translation"], row["rotation"], self._scene.channel(row)[0]
            if truth is not None and said != (truth.get("k"), truth.get("translation_m"), truth.get("rotation_wxyz"), truth.get("channel")):
                self._say("view_truth", f"{self._at('calibrated_sensor')}: {token} differs from the table of sensors")
        if not self._config.undistort:
            told = self._mapping("distortion")
            for token in cameras if told is not None else ():
                if told is not None and token not in told:
                    self._say("view_truth", f"{self._at('distortion')}: no lens of {token}, whose images are as the lens made them")

    def _split(self) -> None:
        """Every scene is in one split, and every recording where the splits are of drives."""
        where, splits = self._at("splits"), self._mapping("splits")
        if splits is None:
            return
        scenes = {scene["name"]: scene for scene in self._held["scene"].values()}
        of_scene, of_log = defaultdict(list), defaultdict(set)
        for split, names in splits.items():
            for name in names if isinstance(names, list) else [names]:
                scene = scenes.get(name) if isinstance(name, str) else None
                if scene is None:
                    if "scene" not in self._records.broken:
                        self._say("split_unknown", f"{where}: {split} names {name!r}, which is no scene")
                    continue
                of_scene[name].append(split)
                of_log[scene["log_token"]].add(split)
                row = None if self._scenes is None else self._scenes.get(scene["token"])
                if row is not None and split.removeprefix("jadd_") != row["split"]:
                    self._say("split_scene", f"{where}: {name} is in {split}, in the table of scenes in {row['split']}")
        for name in scenes:
            if len(of_scene[name]) != 1:
                self._say("split_scene", f"{where}: {name} is in {', '.join(of_scene[name]) or 'no split'}, expected one")
        for log, found in of_log.items():
            if len(found) > 1 and self._config.val_by == "drive":
                recording = self._held["log"].get(log, {}).get("logfile", log)
                self._say("split_recording", f"{where}: recording {recording} is in the splits {', '.join(sorted(found))}")

    def _mapping(self, name: str) -> Row | None:
        """A JSON file that is no table; None: it cannot be read."""
        try:
            return read_json(self._root / self._name / self._config.version / f"{name}.json")
        except BROKEN as error:
            self._say("view_unreadable", f"{self._at(name)}: {why(error)}")
            return None

    def _signals(self) -> None:
        """Files of the CAN API: whole, and of scenes that there are; what a recording lacks is told in a file."""
        self._mapping("can_bus_missing")
        folder = self._root / self._name / "can_bus"
        expected = {f"{scene['name']}_{message}.json" for scene in self._held["scene"].values() for message in MESSAGES}
        there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        for name in sorted(there | expected):
            where = f"{self._name}/can_bus/{name}"
            if name not in expected and self.whole:
                self._say("view_reference", f"{where}: belongs to no scene")
            try:
                content = json.loads((folder / name).read_text(encoding="utf-8"))
                times = [] if name[11:] in UNTIMED else [row["utime"] for row in content]
                if not isinstance(content, dict if name[11:] == META else list) or any(later < earlier for earlier, later in pairwise(times)):
                    self._say("view_field", f"{where}: expected {'a mapping' if name[11:] == META else 'a list whose utime rises'}")
            except BROKEN as error:
                self._say("view_file" if isinstance(error, FileNotFoundError) else "view_unreadable", f"{where}: {why(error)}")


def _grouped(rows: Iterable[Row], field: str) -> dict[str, list[Row]]:
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[field]].append(row)
    return groups

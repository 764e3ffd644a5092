"""Scenes in TRI's Dataset Governance Policy format (github.com/TRI-ML/dgp, protobuf as JSON): where the car was, and the boxes that people drew.

base_link is the frame of the file's extrinsics. Boxes are labelled in LiDAR sweeps; images are exposed a moment later. As in the scene's own files
for cameras, a box stays where it is in the world from the sweep to the exposures of its sample, so labels are stamped with exposures.

Poses of the format have six degrees of freedom, /odom has three: the car's height, roll and pitch are left out there. Boxes lose nothing by that,
since they are seen from base_link itself.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from heron_bag.errors import BagError
from heron_bag.importing.config import DgpSource
from heron_bag.importing.recording import Item, Tally, find_file
from heron_bag.markers import LABELS_TOPIC
from heron_core.labels import LabelledBox, Labels
from heron_core.se3 import SE3
from heron_core.truth import ActorKind
from heron_core.vehicle import Odometry

ODOMETRY_TOPIC = "/odom"
KINDS = {
    "Person": ActorKind.PEDESTRIAN,
    "Car": ActorKind.CAR,
    "Truck": ActorKind.TRUCK,
    "Bus/RV/Caravan": ActorKind.BUS,
    "Bicycle": ActorKind.BICYCLE,
}
_BOXES = "1"  # BOUNDING_BOX_3D in dgp/proto/annotations.proto


@dataclass(frozen=True)
class _Datum:
    """One sweep or image: its time, the pose of base_link in the world then, the file of its boxes."""

    stamp_ns: int
    base: SE3
    boxes: str


class DgpRecording:
    """Planar poses at every sweep and exposure, labels at every exposure."""

    def __init__(self, source: DgpSource, base: Path) -> None:
        scene = find_file(source.scene, base)
        self.label = f"DGP scene {scene.name}"
        self.offset_s = source.offset_s
        self.absolute = True
        self.files = [scene]
        self._folder = scene.parent
        self._left_out: dict[str, int] = {}
        try:
            self._poses, self._labels = self._read(json.loads(scene.read_text(encoding="utf-8")), source.name_unit_ns)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BagError(f"{scene}: cannot be used as a DGP scene: {error!r}") from error
        if not self._poses:
            raise BagError(f"{scene}: has no poses")
        self.first_ns = self._poses[0].stamp_ns
        self.expected: int | None = len(self._poses) + len(self._labels)

    def items(self, shift_ns: int, tally: Tally) -> Iterator[Item]:
        """See `Recording.items`."""
        for kind, count in sorted(self._left_out.items()):
            tally.counts[f"boxes of {kind} left out"] += count
        found: list[Item] = [(pose.stamp_ns + shift_ns, ODOMETRY_TOPIC, _shifted(pose, shift_ns)) for pose in self._poses]
        for labels in self._labels:
            tally.counts["labelled boxes"] += len(labels.boxes)
            found.append((labels.stamp_ns + shift_ns, LABELS_TOPIC, Labels(labels.stamp_ns + shift_ns, labels.boxes)))
        yield from sorted(found, key=lambda item: item[0])

    def _read(self, scene: Mapping[str, Any], unit_ns: int) -> tuple[list[Odometry], list[Labels]]:
        kinds = self._kinds(scene["ontologies"][_BOXES])
        data = {datum["key"]: datum for datum in scene["data"]}
        bases: dict[int, SE3] = {}
        labels = {}
        for sample in scene["samples"]:
            mounted = self._extrinsics(sample["calibration_key"])
            read = [_datum(data[key], mounted, unit_ns) for key in sample["datum_keys"]]
            sweeps = [each for kind, each in read if kind == "point_cloud" and each.boxes]
            if len(sweeps) > 1:
                raise ValueError(f"{len(sweeps)} labelled sweeps in one sample, expected one")
            bases |= {each.stamp_ns: each.base for _, each in read}
            for exposure in (each for kind, each in read if kind == "image" and sweeps):
                if exposure.stamp_ns not in labels:  # cameras of one exposure share their labels
                    labels[exposure.stamp_ns] = self._seen(sweeps[0], exposure, kinds)
        return _planar(bases), [labels[stamp_ns] for stamp_ns in sorted(labels)]

    def _json(self, name: str) -> Any:
        file = self._folder / name
        if file not in self.files:
            self.files.append(file)
        try:
            return json.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise BagError(f"{file}: {error.strerror}; the scene names it") from error

    def _kinds(self, ontology: str) -> dict[int, str]:
        return {int(item["id"]): str(item["name"]) for item in self._json(f"ontology/{ontology}.json")["items"]}

    def _extrinsics(self, key: str) -> dict[str, SE3]:
        content = self._json(f"calibration/{key}.json")
        return {name: _pose(pose) for name, pose in zip(content["names"], content["extrinsics"], strict=True)}

    def _seen(self, sweep: _Datum, exposure: _Datum, kinds: Mapping[int, str]) -> Labels:
        moved = exposure.base.inverse().compose(sweep.base)
        boxes = []
        for item in self._json(sweep.boxes)["annotations"]:
            name, box = kinds[int(item["class_id"])], item["box"]
            if name not in KINDS:
                self._left_out[name] = self._left_out.get(name, 0) + 1
                continue
            size = (float(box[side]) for side in ("length", "width", "height"))
            boxes.append(LabelledBox(int(item["instance_id"]), KINDS[name], moved.compose(_pose(box["pose"])), *size))
        return Labels(exposure.stamp_ns, tuple(boxes))


def _datum(entry: Mapping[str, Any], mounted: Mapping[str, SE3], unit_ns: int) -> tuple[str, _Datum]:
    """Kind and content; boxes of a sweep are in the frame of its sensor, which has to be base_link."""
    kind, content = next(iter(entry["datum"].items()))
    sensor = mounted[entry["id"]["name"]]
    boxes = str(content["annotations"].get(_BOXES, ""))
    if kind == "point_cloud" and boxes and sensor != SE3.identity():
        raise ValueError(f"boxes of {entry['id']['name']} are not in base_link")
    stamp_ns = int(Path(content["filename"]).stem) * unit_ns
    return kind, _Datum(stamp_ns, _pose(content["pose"]).compose(sensor.inverse()), boxes)


def _pose(pose: Mapping[str, Any]) -> SE3:
    q, t = pose["rotation"], pose["translation"]
    return SE3.from_quaternion_wxyz((q["qw"], q["qx"], q["qy"], q["qz"]), (t["x"], t["y"], t["z"]))


def _planar(bases: Mapping[int, SE3]) -> list[Odometry]:
    """Position and heading, in order of time; speed along the heading and yaw rate are differences between neighbours."""
    stamps = sorted(bases)
    if len(stamps) < 2:
        return []
    places = np.array([bases[stamp_ns].translation[:2] for stamp_ns in stamps])
    yaws = np.unwrap([math.atan2(bases[stamp_ns].rotation[1, 0], bases[stamp_ns].rotation[0, 0]) for stamp_ns in stamps])
    seconds = (np.array(stamps) - stamps[0]) / 1e9
    velocity, rate = np.gradient(places, seconds, axis=0), np.gradient(yaws, seconds)
    speed = velocity[:, 0] * np.cos(yaws) + velocity[:, 1] * np.sin(yaws)
    return [
        Odometry(stamp_ns, float(place[0]), float(place[1]), float(yaw), float(along), float(turning))
        for stamp_ns, place, yaw, along, turning in zip(stamps, places, yaws, speed, rate, strict=True)
    ]


def _shifted(pose: Odometry, shift_ns: int) -> Odometry:
    return Odometry(pose.stamp_ns + shift_ns, pose.x_m, pose.y_m, pose.yaw_rad, pose.speed_mps, pose.yaw_rate_rps)

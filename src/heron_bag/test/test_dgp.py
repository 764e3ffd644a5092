"""Scenes of the Dataset Governance Policy format: a made one, of a car that climbs a bend past a parked bus."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bag_samples import put

from heron_bag.errors import BagError
from heron_bag.importing.config import ImportConfig, load_import_config
from heron_bag.importing.importer import ImportResult, import_recording
from heron_bag.markers import labels
from heron_bag.native import odometries
from heron_bag.reader import open_bag
from heron_bag.writer import BagWriter
from heron_core.labels import LabelledBox, Labels
from heron_core.se3 import SE3
from heron_core.truth import ActorKind

CAMERA = SE3.from_rpy(-math.pi / 2, 0.0, -math.pi / 2, (1.5, 0.2, 1.4))
BUS = SE3.from_rpy(0.02, -0.05, 2.0, (60.0, 21.0, 3.5))  # in the world, tilted
EVERY_US, LATE_US, FIRST_US = 100_000, 20_000, 1_600_000_000_000_000


def car(stamp_us: int) -> SE3:
    """10 m/s along a bend of 0.2 rad/s, climbing at 5 %."""
    t = (stamp_us - FIRST_US) / 1e6
    yaw = 0.3 + 0.2 * t
    place = (50.0 * (math.sin(yaw) - math.sin(0.3)), 50.0 * (math.cos(0.3) - math.cos(yaw)), 0.5 * t)
    return SE3.from_rpy(0.0, -0.05, yaw, place)


def as_json(pose: SE3) -> dict[str, Any]:
    return {
        "rotation": dict(zip(("qw", "qx", "qy", "qz"), pose.to_quaternion_wxyz(), strict=True)),
        "translation": dict(zip("xyz", pose.translation.tolist(), strict=True)),
    }


def scene(folder: Path, samples: int = 4, lidar: SE3 | None = None) -> Path:
    """Writes the scene; an import file of it."""

    def put(name: str, content: Any) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content), encoding="utf-8")

    put("calibration/c.json", {"names": ["LIDAR", "CAM"], "extrinsics": [as_json(lidar or SE3.identity()), as_json(CAMERA)], "intrinsics": [{}, {}]})
    put("ontology/o.json", {"items": [{"id": 3, "name": "Bus/RV/Caravan"}, {"id": 6, "name": "Train"}]})
    data, groups = [], []
    for k in range(samples):
        sweep_us, image_us = FIRST_US + k * EVERY_US, FIRST_US + k * EVERY_US + LATE_US
        box = {"pose": as_json(car(sweep_us).inverse().compose(BUS)), "length": 12.0, "width": 2.5, "height": 3.2}
        boxes = [{"class_id": 3, "instance_id": 4_000_000_000, "box": box}, {"class_id": 6, "instance_id": 5, "box": box}]
        put(f"boxes/{sweep_us}.json", {"annotations": boxes})
        cloud = {"filename": f"cloud/{sweep_us}.npz", "pose": as_json(car(sweep_us)), "annotations": {"1": f"boxes/{sweep_us}.json"}}
        image = {"filename": f"rgb/{image_us}.jpg", "pose": as_json(car(image_us).compose(CAMERA)), "annotations": {}}
        data += [{"key": f"l{k}", "id": {"name": "LIDAR"}, "datum": {"point_cloud": cloud}}]
        data += [{"key": f"i{k}", "id": {"name": "CAM"}, "datum": {"image": image}}]
        groups.append({"calibration_key": "c", "datum_keys": [f"l{k}", f"i{k}"]})
    put("scene_1.json", {"data": data, "samples": groups, "ontologies": {"1": "o"}})
    file = folder / "import.yaml"
    file.write_text("name: made\nsources: [{dgp: {scene: 'scene_*.json', name_unit_ns: 1000}}]\n", encoding="utf-8")
    return file


def run(file: Path, out: Path) -> ImportResult:
    config: ImportConfig = load_import_config(file)
    return import_recording(config, file, out)


def test_boxes_stay_in_the_world_until_the_exposure_and_keep_height_and_tilt(tmp_path: Path) -> None:
    run(scene(tmp_path), tmp_path / "rec")
    with open_bag(tmp_path / "rec") as bag:
        found = list(labels(bag))
    assert [each.stamp_ns for _, each in found] == [(FIRST_US + k * EVERY_US + LATE_US) * 1000 for k in range(4)]
    for log_ns, each in found:
        assert log_ns == each.stamp_ns
        (box,) = each.boxes
        assert (box.id, box.kind, box.length_m, box.width_m, box.height_m) == (4_000_000_000, ActorKind.BUS, 12.0, 2.5, 3.2)
        placed = car(each.stamp_ns // 1000).compose(box.pose)
        np.testing.assert_allclose(placed.translation, BUS.translation, atol=1e-9)
        assert placed.angle_to(BUS) < 1e-7


def test_what_is_no_kind_of_ours_is_counted(tmp_path: Path) -> None:
    result = run(scene(tmp_path), tmp_path / "rec")
    assert result.counts == {"boxes of Train left out": 4, "labelled boxes": 4}
    assert result.messages == {"/labels/boxes": 4, "/odom": 8}


def test_poses_are_planar_and_move_as_the_car_does(tmp_path: Path) -> None:
    run(scene(tmp_path, 8), tmp_path / "rec")
    with open_bag(tmp_path / "rec") as bag:
        found = [each for _, each in odometries(bag)]
    assert len(found) == 16
    for each in found:
        truly = car(each.stamp_ns // 1000)
        assert (each.x_m, each.y_m) == pytest.approx(truly.translation[:2].tolist(), abs=1e-9)
        assert each.yaw_rad == pytest.approx(0.3 + 0.2 * (each.stamp_ns / 1e9 - FIRST_US / 1e6), abs=1e-6)
    assert [each.speed_mps for each in found[1:-1]] == pytest.approx([10.0] * 14, abs=0.05)
    assert [each.yaw_rate_rps for each in found] == pytest.approx([0.2] * 16, abs=1e-4)


def test_damage_is_named(tmp_path: Path) -> None:
    file = scene(tmp_path / "gone")
    (file.parent / "boxes" / f"{FIRST_US}.json").unlink()
    with pytest.raises(BagError, match=rf"{FIRST_US}\.json: No such file"):
        run(file, tmp_path / "a")
    with pytest.raises(BagError, match="boxes of LIDAR are not in base_link"):
        run(scene(tmp_path / "high", lidar=SE3.from_rpy(0.0, 0.0, 0.0, (0.0, 0.0, 1.8))), tmp_path / "b")
    broken = scene(tmp_path / "broken")
    (broken.parent / "scene_1.json").write_text('{"data": []}', encoding="utf-8")
    with pytest.raises(BagError, match=r"cannot be used as a DGP scene: KeyError\('ontologies'\)"):
        run(broken, tmp_path / "c")
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists() and not (tmp_path / "c").exists()


def test_markers_come_back_as_the_labels_they_were(tmp_path: Path) -> None:
    box = LabelledBox(7, ActorKind.CAR, SE3.identity(), 4.5, 1.8, 1.5)
    with BagWriter(tmp_path / "rec") as writer:
        put(writer, "/labels/boxes", 5, Labels(5, (box,)))
        put(writer, "/labels/boxes", 6, Labels(6, ()))
        put(writer, "/other", 5, Labels(5, (LabelledBox(8, ActorKind.CAR, box.pose, 1.0, 1.0, 1.0), box)))
    with open_bag(tmp_path / "rec") as bag:
        assert list(labels(bag)) == [(5, Labels(5, (box,)))]  # without a box there is no stamp
        assert [one.id for _, each in labels(bag, "/other") for one in each.boxes] == [8, 7]
        assert list(labels(bag, "/nowhere")) == []

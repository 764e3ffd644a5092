"""Three real cameras, labelled boxes: they lie in a dataset's images where the recording's own 2D boxes lie. Needs the real recordings."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heron_bag.importing.config import load_import_config
from heron_bag.importing.importer import import_recording
from heron_core.se3 import SE3
from heron_jadd.config import JaddConfig
from heron_jadd.create import create
from heron_jadd.recording import probe
from heron_jadd.tokens import token

ROOT = Path(__file__).resolve().parents[3]
REAL_DATA = Path(os.environ.get("HERON_REAL_DATA", ROOT.parent / "shared/data")) / "surround_dgp" / "scene_01"
CHANNELS = {"CAMERA_01": "CAM_FRONT", "CAMERA_05": "CAM_FRONT_LEFT", "CAMERA_06": "CAM_FRONT_RIGHT"}
WIDTH, HEIGHT = 1936, 1216
CORNERS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The recording, and a dataset of its three moments."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"no recordings in {REAL_DATA}; set HERON_REAL_DATA")
    folder = tmp_path_factory.mktemp("surround")
    file = ROOT / "config" / "import" / "surround_dgp.yaml"
    import_recording(load_import_config(file), file, folder / "rec")
    config = JaddConfig(scene_s=0.2, shortest_s=0.2, keyframe_hz=10.0, undistort=False, val_share=0.0, reach_m=500.0)
    create([folder / "rec"], folder / "dataset", config, workers=1)
    return folder / "rec", folder / "dataset"


def tables(dataset: Path) -> dict[str, Any]:
    folder = dataset / "nuscenes" / "v1.0-trainval"
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in ("sample", "sample_data", "sample_annotation", "scene")} | {
        name: {row["token"]: row for row in json.loads((folder / f"{name}.json").read_text())} for name in ("ego_pose", "calibrated_sensor", "sensor")
    }


def pose(row: dict[str, Any]) -> SE3:
    return SE3.from_quaternion_wxyz(row["rotation"], row["translation"])


def outlines(nuscenes: dict[str, Any]) -> dict[tuple[str, str, str], tuple[float, float, float, float]]:
    """(sample, channel, instance) → left, top, right, bottom of the projected box within the image; none of boxes that reach behind the camera."""
    found = {}
    for image in nuscenes["sample_data"]:
        sensor = nuscenes["calibrated_sensor"][image["calibrated_sensor_token"]]
        k = np.array(sensor["camera_intrinsic"])
        world_to_camera = pose(nuscenes["ego_pose"][image["ego_pose_token"]]).compose(pose(sensor)).inverse()
        for box in nuscenes["sample_annotation"]:
            width, length, height = box["size"]
            local = world_to_camera.apply(pose(box).apply(CORNERS * (length, width, height)))
            if box["sample_token"] != image["sample_token"] or local[:, 2].min() < 0.1:
                continue
            pixels = local @ k.T
            (left, top), (right, bottom) = (edge(pixels[:, :2] / pixels[:, 2:], axis=0).clip(0, (WIDTH, HEIGHT)) for edge in (np.min, np.max))
            if left < right and top < bottom:
                channel = nuscenes["sensor"][sensor["sensor_token"]]["channel"]
                found[image["sample_token"], channel, box["instance_token"]] = (left, top, right, bottom)
    return found


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    width, height = (max(min(one[k + 2], other[k + 2]) - max(one[k], other[k]), 0.0) for k in (0, 1))
    whole = sum((each[2] - each[0]) * (each[3] - each[1]) for each in (one, other))
    return width * height / (whole - width * height)


def test_boxes_lie_where_the_recording_has_its_own_2d_boxes(made: tuple[Path, Path]) -> None:
    recording, dataset = made
    known = probe(recording)
    nuscenes = tables(dataset)
    assert len(nuscenes["sample"]) == 3 and len(nuscenes["sample_data"]) == 9
    ours = outlines(nuscenes)
    ious = []
    for theirs, channel in CHANNELS.items():
        files = sorted((REAL_DATA / "bounding_box_2d" / theirs).glob("*.json"))
        for sample, file in zip(nuscenes["sample"], files, strict=True):
            for item in json.loads(file.read_text())["annotations"]:
                box, instance = item["box"], token("instance", known.identity, known.first_ns, item["instance_id"])
                drawn = ours.get((sample["token"], channel, instance))
                whole = (box["x"], box["y"], box["x"] + box["w"], box["y"] + box["h"])
                ious.append(0.0 if drawn is None else overlap(drawn, whole))
    print(f"{len(ious)} boxes: IoU median {np.median(ious):.3f}, tenth {np.percentile(ious, 10):.3f}, least {min(ious):.3f}")
    assert len(ious) == 159
    assert np.median(ious) > 0.94
    assert min(ious) > 0.7


def test_who_is_labelled_keeps_height_and_number(made: tuple[Path, Path]) -> None:
    _, dataset = made
    nuscenes = tables(dataset)
    bottoms = np.array([box["translation"][2] - box["size"][2] / 2.0 for box in nuscenes["sample_annotation"]])
    assert len(bottoms) == 286
    assert bottoms.min() < -0.7 and bottoms.max() > 0.7  # the street is not level
    seen: dict[str, int] = {}
    for box in nuscenes["sample_annotation"]:
        assert box["attribute_tokens"] == []
        seen[box["instance_token"]] = seen.get(box["instance_token"], 0) + 1
    assert sum(count == 3 for count in seen.values()) > 80

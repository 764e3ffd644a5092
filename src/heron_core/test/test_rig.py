"""rig.yaml: round trip, strictness, and a rig from what cameras announce."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from heron_core.camera import Lens, LensModel
from heron_core.errors import ConfigError
from heron_core.rig import (
    FORWARD_OPTICAL,
    Rig,
    RigCamera,
    StaticTransform,
    StaticTransforms,
    default_frame_id,
    default_topic,
    dump_rig,
    load_rig,
    parse_rig,
    rig_from_announcements,
)
from heron_core.se3 import SE3

LENS = Lens(LensModel.PLUMB_BOB, 640, 480, 500.1, 501.7, 319.5, 239.5, (-0.1, 0.01, 1e-4, 0.0, 0.0))


def rig() -> Rig:
    poses = {"CAM_FRONT": SE3.from_rpy(0, 0.03, 0, (1.9, 0, 1.45)), "CAM_FRONT_LEFT": SE3.from_rpy(0, 0, 1.0, (1.6, 0.9, 1.3))}
    cameras = {
        name: RigCamera(name, default_topic(name), LENS, pose.compose(FORWARD_OPTICAL), default_frame_id(name)) for name, pose in poses.items()
    }
    return Rig("test", cameras)


def test_forward_optical_axes() -> None:
    x_right, y_down, z_forward = np.eye(3)
    assert np.allclose(FORWARD_OPTICAL.apply(np.array([x_right, y_down, z_forward])), [[0, -1, 0], [0, 0, -1], [1, 0, 0]])


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "rig.yaml"
    path.write_text(dump_rig(rig()))
    again = load_rig(path)
    assert list(again.cameras) == ["CAM_FRONT", "CAM_FRONT_LEFT"]
    for name, camera in rig().cameras.items():
        assert again.cameras[name].lens == camera.lens
        assert again.cameras[name].frame_id == camera.frame_id
        assert np.allclose(again.cameras[name].pose.rotation, camera.pose.rotation, atol=1e-12)
        assert np.array_equal(again.cameras[name].pose.translation, camera.pose.translation)
    assert again.by_topic("front_left").name == "CAM_FRONT_LEFT"
    assert again.cameras["CAM_FRONT"].topic == "/camera/front"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("model: plumb_bob", "modell: plumb_bob", "cameras.CAM_FRONT: unknown key 'modell'; did you mean 'model'"),
        ("500.1", "-500.1", "camera CAM_FRONT: impossible calibration: focal lengths fx -500.1"),
        ("model: plumb_bob", "model: fisheye624", "camera CAM_FRONT: 'fisheye624' is not a valid LensModel"),
        ("width: 640", "width: wide", "cameras.CAM_FRONT: width: 'wide' is a str, expected int"),
        ("topic: front_left", "topic: front", "two cameras on topic front"),
        ("name: test", "nom: test", "unknown key 'nom'"),
        ("name: test", "name: [", "not valid yaml"),
    ],
)
def test_a_bad_rig_is_refused_with_the_place(old: str, new: str, says: str) -> None:
    text = dump_rig(rig())
    assert old in text
    with pytest.raises(ConfigError, match=r"my\.yaml: ") as refusal:
        parse_rig(text.replace(old, new, 1), "my.yaml")
    assert says in str(refusal.value)


def test_missing_file_and_empty_rig(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_rig(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="has no cameras"):
        parse_rig("name: a\ncameras: {}\n", "a.yaml")


def test_a_rig_from_announcements() -> None:
    source = rig()
    infos = {camera.topic_name: info for camera, info in zip(source.cameras.values(), source.infos(), strict=True)}
    again = rig_from_announcements("test", infos, [source.transforms()])
    assert again == source


def test_announcements_may_chain_frames_and_must_reach_the_car() -> None:
    source = rig()
    infos = {"front": source.infos()[0]}
    mount, camera = SE3.from_rpy(0, 0, 0.2, (1, 0, 1)), SE3.from_rpy(0, 0.1, 0, (0.1, 0, 0))
    chain = StaticTransforms(
        (
            StaticTransform("roof", infos["front"].frame_id, camera),
            StaticTransform("base_link", "roof", mount),
        )
    )
    assert rig_from_announcements("chained", infos, [chain]).cameras["CAM_FRONT"].pose == mount.compose(camera)
    with pytest.raises(ConfigError, match="'roof' has no parent"):
        rig_from_announcements("broken", infos, [StaticTransforms(chain.transforms[:1])])
    circle = dataclasses.replace(chain, transforms=(chain.transforms[0], StaticTransform(infos["front"].frame_id, "roof", mount)))
    with pytest.raises(ConfigError, match="circle"):
        rig_from_announcements("circle", infos, [circle])


def test_the_demonstration_rig_looks_all_round() -> None:
    demo = load_rig(Path(__file__).resolve().parents[3] / "config" / "vehicle" / "demo" / "rig.yaml")
    assert len(demo.cameras) == 7
    for bearing_deg in range(0, 360, 5):
        bearing = np.radians(bearing_deg)
        point = 20.0 * np.array([[np.cos(bearing), np.sin(bearing), 0.0]])
        seen = [c for c in demo.cameras.values() if c.lens.contains(c.lens.project(c.pose.inverse().apply(point))).all()]
        assert seen, f"no camera sees the ground 20 m away at {bearing_deg}°"

"""What counts as a hard brake, a turn, a loss of fixes, night, and whose a disengagement is: on courses that are known."""

import cv2
import numpy as np
import pytest
from toy_drive import MS, S

from heron_jadd.features import FeatureConfig, Span, features, gnss, light, motion, turns


@pytest.mark.parametrize(("said_s", "expected"), [(0.1, 0), (0.3, 1), (5.49, 1), (5.6, 1), (5.75, 0)])
def test_a_disengagement_is_of_the_scene_that_it_ends(said_s, expected):
    """The next scene begins at 5.5 s at the earliest: when Heron gives back right then, control says so a tick later."""
    event = {"stamp_ns": np.array([round(said_s * S)]), "kind": np.array(["disengagement"]), "cause": np.array(["plan_age"])}
    nothing = {"category": np.array([])}
    found = features({"poses": poses([6.0] * 120), "events": event, "boxes": nothing, "samples": {}}, Span(0, 5 * S, 500 * MS), FeatureConfig())
    assert found["disengagements"] == found.get("disengagements_plan_age", 0) == expected
    assert found["later_disengagements"] == int(said_s == 5.75)


def poses(speeds, yaws=None):
    stamps = np.arange(len(speeds), dtype=np.int64) * 100 * MS
    return {"stamp_ns": stamps, "speed_mps": np.array(speeds, float), "yaw_rad": np.zeros(len(speeds)) if yaws is None else yaws}


def test_brakes_count_once_each_and_soft_ones_do_not():
    span = Span(2 * S, 18 * S, 500 * MS)
    t = np.arange(0.0, 20.05, 0.1)
    twice = np.interp(t, [0, 5, 7, 9, 11, 13, 20], [12, 12, 4, 4, 12, 4, 4])  # 4 m/s² at 5 s and at 11 s
    assert motion(poses(twice), span, FeatureConfig())["hard_brakes"] == 2
    soft = motion(poses(np.interp(t, [0, 5, 9, 20], [12, 12, 1, 1])), span, FeatureConfig())  # 2.75 m/s²
    assert (soft["hard_brakes"], soft["hardest_brake_mps2"]) == (0, 2.75)
    before = np.interp(t, [0, 0.2, 1.2, 20], [12, 12, 6, 6])
    assert motion(poses(before), span, FeatureConfig())["hard_brakes"] == 0, "before the scene"


def test_turns_are_junctions_not_bends_and_may_wait():
    config, seconds_ = FeatureConfig(), np.arange(0.0, 30.0, 0.1)
    whole = np.ones(len(seconds_), bool)
    moving = np.full(len(seconds_), 5.0)

    def yaw(times, degrees):
        return np.radians(np.interp(seconds_, times, degrees))

    assert turns(moving, yaw([0, 5, 11, 30], [0, 0, 90, 90]), whole, config) == (1, 0)
    assert turns(moving, yaw([0, 3, 9, 15, 21], [0, 0, -90, -90, 0]), whole, config) == (1, 1)
    assert turns(moving * 6, yaw([0, 30], [0, 120]), whole, config) == (0, 0), "a bend of 40° in ten seconds"
    stands = moving * ~((seconds_ > 8) & (seconds_ < 20))
    assert turns(stands, yaw([0, 5, 8, 20, 23, 30], [0, 0, 45, 45, 90, 90]), whole, config) == (1, 0), "it waits for a pedestrian"
    cut = seconds_ < 9.0  # the next scene has the lesser half
    assert turns(moving, yaw([0, 5, 11, 30], [0, 0, 90, 90]), cut, config) == (1, 0)
    assert turns(moving, yaw([0, 5, 11, 30], [0, 0, 90, 90]), ~cut, config) == (0, 0)


def test_fixes_that_are_late_or_never_come():
    span = Span(0, 20 * S, 500 * MS)
    stamps = np.arange(0, 20 * S, S, dtype=np.int64)
    fixes = {"stamp_ns": stamps, "fix": np.where(stamps < 10 * S, 4, 1), "latitude_deg": np.full(20, 35.0), "longitude_deg": np.full(20, 139.0)}
    found = gnss(fixes, span, FeatureConfig())
    assert (found["gnss_lost_s"], found["gnss_rtk_share"]) == (0.0, 0.5), "a receiver of 1 Hz loses nothing"
    fixes["fix"] = np.where((stamps >= 5 * S) & (stamps < 9 * S), 0, 4)
    assert gnss(fixes, span, FeatureConfig())["gnss_lost_s"] == 5.0
    assert gnss(None, span, FeatureConfig())["gnss_lost_s"] is None


def test_night_is_dark_pictures(tmp_path):
    frames = {"channel": np.array(["CAM_BACK", "CAM_FRONT"]), "is_key_frame": np.array([True, True]), "file": np.array(["back.jpg", "front.jpg"])}
    for name, grey in (("back", 200), ("front", 20)):
        cv2.imwrite(str(tmp_path / f"{name}.jpg"), np.full((128, 256, 3), grey, np.uint8))
    assert light(frames, tmp_path, FeatureConfig()) == {"brightness": 20.0, "night": 1}
    assert light({**frames, "is_key_frame": np.array([True, False])}, tmp_path, FeatureConfig()) == {"brightness": None, "night": None}
    assert light(frames, tmp_path, FeatureConfig(night=10.0))["night"] == 0

"""The unmodified nuscenes-devkit reads what we write: tables, images, boxes, CAN messages, prediction, and its own evaluation."""

import contextlib
import io
import json
import math

import numpy as np
import pytest
import toy_drive as toy

from heron_core.rig import FORWARD_OPTICAL
from heron_core.se3 import SE3
from heron_jadd.config import JaddConfig
from heron_jadd.create import create

pytest.importorskip("nuscenes", reason="nuscenes-devkit is not installed")

CONFIG = JaddConfig(pose="odometry", scene_s=9.0, shortest_s=4.0, rate_hz=5.0, lidar_placeholder=True, val_share=1.0)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("devkit")
    create([toy.drive(folder / "one", 9.6), toy.drive(folder / "two", 4.6, jitter_ms=1.0)], folder / "out", CONFIG)
    return folder / "out" / "nuscenes"


@pytest.fixture(scope="module")
def nusc(dataset):
    from nuscenes.nuscenes import NuScenes

    return NuScenes("v1.0-trainval", str(dataset), verbose=False)


def quietly(call, *given, **more):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return call(*given, **more)


def test_it_lists_every_scene_although_two_begin_together(nusc, capsys):
    nusc.list_scenes()
    told = capsys.readouterr().out
    assert "scene-2000" in told
    assert "scene-2001" in told
    assert sorted(scene["nbr_samples"] for scene in nusc.scene) == [10, 19]
    sample = nusc.get("sample", nusc.scene[0]["first_sample_token"])
    assert set(sample["data"]) == {*toy.CAMERAS, "LIDAR_TOP"}


def test_boxes_are_in_the_cameras_frame_where_the_world_has_them(nusc):
    scene = max(nusc.scene, key=lambda each: each["nbr_samples"])
    sample = nusc.get("sample", scene["first_sample_token"])
    seen = {}
    for camera, yaw, places in (("CAM_FRONT", 0.0, [(40.0, 3.0, 0.75), (46.5, 3.6, 0.7)]), ("CAM_BACK", math.pi, [(-15.0, -3.0, 0.85)])):
        path, boxes, k = nusc.get_sample_data(sample["data"][camera], selected_anntokens=sample["anns"])
        assert path.endswith(".jpg")
        assert k[0, 0] == toy.LENS.fx
        inverse = SE3.from_rpy(0.0, 0.0, yaw, (1.5, 0.1, 1.4)).compose(FORWARD_OPTICAL).inverse()
        found = np.array(sorted((box.center for box in boxes), key=lambda center: center[2]))
        assert found == pytest.approx(inverse.apply(np.array(places)), abs=2e-3)
        seen |= {tuple(box.wlh): box.name for box in boxes}
    assert seen == {(1.8, 4.5, 1.5): "vehicle.car", (1.8, 4.5, 1.4): "vehicle.car", (0.6, 0.5, 1.7): "human.pedestrian.adult"}


def test_it_draws(nusc, tmp_path):
    import matplotlib

    matplotlib.use("Agg")
    sample = nusc.sample[0]
    quietly(nusc.render_sample, sample["token"], out_path=str(tmp_path / "sample.png"), verbose=False)
    quietly(nusc.render_egoposes_on_map, nusc.log[0]["location"], out_path=str(tmp_path / "map.png"))
    car = next(each for each in nusc.sample_annotation if each["category_name"] == "vehicle.car" and each["sample_token"] == sample["token"])
    quietly(nusc.render_annotation, car["token"], out_path=str(tmp_path / "car.png"))
    assert all(path.stat().st_size > 5000 for path in tmp_path.glob("*.png"))
    assert len(list(tmp_path.glob("*.png"))) == 3


def test_can_messages_and_prediction(nusc, dataset):
    from nuscenes.can_bus.can_bus_api import NuScenesCanBus
    from nuscenes.prediction import PredictHelper

    can = NuScenesCanBus(str(dataset))
    counts = {message: len(can.get_messages("scene-2000", message)) for message in can.all_messages}
    assert counts["pose"] > 200
    assert counts["steeranglefeedback"] > 200
    assert not quietly(can.list_misaligned_routes)
    helper = PredictHelper(nusc)
    walker = next(
        each for each in nusc.instance if nusc.get("category", each["category_token"])["name"].startswith("human") and each["nbr_annotations"] > 14
    )
    first = nusc.get("sample_annotation", walker["first_annotation_token"])
    future = helper.get_future_for_agent(walker["token"], first["sample_token"], 6, in_agent_frame=False)
    assert len(future) == 12
    assert future[-1] - future[0] == pytest.approx((0.0, 0.3 * 5.5), abs=5e-3)


def test_its_evaluation_of_perfect_detections_is_perfect(nusc, tmp_path):
    from nuscenes.eval.common.config import config_factory
    from nuscenes.eval.detection.evaluate import DetectionEval

    results = {sample["token"]: [] for sample in nusc.sample}
    for each in nusc.sample_annotation:
        if each["num_lidar_pts"] == 0:  # no camera sees it: the evaluation does not ask for it
            continue
        velocity = nusc.box_velocity(each["token"])[:2]
        name = {"vehicle.car": "car", "human.pedestrian.adult": "pedestrian"}[each["category_name"]]
        attribute = nusc.get("attribute", each["attribute_tokens"][0])["name"].replace("stopped", "parked")
        told = {key: each[key] for key in ("sample_token", "translation", "size", "rotation")}
        more = {"velocity": [0.0 if math.isnan(v) else v for v in velocity], "detection_name": name, "detection_score": 0.9}
        results[each["sample_token"]].append({**told, **more, "attribute_name": attribute})
    (tmp_path / "results.json").write_text(json.dumps({"meta": dict.fromkeys(("use_camera",), True), "results": results}))
    evaluation = quietly(
        DetectionEval, nusc, config_factory("detection_cvpr_2019"), str(tmp_path / "results.json"), "jadd_val", str(tmp_path), verbose=False
    )
    metrics = quietly(evaluation.evaluate)[0].serialize()
    assert metrics["mean_dist_aps"]["car"] == pytest.approx(1.0, abs=1e-6)
    assert metrics["label_tp_errors"]["car"]["trans_err"] == pytest.approx(0.0, abs=1e-6)

"""One scene: its images are those that were recorded, its poses and boxes are where things were, and damage is counted."""

import json
import math
import zlib

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import toy_drive as toy
from toy_drive import MS, START_NS, S

from heron_camera.calibration import flat_view
from heron_camera.views import pixel_coordinates
from heron_core.se3 import SE3
from heron_jadd import scene as scene_module
from heron_jadd.config import JaddConfig
from heron_jadd.job import Job
from heron_jadd.lenses import lenses_of, rectify_maps
from heron_jadd.recording import HERON, Recording, identity_of, probe
from heron_jadd.scene import run_scene
from heron_jadd.split import Scene, split

PASS = JaddConfig(undistort=False, pose="odometry")
SHORT = Scene(START_NS, START_NS + 4 * S, HERON)


def job(path, store, config=PASS, scene=SHORT):
    return Job(probe(path), scene, config, store)


def tables(of):
    return {path.stem: pq.read_table(path).to_pylist() for path in of.folder.glob("*.parquet")}


@pytest.fixture(scope="module")
def made(recording, tmp_path_factory):
    one = Job(probe(recording), split(probe(recording), PASS).scenes[0], PASS, tmp_path_factory.mktemp("store"))
    return one, run_scene(one), tables(one)


def test_a_recording_is_what_it_holds_wherever_it_lies(recording, tmp_path):
    moved = toy.drive(tmp_path / "other_name", engaged_s=(-10.0, 100.0))
    assert identity_of(moved) == identity_of(recording)
    assert identity_of(toy.drive(tmp_path / "longer", seconds=23.1, engaged_s=(-10.0, 100.0))) != identity_of(recording)
    found = probe(recording)
    assert list(found.cameras) == ["CAM_FRONT", "CAM_FRONT_LEFT", "CAM_BACK"]
    assert (found.first_ns, found.last_ns, found.lag_ns) == (START_NS, START_NS + 229 * 100 * MS, toy.LAG_NS)


def test_images_pass_through_as_they_were_recorded(made):
    one, manifest, found = made
    assert manifest["tables"]["samples"] == 41
    assert len(found["frames"]) == 3 * 201
    for row in found["frames"][::7]:
        data = (one.store / row["file"]).read_bytes()
        index = (row["stamp_ns"] - START_NS) // (100 * MS)
        assert data == toy.picture(index, row["channel"]).tobytes()
        assert (len(data), zlib.crc32(data)) == (row["bytes"], row["crc32"])
    on_disk = {path.relative_to(one.store).as_posix() for path in one.images.rglob("*.jpg")}
    assert on_disk == {row["file"] for row in found["frames"]}
    assert not list(one.store.rglob(".*"))


def test_every_image_has_the_pose_of_its_exposure_and_the_next_sample(made):
    _, _, found = made
    times = {row["token"]: row["stamp_ns"] for row in found["samples"]}
    for row in found["frames"]:
        assert (row["x_m"], row["y_m"], row["yaw_rad"]) == pytest.approx(toy.pose((row["stamp_ns"] - START_NS) / S), abs=1e-3)
        ahead = times[row["sample_token"]] - row["stamp_ns"]
        assert ahead == 0 if row["is_key_frame"] else 0 < ahead < 500 * MS


def test_tables_reach_before_and_after_the_scene(made):
    one, _, found = made
    begin, end = one.scene.start_ns, one.scene.end_ns
    for name, step in (("poses", 20 * MS), ("imu", 20 * MS)):
        stamps = np.array([row["stamp_ns"] for row in found[name]])
        assert stamps[0] == begin - 500 * MS  # the recording began then
        assert end + 3 * S <= stamps[-1] <= end + 6 * S
        assert set(np.diff(stamps)) == {step}
    assert [(row["manoeuvre"], row["text"]) for row in found["instructions"]] == [("left", "turn left, please")]
    assert [(row["reason"], row["english"], row["japanese"]) for row in found["explanations"]] == [("turn", "Turning left.", "左折します。")]
    assert [(row["kind"], row["cause"]) for row in found["events"]] == [("disengagement", "driver_brake")]
    assert {row["engagement"] for row in found["drivers"]} == {"engaged"}
    assert found["gnss"][0]["fix"] == 4


def test_signals_that_are_valid_are_in_the_state_and_others_are_null(made):
    one, _, found = made
    rows = found["state"]
    assert {row["speed"] for row in rows} == {toy.SPEED_MPS}
    assert [row["steer"] for row in rows[:26]] == [None] * 25 + [0.02]
    assert all(row["brake"] is None and row["gear"] is None for row in rows)
    assert one.recording.steer_ratio is None


def test_every_can_signal_is_decoded_in_full_and_unknown_frames_are_counted(tmp_path):
    messages = [*toy.entries(6.0), *toy.can_frames(6.0)]
    one = job(toy.write(tmp_path / "can", messages, vehicle=("can.yaml", "demo.dbc", "vehicle.yaml")), tmp_path / "store")
    manifest = run_scene(one)
    assert one.recording.steer_ratio == 15.0
    assert manifest["quality"]["can"] == {"vehicle: unknown id 0x7a1": 60}
    rows = tables(one)["signals"]
    wheel = [(row["stamp_ns"], row["value"]) for row in rows if (row["message"], row["signal"]) == ("WHEEL_SPEEDS", "WHEEL_FL")]
    assert [at for at, _ in wheel] == [START_NS + k * 100 * MS for k in range(60)]
    assert [value for _, value in wheel] == pytest.approx([0.03 * round(0.3 * k) for k in range(60)])
    assert {row["signal"] for row in rows} == {"CRC", "COUNTER", "WHEEL_FL", "WHEEL_FR", "WHEEL_RL", "WHEEL_RR"}
    assert not any(row["sent"] for row in rows)
    bare = job(toy.write(tmp_path / "bare", messages), tmp_path / "store")
    assert "signals" not in run_scene(bare)["tables"]


def test_boxes_lie_where_the_actors_are_and_hide_each_other(made):
    _, _, found = made
    samples = {row["token"]: row["stamp_ns"] for row in found["samples"]}
    by_actor = {}
    for row in found["boxes"]:
        by_actor.setdefault(row["instance_token"], []).append(row)
    assert len(by_actor) == 3
    car = next(rows for rows in by_actor.values() if rows[0]["category"] == "vehicle.car" and rows[0]["height_m"] == 1.5)
    assert [(row["x_m"], row["y_m"], row["z_m"]) for row in car] == [pytest.approx((40.0, 3.0, 0.75), abs=1e-3)] * len(car)
    assert (car[0]["width_m"], car[0]["length_m"], car[0]["attribute"]) == (1.8, 4.5, "vehicle.stopped")
    assert math.remainder(car[-1]["yaw_rad"] - 0.1, 2 * math.pi) == pytest.approx(0.0, abs=1e-6)
    hidden = next(rows for rows in by_actor.values() if rows[0]["height_m"] == 1.4)
    assert car[0]["visible"] == 1.0
    assert hidden[0]["visible"] < 0.5
    walker = next(rows for rows in by_actor.values() if rows[0]["category"] == "human.pedestrian.adult")
    at = (samples[walker[5]["sample_token"]] - START_NS) / S
    assert walker[5]["y_m"] == pytest.approx(-3.0 + 0.3 * at, abs=1e-3)
    assert walker[5]["attribute"] == "pedestrian.moving"


def test_boxes_move_with_the_datasets_own_poses(tmp_path):
    """Odometry that is turned and moved against the world: boxes still stand where the cameras see them."""
    shifted = []
    for log_ns, topic, message in toy.entries(6.0):
        if topic == "/odom":
            turned = SE3.from_rpy(0.0, 0.0, 2.0, (100.0, -50.0, 0.0)).compose(
                SE3.from_rpy(0.0, 0.0, message.yaw_rad, (message.x_m, message.y_m, 0.0))
            )
            yaw = math.atan2(turned.rotation[1, 0], turned.rotation[0, 0])
            message = type(message)(message.stamp_ns, *turned.translation[:2].tolist(), yaw, message.speed_mps, message.yaw_rate_rps, True)
        shifted.append((log_ns, topic, message))
    one = job(toy.write(tmp_path / "shifted", shifted), tmp_path / "s1")
    other = job(toy.drive(tmp_path / "straight", 6.0), tmp_path / "s2", JaddConfig(undistort=False, pose="truth"))
    run_scene(one)
    run_scene(other)

    def seen(of):
        found = tables(of)
        pose = {row["sample_token"]: row for row in found["frames"] if row["channel"] == "CAM_FRONT" and row["is_key_frame"]}
        rows = []
        for row in found["boxes"]:
            ego = pose[row["sample_token"]]
            place = SE3.from_rpy(0.0, 0.0, ego["yaw_rad"], (ego["x_m"], ego["y_m"], 0.0)).inverse()
            local = place.apply(np.array([[row["x_m"], row["y_m"], row["z_m"]]]))[0]
            rows.append((*local, math.remainder(row["yaw_rad"] - ego["yaw_rad"], 2 * math.pi)))
        return np.array(rows)

    assert np.abs(seen(one) - seen(other)).max() < 2e-3
    assert abs(tables(one)["boxes"][0]["x_m"] - 40.0) > 30.0


def test_undistorted_images_are_those_of_the_ideal_lens(recording, tmp_path):
    one = job(recording, tmp_path, JaddConfig(rate_hz=2.0, pose="odometry"))
    run_scene(one)
    row = tables(one)["frames"][0]
    found = cv2.imread(str(tmp_path / row["file"]))
    real, ideal = toy.LENS, lenses_of(toy.rig(), one.config, ("CAM_FRONT",))["CAM_FRONT"]
    assert ideal.distortion == (0.0,) * 5
    shown = cv2.imdecode(toy.picture(0, "CAM_FRONT"), cv2.IMREAD_COLOR)
    grid = np.array([[u, v] for u in range(20, 172, 8) for v in range(14, 96, 6)], np.float64)
    there = real.project(ideal.unproject(grid))
    inside = real.contains(there)
    assert inside.mean() > 0.8
    expected = cv2.remap(shown, there[inside].astype(np.float32)[None], None, cv2.INTER_LINEAR)[0]
    away = np.abs(found[grid[inside][:, 1].astype(int), grid[inside][:, 0].astype(int)].astype(int) - expected.astype(int))
    assert np.median(away) <= 2
    assert (away > 40).mean() < 0.03


def likeness(path, index, camera):
    """Peak signal-to-noise ratio in dB of a stored image and what was before the camera."""
    return cv2.PSNR(cv2.imread(str(path)), cv2.imdecode(toy.picture(index, camera), cv2.IMREAD_COLOR))


def test_video_is_decoded_from_the_key_frame_before_the_scene(tmp_path):
    one = job(toy.write(tmp_path / "video", toy.filmed(toy.entries(9.0))), tmp_path / "store", scene=Scene(START_NS + 3 * S, START_NS + 7 * S, HERON))
    manifest = run_scene(one)
    assert manifest["quality"]["cameras"]["CAM_FRONT"]["recorded"] == 45  # with a little before and after
    assert manifest["quality"]["samples"] == 9
    front = [row for row in tables(one)["frames"] if row["channel"] == "CAM_FRONT"]
    assert len(front) == 41
    for row in front[::8]:
        index = (row["stamp_ns"] - START_NS) // (100 * MS)
        assert likeness(tmp_path / "store" / row["file"], index, "CAM_FRONT") > 28.0
        assert likeness(tmp_path / "store" / row["file"], index + 1, "CAM_FRONT") < 25.0


def test_a_lost_packet_costs_what_depends_on_it_and_is_counted(tmp_path):
    messages = toy.filmed(toy.entries(9.0), group=20)
    front = [k for k, each in enumerate(messages) if each[1] == "/camera/front/video"]
    del messages[front[45]]  # 40 is a key frame, 60 the next
    one = job(toy.write(tmp_path / "lost", messages), tmp_path / "store", scene=Scene(START_NS + 3 * S, START_NS + 7 * S, HERON))
    counts = run_scene(one)["quality"]["cameras"]["CAM_FRONT"]
    assert (counts["damaged"], counts["before a key frame"]) == (1, 13)
    assert [row["stamp_ns"] for row in tables(one)["samples"]] == [START_NS + k * S // 2 for k in (6, 7, 8, 12, 13, 14)]


def test_pixels_that_were_not_encoded_become_jpeg(tmp_path):
    messages = []
    for log_ns, topic, each in toy.entries(6.0):
        if getattr(each, "camera", "") == "CAM_FRONT":
            pixels = cv2.imdecode(each.data, cv2.IMREAD_COLOR)
            pixels.flags.writeable = False
            topic, each = "/camera/front/image", type(each)(each.camera, each.stamp_ns, each.received_ns, "bgr8", pixels)
        messages.append((log_ns, topic, each))
    one = job(toy.write(tmp_path / "raw", messages), tmp_path / "store")
    run_scene(one)
    row = next(row for row in tables(one)["frames"] if row["channel"] == "CAM_FRONT")
    assert likeness(tmp_path / "store" / row["file"], 0, "CAM_FRONT") > 32.0


def test_damage_is_counted_and_the_next_image_serves(tmp_path):
    messages = toy.entries(6.0)
    front = [k for k, each in enumerate(messages) if each[1].startswith("/camera/front/")]
    messages[front[10]] = toy.torn(messages[front[10]])  # of the sample at 1.0 s
    again = messages[front[22]]
    messages.append((again[0] + MS, again[1], messages[front[20]][2]))  # a clock that jumps back
    one = job(toy.write(tmp_path / "damaged", messages), tmp_path / "store")
    manifest = run_scene(one)
    counts = manifest["quality"]["cameras"]["CAM_FRONT"]
    assert (counts["torn"], counts["out of order"]) == (1, 1)
    assert manifest["quality"]["samples"] == 9 - 1
    assert manifest["quality"]["dropped"] == {"no image of CAM_FRONT": 1}
    stamps = [row["stamp_ns"] for row in tables(one)["samples"]]
    assert START_NS + S not in stamps


def test_an_image_of_the_wrong_size_is_damage(tmp_path):
    messages = toy.entries(6.0)
    big = cv2.imencode(".jpg", np.zeros((50, 50, 3), np.uint8))[1].reshape(-1)
    big.flags.writeable = False
    at = next(k for k, each in enumerate(messages) if each[1].startswith("/camera/front/"))
    log_ns, topic, frame = messages[at]
    messages[at] = log_ns, topic, type(frame)(frame.camera, frame.stamp_ns, frame.received_ns, "jpeg", big)
    one = job(toy.write(tmp_path / "sizes", messages), tmp_path / "store", JaddConfig(pose="odometry"))
    assert run_scene(one)["quality"]["cameras"]["CAM_FRONT"]["damaged"] == 1


def test_images_without_a_pose_are_left_out(tmp_path):
    messages = [each for each in toy.entries(6.0) if each[1] != "/odom" or not 2 * S < each[0] - START_NS < 3 * S]
    manifest = run_scene(job(toy.write(tmp_path / "gap", messages), tmp_path / "store"))
    assert manifest["quality"]["cameras"]["CAM_BACK"]["without pose"] == 9
    assert manifest["quality"]["samples"] == 9 - 1


def test_a_scene_that_is_done_is_not_done_again_and_rates_share_images(recording, tmp_path, monkeypatch):
    ten = job(recording, tmp_path)
    run_scene(ten)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    two = job(recording, tmp_path, JaddConfig(undistort=False, rate_hz=2.0, pose="odometry"))
    assert two.token == ten.token
    assert two.images == ten.images
    assert two.folder != ten.folder
    run_scene(two)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    by_stamp = {(row["channel"], row["stamp_ns"]): (row["token"], row["file"], row["is_key_frame"]) for row in tables(ten)["frames"]}
    for row in tables(two)["frames"]:
        assert by_stamp[row["channel"], row["stamp_ns"]] == (row["token"], row["file"], True)
    alone = job(recording, tmp_path / "alone", JaddConfig(undistort=False, rate_hz=2.0, pose="odometry"))
    run_scene(alone)
    for path in alone.folder.iterdir():
        assert path.read_bytes() == (two.folder / path.name).read_bytes(), path.name
    monkeypatch.setattr(Recording, "open", lambda recording: pytest.fail("read again"))
    assert run_scene(ten) == json.loads((ten.folder / "manifest.json").read_text())


def test_profiles_share_no_images(recording, tmp_path):
    plain, flat = job(recording, tmp_path), job(recording, tmp_path, JaddConfig(pose="odometry"))
    run_scene(plain)
    run_scene(flat)
    one, other = ({(row["token"], row["file"]) for row in tables(each)["frames"]} for each in (plain, flat))
    assert not {each[0] for each in one} & {each[0] for each in other}
    assert not {each[1] for each in one} & {each[1] for each in other}
    assert tables(plain)["samples"] == tables(flat)["samples"]


def test_a_failed_scene_leaves_nothing_that_looks_done(recording, tmp_path, monkeypatch):
    one = job(recording, tmp_path)
    monkeypatch.setattr(scene_module, "write_table", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        run_scene(one)
    assert one.manifest() is None
    assert not list(tmp_path.rglob("*.parquet"))
    monkeypatch.undo()
    assert run_scene(one)["tables"]["samples"] == 9


def test_maps_made_in_bands_are_the_lenss():
    fixed, fraction = rectify_maps(toy.LENS, 0.0)
    whole = pixel_coordinates(toy.LENS, flat_view(toy.LENS, None), np.eye(3))
    found = fixed + np.stack([fraction % 32, fraction // 32], 2) / 32.0
    assert np.abs(found - whole).max() <= 1 / 32

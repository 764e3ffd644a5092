"""The plan is drawn where the lens shows it, for any rig; the video has a picture per plan."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from heron_bag.serialise import ros_type_of, serialise
from heron_bag.writer import BagWriter
from heron_bringup.config import MosaicConfig
from heron_bringup.mosaic import WORDS_PX, exposure_to_can_ms, make_mosaic, moments, rate
from heron_bringup.mosaic_layout import make_layout, rows
from heron_bringup.path_overlay import draw_plan, project, ribbon, runs, stations
from heron_core.camera import Lens, LensModel
from heron_core.errors import InputError
from heron_core.frames import CameraFrame
from heron_core.rig import FORWARD_OPTICAL, Rig, RigCamera, dump_rig
from heron_core.se3 import SE3
from heron_core.signals import ControlStatus, Engagement, Explanation, Instruction
from heron_core.stages import Stages
from heron_core.trajectory import TIMES_S, Trajectory
from heron_core.vehicle import Signal, VehicleState

START_NS = 1_000_000_000_000


def camera(name, yaw_deg, focal=200.0, model=LensModel.PLUMB_BOB):
    d = (0.0,) * (4 if model is LensModel.EQUIDISTANT else 5)
    lens = Lens(model, 320, 214, focal, focal, 159.5, 106.5, d)
    pose = SE3.from_rpy(0.0, 0.1, math.radians(yaw_deg), (1.0, 0.0, 1.5)).compose(FORWARD_OPTICAL)
    return RigCamera(name, name[4:].lower(), lens, pose, name)


SEVEN = {
    "CAM_FRONT_LEFT": 60,
    "CAM_FRONT": 0,
    "CAM_FRONT_RIGHT": -60,
    "CAM_BACK_LEFT": 125,
    "CAM_BACK": 180,
    "CAM_BACK_RIGHT": -125,
}


def rig(*names):
    cameras = {name: camera(name, SEVEN[name]) for name in names if name in SEVEN}
    if "CAM_FRONT_NARROW" in names:
        cameras["CAM_FRONT_NARROW"] = camera("CAM_FRONT_NARROW", 0, 500.0)
    return Rig("test", cameras)


def straight_plan(index=0, speed=10.0):
    points = np.stack([speed * TIMES_S, 0 * TIMES_S, 0 * TIMES_S, 0 * TIMES_S + speed], axis=1).astype(np.float32)
    stamp_ns = START_NS + index * 100_000_000
    return Trajectory.make(stamp_ns, points, index, "p", Stages(exposure_ns=stamp_ns, inference_end_ns=stamp_ns + 60_000_000))


def test_the_ribbon_covers_the_ground_ahead_and_nothing_else():
    image = np.zeros((214, 320, 3), np.uint8)
    seen = camera("CAM_FRONT", 0)
    draw_plan(image, seen, straight_plan().points, 0.9)

    def pixel(x, y):
        u, v = np.round(project(seen, np.array([[x, y, 0.0]]), 1.0)[0]).astype(int)
        return image[v, u]

    assert pixel(8.0, 0.0).any()
    assert pixel(8.0, 0.7).any()
    assert not pixel(8.0, 1.3).any()
    assert not pixel(8.0, -1.3).any()
    assert not image[:80].any()  # the horizon is at row 86


def test_nothing_is_drawn_by_cameras_that_look_away():
    for yaw in (180, 125, -125):
        image = np.zeros((214, 320, 3), np.uint8)
        draw_plan(image, camera("CAM_BACK", yaw), straight_plan().points, 0.9)
        assert not image.any()


def test_points_behind_a_pinhole_camera_have_no_pixel_but_a_fisheye_may_see_them():
    behind = np.array([[0.5, 0.0, 1.0], [6.0, 0.0, 0.0]])
    pinhole = project(camera("CAM_FRONT", 0), behind, 1.0)
    assert np.isnan(pinhole[0]).all()
    assert np.isfinite(pinhole[1]).all()
    wide = camera("CAM_FRONT", 0, 70.0, LensModel.EQUIDISTANT)
    assert np.isfinite(project(wide, np.array([[0.9, 2.0, 0.5]]), 1.0)).all()


@pytest.mark.parametrize("far_m", [1e4, 1e30])
def test_a_plan_that_goes_anywhere_is_drawn_as_far_as_that_makes_sense(far_m: float) -> None:
    points = straight_plan().points.copy()
    points[20:, 0] = far_m
    path, times = stations(points)
    assert 0.0 < path[-1, 0] < 500.0
    assert len(path) == len(times) < 5000
    points[:, 0] = far_m
    assert stations(points)[0].shape == (1, 3)


def test_a_plan_that_starts_behind_the_camera_is_cut_at_the_lens_s_field():
    seen = camera("CAM_FRONT", 0)
    path, _ = stations(straight_plan().points)
    visible = np.isfinite(project(seen, ribbon(path, 0.9), 1.0)).all(axis=(1, 2))
    ((first, last),) = runs(visible)
    assert 1.0 < path[first, 0] < 3.0  # the lens is at x = 1 m
    assert last == len(path) - 1
    image = np.zeros((214, 320, 3), np.uint8)
    draw_plan(image, seen, straight_plan().points, 0.9)
    assert image[-1, 160].any()  # drawn down to the picture's edge


def test_a_plan_of_standing_still_draws_nothing():
    image = np.zeros((214, 320, 3), np.uint8)
    draw_plan(image, camera("CAM_FRONT", 0), np.zeros((40, 4), np.float32), 0.9)
    assert not image.any()


def test_runs():
    assert runs(np.array([True, True, False, True, False, True, True, True])) == [(0, 1), (5, 7)]


def test_the_layout_is_the_car_s():
    assert rows(rig(*SEVEN, "CAM_FRONT_NARROW")) == (
        ["CAM_FRONT_LEFT", "CAM_FRONT", "CAM_FRONT_RIGHT"], ["CAM_FRONT_NARROW"], ["CAM_BACK_LEFT", "CAM_BACK", "CAM_BACK_RIGHT"],
    )  # fmt: skip


@pytest.mark.parametrize("count", range(1, 8))
def test_every_number_of_cameras_fits(count):
    names = ["CAM_FRONT", "CAM_FRONT_NARROW", *(name for name in SEVEN if name != "CAM_FRONT")][:count]
    layout = make_layout(rig(*names), 801)
    assert set(layout.cameras) == set(names)
    covered = np.zeros((layout.height, layout.width), int)
    for box in (*layout.cameras.values(), layout.numbers, layout.above):
        assert box.x >= 0 and box.y >= 0 and box.x + box.width <= layout.width and box.y + box.height <= layout.height
        covered[box.y : box.y + box.height, box.x : box.x + box.width] += 1
    assert covered.max() == 1
    assert layout.width % 2 == 0 and layout.height % 2 == 0


def record(path, seen, encode):
    with BagWriter(path) as writer:
        for index in range(12):
            for offset, item in enumerate(seen.cameras.values()):
                frame = encode(item.name, index, START_NS + index * 50_000_000 + offset * 1_000_000)
                topic = f"{item.topic}/{'video' if frame.encoding == 'h264' else 'image/compressed'}"
                writer.add_topic(topic, ros_type_of(frame))
                writer.write(topic, frame.received_ns, serialise(frame))


def jpeg(camera_name, index, stamp_ns):
    image = np.full((214, 320, 3), 20 * index, np.uint8)
    data = np.frombuffer(cv2.imencode(".jpg", image)[1].tobytes(), np.uint8)
    return CameraFrame(camera_name, stamp_ns, stamp_ns + 5_000_000, "jpeg", data)


def vehicle_folder(path, seen):
    path.mkdir()
    (path / "rig.yaml").write_text(dump_rig(seen))
    return path


def test_a_video_with_a_picture_per_plan(tmp_path):
    import av

    seen = rig("CAM_FRONT", "CAM_BACK")
    record(tmp_path / "bag", seen, jpeg)
    plans = [straight_plan(index) for index in range(5)]
    states = [VehicleState(plan.stamp_ns, {"speed": Signal(9.0, 0, True)}) for plan in plans]
    done = []
    video, picture = make_mosaic(
        tmp_path / "bag",
        vehicle_folder(tmp_path / "car", seen),
        plans,
        states,
        tmp_path,
        config=MosaicConfig(width=400),
        progress=lambda *count: done.append(count),
    )
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        shown = [frame.to_ndarray(format="bgr24") for frame in container.decode(stream)]
        assert stream.codec_context.name == "h264" and stream.codec_context.pix_fmt == "yuv420p"
        assert float(stream.average_rate) == pytest.approx(10.0)
    assert len(shown) == 5
    assert done[-1] == (5, 5)
    assert cv2.imread(str(picture)).shape == shown[0].shape
    box = make_layout(seen, 400).cameras["CAM_BACK"]  # the picture of the plan's own time: exposure 2 x index
    centre = [int(image[box.y + box.height // 2, box.x + box.width // 2].mean()) for image in shown]
    assert centre == pytest.approx([0, 40, 80, 120, 160], abs=6)
    assert not list(tmp_path.glob("*.partial"))


def test_h264_is_decoded_and_a_missing_camera_is_said(tmp_path):
    import av

    seen = rig("CAM_FRONT", "CAM_BACK")
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 320, 214, "yuv420p"
    encoder.options = {"bf": "0", "tune": "zerolatency", "preset": "veryfast"}
    from fractions import Fraction

    encoder.time_base = Fraction(1, 20)

    def h264(name, index, stamp_ns):
        frame = av.VideoFrame.from_ndarray(np.full((214, 320, 3), 20 * index, np.uint8), format="bgr24")
        frame.pts = index
        data = np.frombuffer(b"".join(bytes(packet) for packet in encoder.encode(frame)), np.uint8)
        return CameraFrame(name, stamp_ns, stamp_ns + 5_000_000, "h264", data)

    record(tmp_path / "bag", Rig("one", {"CAM_FRONT": seen.cameras["CAM_FRONT"]}), h264)
    _, picture = make_mosaic(tmp_path / "bag", vehicle_folder(tmp_path / "car", seen), [straight_plan(i) for i in range(5)], [], tmp_path)
    layout = make_layout(Rig("one", {"CAM_FRONT": seen.cameras["CAM_FRONT"]}), 1400)
    box = layout.cameras["CAM_FRONT"]
    assert cv2.imread(str(picture))[box.y + 100, box.x + 100].mean() == pytest.approx(80, abs=8)


def test_a_broken_image_leaves_its_tile_dark(tmp_path):
    seen = rig("CAM_FRONT", "CAM_BACK")

    def broken(name, index, stamp_ns):
        good = jpeg(name, 10, stamp_ns)
        return replace(good, data=np.frombuffer(b"\xff\xd8nothing", np.uint8)) if name == "CAM_BACK" else good

    record(tmp_path / "bag", seen, broken)
    _, picture = make_mosaic(
        tmp_path / "bag", vehicle_folder(tmp_path / "car", seen), [straight_plan(i) for i in range(3)], [], tmp_path, config=MosaicConfig(width=400)
    )
    box = make_layout(seen, 400).cameras["CAM_BACK"]
    assert cv2.imread(str(picture))[box.y + box.height - 10, box.x + 30].mean() < 40


def test_a_recording_of_other_cameras_is_refused_by_name(tmp_path):
    record(tmp_path / "bag", rig("CAM_BACK"), jpeg)
    with pytest.raises(InputError, match=r"CAM_BACK.*CAM_FRONT"):
        make_mosaic(tmp_path / "bag", vehicle_folder(tmp_path / "car", rig("CAM_FRONT")), [straight_plan()], [], tmp_path)


def test_what_is_said_about_a_plan():
    plan = straight_plan()
    first, later = (
        ControlStatus(0, Engagement.SHADOW, "", True, 0, 0.0, 0.0, 0, 0, plan.stages.mark(can_written_ns=plan.stamp_ns + late_ns))
        for late_ns in (70_000_000, 80_000_000)
    )
    (moment,) = moments([plan], [VehicleState(plan.stamp_ns, {"speed": Signal(9.0, 0, True)})], exposure_to_can_ms([first, later]))
    assert (moment.plan_age_ms, moment.to_can_ms, moment.speed_mps) == (60.0, 70.0, 9.0)
    assert rate([straight_plan(i) for i in range(4)]) == 10


def test_words_hold_until_the_next_ones_and_stand_below_the_cameras(tmp_path):
    plans = [straight_plan(index) for index in range(5)]
    words = [
        Explanation(plans[1].stamp_ns, "slow_red", "slowing for the red light", "赤信号なので減速します"),
        Instruction(plans[3].stamp_ns, "left", "turn left"),
        Instruction(plans[0].stamp_ns - 1, "follow"),
        Explanation(plans[4].stamp_ns, "wait_red", "waiting at the red light"),
    ]
    told = [(moment.asked, moment.said) for moment in moments(plans, [], {}, words)]
    red = "slowing for the red light"
    assert told == [("follow", ""), ("follow", red), ("follow", red), ("turn left", red), ("turn left", "waiting at the red light")]
    assert {(moment.asked, moment.said) for moment in moments(plans, [], {})} == {(None, None)}
    seen = rig("CAM_FRONT")
    record(tmp_path / "bag", seen, jpeg)
    _, picture = make_mosaic(
        tmp_path / "bag", vehicle_folder(tmp_path / "car", seen), plans, [], tmp_path, words=words, config=MosaicConfig(width=400)
    )
    image, height = cv2.imread(str(picture)), make_layout(seen, 400).height
    assert image.shape[0] == height + WORDS_PX
    assert image[height:].max() > 150  # something is written there


def test_the_longest_instruction_leaves_room_for_what_is_said(tmp_path):
    plans, seen = [straight_plan()], rig("CAM_FRONT")
    record(tmp_path / "bag", seen, jpeg)
    words = [Instruction(plans[0].stamp_ns, "follow", "W" * 10_000)]
    config = MosaicConfig(width=1400)
    _, picture = make_mosaic(tmp_path / "bag", vehicle_folder(tmp_path / "car", seen), plans, [], tmp_path, words=words, config=config)
    line = cv2.imread(str(picture))[make_layout(seen, 1400).height :]
    assert line[:, :430].max() > 150 > 120 > line[:, 430:].max()

"""Boxes of a dataset lie on the objects in its images, projected by the nuScenes devkit's own code.

The recording's pictures are masks: each actor in its own colour, drawn by the simulator through the demonstration car's real lenses. So the objects
are found in the dataset's own images, whatever undistortion, encoding and naming did to them on the way.
"""

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import toy_drive as toy
from toy_drive import LAG_NS, MS, START_NS

from heron_core.arrays import read_only
from heron_core.camera import Lens, LensModel
from heron_core.frames import CameraFrame
from heron_core.rig import Rig, load_rig
from heron_core.truth import Actor, ActorKind, EgoTruth, Truth
from heron_core.vehicle import Odometry
from heron_jadd.config import JaddConfig
from heron_jadd.create import create
from heron_jadd.tokens import token

ROOT = Path(__file__).resolve().parents[3]
FIRST_RUN_S = 400  # the first picture compiles the renderer: a minute or two of a slow computer
pytestmark = [pytest.mark.slow, pytest.mark.timeout(FIRST_RUN_S)]

WIDTH, HEIGHT = 480, 320
CAMERAS = ("CAM_FRONT", "CAM_FRONT_LEFT", "CAM_BACK", "CAM_FRONT_NARROW")  # a rational lens, fisheyes of 110° and 190°, a plumb_bob lens
PICTURES, STEP_NS = 7, 500 * MS
SPEED_MPS, TURN_RPS, YAW_RAD = 8.0, 0.2, 2.1  # the world's x is not odom's
MEADOW_M = 300.0, 200.0  # where the drive begins: far from the town's poles, which would cut objects in two
HUES = 18  # of actors, 10 of OpenCV's 180 apart
KINDS = (
    (ActorKind.CAR, (4.5, 1.8, 1.5)),
    (ActorKind.PEDESTRIAN, (0.55, 0.6, 1.7)),
    (ActorKind.TRUCK, (7.5, 2.3, 3.1)),
    (ActorKind.CAR, (3.4, 1.5, 1.65)),
    (ActorKind.BICYCLE, (1.75, 0.6, 1.7)),
    (ActorKind.BUS, (10.5, 2.5, 3.05)),
)
SPEEDS = {ActorKind.PEDESTRIAN: 1.5, ActorKind.BICYCLE: 4.0}
VISIBLE, LOWEST_PX, NEAREST_M = 0.9, 12.0, 1.0
MEDIAN, TENTH, MISTAKEN = 0.85, 0.5, 0.75  # IoU: of boxes that lie right at least, of others at most


def ego(t_s):
    """The car on its arc."""
    yaw = YAW_RAD + TURN_RPS * t_s
    radius = SPEED_MPS / TURN_RPS
    x, y = MEADOW_M[0] + radius * (math.sin(yaw) - math.sin(YAW_RAD)), MEADOW_M[1] + radius * (math.cos(YAW_RAD) - math.cos(yaw))
    return EgoTruth(x, y, yaw, SPEED_MPS)


def crowd(seed=5):
    """A function of time that gives actors: all ways round, in motion, never nearer than six metres to the car or four to each other."""
    rng, found = np.random.default_rng(seed), []
    times = np.arange(-0.2, PICTURES * 0.5, 0.1)
    cars = np.array([(ego(t).x_m, ego(t).y_m) for t in times])
    taken = []
    while len(found) < HUES:
        kind, size = KINDS[len(found) % len(KINDS)]
        middle = ego(1.5)
        x, y = middle.x_m + rng.uniform(-34.0, 34.0), middle.y_m + rng.uniform(-34.0, 34.0)
        yaw, speed = rng.uniform(-math.pi, math.pi), rng.uniform(0.0, SPEEDS.get(kind, 8.0))
        path = np.stack([x + speed * np.cos(yaw) * times, y + speed * np.sin(yaw) * times], 1)
        near = size[0] / 2.0
        if np.hypot(*(path - cars).T).min() < 6.0 + near or any(np.hypot(*(path - other).T).min() < 4.0 + near + far for other, far in taken):
            continue
        taken.append((path, near))
        found.append((len(found) + 1, kind, x, y, yaw, speed, size))

    def at(t_s):
        return tuple(
            Actor(
                number, kind, x + speed * math.cos(yaw) * t_s, y + speed * math.sin(yaw) * t_s, yaw, speed, *size, stride_m=speed * t_s, look=number
            )
            for number, kind, x, y, yaw, speed, size in found
        )

    return at


def small_rig():
    from heron_sim.drawing.rays import sized

    real = load_rig(ROOT / "config/vehicle/demo/rig.yaml")
    return Rig("demo", {name: sized(real.cameras[name], WIDTH, HEIGHT) for name in CAMERAS})


@pytest.fixture(scope="module")
def masks():
    """(seconds, camera, JPEG) of masks."""
    pytest.importorskip("nuscenes", reason="the nuScenes devkit is not installed")
    from heron_sim.config import WeatherConfig
    from heron_sim.drawing.rays import camera_view
    from heron_sim.drawing.renderer import Renderer
    from heron_sim.roads.simple import cross_town

    town, actors = cross_town(), crowd()
    views = {name: camera_view(camera) for name, camera in small_rig().cameras.items()}
    renderer = Renderer(town, views, WeatherConfig(), 1, small=True)
    lamps = {group: town.network.lamp(group, 0.0) for group in town.network.groups}
    found = []
    for index in range(PICTURES):
        t_s = index * STEP_NS / 1e9
        for name, picture in renderer.render(Truth(index * STEP_NS, ego(t_s), actors(t_s), lamps), labels=True).items():
            found.append((t_s, name, painted(np.where(picture.ids <= HUES, picture.ids, 0))))
    return found


def painted(ids):
    """Instance ids → JPEG of hues on black; a pixel that is half an object is half as bright."""
    hsv = np.zeros((*ids.shape, 3), np.uint8)
    hsv[ids > 0] = 255
    hsv[..., 0] = np.maximum(ids - 1, 0) * (180 // HUES)
    image = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444])[1]


def seen(image, number):
    """Left, top, right, bottom of an actor in an image of masks; None: not there. Where two meet their hues mix: only the largest part counts."""
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    step = 180 // HUES
    mask = ((hsv[..., 0] + step // 2) // step % HUES == number - 1) & (hsv[..., 1] > 127) & (hsv[..., 2] > 127)
    count, _, parts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    left, top, width, height, _ = parts[1 + int(np.argmax(parts[1:, cv2.CC_STAT_AREA]))]
    return left - 0.5, top - 0.5, left + width - 0.5, top + height - 0.5


def recording(path, masks, late_ns=0):
    """The masks as a drive; `late_ns`: the pictures' stamps are so much too late. Truth comes between the pictures, as it may."""
    actors, messages = crowd(), []
    for t_s, camera, data in masks:
        stamp_ns = START_NS + round(t_s * 1e9) + late_ns
        frame = CameraFrame(camera, stamp_ns, stamp_ns + LAG_NS, "jpeg", read_only(data.reshape(-1)))
        messages.append((stamp_ns + LAG_NS, f"/camera/{camera[4:].lower()}/image/compressed", frame))
    for tick in range(-10, PICTURES * 25 + 10):
        t_s, stamp_ns = tick / 50, START_NS + tick * 20 * MS
        there = ego(t_s)
        x, y = there.x_m - 30.0, there.y_m + 20.0  # odom began elsewhere and looked another way
        c, s = math.cos(YAW_RAD - 1.0), math.sin(YAW_RAD - 1.0)
        moved = Odometry(stamp_ns, c * x + s * y, c * y - s * x, there.yaw_rad - YAW_RAD + 1.0, SPEED_MPS, TURN_RPS, True)
        messages.append((stamp_ns, "/odom", moved))
        if tick % 5 == 2:
            messages.append((stamp_ns, "/sim/truth", Truth(tick * 20 * MS + 10**9, there, actors(t_s), {}, stamp_ns)))
    return toy.write(path, messages, small_rig())


def dataset(folder, masks, late_ns=0, undistort=True):
    """Made of a recording of the masks."""
    config = JaddConfig(pose="odometry", undistort=undistort, quality=100, rate_hz=2.0, scene_s=3.0, shortest_s=2.0)
    made = create([recording(folder / "drive", masks, late_ns)], folder / "out", config)
    assert made.samples >= PICTURES - 1
    return folder / "out"


@pytest.fixture(scope="module")
def undistorted(masks, tmp_path_factory):
    return dataset(tmp_path_factory.mktemp("undistorted"), masks)


def iou(a, b):
    across, down = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(across, 0.0) * max(down, 0.0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def devkit(out):
    """The devkit's view of a dataset."""
    from nuscenes.nuscenes import NuScenes

    return NuScenes("v1.0-trainval", str(out / "nuscenes"), verbose=False)


def ideal(corners, intrinsic, _):
    """(3, 8) corners in a camera's optical frame → (2, 8) pixels, as the devkit makes them."""
    from nuscenes.utils.geometry_utils import view_points

    return view_points(corners, intrinsic, normalize=True)[:2]


def overlaps(out, nusc, project=ideal):
    """IoU of every box that is seen whole with the object in the image.

    The box is the rectangle around its eight projected corners; the object the rectangle around the pixels that show it.
    """
    scene = pq.read_table(out / "tables" / "scenes.parquet").to_pylist()[0]
    numbers = {token("instance", scene["recording"], scene["start_ns"], number): number for number in range(1, HUES + 1)}
    boxes = pq.read_table(out / "tables" / "boxes.parquet", columns=["token", "visible", "instance_token"]).to_pylist()
    whole = {row["token"]: numbers[row["instance_token"]] for row in boxes if row["visible"] > VISIBLE}
    found = []
    for sample in nusc.sample:
        for camera in CAMERAS:
            path, boxes, intrinsic = nusc.get_sample_data(sample["data"][camera], box_vis_level=2)  # whether it is in the image is seen below
            image = cv2.imread(path)
            for box in boxes:
                corners = box.corners()
                if box.token not in whole or corners[2].min() < NEAREST_M:
                    continue
                pixels = project(corners, intrinsic, nusc.get("sample_data", sample["data"][camera])["calibrated_sensor_token"])
                (left, top), (right, bottom) = pixels.min(1), pixels.max(1)
                if bottom - top < LOWEST_PX or not (left >= 0 and top >= 0 and right <= WIDTH - 1 and bottom <= HEIGHT - 1):
                    continue
                there = seen(image, whole[box.token])
                found.append(iou((left, top, right, bottom), there) if there else 0.0)
    print(f"{len(found)} boxes: IoU median {np.median(found):.3f}, p10 {np.percentile(found, 10):.3f}")
    return found


def test_boxes_land_on_the_objects(undistorted):
    found = overlaps(undistorted, devkit(undistorted))
    assert len(found) > 60
    assert np.median(found) > MEDIAN
    assert np.percentile(found, 10) > TENTH


def swapped(nusc):
    """Sizes are length, width, height."""
    for box in nusc.sample_annotation:
        box["size"] = [box["size"][1], box["size"][0], box["size"][2]]


def mirrored(nusc):
    """Yaw grows to the right."""
    for box in nusc.sample_annotation:
        box["rotation"] = [box["rotation"][0], 0.0, 0.0, -box["rotation"][3]]


def sunk(nusc):
    """The place is the middle of the base."""
    for box in nusc.sample_annotation:
        box["translation"] = [*box["translation"][:2], 0.0]


def ros_order(nusc):
    """Quaternions of the cameras are x, y, z, w."""
    for sensor in nusc.calibrated_sensor:
        sensor["rotation"] = [*sensor["rotation"][1:], sensor["rotation"][0]]


def inverted(nusc):
    """Poses of the car say where the world is."""
    for pose in nusc.ego_pose:
        pose["rotation"] = [pose["rotation"][0], 0.0, 0.0, -pose["rotation"][3]]


def next_sample(nusc):
    """Boxes belong to the sample after."""
    for sample in nusc.sample:
        sample["anns"] = nusc.get("sample", sample["next"])["anns"] if sample["next"] else []


@pytest.mark.parametrize("mistake", [swapped, mirrored, sunk, ros_order, inverted, next_sample])
def test_a_mistake_is_seen(undistorted, mistake):
    nusc = devkit(undistorted)
    mistake(nusc)
    found = overlaps(undistorted, nusc)
    assert not found or np.median(found) < MISTAKEN


def test_stamps_that_are_a_tenth_of_a_second_late_are_seen(masks, tmp_path):
    out = dataset(tmp_path, masks, late_ns=100 * MS)
    assert np.median(overlaps(out, devkit(out))) < MISTAKEN


def test_passed_through_images_need_the_lenses_that_the_view_tells(masks, tmp_path):
    out = dataset(tmp_path, masks, undistort=False)
    nusc = devkit(out)
    told = json.loads((out / "nuscenes" / "v1.0-trainval" / "distortion.json").read_text())

    def real(corners, intrinsic, sensor):
        lens = Lens(LensModel(told[sensor]["model"]), WIDTH, HEIGHT, *intrinsic[[0, 1, 0, 1], [0, 1, 2, 2]], tuple(told[sensor]["distortion"]))
        return lens.project(corners.T).T

    assert np.median(overlaps(out, nusc, real)) > MEDIAN
    assert np.median(overlaps(out, nusc)) < MISTAKEN

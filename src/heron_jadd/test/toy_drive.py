"""Small recordings whose every image, pose and box is known."""

import math
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from heron_bag.serialise import ros_type_of, serialise
from heron_bag.writer import BagWriter
from heron_can.frame import Frame, to_batch
from heron_core.arrays import read_only
from heron_core.camera import Lens, LensModel
from heron_core.frames import CameraFrame
from heron_core.rig import FORWARD_OPTICAL, Rig, RigCamera, dump_rig
from heron_core.se3 import SE3
from heron_core.signals import ControlStatus, Engagement, Event, Explanation, FixType, GnssFix, ImuSample, Instruction
from heron_core.truth import Actor, ActorKind, EgoTruth, Truth
from heron_core.vehicle import Odometry, Signal, VehicleState
from heron_sim.roads.geo import LocalFrame
from heron_sim.roads.town import GeoOrigin

DEMO = Path(__file__).resolve().parents[3] / "config/vehicle/demo"
MS, S = 1_000_000, 1_000_000_000
START_NS = 1_700_000_000_100_000_000
PLACE = LocalFrame(GeoOrigin(35.01, 139.02, 120.0))  # of the world that is driven in
SPEED_MPS, TURN_RPS = 6.0, 0.05
WIDTH, HEIGHT = 192, 108
LAG_NS = 12 * MS  # from exposure to the log
CAMERAS = ("CAM_FRONT", "CAM_FRONT_LEFT", "CAM_BACK")
LENS = Lens(LensModel.RATIONAL, WIDTH, HEIGHT, 96.0, 96.0, 95.5, 53.5, (0.1, 0.01, 0.0, 0.0, 0.0, 0.2, 0.02, 0.0))


def rig(names=CAMERAS, lens=LENS):
    """Cameras that look ahead, to the left and back."""
    yaws = {"CAM_FRONT": 0.0, "CAM_FRONT_LEFT": 1.0, "CAM_BACK": math.pi}
    poses = {name: SE3.from_rpy(0.0, 0.0, yaws[name], (1.5, 0.1, 1.4)).compose(FORWARD_OPTICAL) for name in names}
    return Rig("toy", {name: RigCamera(name, name[4:].lower(), lens, pose, name.lower()) for name, pose in poses.items()})


def pose(t_s):
    """Where the car is: x, y, yaw of an arc, in the world and in odom."""
    yaw = TURN_RPS * t_s
    return SPEED_MPS / TURN_RPS * math.sin(yaw), SPEED_MPS / TURN_RPS * (1.0 - math.cos(yaw)), yaw


def picture(index, camera):
    """A JPEG that no other index and camera have."""
    image = np.full((HEIGHT, WIDTH, 3), 30 + 40 * CAMERAS.index(camera), np.uint8)
    cv2.putText(image, f"{index}", (20, 70), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (255, 255, 255), 2)
    return cv2.imencode(".jpg", image)[1].reshape(-1)


def actors(t_s):
    """A car 20 m ahead of where the drive began, which stands, another 6 m behind it, hidden, and somebody who walks across behind."""
    return (
        Actor(1, ActorKind.CAR, 40.0, 3.0, 0.1, 0.0, 4.5, 1.8, 1.5),
        Actor(2, ActorKind.CAR, 46.5, 3.6, 0.1, 0.0, 4.5, 1.8, 1.4),
        Actor(3, ActorKind.PEDESTRIAN, -15.0, -3.0 + 0.3 * t_s, 1.57, 0.3, 0.5, 0.6, 1.7),
    )


def entries(seconds, cameras=CAMERAS, engaged_s=None, jitter_ms=0.0, seed=0, late=(), truth=True):
    """(log time, topic, native) of a drive of 10 images a second.

    Args:
        seconds: of it.
        cameras: that record.
        engaged_s: (from, to): Heron drives; None: no control status at all.
        jitter_ms: standard deviation of exposures, but of the first reference image.
        seed: of the jitter.
        late: (camera, seconds): it begins later.
        truth: with the world's truth.
    """
    rng, found, begins = np.random.default_rng(seed), [], dict(late)
    for index in range(round(seconds * 10)):
        for camera in cameras:
            if index / 10 < begins.get(camera, 0.0):
                continue
            off = round(float(rng.normal(0.0, jitter_ms)) * MS) if index else 0
            stamp_ns = START_NS + index * 100 * MS + off
            frame = CameraFrame(camera, stamp_ns, stamp_ns + LAG_NS, "jpeg", read_only(picture(index, camera)))
            found.append((stamp_ns + LAG_NS, f"/camera/{camera[4:].lower()}/image/compressed", frame))
        t_s, stamp_ns = index / 10, START_NS + index * 100 * MS
        if truth:
            x, y, yaw = pose(t_s)
            found.append((stamp_ns, "/sim/truth", Truth(index * 100 * MS, EgoTruth(x, y, yaw, SPEED_MPS), actors(t_s), {}, stamp_ns)))
        latitude, longitude, altitude = PLACE.to_wgs84(*pose(t_s)[:2])
        found.append((stamp_ns, "/gnss/fix", GnssFix(stamp_ns, latitude, longitude, altitude, FixType.RTK_FIXED, 0.02)))
    for tick in range(-25, round(seconds * 50) + 25):
        t_s, stamp_ns = tick / 50, START_NS + tick * 20 * MS
        x, y, yaw = pose(t_s)
        found.append((stamp_ns, "/odom", Odometry(stamp_ns, x, y, math.remainder(yaw, 2 * math.pi), SPEED_MPS, TURN_RPS, True)))
        found.append((stamp_ns, "/imu", ImuSample(stamp_ns, 0.0, 0.0, TURN_RPS, 0.0, SPEED_MPS * TURN_RPS, 9.81)))
        signals = {"speed": Signal(SPEED_MPS, 0, True), "steer": Signal(0.02, 0, tick >= 0), "brake": Signal(0.5, 0, False)}
        found.append((stamp_ns, "/vehicle/state", VehicleState(stamp_ns, signals)))
        if engaged_s is not None and tick % 2 == 0:
            state = Engagement.ENGAGED if engaged_s[0] <= t_s < engaged_s[1] else Engagement.READY
            found.append((stamp_ns, "/control/status", ControlStatus(stamp_ns, state, "", True, 0, 0.0, 0.0, 0, 0)))
    found.append((START_NS + 3 * S, "/instruction", Instruction(START_NS + 3 * S, "left", "turn left, please")))
    found.append((START_NS + 4 * S, "/plan/explanation", Explanation(START_NS + 4 * S, "turn", "Turning left.", "左折します。")))
    found.append((START_NS + 5 * S, "/events", Event(START_NS + 5 * S, "disengagement", "control", "the driver braked", "driver_brake")))
    return found


def write(path: Path, messages, cars=None, vehicle=()) -> Path:
    """A recording of messages, with files of the demonstration car."""
    with BagWriter(path) as writer:
        for name in vehicle:
            writer.attach(f"vehicle/{name}", (DEMO / name).read_bytes())
        writer.attach("vehicle/rig.yaml", dump_rig(cars or rig()).encode(), "application/yaml")
        for log_ns, topic, message in sorted(messages, key=lambda entry: entry[:2]):
            writer.add_topic(topic, ros_type_of(message))
            writer.write(topic, log_ns, serialise(message))
    return path


def drive(path: Path, seconds=23.0, **more) -> Path:
    """A whole recording."""
    return write(path, entries(seconds, **more))


def torn(message):
    """The same image without its second half."""
    log_ns, topic, frame = message
    half = frame.data[: len(frame.data) // 2]
    return log_ns, topic, CameraFrame(frame.camera, frame.stamp_ns, frame.received_ns, frame.encoding, read_only(half.copy()))


def can_frames(seconds):
    """(log time, /can/tap, batch): wheel speeds of the demonstration car every 100 ms, and an id that nobody knows."""
    found = []
    for index in range(round(seconds * 10)):
        stamp_ns = START_NS + index * 100 * MS
        payload = (round(0.3 * index) << 16).to_bytes(8, "little")  # WHEEL_FL in steps of 0.03 m/s
        found.append((stamp_ns, "/can/tap", to_batch("vehicle", [Frame(stamp_ns, 160, payload), Frame(stamp_ns + MS, 0x7A1, b"\1\2")])))
    return found


def filmed(messages, camera="CAM_FRONT", group=20):
    """The same, but one camera sends H.264 with a key frame every `group` images."""
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = WIDTH, HEIGHT, "yuv420p", Fraction(1, 10)
    codec.options = {"bf": "0", "g": str(group), "keyint_min": str(group), "sc_threshold": "0", "tune": "zerolatency", "crf": "12"}
    found = []
    for log_ns, topic, message in messages:
        if getattr(message, "camera", "") == camera:
            image = av.VideoFrame.from_ndarray(cv2.imdecode(message.data, cv2.IMREAD_COLOR), format="bgr24")
            (packet,) = codec.encode(image)
            unit = np.frombuffer(bytes(packet), np.uint8)
            topic, message = f"/camera/{camera[4:].lower()}/video", CameraFrame(camera, message.stamp_ns, message.received_ns, "h264", unit)
        found.append((log_ns, topic, message))
    return found

"""Messages of a recording as native types: iterators of (log_ns, native), without ROS and without copying payloads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_bag.errors import BagError
from heron_bag.reader import Bag, Message
from heron_bag.serialise import CAMERA_INFO, CAN_BATCH, COMPRESSED_IMAGE, COMPRESSED_VIDEO, IMAGE, NAV_SAT_FIX, UNKNOWN_VARIANCE
from heron_core.arrays import read_only
from heron_core.camera import Lens, LensModel
from heron_core.canbus import CanBatch
from heron_core.errors import ConfigError
from heron_core.frames import CameraFrame
from heron_core.rig import CameraInfo, Rig, StaticTransform, StaticTransforms, parse_rig, rig_from_announcements
from heron_core.se3 import SE3
from heron_core.signals import ControlStatus, Engagement, Event, Explanation, FixType, GnssFix, ImuSample, Instruction, Ladder
from heron_core.stages import STAGE_FIELDS, Stages
from heron_core.trajectory import Trajectory
from heron_core.truth import Actor, ActorKind, EgoTruth, GuideSign, Lamp, Truth
from heron_core.vehicle import SIGNALS, Odometry, Signal, VehicleState

RIG_ATTACHMENT = "vehicle/rig.yaml"
_IMAGE_TYPES = (COMPRESSED_IMAGE, COMPRESSED_VIDEO, IMAGE)
_RAW_ENCODINGS = {"rgb8": "rgb8", "bgr8": "bgr8", "mono8": "mono8", "nv12": "nv12", "yuv422_yuy2": "yuyv", "yuyv": "yuyv"}
_ROW_BYTES = {"rgb8": 3, "bgr8": 3, "mono8": 1, "nv12": 1, "yuyv": 2}
_LAMPS = {0: Lamp.RED, 1: Lamp.YELLOW, 2: Lamp.GREEN}
_EGO = tuple(field.name for field in fields(EgoTruth))  # a drive has tens of thousands of actors
_ACTOR = tuple(field.name for field in fields(Actor) if field.name not in ("kind", "sign"))
_RTK_FLOAT_FROM_M = 0.1  # as in heron_runtime.convert: NavSatFix has one status for both kinds of RTK


def camera_topics(bag: Bag) -> dict[str, str]:
    """Image topics of a recording → name of the camera, e.g. /camera/front/video → CAM_FRONT."""
    return {topic: _camera_name(topic) for topic, info in bag.topics.items() if info.ros_type in _IMAGE_TYPES}


def camera_frames(
    bag: Bag, topics: Mapping[str, str] | Sequence[str] | None = None, start_ns: int | None = None, stop_ns: int | None = None
) -> Iterator[tuple[int, CameraFrame]]:
    """(log_ns, frame) of image topics, in order of log time; `received_ns` is the log time, `data` a view into the chunk.

    Args:
        bag: an open recording.
        topics: topics, or topic → camera name; all image topics by default.
        start_ns: log time of the first, as in `Bag.messages`.
        stop_ns: log time after the last.

    Raises:
        BagError: a topic is missing or holds no images, or an image is of a kind that Heron does not read.
    """
    if topics is None:
        names: Mapping[str, str] = camera_topics(bag)
    else:
        names = topics if isinstance(topics, Mapping) else {topic: _camera_name(topic) for topic in topics}
    wrong = [topic for topic in names if topic in bag.topics and bag.topics[topic].ros_type not in _IMAGE_TYPES]
    if wrong:
        raise BagError(f"{bag.path}: {wrong[0]} is {bag.topics[wrong[0]].ros_type}, which holds no images")
    messages = bag.messages(list(names), start_ns, stop_ns)
    return ((message[2], camera_frame(bag, message, names[message[0]])) for message in messages)


def camera_frame(bag: Bag, message: Message, camera: str) -> CameraFrame:
    """One message of an image topic, as `Bag.messages` gives it, as a frame of the camera.

    Raises:
        BagError: an image of a kind that Heron does not read.
    """
    topic, ros_type, log_ns, raw = message
    return _frame(bag.decode(ros_type, raw), ros_type, camera, topic, log_ns)


def can_batches(bag: Bag, topic: str = "/can/tap", start_ns: int | None = None, stop_ns: int | None = None) -> Iterator[tuple[int, CanBatch]]:
    """(log_ns, CAN batch) of a topic of heron_msgs/CanBatch, in order of log time."""
    return ((log_ns, _can_batch(message)) for log_ns, message in _decoded(bag, topic, CAN_BATCH, start_ns, stop_ns))


def gnss_fixes(bag: Bag, topic: str = "/gnss/fix") -> Iterator[tuple[int, GnssFix]]:
    """(log_ns, fix) of a topic of sensor_msgs/NavSatFix."""
    return ((log_ns, _gnss_fix(message)) for log_ns, message in _decoded(bag, topic, NAV_SAT_FIX))


def imu_samples(bag: Bag, topic: str = "/imu") -> Iterator[tuple[int, ImuSample]]:
    """(log_ns, sample) of a topic of sensor_msgs/Imu."""
    for log_ns, message in _decoded(bag, topic, "sensor_msgs/msg/Imu"):
        rate, accel = message.angular_velocity, message.linear_acceleration
        yield log_ns, ImuSample(_ns(message.header.stamp), rate.x, rate.y, rate.z, accel.x, accel.y, accel.z)


def instructions(bag: Bag, topic: str = "/instruction") -> Iterator[tuple[int, Instruction]]:
    """(log_ns, instruction) of a topic of heron_msgs/Instruction; nothing when the recording has no such topic."""
    if topic in bag.topics:
        for log_ns, message in _decoded(bag, topic, "heron_msgs/msg/Instruction"):
            yield log_ns, Instruction(_ns(message.header.stamp), message.manoeuvre, message.text)


def explanations(bag: Bag, topic: str = "/plan/explanation") -> Iterator[tuple[int, Explanation]]:
    """(log_ns, explanation) of a topic of heron_msgs/Explanation; nothing when the recording has no such topic."""
    if topic in bag.topics:
        for log_ns, message in _decoded(bag, topic, "heron_msgs/msg/Explanation"):
            yield log_ns, Explanation(_ns(message.header.stamp), message.reason, message.english, message.japanese)


def truths(bag: Bag, topic: str = "/sim/truth") -> Iterator[tuple[int, Truth]]:
    """(log_ns, truth) of a topic of heron_msgs/Truth; nothing when the recording has no such topic."""
    if topic in bag.topics:
        for log_ns, message in _decoded(bag, topic, "heron_msgs/msg/Truth"):
            lamps = {int(group): _LAMPS[lamp] for group, lamp in zip(message.lamp_groups, message.lamps, strict=True)}
            actors = tuple(_actor(actor) for actor in message.actors)
            ego = EgoTruth(**{name: getattr(message.ego, name) for name in _EGO})
            yield log_ns, Truth(int(message.time_ns), ego, actors, lamps, _ns(message.header.stamp))


def _actor(message: Any) -> Actor:
    plain = {name: getattr(message, name) for name in _ACTOR}
    return Actor(**plain, kind=ActorKind(message.kind), sign=GuideSign(message.sign))


def rig_of(bag: Bag) -> Rig:
    """The rig of a recording: its attachment vehicle/rig.yaml, or else its camera_info topics and /tf_static.

    Raises:
        BagError: it has neither, or what it has describes no possible rig; the text says how to give one.
    """
    try:
        if RIG_ATTACHMENT in bag.attachments:
            return parse_rig(bag.attachments[RIG_ATTACHMENT].decode("utf-8"), f"{bag.path}: {RIG_ATTACHMENT}")
        infos = _camera_infos(bag)
        if infos and "/tf_static" in bag.topics:
            return rig_from_announcements(bag.path.stem, infos, static_transforms(bag))
    except (ConfigError, ValueError) as error:
        raise BagError(f"{bag.path}: its calibration cannot be used: {error}") from error
    missing = "camera_info, but no /tf_static" if infos else "no camera_info topics"
    raise BagError(
        f"{bag.path}: without calibration: it has no attachment {RIG_ATTACHMENT}, and {missing}; give the car's configuration "
        "(--vehicle config/vehicle/NAME), or import it with `calibration:`"
    )


def _camera_infos(bag: Bag) -> dict[str, CameraInfo]:
    infos = {}
    for topic, info in bag.topics.items():
        if info.ros_type == CAMERA_INFO and info.count:
            _, message = next(_decoded(bag, topic, CAMERA_INFO))
            model = LensModel(message.distortion_model or "plumb_bob")
            k = message.k
            lens = Lens(model, message.width, message.height, float(k[0]), float(k[4]), float(k[2]), float(k[5]), tuple(map(float, message.d)))
            infos[_topic_name(topic)] = CameraInfo(_camera_name(topic), message.header.frame_id, lens, _ns(message.header.stamp))
    return infos


def static_transforms(bag: Bag) -> list[StaticTransforms]:
    """All messages of /tf_static; none where the recording has no such topic.

    Raises:
        ValueError: a rotation that is none.
    """
    if "/tf_static" not in bag.topics:
        return []
    return [_static_transforms(message) for _, message in _decoded(bag, "/tf_static", "tf2_msgs/msg/TFMessage")]


def _static_transforms(message: Any) -> StaticTransforms:
    items = []
    for stamped in message.transforms:
        q, t = stamped.transform.rotation, stamped.transform.translation
        pose = SE3.from_quaternion_wxyz((q.w, q.x, q.y, q.z), (t.x, t.y, t.z))
        items.append(StaticTransform(stamped.header.frame_id, stamped.child_frame_id, pose))
    return StaticTransforms(tuple(items))


def _decoded(bag: Bag, topic: str, ros_type: str, start_ns: int | None = None, stop_ns: int | None = None) -> Iterator[tuple[int, Any]]:
    if topic in bag.topics and bag.topics[topic].ros_type != ros_type:
        raise BagError(f"{bag.path}: {topic} is {bag.topics[topic].ros_type}, expected {ros_type}")
    return ((log_ns, bag.decode(ros_type, raw)) for _, _, log_ns, raw in bag.messages([topic], start_ns, stop_ns))


def _topic_name(topic: str) -> str:
    parts = topic.strip("/").split("/")
    return parts[1] if parts[0] == "camera" and len(parts) > 1 else parts[0]


def _camera_name(topic: str) -> str:
    name = _topic_name(topic).upper()
    return name if name.startswith("CAM_") else f"CAM_{name}"


def _ns(stamp: Any) -> int:
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def _frame(message: Any, ros_type: str, camera: str, topic: str, log_ns: int) -> CameraFrame:
    if ros_type == COMPRESSED_VIDEO:
        if message.format != "h264":
            raise BagError(f"{topic} holds video of format {message.format!r}; only h264 is read")
        return CameraFrame(camera, _ns(message.timestamp), log_ns, "h264", read_only(message.data))
    stamp_ns = _ns(message.header.stamp)
    if ros_type == COMPRESSED_IMAGE:
        if "jpeg" not in message.format and "jpg" not in message.format:
            raise BagError(f"{topic} holds images of format {message.format!r}; only jpeg is read")
        return CameraFrame(camera, stamp_ns, log_ns, "jpeg", read_only(message.data))
    return CameraFrame(camera, stamp_ns, log_ns, *_pixels(message, topic))


def _pixels(message: Any, topic: str) -> tuple[str, NDArray[np.uint8]]:
    encoding = _RAW_ENCODINGS.get(message.encoding)
    if encoding is None:
        raise BagError(f"{topic} holds images of encoding {message.encoding!r}; read are {', '.join(_RAW_ENCODINGS)}")
    rows = message.height * 3 // 2 if encoding == "nv12" else message.height
    channels = _ROW_BYTES[encoding]
    row_bytes = message.width * channels
    if message.step < row_bytes or len(message.data) < rows * message.step:
        raise BagError(f"{topic}: image of {message.width}x{message.height} {encoding}, step {message.step}, holds {len(message.data)} bytes")
    lines = message.data[: rows * message.step].reshape(rows, message.step)[:, :row_bytes]
    return encoding, read_only(lines if channels == 1 else lines.reshape(rows, message.width, channels))


def _can_batch(message: Any) -> CanBatch:
    arrays = [read_only(array) for array in (message.stamp_ns, message.id, message.flags, message.length, message.data)]
    return CanBatch(message.channel, *arrays)


def _gnss_fix(message: Any) -> GnssFix:
    std_m = math.sqrt(message.position_covariance[0]) if message.position_covariance_type else math.nan
    kinds = {0: FixType.AUTONOMOUS, 1: FixType.DGPS, 2: FixType.RTK_FLOAT if std_m >= _RTK_FLOAT_FROM_M else FixType.RTK_FIXED}
    fix = kinds.get(int(message.status.status), FixType.NONE)
    return GnssFix(_ns(message.header.stamp), message.latitude, message.longitude, message.altitude, fix, std_m)


def plans(bag: Bag, topic: str = "/plan/trajectory") -> Iterator[tuple[int, Trajectory]]:
    """(log_ns, plan) of a topic of heron_msgs/Trajectory; nothing when the recording has no such topic."""
    if topic in bag.topics:
        for log_ns, message in _decoded(bag, topic, "heron_msgs/msg/Trajectory"):
            points = read_only(np.stack([message.x, message.y, message.yaw, message.speed], axis=1))
            stamp_ns = _ns(message.header.stamp)
            yield log_ns, Trajectory(stamp_ns, points, int(message.sequence), message.policy, int(message.crc), _stages(message.stages))


def vehicle_states(bag: Bag, topic: str = "/vehicle/state") -> Iterator[tuple[int, VehicleState]]:
    """(log_ns, state) of a topic of heron_msgs/VehicleState; nothing when the recording has no such topic."""
    if topic in bag.topics:
        for log_ns, message in _decoded(bag, topic, "heron_msgs/msg/VehicleState"):
            signals = {name: getattr(message, name) for name in SIGNALS if hasattr(message, name)}  # an older recording may know fewer
            values = {name: Signal(float(s.value), int(s.age_ns), bool(s.valid)) for name, s in signals.items()}
            yield log_ns, VehicleState(_ns(message.header.stamp), values)


def odometries(bag: Bag, topic: str = "/odom") -> Iterator[tuple[int, Odometry]]:
    """(log_ns, odometry) of a topic of nav_msgs/Odometry; nothing when the recording has no such topic."""
    if topic in bag.topics:
        for log_ns, message in _decoded(bag, topic, "nav_msgs/msg/Odometry"):
            place, twist, turned = message.pose.pose.position, message.twist, message.pose.pose.orientation
            yaw_rad = 2.0 * math.atan2(turned.z, turned.w)
            valid = bool(twist.covariance[0] < UNKNOWN_VARIANCE)
            rates = (float(twist.twist.linear.x), float(twist.twist.angular.z))
            yield log_ns, Odometry(_ns(message.header.stamp), float(place.x), float(place.y), yaw_rad, *rates, valid)


def control_statuses(
    bag: Bag, topic: str = "/control/status", start_ns: int | None = None, stop_ns: int | None = None
) -> Iterator[tuple[int, ControlStatus]]:
    """(log_ns, status) of a topic of heron_msgs/ControlStatus; nothing when the recording has no such topic."""
    if topic in bag.topics:
        for log_ns, message in _decoded(bag, topic, "heron_msgs/msg/ControlStatus", start_ns, stop_ns):
            yield (
                log_ns,
                ControlStatus(
                    stamp_ns=_ns(message.header.stamp),
                    engagement=Engagement(message.engagement),
                    reason=message.reason,
                    plan_valid=bool(message.plan_valid),
                    plan_age_ns=int(message.plan_age_ns),
                    steer_rad=float(message.steer_rad),
                    accel_mps2=float(message.accel_mps2),
                    gate_limited=int(message.gate_limited),
                    gate_rejected=int(message.gate_rejected),
                    stages=_stages(message.stages),
                    **(_later_status(message) if hasattr(message, "ladder") else {}),
                ),
            )


def _later_status(message: Any) -> dict[str, Any]:
    """Fields that the oldest recordings lack."""
    return {
        "ladder": Ladder(message.ladder),
        "steer_request": bool(message.steer_request),
        "accel_request": bool(message.accel_request),
        "gate_alarm": bool(message.gate_alarm),
        "cross_track_m": float(message.cross_track_m),
        "heading_error_rad": float(message.heading_error_rad),
    }


def events(bag: Bag, topic: str = "/events") -> Iterator[tuple[int, Event]]:
    """(log_ns, event) of a topic of heron_msgs/Event; nothing when the recording has no such topic."""
    if topic in bag.topics:
        for log_ns, message in _decoded(bag, topic, "heron_msgs/msg/Event"):
            yield log_ns, Event(_ns(message.header.stamp), message.kind, message.source, message.text, getattr(message, "cause", ""))


def _stages(message: Any) -> Stages:
    return Stages(**{name: int(getattr(message, name)) for name in STAGE_FIELDS})

"""Native messages → canonical CDR, without ROS.

The same mapping as `heron_runtime.convert`. ROS's own serialiser leaves padding bytes uninitialised, so digests and recordings of one
deterministic run are taken over these bytes, where padding is zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
from rosbags.serde import SerdeError

from heron_bag.definitions import require
from heron_bag.errors import BagError
from heron_bag.markers import MARKERS, labels_message
from heron_core.canbus import CanBatch
from heron_core.frames import CameraFrame, FrameSet
from heron_core.labels import Labels
from heron_core.rig import CameraInfo, StaticTransforms, default_frame_id
from heron_core.signals import ControlStatus, Event, Explanation, FixType, GnssFix, Health, ImuSample, Instruction
from heron_core.stages import STAGE_FIELDS, Stages
from heron_core.trajectory import Trajectory
from heron_core.truth import Actor, EgoTruth, Lamp, Truth
from heron_core.vehicle import SIGNALS, Odometry, VehicleState

COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
COMPRESSED_VIDEO = "foxglove_msgs/msg/CompressedVideo"
IMAGE = "sensor_msgs/msg/Image"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
TF = "tf2_msgs/msg/TFMessage"
CAN_BATCH = "heron_msgs/msg/CanBatch"
NAV_SAT_FIX = "sensor_msgs/msg/NavSatFix"
DIAGNOSTICS = "diagnostic_msgs/msg/DiagnosticArray"

UNKNOWN_VARIANCE = 1e6
_ROW_BYTES = {"rgb8": 3, "bgr8": 3, "mono8": 1, "nv12": 1, "yuyv": 2}
_NAV_STATUS = {FixType.NONE: -1, FixType.AUTONOMOUS: 0, FixType.DGPS: 1, FixType.RTK_FIXED: 2, FixType.RTK_FLOAT: 2}

_EGO_FIELDS = tuple(field.name for field in fields(EgoTruth))
_ACTOR_FIELDS = tuple(field.name for field in fields(Actor))
_LAMPS = {Lamp.RED: 0, Lamp.YELLOW: 1, Lamp.GREEN: 2}


def ros_type_of(native: object) -> str:
    """The ROS type that a native message is recorded as.

    Raises:
        BagError: it is not one of the native messages.
    """
    if isinstance(native, CameraFrame):
        return {"jpeg": COMPRESSED_IMAGE, "h264": COMPRESSED_VIDEO}.get(native.encoding, IMAGE)
    if isinstance(native, int):
        return "rosgraph_msgs/msg/Clock"
    row = _TYPES.get(type(native))
    if row is None:
        raise BagError(f"{type(native).__name__} has no ROS type to be recorded as")
    return row[0]


def serialise(native: object) -> memoryview:
    """Canonical CDR of a native message, read-only; its type is `ros_type_of(native)`."""
    ros_type = ros_type_of(native)
    if isinstance(native, CameraFrame):
        message = _frame(native)
    elif isinstance(native, int):
        message = _make(ros_type, clock=_time(native))
    else:
        message = _TYPES[type(native)][1](native)
    return require(ros_type).serialize_cdr(message, ros_type)


def canonical(ros_type: str, raw: bytes | memoryview) -> memoryview:
    """`raw` with every padding byte zero: equal messages give equal bytes.

    Raises:
        BagError: the bytes do not fit the type.
    """
    store = require(ros_type)
    try:
        message = store.deserialize_cdr(memoryview(raw), ros_type)
    except SerdeError as error:
        raise BagError(f"{len(raw)} bytes do not fit {ros_type}: {error}") from error
    return store.serialize_cdr(message, ros_type, little_endian=True)


def _make(ros_type: str, **fields: Any) -> Any:
    return require(ros_type).types[ros_type](**fields)


def _time(stamp_ns: int) -> Any:
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    return _make("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)


def _header(stamp_ns: int, frame_id: str) -> Any:
    return _make("std_msgs/msg/Header", stamp=_time(stamp_ns), frame_id=frame_id)


def _vector(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Any:
    return _make("geometry_msgs/msg/Vector3", x=float(x), y=float(y), z=float(z))


def _quaternion(x: float = 0.0, y: float = 0.0, z: float = 0.0, w: float = 1.0) -> Any:
    return _make("geometry_msgs/msg/Quaternion", x=float(x), y=float(y), z=float(z), w=float(w))


def _stages(stages: Stages) -> Any:
    return _make("heron_msgs/msg/StageTimes", **{name: getattr(stages, name) for name in STAGE_FIELDS})


def _frame(frame: CameraFrame) -> Any:
    frame_id = default_frame_id(frame.camera)
    if frame.encoding == "jpeg":
        return _make(COMPRESSED_IMAGE, header=_header(frame.stamp_ns, frame_id), format="jpeg", data=frame.data)
    if frame.encoding == "h264":
        return _make(COMPRESSED_VIDEO, timestamp=_time(frame.stamp_ns), frame_id=frame_id, data=frame.data, format="h264")
    rows, width = frame.data.shape[:2]
    return _make(
        IMAGE,
        header=_header(frame.stamp_ns, frame_id),
        height=rows * 2 // 3 if frame.encoding == "nv12" else rows,
        width=width,
        encoding="yuv422_yuy2" if frame.encoding == "yuyv" else frame.encoding,
        is_bigendian=0,
        step=width * _ROW_BYTES[frame.encoding],
        data=np.ascontiguousarray(frame.data).reshape(-1),
    )


def _camera_info(info: CameraInfo) -> Any:
    lens = info.lens
    projection = np.zeros((3, 4))
    projection[:, :3] = lens.k
    roi = _make("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    return _make(
        CAMERA_INFO,
        header=_header(info.stamp_ns, info.frame_id),
        height=lens.height,
        width=lens.width,
        distortion_model=lens.model.value,
        d=np.array(lens.distortion, dtype=np.float64),
        k=np.asarray(lens.k, dtype=np.float64).reshape(-1),
        r=np.eye(3).reshape(-1),
        p=projection.reshape(-1),
        binning_x=0,
        binning_y=0,
        roi=roi,
    )


def _static_transforms(message: StaticTransforms) -> Any:
    items = []
    for item in message.transforms:
        w, x, y, z = item.pose.to_quaternion_wxyz()
        transform = _make("geometry_msgs/msg/Transform", translation=_vector(*item.pose.translation), rotation=_quaternion(x, y, z, w))
        head = _header(message.stamp_ns, item.parent)
        items.append(_make("geometry_msgs/msg/TransformStamped", header=head, child_frame_id=item.child, transform=transform))
    return _make(TF, transforms=items)


def _frame_set(frames: FrameSet) -> Any:
    groups = [
        _make("heron_msgs/msg/ImageGroup", name=name, shape=np.array(images.shape, dtype=np.uint32), data=np.ascontiguousarray(images).reshape(-1))
        for name, images in frames.images.items()
    ]
    return _make(
        "heron_msgs/msg/FrameSet",
        header=_header(frames.stamp_ns, "base_link"),
        digest=frames.digest,
        cameras=list(frames.cameras),
        exposure_ns=np.array(frames.exposure_ns, dtype=np.int64),
        valid=np.array(frames.valid, dtype=np.bool_),
        stages=_stages(frames.stages),
        images=groups,
    )


def _can_batch(batch: CanBatch) -> Any:
    return _make(
        CAN_BATCH,
        header=_header(int(batch.stamp_ns[0]) if len(batch) else 0, "base_link"),
        channel=batch.channel,
        stamp_ns=batch.stamp_ns,
        id=batch.ids,
        flags=batch.flags,
        length=batch.length,
        data=batch.data,
    )


def _vehicle_state(state: VehicleState) -> Any:
    signals = {
        name: _make("heron_msgs/msg/Signal", value=float(state[name].value), age_ns=state[name].age_ns, valid=state[name].valid) for name in SIGNALS
    }
    return _make("heron_msgs/msg/VehicleState", header=_header(state.stamp_ns, "base_link"), **signals)


def _odometry(odometry: Odometry) -> Any:
    position = _make("geometry_msgs/msg/Point", x=float(odometry.x_m), y=float(odometry.y_m), z=0.0)
    orientation = _quaternion(z=math.sin(odometry.yaw_rad / 2), w=math.cos(odometry.yaw_rad / 2))
    covariance = np.zeros(36)
    if not odometry.valid:
        covariance[0] = UNKNOWN_VARIANCE
    twist = _make("geometry_msgs/msg/Twist", linear=_vector(odometry.speed_mps), angular=_vector(z=odometry.yaw_rate_rps))
    return _make(
        "nav_msgs/msg/Odometry",
        header=_header(odometry.stamp_ns, "odom"),
        child_frame_id="base_link",
        pose=_make(
            "geometry_msgs/msg/PoseWithCovariance",
            pose=_make("geometry_msgs/msg/Pose", position=position, orientation=orientation),
            covariance=np.zeros(36),
        ),
        twist=_make("geometry_msgs/msg/TwistWithCovariance", twist=twist, covariance=covariance),
    )


def _imu(sample: ImuSample) -> Any:
    unknown = np.zeros(9)
    unknown[0] = -1.0
    return _make(
        "sensor_msgs/msg/Imu",
        header=_header(sample.stamp_ns, "base_link"),
        orientation=_quaternion(),
        orientation_covariance=unknown,
        angular_velocity=_vector(sample.rate_x, sample.rate_y, sample.rate_z),
        angular_velocity_covariance=np.zeros(9),
        linear_acceleration=_vector(sample.accel_x, sample.accel_y, sample.accel_z),
        linear_acceleration_covariance=np.zeros(9),
    )


def _gnss_fix(fix: GnssFix) -> Any:
    known = math.isfinite(fix.horizontal_std_m)
    covariance = np.zeros(9)
    if known:
        covariance[0] = covariance[4] = fix.horizontal_std_m**2
    return _make(
        NAV_SAT_FIX,
        header=_header(fix.stamp_ns, "base_link"),
        status=_make("sensor_msgs/msg/NavSatStatus", status=_NAV_STATUS[fix.fix], service=1),
        latitude=float(fix.latitude_deg),
        longitude=float(fix.longitude_deg),
        altitude=float(fix.altitude_m),
        position_covariance=covariance,
        position_covariance_type=int(known),
    )


def _instruction(instruction: Instruction) -> Any:
    head = _header(instruction.stamp_ns, "")
    return _make("heron_msgs/msg/Instruction", header=head, manoeuvre=instruction.manoeuvre, text=instruction.text)


def _explanation(explanation: Explanation) -> Any:
    head = _header(explanation.stamp_ns, "")
    return _make("heron_msgs/msg/Explanation", header=head, reason=explanation.reason, english=explanation.english, japanese=explanation.japanese)


def _truth(truth: Truth) -> Any:
    return _make(
        "heron_msgs/msg/Truth",
        header=_header(truth.stamp_ns, "map"),
        time_ns=truth.time_ns,
        ego=_make("heron_msgs/msg/TruthEgo", **{name: getattr(truth.ego, name) for name in _EGO_FIELDS}),
        actors=[_actor(actor) for actor in truth.actors],
        lamp_groups=np.array(list(truth.lamps), np.uint16),
        lamps=np.array([_LAMPS[lamp] for lamp in truth.lamps.values()], np.uint8),
    )


def _actor(actor: Actor) -> Any:
    plain = {name: getattr(actor, name) for name in _ACTOR_FIELDS}
    return _make("heron_msgs/msg/TruthActor", **{**plain, "kind": actor.kind.value, "sign": actor.sign.value})


def _trajectory(plan: Trajectory) -> Any:
    columns = {name: np.ascontiguousarray(plan.points[:, index]) for index, name in enumerate(("x", "y", "yaw", "speed"))}
    return _make(
        "heron_msgs/msg/Trajectory",
        header=_header(plan.stamp_ns, "base_link"),
        policy=plan.policy,
        sequence=plan.sequence,
        point_count=len(plan.points),
        crc=plan.crc,
        stages=_stages(plan.stages),
        **columns,
    )


def _control_status(status: ControlStatus) -> Any:
    return _make(
        "heron_msgs/msg/ControlStatus",
        header=_header(status.stamp_ns, "base_link"),
        engagement=status.engagement.value,
        reason=status.reason,
        plan_valid=status.plan_valid,
        plan_age_ns=status.plan_age_ns,
        steer_rad=float(status.steer_rad),
        accel_mps2=float(status.accel_mps2),
        gate_limited=status.gate_limited,
        gate_rejected=status.gate_rejected,
        stages=_stages(status.stages),
        ladder=status.ladder.value,
        steer_request=status.steer_request,
        accel_request=status.accel_request,
        gate_alarm=status.gate_alarm,
        cross_track_m=float(status.cross_track_m),
        heading_error_rad=float(status.heading_error_rad),
    )


def _event(event: Event) -> Any:
    header = _header(event.stamp_ns, "")
    return _make("heron_msgs/msg/Event", header=header, kind=event.kind, source=event.source, text=event.text, cause=event.cause)


def _health(health: Health) -> Any:
    values = [_make("diagnostic_msgs/msg/KeyValue", key=key, value=value) for key, value in health.values]
    status = _make("diagnostic_msgs/msg/DiagnosticStatus", level=health.level, name=health.name, message=health.text, hardware_id="", values=values)
    return _make(DIAGNOSTICS, header=_header(health.stamp_ns, ""), status=[status])


_TYPES: dict[type, tuple[str, Callable[[Any], Any]]] = {
    CameraInfo: (CAMERA_INFO, _camera_info),
    StaticTransforms: (TF, _static_transforms),
    FrameSet: ("heron_msgs/msg/FrameSet", _frame_set),
    CanBatch: (CAN_BATCH, _can_batch),
    VehicleState: ("heron_msgs/msg/VehicleState", _vehicle_state),
    Odometry: ("nav_msgs/msg/Odometry", _odometry),
    ImuSample: ("sensor_msgs/msg/Imu", _imu),
    GnssFix: (NAV_SAT_FIX, _gnss_fix),
    Instruction: ("heron_msgs/msg/Instruction", _instruction),
    Explanation: ("heron_msgs/msg/Explanation", _explanation),
    Truth: ("heron_msgs/msg/Truth", _truth),
    Labels: (MARKERS, labels_message),
    Trajectory: ("heron_msgs/msg/Trajectory", _trajectory),
    ControlStatus: ("heron_msgs/msg/ControlStatus", _control_status),
    Event: ("heron_msgs/msg/Event", _event),
    Health: (DIAGNOSTICS, _health),
}

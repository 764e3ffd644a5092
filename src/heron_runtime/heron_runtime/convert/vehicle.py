"""CAN batches, vehicle state, odometry, IMU and GNSS ↔ ROS messages."""

from __future__ import annotations

import math
import struct

import numpy as np
from geometry_msgs.msg import Quaternion, Vector3
from heron_msgs.msg import CanBatch as RosCanBatch
from heron_msgs.msg import Signal as RosSignal
from heron_msgs.msg import VehicleState as RosVehicleState
from nav_msgs.msg import Odometry as RosOdometry
from sensor_msgs.msg import Imu, NavSatFix, NavSatStatus

from heron_core.canbus import CanBatch
from heron_core.signals import FixType, GnssFix, ImuSample
from heron_core.vehicle import SIGNALS, Odometry, Signal, VehicleState
from heron_runtime.convert.stamps import from_bytes, header, to_bytes, to_ns

UNKNOWN_VARIANCE = 1e6
_STATUS = {FixType.NONE: NavSatStatus.STATUS_NO_FIX, FixType.AUTONOMOUS: NavSatStatus.STATUS_FIX, FixType.DGPS: NavSatStatus.STATUS_SBAS_FIX}
# NavSatFix has no RTK flavours: both are GBAS fixes, told apart again by their standard deviation.
_RTK_FLOAT_FROM_M = 0.1
_LITTLE_ENDIAN_CDR = b"\0\1\0\0"
_STAMP = struct.Struct("<iII")  # std_msgs/Header up to the length of frame_id, whose bytes follow
_SIGNALS = struct.Struct("<" + "7x".join(["dq?"] * len(SIGNALS)))


def can_batch_to_ros(batch: CanBatch) -> RosCanBatch:
    """CAN batch → heron_msgs/CanBatch."""
    message = RosCanBatch(header=header(int(batch.stamp_ns[0]) if len(batch) else 0, "base_link"), channel=batch.channel)
    message.stamp_ns = to_bytes(batch.stamp_ns, "q")
    message.id = to_bytes(batch.ids, "I")
    message.flags = to_bytes(batch.flags)
    message.length = to_bytes(batch.length)
    message.data = to_bytes(batch.data)
    return message


def can_batch_from_ros(message: RosCanBatch, topic: str, received_ns: int) -> CanBatch:
    """heron_msgs/CanBatch → CAN batch on the message's memory."""
    return CanBatch(
        channel=message.channel,
        stamp_ns=from_bytes(message.stamp_ns, np.int64),
        ids=from_bytes(message.id, np.uint32),
        flags=from_bytes(message.flags),
        length=from_bytes(message.length),
        data=from_bytes(message.data),
    )


def vehicle_state_to_ros(state: VehicleState) -> RosVehicleState:
    """Vehicle state → heron_msgs/VehicleState."""
    message = RosVehicleState(header=header(state.stamp_ns, "base_link"))
    for name in SIGNALS:
        signal = state[name]
        setattr(message, name, RosSignal(value=signal.value, age_ns=signal.age_ns, valid=signal.valid))
    return message


def vehicle_state_from_ros(message: RosVehicleState, topic: str, received_ns: int) -> VehicleState:
    """heron_msgs/VehicleState → vehicle state."""
    signals = {name: getattr(message, name) for name in SIGNALS}
    return VehicleState(to_ns(message.header.stamp), {name: Signal(s.value, s.age_ns, s.valid) for name, s in signals.items()})


def vehicle_state_from_raw(raw: bytes) -> VehicleState:
    """The bytes of a heron_msgs/VehicleState → vehicle state, without a ROS message between: that costs ten times as much, a hundred times a second.

    Raises:
        ValueError: not little-endian CDR, or not of this type's length.
    """
    if raw[:4] != _LITTLE_ENDIAN_CDR:
        raise ValueError(f"CDR begins with {raw[:4].hex()}, expected {_LITTLE_ENDIAN_CDR.hex()}")
    try:
        seconds, nanoseconds, frame_id_bytes = _STAMP.unpack_from(raw, 4)
        first = 4 + -(-(_STAMP.size + frame_id_bytes) // 8) * 8  # float64 stands on multiples of 8 behind the CDR header
        fields = _SIGNALS.unpack_from(raw, first)
    except struct.error as error:
        raise ValueError(f"{len(raw)} bytes are too few for a vehicle state: {error}") from error
    return VehicleState(seconds * 1_000_000_000 + nanoseconds, dict(zip(SIGNALS, map(Signal, fields[::3], fields[1::3], fields[2::3]), strict=True)))


def odometry_to_ros(odometry: Odometry) -> RosOdometry:
    """Odometry → nav_msgs/Odometry; an invalid one carries `UNKNOWN_VARIANCE` in x."""
    message = RosOdometry(header=header(odometry.stamp_ns, "odom"), child_frame_id="base_link")
    message.pose.pose.position.x = odometry.x_m
    message.pose.pose.position.y = odometry.y_m
    message.pose.pose.orientation = Quaternion(z=math.sin(odometry.yaw_rad / 2), w=math.cos(odometry.yaw_rad / 2))
    message.twist.twist.linear.x = odometry.speed_mps
    message.twist.twist.angular.z = odometry.yaw_rate_rps
    if not odometry.valid:
        message.twist.covariance[0] = UNKNOWN_VARIANCE
    return message


def odometry_from_ros(message: RosOdometry, topic: str, received_ns: int) -> Odometry:
    """nav_msgs/Odometry → odometry; the heading comes back within (-pi, pi]."""
    q = message.pose.pose.orientation
    return Odometry(
        stamp_ns=to_ns(message.header.stamp),
        x_m=message.pose.pose.position.x,
        y_m=message.pose.pose.position.y,
        yaw_rad=math.atan2(2 * (q.w * q.z + q.x * q.y), 1 - 2 * (q.y * q.y + q.z * q.z)),
        speed_mps=message.twist.twist.linear.x,
        yaw_rate_rps=message.twist.twist.angular.z,
        valid=message.twist.covariance[0] < UNKNOWN_VARIANCE,
    )


def imu_to_ros(sample: ImuSample) -> Imu:
    """IMU sample → sensor_msgs/Imu (no orientation)."""
    message = Imu(header=header(sample.stamp_ns, "base_link"))
    message.angular_velocity = Vector3(x=sample.rate_x, y=sample.rate_y, z=sample.rate_z)
    message.linear_acceleration = Vector3(x=sample.accel_x, y=sample.accel_y, z=sample.accel_z)
    message.orientation_covariance[0] = -1.0
    return message


def imu_from_ros(message: Imu, topic: str, received_ns: int) -> ImuSample:
    """sensor_msgs/Imu → IMU sample."""
    rate, accel = message.angular_velocity, message.linear_acceleration
    return ImuSample(to_ns(message.header.stamp), rate.x, rate.y, rate.z, accel.x, accel.y, accel.z)


def gnss_fix_to_ros(fix: GnssFix) -> NavSatFix:
    """GNSS fix → sensor_msgs/NavSatFix; variance 0 of type UNKNOWN where no accuracy is known."""
    message = NavSatFix(header=header(fix.stamp_ns, "base_link"), latitude=fix.latitude_deg, longitude=fix.longitude_deg, altitude=fix.altitude_m)
    message.status = NavSatStatus(status=_STATUS.get(fix.fix, NavSatStatus.STATUS_GBAS_FIX), service=NavSatStatus.SERVICE_GPS)
    if math.isfinite(fix.horizontal_std_m):
        variance = fix.horizontal_std_m**2
        message.position_covariance[0] = message.position_covariance[4] = variance
        message.position_covariance_type = NavSatFix.COVARIANCE_TYPE_APPROXIMATED
    return message


def gnss_fix_from_ros(message: NavSatFix, topic: str, received_ns: int) -> GnssFix:
    """sensor_msgs/NavSatFix → GNSS fix."""
    known = message.position_covariance_type != NavSatFix.COVARIANCE_TYPE_UNKNOWN
    std_m = math.sqrt(message.position_covariance[0]) if known else math.nan
    status = message.status.status
    if status == NavSatStatus.STATUS_GBAS_FIX:
        fix = FixType.RTK_FLOAT if std_m >= _RTK_FLOAT_FROM_M else FixType.RTK_FIXED
    else:
        fix = next((kind for kind, value in _STATUS.items() if value == status), FixType.NONE)
    return GnssFix(to_ns(message.header.stamp), message.latitude, message.longitude, message.altitude, fix, std_m)

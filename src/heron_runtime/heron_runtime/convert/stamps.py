"""Time and bytes in ROS messages."""

from __future__ import annotations

import array
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from heron_msgs.msg import StageTimes
from numpy.typing import NDArray
from std_msgs.msg import Header

from heron_core.arrays import read_only
from heron_core.stages import STAGE_FIELDS, Stages

_SECOND = 1_000_000_000


def to_time(stamp_ns: int) -> Time:
    """Nanoseconds → builtin_interfaces/Time."""
    seconds, nanoseconds = divmod(stamp_ns, _SECOND)
    return Time(sec=seconds, nanosec=nanoseconds)


def to_ns(time: Time) -> int:
    """builtin_interfaces/Time → nanoseconds."""
    return int(time.sec) * _SECOND + int(time.nanosec)


def header(stamp_ns: int, frame_id: str) -> Header:
    """A std_msgs/Header."""
    return Header(stamp=to_time(stamp_ns), frame_id=frame_id)


def to_bytes(values: NDArray[Any], typecode: str = "B") -> array.array[Any]:
    """An array as the `array.array` that rclpy takes without looking at each element (an ndarray would be checked one by one)."""
    filled = array.array(typecode)
    filled.frombytes(np.ascontiguousarray(values).data.cast("B"))
    return filled


def from_bytes(values: Any, dtype: Any = np.uint8) -> NDArray[Any]:
    """A read-only array on the same memory as a message's sequence."""
    return read_only(np.frombuffer(values, dtype=dtype) if len(values) else np.zeros(0, dtype=dtype))


def to_stage_times(stages: Stages) -> StageTimes:
    """Stages → heron_msgs/StageTimes."""
    return StageTimes(**{name: getattr(stages, name) for name in STAGE_FIELDS})


def from_stage_times(message: StageTimes) -> Stages:
    """heron_msgs/StageTimes → Stages."""
    return Stages(**{name: int(getattr(message, name)) for name in STAGE_FIELDS})

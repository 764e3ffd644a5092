"""A vehicle state read from its bytes is the one that was sent."""

import math

import pytest
from rclpy.serialization import deserialize_message, serialize_message

from heron_core.vehicle import SIGNALS, Signal, VehicleState
from heron_runtime.convert.vehicle import vehicle_state_from_raw, vehicle_state_from_ros, vehicle_state_to_ros
from heron_runtime.topics import topic_row

STATE = VehicleState(1_767_225_601_234_567_891, {name: Signal(index + 0.5, 10**10 + index, index % 3 != 0) for index, name in enumerate(SIGNALS)})


@pytest.mark.parametrize("frame_id", ["", "base_link", "b", "a/frame/of/another/sender"])
def test_bytes_and_ros_message_give_the_same_state(frame_id: str) -> None:
    message = vehicle_state_to_ros(STATE)
    message.header.frame_id = frame_id
    raw = bytes(serialize_message(message))
    assert vehicle_state_from_raw(raw) == STATE
    assert vehicle_state_from_ros(deserialize_message(raw, type(message)), "/vehicle/state", 0) == STATE


def test_signals_that_were_never_received_stay_so() -> None:
    read = vehicle_state_from_raw(bytes(serialize_message(vehicle_state_to_ros(VehicleState(5)))))
    assert read.stamp_ns == 5
    assert all(math.isnan(signal.value) and signal.age_ns == -1 and not signal.valid for signal in read.signals.values())


def test_bytes_that_do_not_fit_are_refused() -> None:
    raw = bytes(serialize_message(vehicle_state_to_ros(STATE)))
    with pytest.raises(ValueError, match="too few"):
        vehicle_state_from_raw(raw[:-8])
    with pytest.raises(ValueError, match="CDR begins with 00000000"):
        vehicle_state_from_raw(b"\0" + raw[1:1] + b"\0\0\0" + raw[4:])


def test_only_frequent_types_have_a_way_of_their_own() -> None:
    assert topic_row("/vehicle/state").from_raw() is vehicle_state_from_raw
    assert topic_row("/odom").from_raw() is None
